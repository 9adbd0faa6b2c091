"""What can be set for training a classifier, in words and numbers, and what it learns from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from wafer_core.errors import InputError, ParameterError
from wafer_core.images import Picture
from wafer_core.networks.initial_weights import FINE_TUNED, TRANSFER
from wafer_core.networks.registry import NETWORKS, TITLES
from wafer_core.parameters import Parameter, check_all, check_seed
from wafer_core.tasks.augmentation.policies import DEFAULT, RULES, PolicyParameter

BALANCING = {
    "natural": "Every picture counts the same. Right when the classes are as frequent as in use.",
    "weighted": "A picture of a rare class counts more, by the square root of how rare it is.",
    "balanced": "Each round draws every class equally often; rare pictures repeat.",
}

# Pictures in all. On real wafers, with 2,600 and with 13,000, fine-tuning beat no last layer; with
# patterns that are nobody's it may.
FINE_TUNE_FROM = 10_000
STRANGE_BELOW = 0.7  # of the pictures named right by a last layer that did not see them
# With so many originals the features can be learned anew, and more is asked of the last layer: 38
# classes of ten wafers by another simulator, 73 % told apart, gain seven points. Of the nine
# patterns of WM-811K 91 to 95 % are told apart with 40 wafers of each.
STRANGE_MANY, STRANGE_BELOW_OF_MANY = 300, 0.85
NO_ROOM_FROM = 0.95  # named right, above which fine-tuning is not tried with many pictures either
STRANGE_EPOCHS = 40  # at 350 of them
JOINT_EPOCHS = 80  # the same where wafers are laid on each other: new ones come in every epoch
STRANGE_RATE = 3e-3  # peak learning rate for such patterns, with 16 pictures a batch

PARAMETERS: dict[str, Parameter] = {
    "network": Parameter(
        "Network",
        "Which network learns. WaferNet has seen wafers before, and a few to thousands of pictures "
        "a class are enough for it.",
        "wafernet", choices=tuple(NETWORKS), titles=TITLES, main=True,
    ),
    "epochs": Parameter(
        "Epochs",
        "How many times every training picture is looked at. More takes longer and helps up to a "
        "point; left empty, it is chosen by the number of pictures and by how well WaferNet tells "
        "them apart already: a single one may do.",
        100, 1, 2000, 1, main=True,
    ),
    "batch_size": Parameter(
        "Batch size",
        "How many pictures are looked at before the network is corrected once. Small batches learn "
        "more from few pictures, large ones are faster with many.",
        16, 1, 1024, 1, main=True,
    ),
    "learning_rate": Parameter(
        "Learning rate",
        "How strongly each correction changes the network. Too high and the loss jumps or breaks, "
        "too low and nothing is learned; left empty, it is chosen for the network.",
        0.003, 1e-6, 1.0, 0.0001, main=True,
    ),
    "balancing": Parameter(
        "Class balancing",
        "What to do when some classes have far fewer pictures: nothing (natural), let each of "
        "their pictures count more (weighted), or show them more often (balanced).",
        "weighted", choices=tuple(BALANCING), main=True,
    ),
    "transfer": Parameter(
        "Start from",
        "What the network knows beforehand: the weights that it comes with, of which all learn on "
        "(fine-tuned) or the last layer alone (frozen; takes seconds), or nothing (scratch).",
        FINE_TUNED, choices=tuple(TRANSFER),
    ),
    "turns": Parameter(
        "Quarter turns and mirroring",
        "Shows each picture in a random one of its eight turned and mirrored forms. A defect "
        "pattern keeps its name when the wafer is turned. Switch off if direction matters to you.",
        True, main=True,
    ),
    "policy": PolicyParameter(
        "Augmentation",
        "What else happens to training pictures at random: "
        + "; ".join(f"{name}: {rule.help}" for name, rule in RULES.items())
        + ". Or a policy that a search found for your wafers.",
        DEFAULT, choices=tuple(RULES),
    ),
    "joint": Parameter(
        "Lay wafers on each other",
        "A class that is named after several others, such as “Center + Scratch”, also learns from "
        "wafers of those laid on each other: ten of each pattern make thousands of combinations. "
        "Does nothing where no class has such a name.",
        True,
    ),
    "rotation_share": Parameter(
        "Free rotation, share of pictures",
        "This share of pictures is also turned by any angle, zoomed and shifted a little. Dies "
        "blur when they are turned, so not every picture should be.",
        0.3, 0.0, 1.0, 0.05,
    ),
    "zoom": Parameter(
        "Zoom",
        "How much those pictures are enlarged or shrunk at most (0.08 is eight percent).",
        0.08, 0.0, 0.5, 0.01,
        harms="Large values move the rim of the wafer, and an Edge-Ring may look like a Donut.",
    ),
    "shift": Parameter(
        "Shift",
        "How far those pictures are moved at most, as a share of the width.",
        0.02, 0.0, 0.3, 0.01,
        harms="Large values move the middle of the wafer, and a Center may look like a Loc.",
    ),
    "average_turns": Parameter(
        "Answer from all four turns",
        "When predicting, a wafer whose first answer is not sure is shown in the other three "
        "quarter turns too, and the mean answers: up to a point better, about twice the work.",
        True,
    ),
    "label_smoothing": Parameter(
        "Label smoothing",
        "Allows for this share of wrong labels: the network is not asked to be surer than that.",
        0.05, 0.0, 0.5, 0.01,
    ),
    "weight_decay": Parameter(
        "Weight decay",
        "Pulls the network towards simpler answers; higher suits fewer pictures.",
        0.05, 0.0, 1.0, 0.01,
    ),
    "patience": Parameter(
        "Early stopping: patience",
        "Stops when the macro-F1 on the validation part has not improved for this many epochs; "
        "the best epoch is kept in any case. 0 never stops early.",
        50, 0, 2000, 1,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Familiarity:
    """How well a network that comes with weights knows pictures before it learns from them.

    Attributes:
        told_apart: Share of originals that a fitted last layer names right without having seen
            them, each class counting the same; None: unknown.
        originals: How many these were.
    """

    told_apart: float | None = None
    originals: int = 0

    @property
    def is_strange(self) -> bool:
        """The features do not suit such pictures and are learned anew, with large steps."""
        enough = STRANGE_BELOW if self.originals < STRANGE_MANY else STRANGE_BELOW_OF_MANY
        return self.told_apart is not None and self.told_apart < enough

    @property
    def tells_well(self) -> bool:
        """So well that a change of the features must be earned."""
        return self.told_apart is None or self.told_apart >= STRANGE_BELOW

    @property
    def has_room(self) -> bool:
        """There is something to gain by fine-tuning, where the pictures are many."""
        return self.told_apart is None or self.told_apart < NO_ROOM_FROM


@dataclass(frozen=True)
class TrainConfig:
    """Settings of one training; ``PARAMETERS`` says what each means and may be.

    ``None`` lets the number be chosen by ``resolved``, from how many pictures there are.
    """

    network: str = "wafernet"
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    balancing: str = "weighted"  # users expect rare classes to be found, not to be ignored
    transfer: str = FINE_TUNED  # frozen is faster and, with WaferNet on few pictures, near
    turns: bool = True
    policy: str = DEFAULT
    joint: bool = True
    rotation_share: float = 0.3  # measured on real wafers, 39 a class: 0.3 to 0.5 beat 1
    zoom: float = 0.08
    shift: float = 0.02
    average_turns: bool = True
    label_smoothing: float = 0.05  # the labels of WM-811K themselves disagree about as often
    weight_decay: float = 0.05
    patience: int = 50  # the last epochs, at a low learning rate, are the best: wait for them
    seed: int = 0

    def __post_init__(self) -> None:
        given = {
            name: parameter
            for name, parameter in PARAMETERS.items()
            if getattr(self, name) is not None
        }
        missing = set(PARAMETERS) - set(given) - {"epochs", "batch_size", "learning_rate"}
        if missing:
            raise ParameterError(f"{min(missing)} is empty; give a value.")
        check_all(self, given)
        object.__setattr__(self, "seed", check_seed(self.seed))

    def resolved(
        self,
        pictures: int,
        familiarity: Familiarity = Familiarity(),
        lays_wafers: bool = False,
    ) -> TrainConfig:
        """The same with every ``None`` replaced, for a number of training pictures.

        Few pictures are looked at often, many seldom: work grows with the square root of their
        number. Large batches save time only where there are many; the learning rate follows.

        A network that knows wafers learns with its last layer first. Where that tells few pictures
        apart well, or many very well, it stays at this: measured, fine-tuning takes from it what it
        knew. Where it does not, the patterns are strange to it, and it learns with large steps. So
        it does where wafers are laid on each other.

        Args:
            pictures: Training pictures.
            familiarity: Of the network with them, as far as it is known yet.
            lays_wafers: See ``joint``.
        """
        epochs, batch_size, rate = self.epochs, self.batch_size, self.learning_rate
        knows_wafers = NETWORKS[self.network].weights is not None and self.transfer == FINE_TUNED
        learns_anew = knows_wafers and (lays_wafers or familiarity.is_strange)
        is_enough = pictures < FINE_TUNE_FROM or not familiarity.has_room
        if epochs is None and knows_wafers and not learns_anew and is_enough:
            epochs = 1
        usual = NETWORKS[self.network].epochs
        if learns_anew:
            usual = JOINT_EPOCHS if lays_wafers else STRANGE_EPOCHS
        if epochs is None:
            least = max(6, 0.12 * usual)
            epochs = round(min(2 * usual, max(least, usual * math.sqrt(350 / max(pictures, 1)))))
        if batch_size is None:
            batch_size = 16 if pictures < 2000 else 64
        if rate is None:
            # √(batch) follows the noise of Adam's steps (Malladi et al. 2022, arXiv:2205.10287)
            usual_rate = STRANGE_RATE if learns_anew else NETWORKS[self.network].learning_rate
            rate = min(0.1, usual_rate * math.sqrt(batch_size / 16))
        return replace(self, epochs=epochs, batch_size=batch_size, learning_rate=rate)


@dataclass(frozen=True, eq=False)
class TrainData:
    """Pictures to learn from and to choose the best epoch by; labels index ``class_names``.

    Attributes:
        train_keys: For each training picture what it hangs together with, such as its lot; that of
            its original where it was made of one, "" where it was made of many. Settings that are
            chosen in folds never learn from what they are then asked about. None: all stand alone.
        train_made: (N,) those that were made; folds never ask about them. None: none.
    """

    class_names: tuple[str, ...]
    train_pictures: Sequence[Picture]
    train_labels: npt.NDArray[np.int64]
    validation_pictures: Sequence[Picture]
    validation_labels: npt.NDArray[np.int64]
    train_keys: Sequence[str] | None = None
    train_made: npt.NDArray[np.bool_] | None = None

    def check(self) -> TrainData:
        """Return self if it can be trained on.

        Raises:
            InputError: Fewer than two classes, or a class without a training picture.
        """
        for pictures, labels in (
            (self.train_pictures, self.train_labels),
            (self.validation_pictures, self.validation_labels),
        ):
            inside = not len(labels) or 0 <= labels.min() <= labels.max() < len(self.class_names)
            if len(pictures) != len(labels) or not inside:
                raise InputError(
                    f"{len(pictures)} pictures and {len(labels)} labels of "
                    f"{len(self.class_names)} classes do not belong together."
                )
        for each in (self.train_keys, self.train_made):
            if each is not None and len(each) != len(self.train_labels):
                raise InputError(
                    f"{len(self.train_labels)} training pictures have {len(each)} keys or marks."
                )
        counts = self.train_counts()
        if (counts > 0).sum() < 2:
            raise InputError(
                "Training needs pictures in at least two classes, so that there is something to "
                f"tell apart; there {'is' if (counts > 0).sum() == 1 else 'are'} "
                f"{int((counts > 0).sum())}. Add pictures to another class."
            )
        empty = [n for n, count in zip(self.class_names, counts, strict=True) if not count]
        if empty:
            raise InputError(
                f"Class “{empty[0]}” has no picture in the training part; add some or delete it."
            )
        return self

    def plus_made(self, pictures: Sequence[Picture], labels: npt.NDArray[np.int64]) -> TrainData:
        """The same, and (M,) pictures that were made of many of the training pictures."""
        count = len(self.train_labels)
        keys = [str(k) for k in range(count)] if self.train_keys is None else self.train_keys
        made = np.zeros(count, bool) if self.train_made is None else self.train_made
        return replace(
            self,
            train_pictures=[*self.train_pictures, *pictures],
            train_labels=np.concatenate([self.train_labels, labels]),
            train_keys=[*keys, *[""] * len(labels)],
            train_made=np.concatenate([made, np.ones(len(labels), bool)]),
        )

    def train_counts(self) -> npt.NDArray[np.int64]:
        """Training pictures of each class (C,)."""
        return np.bincount(self.train_labels, minlength=len(self.class_names))

    def without_empty(self) -> tuple[TrainData, tuple[str, ...]]:
        """The same without classes that have no training picture, and the names of those."""
        counts = self.train_counts()
        kept = np.flatnonzero(counts > 0)
        dropped = tuple(n for n, c in zip(self.class_names, counts, strict=True) if not c)
        if not dropped:
            return self, ()
        new_label = np.full(len(self.class_names), -1, np.int64)
        new_label[kept] = np.arange(len(kept))
        judged = np.flatnonzero(new_label[self.validation_labels] >= 0).tolist()
        data = TrainData(
            tuple(self.class_names[i] for i in kept),
            self.train_pictures,
            new_label[self.train_labels],
            [self.validation_pictures[i] for i in judged],
            new_label[self.validation_labels[judged]],
            self.train_keys,
            self.train_made,
        )
        return data, dropped
