"""Fitting a last layer: on features alone, and with the last layer of the pretraining."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from wafer_core.networks.registry import PretrainedHead
from wafer_core.networks.wafer_cnn import WaferCNN
from wafer_core.tasks.classification import linear_head
from wafer_core.tasks.classification.head_prior import PRIORS, whitening
from wafer_core.tasks.classification.linear_head import DEFAULT_CHOICE, HeadFit, fit_head

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
    width: int, shift: float, head: PretrainedHead | None, seed: int = 0,
    groups: list[str] | None = None, synthetic: np.ndarray | None = None,
) -> tuple[_Table, HeadFit]:  # fmt: skip
    """Classes that differ in their first three features by ``shift`` 255ths, among noise."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(CLASSES), EACH)
    table = rng.normal(128, 20, (len(labels), 3 * 16 * 16))
    table[np.arange(len(labels)), labels] += shift
    inputs = torch.from_numpy(table.clip(0, 255).astype(np.uint8)).view(-1, 3, 16, 16)
    network = _Table(width)
    fitted = fit_head(
        network, inputs, torch.from_numpy(labels), None, False,
        0, lambda share: None, head, groups, synthetic,
    )  # fmt: skip
    return network, fitted


def test_separable_classes_are_learned_and_cross_validated() -> None:
    network, fitted = fit(3, 100, None)
    assert fitted.choice.prior is None
    assert fitted.log_proba.shape == (CLASSES * EACH, CLASSES)
    np.testing.assert_allclose(np.exp(fitted.log_proba).sum(1), 1, atol=1e-5)
    assert (fitted.log_proba.argmax(1) == fitted.labels).all()
    assert sorted(fitted.labels) == sorted(np.repeat(np.arange(CLASSES), EACH))
    batch = torch.full((3, 3, 16, 16), 0.5)
    batch.view(3, -1)[torch.arange(3), torch.arange(3)] += 100 / 255
    assert network.eval()(batch).argmax(1).tolist() == [0, 1, 2]


def test_the_error_rate_by_hand() -> None:
    """One of four wrong in class 0, none of two in class 2: the mean over classes is 1/8."""
    labels = np.array([0, 0, 0, 0, 2, 2])
    predicted = np.array([0, 0, 0, 1, 2, 2])
    logs = np.log(np.eye(3)[predicted] * 0.9 + 0.05)
    error, standard_error = HeadFit(0.0, logs, labels, DEFAULT_CHOICE).error
    assert error == pytest.approx(1 / 8)
    assert standard_error == pytest.approx(np.sqrt(0.25 * 0.75 / 4) / 2)


def test_a_sample_contains_rare_classes_completely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_head, "_MAX_ROWS", 60)
    labels = np.repeat([0, 1, 2], [500, 8, 92])
    is_synthetic = np.zeros(600, bool)
    is_synthetic[508:580] = True  # of class 2 all but the last twenty
    found = linear_head._sample(labels, is_synthetic, 0)
    assert len(set(found.tolist())) == len(found) == 60
    taken = np.bincount(labels[found])
    assert taken[1] == 8
    assert taken[2] >= 10
    assert taken[0] > 30  # the other half in proportion
    assert not is_synthetic[found].any()
    few = linear_head._sample(labels[:60], is_synthetic[:60], 0)
    assert sorted(few) == list(range(60))


def test_sampled_pictures_are_weighted_by_the_size_of_their_class(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With uninformative features the prediction is the share of each class."""
    monkeypatch.setattr(linear_head, "_MAX_ROWS", 60)
    labels = torch.from_numpy(np.repeat([0, 1, 2], [500, 20, 80]))
    network = _Table(3)
    inputs = torch.full((600, 3, 16, 16), 128, dtype=torch.uint8)
    fit_head(network, inputs, labels, None, False, 0, lambda share: None)
    shares = network(inputs[:1].float() / 255).softmax(1)[0]
    torch.testing.assert_close(
        shares, torch.tensor([500, 20, 80]) / 600, atol=0.01, rtol=0, check_dtype=False
    )


def test_pretraining_logits_are_used_if_they_help() -> None:
    """Three informative features among 200: the pretrained layer knows which, few wafers do not."""
    head = nn.Linear(200, CLASSES)
    with torch.no_grad():
        head.weight.zero_()
        head.bias.zero_()
        head.weight[torch.arange(CLASSES), torch.arange(CLASSES)] = 20.0
    _, alone = fit(200, 45, None)
    network, fitted = fit(200, 45, PretrainedHead(head, CLASSES, torch.eye(200)))
    assert fitted.choice.prior is not None
    with_logits, without = (
        float((f.log_proba.argmax(1) == f.labels).mean()) for f in (fitted, alone)
    )
    assert with_logits > without
    weight = network.head.weight.detach()
    assert weight[:, :3].diagonal().min() > 5 * weight[:, 3:].abs().mean()


def test_uninformative_pretraining_logits_do_no_harm() -> None:
    head = nn.Linear(3, 2)
    with torch.no_grad():
        head.weight.zero_()
        head.bias.zero_()
    network, fitted = fit(3, 100, PretrainedHead(head, 2, torch.eye(3)))
    assert (fitted.log_proba.argmax(1) == fitted.labels).all()
    assert torch.isfinite(network.head.weight).all()


def test_whitened_wafers_of_a_class_have_unit_variance_in_every_direction() -> None:
    within = torch.tensor([[4.0, 1.0, 0.0], [1.0, 2.0, 0.5], [0.0, 0.5, 3.0]])  # mean variance 3
    usual = 3 * torch.eye(3)
    for share in (0.0, 0.3, 1.0):
        scale = whitening(within, share)
        drawn = (1 - share) * within + share * usual
        torch.testing.assert_close(scale.T @ drawn @ scale, torch.eye(3), atol=1e-5, rtol=0)


def test_directions_with_a_large_within_class_variance_count_for_little() -> None:
    """Two pictures per class differ by chance in a noisy feature: the covariance corrects this.

    The classes differ by 60 in the first feature and by 100 in the second, but in the second the
    standard deviation within classes is a hundred times as large.
    """
    table = torch.full((4, 3, 16, 16), 128, dtype=torch.uint8)
    flat = table.view(4, -1)
    flat[:, 0] = torch.tensor([98, 98, 158, 158])
    flat[:, 1] = torch.tensor([78, 80, 178, 180])
    labels = torch.tensor([0, 0, 1, 1])
    picture = torch.full((1, 3, 16, 16), 0.5)
    picture.view(1, -1)[0, :2] = torch.tensor([98, 178]) / 255  # the two features disagree
    predictions = []
    for spread in (1.0, 100.0):
        layer = nn.Linear(2, 1)
        nn.init.zeros_(layer.weight)
        head = PretrainedHead(layer, 1, torch.diag(torch.tensor([1.0, spread**2])) / 1e4)
        network = _Table(2)
        fit_head(network, table, labels, None, False, 0, lambda share: None, head)
        predictions.append(int(network.eval()(picture).argmax(1)))
    assert predictions == [1, 0]


def test_one_picture_of_a_class_can_be_fitted() -> None:
    inputs = torch.randint(0, 255, (4, 3, 16, 16), dtype=torch.uint8)
    network = _Table(5)
    fitted = fit_head(
        network, inputs, torch.tensor([0, 1, 1, 1]), torch.ones(CLASSES), True,
        0, lambda share: None,
    )  # fmt: skip
    assert len(fitted.labels) == 3  # the only picture of a class is always fitted
    assert np.isfinite(fitted.log_proba).all()
    assert np.isfinite(fitted.loss)


def test_without_cross_validation_the_default_choice_is_used() -> None:
    inputs = torch.randint(0, 255, (3, 3, 16, 16), dtype=torch.uint8)
    fitted = fit_head(
        _Table(5), inputs, torch.arange(3), None, True, 0, lambda share: None,
    )  # fmt: skip
    assert fitted.choice == DEFAULT_CHOICE
    assert np.isnan(fitted.error).all()
    assert np.isfinite(fitted.loss)


def test_copies_of_a_picture_stay_in_one_fold() -> None:
    """With random features only a copy in another fold would reveal the label."""
    rng = np.random.default_rng(0)
    table = rng.integers(0, 255, (24, 3, 16, 16)).astype(np.uint8)
    inputs = torch.from_numpy(np.concatenate([table] * 4))
    labels = torch.from_numpy(np.tile(np.arange(24) % CLASSES, 4))

    def fit_with(groups: list[str] | None, synthetic: np.ndarray | None) -> HeadFit:
        return fit_head(
            _Table(40), inputs, labels, None, False, 0, lambda share: None, None, groups, synthetic,
        )  # fmt: skip

    apart = fit_with(None, None)
    together = fit_with([str(k) for k in range(24)] * 4, None)
    assert apart.error[0] < 0.1
    assert together.error[0] > 0.3
    # Synthetic pictures are never scored, whether or not their original is known.
    synthetic = np.arange(96) >= 24
    for groups in ([str(k) for k in range(24)] * 4, [str(k) for k in range(24)] + [""] * 72):
        fitted = fit_with(groups, synthetic)
        assert len(fitted.labels) == 24
        assert fitted.error[0] > 0.3


def test_priors_by_hand() -> None:
    """A, B, C exclude each other, p and q do not: class 0 is A with p, class 1 is C with both."""
    logits = np.array([[5, 0, 0, 2, -1], [4, 0, 1, 1, -2], [0, 0, 6, 3, 1], [0, 1, 3, 2, 2.0]])
    labels = np.array([0, 0, 1, 1])
    single = PRIORS["single-class"](logits[:, None], labels, 3, 3)
    np.testing.assert_array_equal(single, [[1, 0, 0, 0, 0], [0, 0, 1, 0, 0], [0] * 5])
    multiple = PRIORS["multi-label"](logits[:, None], labels, 3, 3)
    np.testing.assert_array_equal(multiple, [[0, 0, 0, 1, 0], [0, 0, 0, 1, 1], [0] * 5])


def test_a_few_noisy_pictures_follow_the_prior() -> None:
    """Twelve noisy pictures per class say little; permuted pretraining classes say everything."""
    head = nn.Linear(200, CLASSES)
    with torch.no_grad():
        head.weight.zero_()
        head.bias.fill_(-10.0)
        head.weight[torch.tensor([2, 0, 1]), torch.arange(CLASSES)] = 20.0
    network, fitted = fit(200, 45, PretrainedHead(head, CLASSES, torch.eye(200)))
    assert fitted.choice.prior == "single-class"
    batch = torch.full((3, 3, 16, 16), 0.5)
    batch.view(3, -1)[torch.arange(3), torch.arange(3)] += 100 / 255
    assert network.eval()(batch).argmax(1).tolist() == [0, 1, 2]


def test_the_same_seed_gives_the_same_layer_and_progress_is_reported() -> None:
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
