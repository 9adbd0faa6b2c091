"""Differences between ways of training that are tested on the same pictures, with intervals.

Two sources of variance are resampled. *Lots*: pictures of one lot are correlated, so each lot gets
one random weight (the Bayesian bootstrap, Rubin 1981); all ways of training get the same weights,
which makes the comparison paired. *Repeats*: trainings with other seeds differ partly because they
fail on other pictures, which the lots account for already. The remaining seed variance is drawn
from Student's t. (Resampling repeats like lots would count the mistakes up to three times: Owen
2007, doi 10.1214/07-AOAS122.)

Where two ways agree on all of a few pictures, the ordinary bootstrap would give 0.00 to 0.00. As in
``intervals``, each class therefore has prior pseudo-counts: pictures that one way predicts
correctly and the other does not, half of them each way.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wafer_core.errors import ParameterError
from wafer_core.json_fields import Fields

Floats = npt.NDArray[np.float64]
PRIOR = 0.5  # pseudo-count of a class, correct and wrong (Jeffreys' prior)
_CHUNK = 2_000_000  # numbers in memory at once, in a bootstrap with many lots


@dataclass(frozen=True)
class Difference:
    """How much higher one score is than another; above 0 the first is better.

    Attributes:
        value: The difference of the measured scores.
        low: Lower end of its interval.
        high: Upper end.
        lots: Half of the width that is due to the choice of lots; ``None`` if unknown.
        repeats: Half of the width that is due to the training seed; ``None`` if unknown.
    """

    value: float
    low: float
    high: float
    lots: float | None = None
    repeats: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return vars(self).copy()

    @classmethod
    def from_json(cls, value: object) -> Difference:
        """Read what ``to_json`` gave.

        Raises:
            DataError: A value is missing or of the wrong type.
        """
        fields = Fields(value)
        difference, low, high = (fields.number(key) for key in ("value", "low", "high"))
        return cls(
            difference, low, high, fields.optional_number("lots"), fields.optional_number("repeats")
        )


@dataclass(frozen=True, eq=False)
class Predictions:
    """What several ways of training predicted for the same pictures.

    Attributes:
        labels: (N,) true class indices.
        predicted: (A, S, N) class indices from A ways of training with S repeats each.
        lots: N lot names.
        classes: C.
    """

    labels: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    lots: Sequence[Hashable]
    classes: int

    def __post_init__(self) -> None:
        N = len(self.labels)
        shape = self.predicted.shape
        if len(shape) != 3 or shape[2] != N or len(self.lots) != N:
            raise ParameterError(
                "{labels} labels, predictions of shape {shape} and {lots} lots do not match; give "
                "one prediction and one lot per label.",
                labels=N,
                shape=str(shape),
                lots=len(self.lots),
            )
        both = [self.labels, self.predicted.ravel()]
        if any(x.size and not 0 <= x.min() <= x.max() < self.classes for x in both):
            raise ParameterError(
                "A label is outside the range 0 to {last}; use class indices.",
                last=self.classes - 1,
            )

    @property
    def present(self) -> npt.NDArray[np.intp]:
        """Indices (P,) of the classes that have pictures; the others are ignored."""
        return np.flatnonzero(np.bincount(self.labels, minlength=self.classes))

    @property
    def lot_count(self) -> int:
        """Number of lots, L."""
        return len(set(self.lots))

    def f1(self) -> Floats:
        """F1 of each class (A, S, C); 0 where a class has no pictures."""
        correct, predicted, support = (counts.sum(-2) for counts in self.counts_by_lot())
        found: Floats = 2 * correct / np.maximum(support + predicted, 1e-12)
        return found

    def macro_f1(self) -> Floats:
        """Mean F1 over the classes that have pictures (A, S)."""
        found: Floats = self.f1()[..., self.present].mean(-1)
        return found

    def counts_by_lot(self) -> tuple[Floats, Floats, Floats]:
        """Counts per lot and class: correct and predicted (A, S, L, C), and support (L, C)."""
        A, S, _ = self.predicted.shape
        C = self.classes
        number: dict[Hashable, int] = {}
        lots = np.array([number.setdefault(x, len(number)) for x in self.lots], np.int64)
        L = max(1, len(number))

        def count(cells: npt.NDArray[np.int64]) -> Floats:
            return np.bincount(cells, minlength=L * C).reshape(L, C).astype(np.float64)

        correct, predicted = np.zeros((2, A, S, L, C))
        for a, s in np.ndindex(A, S):
            cells = lots * C + self.predicted[a, s]
            predicted[a, s] = count(cells)
            correct[a, s] = count(cells[self.predicted[a, s] == self.labels])
        return correct, predicted, count(lots * C + self.labels)


def lot_bootstrap(
    predictions: Predictions,
    classes: Sequence[int] | npt.NDArray[np.intp],
    resamples: int,
    rng: np.random.Generator,
) -> Iterator[tuple[slice, Floats, Floats, Floats]]:
    """Counts as they would be with other lots, by the Bayesian bootstrap (Rubin 1981).

    Args:
        predictions: Of at least one picture.
        classes: Indices of the P classes to count.
        resamples: R.
        rng: Draws the weights of the lots, the same for all ways of training.

    Yields:
        For consecutive slices of the R resamples (r of them): the slice, correct and predicted
        counts (r, A, S, P) and support (r, 1, 1, P).
    """
    correct, predicted, support = (
        counts[..., classes] for counts in predictions.counts_by_lot()
    )  # (A, S, L, P) twice, (L, P)
    L = len(support)
    step = max(1, _CHUNK // max(L, correct[:, :, 0].size))
    for start in range(0, resamples, step):
        rows = slice(start, min(start + step, resamples))
        weights = rng.standard_exponential((rows.stop - start, L))
        yield (
            rows,
            np.tensordot(weights, correct, (1, 2)),
            np.tensordot(weights, predicted, (1, 2)),
            (weights @ support)[:, None, None],
        )


def with_prior(
    correct: Floats, predicted: Floats, support: Floats, prior: tuple[Floats, Floats]
) -> Floats:
    """F1 with prior pseudo-counts.

    Args:
        correct: Counts of any shape.
        predicted: The same.
        support: The same.
        prior: Pseudo-pictures of the class that are predicted correctly, and wrongly.
    """
    right, wrong = prior
    found: Floats = 2 * (correct + right) / (support + predicted + 2 * right + wrong)
    return found


def differences(
    predictions: Predictions,
    pairs: Sequence[tuple[int, int]],
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> list[tuple[Difference, list[Difference | None]]]:
    """How much better one way of training is than another, with intervals.

    Args:
        predictions: Of all of them; at least one picture.
        pairs: Indices of the ways to compare: the first minus the second.
        level: Nominal coverage of the intervals, 0 to 1.
        resamples: Number of bootstrap samples.
        seed: The same seed gives the same intervals.

    Returns:
        For each pair, the difference of the macro-F1 and that of each class's F1; ``None`` for a
        class without pictures.

    Raises:
        ParameterError: There are no pictures.
    """
    if not len(predictions.labels):
        raise ParameterError("There are no test pictures to compare on; add some.")
    C, S = predictions.classes, predictions.predicted.shape[1]
    present = predictions.present
    P = len(present)
    rng = np.random.default_rng(seed)
    # pseudo-counts of each class, within the macro-F1 and for its own F1; as in ``intervals``
    pseudo = [rng.gamma(prior, 1.0, (resamples, 2, 1, P)) for prior in (PRIOR / C, PRIOR)]
    noise = rng.standard_t(S - 1, resamples) if S > 1 else np.zeros(resamples)
    # for each pair, resample and repeat: macro-F1 and the F1 of each class
    drawn = np.zeros((len(pairs), resamples, S, 1 + P))
    for rows, correct, predicted, support in lot_bootstrap(predictions, present, resamples, rng):
        for p, (first, second) in enumerate(pairs):
            macro, per_class = (
                with_prior(correct[:, first], predicted[:, first], support[:, 0], (up, down))
                - with_prior(correct[:, second], predicted[:, second], support[:, 0], (down, up))
                for up, down in ((extra[rows, 0], extra[rows, 1]) for extra in pseudo)
            )  # (r, S, P) each
            drawn[p, rows, :, 0] = macro.mean(-1)
            drawn[p, rows, :, 1:] = per_class
    f1 = predictions.f1()[..., present]  # (A, S, P)
    found = []
    for p, (first, second) in enumerate(pairs):
        gap = f1[first] - f1[second]  # (S, P)
        measured = np.concatenate([gap.mean(1, keepdims=True), gap], 1)  # (S, 1 + P)
        each = [_difference(measured[:, k], drawn[p, :, :, k], noise, level) for k in range(1 + P)]
        per_class_differences: list[Difference | None] = [None] * C
        for c, difference in zip(present, each[1:], strict=True):
            per_class_differences[c] = difference
        found.append((each[0], per_class_differences))
    return found


def resampled_f1(
    predictions: Predictions, target: int, resamples: int = 1000, seed: int = 0
) -> Floats:
    """F1 of one class as it would be with other lots and other seeds.

    The lots get the same weights for all ways of training. The remaining seed variance is drawn
    from Student's t, with the same draw for all ways: repeats of one number belong together.

    Args:
        predictions: Of all ways of training; at least one picture.
        target: Index of the class.
        resamples: R.
        seed: The same seed gives the same values.

    Returns:
        (R, A), in [0, 1].
    """
    rng = np.random.default_rng(seed)
    A, S, _ = predictions.predicted.shape
    chunks = list(lot_bootstrap(predictions, [target], resamples, rng))
    prior = rng.gamma(PRIOR, 1.0, (resamples, 2, A, 1))  # independent for each way of training
    drawn = np.concatenate(
        [
            with_prior(correct[..., 0], predicted[..., 0], support[..., 0],
                       (prior[rows, 0], prior[rows, 1]))
            for rows, correct, predicted, support in chunks
        ]
    )  # (R, A, S)  # fmt: skip
    found: Floats = drawn.mean(-1)
    if S > 1:
        measured = predictions.f1()[..., target]  # (A, S)
        deviation = measured - measured.mean(1, keepdims=True)
        own = np.array([seed_variance(measured[a], drawn[:, a]) for a in range(A)])
        share = np.sqrt(own / np.maximum(measured.var(1, ddof=1), 1e-12))  # (A,)
        scale = np.sqrt((S - 1) / rng.chisquare(S - 1, (resamples, 1)))
        normal = rng.standard_normal((resamples, S))
        noise = scale * (normal @ (deviation * share[:, None]).T) / (S * (S - 1)) ** 0.5
        found = found + noise
    return np.clip(found, 0.0, 1.0)


def _difference(measured: Floats, drawn: Floats, noise: Floats, level: float) -> Difference:
    """One difference with its interval.

    Args:
        measured: (S,) of each repeat.
        drawn: (R, S) the same with other lots.
        noise: (R,) from Student's t with S - 1 degrees of freedom.
        level: Nominal coverage.
    """
    S, value = len(measured), float(measured.mean())
    by_lots = drawn.mean(1)  # (R,)
    by_seed = noise * (seed_variance(measured, drawn) / S) ** 0.5
    tails = 50 * (1 - level), 50 * (1 + level)
    ends, lots, repeats = (np.percentile(x, tails) for x in (by_lots + by_seed, by_lots, by_seed))
    return Difference(
        value,
        min(float(ends[0]), value),
        max(float(ends[1]), value),
        float(lots[1] - lots[0]) / 2,
        float(repeats[1] - repeats[0]) / 2,
    )


def seed_variance(measured: Floats, drawn: Floats) -> float:
    """Variance between repeats beyond what the choice of lots explains.

    Args:
        measured: (S,) a score of each repeat.
        drawn: (R, S) the same with other lots.

    Returns:
        0 or more; 0 for a single repeat.
    """
    S = len(measured)
    if S < 2:
        return 0.0
    explained = (drawn - drawn.mean(1, keepdims=True)).var(0).sum() / (S - 1)
    return max(0.0, float(measured.var(ddof=1) - explained))
