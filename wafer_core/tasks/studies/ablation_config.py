"""What can be set for the study of made pictures, in words and numbers, and how long it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wafer_core.errors import ParameterError
from wafer_core.networks.registry import NETWORKS, TITLES
from wafer_core.parameters import Parameter, check_all, check_seed
from wafer_core.tasks.classification.config import TrainConfig

MADE = 100  # pictures a class that are made where none are stored

PARAMETERS: dict[str, Parameter] = {
    "network": Parameter(
        "Network",
        "Which classifier is trained with and without the made wafers. WaferNet has seen wafers "
        "before and gains little from more; wafer_cnn starts from nothing.",
        "wafernet", choices=tuple(NETWORKS), titles=TITLES, main=True,
    ),
    "seeds": Parameter(
        "Repeats",
        "How often each way is trained, each time with other luck. More take longer and tell "
        "smaller differences apart; with one, the luck of a training cannot be seen.",
        3, 1, 20, 1, main=True,
    ),
    "made": Parameter(
        "Made wafers of a class",
        "How many made wafers of each class are added. Left empty, as many as are stored; where "
        f"none are stored, as many as of the other kind, or {MADE}, are made for the study.",
        MADE, 1, 5000, 10, main=True,
    ),
    "turns": Parameter(
        "Training turns wafers too",
        "On: as in a real training, which turns and mirrors wafers while it learns. Off: nothing "
        "but the pictures themselves varies, so that you see what they bring alone.",
        True, main=True,
    ),
    "epochs": Parameter(
        "Epochs",
        "How many times every picture is looked at. Left empty, it is chosen for each way by its "
        "number of pictures, as in a real training.",
        100, 1, 2000, 1,
    ),
}  # fmt: skip
AUTOMATIC = ("made", "epochs")  # may be left empty
# on two cores that have other work too: benchmarks.quality.wafernet and .generation
_SECONDS_A_LOOK = {"wafernet": 0.002, "wafer_cnn": 0.003}
_SECONDS_A_PICTURE = 0.1


@dataclass(frozen=True)
class BenefitConfig:
    """How a study is done; ``PARAMETERS`` says what each setting means and may be."""

    network: str = "wafernet"
    seeds: int = 3  # the fewest that show how much a training depends on luck
    made: int | None = None
    turns: bool = True
    epochs: int | None = None
    seed: int = 0  # of the first training, and of what is made

    def __post_init__(self) -> None:
        given = {n: p for n, p in PARAMETERS.items() if getattr(self, n) is not None}
        missing = set(PARAMETERS) - set(given) - set(AUTOMATIC)
        if missing:
            raise ParameterError(f"{min(missing)} is empty; give a value.")
        check_all(self, given)
        object.__setattr__(self, "seed", check_seed(self.seed))

    def training(self, repeat: int) -> TrainConfig:
        """Settings of one training.

        Args:
            repeat: From 0.
        """
        # without turns nothing but the pictures varies: neither in training nor when answering
        bare: dict[str, Any] = {
            "turns": False, "joint": False, "rotation_share": 0.0, "average_turns": False,
        }  # fmt: skip
        return TrainConfig(
            network=self.network,
            epochs=self.epochs,
            seed=self.seed + repeat,
            **({} if self.turns else bare),
        )


def seconds_ahead(counts: Mapping[str, int], fresh: int, config: BenefitConfig) -> float | None:
    """About how long a study takes on two cores; ``None`` for networks that were never timed.

    Args:
        counts: Training pictures of each arm.
        fresh: Pictures that the generator has to make for it.
        config: Of the study.
    """
    if config.network not in _SECONDS_A_LOOK:
        return None
    looked = config.seeds * sum(looks(count, config) for count in counts.values())
    return looked * _SECONDS_A_LOOK[config.network] + fresh * _SECONDS_A_PICTURE


def looks(count: int, config: BenefitConfig) -> float:
    """Pictures that a training of ``count`` looks at; a last layer fitted first costs a few more.

    Args:
        count: Training pictures.
        config: Of the study.
    """
    fitted = 10 if NETWORKS[config.network].weights else 0  # eight forms of each, and folds
    return count * float((config.training(0).resolved(count).epochs or 1) + fitted)
