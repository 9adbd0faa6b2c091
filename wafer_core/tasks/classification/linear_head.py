"""Fit the last layer of a pretrained network on its features.

With few pictures this is most of what can be learned, it takes a second, and fine-tuning that
continues from it does not first damage good features with the gradients of a random last layer.

A network that was pretrained on wafers brings two things along (see ``head_prior``): how wafers of
one class differ in its features, and the logits of its pretraining classes, which a user's class
often equals or resembles. The logits are given to the regression beside the features. How far it
relies on them is chosen by cross-validation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from wafer_core.device import memory_format
from wafer_core.metrics.folds import folds
from wafer_core.networks import registry
from wafer_core.networks.penultimate import last_layer, penultimate
from wafer_core.tasks.classification.head_prior import (
    PRIORS,
    calibrated,
    standardisation,
    whitening,
)
from wafer_core.tasks.classification.logistic_regression import Floats, fit, log_proba

_BATCH = 128
_MAX_ROWS = 4000  # pictures times their forms; more change little
_FOLDS, _FEW_FOLDS = 5, 3  # fewer with more than ``_MANY`` pictures
_MANY = 1000
_UNUSED = -2  # fold of pictures that are not used in cross-validation
_HALVING_FROM = 200  # pictures: the worse half of the choices is dropped after each fold
_STEPS, _QUICK_STEPS = 100, 40  # of the optimizer: for the result, and in cross-validation


@dataclass(frozen=True)
class Choice:
    """Hyper-parameters of the fit, chosen by cross-validation.

    Attributes:
        decay: Strength of the regularisation, see ``logistic_regression.fit``.
        prior: A key of ``PRIORS`` that the weights of the pretraining logits are pulled towards;
            None: the logits are not used.
    """

    decay: float
    prior: str | None = None


# In steps of half a decade.
DECAYS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
DEFAULT_CHOICE = Choice(0.1)  # where cross-validation is impossible: a class has one lot or picture


@dataclass(frozen=True, eq=False)
class HeadFit:
    """Result of fitting a last layer.

    Attributes:
        loss: Mean cross-entropy of the fitted pictures, in nats.
        log_proba: (N, C) cross-validated log-probabilities of the fitted originals.
        labels: (N,) of the same.
        choice: The chosen hyper-parameters.
    """

    loss: float
    log_proba: Floats
    labels: npt.NDArray[np.int64]
    choice: Choice

    @property
    def error(self) -> tuple[float, float]:
        """Cross-validated error rate, mean over classes, and its standard error.

        Both are NaN if no picture could be used for cross-validation.
        """
        classes, counts = np.unique(self.labels, return_counts=True)
        if not len(classes):
            return math.nan, math.nan
        wrong = self.log_proba.argmax(1) != self.labels
        rates = np.array([wrong[self.labels == c].mean() for c in classes])
        variance = (rates * (1 - rates) / counts).sum() / len(classes) ** 2
        return float(rates.mean()), float(np.sqrt(variance))


def fit_head(
    network: nn.Module,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    class_weights: torch.Tensor | None,
    turns: bool,
    seed: int,
    on_progress: Callable[[float], None],
    head: registry.PretrainedHead | None = None,
    groups: Sequence[str] | None = None,
    synthetic: npt.NDArray[np.bool_] | None = None,
    augment: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> HeadFit:
    """Fit the last layer by multinomial logistic regression on the features.

    Args:
        network: Changed in place; on the device that computes.
        inputs: uint8 (N, 3, S, S), prepared.
        labels: int64 (N,).
        class_weights: (C,), or None.
        turns: The four rotations of a picture have its label too.
        seed: Of the sample, if there are too many pictures, and of the folds.
        on_progress: Called with the share of the work that is done; may raise to stop.
        head: Last layer of the pretraining.
        groups: Of the pictures, see ``TrainData.train_groups``.
        synthetic: (N,), see ``TrainData.train_synthetic``.
        augment: Augments a batch (N, 3, S, S) in [0, 1]; each picture is then fitted in as many
            augmented forms as rotations.
    """
    layer = last_layer(network)[1]
    C = layer.out_features
    is_synthetic = np.zeros(len(labels), bool) if synthetic is None else synthetic
    chosen = torch.from_numpy(_sample(labels.numpy(), is_synthetic, seed))
    is_synthetic = is_synthetic[chosen.numpy()]
    copies = min(4, max(1, _MAX_ROWS // len(chosen)))
    rotations = copies if turns else 1  # also used for evaluation
    features = _features(
        network, inputs[chosen], rotations, copies if augment else 0, augment,
        lambda share: on_progress(0.8 * share),
    )  # fmt: skip
    mean = features.mean((0, 1))
    pretrained = features[..., :0]
    if head is not None:
        pretrained = head.layer.to(features.device)(features).detach()
    transform = (
        standardisation(features) if head is None else whitening(head.within_class.to(features))
    )
    whitened = ((features - mean) @ transform).double().cpu().numpy()
    logits = pretrained.double().cpu().numpy()
    target = labels[chosen].numpy()
    # A sampled picture stands for as many of its class as there are per sampled one.
    counts, sampled = (np.bincount(each, minlength=C) for each in (labels.numpy(), target))
    weights = (counts / np.maximum(sampled, 1)) * (len(target) / len(labels))
    if class_weights is not None:
        weights *= class_weights.double().cpu().numpy()

    def design(choice: Choice) -> Floats:
        return np.concatenate([whitened, logits], 2) if choice.prior else whitened

    def fit_rows(choice: Choice, rows: npt.NDArray[np.bool_], steps: int) -> tuple[Floats, Floats]:
        prior = None
        if choice.prior and head is not None:
            of_logits = PRIORS[choice.prior](logits[rows], target[rows], C, head.exclusive)
            prior = np.zeros((C, whitened.shape[2] + logits.shape[2]))
            prior[:, whitened.shape[2] :] = calibrated(of_logits, logits[rows], target[rows])
        return fit(design(choice)[rows], target[rows], weights, choice.decay, steps, prior)

    fold = _folds(target, groups and [groups[i] for i in chosen.tolist()], is_synthetic, seed)
    priors = [None, *PRIORS] if head is not None else [None]
    choices = [Choice(decay, prior) for prior in priors for decay in DECAYS]
    logs = {choice: np.zeros((len(target), C)) for choice in choices}
    costs = dict.fromkeys(choices, 0.0)
    evaluated = (fold >= 0) & ~is_synthetic
    numbers = sorted(set(fold[evaluated].tolist()))
    for done, k in enumerate(numbers):
        held_out, fitted = evaluated & (fold == k), (fold != k) & (fold != _UNUSED)
        for index, choice in enumerate(choices):
            weight, bias = fit_rows(choice, fitted, _QUICK_STEPS)
            rotated = design(choice)[held_out][:, :rotations]
            logs[choice][held_out] = log_proba(rotated, weight, bias).mean(1)
            correct = logs[choice][held_out, target[held_out]]
            costs[choice] -= float(correct @ weights[target[held_out]])
            on_progress(0.8 + 0.2 * (done + (index + 1) / len(choices)) / len(numbers))
        # Choices that are far behind on many pictures will not catch up.
        choices.sort(key=costs.__getitem__)
        if len(target) >= _HALVING_FROM:
            choices = choices[: max(2, len(choices) // 2)]
    best = choices[0] if numbers else DEFAULT_CHOICE
    weight, bias = fit_rows(best, np.ones(len(target), bool), _STEPS)
    loss = -log_proba(design(best), weight, bias)[np.arange(len(target)), :, target].mean()
    _set_layer(layer, torch.from_numpy(weight), torch.from_numpy(bias), mean, transform, head, best)
    held_out_logs = logs[best][evaluated] if numbers else np.zeros((0, C))
    return HeadFit(float(loss), held_out_logs, target[evaluated], best)


@torch.no_grad()
def _set_layer(
    layer: nn.Linear,
    weight: torch.Tensor,
    bias: torch.Tensor,
    mean: torch.Tensor,
    transform: torch.Tensor,
    head: registry.PretrainedHead | None,
    choice: Choice,
) -> None:
    """Express a regression on whitened features and pretraining logits as one linear layer."""
    weight, bias = weight.to(mean), bias.to(mean)
    of_features, of_logits = weight[:, : len(mean)], weight[:, len(mean) :]
    total: torch.Tensor = of_features @ transform.T
    layer.bias.copy_(bias - total @ mean)
    if head is not None and choice.prior:
        total = total + of_logits @ head.layer.weight
        layer.bias.add_(of_logits @ head.layer.bias)
    layer.weight.copy_(total)


def _sample(
    labels: npt.NDArray[np.int64], synthetic: npt.NDArray[np.bool_], seed: int
) -> npt.NDArray[np.int64]:
    """Random indices of at most ``_MAX_ROWS`` pictures; originals before synthetic ones.

    Half of the sample is shared equally by all classes, so that a rare class is used completely.
    """
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed)).numpy()
    order = order[np.argsort(synthetic[order], kind="stable")]
    if len(order) <= _MAX_ROWS:
        return order
    of_class = [order[labels[order] == label] for label in np.unique(labels)]
    each = _MAX_ROWS // (2 * len(of_class))
    first = np.concatenate([indices[:each] for indices in of_class])
    others = order[~np.isin(order, first)]
    return np.concatenate([first, others[: _MAX_ROWS - len(first)]])


@torch.no_grad()
def _features(
    network: nn.Module,
    inputs: torch.Tensor,
    rotations: int,
    augmented: int,
    augment: Callable[[torch.Tensor], torch.Tensor] | None,
    on_progress: Callable[[float], None],
) -> torch.Tensor:
    """Features (N, rotations + augmented, F)."""
    device = last_layer(network)[1].weight.device
    network.eval()
    parts = []
    for start in range(0, len(inputs), _BATCH):
        batch = inputs[start : start + _BATCH].to(device).float() / 255
        forms = [torch.rot90(batch, k, (2, 3)) for k in range(rotations)]
        if augment is not None:
            forms += [augment(forms[k % rotations]) for k in range(augmented)]
        rows = [
            penultimate(network, form.contiguous(memory_format=memory_format)) for form in forms
        ]
        parts.append(torch.stack(rows, 1).float())
        on_progress(min(1.0, (start + _BATCH) / len(inputs)))
    return torch.cat(parts)


def _folds(
    labels: npt.NDArray[np.int64],
    groups: Sequence[str] | None,
    synthetic: npt.NDArray[np.bool_],
    seed: int,
) -> npt.NDArray[np.int64]:
    """Fold of each picture (N,): -1 is always fitted, ``_UNUSED`` never in cross-validation."""
    count = _FOLDS if len(labels) <= _MANY else _FEW_FOLDS
    names = list(groups) if groups is not None else [str(k) for k in range(len(labels))]
    fold = np.full(len(labels), _UNUSED, np.int64)
    originals = np.flatnonzero(~synthetic)
    if len(originals):
        fold[originals] = folds(labels[originals], [names[i] for i in originals], count, seed)
    of_group = {names[i]: fold[i] for i in originals.tolist()}
    for i in np.flatnonzero(synthetic).tolist():
        fold[i] = of_group.get(names[i], _UNUSED)  # fitted whenever its original is
    return fold
