"""Augment the wafers of a class, with the settings of Keras' ImageDataGenerator.

Settings that normalise (centring, whitening, rescaling) are left out: the input of a network is
decided in ``wafer_core.networks.preparation``, and augmented wafers are stored as pictures.

    >>> import numpy as np
    >>> wafer = np.full((9, 9), 127, np.uint8)
    >>> augmented, drawn = augment_picture(wafer, AugmentConfig(), np.random.default_rng(0))
    >>> augmented.shape
    (9, 9)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from wafer_core.errors import InputError, ParameterError
from wafer_core.images import Picture, is_map
from wafer_core.messages import N_
from wafer_core.parameters import SEED, Parameter, Settings, declare
from wafer_core.tasks.augmentation.affine import (
    FILL_MODES,
    Affine,
    WaferGrid,
    affine,
    transform_grey,
    transform_map,
    wafer_grid,
)

MAX_COUNT = 100_000  # pictures at once; more is a typing error
_CELLS_KEPT = 3_000_000  # of prepared wafers, about 45 bytes each
_TRIES = 4  # new draws if a transform returned the original itself

Drawn = dict[str, float | bool]


@dataclass(frozen=True)
class AugmentConfig(Settings):
    """Settings of the transforms; by default the four that suit wafer maps are on.

    Raises:
        ParameterError: A value is out of range, not a number, or of another type.
    """

    # A wafer has no preferred direction; reflections cover the other half turn.
    rotation_range: float = declare(
        Parameter(
            N_("Rotation"),
            N_("Rotate the wafer by a random angle of up to this many degrees, either way."),
            90.0, 0.0, 180.0, 1.0, main=True,
        )
    )  # fmt: skip
    # In radians, as first defined in Keras; in degrees 0.1 would have no effect.
    shear_range: float = declare(
        Parameter(
            N_("Shear"),
            N_("Slant the pattern by up to this angle in radians (0.1 is about 6 degrees)."),
            0.1, 0.0, 0.8, 0.01, main=True,
        )
    )  # fmt: skip
    horizontal_flip: bool = declare(
        Parameter(
            N_("Horizontal flip"), N_("Mirror half of the pictures, left to right."), True,
            main=True,
        )
    )  # fmt: skip
    vertical_flip: bool = declare(
        Parameter(
            N_("Vertical flip"), N_("Mirror half of the pictures, top to bottom."), True, main=True
        )
    )
    zoom_range: float = declare(
        Parameter(
            N_("Zoom"),
            N_("Enlarge or shrink by up to this fraction, height and width independently."),
            0.0, 0.0, 0.9, 0.01,
            harms=N_(
                "Moves rings and edge defects away from the wafer's edge: an Edge-Ring may become "
                "a Donut."
            ),
        )
    )  # fmt: skip
    width_shift_range: float = declare(
        Parameter(
            N_("Width shift"),
            N_("Move sideways by up to this fraction of the width."),
            0.0, 0.0, 0.9, 0.01,
            harms=N_("Moves patterns away from the wafer's centre: a Center may become a Loc."),
        )
    )  # fmt: skip
    height_shift_range: float = declare(
        Parameter(
            N_("Height shift"),
            N_("Move up or down by up to this fraction of the height."),
            0.0, 0.0, 0.9, 0.01,
            harms=N_("Moves patterns away from the wafer's centre: a Center may become a Loc."),
        )
    )  # fmt: skip
    brightness_range: tuple[float, float] | None = declare(
        Parameter(
            N_("Brightness"),
            N_("Multiply the grey values by a random factor between these two (1 keeps them)."),
            None, 0.0, 4.0, 0.05, is_range=True,
            harms=N_("Pass and fail are states, not grey values: wafer maps are not changed."),
        )
    )  # fmt: skip
    channel_shift_range: float = declare(
        Parameter(
            N_("Channel shift"),
            N_("Add a random grey value of up to this size, up or down."),
            0.0, 0.0, 255.0, 1.0,
            harms=N_("Pass and fail are states, not grey values: wafer maps are not changed."),
        )
    )  # fmt: skip
    fill_mode: str = declare(
        Parameter(
            N_("Fill mode"),
            N_(
                "What fills the area outside the moved picture: the nearest edge (nearest), a "
                "constant value (constant), the mirrored picture (reflect), or its opposite side "
                "(wrap)."
            ),
            "nearest", choices=FILL_MODES,
            harms=N_(
                "On wafer maps it applies beyond the wafer's edge; reflect and wrap invent edge "
                "dies."
            ),
        )
    )  # fmt: skip
    cval: float = declare(
        Parameter(
            N_("Fill value"),
            N_("The grey value for fill mode constant. On wafer maps above 190 means failed dies."),
            0.0, 0.0, 255.0, 1.0,
            harms=N_("Bright values draw a failed rim onto shifted or shrunk wafers."),
        )
    )  # fmt: skip
    interpolation_order: int = declare(
        Parameter(
            N_("Interpolation"),
            N_(
                "How grey pictures are sampled: 0 nearest pixel, 1 linear, 3 cubic. Wafer maps "
                "always use the nearest die."
            ),
            1, 0, 3, 1,
        )
    )  # fmt: skip

    @property
    def changes_something(self) -> bool:
        """Whether any transform is on."""
        neutral = replace(
            AugmentConfig(),
            rotation_range=0, shear_range=0, horizontal_flip=False, vertical_flip=False,
            fill_mode=self.fill_mode, cval=self.cval, interpolation_order=self.interpolation_order,
        )  # fmt: skip
        return self != neutral


def draw(config: AugmentConfig, rng: np.random.Generator) -> Drawn:
    """Draw the parameters of one transform.

    The same random numbers are used whatever is on, so that a live preview follows a slider instead
    of jumping to another angle.
    """
    u = rng.uniform(-1.0, 1.0, 8)
    coins = rng.random(2) < 0.5
    low, high = config.brightness_range or (1.0, 1.0)
    return {
        "rotation": float(u[0] * config.rotation_range),
        "shear": float(u[1] * config.shear_range),
        "horizontal_flip": bool(coins[0] and config.horizontal_flip),
        "vertical_flip": bool(coins[1] and config.vertical_flip),
        "zoom_y": float(1.0 + u[2] * config.zoom_range),
        "zoom_x": float(1.0 + u[3] * config.zoom_range),
        "shift_y": float(u[4] * config.height_shift_range),
        "shift_x": float(u[5] * config.width_shift_range),
        "brightness": float(low + (u[6] + 1) / 2 * (high - low)),
        "channel_shift": float(u[7] * config.channel_shift_range),
    }


def augment_picture(
    picture: Picture, config: AugmentConfig, rng: np.random.Generator
) -> tuple[Picture, Drawn]:
    """One augmented picture, and the parameters drawn for it.

    A wafer map stays one: three values, the dies of the original. Other pictures keep their size.
    """
    return _augment(picture, wafer_grid(picture) if is_map(picture) else None, config, rng)


def augment(
    pictures: Sequence[Picture], count: int, config: AugmentConfig, seed: int
) -> Iterator[tuple[Picture, int, Drawn]]:
    """Make ``count`` augmented pictures, using every original equally often, in random order.

    Picture number n depends on ``seed`` and n alone, not on ``count``.

    Yields:
        The picture, the index of its original in ``pictures``, and the parameters drawn.

    Raises:
        InputError: No pictures.
        ParameterError: A count below 1 or above 100,000, a negative seed, or no transform is on.
    """
    if not pictures:
        raise InputError("There are no pictures to augment; add some to this class first.")
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_COUNT:
        raise ParameterError(
            "count is {count}; give a whole number from 1 to {most:,}.",
            count=repr(count),
            most=MAX_COUNT,
        )
    SEED.check("seed", seed)
    if not config.changes_something:
        raise ParameterError(
            "No transform is on, so only copies would be made; turn on at least one."
        )
    return _augment_many(pictures, count, config, seed)


def _augment_many(
    pictures: Sequence[Picture], count: int, config: AugmentConfig, seed: int
) -> Iterator[tuple[Picture, int, Drawn]]:
    @lru_cache(max(1, _CELLS_KEPT // max(picture.size for picture in pictures)))
    def grid_of(index: int) -> WaferGrid | None:
        return wafer_grid(pictures[index]) if is_map(pictures[index]) else None

    N = len(pictures)
    for number in range(count):
        epoch, position = divmod(number, N)
        if position == 0:
            order = np.random.default_rng((seed, 0, epoch)).permutation(N)
        index = int(order[position])
        rng = np.random.default_rng((seed, 1, number))
        for _ in range(_TRIES):
            augmented, drawn = _augment(pictures[index], grid_of(index), config, rng)
            if not np.array_equal(augmented, pictures[index]):
                break
        yield augmented, index, drawn


def _augment(
    picture: Picture, grid: WaferGrid | None, config: AugmentConfig, rng: np.random.Generator
) -> tuple[Picture, Drawn]:
    drawn = draw(config, rng)
    move = _affine(drawn)
    if grid is not None:
        return transform_map(grid, move, config.fill_mode, config.cval), drawn
    moved = transform_grey(picture, move, config.fill_mode, config.cval, config.interpolation_order)
    factor, shift = drawn["brightness"], drawn["channel_shift"]
    if factor != 1.0 or shift != 0.0:
        moved = np.rint(moved * factor + shift).clip(0, 255).astype(np.uint8)
    return moved, drawn


def _affine(drawn: Drawn) -> Affine:
    return affine(
        drawn["rotation"],
        drawn["shear"],
        (drawn["zoom_y"], drawn["zoom_x"]),
        (drawn["shift_y"], drawn["shift_x"]),
        (bool(drawn["vertical_flip"]), bool(drawn["horizontal_flip"])),
    )
