"""Multiply the pictures of a class by transforms, with the settings of Keras' ImageDataGenerator.

Settings that normalise (centring, whitening, rescaling) are not here: how a network is fed is
decided in ``wafer_core.networks.preparation``, and what is made here is stored as a picture.

    >>> import numpy as np
    >>> wafer = np.full((9, 9), 127, np.uint8)
    >>> made, drawn = augment_picture(wafer, AugmentConfig(), np.random.default_rng(0))
    >>> made.shape
    (9, 9)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np

from wafer_core.errors import InputError, ParameterError
from wafer_core.images import Picture, is_map
from wafer_core.parameters import Parameter, Range, check_all, check_names, check_seed
from wafer_core.tasks.augmentation.affine import (
    FILL_MODES,
    Affine,
    WaferGrid,
    affine,
    transform_grey,
    transform_map,
    wafer_grid,
)

MAX_COUNT = 100_000  # pictures in one go; more is a typing error
_CELLS_KEPT = 3_000_000  # of prepared wafers, at about 45 bytes each
_TRIES = 4  # new draws when a transform returned the original itself

Drawn = dict[str, float | bool]

PARAMETERS: dict[str, Parameter] = {
    "rotation_range": Parameter(
        "Rotation",
        "Turn the wafer by a random angle of up to this many degrees, either way.",
        90.0, 0.0, 180.0, 1.0, main=True,
    ),
    "shear_range": Parameter(
        "Shear",
        "Slant the pattern by up to this angle in radians (0.1 is about 6 degrees).",
        0.1, 0.0, 0.8, 0.01, main=True,
    ),
    "horizontal_flip": Parameter(
        "Horizontal flip", "Mirror every second picture, left to right.", True, main=True
    ),
    "vertical_flip": Parameter(
        "Vertical flip", "Mirror every second picture, top to bottom.", True, main=True
    ),
    "zoom_range": Parameter(
        "Zoom",
        "Enlarge or shrink by up to this fraction, height and width independently.",
        0.0, 0.0, 0.9, 0.01,
        harms="Moves rings and edge defects off the wafer's edge: an Edge-Ring may become a Donut.",
    ),
    "width_shift_range": Parameter(
        "Width shift",
        "Move sideways by up to this fraction of the width.",
        0.0, 0.0, 0.9, 0.01,
        harms="The wafer's centre is no longer its centre: a Center pattern may become a Loc.",
    ),
    "height_shift_range": Parameter(
        "Height shift",
        "Move up or down by up to this fraction of the height.",
        0.0, 0.0, 0.9, 0.01,
        harms="The wafer's centre is no longer its centre: a Center pattern may become a Loc.",
    ),
    "brightness_range": Parameter(
        "Brightness",
        "Multiply the brightness by a random factor between these two (1 leaves it).",
        None, 0.0, 4.0, 0.05, is_range=True,
        harms="Pass and fail are states, not brightness: wafer maps are left as they are.",
    ),
    "channel_shift_range": Parameter(
        "Channel shift",
        "Add a random grey value of up to this size, up or down.",
        0.0, 0.0, 255.0, 1.0,
        harms="Pass and fail are states, not brightness: wafer maps are left as they are.",
    ),
    "fill_mode": Parameter(
        "Fill mode",
        "What appears where the moved picture has no content: the nearest edge goes on, a constant "
        "value, the mirrored picture, or its opposite side.",
        "nearest", choices=FILL_MODES,
        harms="On wafer maps it acts beyond the wafer's edge; reflect and wrap invent edge dies.",
    ),
    "cval": Parameter(
        "Fill value",
        "The grey value for fill mode constant. On wafer maps above 190 means failed dies.",
        0.0, 0.0, 255.0, 1.0,
        harms="Bright values draw a failed rim onto shifted or shrunk wafers.",
    ),
    "interpolation_order": Parameter(
        "Interpolation",
        "How grey pictures are sampled: 0 nearest pixel, 1 linear, 3 cubic. Wafer maps always "
        "take the nearest die.",
        1, 0, 3, 1,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class AugmentConfig:
    """The settings of ``PARAMETERS``; the four that suit wafer maps are on.

    Raises:
        ParameterError: A value out of range, not a number, or of another type.
    """

    rotation_range: float = 90.0  # a wafer has no up; flips bring the other half turn
    shear_range: float = 0.1  # radians, as first defined in Keras; in degrees it would do nothing
    horizontal_flip: bool = True
    vertical_flip: bool = True
    zoom_range: float = 0.0
    width_shift_range: float = 0.0
    height_shift_range: float = 0.0
    brightness_range: Range | None = None
    channel_shift_range: float = 0.0
    fill_mode: str = "nearest"
    cval: float = 0.0
    interpolation_order: int = 1

    def __post_init__(self) -> None:
        check_all(self, PARAMETERS)

    @property
    def changes_something(self) -> bool:
        """Whether any transform is on."""
        neutral = AugmentConfig(
            rotation_range=0, shear_range=0, horizontal_flip=False, vertical_flip=False,
            fill_mode=self.fill_mode, cval=self.cval, interpolation_order=self.interpolation_order,
        )  # fmt: skip
        return self != neutral

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> AugmentConfig:
        """Config from (some of) its settings.

        Raises:
            ParameterError: An unknown setting or a value that cannot be used.
        """
        check_names(values, PARAMETERS)
        return cls(**cast(dict[str, Any], dict(values)))


def draw(config: AugmentConfig, rng: np.random.Generator) -> Drawn:
    """Draw the parameters of one transform.

    The same numbers are drawn whatever is on, so that a picture of a live preview follows a slider
    instead of jumping to another angle.
    """
    u = rng.uniform(-1.0, 1.0, 8)
    heads = rng.random(2) < 0.5
    low, high = config.brightness_range or (1.0, 1.0)
    return {
        "rotation": float(u[0] * config.rotation_range),
        "shear": float(u[1] * config.shear_range),
        "horizontal_flip": bool(heads[0] and config.horizontal_flip),
        "vertical_flip": bool(heads[1] and config.vertical_flip),
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
    """One new picture from one original, and the parameters drawn for it.

    A wafer map stays one: three values, the dies of the original. Other pictures keep their size.
    """
    return _augment(picture, wafer_grid(picture) if is_map(picture) else None, config, rng)


def augment(
    pictures: Sequence[Picture], count: int, config: AugmentConfig, seed: int
) -> Iterator[tuple[Picture, int, Drawn]]:
    """Make ``count`` pictures, taking every original equally often, in random order.

    Picture number n depends on ``seed`` and n alone, not on ``count``.

    Yields:
        The picture, the index of its original in ``pictures``, and the parameters drawn.

    Raises:
        InputError: No pictures.
        ParameterError: A count below 1 or above 100,000, a negative seed, or no transform is on.
    """
    if not pictures:
        raise InputError("There are no pictures to multiply; add some to this class first.")
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_COUNT:
        raise ParameterError(f"count is {count!r}; give a whole number from 1 to {MAX_COUNT:,}.")
    check_seed(seed)
    if not config.changes_something:
        raise ParameterError(
            "No transform is on, so only copies would be made; turn on at least one of them."
        )
    return _augment_many(pictures, count, config, seed)


def _augment_many(
    pictures: Sequence[Picture], count: int, config: AugmentConfig, seed: int
) -> Iterator[tuple[Picture, int, Drawn]]:
    @lru_cache(max(1, _CELLS_KEPT // max(picture.size for picture in pictures)))
    def prepared(index: int) -> WaferGrid | None:
        return wafer_grid(pictures[index]) if is_map(pictures[index]) else None

    N = len(pictures)
    for number in range(count):
        turn, place = divmod(number, N)
        if place == 0:
            order = np.random.default_rng((seed, 0, turn)).permutation(N)
        index = int(order[place])
        rng = np.random.default_rng((seed, 1, number))
        for _ in range(_TRIES):
            made, drawn = _augment(pictures[index], prepared(index), config, rng)
            if not np.array_equal(made, pictures[index]):
                break
        yield made, index, drawn


def _augment(
    picture: Picture, grid: WaferGrid | None, config: AugmentConfig, rng: np.random.Generator
) -> tuple[Picture, Drawn]:
    drawn = draw(config, rng)
    move = _affine(drawn)
    if grid is not None:
        return transform_map(grid, move, config.fill_mode, config.cval), drawn
    made = transform_grey(picture, move, config.fill_mode, config.cval, config.interpolation_order)
    light, shift = drawn["brightness"], drawn["channel_shift"]
    if light != 1.0 or shift != 0.0:
        made = np.rint(made * light + shift).clip(0, 255).astype(np.uint8)
    return made, drawn


def _affine(drawn: Drawn) -> Affine:
    return affine(
        drawn["rotation"],
        drawn["shear"],
        (drawn["zoom_y"], drawn["zoom_x"]),
        (drawn["shift_y"], drawn["shift_x"]),
        (bool(drawn["vertical_flip"]), bool(drawn["horizontal_flip"])),
    )
