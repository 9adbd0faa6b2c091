"""Fit the last layer of a network whose features are good already.

With few pictures this alone is most of what there is to learn, it takes a second, and training that
goes on from there does not first spoil good features with the errors of a random last layer.

Where the network was taught on wafers before, it is known how those of one class differ among
themselves in its features, so that a difference is weighed by what it can mean (``whitening``).
Where it was taught names before, a user's class is often one of them, or near one, or
several at once. What it would call a picture is then given to the regression beside the features,
and the regression may be drawn towards *anchors*: the name, or the names, that the network calls
most pictures of a class. How far it leans on either is chosen by cross-validation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from wafer_core.device import memory_format
from wafer_core.metrics import fit_temperature, log_softmax
from wafer_core.metrics.folds import folds
from wafer_core.networks import imagenet, initial_weights, registry
from wafer_core.tasks.classification.config import Familiarity

_Array = npt.NDArray[np.float64]
_BATCH = 128
_MOST = 4000  # pictures and turned forms that features are computed of; more change little
_FOLDS, _FEW_FOLDS = 5, 3  # fewer for more than
_MANY = 1000  # pictures
_ASIDE = -2  # the fold of pictures that take no part in choosing
_RACE_FROM = 200  # pictures: the worse half of the choices drops out after each fold
_SHRUNK = 0.3  # measured on patterns left out of pre-training: 0.2 to 0.5 do the same
_STEPS, _QUICK_STEPS = 100, 40  # of the optimizer, at last and while choosing


@dataclass(frozen=True)
class Choice:
    """One way to fit, of those that cross-validation chooses from.

    Attributes:
        decay: Of the squared weights of standardised features.
        trust: A known name's score counts as so many features, so that the decay hardly holds it;
            0: names are not looked at.
        anchor: A key of ``ANCHORS`` that says where the weights of the names are drawn to; None:
            to 0.
    """

    decay: float
    trust: float = 0.0
    anchor: str | None = None


CHOICES = (
    *(Choice(decay) for decay in (0.003, 0.01, 0.03, 0.1, 0.3)),
    *(Choice(decay, 3.0) for decay in (0.1, 0.3, 1.0)),
    *(Choice(decay, 10.0) for decay in (0.3, 1.0, 3.0)),
    *(Choice(decay, 1.0, "name") for decay in (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)),
    *(Choice(decay, 1.0, "names") for decay in (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)),
)

BLIND = Choice(0.1)  # where no picture can be asked about: a class has one lot, or one picture


@dataclass(frozen=True, eq=False)
class HeadFit:
    """What fitting a last layer told.

    Attributes:
        loss: Mean cross-entropy of the pictures that it was fitted to, in nats.
        scores: (N, C) log-probabilities of those pictures, each by a layer that did not see it.
        labels: (N,) of the same.
        choice: How it was fitted.
    """

    loss: float
    scores: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int64]
    choice: Choice

    @property
    def familiarity(self) -> Familiarity:
        """How well ``scores`` name those pictures."""
        if not len(self.labels):
            return Familiarity()
        right = self.scores.argmax(1) == self.labels
        each = [right[self.labels == label].mean() for label in set(self.labels.tolist())]
        return Familiarity(float(np.mean(each)), len(self.labels))


def fit_head(
    network: nn.Module,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    weights: torch.Tensor | None,
    turns: bool,
    seed: int,
    progress: Callable[[float], None],
    known: registry.Known | None = None,
    keys: Sequence[str] | None = None,
    made: npt.NDArray[np.bool_] | None = None,
    change: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> HeadFit:
    """Multinomial logistic regression of the labels on the features, put into the last layer.

    Args:
        network: Changed in place; on the device that computes.
        inputs: uint8 (N, 3, S, S), prepared.
        labels: int64 (N,).
        weights: (C,) of the classes, or None.
        turns: The four quarter turns of a picture carry its label too.
        seed: Draws the pictures where there are too many, and the folds.
        progress: Called with the share of the work that is done; may raise to stop.
        known: What the same features were taught to name before.
        keys: Of the pictures, see ``TrainData.train_keys``.
        made: The same, ``train_made``.
        change: Augments a batch (N, 3, S, S) in [0, 1]; as many changed forms of each picture are
            then learned from as turned ones.
    """
    head = imagenet.last_layer(network)[1]
    C = head.out_features
    is_made = np.zeros(len(labels), bool) if made is None else made
    chosen = torch.from_numpy(_some(labels.numpy(), is_made, seed))
    is_made = is_made[chosen.numpy()]
    copies = min(4, max(1, _MOST // len(chosen)))
    forms = copies if turns else 1  # those that are judged by, too
    features = _features(
        network, inputs[chosen], forms, copies if change else 0, change,
        lambda share: progress(0.8 * share),
    )  # fmt: skip
    mean = features.mean((0, 1))
    names = features[..., :0]
    if known is not None:
        names = known.layer.to(features.device)(features).detach()
    scale = _standard(features) if known is None else whitening(known.within.to(features))
    standardised = ((features - mean) @ scale).double().cpu().numpy()
    said = names.double().cpu().numpy()
    target = labels[chosen].numpy()
    # each stands for as many as its class has more of
    counts, some = (np.bincount(each, minlength=C) for each in (labels.numpy(), target))
    weight_of = (counts / np.maximum(some, 1)) * (len(target) / len(labels))
    if weights is not None:
        weight_of *= weights.double().cpu().numpy()

    def fit(choice: Choice, rows: npt.NDArray[np.bool_], steps: int) -> tuple[_Array, _Array]:
        centre = None
        if choice.anchor and known is not None:
            centre = np.zeros((C, standardised.shape[2] + said.shape[2]))
            centre[:, standardised.shape[2] :] = _anchored(
                ANCHORS[choice.anchor](said[rows], target[rows], C, known.exclusive),
                said[rows], target[rows],
            )  # fmt: skip
        return _regress(seen(choice)[rows], target[rows], weight_of, choice.decay, steps, centre)

    def seen(choice: Choice) -> _Array:
        if not choice.trust:
            return standardised
        return np.concatenate([standardised, choice.trust * said], 2)

    fold = _fold_of(target, keys and [keys[i] for i in chosen.tolist()], is_made, seed)
    choices = [choice for choice in CHOICES if known is not None or not choice.trust]
    scores = {choice: np.zeros((len(target), C)) for choice in choices}
    costs = dict.fromkeys(choices, 0.0)
    asked = (fold >= 0) & ~is_made
    numbers = sorted(set(fold[asked].tolist()))
    for done, k in enumerate(numbers):
        out, teaches = asked & (fold == k), (fold != k) & (fold != _ASIDE)
        for index, choice in enumerate(choices):
            weight, bias = fit(choice, teaches, _QUICK_STEPS)
            scores[choice][out] = _logs(seen(choice)[out][:, :forms], weight, bias).mean(1)
            right = scores[choice][out, target[out]]
            costs[choice] -= float(right @ weight_of[target[out]])
            progress(0.8 + 0.2 * (done + (index + 1) / len(choices)) / len(numbers))
        # those that are far behind on many pictures will not come up on the others
        choices.sort(key=costs.__getitem__)
        if len(target) >= _RACE_FROM:
            choices = choices[: max(2, len(choices) // 2)]
    best = choices[0] if numbers else BLIND
    weight, bias = fit(best, np.ones(len(target), bool), _STEPS)
    loss = -_logs(seen(best), weight, bias)[np.arange(len(target)), :, target].mean()
    with torch.no_grad():
        fitted = torch.from_numpy(weight).to(features)
        by_feature, by_name = fitted[:, : len(mean)], fitted[:, len(mean) :]
        total: torch.Tensor = by_feature @ scale.T
        head.bias.copy_(torch.from_numpy(bias).to(features) - total @ mean)
        if known is not None and best.trust:
            total = total + best.trust * by_name @ known.layer.weight
            head.bias.add_(best.trust * by_name @ known.layer.bias)
        head.weight.copy_(total)
    told = scores[best][asked] if numbers else np.zeros((0, C))
    return HeadFit(float(loss), told, target[asked], best)


def _some(
    labels: npt.NDArray[np.int64], is_made: npt.NDArray[np.bool_], seed: int
) -> npt.NDArray[np.int64]:
    """Indices of at most ``_MOST`` pictures, by chance; originals before those that were made.

    Half of the places go to all classes alike: a rare class among many pictures is taken whole.
    """
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed)).numpy()
    order = order[np.argsort(is_made[order], kind="stable")]
    if len(order) <= _MOST:
        return order
    of_class = [order[labels[order] == label] for label in np.unique(labels)]
    each = _MOST // (2 * len(of_class))
    first = np.concatenate([some[:each] for some in of_class])
    others = order[~np.isin(order, first)]
    return np.concatenate([first, others[: _MOST - len(first)]])


def _standard(features: torch.Tensor) -> torch.Tensor:
    """(F, F) that brings each of the features (N, forms, F) to a spread of 1."""
    spread = features.std((0, 1))
    # a channel that hardly ever speaks must not be blown up
    return torch.diag(1 / (spread + 1e-3 * spread.mean() + 1e-6))


def whitening(within: torch.Tensor, shrunk: float = _SHRUNK) -> torch.Tensor:
    """(F, F) that makes wafers of one class differ by 1 in every direction of the features.

    Where they differ much from one wafer to the next, a difference says little about the class:
    with few pictures that is better known beforehand than found from them (the metric of linear
    discriminant analysis; Fisher 1936).

    Args:
        within: (F, F) covariance within classes.
        shrunk: How far it is drawn to one that is the same in all directions, 0 to 1; above 0, a
            channel that never spoke in pre-training is not blown up.
    """
    exact = within.double().cpu()
    usual = torch.eye(len(exact), dtype=exact.dtype) * exact.diagonal().mean()
    values, vectors = torch.linalg.eigh((1 - shrunk) * exact + shrunk * usual)
    scale: torch.Tensor = (vectors / values.sqrt()).to(within)
    return scale


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
            initial_weights.penultimate(network, form.contiguous(memory_format=memory_format))
            for form in seen
        ]
        parts.append(torch.stack(found, 1).float())
        progress(min(1.0, (start + _BATCH) / len(inputs)))
    return torch.cat(parts)


def _fold_of(
    labels: npt.NDArray[np.int64],
    keys: Sequence[str] | None,
    made: npt.NDArray[np.bool_],
    seed: int,
) -> npt.NDArray[np.int64]:
    """A fold for each picture (N,): -1 always teaches, ``_ASIDE`` takes no part in choosing."""
    number = _FOLDS if len(labels) <= _MANY else _FEW_FOLDS
    names = list(keys) if keys is not None else [str(k) for k in range(len(labels))]
    fold = np.full(len(labels), _ASIDE, np.int64)
    asked = np.flatnonzero(~made)
    if len(asked):
        fold[asked] = folds(labels[asked], [names[i] for i in asked], number, seed)
    of_key = {names[i]: fold[i] for i in asked.tolist()}
    for i in np.flatnonzero(made).tolist():
        fold[i] = of_key.get(names[i], _ASIDE)  # teaches whenever its original does
    return fold


def _by_name(said: _Array, labels: npt.NDArray[np.int64], C: int, exclusive: int) -> _Array:
    """For each class the one name that its pictures are called by most."""
    scores = said[..., :exclusive].reshape(-1, exclusive)
    called = np.exp(log_softmax(scores)).reshape(len(said), -1, exclusive).mean(1)
    centre = np.zeros((C, said.shape[2]))
    for label in set(labels.tolist()):
        centre[label, called[labels == label].mean(0).argmax()] = 1
    return centre


def _by_names(said: _Array, labels: npt.NDArray[np.int64], C: int, exclusive: int) -> _Array:
    """For each class all those names that may go together and hold for most of its pictures.

    A class that carries some of them and no other has the log-probability Σ log σ(s) over those it
    has plus Σ log σ(−s) over the others, which is Σ s over those it has, but for a term that is the
    same for all classes.
    """
    holds = (said[..., exclusive:] > 0).mean(1)
    centre = np.zeros((C, said.shape[2]))
    for label in set(labels.tolist()):
        centre[label, exclusive:] = holds[labels == label].mean(0) > 0.5
    return centre


# from scores of names (N, forms, K) and labels (N,): which names stand for a class (C, K)
ANCHORS: dict[str, Callable[[_Array, npt.NDArray[np.int64], int, int], _Array]] = {
    "name": _by_name,
    "names": _by_names,
}


def _anchored(centre: _Array, said: _Array, labels: npt.NDArray[np.int64]) -> _Array:
    """Anchors (C, K) at the temperature that suits the pictures."""
    scores = (said @ centre.T).mean(1)
    return centre / fit_temperature(scores, labels)


def _regress(
    x: _Array,
    labels: npt.NDArray[np.int64],
    weights: _Array,
    decay: float,
    steps: int,
    centre: _Array | None = None,
) -> tuple[_Array, _Array]:
    """Weight (C, F) and bias (C,) for features (N, forms, F) and labels (N,).

    They minimise the mean cross-entropy, weighted by class, plus decay / 2 · ‖weight − centre‖².
    With a centre the bias is held to 0 in the same way.
    """
    from scipy.optimize import minimize  # slow to load, and pages never fit
    from threadpoolctl import threadpool_limits

    _, forms, F = x.shape
    C = len(weights)
    x, labels = x.reshape(-1, F), labels.repeat(forms)
    share = weights[labels] / weights[labels].sum()
    middle, held = (np.zeros((C, F)), 0.0) if centre is None else (centre, decay)
    is_label = np.zeros((len(labels), C))
    is_label[np.arange(len(labels)), labels] = 1

    def cost(flat: _Array) -> tuple[float, _Array]:
        weight, bias = flat[: C * F].reshape(C, F), flat[C * F :]
        logs = log_softmax(x @ weight.T + bias)
        value = -float(share @ logs[np.arange(len(labels)), labels])
        error = (np.exp(logs) - is_label) * share[:, None]
        slope = (error.T @ x + decay * (weight - middle)).ravel(), error.sum(0) + held * bias
        value += decay / 2 * float(((weight - middle) ** 2).sum()) + held / 2 * float(bias @ bias)
        return value, np.concatenate(slope)

    # Threads of a matrix library wait for each other by spinning: on matrices as small as these
    # they gain nothing, and beside another busy process each step takes twenty times as long.
    with threadpool_limits(1, "blas"):
        found = minimize(
            cost,
            np.concatenate([middle.ravel(), np.zeros(C)]),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": steps},
        ).x
    return found[: C * F].reshape(C, F), found[C * F :]


def _logs(x: _Array, weight: _Array, bias: _Array) -> _Array:
    """Log-probabilities (N, forms, C) for features (N, forms, F)."""
    N, forms, F = x.shape
    return log_softmax(x.reshape(-1, F) @ weight.T + bias).reshape(N, forms, -1)
