"""The process factors of a simulated wafer: meaning, unit, limits and levels of each.

Lengths are shares of the wafer's radius, so that they mean the same on every product. Directions
are read as on a clock: 0° up, 90° right, 180° down at the notch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wafer_core.errors import ParameterError
from wafer_core.messages import N_, message

LEVELS = ("low", "mid", "high")
PATTERNS = (
    "Center", "Donut", "Edge-Loc", "Edge-Ring", "Loc", "Near-full", "Random", "Scratch", "none",
)  # fmt: skip
Range = tuple[float, float]

_RAGGED = ("Center", "Donut", "Edge-Loc", "Edge-Ring", "Loc", "Near-full")


@dataclass(frozen=True)
class Factor:
    """One process factor.

    Attributes:
        title: A few words for a label.
        help: What it does on a wafer.
        unit: Of its values: ``%``, ``°``, ``dies``, ``×``, or empty.
        limits: Lowest and highest value that can be simulated.
        levels: The values of low, mid and high.
        ranges: Usual range of its values for each pattern; other patterns do not have the factor.
        whole: Whether it is a whole number.
    """

    title: str
    help: str
    unit: str
    limits: Range
    levels: tuple[float, float, float]
    ranges: Mapping[str, Range]
    whole: bool = False

    def value(self, level: str | float, name: str = "") -> float:
        """The value of a level.

        Args:
            level: One of ``LEVELS``, or a number in the unit of this factor.
            name: Of the factor, for the error message.

        Raises:
            ParameterError: Neither a level nor a number within the limits.
        """
        if isinstance(level, str) and level in LEVELS:
            return self.levels[LEVELS.index(level)]
        low, high = self.limits
        try:
            value = float(level)
        except (TypeError, ValueError):
            value = float("nan")
        if isinstance(level, bool) or not low <= value <= high:  # also false for NaN
            raise ParameterError(
                N_(
                    "{name} is {value}; use low, mid, high or a number from {low:g} to {high:g} "
                    "{unit}."
                )
                if self.unit
                else N_(
                    "{name} is {value}; use low, mid, high or a number from {low:g} to {high:g}."
                ),
                name=name or message(self.title),
                value=repr(level),
                low=low,
                high=high,
                unit=message(self.unit),
            )
        return float(round(value)) if self.whole else value


def _each(patterns: tuple[str, ...], low: float, high: float) -> dict[str, Range]:
    return dict.fromkeys(patterns, (low, high))


FACTORS: dict[str, Factor] = {
    "rows": Factor(
        N_("Die grid: rows"),
        N_("Number of die rows from the top of the wafer to the bottom."),
        N_("dies"), (8, 200), (25, 40, 60), _each(PATTERNS, 24, 60), whole=True,
    ),
    "aspect": Factor(
        N_("Die grid: columns per row"),
        N_("Columns divided by rows. Above 1, dies are taller than wide."),
        "×", (0.4, 2.5), (0.8, 1.0, 1.25), _each(PATTERNS, 0.8, 1.2),
    ),
    "edge_exclusion": Factor(
        N_("Edge exclusion"),
        N_("Width of the edge without dies, in percent of the radius."),
        "%", (0, 40), (0, 4, 8), _each(PATTERNS, 0, 0),
    ),
    "notch_rotation": Factor(
        N_("Notch rotation"),
        N_("Clockwise rotation of the wafer in the tool: rotates the pattern, not the die grid."),
        "°", (0, 360), (0, 45, 90), _each(PATTERNS, 0, 0),
    ),
    "density": Factor(
        N_("Random defect density"),
        N_("Share of dies that fail at random, whatever the pattern: 100% minus the base yield."),
        "%", (0, 100), (2, 8, 20),
        {**_each(PATTERNS, 0, 25), "Scratch": (0, 18), "Near-full": (0, 0), "Random": (15, 75)},
    ),
    "rim_weakness": Factor(
        N_("Edge weakness"),
        N_("How many times more often the outermost dies fail at random than those in the middle."),
        "×", (0, 20), (1, 4, 8), {**_each(PATTERNS, 0.6, 8), "Random": (0.5, 2)},
    ),
    "centre_weakness": Factor(
        N_("Centre weakness"),
        N_("How many times more often the innermost dies fail at random than those around them."),
        "×", (0, 20), (1, 2, 4), {**_each(PATTERNS, 0.6, 4), "Random": (0.6, 2), "Center": (1, 1)},
    ),
    "unevenness": Factor(
        N_("Unevenness"),
        N_("How much the random defect density varies over the wafer: 0 is even, 1 is cloudy."),
        "", (0, 2), (0, 0.4, 0.8), {**_each(PATTERNS, 0, 0.45), "Random": (0, 0.7)},
    ),
    "strength": Factor(
        N_("Strength"),
        N_("Share of dies that fail inside the pattern; 100% is a solid shape."),
        "%", (0, 100), (50, 75, 100),
        {**_each(("Center", "Donut", "Edge-Loc", "Edge-Ring", "Loc"), 35, 100),
         "Scratch": (45, 100), "Near-full": (80, 100)},
    ),
    "raggedness": Factor(
        N_("Raggedness"),
        N_("How soft and irregular the border of the pattern is; 0 is sharp."),
        "", (0, 2), (0.2, 0.6, 1.2), _each(_RAGGED, 0.1, 1.2),
    ),
    "angle": Factor(
        N_("Angular position"),
        N_("Direction of the pattern from the centre: 0° up, 90° right, 180° down at the notch."),
        "°", (0, 360), (0, 90, 180),
        _each((*_RAGGED, "Scratch"), 0, 360),
    ),
    "centre_offset": Factor(
        N_("Centre offset"),
        N_("Distance of the pattern from the wafer centre, in percent of the radius."),
        "%", (0, 110), (0, 15, 30),
        {"Center": (0, 20), "Donut": (0, 20), "Loc": (30, 80), "Scratch": (0, 80),
         "Near-full": (70, 110)},
    ),
    "cluster_size": Factor(
        N_("Cluster size"),
        N_("Radius of a cluster of failed dies, in percent of the wafer radius."),
        "%", (0, 100), (12, 25, 40),
        {"Center": (7, 55), "Loc": (6, 45), "Near-full": (0, 45)},
    ),
    "cluster_stretch": Factor(
        N_("Cluster elongation"),
        N_("Length of a cluster divided by its width; 1 is round."),
        "×", (1, 8), (1, 1.8, 3), {"Center": (1, 1.8), "Loc": (1, 3.5)},
    ),
    "cluster_count": Factor(
        N_("Cluster count"),
        N_("Number of clusters, edge segments or scratches on a wafer."),
        "", (1, 6), (1, 2, 3),
        {"Loc": (1, 3), "Edge-Loc": (1, 3), "Scratch": (1, 2)}, whole=True,
    ),
    "ring_radius": Factor(
        N_("Ring radius"),
        N_("Radius of the centre line of a ring, in percent of the wafer radius."),
        "%", (5, 100), (30, 45, 60), {"Donut": (25, 65)},
    ),
    "ring_width": Factor(
        N_("Ring width"),
        N_("Width of a ring, or depth of an edge pattern, in percent of the radius."),
        "%", (1, 100), (8, 16, 30),
        {"Donut": (6, 45), "Edge-Ring": (3, 22), "Edge-Loc": (4, 60)},
    ),
    "arc": Factor(
        N_("Arc length"),
        N_("Angle that a ring or edge pattern covers; 360° is a closed ring."),
        "°", (5, 360), (60, 180, 360),
        {"Donut": (120, 360), "Edge-Ring": (150, 360), "Edge-Loc": (15, 150)},
    ),
    "scratch_length": Factor(
        N_("Scratch length"),
        N_("Length along the scratch, in percent of the radius; 200% crosses the wafer."),
        "%", (2, 300), (40, 80, 150), {"Scratch": (15, 190)},
    ),
    "scratch_curvature": Factor(
        N_("Scratch curvature"),
        N_("Angle by which a scratch bends per radius of length; 0° is straight."),
        "°", (0, 180), (0, 40, 80), {"Scratch": (0, 90)},
    ),
    "scratch_width": Factor(
        N_("Scratch width"),
        N_("Width of a scratch in number of dies."),
        N_("dies"), (0.5, 10), (1, 1.8, 3), {"Scratch": (0.8, 2.2)},
    ),
    "scratch_heading": Factor(
        N_("Scratch heading"),
        N_("Angle between a scratch and the line to the centre: 0° is radial, 90° tangential."),
        "°", (0, 180), (0, 45, 90), {"Scratch": (0, 180)},
    ),
}  # fmt: skip


def factors_of(pattern: str) -> dict[str, Factor]:
    """The factors that a pattern has.

    Raises:
        ParameterError: There is no such pattern.
    """
    check_pattern(pattern)
    return {name: factor for name, factor in FACTORS.items() if pattern in factor.ranges}


def check_pattern(pattern: str) -> None:
    """Check the name of a pattern.

    Raises:
        ParameterError: There is no such pattern.
    """
    if pattern not in PATTERNS:
        raise ParameterError(
            "There is no pattern “{pattern}”; choose one of {known}.",
            pattern=pattern,
            known=", ".join(PATTERNS),
        )
