"""Generate pictures of a class by one of the presets.

Every generated picture has the die grid and the size of an original, its source. A class may also
hold grey pictures: Classic DCGAN keeps these grey, or black and white like their source.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from wafer_core.errors import InputError, ParameterError
from wafer_core.images import Picture
from wafer_core.messages import counted
from wafer_core.tasks.augmentation.offline import AugmentConfig
from wafer_core.tasks.generation.config import CLASSIC, DEFAULT, MIN_PICTURES, GenerationConfig
from wafer_core.tasks.generation.dcgan.generate import DCGAN
from wafer_core.tasks.generation.dcgan.training import GanEpoch, GanProgress
from wafer_core.tasks.generation.diffusion.generate import DIFFUSION
from wafer_core.tasks.generation.steps import GenerateResult, Originals, Recipe, Step

MAX_COUNT = 20_000  # pictures per call

GenerateEvent = Step | GanProgress | GanEpoch | GenerateResult

RECIPES: dict[str, Recipe] = {DEFAULT: DIFFUSION, CLASSIC: DCGAN}  # by the keys of ``PRESETS``


def generate(
    pictures: Sequence[Picture],
    count: int,
    config: GenerationConfig,
    device: torch.device,
    augmentation: AugmentConfig | None = None,
    others: Originals | None = None,
) -> Iterator[GenerateEvent]:
    """Generate new pictures of a class; close the iterator to cancel.

    Args:
        pictures: Training originals of the class; sizes may differ.
        count: Number of pictures to generate.
        config: The preset and its settings.
        device: Where to compute.
        augmentation: Transforms that suit the class, by default the four for wafers. Classic DCGAN
            augments the originals with them before training; Auto rotates and mirrors as far as
            they allow.
        others: Training originals of other classes, by name. With them Auto varies more, and
            redraws pictures that look like another class. Classic DCGAN ignores them.

    Yields:
        ``Step`` at the beginning and the end of each step and within long ones; with Classic DCGAN
        also the events of ``train_gan``; and last one ``GenerateResult``.

    Raises:
        InputError: Fewer than two different pictures, or pictures that the preset cannot handle.
        ParameterError: The count is out of range, or no transform is on.
        WaferError: Training diverged.
    """
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_COUNT:
        raise ParameterError(
            "count is {value}; give a whole number from 1 to {most:,}.",
            value=repr(count),
            most=MAX_COUNT,
        )
    different = len({(picture.shape, picture.tobytes()) for picture in pictures})
    if different < MIN_PICTURES:
        raise InputError(
            counted(
                "This class has {count:,} different training picture, and Auto needs at least "
                "{fewest}. Add pictures or use Manual (transforms).",
                "This class has {count:,} different training pictures, and Auto needs at least "
                "{fewest}. Add pictures or use Manual (transforms).",
                different,
                fewest=MIN_PICTURES,
            )
        )
    recipe = RECIPES[config.preset]
    return recipe.generate(
        list(pictures), count, config, device, augmentation or AugmentConfig(), others or {}
    )
