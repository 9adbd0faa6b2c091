"""The classifier that ships: WaferNet with the nine patterns of its pretraining."""

from __future__ import annotations

import torch

from wafer_core.networks.registry import WEIGHTS
from wafer_core.tasks.classification.classifier import Classifier

STANDARD = "wafernet"


def standard_classifier(device: torch.device | None = None) -> Classifier:
    """The classifier of the nine WM-811K patterns, ready to predict.

    Its ``config`` and ``extra`` hold how it was pretrained and evaluated.

    Args:
        device: Where to compute; default: the CPU.

    Raises:
        ModelError: The files are missing or are not those that were shipped.
    """
    return Classifier.load(WEIGHTS, device, STANDARD)
