"""Simulated wafers with the nine WM-811K patterns.

``simulate_many`` draws everything at random from ranges (``ranges.py``). The demo, the tests and
pre-training depend on exactly these wafers, so they must not change. ``simulate_factors`` takes a
value for each process factor (``factored.py``): for factorial test sets, and for wafers fitted to a
class of the user.
"""

from wafer_core.simulator.dies import Mask, die_grid
from wafer_core.simulator.factored import Values, draw_values, simulate_factors
from wafer_core.simulator.factors import FACTORS, LEVELS, PATTERNS, Factor, factors_of
from wafer_core.simulator.ranges import WaferConfig, simulate, simulate_many

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
