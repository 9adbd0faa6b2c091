"""Diagnostics: weight change, inactive channels and shapes of small networks."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from wafer_core.errors import InputError
from wafer_core.networks import initial_weights, registry
from wafer_core.networks.penultimate import penultimate
from wafer_core.networks.preparation import Preparation
from wafer_core.networks.wafer_cnn import WaferCNN
from wafer_core.tasks.classification import diagnostics
from wafers import marked

CPU = torch.device("cpu")


class Two(nn.Module):
    """Two convolutions with activations and a last layer; weights are set by hand."""

    def __init__(self, second: nn.Module | None = None) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 2, 1)
        self.second = nn.Conv2d(2, 3, 1)
        self.act = second or nn.ReLU(inplace=True)
        self.head = nn.Linear(3, 2)
        with torch.no_grad():
            self.first.weight.fill_(1)
            self.first.bias.copy_(torch.tensor([0.0, -100.0]))  # its channel 1 is never active
            self.second.weight.fill_(1)
            self.second.bias.copy_(torch.tensor([0.0, -1.0, -1000.0]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.second(F.relu(self.first(x))))
        return self.head(x.mean((2, 3)))


# -- movement ------------------------------------------------------------------------------------


def test_movement_is_distance_over_length() -> None:
    """From (3, 4), of length 5, to (6, 8) the distance is 5, so the ratio is 1."""
    before = {"a.weight": torch.tensor([[3.0, 4.0]]), "b.weight": torch.tensor([[0.0, 2.0]])}
    after = {"a.weight": torch.tensor([[6.0, 8.0]]), "b.weight": torch.tensor([[0.0, 2.0]])}
    moved = diagnostics.movement(before, after, fresh="b")
    assert moved == [
        diagnostics.Movement("a", 2, 1.0, False),
        diagnostics.Movement("b", 2, 0.0, True),
    ]


def test_movement_from_zero_is_undefined() -> None:
    zero, one = {"a.weight": torch.zeros(2, 2)}, {"a.weight": torch.ones(2, 2)}
    assert diagnostics.movement(zero, one)[0].moved is None


def test_normalisation_and_biases_are_left_out() -> None:
    network = registry.build("wafer_cnn", 3)
    rows = diagnostics.movement(network.state_dict(), network.state_dict())
    assert [r.layer for r in rows][:2] == ["stem", "blocks.0.conv1"]
    assert rows[-1].layer == "head"
    assert all(r.moved == 0 for r in rows)
    assert not any("norm" in r.layer for r in rows)


def test_two_different_networks_cannot_be_compared() -> None:
    one, two = registry.build("wafer_cnn", 3), registry.build("wafer_cnn", 4)
    with pytest.raises(InputError, match="two different networks"):
        diagnostics.movement(one.state_dict(), two.state_dict())


# -- inactive channels ---------------------------------------------------------------------------


@pytest.mark.parametrize("second", [nn.ReLU(inplace=True), nn.SiLU(), nn.ReLU6()])
def test_channels_that_are_never_positive_are_inactive(second: nn.Module) -> None:
    """Ones in three channels give 3 and -97, then 3, 2 and -997."""
    network = Two(second).eval()
    inactive, features = diagnostics.inactive_channels(network, torch.ones(60, 3, 4, 4), CPU)
    assert inactive == [
        diagnostics.InactiveChannels("first", 2, 1),
        diagnostics.InactiveChannels("act", 3, 1),
    ]
    assert features.shape == (60, 3)
    if isinstance(second, nn.ReLU):
        torch.testing.assert_close(features[0], torch.tensor([3.0, 2.0, 0.0]))


def test_one_picture_is_enough_to_be_active() -> None:
    network = Two().eval()
    batch = torch.zeros(120, 3, 4, 4)
    assert [d.inactive for d in diagnostics.inactive_channels(network, batch, CPU)[0]] == [2, 3]
    batch[119, :, 2, 3] = 1  # a single die of the last picture, in the last part
    assert [d.inactive for d in diagnostics.inactive_channels(network, batch, CPU)[0]] == [1, 1]


def test_hooks_are_removed() -> None:
    network = Two().eval()
    diagnostics.inactive_channels(network, torch.ones(3, 3, 4, 4), CPU)
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in network.modules())


@pytest.mark.parametrize(
    ("name", "activations"),
    [("wafer_cnn", 5), ("resnet18", 17), ("mobilenet_v2", 35)],
)
def test_every_activation_of_the_networks_is_recorded(name: str, activations: int) -> None:
    """A stem and two for each residual block; MobileNetV2's blocks have two, its first one."""
    torch.manual_seed(0)
    network = registry.build(name, 3).eval()
    inactive, features = diagnostics.inactive_channels(network, torch.rand(2, 3, 64, 64), CPU)
    assert len(inactive) == activations
    assert len({d.layer for d in inactive}) == activations
    assert features.shape[0] == 2
    assert all(0 <= d.inactive <= d.channels for d in inactive)


# -- summary -------------------------------------------------------------------------------------


def test_the_summary_has_shapes_and_counts() -> None:
    rows = diagnostics.summary(Two(), 4)
    assert rows == [
        diagnostics.Layer("first", "Conv2d", (2, 4, 4), 3 * 2 + 2),
        diagnostics.Layer("second", "Conv2d", (3, 4, 4), 2 * 3 + 3),
        diagnostics.Layer("act", "ReLU", (3, 4, 4), 0),
        diagnostics.Layer("head", "Linear", (2,), 3 * 2 + 2),
    ]


@pytest.mark.parametrize("name", ["wafer_cnn", "resnet18"])
def test_the_summary_counts_every_parameter(name: str) -> None:
    network = registry.build(name, 5)
    network.train()
    rows = diagnostics.summary(network, 64)
    assert sum(r.parameters for r in rows) == sum(p.numel() for p in network.parameters())
    assert rows[-1].shape == (5,)
    assert network.training


# -- everything ------------------------------------------------------------------------------------


def test_an_untrained_network_has_not_moved() -> None:
    start = initial_weights.initialize("wafer_cnn", 3, initial_weights.SCRATCH, seed=5)
    again = initial_weights.initialize("wafer_cnn", 3, initial_weights.SCRATCH, seed=5)
    other = initial_weights.initialize("wafer_cnn", 3, initial_weights.SCRATCH, seed=6)
    pictures = [marked(i) for i in range(30)]
    value = diagnostics.examine(again.network, start, Preparation(64), pictures, CPU)
    assert {row["moved"] for row in value["movement"]} == {0.0}
    assert value["pictures"] == 30
    assert value["manifold"]["ratio"] >= 1
    assert json.loads(json.dumps(value, allow_nan=False)) == json.loads(json.dumps(value))
    assert len(json.dumps(value)) < 20_000
    far = diagnostics.examine(other.network, start, Preparation(64), [], CPU)
    # The distance of two independent draws is √2 times their length.
    assert far["movement"][0]["moved"] == pytest.approx(math.sqrt(2), rel=0.05)
    assert far["dead"] == []
    assert far["manifold"] is None


def test_many_pictures_are_sampled_and_few_distinct_ones_give_no_manifold() -> None:
    start = initial_weights.initialize("wafer_cnn", 2, initial_weights.SCRATCH, seed=0)
    few = diagnostics.examine(start.network, start, Preparation(16), [marked(1)] * 40, CPU)
    assert few["manifold"] is None
    assert few["pictures"] == 40
    many = [marked(i % 5) for i in range(diagnostics.PICTURES + 7)]
    value = diagnostics.examine(start.network, start, Preparation(16), many, CPU)
    assert value["pictures"] == diagnostics.PICTURES


def test_features_are_the_input_of_the_last_layer() -> None:
    torch.manual_seed(0)
    network = WaferCNN(3).eval()
    batch = torch.rand(4, 3, 64, 64)
    with torch.inference_mode():
        features = penultimate(network, batch)
        torch.testing.assert_close(network.head(features), network(batch))
        np.testing.assert_allclose(features, network.features(batch))
