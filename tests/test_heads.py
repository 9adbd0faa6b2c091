"""Fitting a last layer: features alone, and with the names that a network knew."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from wafer_core.tasks.classification.heads import fit_head
from wafer_core.tasks.classification.networks import WaferCNN

CLASSES, EACH = 3, 12


class _Table(WaferCNN):
    """A network whose features are the first cells of its input."""

    def __init__(self, width: int) -> None:
        super().__init__(CLASSES)
        self.head = nn.Linear(width, CLASSES)
        self.width = width

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)[:, : self.width]


def fit(width: int, shift: float, known: nn.Linear | None, seed: int = 0) -> tuple[_Table, object]:
    """Classes that differ in their first three features by ``shift`` 255ths, among noise."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(CLASSES), EACH)
    table = rng.normal(128, 20, (len(labels), 3 * 16 * 16))
    table[np.arange(len(labels)), labels] += shift
    inputs = torch.from_numpy(table.clip(0, 255).astype(np.uint8)).view(-1, 3, 16, 16)
    network = _Table(width)
    told = fit_head(
        network, inputs, torch.from_numpy(labels), None, False,
        torch.Generator().manual_seed(0), lambda share: None, known,
    )  # fmt: skip
    return network, told


def test_what_is_easily_told_apart_is_learned_and_told_by_folds() -> None:
    network, told = fit(3, 100, None)
    assert told.trust == 0
    assert told.scores.shape == (CLASSES * EACH, CLASSES)
    np.testing.assert_allclose(np.exp(told.scores).sum(1), 1, atol=1e-5)
    assert (told.scores.argmax(1) == told.labels).all()
    assert sorted(told.labels) == sorted(np.repeat(np.arange(CLASSES), EACH))
    batch = torch.full((3, 3, 16, 16), 0.5)
    batch.view(3, -1)[torch.arange(3), torch.arange(3)] += 100 / 255
    assert network.eval()(batch).argmax(1).tolist() == [0, 1, 2]


def test_known_names_are_leaned_on_where_they_help() -> None:
    """Three telling features among 200: few wafers do not show which, the known layer does."""
    known = nn.Linear(200, CLASSES)
    with torch.no_grad():
        known.weight.zero_()
        known.bias.zero_()
        known.weight[torch.arange(CLASSES), torch.arange(CLASSES)] = 20.0
    _, alone = fit(200, 45, None)
    network, told = fit(200, 45, known)
    assert told.trust > 0
    right, without = (float((f.scores.argmax(1) == f.labels).mean()) for f in (told, alone))
    assert right > without
    weight = network.head.weight.detach()
    assert weight[:, :3].diagonal().min() > 5 * weight[:, 3:].abs().mean()


def test_known_names_that_say_nothing_are_not_needed() -> None:
    known = nn.Linear(3, 2)
    with torch.no_grad():
        known.weight.zero_()
        known.bias.zero_()
    network, told = fit(3, 100, known)
    assert (told.scores.argmax(1) == told.labels).all()
    assert torch.isfinite(network.head.weight).all()


def test_one_picture_of_a_class_can_be_fitted() -> None:
    inputs = torch.randint(0, 255, (4, 3, 16, 16), dtype=torch.uint8)
    network = _Table(5)
    told = fit_head(
        network, inputs, torch.tensor([0, 1, 1, 1]), torch.ones(CLASSES), True,
        torch.Generator().manual_seed(0), lambda share: None,
    )  # fmt: skip
    assert np.isfinite(told.scores).all()
    assert np.isfinite(told.loss)


def test_the_layer_is_the_same_for_the_same_generator_and_tells_its_progress() -> None:
    one, _ = fit(20, 60, None)
    two, _ = fit(20, 60, None)
    torch.testing.assert_close(one.head.weight, two.head.weight)
    shares: list[float] = []
    fit_head(
        _Table(5), torch.zeros(6, 3, 16, 16, dtype=torch.uint8), torch.tensor([0, 1, 2] * 2),
        None, True, torch.Generator().manual_seed(0), shares.append,
    )  # fmt: skip
    assert shares == sorted(shares)
    assert shares[-1] == 1
