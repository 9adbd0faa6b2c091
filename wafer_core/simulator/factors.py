"""The process factors of a simulated wafer: what each means, its unit, its levels.

Lengths are shares of the wafer's radius, so that they mean the same on every product. Directions
are read as on a clock: 0° up, 90° right, 180° down at the notch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wafer_core.errors import ParameterError

LEVELS = ("low", "mid", "high")
Range = tuple[float, float]

_BLOBS = ("Center", "Loc")
_ALL = ("Center", "Donut", "Edge-Loc", "Edge-Ring", "Loc", "Near-full", "Random", "Scratch", "none")
_RAGGED = ("Center", "Donut", "Edge-Loc", "Edge-Ring", "Loc", "Near-full")


@dataclass(frozen=True)
class Factor:
    """One process factor.

    Attributes:
        title: For people.
        help: What it does on a wafer, in words.
        unit: Of its values: ``%``, ``°``, ``dies``, ``×``, or empty.
        limits: Lowest and highest value that can be simulated.
        levels: What low, mid and high stand for.
        ranges: Where its values lie on usual wafers of each pattern; only these patterns have it.
        whole: Whether it counts something.
    """

    title: str
    help: str
    unit: str
    limits: Range
    levels: tuple[float, float, float]
    ranges: Mapping[str, Range]
    whole: bool = False

    def value(self, level: str | float, name: str = "") -> float:
        """The value of a level: one of ``LEVELS`` or a number in this factor's unit.

        Raises:
            ParameterError: Neither a level nor a number within the limits.
        """
        told = name or self.title
        if isinstance(level, str) and level in LEVELS:
            return self.levels[LEVELS.index(level)]
        low, high = self.limits
        try:
            value = float(level)
        except (TypeError, ValueError):
            value = float("nan")
        if isinstance(level, bool) or not low <= value <= high:  # also false for NaN
            raise ParameterError(
                f"{told} is {level!r}; give low, mid, high or a number from {low:g} to {high:g}"
                f"{f' {self.unit}' if self.unit else ''}."
            )
        return float(round(value)) if self.whole else value


def _each(patterns: tuple[str, ...], low: float, high: float) -> dict[str, Range]:
    return dict.fromkeys(patterns, (low, high))


FACTORS: dict[str, Factor] = {
    "rows": Factor(
        "Die grid: rows",
        "Dies from the top of the wafer to the bottom; small dies make many rows.",
        "dies", (8, 200), (25, 40, 60), _each(_ALL, 24, 60), whole=True,
    ),
    "aspect": Factor(
        "Die grid: columns per row",
        "Columns divided by rows: above 1 the dies are taller than they are wide.",
        "×", (0.4, 2.5), (0.8, 1.0, 1.25), _each(_ALL, 0.8, 1.2),
    ),
    "edge_exclusion": Factor(
        "Edge exclusion",
        "Rim that carries no dies, in percent of the radius.",
        "%", (0, 40), (0, 4, 8), _each(_ALL, 0, 0),
    ),
    "notch_rotation": Factor(
        "Notch rotation",
        "How far the wafer lay turned clockwise in the tool: the pattern turns, the dies do not.",
        "°", (0, 360), (0, 45, 90), _each(_ALL, 0, 0),
    ),
    "density": Factor(
        "Random defect density",
        "Share of dies that fail anywhere, whatever the pattern: 100 % minus the usual yield.",
        "%", (0, 100), (2, 8, 20),
        {**_each(_ALL, 0, 25), "Scratch": (0, 18), "Near-full": (0, 0), "Random": (15, 75)},
    ),
    "rim_weakness": Factor(
        "Weak rim",
        "How many times as often the outermost dies fail at random as those in the middle.",
        "×", (0, 20), (1, 4, 8), {**_each(_ALL, 0.6, 8), "Random": (0.5, 2)},
    ),
    "centre_weakness": Factor(
        "Weak middle",
        "How many times as often the innermost dies fail at random as those around them.",
        "×", (0, 20), (1, 2, 4), {**_each(_ALL, 0.6, 4), "Random": (0.6, 2), "Center": (1, 1)},
    ),
    "unevenness": Factor(
        "Uneven density",
        "How much the random density differs from place to place: 0 is even, 1 is cloudy.",
        "", (0, 2), (0, 0.4, 0.8), {**_each(_ALL, 0, 0.45), "Random": (0, 0.7)},
    ),
    "strength": Factor(
        "Strength",
        "Share of dies that fail in the middle of the pattern; 100 % is a solid shape.",
        "%", (0, 100), (50, 75, 100),
        {**_each(("Center", "Donut", "Edge-Loc", "Edge-Ring", "Loc"), 35, 100),
         "Scratch": (45, 100), "Near-full": (80, 100)},
    ),
    "raggedness": Factor(
        "Ragged border",
        "How soft and ragged the border of the pattern is: 0 is drawn with compasses.",
        "", (0, 2), (0.2, 0.6, 1.2), _each(_RAGGED, 0.1, 1.2),
    ),
    "angle": Factor(
        "Angular position",
        "Direction in which the pattern lies: 0° up, 90° right, 180° down at the notch.",
        "°", (0, 360), (0, 90, 180),
        _each((*_RAGGED, "Scratch"), 0, 360),
    ),
    "centre_offset": Factor(
        "Centre offset",
        "Distance of the pattern's middle from the wafer's centre, in percent of the radius.",
        "%", (0, 110), (0, 15, 30),
        {"Center": (0, 20), "Donut": (0, 20), "Loc": (30, 80), "Scratch": (0, 80),
         "Near-full": (70, 110)},
    ),
    "cluster_size": Factor(
        "Cluster size",
        "Radius of a cluster of failed dies, in percent of the wafer's radius.",
        "%", (0, 100), (12, 25, 40),
        {"Center": (7, 55), "Loc": (6, 45), "Near-full": (0, 45)},
    ),
    "cluster_stretch": Factor(
        "Long clusters",
        "How many times as long as wide a cluster is: 1 is round.",
        "×", (1, 8), (1, 1.8, 3), {"Center": (1, 1.8), "Loc": (1, 3.5)},
    ),
    "cluster_count": Factor(
        "Cluster count",
        "How many clusters, pieces of rim or scratches lie on a wafer.",
        "", (1, 6), (1, 2, 3),
        {"Loc": (1, 3), "Edge-Loc": (1, 3), "Scratch": (1, 2)}, whole=True,
    ),
    "ring_radius": Factor(
        "Ring radius",
        "Radius of a ring's middle line, in percent of the wafer's radius.",
        "%", (5, 100), (30, 45, 60), {"Donut": (25, 65)},
    ),
    "ring_width": Factor(
        "Ring width",
        "How wide a ring is, or how deep an edge pattern reaches, in percent of the radius.",
        "%", (1, 100), (8, 16, 30),
        {"Donut": (6, 45), "Edge-Ring": (3, 22), "Edge-Loc": (4, 60)},
    ),
    "arc": Factor(
        "Arc length",
        "How far a ring or edge pattern reaches around the wafer; 360° is closed.",
        "°", (5, 360), (60, 180, 360),
        {"Donut": (120, 360), "Edge-Ring": (150, 360), "Edge-Loc": (15, 150)},
    ),
    "scratch_length": Factor(
        "Scratch length",
        "Length along the scratch, in percent of the radius; 200 % crosses the wafer.",
        "%", (2, 300), (40, 80, 150), {"Scratch": (15, 190)},
    ),
    "scratch_curvature": Factor(
        "Scratch curvature",
        "Angle through which a scratch turns per radius of its length; 0 is straight.",
        "°", (0, 180), (0, 40, 80), {"Scratch": (0, 90)},
    ),
    "scratch_width": Factor(
        "Scratch width",
        "How many dies wide a scratch is.",
        "dies", (0.5, 10), (1, 1.8, 3), {"Scratch": (0.8, 2.2)},
    ),
    "scratch_heading": Factor(
        "Scratch heading",
        "Direction of a scratch against the line to the centre: 0° runs out, 90° runs around.",
        "°", (0, 180), (0, 45, 90), {"Scratch": (0, 180)},
    ),
}  # fmt: skip


def factors_of(pattern: str) -> dict[str, Factor]:
    """The factors that bear on a pattern.

    Raises:
        ParameterError: No such pattern.
    """
    if pattern not in _ALL:
        raise ParameterError(f"There is no pattern “{pattern}”; choose one of {', '.join(_ALL)}.")
    return {name: factor for name, factor in FACTORS.items() if pattern in factor.ranges}
