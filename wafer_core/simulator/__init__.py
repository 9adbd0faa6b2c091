"""Wafers that no machine has made: the nine WM-811K patterns, by two doors.

``simulate_many`` draws everything at random from ranges (the demo, the tests and pre-training live
on exactly these wafers, so they stay as they are). ``simulate_factors`` takes a value for each
process factor: for test sets of all levels, and for wafers fitted to a class of one's own.
"""

from wafer_core.simulator.dies import Mask, die_grid
from wafer_core.simulator.factored import Values, draw_values, simulate_factors
from wafer_core.simulator.factors import FACTORS, LEVELS, Factor, factors_of
from wafer_core.simulator.ranges import PATTERNS, WaferConfig, simulate, simulate_many

__all__ = [
    "FACTORS",
    "LEVELS",
    "PATTERNS",
    "Factor",
    "Mask",
    "Values",
    "WaferConfig",
    "die_grid",
    "draw_values",
    "factors_of",
    "simulate",
    "simulate_factors",
    "simulate_many",
]
