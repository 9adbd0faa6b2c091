"""A model from the first minute: the network that ships, with the nine patterns it was taught."""

from __future__ import annotations

import torch

from wafer_core.networks.registry import WEIGHTS
from wafer_core.tasks.classification.train import Classifier

STANDARD = "wafernet"


def standard_classifier(device: torch.device | None = None) -> Classifier:
    """The shipped classifier of the nine WM-811K patterns, ready to predict.

    Its ``config`` and ``extra`` say how it was taught and how it was judged.

    Args:
        device: Where to compute; default: the CPU.

    Raises:
        ModelError: The files are missing or are not those that were shipped.
    """
    return Classifier.load(WEIGHTS, device, STANDARD)
