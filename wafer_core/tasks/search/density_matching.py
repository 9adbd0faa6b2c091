"""Find an augmentation policy without training for each candidate.

Fast AutoAugment (Lim et al. 2019, arXiv:1905.00397): a network that was trained on one half of the
training part, without the policy, looks at the other half. A candidate is good if the wafers, sent
through it, still look to that network like wafers of their class (density matching). Hundreds of
candidates cost one look each; TPE (Bergstra et al. 2011) proposes them.

Doing nothing would match best of all, so every operation of a candidate has a least chance and a
least strength. Unlike in the paper a candidate is a single sub-policy, and of those with the same
operations only the best is taken, so that the policy does not repeat itself.
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
from wafer_core.tasks.augmentation.operations import OPERATIONS
from wafer_core.tasks.augmentation.policies import DEFAULT, Step, apply_policy, write_policy
from wafer_core.tasks.classification.config import TrainConfig, TrainData
from wafer_core.tasks.classification.train import Classifier, train
from wafer_core.tasks.search.trial import SearchData, part

HALVES = 2  # the paper has five folds; a budget in minutes has not
CANDIDATES = 100  # of each half, at most
STEPS = 2  # operations of a candidate
TAKEN = 5  # sub-policies of each half
_LEAST_CHANCE, _LEAST_STRENGTH = 0.3, 0.2
_LOOKED_AT = 400  # wafers of a half
_STARTUP = 15  # candidates at random before TPE has something to go by


@dataclass(frozen=True)
class Candidate:
    """One sub-policy that was looked at.

    Attributes:
        number: From 1; 0 is doing nothing, to compare with.
        half: Whose network looked, from 1.
        policy: Its text.
        loss: Mean cross-entropy in nats, each class counting the same; lower is better.
        best: The lowest so far in this half, without number 0.
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
    on_step: Callable[[float], None],
    has_time: Callable[[float], bool],
) -> Generator[Candidate, None, str | None]:
    """Yield candidates, and return the text of the policy made of the best.

    Args:
        data: Only its training originals are used.
        base: How the networks are trained; its own policy and free rotation are left out.
        device: Where to compute.
        seed: Of the halves, the trainings, and what TPE draws.
        on_step: Called often with the share done, 0 to 1; may raise to end it.
        has_time: Whether there is time for another candidate, given the share of the halves that
            are done; each half gets its part.

    Returns:
        ``None`` if there are too few wafers to halve.
    """
    of_training = np.flatnonzero(~data.validates)
    half_of = folds(
        data.labels[of_training], [data.keys[i] for i in of_training.tolist()], HALVES, seed
    )  # fmt: skip
    plain = replace(base, policy=DEFAULT, rotation_share=0.0, seed=seed)
    taken: list[str] = []
    for half in range(HALVES):
        apart = of_training[half_of == half]
        if not len(apart):
            return None
        teach = part(data, of_training[half_of != half], apart).data
        alone = TrainData(teach.class_names, teach.train_pictures, teach.train_labels, [],
                          np.zeros(0, np.int64), teach.train_keys)  # fmt: skip

        def tell(share: float, half: int = half) -> None:
            on_step((half + 0.7 * share) / HALVES)

        *_, last = train(alone, plain, device, tell)
        judge = _Judge(last.best_classifier(), teach, device, seed)
        found: list[Candidate] = []
        for candidate in _candidates(judge, half, seed):
            on_step((half + 0.7 + 0.3 * len(found) / CANDIDATES) / HALVES)
            found.append(candidate)
            yield candidate
            if len(found) > CANDIDATES or (len(found) > 1 and not has_time((half + 1) / HALVES)):
                break
        taken += _best(found[1:])
    return " | ".join(taken) or None


class _Judge:
    """A network and the wafers that it did not see."""

    def __init__(
        self, classifier: Classifier, teach: TrainData, device: torch.device, seed: int
    ) -> None:
        rng = np.random.default_rng(seed)
        chosen = np.sort(rng.permutation(len(teach.validation_labels))[:_LOOKED_AT])
        pictures = [teach.validation_pictures[i] for i in chosen]
        labels = teach.validation_labels[chosen]
        weights = 1 / np.bincount(labels, minlength=len(teach.class_names))[labels]
        self._inputs = classifier.preparation.prepare_compact(pictures)
        self._labels = torch.from_numpy(labels).to(device)
        self._weights = torch.from_numpy(weights / weights.sum()).to(device)
        self._classifier, self._device, self._seed = classifier, device, seed

    @torch.inference_mode()
    def loss(self, policy: str) -> float:
        """Mean cross-entropy under a policy; every policy meets the same chance."""
        generator = torch.Generator().manual_seed(self._seed)
        logits = []
        for some in torch.split(self._inputs, 128):  # type: ignore[no-untyped-call]
            batch = apply_policy(policy, some.to(self._device).float() / 255, generator)
            logits.append(self._classifier.network(batch.contiguous(memory_format=memory_format)))
        losses = F.cross_entropy(torch.cat(logits).double(), self._labels, reduction="none")
        return float((losses * self._weights).sum())


def _candidates(judge: _Judge, half: int, seed: int) -> Generator[Candidate, None, None]:
    """Nothing first, then whatever TPE proposes, without end."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    nothing = write_policy(((Step("nothing", 1.0, 1.0),),))
    yield Candidate(0, half + 1, nothing, judge.loss(nothing), float("inf"))
    sampler = optuna.samplers.TPESampler(seed=(seed + half) % 2**32, n_startup_trials=_STARTUP)
    study = optuna.create_study(sampler=sampler)
    best, number = float("inf"), 0
    while True:
        number += 1
        trial = study.ask()
        policy = write_policy((tuple(_step(trial, k) for k in range(STEPS)),))
        loss = judge.loss(policy)
        study.tell(trial, loss)
        best = min(best, loss)
        yield Candidate(number, half + 1, policy, loss, best)


def _step(trial: Any, number: int) -> Step:
    names = [name for name in OPERATIONS if name != "nothing"]
    return Step(
        trial.suggest_categorical(f"operation{number}", names),
        trial.suggest_float(f"chance{number}", _LEAST_CHANCE, 1.0),
        trial.suggest_float(f"strength{number}", _LEAST_STRENGTH, 1.0),
    )


def _best(found: Sequence[Candidate]) -> list[str]:
    """The best of each pair of operations, at most ``TAKEN``."""
    kept: dict[frozenset[str], str] = {}
    for candidate in sorted(found, key=lambda c: c.loss):
        operations = frozenset(step.split()[0] for step in candidate.policy.split(" + "))
        kept.setdefault(operations, candidate.policy)
    return list(kept.values())[:TAKEN]
