"""Search for settings and an augmentation policy that suit a project, within a budget in minutes.

    for event in search(data, TrainConfig(), SearchConfig(minutes=10), device):
        print(event)  # a Trial or a Candidate; last the Outcome

The default is tried first. Then come the ways to augment, each trained once with everything else at
its default: none, a policy found by density matching, TrivialAugment, RandAugment. Then settings as
Optuna's TPE proposes them, on top of the best way; trials below the median are given up. The best
of many trials looks better than it is, so at the end it and the default are trained again with
another seed, and on other folds where there are folds: those figures are the ones that are told.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from wafer_core.errors import Cancelled, ParameterError
from wafer_core.metrics import confusion_matrix, intervals
from wafer_core.tasks.classification.config import TrainConfig
from wafer_core.tasks.search import space
from wafer_core.tasks.search.density_matching import Candidate, match_density
from wafer_core.tasks.search.settings import (
    BETTER,
    NO_BETTER,
    UNCONFIRMED,
    Outcome,
    SearchConfig,
    Trial,
)
from wafer_core.tasks.search.trial import Answers, Round, SearchData, attempt, gain, rounds

# ways to augment; what they do not name stays at its default
AUGMENTATIONS: dict[str, dict[str, Any]] = {
    "No augmentation": {"turns": False, "rotation_share": 0.0},
    "Searched policy": {},  # its text is found by then
    "TrivialAugment": {"policy": "trivialaugment"},
    "RandAugment": {"policy": "randaugment"},
}
_CHECK = 1.15  # the training that confirms may take that much longer than the one before


class _OutOfTime(Exception):  # noqa: N818 – how a trial ends, not an error
    pass


class _GivenUp(Exception):  # noqa: N818
    pass


class _Stopped(Exception):  # noqa: N818
    pass


def search(
    data: SearchData,
    base: TrainConfig,
    config: SearchConfig,
    device: torch.device,
    on_step: Callable[[float, str], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Trial | Candidate | Outcome]:
    """Try ways of training until the time is up, and tell each as it ends.

    Args:
        data: Training and validation part; never the test part.
        base: The default to beat; what a search does not vary stays as it is here.
        config: What and how long.
        device: Where to compute.
        on_step: Called often with the share of the time that is over and what is being done; may
            raise to leave.
        should_stop: Asked often; true ends the search with the best so far.

    Yields:
        Trials and candidates; last one ``Outcome``.

    Raises:
        InputError: The pictures cannot be searched on.
        ParameterError: The time is too short for one trial beside the default.
        Cancelled: Stopped before the default was through.
    """
    data.check()
    yield from _Search(data, base, config, device, on_step, should_stop).run()


@dataclass(eq=False)
class _Search:
    data: SearchData
    base: TrainConfig
    config: SearchConfig
    device: torch.device
    on_step: Callable[[float, str], None] | None
    should_stop: Callable[[], bool]
    trials: list[Trial] = field(default_factory=list)
    answers: dict[int, Answers] = field(default_factory=dict)
    looks: dict[int, list[tuple[int, float]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    candidates: int = 0
    share: float = 0.0  # of the trial that runs

    def run(self) -> Iterator[Trial | Candidate | Outcome]:
        self.began = time.monotonic()
        self.end = self.began + 60 * self.config.minutes
        self.rounds = rounds(self.data, self.config.seed)
        self.pictures = len(self.rounds[0].data.train_pictures)
        try:
            yield self._try("default", "Default", {}, self.end)
        except _Stopped:
            raise Cancelled(
                "Stopped before the first training was through, so there is nothing to keep."
            ) from None
        self._check_budget()
        checked: tuple[Answers, Answers] | None = None
        try:
            if self.config.what != "settings":
                length = self._left() * (0.5 if self.config.what == "both" else 1.0)
                yield from self._augmentations(time.monotonic() + length)
            if self.config.what != "augmentation":
                yield from self._settings()
            checked = yield from self._check()
        except _Stopped:
            self.notes.append("Stopped by you; the best so far was kept.")
        yield self._outcome(checked)

    # -- time ------------------------------------------------------------------------------------

    def _reserve(self) -> float:
        """Seconds that the second training of the best and of the default will take."""
        best = self._best()
        default = self.trials[0].seconds
        return _CHECK * (default + (best.seconds if best else default))

    def _left(self) -> float:
        """Seconds for further trials."""
        left = self.end - time.monotonic()
        return left - self._reserve() if self.can_check else left

    def _has_time(self) -> bool:
        done = sum(t.kind not in ("default", "check") for t in self.trials)
        if self.config.trials and done >= self.config.trials:
            return False
        return self._left() > 0.5 * self.trials[0].seconds

    def _check_budget(self) -> None:
        """Refuse a time in which nothing but the default can be tried."""
        first = self.trials[0]
        if first.status == "failed":
            raise ParameterError(f"The default could not be trained: {self.notes[-1]}")
        left = self.end - time.monotonic()
        needed = first.seconds
        if first.status == "out of time":
            needed = first.seconds / max(self.share, 0.01)
        if first.status == "out of time" or left < first.seconds:
            least = math.ceil(4.5 * needed / 6) / 10  # default and another, and both again
            raise ParameterError(
                f"{self.config.minutes:g} minutes are too few: one trial on these wafers takes "
                f"about {needed / 60:.1f} minutes here. Give at least {max(least, 0.1):g} minutes, "
                "better ten times one trial."
            )
        self.can_check = left > self._reserve() + first.seconds

    def _step(self, until: float, text: str, share: float) -> None:
        """Tell how far the search is, and leave a trial that may not go on."""
        self.share = share
        if self.on_step:
            over = (time.monotonic() - self.began) / (self.end - self.began)
            self.on_step(min(over, 0.99), text)
        if self.should_stop():
            raise _Stopped
        if time.monotonic() > until:
            raise _OutOfTime

    # -- trials ----------------------------------------------------------------------------------

    def _try(
        self,
        kind: str,
        title: str,
        settings: Mapping[str, Any],
        until: float,
        prune: Callable[[int, float], bool] = lambda step, value: False,
        trainings: list[Round] | None = None,
        seed: int | None = None,
    ) -> Trial:
        """Train and judge once; whatever comes of it is a trial."""
        number, began = len(self.trials), time.monotonic()
        text = f"{'Again' if kind == 'check' else f'Trial {number}'}: {title}"
        status, found = "done", None
        self.looks[number] = []

        def look(step: int, value: float) -> None:
            self.looks[number].append((step, value))
            if prune(step, value):
                raise _GivenUp

        try:
            config = replace(self.base, **settings, seed=self.config.seed if seed is None else seed)
            found = attempt(
                trainings or self.rounds, config, self.device,
                lambda share: self._step(until, text, share), look,
            )  # fmt: skip
        except _OutOfTime:
            status = "out of time"
        except _GivenUp:
            status = "given up"
        except ParameterError as exc:  # the learning rate broke it
            status = "failed"
            self.notes.append(f"{title}: {exc}")
        score = found.macro_f1 if found else None
        if found:
            self.answers[number] = found
        scores = [t.score for t in self.trials if t.score is not None and t.kind != "check"]
        if score is not None and kind != "check":
            scores.append(score)
        trial = Trial(
            number, kind, title, dict(settings), status, score, max(scores, default=None),
            time.monotonic() - began,
        )  # fmt: skip
        self.trials.append(trial)
        return trial

    def _best(self, kind: str | None = None) -> Trial | None:
        """The best trial that is not the default."""
        kinds = ("augmentation", "settings") if kind is None else (kind,)
        done = [t for t in self.trials if t.kind in kinds and t.score is not None]
        return max(done, key=lambda t: t.score or 0.0, default=None)

    def _augmentations(self, until: float) -> Iterator[Trial | Candidate]:
        for title, settings in AUGMENTATIONS.items():
            if not self._has_time() or time.monotonic() > until:
                self.notes.append(f"Not tried: {title}.")
                continue
            found = dict(settings)
            if not found:
                policy = yield from self._searched(until)
                if policy is None:
                    continue
                found = {"policy": policy}
            yield self._try("augmentation", title, found, until)

    def _searched(self, until: float) -> Generator[Candidate, None, str | None]:
        """The text of a policy by density matching, if there are wafers and time for it."""
        began = time.monotonic()
        length = min(until - began, self._left()) - self.trials[0].seconds  # it is trained once

        def has_time(share: float) -> bool:
            # four fifths of the time at most, so that the others are compared too
            return time.monotonic() < began + 0.8 * share * length

        def step(share: float) -> None:
            self._step(began + length, "Searching a policy: density matching", share)

        matching = match_density(
            self.data, self.base, self.device, self.config.seed, step, has_time
        )
        policy = None
        try:
            while True:
                candidate = next(matching)
                self.candidates += candidate.number > 0
                yield candidate
        except StopIteration as end:
            policy = end.value
            if policy is None:
                self.notes.append("Too few training wafers to search a policy on halves of them.")
        except _OutOfTime:
            self.notes.append("The time was too short to search a policy.")
        return policy

    def _settings(self) -> Iterator[Trial]:
        import optuna

        way, default = self._best("augmentation"), self.trials[0]
        start = way if way and (way.score or 0) > (default.score or 0) else default
        base = replace(self.base, **start.settings)
        for varied in space.last_layer_alone(base, self.pictures):
            if self._has_time():
                yield self._settings_trial({**start.settings, **varied})
        study = space.make_study(self.config.seed)
        usual = space.usual(base, self.pictures)
        if usual is not None:
            study.enqueue_trial(usual)
            known = study.ask()
            space.propose(known, base, self.pictures)
            for step, value in self.looks[start.number]:
                known.report(value, step)
            study.tell(known, start.score)
        while self._has_time():
            proposed = study.ask()
            varied = space.propose(proposed, base, self.pictures)

            def prune(step: int, value: float, proposed: optuna.Trial = proposed) -> bool:
                proposed.report(value, step)
                return proposed.should_prune()

            trial = self._settings_trial({**start.settings, **varied}, prune)
            if trial.score is not None:
                study.tell(proposed, trial.score)
            else:
                pruned = trial.status == "given up"
                state = optuna.trial.TrialState
                study.tell(proposed, state=state.PRUNED if pruned else state.FAIL)
            yield trial

    def _settings_trial(
        self,
        settings: Mapping[str, Any],
        prune: Callable[[int, float], bool] = lambda step, value: False,
    ) -> Trial:
        # one slow network must not take what ten quick trials need
        most = max(0.5 * self._left(), min(self._left(), 3 * self.trials[0].seconds))
        until = time.monotonic() + most
        return self._try("settings", f"Settings {len(self.trials)}", settings, until, prune)

    def _check(self) -> Generator[Trial, None, tuple[Answers, Answers] | None]:
        """The best and the default once more, with another seed and other folds."""
        best = self._best()
        if best is None or not self.can_check:
            return None
        seed = (self.config.seed + 1) % 2**63
        again = rounds(self.data, seed)
        for title, settings in ((best.title, best.settings), ("Default", {})):
            yield self._try("check", title, settings, self.end, trainings=again, seed=seed)
            if self.trials[-1].score is None:
                return None
        return self.answers[self.trials[-2].number], self.answers[self.trials[-1].number]

    # -- outcome ---------------------------------------------------------------------------------

    def _outcome(self, checked: tuple[Answers, Answers] | None) -> Outcome:
        best = self._best() or self.trials[0]
        mine, default = checked or (self.answers[best.number], self.answers[0])
        C = len(self.data.class_names)
        difference, ends = gain(mine, default, C)
        verdict = UNCONFIRMED
        if checked is not None or best.number == 0:
            verdict = BETTER if ends[0] > 0 else NO_BETTER
        notes = list(self.notes)
        if verdict == UNCONFIRMED:
            notes.append(
                "There was no second training to confirm it: the best of many trials looks better "
                "than it is."
            )
        matrix = confusion_matrix(mine.truth, mine.predicted, C)
        return Outcome(
            best.title, best.settings, mine.macro_f1, intervals(matrix).macro_f1,
            default.macro_f1, difference, ends, verdict, len(mine.truth), tuple(self.trials),
            self.candidates, self.data.protocol(), tuple(notes),
        )  # fmt: skip
