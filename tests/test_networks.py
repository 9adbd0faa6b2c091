"""The networks of the list: shapes, gradients, and the fused copy."""

from __future__ import annotations

import pytest
import torch

from wafer_core.errors import ParameterError
from wafer_core.networks import registry
from wafer_core.networks.optimizer import mixed_precision
from wafer_core.networks.wafer_cnn import WaferCNN


@pytest.mark.parametrize("name", registry.NETWORKS)
def test_every_network_has_an_output_for_each_class(name: str) -> None:
    info = registry.NETWORKS[name]
    network = registry.build(name, 5).eval()
    with torch.inference_mode():
        logits = network(torch.rand(2, 3, info.size, info.size))
    assert logits.shape == (2, 5)
    assert torch.isfinite(logits).all()


def test_torchvision_networks_mention_that_they_start_from_scratch() -> None:
    for name in ("efficientnet_b0", "mobilenet_v2", "resnet18"):
        assert "from scratch" in registry.NETWORKS[name].help


def test_the_wafer_network_is_small_and_every_weight_has_a_gradient() -> None:
    torch.manual_seed(0)
    network = WaferCNN(9)
    assert sum(p.numel() for p in network.parameters()) < 500_000
    for module in network.modules():  # blocks start as their shortcuts
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(module.weight)
    network(torch.rand(4, 3, 64, 64)).square().sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_the_fused_copy_gives_the_same_logits() -> None:
    torch.manual_seed(0)
    network = WaferCNN(3)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 2)
            torch.nn.init.uniform_(module.bias)
            torch.nn.init.uniform_(module.running_mean)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    network.eval()
    batch = torch.rand(3, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(network.fused()(batch), network(batch), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("side", [32, 64, 96])
def test_the_wafer_network_takes_any_even_size(side: int) -> None:
    assert WaferCNN(2).eval()(torch.rand(1, 3, side, side)).shape == (1, 2)


def test_unknown_networks_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ParameterError, match=r"'vgg'.*wafer_cnn"):
        registry.build("vgg", 3)


@pytest.mark.parametrize("classes", [-1, 0, 1, registry.MAX_CLASSES + 1])
def test_numbers_of_classes_out_of_range_are_refused(classes: int) -> None:
    with pytest.raises(ParameterError, match="2 to 1,000 classes"):
        registry.build("wafer_cnn", classes)


@pytest.mark.parametrize(("groups", "dtype"), [(1, torch.bfloat16), (4, torch.float32)])
def test_depthwise_convolutions_are_trained_in_single_precision_on_a_cpu(
    groups: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    network = torch.nn.Conv2d(4, 4, 3, groups=groups)
    with mixed_precision(torch.device("cpu"), network):
        assert network(torch.rand(1, 4, 8, 8)).dtype == dtype
    with mixed_precision(torch.device("cpu")):  # prediction is not slower
        assert network(torch.rand(1, 4, 8, 8)).dtype == torch.bfloat16
