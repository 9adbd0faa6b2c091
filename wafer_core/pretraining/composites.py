"""Simulated wafers that carry none, one, or several patterns at once.

What a network learns from single patterns alone it may not find where two overlap, so pre-training
shows it both. No real wafer is used.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from wafer_core.errors import ParameterError
from wafer_core.images import FAIL, NO_DIE, Picture
from wafer_core.simulator import PATTERNS, WaferConfig, simulate

# “none” is the absence of these; a multi-label target has one number for each
PARTS: tuple[str, ...] = tuple(name for name in PATTERNS if name != "none")
# Near-full and Random cover the whole wafer, and nothing else could be seen below them
_MIXABLE = tuple(name for name in PARTS if name not in ("Near-full", "Random"))
# shares of wafers with one pattern (or none), two, three, four
_HOW_MANY = (0.45, 0.27, 0.18, 0.10)
_ROWS = (20.0, 110.0)  # dies from top to bottom; WM-811K has 22 to 212, few above 100
# wider than real wafers are on the whole, so that a noisy product is nothing new
_CONFIG = WaferConfig(background=(0.0, 0.3), strength=(0.45, 1.0), test_sites=0.05)


def composite(patterns: Sequence[str], rng: np.random.Generator) -> Picture:
    """One wafer with all of these patterns: a die fails where it fails for any of them.

    Args:
        patterns: Of ``simulator.PATTERNS``; at least one.
        rng: Where chance comes from; it moves on.

    Returns:
        (H, W), one pixel a die: no die, pass, fail.

    Raises:
        ParameterError: No such pattern, or none given.
    """
    if not patterns:
        raise ParameterError("A composite wafer needs one pattern at least; name one.")
    # small grids are the common ones: even in the logarithm
    rows = round(math.exp(rng.uniform(*np.log(_ROWS))))
    aspect = rng.uniform(*_CONFIG.aspect)
    # low backgrounds are the common ones
    background = _CONFIG.background[1] * rng.uniform() ** 2
    config = replace(
        _CONFIG, rows=(rows, rows), aspect=(aspect, aspect), background=(background, background)
    )
    picture = simulate(patterns[0], rng, config)
    config = replace(config, background=(0.0, 0.0), test_sites=0.0)  # one background is enough
    for name in patterns[1:]:
        other = simulate(name, rng, config)
        picture[(other == FAIL) & (picture != NO_DIE)] = FAIL
    return picture


def composites(count: int, seed: int) -> Iterator[tuple[Picture, npt.NDArray[np.float32]]]:
    """Random wafers with one to four patterns, a ninth of the single ones with none.

    Args:
        count: How many, 0 or more.
        seed: 0 or more; the same seed gives the same wafers.

    Yields:
        The wafer, and (8,) 1 for each of ``PARTS`` that it carries, else 0.
    """
    rng = np.random.default_rng([seed, 811])
    for _ in range(count):
        number = 1 + int(rng.choice(len(_HOW_MANY), p=_HOW_MANY))
        chosen = rng.choice(PATTERNS if number == 1 else _MIXABLE, number, replace=False)
        names = [str(name) for name in chosen]
        target = np.array([name in names for name in PARTS], np.float32)
        yield composite(names, rng), target
