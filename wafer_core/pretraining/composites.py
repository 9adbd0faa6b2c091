"""Simulated wafers with none, one, or several patterns at once.

A network that is trained on single patterns may miss them where two overlap, so pretraining uses
both. No real wafer is used.
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

# “none” is the absence of these; a multi-label target has one value for each.
PARTS: tuple[str, ...] = tuple(name for name in PATTERNS if name != "none")
# Near-full and Random cover the whole wafer and would hide every other pattern.
_MIXABLE = tuple(name for name in PARTS if name not in ("Near-full", "Random"))
# Shares of wafers with one pattern (or none), two, three, four.
_SHARES = (0.45, 0.27, 0.18, 0.10)
_ROWS = (20.0, 110.0)  # dies from top to bottom; WM-811K has 22 to 212, few above 100
# Wider than most real wafers, so that a noisy product is not out of domain.
_CONFIG = WaferConfig(background=(0.0, 0.3), strength=(0.45, 1.0), test_sites=0.05)


def composite(patterns: Sequence[str], rng: np.random.Generator) -> Picture:
    """One wafer with all of these patterns: a die fails if it fails for any of them.

    Args:
        patterns: From ``simulator.PATTERNS``; at least one.
        rng: Random numbers.

    Returns:
        (H, W), one pixel per die: no die, pass, fail.

    Raises:
        ParameterError: No such pattern, or none given.
    """
    if not patterns:
        raise ParameterError("A composite wafer needs at least one pattern; name one.")
    # Uniform in the logarithm: small grids are common.
    rows = round(math.exp(rng.uniform(*np.log(_ROWS))))
    aspect = rng.uniform(*_CONFIG.aspect)
    # Low backgrounds are common.
    background = _CONFIG.background[1] * rng.uniform() ** 2
    config = replace(
        _CONFIG, rows=(rows, rows), aspect=(aspect, aspect), background=(background, background)
    )
    picture = simulate(patterns[0], rng, config)
    config = replace(config, background=(0.0, 0.0), test_sites=0.0)  # only one background
    for name in patterns[1:]:
        other = simulate(name, rng, config)
        picture[(other == FAIL) & (picture != NO_DIE)] = FAIL
    return picture


def composites(count: int, seed: int) -> Iterator[tuple[Picture, npt.NDArray[np.float32]]]:
    """Random wafers with up to four patterns; a ninth of those with one have “none”.

    Args:
        count: How many, 0 or more.
        seed: 0 or more; the same seed gives the same wafers.

    Yields:
        The wafer, and (8,) 1 for each of ``PARTS`` that it has, else 0.
    """
    rng = np.random.default_rng([seed, 811])
    for _ in range(count):
        number = 1 + int(rng.choice(len(_SHARES), p=_SHARES))
        chosen = rng.choice(PATTERNS if number == 1 else _MIXABLE, number, replace=False)
        names = [str(name) for name in chosen]
        target = np.array([name in names for name in PARTS], np.float32)
        yield composite(names, rng), target
