"""Metrics of classifiers, from labels and probabilities, and of synthetic pictures, from features.

scores.py       precision, recall, F1, confusion matrix
intervals.py    confidence intervals of those figures, and cautions where they are wide
paired.py       differences between ways of training, with intervals by lot bootstrap
folds.py        cross-validation folds that keep groups together
mistakes.py     confused pairs of classes, and the most confident mistakes
calibration.py  reliability diagram, expected calibration error, temperature scaling
thresholds.py   what a confidence threshold sends to review
shares.py       Wilson intervals of proportions and of their differences
power_law.py    learning curves
generation.py   FID, KID, Inception Score, precision and recall
copies.py       near copies of a set of originals
"""

from wafer_core.metrics.calibration import (
    ReliabilityBin,
    expected_calibration_error,
    fit_temperature,
    log_softmax,
    reliability,
)
from wafer_core.metrics.intervals import Intervals, cautions, design_effect, intervals
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
    "cautions",
    "confused_pairs",
    "confusion_matrix",
    "design_effect",
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
