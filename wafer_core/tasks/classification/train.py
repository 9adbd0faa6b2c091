"""Train a network to name pictures, and use it.

    for result in train(data, TrainConfig(seed=0), device):
        print(result.epoch, result.macro_f1)
    classifier = result.best_classifier()
    classifier.predict_proba(pictures)

Whoever reads the results may stop at any of them and keep the best so far.
"""

from __future__ import annotations

import copy
import functools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from wafer_core.device import memory_format
from wafer_core.errors import ParameterError
from wafer_core.metrics import Evaluation, evaluate, fit_temperature, intervals, log_softmax
from wafer_core.networks import initial_weights, registry
from wafer_core.networks.optimizer import (
    EMA_DECAY,
    freeze_norms,
    half,
    make_optimizer,
    rate_factor,
    update_average,
)
from wafer_core.networks.preparation import Preparation
from wafer_core.tasks.augmentation.dihedral import transform
from wafer_core.tasks.augmentation.policies import DEFAULT, apply_policy
from wafer_core.tasks.classification.classifier import Classifier, many_scores
from wafer_core.tasks.classification.config import PARAMETERS, Familiarity, TrainConfig, TrainData
from wafer_core.tasks.classification.linear_head import HeadFit, fit_head
from wafer_core.tasks.classification.overlay import JointWafers

__all__ = [
    "PARAMETERS",
    "Classifier",
    "EpochResult",
    "TrainConfig",
    "TrainData",
    "many_scores",
    "rate_factor",
    "train",
]

_HEAD_SHARE = 0.2  # of the time, where a last layer is fitted first
_EARNED = 0.5  # standard errors by which fine-tuning must beat the fitted last layer
_PROGRESS = 1e-3  # a rise of macro-F1 below this is none
_SMOOTHING = 0.4  # weight of the newest epoch in the macro-F1 that chooses the best


@dataclass(frozen=True, eq=False)
class EpochResult:
    """What one epoch brought; figures are ``None`` where the validation part is empty.

    Attributes:
        epoch: From 1.
        epochs: At most so many.
        train_loss: Mean cross-entropy in nats over the epoch, with smoothing and transforms.
        validation_loss: Mean cross-entropy in nats.
        accuracy: Share of the validation part that is right.
        macro_f1: On the validation part, over the classes it holds.
        seconds: This epoch took.
        is_best: This epoch is the one to keep so far.
    """

    epoch: int
    epochs: int
    train_loss: float
    validation_loss: float | None
    accuracy: float | None
    macro_f1: float | None
    seconds: float
    is_best: bool
    _make: Callable[[], Classifier] = field(repr=False)

    def best_classifier(self) -> Classifier:
        """The classifier of the best epoch so far, with its temperature fitted."""
        return self._make()


def train(
    data: TrainData,
    config: TrainConfig,
    device: torch.device,
    on_batch: Callable[[float], None] | None = None,
) -> Iterator[EpochResult]:
    """Train, from fresh weights or from those that a network comes with.

    With the latter the first epoch fits a last layer to the features as they are. The others train
    everything; there are none if the network is frozen. They are kept if they beat the first. Where
    that told the pictures apart well, a change must be earned: by half a standard error of its
    macro-F1, which hangs on a few pictures of rare classes, and with no greater loss on the
    validation part, which hangs on all of them, each at its best temperature.

    The weights that are judged and kept are a running mean over the last steps. The best epoch is
    the one with the highest macro-F1 on the validation part, smoothed over a few epochs, since on
    a hundred pictures a single one is luck; without a validation part it is the last, or the fitted
    last layer.

    Args:
        data: At least two classes with a training picture each.
        config: Numbers left ``None`` are chosen here; see ``TrainConfig.resolved``.
        device: Where to compute.
        on_batch: Called after every step with the share of all steps done, 0 to 1; it may raise to
            end the training.

    Yields:
        One result an epoch; at most ``config.epochs``.

    Raises:
        InputError: The pictures cannot be trained on.
        ModelError: Stored weights to start from are damaged or not genuine.
        ParameterError: The learning rate made the loss infinite.
    """
    data.check()
    asked, config = config, config.resolved(len(data.train_pictures))
    # seeds fresh weights and dropout; everything else has its generator
    begun = initial_weights.begin(
        config.network, len(data.class_names), config.transfer, config.seed
    )
    generator = torch.Generator().manual_seed(config.seed)
    preparation = Preparation(begun.size)
    is_frozen = begun.weights is not None and config.transfer == initial_weights.FROZEN
    network = begun.network.to(device).to(memory_format=memory_format)
    inputs = preparation.prepare_compact(data.train_pictures)
    labels = torch.from_numpy(data.train_labels)
    validation = preparation.prepare_compact(data.validation_pictures)
    joint = JointWafers(
        data.class_names if config.joint and not is_frozen else (),  # a last layer alone lays none
        data.train_pictures, data.train_labels, preparation, inputs,
    )  # fmt: skip
    frequency = data.train_counts() / len(labels)
    weights = None
    if config.balancing == "weighted":
        weights = torch.tensor(frequency**-0.5 / (frequency**0.5).sum(), dtype=torch.float32)
        weights = weights.to(device)
    fitted: HeadFit | None = None
    familiarity = Familiarity()
    if begun.weights is not None:

        def tell(share: float) -> None:
            if on_batch:
                on_batch(_HEAD_SHARE * share)

        change = None
        if config.policy != DEFAULT:
            change = functools.partial(apply_policy, config.policy, generator=generator)
        fitted = fit_head(
            network, inputs, labels, weights, config.turns, config.seed, tell,
            begun.known, data.train_keys, data.train_made, change,
        )  # fmt: skip
        familiarity = fitted.familiarity
        config = asked.resolved(len(labels), familiarity, bool(joint.classes))
    if is_frozen:
        config = replace(config, epochs=1)
    epochs, batch_size = config.epochs or 1, config.batch_size or 1
    train_loss = fitted.loss if fitted else 0.0
    average = copy.deepcopy(network).eval().requires_grad_(False)
    rate = config.learning_rate or 0.0

    @functools.cache
    def optimizer() -> torch.optim.Optimizer:  # the first one loads torch's compiler: seconds
        return make_optimizer(network, rate, config.weight_decay)

    must_earn = bool(fitted and familiarity.tells_well and len(validation) and epochs > 1)
    steps_per_epoch = max(1, round(len(labels) / batch_size))
    steps, step = steps_per_epoch * epochs, 0
    smooth, best, stale, most_loss = -1.0, -1.0, 0, math.inf
    kept, kept_epoch = copy.deepcopy(average.state_dict()), 0

    def advance() -> None:
        if on_batch:
            begins = _HEAD_SHARE if fitted else 0.0
            on_batch(begins + (1 - begins) * step / steps)

    def make() -> Classifier:
        chosen = registry.build(config.network, len(data.class_names))
        chosen.load_state_dict(kept)
        chosen = chosen.eval().to(device).to(memory_format=memory_format)
        judged = []
        if len(validation):
            scores = many_scores(chosen, validation, device, config.average_turns)
            judged.append((scores, data.validation_labels))
        if (
            fitted and kept_epoch == 1 and len(fitted.labels)
        ):  # nor did it see these: a few dozen more to go by
            judged.append((fitted.scores, fitted.labels))
        temperature = 1.0
        if judged:
            known_scores, known_labels = (
                np.concatenate(part) for part in zip(*judged, strict=True)
            )
            temperature = fit_temperature(known_scores, known_labels)
        return Classifier(
            chosen, config.network, preparation, data.class_names, temperature,
            config.average_turns, asdict(config), device=device,
        )  # fmt: skip

    for epoch in range(1, epochs + 1):
        started = time.perf_counter()
        network.train()
        if begun.weights == "wafers":
            freeze_norms(network)
        total = torch.zeros((), device=device)
        if config.balancing == "balanced":
            chances = torch.from_numpy(1 / frequency)[labels]
            order = torch.multinomial(chances, len(labels), True, generator=generator)
        else:
            order = torch.randperm(len(labels), generator=generator)
        # the last layer was fitted already: that is the first epoch, to be beaten by the others
        is_fitted = fitted is not None and epoch == 1
        if is_fitted:
            step = steps_per_epoch
            advance()
        for chosen in () if is_fitted else torch.tensor_split(order, steps_per_epoch):
            for group in optimizer().param_groups:
                group["lr"] = rate * rate_factor(step / steps)
            batch = joint.lay(inputs[chosen], labels[chosen], config.turns, generator)
            batch = batch.to(device).float().div_(255)
            batch = transform(batch, config, generator).contiguous(memory_format=memory_format)
            with half(device, network):
                logits = network(batch)
            loss = F.cross_entropy(
                logits.float(), labels[chosen].to(device), weights,
                label_smoothing=config.label_smoothing,
            )  # fmt: skip
            optimizer().zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer().step()
            step += 1
            update_average(average, network, min(EMA_DECAY, step / (step + 9)))
            total += loss.detach() * len(chosen)
            advance()
        if not is_fitted:
            train_loss = float(total) / len(labels)
        if not math.isfinite(train_loss):
            raise ParameterError(
                f"Training broke in epoch {epoch}: the loss is no longer a number. Lower the "
                f"learning rate (it was {config.learning_rate:g}) and train again."
            )
        loss_value = accuracy = macro_f1 = None
        if len(validation):
            scores = many_scores(average, validation, device, False)
            loss_value, evaluation = _judge(scores, data)
            accuracy, macro_f1 = evaluation.accuracy, evaluation.macro_f1
        if macro_f1 is not None:
            smooth = macro_f1 if epoch == 1 else smooth + _SMOOTHING * (macro_f1 - smooth)
        is_best = smooth >= best if macro_f1 is not None else epoch == 1 or fitted is None
        if is_best and must_earn:
            calibrated = _calibrated_loss(scores, data.validation_labels)
            most_loss = calibrated if epoch == 1 else most_loss
            is_best = calibrated <= most_loss
        gained = macro_f1 is None or (is_best and smooth > best + _PROGRESS)
        stale = 0 if gained else stale + 1
        if is_best:
            best = smooth
            if must_earn and epoch == 1:
                best += _EARNED * _standard_error(evaluation)
            kept, kept_epoch = copy.deepcopy(average.state_dict()), epoch
        yield EpochResult(
            epoch, epochs, train_loss, loss_value, accuracy, macro_f1,
            time.perf_counter() - started, is_best, make,
        )  # fmt: skip
        if config.patience and stale >= config.patience:
            return


def _judge(scores: npt.NDArray[np.float64], data: TrainData) -> tuple[float, Evaluation]:
    """Loss and figures on the validation part."""
    logs = log_softmax(scores)
    found = evaluate(data.validation_labels, np.exp(logs), data.class_names)
    return _loss(logs, data.validation_labels), found


def _loss(logs: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> float:
    """Mean cross-entropy in nats, for log-probabilities (N, C)."""
    return -float(logs[np.arange(len(logs)), labels].mean())


def _calibrated_loss(scores: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> float:
    """The same for scores at the temperature that suits them."""
    return _loss(log_softmax(scores / fit_temperature(scores, labels)), labels)


def _standard_error(evaluation: Evaluation) -> float:
    """Of a macro-F1, in its own unit."""
    ends = intervals(np.asarray(evaluation.confusion), 0.68, resamples=500).macro_f1
    return (ends[1] - ends[0]) / 2 if ends else 0.0
