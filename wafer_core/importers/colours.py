"""Colour renderings of wafer maps: which flat colour means no die, pass or fail.

The guess uses the position of a colour (there are no dies in the corners) and conventions (red
fails, green passes, most dies pass). The user sees the resulting table and can change it.
"""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from wafer_core.images import FAIL, NO_DIE, PASS, Picture

Colour = tuple[int, int, int]  # red, green, blue, 0 to 255
Pixels = npt.NDArray[np.uint8]  # (H, W, 3)

MAX_COLOURS = 12  # a picture with more flat colours is not a rendering of a map
_SAMPLE = 1_000_000  # pixels used to find the flat colours


class Role(StrEnum):
    """What a colour of a rendering means."""

    NO_DIE = "no die"
    PASS = "pass"
    FAIL = "fail"


ROLE_VALUES = {Role.NO_DIE: NO_DIE, Role.PASS: PASS, Role.FAIL: FAIL}


@dataclass(frozen=True)
class ColourTable:
    """The flat colours of one rendering, the most frequent first.

    Attributes:
        roles: Meaning of each colour.
        shares: Share of all pixels, 0 to 1.
    """

    roles: dict[Colour, Role]
    shares: dict[Colour, float]


@dataclass(frozen=True)
class FlatColours:
    """The flat colours of a picture.

    Attributes:
        shares: Share of all pixels, 0 to 1, the most frequent colour first.
        exact: Whether every pixel has exactly one of the colours, without noise.
    """

    shares: dict[Colour, float]
    exact: bool


def flat_colours(pixels: Pixels, most: int = MAX_COLOURS) -> FlatColours | None:
    """The few flat colours of a rendering; ``None`` for any other picture.

    JPEG noise and soft borders between colours are tolerated.

    Args:
        pixels: (H, W, 3).
        most: A picture with more colours is no rendering.
    """
    flat = pixels.reshape(-1, 3)
    step = max(len(flat) // _SAMPLE, 1)
    flat = flat[::step].astype(np.uint32)
    packed = flat[:, 0] << 16 | flat[:, 1] << 8 | flat[:, 2]
    codes, counts = np.unique(packed, return_counts=True)
    colours = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1).astype(np.int64)
    shares = counts / counts.sum()
    exact = len(codes) <= 2 * most
    if not exact:  # noise spreads one colour over many, so group them in small boxes
        boxes = (colours // 8) @ np.array([1024, 32, 1])
        _, box = np.unique(boxes, return_inverse=True)
        totals = np.bincount(box, weights=shares)
        means = [np.bincount(box, weights=shares * colours[:, c]) / totals for c in range(3)]
        colours, shares = np.rint(np.stack(means, axis=1)).astype(np.int64), totals
    order = np.argsort(-shares, kind="stable")
    # Without noise a small difference may be meaningful; with noise colours must be further apart.
    apart, rarest = (20, 0.0) if exact else (45, 0.003)
    centres: list[npt.NDArray[np.int64]] = []
    for index in order[:4096]:
        if shares[index] < rarest and not exact and len(centres) >= 2:
            break
        if all(np.abs(colours[index] - c).max() >= apart for c in centres):
            rare = not exact and shares[index] < 0.03
            if rare and _blend_distance(colours[index][None], centres)[0] < 25:
                continue  # a soft border between two colours, not a colour
            centres.append(colours[index])
        if len(centres) > most:
            return None
    distances = np.abs(colours[:, None] - np.array(centres)[None]).max(axis=2)
    nearest, distance = distances.argmin(axis=1), distances.min(axis=1)
    if not exact:
        # A photograph also has frequent colours, but similar ones are almost as frequent.
        blend = np.minimum(_blend_distance(colours, centres), distance)
        if shares[distance <= 12].sum() < 0.5 or shares[blend <= 30].sum() < 0.95:
            return None
        beside = shares[(distance > 10) & (distance <= 30)].sum()
        if len(centres) < 2 or shares[distance <= 10].sum() < 2 * beside:
            return None
    totals = np.bincount(nearest, weights=shares, minlength=len(centres))
    found = {
        (int(c[0]), int(c[1]), int(c[2])): float(t) for c, t in zip(centres, totals, strict=True)
    }
    only_these = exact and len(codes) == len(centres)
    return FlatColours(dict(sorted(found.items(), key=lambda item: -item[1])), only_these)


def _blend_distance(
    colours: npt.NDArray[np.int64], centres: Sequence[npt.NDArray[np.int64]]
) -> npt.NDArray[np.float64]:
    """Distance of each colour (N, 3) from the nearest blend of two of the centres."""
    best = np.full(len(colours), np.inf)
    for i, first in enumerate(centres):
        for second in centres[:i]:
            along = second - first
            share = np.clip((colours - first) @ along / (along @ along), 0, 1)
            gap = np.abs(colours - first - share[:, None] * along).max(axis=1)
            np.minimum(best, gap, out=best)
    return best


def guess(
    shares: Mapping[Colour, float], corners: Sequence[Colour], transparent: bool = False
) -> dict[Colour, Role]:
    """Guess the meaning of each colour.

    Args:
        shares: The flat colours and their shares.
        corners: Colours in the corners of the picture, which a round wafer does not reach.
        transparent: Whether transparent pixels already stand for no die.
    """
    ranked = sorted(shares, key=lambda colour: -shares[colour])
    roles: dict[Colour, Role] = {}
    passing: Colour | None
    if not transparent and corners:
        votes = {colour: list(corners).count(colour) for colour in corners}
        ground = max(votes, key=lambda colour: votes[colour])
        if votes[ground] >= 2 and (len(ranked) > 1):
            roles[ground] = Role.NO_DIE
    dies = [colour for colour in ranked if colour not in roles]
    coloured = [colour for colour in dies if max(colour) - min(colour) >= 32]
    if len(coloured) >= 2:
        # Beside coloured dies, grey, black and white are rims, lines and text.
        roles |= dict.fromkeys([c for c in dies if c not in coloured], Role.NO_DIE)
        dies = coloured
    greys = all(max(colour) - min(colour) < 16 for colour in ranked)
    if len(dies) == 1:
        passing = None if _alarm(dies[0]) >= 0.5 else dies[0]
    elif greys and len(dies) == 2:
        # Grey renderings rise or fall: no die, pass, fail. The level next to no die is pass.
        ground_level = next((c[0] for c in roles), 0)
        dies.sort(key=lambda colour: abs(colour[0] - ground_level))
        passing = dies[0]
    else:
        passing = min(dies, key=lambda colour: (_alarm(colour), -shares[colour]), default=None)
        # Most dies pass where the colours do not differ enough, or where there are many bins whose
        # colours follow a scale, unless most dies have an alarming colour.
        least = 0.3 if len(dies) < 3 else 0.8
        if passing is not None and _alarm(dies[0]) - _alarm(passing) < least:
            passing = dies[0]
    for colour in dies:
        roles[colour] = Role.PASS if colour == passing else Role.FAIL
    return {colour: roles[colour] for colour in ranked}


def _alarm(colour: Colour) -> float:
    """How strongly a colour suggests a failed die, −1 (green) to 1 (red)."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(c / 255 for c in colour))
    if saturation < 0.2 or value < 0.2:
        return -0.1  # grey, black and white suggest little
    degrees = hue * 360
    # red, orange, yellow, yellow-green, green, cyan, blue, purple, magenta, red
    table = [0, 30, 55, 80, 120, 180, 225, 270, 310, 360]
    alarm = [1.0, 0.9, 0.6, -0.5, -1.0, -0.6, -0.5, 0.0, 0.7, 1.0]
    return float(np.interp(degrees, table, alarm))


def override(
    shares: Mapping[Colour, float],
    guessed: Mapping[Colour, Role],
    chosen: Mapping[Colour, Role] | None,
) -> dict[Colour, Role]:
    """The guess, replaced by the user's choice where one of the chosen colours is near."""
    roles = dict(guessed)
    for colour in shares if chosen else ():
        gaps = {c: max(abs(a - b) for a, b in zip(c, colour, strict=True)) for c in chosen or ()}
        closest = min(gaps, key=lambda c: gaps[c])
        if gaps[closest] <= 40:
            roles[colour] = (chosen or {})[closest]
    return roles


def nearest_colour(colours: Sequence[Colour]) -> npt.NDArray[np.uint8]:
    """For each of 32 × 32 × 32 colours (five bits per channel) the index of the nearest one."""
    levels = np.arange(32) * 8 + 4
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    distance = ((grid - np.array(colours)[None]) ** 2).sum(axis=2)  # (32768, colours)
    return np.asarray(distance.argmin(axis=1), np.uint8)


def paint(pixels: Pixels, roles: Mapping[Colour, Role]) -> Picture:
    """The map (H, W) of a rendering (H, W, 3): each pixel gets the role of the nearest colour."""
    colours = list(roles)
    table = np.array([ROLE_VALUES[roles[c]] for c in colours], np.uint8)[nearest_colour(colours)]
    fine = pixels.astype(np.uint16) >> 3
    return np.asarray(table[fine[:, :, 0] << 10 | fine[:, :, 1] << 5 | fine[:, :, 2]])


def die_resolution(picture: Picture, exact: bool) -> Picture:
    """Undo the enlargement of a map, to one pixel per die.

    The die grid is the coarsest grid that explains every change between neighbouring pixels. A map
    that is not enlarged at least twice is returned unchanged.

    Args:
        picture: (H, W), three values.
        exact: ``False`` tolerates some noise in the positions of the changes.
    """
    rows = _grid(picture, exact)
    columns = None if rows is None else _grid(picture.T, exact)
    if rows is None or columns is None:
        return picture
    # Every die gets the value of most of its pixels.
    votes = [
        np.add.reduceat(
            np.add.reduceat(picture == v, rows, axis=0, dtype=np.int64), columns, axis=1
        )
        for v in (PASS, FAIL, NO_DIE)
    ]
    winner = np.argmax(votes, axis=0)
    return np.asarray(np.array([PASS, FAIL, NO_DIE], np.uint8)[winner])


def _grid(picture: Picture, exact: bool) -> npt.NDArray[np.int64] | None:
    """First rows of the dies, or ``None`` if a die is not at least two rows high."""
    H = len(picture)
    differs = picture[1:] != picture[:-1]  # (H − 1, W) at rows 1 … H − 1
    if exact and 2 * differs.any(axis=1).sum() > H:
        return None
    changes = differs.sum(axis=1)
    total = changes.sum()
    smallest_die = 2 if exact else 3
    for count in range(8, H // smallest_die + 1):
        slack = 0 if exact else int(H / count / 5)
        dies = np.arange(count)
        # The two ways in which programs round when they enlarge a picture.
        for starts in ((dies * H + count - 1) // count, (2 * dies * H + count) // (2 * count)):
            explained = np.zeros(H + 1, bool)
            for shift in range(-slack, slack + 1):
                explained[np.clip(starts + shift, 0, H)] = True
            share = changes[explained[1:H]].sum()
            if share == total if exact else share >= 0.97 * total:
                return np.asarray(starts, np.int64)
    return None
