"""Learning curves: an inverse power law fitted to scores, and the gain from more examples.

The score with n examples is top - scale · n^(-exponent): it rises fast at first, then ever more
slowly towards ``top``. For the form and its use in predicting how many examples are needed, see
Figueroa et al. 2012, “Predicting sample size required for classification performance”, BMC Med.
Inform. Decis. Mak. 12:8; that errors fall like this on many tasks, Hestness et al. 2017,
arXiv:1712.00409; and where they do not, Viering and Loog 2022, arXiv:2103.10948. It is used here
for one doubling beyond the largest n and no further.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wafer_core.errors import ParameterError

Floats = npt.NDArray[np.float64]
_EXPONENTS = np.arange(5, 201) / 100  # the grid of exponents: 0.05 to 2


@dataclass(frozen=True, eq=False)
class PowerLaw:
    """R fitted laws.

    Attributes:
        top: (R,) the limit of the score; at most 1.
        scale: (R,), 0 or more: the score never falls.
        exponent: (R,).
    """

    top: Floats
    scale: Floats
    exponent: Floats

    def at(self, count: float) -> Floats:
        """The score (R,) with this many examples."""
        value: Floats = self.top - self.scale * count**-self.exponent
        return value

    def doubling(self, count: float) -> Floats:
        """The gain (R,) from twice as many examples."""
        value: Floats = self.at(2 * count) - self.at(count)
        return value


def fit(counts: npt.ArrayLike, scores: npt.ArrayLike) -> PowerLaw:
    """Fit a law to each row of scores by weighted least squares.

    For each exponent of a grid, the other two parameters have a closed form, with 0 ≤ scale and
    top ≤ 1; the best exponent is kept. Larger counts have larger weights, as in Figueroa et al.:
    the law is used at that end.

    Args:
        counts: (A,) numbers of examples in ascending order, at least two. Two do not determine the
            limit: then ``top`` is 1.
        scores: (A,) or (R, A), 0 to 1, higher is better.

    Raises:
        ParameterError: Fewer than two counts, not ascending, or another number of scores.
    """
    n = np.asarray(counts, np.float64)
    y = 1 - np.atleast_2d(np.asarray(scores, np.float64))  # (R, A) errors
    if n.ndim != 1 or len(n) < 2 or (np.diff(n) <= 0).any() or n[0] <= 0 or y.shape[1] != len(n):
        raise ParameterError(
            "A learning curve cannot be fitted to {scores} scores at the counts {counts}; give two "
            "or more ascending counts with one score each.",
            scores=y.shape[1],
            counts=str(n.tolist()),
        )
    w = np.arange(1, len(n) + 1) / len(n)
    x = n ** -_EXPONENTS[:, None]  # (B, A)
    sum_w, sum_x, sum_xx = w.sum(), x @ w, (x * x) @ w
    sum_y, sum_xy = (y @ w)[:, None], (y * w) @ x.T  # (R, 1), (R, B)
    scale_of_top_1 = sum_xy / sum_xx
    if len(n) == 2:
        scale, floor = scale_of_top_1, np.zeros_like(scale_of_top_1)
    else:
        scale = (sum_w * sum_xy - sum_x * sum_y) / (sum_w * sum_xx - sum_x**2)
        floor = (sum_y - scale * sum_x) / sum_w  # of the error: 1 - top
        scale, floor = (np.where(floor < 0, scale_of_top_1, scale), np.where(floor < 0, 0.0, floor))
        falls = scale < 0
        scale, floor = np.where(falls, 0.0, scale), np.where(falls, sum_y / sum_w, floor)
    residual = y[:, None, :] - scale[..., None] * x - floor[..., None]  # (R, B, A)
    best = (residual**2 @ w).argmin(1)
    rows = np.arange(len(y))
    return PowerLaw(1 - floor[rows, best], scale[rows, best], _EXPONENTS[best])
