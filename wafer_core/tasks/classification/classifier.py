"""A trained network with everything that its predictions depend on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from wafer_core.device import memory_format
from wafer_core.errors import ModelError, ParameterError
from wafer_core.images import Picture
from wafer_core.metrics import log_softmax
from wafer_core.networks import checkpoint, registry
from wafer_core.networks.optimizer import mixed_precision
from wafer_core.networks.penultimate import last_layer, with_features
from wafer_core.networks.preparation import Preparation
from wafer_core.networks.wafer_cnn import WaferCNN
from wafer_core.tasks.augmentation.dihedral import quarter_turns
from wafer_core.tasks.classification import unknown
from wafer_core.tasks.classification.unknown import UnknownDetector

_BATCH = 64  # pictures at once when predicting; four times as many with all rotations
# A first prediction with this probability is final; only the others are rotated. In twelve
# trainings with real wafers (10 and 50 per class) this cost 0.0004 of macro-F1 and 0.002 of the
# calibration error, and one in nine of the balanced test wafers was rotated.
_CONFIDENT = 0.8


class Classifier:
    """A trained network that predicts calibrated class probabilities.

    Safe to use from several threads.
    """

    def __init__(
        self,
        network: nn.Module,
        architecture: str,
        preparation: Preparation,
        class_names: Sequence[str],
        temperature: float = 1.0,
        average_turns: bool = True,
        config: Mapping[str, Any] | None = None,
        extra: Mapping[str, Any] | None = None,
        device: torch.device | None = None,
    ) -> None:
        """Wrap a network.

        Args:
            network: Gives logits (N, C) for prepared pictures.
            architecture: Its key in ``registry.NETWORKS``.
            preparation: Of its input.
            class_names: C names, in the order of its outputs.
            temperature: Logits are divided by it, so that probabilities are calibrated.
            average_turns: Average over four rotations if the first prediction is not confident.
            config: How it was trained, for the record.
            extra: Further JSON values that are stored with it.
            device: Where to compute.
        """
        self.device = device or torch.device("cpu")
        self.network = network.eval().to(self.device).to(memory_format=memory_format)
        fused = self.network.fused() if isinstance(self.network, WaferCNN) else None
        self._fused: nn.Module = fused or self.network
        self.architecture = architecture
        self.preparation = preparation
        self.class_names = tuple(class_names)
        self.temperature = temperature
        self.average_turns = average_turns
        self.config = dict(config or {})
        self.extra = dict(extra or {})
        self.unknown: UnknownDetector | None = None  # finds wafers unlike the training wafers

    def predict_proba(
        self, pictures: Sequence[Picture], batch_size: int = _BATCH
    ) -> npt.NDArray[np.float64]:
        """Class probabilities (N, C) in [0, 1]; rows sum to 1."""
        batches = [
            self.predict_prepared(self.preparation.prepare(pictures[start : start + batch_size]))
            for start in range(0, len(pictures), batch_size)
        ]
        return np.concatenate(batches) if batches else np.zeros((0, len(self.class_names)))

    def predict_prepared(self, batch: torch.Tensor) -> npt.NDArray[np.float64]:
        """The same for one batch from ``preparation.prepare``, float32 (N, C_in, S, S)."""
        return self.predict_scored(batch)[0]

    def predict_scored(
        self, batch: torch.Tensor
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Probabilities (N, C) of a prepared batch, and its unknown scores (N,).

        The scores are 0 for a model without a detector.
        """
        batch = batch.to(self.device)
        if self.unknown is None:
            logs, scores = _log_proba(self._fused, batch), np.zeros(len(batch))
        else:
            features, logits = self.features_and_logits(batch)
            scores = self.unknown.score(features, logits)
            logs = log_softmax(logits)
        if self.average_turns:
            uncertain = self._probabilities(logs).max(1) < _CONFIDENT
            rest = batch[torch.from_numpy(uncertain).to(self.device)]
            if len(rest):
                rotated = _log_proba(self._fused, quarter_turns(rest)[len(rest) :])
                logs[uncertain] += rotated.reshape(3, *logs[uncertain].shape).sum(0)
                logs[uncertain] /= 4
        return self._probabilities(logs), scores

    @torch.inference_mode()
    def features_and_logits(
        self, batch: torch.Tensor
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Features (N, F) before the last layer and logits (N, C) of a prepared batch.

        Raises:
            ModelError: They are not finite.
        """
        batch = batch.to(self.device)
        with mixed_precision(batch.device):
            logits, features = with_features(self._fused, batch)
        values = features.double().cpu().numpy(), logits.double().cpu().numpy()
        if not all(np.isfinite(value).all() for value in values):
            raise ModelError("The network's predictions are not finite; train it again.")
        return values

    def _probabilities(self, logs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        probabilities: npt.NDArray[np.float64] = np.exp(log_softmax(logs / self.temperature))
        return probabilities

    def save(
        self, folder: Path, extra: Mapping[str, Any] | None = None, name: str = checkpoint.NAME
    ) -> None:
        """Store as ``model.safetensors`` and ``model.json`` (see ``checkpoint.save``).

        Args:
            folder: Of the run.
            extra: JSON values to store with it; default: those it was created with.
            name: Of the files, without suffix.

        Raises:
            StorageError: The disk is full or read-only.
        """
        description = {
            "network": self.architecture,
            "class_names": list(self.class_names),
            "preparation": self.preparation.to_json(),
            "temperature": self.temperature,
            "average_turns": self.average_turns,
            "config": self.config,
            "extra": dict(self.extra if extra is None else extra),
        }
        checkpoint.save(folder, self.network, description, name)
        if self.unknown is not None:
            self.unknown.save(folder, _detector_name(name))

    @classmethod
    def load(
        cls, folder: Path, device: torch.device | None = None, name: str = checkpoint.NAME
    ) -> Classifier:
        """Read a stored classifier; the files hold data only, and their source need not be trusted.

        Raises:
            ModelError: Missing, damaged, or of an unknown kind.
        """
        value = checkpoint.read_description(folder, name)
        architecture, names = value.get("network"), value.get("class_names")
        path = str(folder / f"{name}.json")
        if not isinstance(architecture, str) or architecture not in registry.NETWORKS:
            raise ModelError(
                "{path} requires the network {network}, which this version does not have ({known});"
                " update the program or train again.",
                path=path,
                network=repr(str(architecture)[:60]),
                known=", ".join(registry.NETWORKS),
            )
        if (
            not isinstance(names, list)
            or not all(isinstance(name, str) for name in names)
            or len(set(names)) != len(names)
        ):
            raise ModelError(
                "{path}: class_names is not a list of distinct names; train again.", path=path
            )
        temperature, average_turns = value.get("temperature"), value.get("average_turns")
        is_number = isinstance(temperature, int | float) and not isinstance(temperature, bool)
        if not is_number or not 0.01 <= float(temperature or 0) <= 100:
            raise ModelError(
                "{path}: temperature is {value}, not a number from 0.01 to 100; train again.",
                path=path,
                value=repr(temperature),
            )
        config, extra = value.get("config"), value.get("extra")
        sha256 = value.get("sha256")
        if not (
            isinstance(average_turns, bool)
            and isinstance(config, dict)
            and isinstance(extra, dict)
            and isinstance(sha256, str | None)
        ):
            raise ModelError(
                "{path}: average_turns, config, extra or sha256 is missing or has the wrong type; "
                "train again.",
                path=path,
            )
        preparation = Preparation.from_json(value.get("preparation"))
        try:
            network = registry.build(architecture, len(names))
        except ParameterError as exc:
            raise ModelError("{path}: {reason}", path=path, reason=exc.message) from exc
        checkpoint.load_weights(folder, network, name, sha256)
        classifier = cls(
            network, architecture, preparation, names, float(temperature or 1), average_turns,
            config, extra, device,
        )  # fmt: skip
        size = last_layer(network)[1].in_features
        classifier.unknown = unknown.load(folder, size, len(names), _detector_name(name))
        return classifier


def _detector_name(name: str) -> str:
    return unknown.NAME if name == checkpoint.NAME else f"{name}-{unknown.NAME}"


@torch.inference_mode()
def _log_proba(network: nn.Module, batch: torch.Tensor) -> npt.NDArray[np.float64]:
    """Log-probabilities (N, C) at temperature 1."""
    with mixed_precision(batch.device):
        logits = network(batch)
    logs: npt.NDArray[np.float64] = logits.double().log_softmax(1).cpu().numpy()
    if not np.isfinite(logs).all():
        raise ModelError("The network's predictions are not finite; train it again.")
    return logs


def predict_log_proba(
    network: nn.Module, compact: torch.Tensor, device: torch.device, average_turns: bool
) -> npt.NDArray[np.float64]:
    """Log-probabilities (N, C) at temperature 1.

    Args:
        network: On the device.
        compact: Prepared pictures in steps of 1/255, uint8 (N, 3, S, S).
        device: Where to compute.
        average_turns: Average the log-probabilities of all four rotations.
    """
    logs = []
    for batch in torch.split(compact, _BATCH):
        inputs = batch.to(device).float() / 255
        rows = _log_proba(network, quarter_turns(inputs) if average_turns else inputs)
        logs.append(rows.reshape(-1, len(batch), rows.shape[1]).mean(0))
    return np.concatenate(logs)
