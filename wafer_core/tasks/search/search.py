"""Search for training settings and an augmentation policy, within a budget in minutes.

    for event in search(data, TrainConfig(), SearchConfig(minutes=10), device):
        print(event)  # a Trial or a Candidate; the last event is the Outcome

The default is trained first. Then come the augmentations, each trained once with all other settings
at their defaults: none, a policy found by density matching, TrivialAugment, RandAugment. Then come
settings proposed by Optuna's TPE, on top of the best augmentation; trials below the median are
pruned. The best of many trials looks better than it is, so at the end it and the default are
trained again with another seed, and on other folds where there are folds. Those scores are the ones
that are reported.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from wafer_core.errors import Cancelled, ParameterError
from wafer_core.messages import N_, Message, message
from wafer_core.metrics import confusion_matrix, intervals
from wafer_core.progress import SILENT, Progress
from wafer_core.tasks.classification.config import TrainConfig
from wafer_core.tasks.search import space
from wafer_core.tasks.search.density_matching import Candidate, match_density
from wafer_core.tasks.search.settings import (
    AUGMENTATION,
    BETTER,
    CHECK,
    DEFAULT,
    DONE,
    FAILED,
    NO_BETTER,
    OUT_OF_TIME,
    PRUNED,
    SETTINGS,
    UNCONFIRMED,
    Outcome,
    SearchConfig,
    Trial,
)
from wafer_core.tasks.search.trial import Evaluation, Round, SearchData, gain, rounds, run_trial

# The augmentations to compare; settings that they do not name stay at the default.
AUGMENTATIONS: dict[str, dict[str, Any]] = {
    N_("No augmentation"): {"turns": False, "rotation_share": 0.0},
    N_("Searched policy"): {},  # its text is added once density matching has found it
    N_("TrivialAugment"): {"policy": "trivialaugment"},
    N_("RandAugment"): {"policy": "randaugment"},
}
_DEFAULT_TITLE = message("Default")
_CHECK_MARGIN = 1.15  # a repeated training may take this much longer than the first


class _OutOfTime(Exception):  # noqa: N818 – how a trial ends, not an error
    pass


class _Pruned(Exception):  # noqa: N818
    pass


class _Stopped(Exception):  # noqa: N818
    pass


def _never(checkpoint: int, score: float) -> bool:
    """Never prune a trial."""
    return False


def search(
    data: SearchData,
    base: TrainConfig,
    config: SearchConfig,
    device: torch.device,
    on_progress: Progress = SILENT,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Trial | Candidate | Outcome]:
    """Try ways of training until the time is up, and yield each as it ends.

    Args:
        data: Training and validation splits; never the test split.
        base: The default to compare with; settings that the search does not vary stay as here.
        config: What to search, and for how long.
        device: Where to compute.
        on_progress: Called often with the elapsed share of the time; may raise to cancel.
        should_stop: Checked often; true ends the search with the best result so far.

    Yields:
        Trials and candidates, and at the end one ``Outcome``.

    Raises:
        InputError: The search cannot run on these pictures.
        ParameterError: The time is too short for one trial besides the default.
        Cancelled: Stopped before the default was trained.
    """
    data.check()
    yield from _Search(data, base, config, device, on_progress, should_stop).run()


@dataclass(eq=False)
class _Search:
    data: SearchData
    base: TrainConfig
    config: SearchConfig
    device: torch.device
    on_progress: Progress
    should_stop: Callable[[], bool]
    trials: list[Trial] = field(default_factory=list)
    evaluations: dict[int, Evaluation] = field(default_factory=dict)  # by number of trial
    checkpoints: dict[int, list[tuple[int, float]]] = field(default_factory=dict)
    notes: list[Message] = field(default_factory=list)
    candidates: int = 0
    trial_share: float = 0.0  # of the running trial that is done

    def run(self) -> Iterator[Trial | Candidate | Outcome]:
        self.start = time.monotonic()
        self.end = self.start + 60 * self.config.minutes
        self.rounds = rounds(self.data, self.config.seed)
        self.pictures = len(self.rounds[0].data.train_pictures)
        try:
            yield self._try(DEFAULT, _DEFAULT_TITLE, {}, self.end)
        except _Stopped:
            raise Cancelled(
                "Stopped before the first training had finished, so there is no result to keep."
            ) from None
        self._check_budget()
        checked: tuple[Evaluation, Evaluation] | None = None
        try:
            if self.config.what != SETTINGS:
                length = self._time_left() * (0.5 if self.config.what == "both" else 1.0)
                yield from self._augmentations(time.monotonic() + length)
            if self.config.what != AUGMENTATION:
                yield from self._settings()
            checked = yield from self._check()
        except _Stopped:
            self.notes.append(message("Stopped by you; the best result so far was kept."))
        yield self._outcome(checked)

    # -- time ------------------------------------------------------------------------------------

    def _reserve(self) -> float:
        """Seconds to keep for training the best trial and the default again."""
        best = self._best()
        default = self.trials[0].seconds
        return _CHECK_MARGIN * (default + (best.seconds if best else default))

    def _time_left(self) -> float:
        """Seconds for further trials."""
        left = self.end - time.monotonic()
        return left - self._reserve() if self.can_check else left

    def _has_time(self) -> bool:
        done = sum(t.kind in (AUGMENTATION, SETTINGS) for t in self.trials)
        if self.config.trials and done >= self.config.trials:
            return False
        return self._time_left() > 0.5 * self.trials[0].seconds

    def _check_budget(self) -> None:
        """Refuse a time in which only the default can be tried."""
        default = self.trials[0]
        if default.status == FAILED:
            raise ParameterError(
                "The default settings could not be trained. {reason}", reason=self.notes[-1]
            )
        left = self.end - time.monotonic()
        seconds = default.seconds
        if default.status == OUT_OF_TIME:
            seconds = default.seconds / max(self.trial_share, 0.01)
        if default.status == OUT_OF_TIME or left < default.seconds:
            needed = math.ceil(4.5 * seconds / 6) / 10  # the default, another trial, and both again
            raise ParameterError(
                "{minutes:g} minutes are too few: one trial on these wafers takes about "
                "{trial:.1f} minutes here. Give at least {needed:g} minutes, better ten times as "
                "long as one trial.",
                minutes=self.config.minutes,
                trial=seconds / 60,
                needed=max(needed, 0.1),
            )
        self.can_check = left > self._reserve() + default.seconds

    def _progress(self, until: float, text: Message) -> Progress:
        """Progress of one trial, which ends the trial when its time is up."""

        def report(share: float, _: Message | None) -> None:
            self.trial_share = share
            elapsed = (time.monotonic() - self.start) / (self.end - self.start)
            self.on_progress(min(elapsed, 0.99), text)
            if self.should_stop():
                raise _Stopped
            if time.monotonic() > until:
                raise _OutOfTime

        return Progress(report)

    # -- trials ----------------------------------------------------------------------------------

    def _try(
        self,
        kind: str,
        title: Message,
        settings: Mapping[str, Any],
        until: float,
        should_prune: Callable[[int, float], bool] = _never,
        trainings: list[Round] | None = None,
        seed: int | None = None,
    ) -> Trial:
        """Train and evaluate once; a trial that does not finish is a trial too."""
        number, start = len(self.trials), time.monotonic()
        text = (
            message("Repeating: {title}", title=title)
            if kind == CHECK
            else message("Trial {number}: {title}", number=number, title=title)
        )
        status, found = DONE, None
        self.checkpoints[number] = []

        def on_score(checkpoint: int, score: float) -> None:
            self.checkpoints[number].append((checkpoint, score))
            if should_prune(checkpoint, score):
                raise _Pruned

        try:
            config = replace(self.base, **settings, seed=self.config.seed if seed is None else seed)
            progress = self._progress(until, text)
            found = run_trial(trainings or self.rounds, config, self.device, progress, on_score)
        except _OutOfTime:
            status = OUT_OF_TIME
        except _Pruned:
            status = PRUNED
        except ParameterError as exc:  # the learning rate made the loss infinite
            status = FAILED
            self.notes.append(message("{title}: {reason}", title=title, reason=exc.message))
        score = found.macro_f1 if found else None
        if found:
            self.evaluations[number] = found
        scores = [t.score for t in self.trials if t.score is not None and t.kind != CHECK]
        if score is not None and kind != CHECK:
            scores.append(score)
        trial = Trial(
            number, kind, title, dict(settings), status, score, max(scores, default=None),
            time.monotonic() - start,
        )  # fmt: skip
        self.trials.append(trial)
        return trial

    def _best(self, kind: str | None = None) -> Trial | None:
        """The best trial that is not the default."""
        kinds = (AUGMENTATION, SETTINGS) if kind is None else (kind,)
        done = [t for t in self.trials if t.kind in kinds and t.score is not None]
        return max(done, key=lambda t: t.score or 0.0, default=None)

    def _augmentations(self, until: float) -> Iterator[Trial | Candidate]:
        for template, settings in AUGMENTATIONS.items():
            title = Message(template)
            if not self._has_time() or time.monotonic() > until:
                self.notes.append(message("Not tried: {title}.", title=title))
                continue
            chosen = dict(settings)
            if not chosen:
                policy = yield from self._searched_policy(until)
                if policy is None:
                    continue
                chosen = {"policy": policy}
            yield self._try(AUGMENTATION, title, chosen, until)

    def _searched_policy(self, until: float) -> Generator[Candidate, None, str | None]:
        """The text of a policy from density matching, if there are enough wafers and time."""
        start = time.monotonic()
        # the policy that is found is trained once
        length = min(until - start, self._time_left()) - self.trials[0].seconds

        def has_time(share: float) -> bool:
            # four fifths of the time at most, so that the other augmentations are compared too
            return time.monotonic() < start + 0.8 * share * length

        progress = self._progress(start + length, message("Searching a policy: density matching"))
        matching = match_density(
            self.data, self.base, self.device, self.config.seed, progress, has_time
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
                self.notes.append(
                    message("No policy was searched: too few training wafers to halve them.")
                )
        except _OutOfTime:
            self.notes.append(message("No policy was searched: too little time."))
        return policy

    def _settings(self) -> Iterator[Trial]:
        import optuna

        augmented, default = self._best(AUGMENTATION), self.trials[0]
        is_better = augmented is not None and (augmented.score or 0) > (default.score or 0)
        start = augmented if augmented and is_better else default
        base = replace(self.base, **start.settings)
        for varied in space.last_layer_only(base, self.pictures):
            if self._has_time():
                yield self._settings_trial({**start.settings, **varied})
        study = space.make_study(self.config.seed)
        proposal = space.as_proposal(base, self.pictures)
        if proposal is not None:  # the best trial so far is the first that Optuna knows
            study.enqueue_trial(proposal)
            known = study.ask()
            space.propose(known, base, self.pictures)
            for checkpoint, score in self.checkpoints[start.number]:
                known.report(score, checkpoint)
            study.tell(known, start.score)
        while self._has_time():
            proposed = study.ask()
            varied = space.propose(proposed, base, self.pictures)

            def should_prune(
                checkpoint: int, score: float, proposed: optuna.Trial = proposed
            ) -> bool:
                proposed.report(score, checkpoint)
                return proposed.should_prune()

            trial = self._settings_trial({**start.settings, **varied}, should_prune)
            if trial.score is not None:
                study.tell(proposed, trial.score)
            else:
                state = optuna.trial.TrialState
                study.tell(proposed, state=state.PRUNED if trial.status == PRUNED else state.FAIL)
            yield trial

    def _settings_trial(
        self,
        settings: Mapping[str, Any],
        should_prune: Callable[[int, float], bool] = _never,
    ) -> Trial:
        # one slow network must not take the time of ten quick trials
        left = self._time_left()
        until = time.monotonic() + max(0.5 * left, min(left, 3 * self.trials[0].seconds))
        title = message("Settings {number}", number=len(self.trials))
        return self._try(SETTINGS, title, settings, until, should_prune)

    def _check(self) -> Generator[Trial, None, tuple[Evaluation, Evaluation] | None]:
        """Train the best trial and the default again, with another seed and other folds."""
        best = self._best()
        if best is None or not self.can_check:
            return None
        seed = (self.config.seed + 1) % 2**63
        again = rounds(self.data, seed)
        for title, settings in ((best.title, best.settings), (_DEFAULT_TITLE, {})):
            yield self._try(CHECK, title, settings, self.end, trainings=again, seed=seed)
            if self.trials[-1].score is None:
                return None
        return self.evaluations[self.trials[-2].number], self.evaluations[self.trials[-1].number]

    # -- outcome ---------------------------------------------------------------------------------

    def _outcome(self, checked: tuple[Evaluation, Evaluation] | None) -> Outcome:
        best = self._best() or self.trials[0]
        found, default = checked or (self.evaluations[best.number], self.evaluations[0])
        C = len(self.data.class_names)
        difference = gain(found, default, self.data.groups, C)
        verdict = UNCONFIRMED
        if checked is not None or best.number == 0:
            verdict = BETTER if difference.low > 0 else NO_BETTER
        notes = list(self.notes)
        if verdict == UNCONFIRMED:
            notes.append(
                message(
                    "Not confirmed by a second training: the best of many trials looks better than "
                    "it is."
                )
            )
        matrix = confusion_matrix(found.labels, found.predicted, C)
        return Outcome(
            best.title, best.settings, found.macro_f1, intervals(matrix).macro_f1,
            default.macro_f1, difference.value, (difference.low, difference.high), verdict,
            len(found.labels), tuple(self.trials), self.candidates, self.data.protocol(),
            tuple(notes),
        )  # fmt: skip
