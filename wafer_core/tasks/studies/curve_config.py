"""What can be set for a learning curve, and how long it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wafer_core.errors import ParameterError
from wafer_core.networks.initial_weights import FROZEN
from wafer_core.networks.registry import NETWORKS, TITLES
from wafer_core.parameters import Parameter, check_all, check_seed
from wafer_core.tasks.classification.config import TrainConfig

SIZES = (22, 55, 110, 220, 440)  # originals, as far as there are more than these
FEW_SIZES = (5, 10, 20)  # where there are not
MADE = (0, 100, 400)
FEWEST = 4  # training originals of the class
_APART = 0.8  # a size nearer than this to the next one tells nothing new
_MOST_MADE = 5000

PARAMETERS: dict[str, Parameter] = {
    "seeds": Parameter(
        "Repeats",
        "How often everything is done, each time with the originals in another order and with "
        "other made wafers. More take longer and tell smaller differences.",
        3, 1, 20, 1, main=True,
    ),
    "others": Parameter(
        "Originals of each other class",
        "The classifier learns from so many training originals of each other class at most. Fewer "
        "are faster; all judge.",
        60, 5, 2000, 5, main=True,
    ),
    "network": Parameter(
        "Network",
        "Which classifier is trained. With WaferNet the last layer alone learns, in seconds; a "
        "network without such weights learns everything from your wafers and takes far longer.",
        "wafernet", choices=tuple(NETWORKS), titles=TITLES,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class CurveConfig:
    """How a curve is drawn; ``PARAMETERS`` says what the settings mean and may be."""

    seeds: int = 3  # the fewest that show how much depends on which originals there are
    others: int = 60  # as many as Generate is judged with; seconds for each training
    network: str = "wafernet"
    sizes: tuple[int, ...] = ()  # originals; none given: chosen by ``sizes_of``
    made: tuple[int, ...] = MADE
    seed: int = 0

    def __post_init__(self) -> None:
        check_all(self, PARAMETERS)
        object.__setattr__(self, "seed", check_seed(self.seed))
        for name, lowest in (("sizes", 2), ("made", 0)):
            values = getattr(self, name)
            whole = isinstance(values, list | tuple) and all(
                isinstance(v, int) and not isinstance(v, bool) and lowest <= v <= _MOST_MADE
                for v in values
            )
            if not whole:
                raise ParameterError(
                    f"{name} is {values!r}; give whole numbers from {lowest} to {_MOST_MADE:,}."
                )
            object.__setattr__(self, name, tuple(sorted(set(values))))
        object.__setattr__(self, "made", tuple(sorted({0, *self.made})))

    def training(self, repeat: int) -> TrainConfig:
        """Settings of the trainings of one repeat, from 0."""
        seed = self.seed + repeat
        if NETWORKS[self.network].weights is None:
            return TrainConfig(network=self.network, seed=seed)
        # features that have seen wafers hardly differ among quarter turns: a fourth of the work
        return TrainConfig(
            network=self.network, transfer=FROZEN, turns=False, average_turns=False, seed=seed
        )


def sizes_of(count: int, asked: Sequence[int] = ()) -> tuple[int, ...]:
    """Numbers of originals to look at: those that there are, and all; two at least.

    Args:
        count: Training originals of the class.
        asked: Instead of ``SIZES``.
    """
    if asked:
        return tuple(sorted({min(size, count) for size in asked} | {count}))
    smaller = [size for size in SIZES if size <= _APART * count]
    if len(smaller) < 2:
        few = [count // 2, *FEW_SIZES] if count < 2 * FEW_SIZES[1] else list(FEW_SIZES)
        most = _APART * (smaller[0] if smaller else count)
        smaller += [size for size in few if 2 <= size <= most]
    return (*sorted(set(smaller)), count)


def seconds_ahead(config: CurveConfig, sizes: Sequence[int], others: int, tested: int) -> float:
    """How long a curve takes, roughly, on one core without a GPU.

    Args:
        config: How it is drawn.
        sizes: Numbers of originals.
        others: Training originals of the other classes that take part.
        tested: Test originals.
    """
    steps = [(size, count) for size in sizes for count in (None, *config.made)]
    return config.seeds * sum(step_seconds(config, others, tested, *step) for step in steps)


def step_seconds(
    config: CurveConfig, others: int, tested: int, size: int, count: int | None
) -> float:
    """The same of one step.

    Args:
        config: As above.
        others: As above.
        tested: As above.
        size: Originals of the class.
        count: Made pictures that are trained with; ``None``: the making of them.
    """
    if count is None:
        return 10 + 0.03 * config.made[-1] if config.made[-1] else 0.0
    training = config.training(0)
    pictures = size + count + others
    epochs = 0 if training.transfer == FROZEN else training.resolved(pictures).epochs or 1
    return (0.0045 + 0.002 * epochs) * pictures + 0.001 * tested
