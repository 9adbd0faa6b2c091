"""A trained network as it is used: pictures in, honest probabilities out."""

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
from wafer_core.networks.optimizer import half
from wafer_core.networks.preparation import Preparation
from wafer_core.tasks.augmentation.dihedral import quarter_turns

_BATCH = 64  # pictures in one go when predicting; four times as many with all turns
# A first answer with this probability stands; the network sees the other turns of the others only.
# In twelve trainings with real wafers (10 and 50 a class) that cost 0.0004 of macro-F1 and 0.002 of
# the calibration error, and of the balanced test wafers one in nine was looked at again.
_SURE = 0.8


class Classifier:
    """A trained network with everything that its answers depend on.

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
            architecture: Its key in ``networks.NETWORKS``.
            preparation: What it is fed.
            class_names: C names, in the order of its outputs.
            temperature: Logits are divided by it, so that probabilities are honest.
            average_turns: Answer with the mean over the four quarter turns where the first of them
                is not sure.
            config: How it was trained, for the record.
            extra: What the caller stored with it.
            device: Where to compute.
        """
        self.device = device or torch.device("cpu")
        self.network = network.eval().to(self.device).to(memory_format=memory_format)
        quick = self.network.fused() if isinstance(self.network, registry.WaferCNN) else None
        self._quick: nn.Module = quick or self.network
        self.architecture = architecture
        self.preparation = preparation
        self.class_names = tuple(class_names)
        self.temperature = temperature
        self.average_turns = average_turns
        self.config = dict(config or {})
        self.extra = dict(extra or {})

    def predict_proba(
        self, pictures: Sequence[Picture], batch_size: int = _BATCH
    ) -> npt.NDArray[np.float64]:
        """Probability of each class, in [0, 1]; the rows of (N, C) add up to 1."""
        parts = [
            self.predict_prepared(self.preparation.prepare(pictures[start : start + batch_size]))
            for start in range(0, len(pictures), batch_size)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.class_names)))

    def predict_prepared(self, batch: torch.Tensor) -> npt.NDArray[np.float64]:
        """The same for one batch from ``preparation.prepare``, float32 (N, C_in, S, S)."""
        batch = batch.to(self.device)
        scores = _scores(self._quick, batch)
        if self.average_turns:
            unsure = self._probability(scores).max(1) < _SURE
            rest = batch[torch.from_numpy(unsure).to(self.device)]
            if len(rest):
                others = _scores(self._quick, quarter_turns(rest)[len(rest) :])
                scores[unsure] += others.reshape(3, *scores[unsure].shape).sum(0)
                scores[unsure] /= 4
        return self._probability(scores)

    def _probability(self, scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        probability: npt.NDArray[np.float64] = np.exp(log_softmax(scores / self.temperature))
        return probability

    def save(
        self, folder: Path, extra: Mapping[str, Any] | None = None, name: str = checkpoint.NAME
    ) -> None:
        """Store as ``model.safetensors`` and ``model.json`` (see ``checkpoint.save``).

        Args:
            folder: Of the run.
            extra: JSON values to keep with it; default: those it came with.
            name: Of the files.

        Raises:
            StorageError: The disk is full or refuses.
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

    @classmethod
    def load(
        cls, folder: Path, device: torch.device | None = None, name: str = checkpoint.NAME
    ) -> Classifier:
        """Read a stored classifier; the files are data only and may come from anybody.

        Raises:
            ModelError: Missing, damaged, or of an unknown kind.
        """
        value = checkpoint.read_description(folder, name)
        architecture, names = value.get("network"), value.get("class_names")
        where = folder / f"{name}.json"
        if not isinstance(architecture, str) or architecture not in registry.NETWORKS:
            raise ModelError(
                f"{where} asks for the network {str(architecture)[:60]!r}, which this version does "
                f"not know ({', '.join(registry.NETWORKS)}); update the program or train again."
            )
        if (
            not isinstance(names, list)
            or not all(isinstance(name, str) for name in names)
            or len(set(names)) != len(names)
        ):
            raise ModelError(f"{where}: class_names is not a list of different names; train again.")
        temperature, average_turns = value.get("temperature"), value.get("average_turns")
        is_number = isinstance(temperature, int | float) and not isinstance(temperature, bool)
        if not is_number or not 0.01 <= float(temperature or 0) <= 100:
            raise ModelError(f"{where}: temperature is {temperature!r}, no number; train again.")
        config, extra = value.get("config"), value.get("extra")
        sha256 = value.get("sha256")
        if not (
            isinstance(average_turns, bool)
            and isinstance(config, dict)
            and isinstance(extra, dict)
            and isinstance(sha256, str | None)
        ):
            raise ModelError(
                f"{where}: average_turns, config, extra or sha256 is missing or of the wrong kind; "
                "train again."
            )
        preparation = Preparation.from_json(value.get("preparation"))
        try:
            network = registry.build(architecture, len(names))
        except ParameterError as exc:
            raise ModelError(f"{where}: {exc}") from exc
        checkpoint.load_weights(folder, network, name, sha256)
        return cls(
            network, architecture, preparation, names, float(temperature or 1), average_turns,
            config, extra, device,
        )  # fmt: skip


@torch.inference_mode()
def _scores(network: nn.Module, batch: torch.Tensor) -> npt.NDArray[np.float64]:
    """Log-probabilities (N, C), not yet at the right temperature."""
    with half(batch.device):
        logits = network(batch)
    values: npt.NDArray[np.float64] = logits.double().log_softmax(1).cpu().numpy()
    if not np.isfinite(values).all():
        raise ModelError("The network's answer is not a number; train it again.")
    return values


def many_scores(
    network: nn.Module, compact: torch.Tensor, device: torch.device, average_turns: bool
) -> npt.NDArray[np.float64]:
    """Log-probabilities (N, C), mean over all turns if asked for, not yet at the temperature.

    Args:
        network: On the device.
        compact: Prepared pictures in steps of 1/255, uint8 (N, 3, S, S).
        device: Where to compute.
        average_turns: Whether each picture is shown in all four turns.
    """
    values = []
    for part in torch.split(compact, _BATCH):
        batch = part.to(device).float() / 255
        scores = _scores(network, quarter_turns(batch) if average_turns else batch)
        values.append(scores.reshape(-1, len(part), scores.shape[1]).mean(0))
    return np.concatenate(values)
