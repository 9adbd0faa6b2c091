"""Settings of the training of a classifier."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from wafer_core.messages import N_
from wafer_core.networks.initial_weights import FINE_TUNED, TRANSFER
from wafer_core.networks.registry import NETWORKS, TITLES
from wafer_core.parameters import SEED, Parameter, Settings, declare
from wafer_core.tasks.augmentation.policies import DEFAULT, RULES, PolicyParameter

BALANCING = {
    "natural": N_("Every wafer counts the same. Use it if the classes are as frequent as in use."),
    "weighted": N_("Wafers of rare classes count more, by the square root of how rare they are."),
    "balanced": N_("Every epoch draws all classes equally often; rare wafers repeat."),
}

# Pictures in all. On real wafers, with 2,600 and with 13,000, fine-tuning beat no last layer; with
# patterns that are nobody's it may.
FINE_TUNE_FROM = 10_000
OUT_OF_DOMAIN_BELOW = 0.7  # cross-validated balanced accuracy of the last layer
# With so many originals the features can be learned anew, and more is asked of the last layer: 38
# classes of ten wafers by another simulator, 73 % told apart, gain seven points. Of the nine
# patterns of WM-811K 91 to 95 % are told apart with 40 wafers of each.
OUT_OF_DOMAIN_MANY, OUT_OF_DOMAIN_BELOW_OF_MANY = 300, 0.85
NO_HEADROOM_FROM = 0.95  # above it, fine-tuning is not tried with many pictures either
OUT_OF_DOMAIN_EPOCHS = 40  # at 350 pictures
OVERLAY_EPOCHS = 80  # the same with overlays: every epoch brings new wafers
OUT_OF_DOMAIN_RATE = 3e-3  # peak learning rate for such patterns, with 16 pictures a batch


@dataclass(frozen=True)
class HeadScore:
    """How well a last layer on the pretrained features separates the classes.

    Attributes:
        balanced_accuracy: Cross-validated; None: unknown.
        originals: How many pictures it was computed on.
    """

    balanced_accuracy: float | None = None
    originals: int = 0

    @property
    def is_out_of_domain(self) -> bool:
        """The features do not suit such pictures and are learned anew, with large steps."""
        enough = (
            OUT_OF_DOMAIN_BELOW
            if self.originals < OUT_OF_DOMAIN_MANY
            else OUT_OF_DOMAIN_BELOW_OF_MANY
        )
        return self.balanced_accuracy is not None and self.balanced_accuracy < enough

    @property
    def is_good(self) -> bool:
        """So good that a change of the features must be earned."""
        return self.balanced_accuracy is None or self.balanced_accuracy >= OUT_OF_DOMAIN_BELOW

    @property
    def has_headroom(self) -> bool:
        """There is something to gain by fine-tuning, where the pictures are many."""
        return self.balanced_accuracy is None or self.balanced_accuracy < NO_HEADROOM_FROM


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
        self, pictures: int, head: HeadScore = HeadScore(), overlays: bool = False
    ) -> TrainConfig:
        """The same with every ``None`` replaced.

        The number of updates grows with the square root of the number of pictures. Large batches
        save time only with many pictures; the learning rate follows.

        A network pretrained on wafers first fits its last layer. If that separates few pictures
        well, or many very well, nothing else is trained: in measurements, fine-tuning lost what the
        network had learned. If it does not, the patterns are out of domain, and the network is
        trained with a high learning rate, as it is if wafers are overlaid.

        Args:
            pictures: Number of training pictures.
            head: How well a last layer separates them, as far as it is known yet.
            overlays: Whether wafers are overlaid.
        """
        epochs, batch_size, rate = self.epochs, self.batch_size, self.learning_rate
        pretrained = NETWORKS[self.network].weights is not None and self.transfer == FINE_TUNED
        learns_anew = pretrained and (overlays or head.is_out_of_domain)
        is_enough = pictures < FINE_TUNE_FROM or not head.has_headroom
        if epochs is None and pretrained and not learns_anew and is_enough:
            epochs = 1
        usual = NETWORKS[self.network].epochs
        if learns_anew:
            usual = OVERLAY_EPOCHS if overlays else OUT_OF_DOMAIN_EPOCHS
        if epochs is None:
            least = max(6, 0.12 * usual)
            epochs = round(min(2 * usual, max(least, usual * math.sqrt(350 / max(pictures, 1)))))
        if batch_size is None:
            batch_size = 16 if pictures < 2000 else 64
        if rate is None:
            # √(batch size) follows the noise of Adam's updates (Malladi et al. 2022,
            # arXiv:2205.10287).
            usual_rate = OUT_OF_DOMAIN_RATE if learns_anew else NETWORKS[self.network].learning_rate
            rate = min(0.1, usual_rate * math.sqrt(batch_size / 16))
        return replace(self, epochs=epochs, batch_size=batch_size, learning_rate=rate)
