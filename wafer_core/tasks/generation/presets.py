"""Generate pictures of one class, by one of the presets.

Every made picture borrows the die grid and the size of an original. Beside wafer maps, a class may
hold grey pictures: the preset Classic keeps these grey, and to 0 and 255 where their original did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from wafer_core.errors import InputError, ParameterError
from wafer_core.images import Picture
from wafer_core.tasks.augmentation.offline import AugmentConfig
from wafer_core.tasks.generation.dcgan import generate as generate_classic
from wafer_core.tasks.generation.dcgan.training import (
    MIN_PICTURES,
    GanConfig,
    GanEpoch,
    GanProgress,
)
from wafer_core.tasks.generation.diffusion import generate as generate_default
from wafer_core.tasks.generation.steps import GenerateResult, Step, StepInfo

__all__ = ["MAX_COUNT", "RECIPES", "STEPS", "GenerateResult", "Step", "generate"]

MAX_COUNT = 20_000  # pictures in one go

GenerateEvent = Step | GanProgress | GanEpoch | GenerateResult
Others = Mapping[str, Sequence[Picture]]
_Make = Callable[
    [Sequence[Picture], int, GanConfig, torch.device, AugmentConfig, Others],
    Iterator[GenerateEvent],
]


@dataclass(frozen=True)
class Recipe:
    """How a preset makes pictures."""

    make: _Make
    steps: dict[str, StepInfo]


# by the keys of ``gan.PRESETS``
RECIPES: dict[str, Recipe] = {
    "default": Recipe(generate_default.make, generate_default.STEPS),
    "classic": Recipe(generate_classic.make, generate_classic.STEPS),
}
# the steps of all presets in words, for runs that were stored
STEPS = {name: step.title for recipe in RECIPES.values() for name, step in recipe.steps.items()}


def generate(
    pictures: Sequence[Picture],
    count: int,
    config: GanConfig,
    device: torch.device,
    augmentation: AugmentConfig | None = None,
    others: Others | None = None,
) -> Iterator[GenerateEvent]:
    """Learn a class and make new pictures of it; close the iterator to cancel.

    Args:
        pictures: Training originals of one class; sizes may differ.
        count: How many to make.
        config: The preset, its settings and its seed.
        device: Where to compute.
        augmentation: How a wafer of this class may be turned, mirrored and so on. Classic
            multiplies the originals by it before training; Default turns and mirrors as far as it
            allows. By default the four transforms that suit wafers.
        others: Training originals of other classes, by name. Default varies more where it knows
            them, and redraws what looks like one of theirs; Classic does without.

    Yields:
        ``Step`` at the beginning and end of each step and in long ones; with Classic also the
        events of ``train_gan``; and at last one ``GenerateResult``.

    Raises:
        InputError: Fewer than two different pictures, or pictures that the preset cannot make.
        ParameterError: A count that cannot be made, or an augmentation that changes nothing.
        WaferError: Training ran away.
    """
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_COUNT:
        raise ParameterError(f"count is {count!r}; give a whole number from 1 to {MAX_COUNT:,}.")
    different = len({(picture.shape, picture.tobytes()) for picture in pictures})
    if different < MIN_PICTURES:
        raise InputError(
            f"This class has {different} different training picture{'s' * (different != 1)}, and a "
            f"GAN needs at least {MIN_PICTURES}; add pictures or choose Manual (transforms)."
        )
    recipe = RECIPES[config.preset]
    return recipe.make(
        list(pictures), count, config, device, augmentation or AugmentConfig(), others or {}
    )
