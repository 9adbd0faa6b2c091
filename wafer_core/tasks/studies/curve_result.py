"""A learning curve out of its trainings: figures with their intervals, and what they say."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wafer_core.metrics import power_law
from wafer_core.metrics.paired import Answers, Difference, differences
from wafer_core.tasks.evaluation.sentences import Score
from wafer_core.tasks.studies.advice import MATTERS
from wafer_core.tasks.studies.conditions import Training
from wafer_core.tasks.studies.stopping import TITLES, Verdict, decide

_DRAWS = 1000
_MOST = 1e6  # that any figure or count of a stored curve can be
_DOUBT = 0.5  # imagined pictures named rightly, and as many wrongly: as in ``paired``

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Point:
    """One training.

    Attributes:
        repeat: From 0.
        size: Originals of the class that it learned from.
        made: Made pictures of it.
        training: What it said.
    """

    repeat: int
    size: int
    made: int
    training: Training

    def f1(self, labels: npt.NDArray[np.int64], target: int) -> float:
        """F1 of one class on the test pictures."""
        is_it, said = labels == target, self.training.called == target
        return float(2 * (is_it & said).sum() / max(1, is_it.sum() + said.sum()))


@dataclass(frozen=True)
class Quality:
    """How near the pictures come that were made of some originals; floors are of all originals."""

    repeat: int
    size: int
    kid: Score
    recall: Score


@dataclass(frozen=True, eq=False)
class Curve:
    """What was found.

    Attributes:
        name: Of the class.
        rows: For each number of originals and of made pictures: ``size``, ``made``, ``f1`` and
            ``macro_f1``, each with ``low`` and ``high``, and by repeat.
        quality: For each number of originals: ``kid`` and ``recall`` of what was made of them.
        law: ``top``, ``scale``, ``exponent`` of the curve without made pictures.
        verdict: Whether to go on.
        test: ``pictures`` of the class that judged, ``lots`` that they come from, and ``all``.
        notes: Sentences for the user.
        stopped: It was ended before all repeats were done.
    """

    name: str
    rows: list[dict[str, Any]]
    quality: list[dict[str, Any]]
    law: dict[str, float] | None
    verdict: Verdict
    test: dict[str, int]
    notes: tuple[str, ...]
    stopped: bool

    def to_json(self) -> dict[str, Any]:
        """Plain values; nothing is rounded."""
        return {
            "class": self.name,
            "better": "higher",
            "rows": self.rows,
            "quality": self.quality,
            "law": self.law,
            "verdict": asdict(self.verdict),
            "sentence": self.verdict.sentence,
            "test": self.test,
            "notes": list(self.notes),
            "stopped": self.stopped,
        }


def conclude(
    class_names: Sequence[str],
    target: int,
    labels: npt.NDArray[np.int64],
    lots: Sequence[str],
    trained: Sequence[Point],
    quality: Sequence[Quality],
    notes: tuple[str, ...] = (),
    stopped: bool = False,
) -> Curve:
    """What trainings say; those that not every repeat has are left out.

    Args:
        class_names: In class order.
        target: Index of the class.
        labels: (N,) of the test pictures.
        lots: Of the same.
        trained: All trainings, repeat after repeat.
        quality: Of what was made.
        notes: Sentences for the user.
        stopped: It was ended early.
    """
    repeats = sorted({p.repeat for p in trained})
    called: dict[tuple[int, int], list[npt.NDArray[np.int64]]] = {}
    for p in trained:
        called.setdefault((p.size, p.made), []).append(p.training.called)
    keys = sorted(key for key, each in called.items() if len(each) == len(repeats))
    # an arm that answers everything rightly: a difference from it is a figure with its interval
    perfect = np.broadcast_to(labels, (len(repeats), len(labels)))
    answers = Answers(
        labels, np.stack([*(np.stack(called[key]) for key in keys), perfect]), lots,
        len(class_names),
    )  # fmt: skip
    index = {key: k for k, key in enumerate(keys)}
    sizes = sorted({size for size, made in keys if made == 0})
    most, full = max(made for _, made in keys), sizes[-1]
    pairs = [(k, len(keys)) for k in range(len(keys))]
    pairs += [(index[full, 0], index[size, 0]) for size in sizes[:-1]]
    with_made = most > 0 and (full, most) in index
    pairs += [(index[full, most], index[full, 0])] if with_made else []
    found = differences(answers, pairs)
    f1, macro = answers.f1()[..., target], answers.macro_f1()
    rows = []
    for key, k in index.items():
        overall, each = found[k]
        rows.append(
            {
                "size": key[0],
                "made": key[1],
                "f1": _figure(f1[k], each[target]),
                "macro_f1": _figure(macro[k], overall),
            }
        )
    own = [each[target] for _, each in found[len(keys) :]]
    enough = next(
        (s for s, gap in zip(sizes[:-1], own, strict=False) if gap and gap.high < MATTERS), None
    )
    drawn = _drawn(answers, target)
    without = [index[size, 0] for size in sizes]
    tested = int((labels == target).sum())
    own_lots = len({lot for lot, label in zip(lots, labels, strict=True) if label == target})
    verdict = decide(
        class_names[target], sizes, f1[without].mean(1), drawn[:, without],
        drawn[:, index[full, most]] - drawn[:, index[full, 0]] if with_made else None,
        made=own[-1] if with_made else None, count=most, enough=enough, tested=tested,
        lots=own_lots, repeats=len(repeats),
    )  # fmt: skip
    law = None
    if len(sizes) > 1:
        fitted = power_law.fit(sizes, f1[without].mean(1))
        law = {name: float(values[0]) for name, values in vars(fitted).items()}
    return Curve(
        class_names[target], rows, _told_quality(quality), law, verdict,
        {"pictures": tested, "lots": own_lots, "all": len(labels)}, notes, stopped,
    )  # fmt: skip


def _figure(by_repeat: Floats, gap: Difference | None) -> dict[str, Any]:
    """A figure from its difference to answers that are all right."""
    value = float(by_repeat.mean())
    if gap is None:
        return {"value": value, "low": None, "high": None, "by_repeat": by_repeat.tolist()}
    low, high = max(0.0, 1 + gap.low), min(1.0, 1 + gap.high)
    return {
        "value": value, "low": min(low, value), "high": max(high, value),
        "by_repeat": by_repeat.tolist(),
    }  # fmt: skip


def _told_quality(quality: Sequence[Quality]) -> list[dict[str, Any]]:
    """KID and recall for each number of originals, over the repeats."""
    told = []
    for size in sorted({q.size for q in quality}):
        row: dict[str, Any] = {"size": size}
        for name in ("kid", "recall"):
            scores = [getattr(q, name) for q in quality if q.size == size]
            values = [s.same_counts for s in scores if s.same_counts is not None]
            floors = [s.floor for s in scores if s.floor is not None]
            row[name] = {
                "value": float(np.mean(values)) if values else None,
                "by_repeat": values,
                "floor": float(np.mean(floors)) if floors else None,
                "counts": dict(scores[0].counts),
                "note": scores[0].note,
            }
        told.append(row)
    return told


def _drawn(answers: Answers, target: int, seed: int = 0) -> Floats:
    """F1 of the class (R, A) as it would be with other lots and other repeats.

    Lots get random weights (Bayesian bootstrap, Rubin 1981), the same for all curves. What repeats
    differ by beyond that is drawn from Student's t, as in ``paired``, with the same draw for all
    curves: those of one repeat are of the same order of originals.
    """
    rng = np.random.default_rng(seed)
    S, N = answers.called.shape[1:]
    number: dict[Any, int] = {}
    lots = np.array([number.setdefault(lot, len(number)) for lot in answers.lots])
    is_it, said = answers.labels == target, answers.called == target  # (N,), (A, S, N)
    by_lot = np.eye(len(number))[lots] if N else np.zeros((0, 0))  # (N, L)
    weights = rng.standard_exponential((_DRAWS, len(number)))
    there = (weights @ (is_it @ by_lot))[:, None, None]
    right, called = (
        np.moveaxis((part.astype(np.float64) @ by_lot) @ weights.T, 2, 0)
        for part in (said & is_it, said)
    )  # (R, A, S)
    # of each curve its own: pictures that one names rightly and another does not
    doubt = rng.gamma(_DOUBT, 1.0, (_DRAWS, 2, len(answers.called), 1))
    each = 2 * (right + doubt[:, 0]) / (there + doubt.sum(1) + called + doubt[:, 0])
    found: Floats = each.mean(-1)
    if S > 1:
        told = answers.f1()[..., target]  # (A, S)
        gaps, seen = told - told.mean(1, keepdims=True), told.var(1, ddof=1)
        explained = (each - found[..., None]).var(0).sum(-1) / (S - 1)
        own = np.sqrt(np.maximum(0.0, seen - explained) / np.maximum(seen, 1e-12))  # (A,)
        fat = np.sqrt((S - 1) / rng.chisquare(S - 1, (_DRAWS, 1)))
        normal = rng.standard_normal((_DRAWS, S))
        found = found + fat * (normal @ (gaps * own[:, None]).T) / (S * (S - 1)) ** 0.5
    return np.clip(found, 0.0, 1.0)


# -- stored curves -------------------------------------------------------------------------------


def is_result(found: Mapping[str, Any]) -> bool:
    """Whether a stored study holds what ``Curve.to_json`` tells: it may come from anybody."""
    rows, quality, law = found.get("rows"), found.get("quality"), found.get("law")
    verdict, test = found.get("verdict"), found.get("test")
    return (
        isinstance(rows, list)
        and bool(rows)
        and all(_is_row(row) for row in rows)
        and isinstance(quality, list)
        and all(_is_quality(row) for row in quality)
        and (law is None or _holds(law, ("top", "scale", "exponent"), _is_number))
        and isinstance(verdict, dict)
        and verdict.get("key") in TITLES
        and _holds(found, ("class", "sentence"), lambda value: isinstance(value, str))
        and _holds(test, ("pictures", "lots", "all"), _is_count)
        and isinstance(found.get("notes"), list)
        and all(isinstance(note, str) for note in found["notes"])
    )


def _holds(value: Any, keys: Sequence[str], fits: Callable[[Any], bool]) -> bool:
    return isinstance(value, Mapping) and all(fits(value.get(key)) for key in keys)


def _is_number(value: Any) -> bool:
    whole = isinstance(value, int | float) and not isinstance(value, bool)
    return whole and math.isfinite(value) and abs(value) < _MOST


def _is_known(value: Any) -> bool:
    return value is None or _is_number(value)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < _MOST


def _is_row(row: Any) -> bool:
    return (
        _holds(row, ("size", "made"), _is_count)
        and row["size"] > 0
        and all(
            _holds(row.get(key), ("value",), _is_number)
            and _holds(row[key], ("low", "high"), _is_known)
            for key in ("f1", "macro_f1")
        )
    )


def _is_quality(row: Any) -> bool:
    return (
        _holds(row, ("size",), _is_count)
        and row["size"] > 0
        and all(_holds(row.get(key), ("value", "floor"), _is_known) for key in ("kid", "recall"))
        and isinstance(row["kid"].get("by_repeat"), list)
        and all(_is_number(value) for value in row["kid"]["by_repeat"])
    )
