"""What the pretraining says about a new last layer: a metric for features and a prior for weights.

The covariance of the features within pretraining classes says in which directions wafers of one
class differ anyway (``whitening``). The logits of the pretraining classes say which of them a new
class resembles; the weights of a regression on these logits can be pulled towards a prior in which
a class is one pretraining class, or several together.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from wafer_core.metrics import fit_temperature, log_softmax
from wafer_core.tasks.classification.logistic_regression import Floats, Labels

_SHRINKAGE = 0.3  # on patterns left out of pretraining, 0.2 to 0.5 are equally good


def whitening(within_class: torch.Tensor, shrinkage: float = _SHRINKAGE) -> torch.Tensor:
    """Within-class whitening: a matrix (F, F) that gives wafers of one class unit variance.

    A difference along a direction in which wafers of one class vary a lot says little about the
    class. With few pictures this is known better from pretraining than from the pictures. It is the
    metric of linear discriminant analysis (Fisher 1936).

    Args:
        within_class: (F, F) covariance within classes.
        shrinkage: Towards a covariance that is the same in all directions, 0 to 1; above 0, a
            feature without variance in pretraining is not amplified.
    """
    covariance = within_class.double().cpu()
    isotropic = torch.eye(len(covariance), dtype=covariance.dtype) * covariance.diagonal().mean()
    values, vectors = torch.linalg.eigh((1 - shrinkage) * covariance + shrinkage * isotropic)
    scale: torch.Tensor = (vectors / values.sqrt()).to(within_class)
    return scale


def standardisation(features: torch.Tensor) -> torch.Tensor:
    """(F, F) that scales each of the features (N, forms, F) to unit variance."""
    spread = features.std((0, 1))
    # A feature that is hardly ever active must not be amplified.
    return torch.diag(1 / (spread + 1e-3 * spread.mean() + 1e-6))


def single_class_prior(logits: Floats, labels: Labels, num_classes: int, exclusive: int) -> Floats:
    """Each class is the pretraining class that its pictures are predicted as.

    Args:
        logits: (N, forms, K) of the pretraining classes.
        labels: (N,).
        num_classes: C.
        exclusive: The first so many pretraining classes exclude each other.

    Returns:
        (C, K) weights of the logits.
    """
    scores = logits[..., :exclusive].reshape(-1, exclusive)
    probabilities = np.exp(log_softmax(scores)).reshape(len(logits), -1, exclusive).mean(1)
    prior = np.zeros((num_classes, logits.shape[2]))
    for label in set(labels.tolist()):
        prior[label, probabilities[labels == label].mean(0).argmax()] = 1
    return prior


def multi_label_prior(logits: Floats, labels: Labels, num_classes: int, exclusive: int) -> Floats:
    """Each class is the set of patterns that are present in most of its pictures.

    If patterns are independent, a class that has the patterns P and no others has the
    log-probability Σ log σ(s) over P plus Σ log σ(−s) over the others, which is Σ s over P plus a
    term that is the same for all classes.

    Args:
        logits: (N, forms, K); those from ``exclusive`` on belong to patterns.
        labels: (N,).
        num_classes: C.
        exclusive: The first so many are not used.

    Returns:
        (C, K) weights of the logits.
    """
    present = (logits[..., exclusive:] > 0).mean(1)
    prior = np.zeros((num_classes, logits.shape[2]))
    for label in set(labels.tolist()):
        prior[label, exclusive:] = present[labels == label].mean(0) > 0.5
    return prior


PRIORS: dict[str, Callable[[Floats, Labels, int, int], Floats]] = {
    "single-class": single_class_prior,
    "multi-label": multi_label_prior,
}


def calibrated(prior: Floats, logits: Floats, labels: Labels) -> Floats:
    """A prior (C, K) divided by the temperature that fits the pictures."""
    scores = (logits @ prior.T).mean(1)
    return prior / fit_temperature(scores, labels)
