"""Settings of the training of a classifier."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from wafer_core.messages import N_
from wafer_core.networks.initial_weights import FINE_TUNED, SCRATCH, TRANSFER
from wafer_core.networks.registry import NETWORKS, TITLES
from wafer_core.parameters import SEED, Parameter, Settings, declare
from wafer_core.tasks.augmentation.policies import DEFAULT, RULES, PolicyParameter

BALANCING = {
    "natural": N_("Every wafer counts the same. Use it if the classes are as frequent as in use."),
    "weighted": N_("Wafers of rare classes count more, by the square root of how rare they are."),
    "balanced": N_("Every epoch draws all classes equally often; rare wafers repeat."),
}

# The automatic number of epochs is at least the first, and does not grow below the second number
# of pictures.
_MIN_EPOCHS, _FEW_PICTURES = 6, 90


@dataclass(frozen=True)
class TrainConfig(Settings):
    """Settings of one training.

    Raises:
        ParameterError: A value is out of range or of another type.
    """

    network: str = declare(
        Parameter(
            N_("Network"),
            N_(
                "The network to train. WaferNet is pretrained on wafer maps and needs only a few "
                "wafers per class; it also suits thousands."
            ),
            "wafernet", choices=tuple(NETWORKS), titles=TITLES, main=True, option="model",
        )
    )  # fmt: skip
    epochs: int | None = declare(
        Parameter(
            N_("Epochs"),
            N_(
                "How often every training wafer is used. More epochs take longer and help up to a "
                "point. Left empty, the number is chosen from the number of wafers and from how "
                "well WaferNet separates the classes already; it may be 1."
            ),
            None, 1, 2000, 1, kind=int, main=True,
        )
    )  # fmt: skip
    batch_size: int | None = declare(
        Parameter(
            N_("Batch size"),
            N_(
                "How many wafers are used for one update of the network. Small batches learn more "
                "from few wafers; large ones are faster with many. Left empty, it is chosen from "
                "the number of wafers."
            ),
            None, 1, 1024, 1, kind=int, main=True,
        )
    )  # fmt: skip
    learning_rate: float | None = declare(
        Parameter(
            N_("Learning rate"),
            N_(
                "Size of each update. If it is too high, the loss jumps or diverges; if it is too "
                "low, nothing is learned. Left empty, it is chosen for the network."
            ),
            None, 1e-6, 1.0, 0.0001, main=True,
        )
    )  # fmt: skip
    # Users expect rare classes to be found, not to be ignored.
    balancing: str = declare(
        Parameter(
            N_("Class balancing"),
            N_(
                "What to do if some classes have far fewer wafers: nothing (natural), give their "
                "wafers a higher weight (weighted), or draw them more often (balanced)."
            ),
            "weighted", choices=tuple(BALANCING), main=True,
            titles=(N_("natural"), N_("weighted"), N_("balanced")),
        )
    )  # fmt: skip
    transfer: str = declare(
        Parameter(
            N_("Start from"),
            N_(
                "Initial weights: pretrained, with all layers trained further (fine-tuned) or only "
                "the last one (frozen; takes seconds), or random (scratch)."
            ),
            FINE_TUNED, choices=tuple(TRANSFER),
            titles=(N_("fine-tuned"), N_("frozen"), N_("scratch")),
        )
    )  # fmt: skip
    turns: bool = declare(
        Parameter(
            N_("Rotations and reflections"),
            N_(
                "Trains on each wafer in a random one of its eight orientations (rotated by 90° "
                "steps, mirrored). A defect pattern keeps its class when the wafer is rotated. "
                "Switch off if direction matters to you."
            ),
            True, main=True,
        )
    )  # fmt: skip
    policy: str = declare(
        PolicyParameter(
            N_("Augmentation"),
            N_(
                "Random changes of the training wafers: free rotation, zoom and shift as set below "
                "(default), two random operations at strength 0.3 (randaugment), one at a random "
                "strength (trivialaugment), or a policy that a search found for your wafers."
            ),
            DEFAULT, choices=tuple(RULES),
        )
    )  # fmt: skip
    joint: bool = declare(
        Parameter(
            N_("Overlay wafers for mixed classes"),
            N_(
                "A class that combines others, such as “Center + Scratch”, is also trained on "
                "overlays of their wafers: ten of each pattern make thousands of combinations. "
                "Has no effect if no class combines others."
            ),
            True,
        )
    )  # fmt: skip
    # On real wafers, 39 per class, 0.3 to 0.5 were better than 1.
    rotation_share: float = declare(
        Parameter(
            N_("Free rotation: share of wafers"),
            N_(
                "This share of the wafers is also rotated by any angle, zoomed and shifted. Free "
                "rotation blurs the dies, so it should not be applied to every wafer."
            ),
            0.3, 0.0, 1.0, 0.05,
        )
    )  # fmt: skip
    zoom: float = declare(
        Parameter(
            N_("Zoom"),
            N_("How much those wafers are enlarged or shrunk at most (0.08 is 8%)."),
            0.08, 0.0, 0.5, 0.01,
            harms=N_("Large values move the wafer's rim; an Edge-Ring may look like a Donut."),
        )
    )  # fmt: skip
    shift: float = declare(
        Parameter(
            N_("Shift"),
            N_("How far those wafers are moved at most, as a share of the width."),
            0.02, 0.0, 0.3, 0.01,
            harms=N_("Large values move the wafer's centre; a Center may look like a Loc."),
        )
    )  # fmt: skip
    average_turns: bool = declare(
        Parameter(
            N_("Average over four rotations"),
            N_(
                "When predicting, a wafer with a probability below 80% is also rotated by 90°, "
                "180° and 270°, and the four predictions are averaged: slightly more accurate, "
                "about twice the time."
            ),
            True,
        )
    )  # fmt: skip
    # The labels of WM-811K contradict each other about as often.
    label_smoothing: float = declare(
        Parameter(
            N_("Label smoothing"),
            N_("The expected share of wrong labels; it keeps the network from overconfidence."),
            0.05, 0.0, 0.5, 0.01,
        )
    )  # fmt: skip
    weight_decay: float = declare(
        Parameter(
            N_("Weight decay"),
            N_("Pulls the weights towards zero; higher values suit fewer wafers."),
            0.05, 0.0, 1.0, 0.01,
        )
    )  # fmt: skip
    # The last epochs, at a low learning rate, are the best, so it must wait for them.
    patience: int = declare(
        Parameter(
            N_("Early stopping: patience"),
            N_(
                "Stops if the macro-F1 on the validation wafers has not improved for this many "
                "epochs; the best epoch is kept in any case. 0 never stops early."
            ),
            50, 0, 2000, 1,
        )
    )  # fmt: skip
    seed: int = declare(SEED)

    def resolved(
        self, pictures: int, fine_tune: bool | None = None, overlay_share: float = 0.0
    ) -> TrainConfig:
        """The same with every ``None`` replaced.

        The number of training samples seen grows with the square root of the number of pictures, so
        that each of few pictures is used often and each of many rarely. Large batches save time
        only with many pictures; the learning rate follows.

        Args:
            pictures: Number of training pictures.
            fine_tune: Whether all layers are trained, or only the last one. Default: all, except
                with a network that is pretrained on wafers: there the last layer is usually enough.
            overlay_share: Share of the samples that are overlays; they are seen in addition.
        """
        info = NETWORKS[self.network]
        epochs, batch_size, rate = self.epochs, self.batch_size, self.learning_rate
        if fine_tune is None:
            fine_tune = info.weights is None or self.transfer == SCRATCH
        if epochs is None and not fine_tune:
            epochs = 1
        if epochs is None:
            epochs_of_originals = info.samples / math.sqrt(max(pictures, _FEW_PICTURES))
            epochs = max(_MIN_EPOCHS, round(epochs_of_originals / (1 - overlay_share)))
        if batch_size is None:
            batch_size = 16 if pictures < 2000 else 64
        if rate is None:
            # √(batch size) follows the noise of Adam's updates (Malladi et al. 2022,
            # arXiv:2205.10287).
            rate = min(0.1, info.learning_rate * math.sqrt(batch_size / 16))
        return replace(self, epochs=epochs, batch_size=batch_size, learning_rate=rate)
