"""Find an augmentation policy without training for each candidate.

Fast AutoAugment (Lim et al. 2019, arXiv:1905.00397): a network trained on one half of the training
split without the policy is evaluated on the other half. A candidate policy is good if augmented
wafers still look to that network like wafers of their class (density matching). Hundreds of
candidates cost one evaluation each; TPE (Bergstra et al. 2011) proposes them.

Doing nothing would match best, so each operation of a candidate has a minimum probability and a
minimum strength. Unlike in the paper, a candidate is a single sub-policy, and among those with the
same operations only the best is kept, so that the policy does not repeat itself.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from wafer_core.device import memory_format
from wafer_core.metrics.folds import folds
from wafer_core.progress import Progress
from wafer_core.tasks.augmentation.operations import OPERATIONS
from wafer_core.tasks.augmentation.policies import DEFAULT, Step, apply_policy, write_policy
from wafer_core.tasks.classification.classifier import Classifier
from wafer_core.tasks.classification.config import TrainConfig
from wafer_core.tasks.classification.train import train
from wafer_core.tasks.classification.train_data import TrainData
from wafer_core.tasks.search.trial import SearchData, make_round

HALVES = 2  # five folds in the paper, too many for a time budget in minutes
CANDIDATES = 100  # of each half, at most
STEPS = 2  # operations of a candidate
KEPT = 5  # sub-policies of each half
_MIN_PROBABILITY, _MIN_STRENGTH = 0.3, 0.2
_MAX_WAFERS = 400  # of a half, that candidates are evaluated on
_STARTUP_TRIALS = 15  # random candidates before TPE starts to model the losses


@dataclass(frozen=True)
class Candidate:
    """One sub-policy that was evaluated.

    Attributes:
        number: From 1; 0 is no augmentation, for comparison.
        half: Whose network evaluated it, from 1.
        policy: Its text.
        loss: Cross-entropy in nats, averaged with equal weight for each class; lower is better.
        best: The lowest loss so far in this half, number 0 excluded.
    """

    number: int
    half: int
    policy: str
    loss: float
    best: float


def match_density(
    data: SearchData,
    base: TrainConfig,
    device: torch.device,
    seed: int,
    on_progress: Progress,
    has_time: Callable[[float], bool],
) -> Generator[Candidate, None, str | None]:
    """Yield candidates, and return the text of the policy made from the best of them.

    Args:
        data: Only its training originals are used.
        base: Settings of the trainings; its own policy and free rotation are left out.
        device: Where to compute.
        seed: Of the halves, the trainings and the proposals of TPE.
        on_progress: Called often; may raise to end the search.
        has_time: Whether there is time for another candidate, given the share of the halves that
            will be done by then: each half gets an equal part of the time.

    Returns:
        ``None`` if there are too few wafers for two halves.
    """
    training = np.flatnonzero(~data.is_validation)
    groups = [data.groups[i] for i in training.tolist()]
    half_of = folds(data.labels[training], groups, HALVES, seed)
    unaugmented = replace(base, policy=DEFAULT, rotation_share=0.0, seed=seed)
    kept: list[str] = []
    for half, progress in enumerate(on_progress.each(HALVES)):
        held_out = training[half_of == half]
        if not len(held_out):
            return None
        split = make_round(data, training[half_of != half], held_out).data
        # without validation pictures: the other half must not choose the epoch
        train_data = replace(split, validation_pictures=[], validation_labels=np.zeros(0, np.int64))
        fitting, searching = progress.split(0.7, 0.3)
        *_, last = train(train_data, unaugmented, device, fitting)
        evaluator = _Evaluator(last.best_classifier(), split, device, seed)
        found: list[Candidate] = []
        for candidate in _candidates(evaluator, half, seed):
            searching(len(found) / CANDIDATES)
            found.append(candidate)
            yield candidate
            if len(found) > CANDIDATES or (len(found) > 1 and not has_time((half + 1) / HALVES)):
                break
        kept += _best(found[1:])
    return " | ".join(kept) or None


class _Evaluator:
    """A trained network and wafers that it was not trained on."""

    def __init__(
        self, classifier: Classifier, split: TrainData, device: torch.device, seed: int
    ) -> None:
        rng = np.random.default_rng(seed)
        chosen = np.sort(rng.permutation(len(split.validation_labels))[:_MAX_WAFERS])
        pictures = [split.validation_pictures[i] for i in chosen]
        labels = split.validation_labels[chosen]
        weights = 1 / np.bincount(labels, minlength=len(split.class_names))[labels]
        self._inputs = classifier.preparation.prepare_compact(pictures)
        self._labels = torch.from_numpy(labels).to(device)
        self._weights = torch.from_numpy(weights / weights.sum()).to(device)
        self._classifier, self._device, self._seed = classifier, device, seed

    @torch.inference_mode()
    def loss(self, policy: str) -> float:
        """Mean cross-entropy under a policy; every policy starts from the same random state."""
        generator = torch.Generator().manual_seed(self._seed)
        logits = []
        for inputs in torch.split(self._inputs, 128):  # type: ignore[no-untyped-call]
            batch = apply_policy(policy, inputs.to(self._device).float() / 255, generator)
            logits.append(self._classifier.network(batch.contiguous(memory_format=memory_format)))
        losses = F.cross_entropy(torch.cat(logits).double(), self._labels, reduction="none")
        return float((losses * self._weights).sum())


def _candidates(evaluator: _Evaluator, half: int, seed: int) -> Generator[Candidate, None, None]:
    """First no augmentation, then what TPE proposes, without end."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    nothing = write_policy(((Step("nothing", 1.0, 1.0),),))
    yield Candidate(0, half + 1, nothing, evaluator.loss(nothing), float("inf"))
    sampler = optuna.samplers.TPESampler(
        seed=(seed + half) % 2**32, n_startup_trials=_STARTUP_TRIALS
    )
    study = optuna.create_study(sampler=sampler)
    best, number = float("inf"), 0
    while True:
        number += 1
        trial = study.ask()
        policy = write_policy((tuple(_step(trial, k) for k in range(STEPS)),))
        loss = evaluator.loss(policy)
        study.tell(trial, loss)
        best = min(best, loss)
        yield Candidate(number, half + 1, policy, loss, best)


def _step(trial: Any, number: int) -> Step:
    names = [name for name in OPERATIONS if name != "nothing"]
    return Step(
        trial.suggest_categorical(f"operation{number}", names),
        trial.suggest_float(f"chance{number}", _MIN_PROBABILITY, 1.0),
        trial.suggest_float(f"strength{number}", _MIN_STRENGTH, 1.0),
    )


def _best(found: Sequence[Candidate]) -> list[str]:
    """The best of each pair of operations, at most ``KEPT``."""
    kept: dict[frozenset[str], str] = {}
    for candidate in sorted(found, key=lambda c: c.loss):
        operations = frozenset(step.split()[0] for step in candidate.policy.split(" + "))
        kept.setdefault(operations, candidate.policy)
    return list(kept.values())[:KEPT]
