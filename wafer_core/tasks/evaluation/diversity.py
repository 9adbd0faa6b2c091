"""Whether made pictures are as different from each other as the originals are.

A generator that *collapses* makes one picture again and again. Pictures are compared by their
failed dies, turned and mirrored or not (see ``metrics.copies``).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from wafer_core.images import FAIL, NO_DIE, Picture, is_map, resize
from wafer_core.metrics import copies

COMPARED = 64  # cells a side that wafers are brought to
_SOME = 150  # pictures of each side that are compared with each other
COLLAPSED = 0.6  # made pictures that differ by less than this share of the originals' differences


def compare_forms(pictures: Sequence[Picture]) -> npt.NDArray[np.float32]:
    """Pictures as vectors for ``metrics.copies``, in their eight forms: (8, N, P)."""
    return np.stack(
        [
            as_vectors([np.rot90(p[:, ::-1] if mirrored else p, k) for p in pictures])
            for mirrored in (False, True)
            for k in range(4)
        ]
    )


def as_vectors(pictures: Sequence[Picture]) -> copies.Vectors:
    """Pictures as vectors for ``metrics.copies``: (N, P)."""
    small = [resize(np.ascontiguousarray(p), (COMPARED, COMPARED)) for p in pictures]
    failed = np.stack([(s == FAIL) if is_map(p) else s / np.float32(255)
                       for s, p in zip(small, pictures, strict=True)])  # fmt: skip
    wafer = np.stack([(s != NO_DIE) if is_map(p) else np.ones(s.shape, bool)
                      for s, p in zip(small, pictures, strict=True)])  # fmt: skip
    return copies.vectors(failed, wafer)


def report(
    made: Sequence[Picture], originals: Sequence[Picture], seed: int
) -> dict[str, float | bool | str]:
    """Figures of a run, and a sentence, for JSON.

    Args:
        made: Two or more pictures.
        originals: Two or more pictures.
        seed: Draws which of many are looked at.

    Returns:
        ``diversity``: the median distance of a made picture to the nearest other one in any form,
        over that among as many originals as there are (1: as different; below: alike); ``spread``:
        the same with the mean distance of any two; ``near_copies``: share of made pictures that
        repeat an original; ``collapsed``, and ``said``, which puts it into words.
    """
    rng = np.random.default_rng((seed, 9))

    def some(pictures: Sequence[Picture], count: int) -> list[Picture]:
        return [pictures[k] for k in rng.permutation(len(pictures))[:count]]

    theirs = some(originals, _SOME)
    mine = some(made, max(2, min(len(theirs), len(made))))  # as many: more lie closer
    forms = compare_forms(theirs)
    near = copies.nearest(as_vectors(some(made, _SOME)), forms).share
    nearest_made, spread_made = _distances(mine, compare_forms(mine))
    nearest_theirs, spread_theirs = _distances(theirs, forms)
    diversity = nearest_made / max(nearest_theirs, 1e-6)
    spread = spread_made / max(spread_theirs, 1e-6)
    collapsed = min(diversity, spread) < COLLAPSED
    if collapsed:
        said = (
            f"The generator has collapsed: made pictures differ from each other only "
            f"{min(diversity, spread):.0%} as much as the originals do. Throw them away, and take "
            "the preset Default, other settings or more originals."
        )
    else:
        said = (
            f"Made pictures differ from each other {spread:.0%} as much as the originals do; "
            f"{near:.1%} repeat an original."
        )
    return {
        "diversity": round(diversity, 4), "spread": round(spread, 4),
        "near_copies": round(near, 4), "collapsed": bool(collapsed), "said": said,
    }  # fmt: skip


def _distances(
    pictures: Sequence[Picture], forms: npt.NDArray[np.float32]
) -> tuple[float, float]:  # fmt: skip
    """Median distance to the nearest other picture in any form, and the mean of any two as is."""
    vectors = forms[0]
    nearest = copies.nearest(vectors, forms, same=True).distance
    alike = vectors @ vectors.T
    others = ~np.eye(len(pictures), dtype=bool)
    return float(np.median(nearest)), float((1 - alike[others]).mean())
