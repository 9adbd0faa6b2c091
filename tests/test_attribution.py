"""Heat maps of networks whose reasons are known; rotations and direction."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from wafer_core.images import FAIL, PASS, Picture
from wafer_core.networks import registry
from wafer_core.networks.preparation import Preparation
from wafer_core.tasks.classification.attribution import heat_map
from wafer_core.tasks.classification.classifier import Classifier
from wafers import disc, marked

NAMES = ["Corner", "none"]


class Quadrant(nn.Module):
    """Predicts Corner if dies fail at the upper left, whatever else fails."""

    def __init__(self) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.tensor(20.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        half = x.shape[-1] // 2
        share = x[:, 1, :half, :half].mean((1, 2)) * self.strength
        return torch.stack([share, 1 - share], 1)


def classifier_of(network: nn.Module, turns: bool = False) -> Classifier:
    return Classifier(network, "wafer_cnn", Preparation(), NAMES, 1.3, average_turns=turns)


def with_fails(*places: tuple[slice, slice]) -> Picture:
    picture = disc(32)
    for place in places:
        picture[place][picture[place] == PASS] = FAIL
    return picture


UPPER, LOWER = slice(6, 12), slice(20, 26)


def test_only_dies_that_the_network_uses_are_hot() -> None:
    heat = heat_map(classifier_of(Quadrant()), with_fails((UPPER, UPPER), (LOWER, LOWER)))
    assert heat.shape == (64, 64)
    assert heat.max() == 1
    assert heat.min() == 0
    assert heat[14:22, 14:22].min() > 0.9  # 64 / 32 = two cells a die
    assert heat[34:].max() < 1e-6
    assert heat[:, 34:].max() < 1e-6


def test_a_prediction_from_the_absence_of_failures_has_an_empty_map() -> None:
    wafer = with_fails((LOWER, LOWER))
    assert classifier_of(Quadrant()).predict_proba([wafer])[0].argmax() == 1
    assert not heat_map(classifier_of(Quadrant()), wafer).any()
    assert not heat_map(classifier_of(Quadrant()), disc(32)).any()


def test_another_class_can_be_explained() -> None:
    wafer = with_fails((UPPER, UPPER))
    assert heat_map(classifier_of(Quadrant()), wafer, class_index=0).max() == 1
    assert not heat_map(classifier_of(Quadrant()), wafer, class_index=1).any()


def test_with_rotations_every_quarter_counts() -> None:
    heat = heat_map(
        classifier_of(Quadrant(), turns=True), with_fails((UPPER, UPPER), (LOWER, LOWER))
    )
    np.testing.assert_allclose(heat, heat[::-1, ::-1], atol=1e-6)
    assert heat[44:50, 44:50].min() > 0.9


def test_the_map_of_a_rotated_wafer_is_rotated() -> None:
    torch.manual_seed(0)
    classifier = classifier_of(registry.build("wafer_cnn", 2), turns=True)
    wafer = with_fails((UPPER, slice(8, 24)))
    predicted = int(classifier.predict_proba([wafer])[0].argmax())
    for index in (predicted, 1 - predicted):
        heat = heat_map(classifier, wafer, index)
        rotated = heat_map(classifier, np.rot90(wafer).copy(), index)
        np.testing.assert_allclose(rotated, np.rot90(heat), atol=1e-3)


@pytest.mark.parametrize("shape", [(32, 32), (20, 60)])
def test_the_baseline_of_a_grey_picture_is_a_uniform_grey(shape: tuple[int, int]) -> None:
    picture = np.full(shape, 60, np.uint8)
    picture[2 : shape[0] // 3, 2 : shape[1] // 3] = 250
    heat = heat_map(classifier_of(Quadrant()), picture, 0)
    assert np.unravel_index(heat.argmax(), heat.shape) < (32, 32)
    assert heat[40:, 40:].max() < 1e-6


def test_networks_for_photographs_and_threads_without_gradients() -> None:
    torch.manual_seed(0)
    classifier = Classifier(
        registry.build("mobilenet_v2", 2), "mobilenet_v2", Preparation(96), NAMES
    )
    with torch.inference_mode():
        classifier.predict_proba([marked(3)])
    heat = heat_map(classifier, marked(3), 0)
    assert heat.shape == (96, 96)
    assert np.isfinite(heat).all()
