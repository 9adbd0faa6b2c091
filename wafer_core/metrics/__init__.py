"""How good a classifier is, from labels and probabilities alone; how good made pictures are.

scores.py       precision, recall, F1, confusion
intervals.py    how far those figures can be trusted on so many pictures
mistakes.py     which classes are confused, and the mistakes that are worst
calibration.py  whether the probabilities are honest
thresholds.py   what happens if unsure answers go to a person
generation.py   FID, KID, Inception Score, precision and recall, from features
copies.py       which made pictures repeat one that was there before
"""

from wafer_core.metrics.calibration import (
    ReliabilityBin,
    expected_calibration_error,
    fit_temperature,
    log_softmax,
    reliability,
)
from wafer_core.metrics.intervals import Intervals, design_effect, doubts, intervals
from wafer_core.metrics.mistakes import Pair, confused_pairs, worst_first
from wafer_core.metrics.scores import ClassScore, Evaluation, confusion_matrix, evaluate
from wafer_core.metrics.thresholds import Outcome, lowest_threshold, outcomes

__all__ = [
    "ClassScore",
    "Evaluation",
    "Intervals",
    "Outcome",
    "Pair",
    "ReliabilityBin",
    "confused_pairs",
    "confusion_matrix",
    "design_effect",
    "doubts",
    "evaluate",
    "expected_calibration_error",
    "fit_temperature",
    "intervals",
    "log_softmax",
    "lowest_threshold",
    "outcomes",
    "reliability",
    "worst_first",
]
