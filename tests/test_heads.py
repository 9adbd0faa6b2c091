"""Fitting a last layer: features alone, and with the names that a network knew."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from wafer_core.networks.registry import Known, WaferCNN
from wafer_core.tasks.classification import linear_head
from wafer_core.tasks.classification.linear_head import ANCHORS, BLIND, HeadFit, fit_head, whitening

CLASSES, EACH = 3, 12


class _Table(WaferCNN):
    """A network whose features are the first cells of its input."""

    def __init__(self, width: int) -> None:
        super().__init__(CLASSES)
        self.head = nn.Linear(width, CLASSES)
        self.width = width

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)[:, : self.width]


def fit(
    width: int, shift: float, known: Known | None, seed: int = 0,
    keys: list[str] | None = None, made: np.ndarray | None = None,
) -> tuple[_Table, HeadFit]:  # fmt: skip
    """Classes that differ in their first three features by ``shift`` 255ths, among noise."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(CLASSES), EACH)
    table = rng.normal(128, 20, (len(labels), 3 * 16 * 16))
    table[np.arange(len(labels)), labels] += shift
    inputs = torch.from_numpy(table.clip(0, 255).astype(np.uint8)).view(-1, 3, 16, 16)
    network = _Table(width)
    told = fit_head(
        network, inputs, torch.from_numpy(labels), None, False,
        0, lambda share: None, known, keys, made,
    )  # fmt: skip
    return network, told


def test_what_is_easily_told_apart_is_learned_and_told_by_folds() -> None:
    network, told = fit(3, 100, None)
    assert told.choice.trust == 0
    assert told.scores.shape == (CLASSES * EACH, CLASSES)
    np.testing.assert_allclose(np.exp(told.scores).sum(1), 1, atol=1e-5)
    assert (told.scores.argmax(1) == told.labels).all()
    assert sorted(told.labels) == sorted(np.repeat(np.arange(CLASSES), EACH))
    batch = torch.full((3, 3, 16, 16), 0.5)
    batch.view(3, -1)[torch.arange(3), torch.arange(3)] += 100 / 255
    assert network.eval()(batch).argmax(1).tolist() == [0, 1, 2]


def test_of_many_pictures_rare_classes_are_taken_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_head, "_MOST", 60)
    labels = np.repeat([0, 1, 2], [500, 8, 92])
    is_made = np.zeros(600, bool)
    is_made[508:580] = True  # of class 2 all but the last twenty
    found = linear_head._some(labels, is_made, 0)
    assert len(set(found.tolist())) == len(found) == 60
    taken = np.bincount(labels[found])
    assert taken[1] == 8
    assert taken[2] >= 10
    assert taken[0] > 30  # the other half as they come
    assert not is_made[found].any()
    few = linear_head._some(labels[:60], is_made[:60], 0)
    assert sorted(few) == list(range(60))


def test_pictures_that_are_taken_stand_for_all_of_their_class(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Features that say nothing: what is left is how many there are of each class."""
    monkeypatch.setattr(linear_head, "_MOST", 60)
    labels = torch.from_numpy(np.repeat([0, 1, 2], [500, 20, 80]))
    network = _Table(3)
    inputs = torch.full((600, 3, 16, 16), 128, dtype=torch.uint8)
    fit_head(network, inputs, labels, None, False, 0, lambda share: None)
    shares = network(inputs[:1].float() / 255).softmax(1)[0]
    torch.testing.assert_close(
        shares, torch.tensor([500, 20, 80]) / 600, atol=0.01, rtol=0, check_dtype=False
    )


def test_known_names_are_leaned_on_where_they_help() -> None:
    """Three telling features among 200: few wafers do not show which, the known layer does."""
    known = nn.Linear(200, CLASSES)
    with torch.no_grad():
        known.weight.zero_()
        known.bias.zero_()
        known.weight[torch.arange(CLASSES), torch.arange(CLASSES)] = 20.0
    _, alone = fit(200, 45, None)
    network, told = fit(200, 45, Known(known, CLASSES, torch.eye(200)))
    assert told.choice.trust > 0
    right, without = (float((f.scores.argmax(1) == f.labels).mean()) for f in (told, alone))
    assert right > without
    weight = network.head.weight.detach()
    assert weight[:, :3].diagonal().min() > 5 * weight[:, 3:].abs().mean()


def test_known_names_that_say_nothing_are_not_needed() -> None:
    known = nn.Linear(3, 2)
    with torch.no_grad():
        known.weight.zero_()
        known.bias.zero_()
    network, told = fit(3, 100, Known(known, 2, torch.eye(3)))
    assert (told.scores.argmax(1) == told.labels).all()
    assert torch.isfinite(network.head.weight).all()


def test_whitened_wafers_of_a_class_differ_by_one_in_every_direction() -> None:
    within = torch.tensor([[4.0, 1.0, 0.0], [1.0, 2.0, 0.5], [0.0, 0.5, 3.0]])  # mean variance 3
    usual = 3 * torch.eye(3)
    for share in (0.0, 0.3, 1.0):
        scale = whitening(within, share)
        drawn = (1 - share) * within + share * usual
        torch.testing.assert_close(scale.T @ drawn @ scale, torch.eye(3), atol=1e-5, rtol=0)


def test_a_direction_in_which_wafers_are_known_to_differ_counts_for_little() -> None:
    """By chance two pictures a class are told apart by what says nothing: the prior knows better.

    The first feature tells the classes apart by 60, the second by 100, but in the second wafers of
    one class are known to differ a hundred times as much.
    """
    table = torch.full((4, 3, 16, 16), 128, dtype=torch.uint8)
    flat = table.view(4, -1)
    flat[:, 0] = torch.tensor([98, 98, 158, 158])
    flat[:, 1] = torch.tensor([78, 80, 178, 180])
    labels = torch.tensor([0, 0, 1, 1])
    asked = torch.full((1, 3, 16, 16), 0.5)
    asked.view(1, -1)[0, :2] = torch.tensor([98, 178]) / 255  # the two features contradict
    answers = []
    for spread in (1.0, 100.0):
        nothing = nn.Linear(2, 1)
        nn.init.zeros_(nothing.weight)
        known = Known(nothing, 1, torch.diag(torch.tensor([1.0, spread**2])) / 1e4)
        network = _Table(2)
        fit_head(network, table, labels, None, False, 0, lambda share: None, known)
        answers.append(int(network.eval()(asked).argmax(1)))
    assert answers == [1, 0]


def test_one_picture_of_a_class_can_be_fitted() -> None:
    inputs = torch.randint(0, 255, (4, 3, 16, 16), dtype=torch.uint8)
    network = _Table(5)
    told = fit_head(
        network, inputs, torch.tensor([0, 1, 1, 1]), torch.ones(CLASSES), True,
        0, lambda share: None,
    )  # fmt: skip
    assert len(told.labels) == 3  # the only picture of a class teaches and is not asked about
    assert np.isfinite(told.scores).all()
    assert np.isfinite(told.loss)


def test_where_nothing_can_be_asked_about_a_usual_choice_is_taken() -> None:
    inputs = torch.randint(0, 255, (3, 3, 16, 16), dtype=torch.uint8)
    told = fit_head(
        _Table(5), inputs, torch.arange(3), None, True, 0, lambda share: None,
    )  # fmt: skip
    assert told.choice == BLIND
    assert told.familiarity.told_apart is None
    assert np.isfinite(told.loss)


def test_copies_of_a_picture_do_not_ask_about_it() -> None:
    """Among noise, a copy in another fold would tell the name; kept together, nothing does."""
    rng = np.random.default_rng(0)
    table = rng.integers(0, 255, (24, 3, 16, 16)).astype(np.uint8)
    inputs = torch.from_numpy(np.concatenate([table] * 4))
    labels = torch.from_numpy(np.tile(np.arange(24) % CLASSES, 4))

    def told(keys: list[str] | None, made: np.ndarray | None) -> HeadFit:
        return fit_head(
            _Table(40), inputs, labels, None, False, 0, lambda share: None, None, keys, made,
        )  # fmt: skip

    apart = told(None, None)
    together = told([str(k) for k in range(24)] * 4, None)
    assert apart.familiarity.told_apart is not None
    assert together.familiarity.told_apart is not None
    assert apart.familiarity.told_apart > 0.9
    assert together.familiarity.told_apart < 0.7
    # what was made is not asked about at all, whether its original is known or not
    made = np.arange(96) >= 24
    for keys in ([str(k) for k in range(24)] * 4, [str(k) for k in range(24)] + [""] * 72):
        fitted = told(keys, made)
        assert len(fitted.labels) == 24
        assert fitted.familiarity.told_apart is not None
        assert fitted.familiarity.told_apart < 0.7


def test_anchors_are_the_names_that_most_pictures_are_called() -> None:
    """A, B, C exclude each other, p and q do not: class 0 is A with p, class 1 is C with both."""
    said = np.array([[5, 0, 0, 2, -1], [4, 0, 1, 1, -2], [0, 0, 6, 3, 1], [0, 1, 3, 2, 2.0]])
    labels = np.array([0, 0, 1, 1])
    one = ANCHORS["name"](said[:, None], labels, 3, 3)
    np.testing.assert_array_equal(one, [[1, 0, 0, 0, 0], [0, 0, 1, 0, 0], [0] * 5])
    all_that_hold = ANCHORS["names"](said[:, None], labels, 3, 3)
    np.testing.assert_array_equal(all_that_hold, [[0, 0, 0, 1, 0], [0, 0, 0, 1, 1], [0] * 5])


def test_a_few_pictures_are_called_as_the_network_knows_them() -> None:
    """Twelve noisy pictures a class say little; the names, put in another order, say all."""
    known = nn.Linear(200, CLASSES)
    with torch.no_grad():
        known.weight.zero_()
        known.bias.fill_(-10.0)
        known.weight[torch.tensor([2, 0, 1]), torch.arange(CLASSES)] = 20.0
    network, told = fit(200, 45, Known(known, CLASSES, torch.eye(200)))
    assert told.choice.anchor == "name"
    batch = torch.full((3, 3, 16, 16), 0.5)
    batch.view(3, -1)[torch.arange(3), torch.arange(3)] += 100 / 255
    assert network.eval()(batch).argmax(1).tolist() == [0, 1, 2]


def test_the_layer_is_the_same_for_the_same_seed_and_tells_its_progress() -> None:
    one, _ = fit(20, 60, None)
    two, _ = fit(20, 60, None)
    torch.testing.assert_close(one.head.weight, two.head.weight)
    shares: list[float] = []
    fit_head(
        _Table(5), torch.zeros(6, 3, 16, 16, dtype=torch.uint8), torch.tensor([0, 1, 2] * 2),
        None, True, 0, shares.append,
    )  # fmt: skip
    assert shares == sorted(shares)
    assert shares[-1] == 1
