"""Train a classifier.

    for result in train(data, TrainConfig(seed=0), device):
        print(result.epoch, result.macro_f1)
    classifier = result.best_classifier()
    classifier.predict_proba(pictures)

The caller may stop at any result and keep the best epoch so far.
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
from wafer_core.metrics import evaluate, fit_temperature, log_softmax
from wafer_core.networks import registry
from wafer_core.networks.initial_weights import FROZEN, InitialNetwork, initialize
from wafer_core.networks.optimizer import (
    EMA_DECAY,
    freeze_norms,
    make_optimizer,
    mixed_precision,
    rate_factor,
    update_average,
)
from wafer_core.networks.preparation import Preparation
from wafer_core.tasks.augmentation.dihedral import transform
from wafer_core.tasks.augmentation.policies import DEFAULT, apply_policy
from wafer_core.tasks.classification.classifier import Classifier, predict_log_proba
from wafer_core.tasks.classification.config import TrainConfig
from wafer_core.tasks.classification.linear_head import HeadFit, fit_head
from wafer_core.tasks.classification.overlay import OverlaySampler
from wafer_core.tasks.classification.train_data import TrainData

Losses = npt.NDArray[np.float64]  # (N,) of each validation picture

_HEAD_SHARE = 0.2  # of the time, if the last layer is fitted first
# Classes are out of domain if the last layer makes more than so many times the errors that the
# network makes on the classes of its pretraining, by so many standard errors.
_MAX_ERROR_RATIO, _SIGNIFICANCE = 2.0, 2.0
# For early stopping: weight of the newest epoch in the smoothed macro-F1, and a rise that counts.
_SMOOTHING, _MIN_GAIN = 0.4, 1e-3


@dataclass(frozen=True, eq=False)
class EpochResult:
    """Result of one epoch; scores are ``None`` if there are no validation pictures.

    Attributes:
        epoch: From 1.
        epochs: At most so many.
        train_loss: Mean cross-entropy of the epoch in nats, with smoothing and augmentation.
        validation_loss: Mean cross-entropy in nats.
        accuracy: On the validation pictures.
        macro_f1: On the validation pictures, over the classes that occur there.
        seconds: Duration of the epoch.
        is_best: Whether this is the best epoch so far.
    """

    epoch: int
    epochs: int
    train_loss: float
    validation_loss: float | None
    accuracy: float | None
    macro_f1: float | None
    seconds: float
    is_best: bool
    _best: Callable[[], Classifier] = field(repr=False)

    def best_classifier(self) -> Classifier:
        """The classifier of the best epoch so far, with its temperature fitted."""
        return self._best()


def train(
    data: TrainData,
    config: TrainConfig,
    device: torch.device,
    on_progress: Callable[[float], None] | None = None,
    initial: InitialNetwork | None = None,
) -> Iterator[EpochResult]:
    """Train a network, from random or pretrained weights.

    With pretrained weights the first epoch fits the last layer on the unchanged features. The other
    epochs fine-tune all layers, within a budget of samples (``TrainConfig.resolved``). A network
    that is pretrained on wafers is not fine-tuned if the last layer separates the classes about as
    well as those of the pretraining, unless the number of epochs is set.

    The weights that are evaluated and kept are an average over the last steps. The best epoch is
    the latest whose validation loss is within one standard error of the lowest, since the learning
    rate falls to 0 and a few validation pictures cannot tell good epochs apart. A fine-tuned epoch
    counts only if its loss is lower than that of the fitted last layer by more than one standard
    error. Losses are compared at their best temperature. Without validation pictures the best is
    the last epoch, or the fitted last layer.

    Args:
        data: At least two classes with a training picture each.
        config: Numbers that are ``None`` are chosen here; see ``TrainConfig.resolved``.
        device: Where to compute.
        on_progress: Called after every step with the share of all steps done, 0 to 1; may raise to
            stop.
        initial: From ``initialize`` for the same settings; not changed. Default: made here.

    Yields:
        One result per epoch, at most ``config.epochs``.

    Raises:
        InputError: The pictures cannot be trained on.
        ModelError: Pretrained weights are damaged or not those that were published.
        ParameterError: The loss diverged.
    """
    data.check()
    yield from _Training(data, config, device, on_progress, initial).run()


class _Training:
    """One training; ``run`` yields its epochs."""

    def __init__(
        self,
        data: TrainData,
        config: TrainConfig,
        device: torch.device,
        on_progress: Callable[[float], None] | None,
        initial: InitialNetwork | None,
    ) -> None:
        self.data, self.device = data, device
        self._report = on_progress or (lambda _: None)
        self.config = config.resolved(len(data.train_labels))
        if initial is None:
            initial = initialize(
                config.network, len(data.class_names), config.transfer, config.seed
            )
        # Dropout must not depend on when the initial network was made.
        torch.manual_seed(config.seed)
        self._pretrained_on = initial.weights
        is_frozen = initial.weights is not None and config.transfer == FROZEN
        self.network = copy.deepcopy(initial.network).to(device).to(memory_format=memory_format)
        self._generator = torch.Generator().manual_seed(config.seed)
        self.preparation = Preparation(initial.size)
        self._inputs = self.preparation.prepare_compact(data.train_pictures)
        self._labels = torch.from_numpy(data.train_labels)
        self._validation = self.preparation.prepare_compact(data.validation_pictures)
        self._overlays = OverlaySampler(
            data.class_names, data.combinations if config.joint and not is_frozen else {},
            data.train_pictures, data.train_labels, self.preparation, self._inputs,
        )  # fmt: skip
        self._frequency = data.train_counts() / len(self._labels)
        self._class_weights = None
        if config.balancing == "weighted":
            weights = self._frequency**-0.5 / (self._frequency**0.5).sum()
            self._class_weights = torch.tensor(weights, dtype=torch.float32).to(device)
        self.head: HeadFit | None = None
        if initial.weights is not None:
            self.head = self._fit_head(initial)
            fine_tune = len(self._validation) > 0 and _is_out_of_domain(self.head, initial.error)
            overlay_share = self._overlays.share(data.train_labels)
            self.config = config.resolved(len(self._labels), fine_tune, overlay_share)
        if is_frozen:
            self.config = replace(self.config, epochs=1)
        self.epochs, self._batch_size = self.config.epochs or 1, self.config.batch_size or 1
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self._steps_per_epoch = max(1, round(len(self._labels) / self._batch_size))
        self._steps, self._step = self._steps_per_epoch * self.epochs, 0
        self._best_weights, self._best_epoch = copy.deepcopy(self.average.state_dict()), 0
        self._first: Losses | None = None  # of the first epoch
        self._lowest: Losses | None = None

    def _fit_head(self, initial: InitialNetwork) -> HeadFit:
        augment = None
        if self.config.policy != DEFAULT:
            augment = functools.partial(apply_policy, self.config.policy, generator=self._generator)
        return fit_head(
            self.network, self._inputs, self._labels, self._class_weights, self.config.turns,
            self.config.seed, lambda share: self._report(_HEAD_SHARE * share), initial.head,
            self.data.train_groups, self.data.train_synthetic, augment,
        )  # fmt: skip

    def run(self) -> Iterator[EpochResult]:
        """Train until the last epoch or until nothing improves."""
        smoothed, best_f1, stale = 0.0, -1.0, 0
        labels = self.data.validation_labels
        for epoch in range(1, self.epochs + 1):
            started = time.perf_counter()
            train_loss = self._train_epoch(epoch)
            if not math.isfinite(train_loss):
                raise ParameterError(
                    "Training diverged in epoch {epoch}: the loss is no longer a finite number. "
                    "Lower the learning rate (it was {rate:g}) and train again.",
                    epoch=epoch,
                    rate=self.config.learning_rate,
                )
            loss = accuracy = macro_f1 = None
            is_best = epoch == 1 or self.head is None
            if len(self._validation):
                logs = predict_log_proba(self.average, self._validation, self.device, False)
                loss = float(_losses(logs, labels).mean())
                evaluation = evaluate(labels, np.exp(logs), self.data.class_names)
                accuracy, macro_f1 = evaluation.accuracy, evaluation.macro_f1
                is_best = self._is_best(_calibrated_losses(logs, labels))
            if macro_f1 is not None:
                smoothed += (_SMOOTHING if epoch > 1 else 1.0) * (macro_f1 - smoothed)
            stale = 0 if macro_f1 is None or smoothed > best_f1 + _MIN_GAIN else stale + 1
            best_f1 = max(best_f1, smoothed)
            if is_best:
                self._best_weights = copy.deepcopy(self.average.state_dict())
                self._best_epoch = epoch
            yield EpochResult(
                epoch, self.epochs, train_loss, loss, accuracy, macro_f1,
                time.perf_counter() - started, is_best, self._best_classifier,
            )  # fmt: skip
            if self.config.patience and stale >= self.config.patience:
                return

    def _is_best(self, losses: Losses) -> bool:
        """Whether an epoch with these losses of the validation pictures is the best so far."""
        if self._lowest is None or self._first is None:
            self._first = self._lowest = losses
            return True
        if self.head and not _is_lower(losses, self._first):
            return False
        is_best = not _is_lower(self._lowest, losses)
        if losses.mean() < self._lowest.mean():
            self._lowest = losses
        return is_best

    def _train_epoch(self, epoch: int) -> float:
        """Mean loss of an epoch; the first one of a pretrained network is the fitted last layer."""
        config, labels = self.config, self._labels
        self.network.train()
        if self._pretrained_on == "wafers":
            freeze_norms(self.network)
        order = self._draw_order()
        if self.head and epoch == 1:
            self._step = self._steps_per_epoch
            self._advance()
            return self.head.loss
        total = torch.zeros((), device=self.device)
        for rows in torch.tensor_split(order, self._steps_per_epoch):
            for group in self._optimizer.param_groups:
                group["lr"] = (config.learning_rate or 0.0) * rate_factor(self._step / self._steps)
            batch = self._overlays.overlay(
                self._inputs[rows], labels[rows], config.turns, self._generator
            )
            batch = batch.to(self.device).float().div_(255)
            batch = transform(batch, config, self._generator)
            with mixed_precision(self.device, self.network):
                logits = self.network(batch.contiguous(memory_format=memory_format))
            loss = F.cross_entropy(
                logits.float(), labels[rows].to(self.device), self._class_weights,
                label_smoothing=config.label_smoothing,
            )  # fmt: skip
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
            self._step += 1
            update_average(
                self.average, self.network, min(EMA_DECAY, self._step / (self._step + 9))
            )
            total += loss.detach() * len(rows)
            self._advance()
        return float(total) / len(labels)

    def _draw_order(self) -> torch.Tensor:
        N = len(self._labels)
        if self.config.balancing == "balanced":
            chances = torch.from_numpy(1 / self._frequency)[self._labels]
            return torch.multinomial(chances, N, True, generator=self._generator)
        return torch.randperm(N, generator=self._generator)

    def _advance(self) -> None:
        begin = _HEAD_SHARE if self.head else 0.0
        self._report(begin + (1 - begin) * self._step / self._steps)

    @functools.cached_property
    def _optimizer(self) -> torch.optim.Optimizer:
        # Creating the first one loads torch's compiler, which takes seconds.
        rate = self.config.learning_rate or 0.0
        return make_optimizer(self.network, rate, self.config.weight_decay)

    def _best_classifier(self) -> Classifier:
        names, config = self.data.class_names, self.config
        network = registry.build(config.network, len(names))
        network.load_state_dict(self._best_weights)
        network = network.eval().to(self.device).to(memory_format=memory_format)
        logs, labels = [], []
        if len(self._validation):
            logs.append(
                predict_log_proba(network, self._validation, self.device, config.average_turns)
            )
            labels.append(self.data.validation_labels)
        # Cross-validated predictions are as good: a few dozen more to fit the temperature on.
        if self.head and self._best_epoch == 1 and len(self.head.labels):
            logs.append(self.head.log_proba)
            labels.append(self.head.labels)
        temperature = fit_temperature(np.concatenate(logs), np.concatenate(labels)) if logs else 1.0
        return Classifier(
            network, config.network, self.preparation, names, temperature, config.average_turns,
            asdict(config), device=self.device,
        )  # fmt: skip


def _is_out_of_domain(head: HeadFit, pretraining_error: float | None) -> bool:
    """Whether the features of a network do not suit the classes; True if that is unknown."""
    if pretraining_error is None:
        return True
    error, standard_error = head.error
    return error > _MAX_ERROR_RATIO * pretraining_error + _SIGNIFICANCE * standard_error


def _losses(logs: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> Losses:
    """Cross-entropy of each picture in nats (N,), for log-probabilities (N, C)."""
    losses: Losses = -logs[np.arange(len(logs)), labels]
    return losses


def _calibrated_losses(logs: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> Losses:
    """The same at the temperature that fits best."""
    return _losses(log_softmax(logs / fit_temperature(logs, labels)), labels)


def _is_lower(losses: Losses, others: Losses) -> bool:
    """Whether losses (N,) are lower than others of the same pictures by one standard error."""
    if len(losses) < 2:
        return False
    gains = others - losses
    return bool(gains.mean() > gains.std(ddof=1) / math.sqrt(len(gains)))
