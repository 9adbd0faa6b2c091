"""Fit the last layer of a network whose features are good already.

With few pictures this alone is most of what there is to learn, it takes a second, and training that
goes on from there does not first spoil good features with the errors of a random last layer.

Where the network was taught names before, a user's class is often one of them, or near one. What it
would call a picture is then given to the regression beside the features, and how far it may lean on
that is chosen by cross-validation. Measured with the weights of the time, on nine known patterns:
macro-F1 0.886 instead of 0.856 with ten wafers a class; three new ones lost nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from wafer_core.device import memory_format
from wafer_core.metrics import log_softmax
from wafer_core.tasks.classification import imagenet, transfer

_Array = npt.NDArray[np.float64]
_BATCH = 128
_MOST = 4000  # pictures and turned forms that features are computed of; more change little
# (trust in the known names, decay of squared weights of standardised features) to choose from; a
# name's score counts as so many features, so that the decay hardly holds it
_CHOICES = (
    (0.0, 0.003), (0.0, 0.01), (0.0, 0.03), (0.0, 0.1),
    (3.0, 0.1), (3.0, 0.3), (10.0, 0.3), (10.0, 1.0), (10.0, 3.0),
)  # fmt: skip
_FOLDS, _FEW_FOLDS = 5, 3  # fewer for more than
_MANY = 1000  # pictures
_STEPS, _QUICK_STEPS = 100, 40  # of the optimizer, at last and while choosing


@dataclass(frozen=True, eq=False)
class HeadFit:
    """What fitting a last layer told.

    Attributes:
        loss: Mean cross-entropy of the pictures that it was fitted to, in nats.
        scores: (N, C) log-probabilities of those pictures, each by a layer that did not see it.
        labels: (N,) of the same.
        trust: How far it leans on the names that the network knew; 0: not at all.
        decay: Of the squared weights.
    """

    loss: float
    scores: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int64]
    trust: float
    decay: float

    @property
    def told_apart(self) -> float:
        """Share of those pictures that ``scores`` name right, each class counting the same."""
        right = self.scores.argmax(1) == self.labels
        return float(np.mean([right[self.labels == label].mean() for label in set(self.labels)]))


def fit_head(
    network: nn.Module,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    weights: torch.Tensor | None,
    turns: bool,
    generator: torch.Generator,
    progress: Callable[[float], None],
    known: nn.Linear | None = None,
    change: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> HeadFit:
    """Multinomial logistic regression of the labels on the features, put into the last layer.

    Args:
        network: Changed in place; on the device that computes.
        inputs: uint8 (N, 3, S, S), prepared.
        labels: int64 (N,).
        weights: (C,) of the classes, or None.
        turns: The four quarter turns of a picture carry its label too.
        generator: Draws the pictures where there are too many, and the folds.
        progress: Called with the share of the work that is done; may raise to stop.
        known: A last layer that the same features had before, for names of its own.
        change: Augments a batch (N, 3, S, S) in [0, 1]; as many changed forms of each picture are
            then learned from as turned ones.
    """
    head = imagenet.last_layer(network)[1]
    C = head.out_features
    chosen = torch.randperm(len(labels), generator=generator)[:_MOST]
    copies = min(4, max(1, _MOST // len(chosen)))
    forms = copies if turns else 1  # those that are judged by, too
    features = _features(
        network, inputs[chosen], forms, copies if change else 0, change,
        lambda share: progress(0.8 * share),
    )  # fmt: skip
    mean, spread = features.mean((0, 1)), features.std((0, 1))
    # a channel that hardly ever speaks must not be blown up
    spread = spread + 1e-3 * spread.mean() + 1e-6
    names = features[..., :0] if known is None else known.to(features.device)(features).detach()
    standardised = ((features - mean) / spread).double().cpu().numpy()
    scores_of_names = names.double().cpu().numpy()
    target = labels[chosen].numpy()
    weight_of = np.ones(C) if weights is None else weights.double().cpu().numpy()

    def seen(trust: float) -> _Array:
        return np.concatenate([standardised, trust * scores_of_names], 2) if trust else standardised

    fold = _folds(target, generator)
    choices = [choice for choice in _CHOICES if known is not None or not choice[0]]
    best, best_cost, best_scores = choices[0], math.inf, np.zeros((len(target), C))
    for index, (trust, decay) in enumerate(choices):
        x, scores = seen(trust), np.zeros((len(target), C))
        for k in range(int(fold.max()) + 1):
            out = fold == k
            weight, bias = _regress(x[~out], target[~out], weight_of, decay, _QUICK_STEPS)
            scores[out] = _logs(x[out][:, :forms], weight, bias).mean(1)
        costs = -scores[np.arange(len(target)), target]
        cost = float(np.average(costs, weights=weight_of[target]))
        if cost < best_cost:
            best, best_cost, best_scores = (trust, decay), cost, scores
        progress(0.8 + 0.2 * (index + 1) / len(choices))
    trust, decay = best
    x = seen(trust)
    weight, bias = _regress(x, target, weight_of, decay, _STEPS)
    loss = -_logs(x, weight, bias)[np.arange(len(target)), :, target].mean()
    with torch.no_grad():
        fitted = torch.from_numpy(weight).to(features)
        by_feature, by_name = fitted[:, : len(mean)], fitted[:, len(mean) :]
        total: torch.Tensor = by_feature / spread
        head.bias.copy_(torch.from_numpy(bias).to(features) - total @ mean)
        if known is not None and trust:
            total = total + trust * by_name @ known.weight
            head.bias.add_(trust * by_name @ known.bias)
        head.weight.copy_(total)
    return HeadFit(float(loss), best_scores, target, trust, decay)


@torch.no_grad()
def _features(
    network: nn.Module,
    inputs: torch.Tensor,
    forms: int,
    changed: int,
    change: Callable[[torch.Tensor], torch.Tensor] | None,
    progress: Callable[[float], None],
) -> torch.Tensor:
    """Features (N, forms + changed, F) of the first of the four turned forms, and augmented."""
    device = imagenet.last_layer(network)[1].weight.device
    network.eval()
    parts = []
    for start in range(0, len(inputs), _BATCH):
        batch = inputs[start : start + _BATCH].to(device).float() / 255
        seen = [torch.rot90(batch, k, (2, 3)) for k in range(forms)]
        if change is not None:
            seen += [change(seen[k % forms]) for k in range(changed)]
        found = [
            transfer.penultimate(network, form.contiguous(memory_format=memory_format))
            for form in seen
        ]
        parts.append(torch.stack(found, 1).float())
        progress(min(1.0, (start + _BATCH) / len(inputs)))
    return torch.cat(parts)


def _folds(labels: npt.NDArray[np.int64], generator: torch.Generator) -> npt.NDArray[np.int64]:
    """A fold for each picture (N,), each class dealt out in turn."""
    number = _FOLDS if len(labels) <= _MANY else _FEW_FOLDS
    order = torch.randperm(len(labels), generator=generator).numpy()
    fold = np.empty(len(labels), np.int64)
    # going through one class after the other, so that each is spread evenly
    fold[order[np.argsort(labels[order], kind="stable")]] = np.arange(len(labels)) % number
    return fold


def _regress(
    x: _Array, labels: npt.NDArray[np.int64], weights: _Array, decay: float, steps: int
) -> tuple[_Array, _Array]:
    """Weight (C, F) and bias (C,) for features (N, forms, F) and labels (N,).

    They minimise the mean cross-entropy, weighted by class, plus decay / 2 · ‖weight‖².
    """
    from scipy.optimize import minimize  # slow to load, and pages never fit
    from threadpoolctl import threadpool_limits

    _, forms, F = x.shape
    C = len(weights)
    x, labels = x.reshape(-1, F), labels.repeat(forms)
    share = weights[labels] / weights[labels].sum()
    is_label = np.zeros((len(labels), C))
    is_label[np.arange(len(labels)), labels] = 1

    def cost(flat: _Array) -> tuple[float, _Array]:
        weight, bias = flat[: C * F].reshape(C, F), flat[C * F :]
        logs = log_softmax(x @ weight.T + bias)
        value = -float(share @ logs[np.arange(len(labels)), labels])
        error = (np.exp(logs) - is_label) * share[:, None]
        slope = np.concatenate([(error.T @ x + decay * weight).ravel(), error.sum(0)])
        return value + decay / 2 * float((weight**2).sum()), slope

    # Threads of a matrix library wait for each other by spinning: on matrices as small as these
    # they gain nothing, and beside another busy process each step takes twenty times as long.
    with threadpool_limits(1, "blas"):
        found = minimize(
            cost, np.zeros(C * F + C), jac=True, method="L-BFGS-B", options={"maxiter": steps}
        ).x
    return found[: C * F].reshape(C, F), found[C * F :]


def _logs(x: _Array, weight: _Array, bias: _Array) -> _Array:
    """Log-probabilities (N, forms, C) for features (N, forms, F)."""
    N, forms, F = x.shape
    return log_softmax(x.reshape(-1, F) @ weight.T + bias).reshape(N, forms, -1)
