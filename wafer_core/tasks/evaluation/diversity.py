"""Whether synthetic pictures vary as much as the originals.

A generator with *mode collapse* produces nearly the same picture again and again. Pictures are
compared by their failed dies in all rotations and reflections, see ``metrics.copies``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from wafer_core.images import Picture
from wafer_core.messages import message
from wafer_core.metrics import copies

_MOST = 150  # pictures of each side that are compared
COLLAPSED = 0.6  # share of the diversity of the originals below which a generator has collapsed


def diversity(
    synthetic: Sequence[Picture], originals: Sequence[Picture], seed: int
) -> dict[str, Any]:
    """Diversity of a run, for JSON.

    Args:
        synthetic: Two or more pictures.
        originals: Two or more pictures.
        seed: Draws which pictures are compared if there are many.

    Returns:
        ``diversity``: median distance of a synthetic picture to its nearest other one in any
        orientation, over that among equally many originals (1: as diverse, lower: less diverse);
        ``spread``: the same for the mean distance of any two; ``near_copies``: share of synthetic
        pictures that repeat an original; ``collapsed``; and ``said``, a message.
    """
    rng = np.random.default_rng((seed, 9))

    def sample(pictures: Sequence[Picture], count: int) -> list[Picture]:
        return [pictures[k] for k in rng.permutation(len(pictures))[:count]]

    real = sample(originals, _MOST)
    # equally many, because more pictures are nearer to each other
    fake = sample(synthetic, max(2, min(len(real), len(synthetic))))
    orientations = copies.dihedral_vectors(real)
    near = copies.nearest(copies.vectors(sample(synthetic, _MOST)), orientations).share
    nearest_fake, spread_fake = _distances(copies.dihedral_vectors(fake))
    nearest_real, spread_real = _distances(orientations)
    nearest = nearest_fake / max(nearest_real, 1e-6)
    spread = spread_fake / max(spread_real, 1e-6)
    collapsed = min(nearest, spread) < COLLAPSED
    if collapsed:
        said = message(
            "Mode collapse: the generated wafers vary only {share:.0%} as much as the originals. "
            "Delete them, then use Auto, other settings or more originals.",
            share=min(nearest, spread),
        )
    else:
        said = message(
            "The generated wafers vary {share:.0%} as much as the originals; {copies:.1%} are near "
            "copies.",
            share=spread,
            copies=near,
        )
    return {
        "diversity": round(nearest, 4),
        "spread": round(spread, 4),
        "near_copies": round(near, 4),
        "collapsed": bool(collapsed),
        "said": said.to_json(),
    }


def _distances(orientations: npt.NDArray[np.float32]) -> tuple[float, float]:
    """Median distance to the nearest other picture in any orientation, and the mean of any two.

    Args:
        orientations: (8, N, P), from ``copies.dihedral_vectors``.
    """
    vectors = orientations[0]
    nearest = copies.nearest(vectors, orientations, exclude_self=True).distance
    products = vectors @ vectors.T
    others = ~np.eye(len(vectors), dtype=bool)
    return float(np.median(nearest)), float((1 - products[others]).mean())
