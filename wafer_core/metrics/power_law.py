"""How a figure rises with the number of examples: an inverse power law, and what more would bring.

A figure of n examples is top - scale · n^(-exponent): fast at first, then ever slower, up to
``top``. The form and its use to say how many are needed: Figueroa et al. 2012, “Predicting sample
size required for classification performance”, BMC Med. Inform. Decis. Mak. 12:8; that error falls
so over many tasks: Hestness et al. 2017, arXiv:1712.00409; where it does not: Viering and Loog
2022, arXiv:2103.10948. It is trusted here for one doubling beyond the largest n, no further.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wafer_core.errors import ParameterError

Floats = npt.NDArray[np.float64]
_EXPONENTS = np.arange(5, 201) / 100  # those that are tried: 0.05 to 2


@dataclass(frozen=True, eq=False)
class PowerLaw:
    """One law, or R at once.

    Attributes:
        top: (R,) where the figure ends; at most 1.
        scale: (R,), 0 or more: the figure never falls.
        exponent: (R,).
    """

    top: Floats
    scale: Floats
    exponent: Floats

    def at(self, count: float) -> Floats:
        """The figure (R,) of so many examples."""
        value: Floats = self.top - self.scale * count**-self.exponent
        return value

    def doubling(self, count: float) -> Floats:
        """What twice as many examples would add (R,)."""
        value: Floats = self.at(2 * count) - self.at(count)
        return value


def fit(counts: npt.ArrayLike, figures: npt.ArrayLike) -> PowerLaw:
    """Fit a law to each row of figures, by weighted least squares.

    For each exponent of a grid the other two are solved for, with 0 ≤ scale and top ≤ 1; the best
    exponent is kept. Later counts weigh more, as in Figueroa et al.: it is there that one looks.

    Args:
        counts: (A,) examples, rising, two different ones at least. Two cannot tell where the curve
            ends: then ``top`` is 1.
        figures: (A,) or (R, A), 0 to 1, higher is better.

    Raises:
        ParameterError: Fewer than two counts, or they do not rise, or another number of figures.
    """
    n = np.asarray(counts, np.float64)
    y = 1 - np.atleast_2d(np.asarray(figures, np.float64))  # (R, A) what is missing
    if n.ndim != 1 or len(n) < 2 or (np.diff(n) <= 0).any() or n[0] <= 0 or y.shape[1] != len(n):
        raise ParameterError(
            f"A law cannot be fitted to {y.shape[1]} figures of the counts {n.tolist()}; give two "
            "or more rising counts with a figure each."
        )
    w = np.arange(1, len(n) + 1) / len(n)
    x = n ** -_EXPONENTS[:, None]  # (B, A)
    total, of_x, of_xx = w.sum(), x @ w, (x * x) @ w
    of_y, of_xy = (y @ w)[:, None], (y * w) @ x.T  # (R, 1), (R, B)
    alone = of_xy / of_xx  # scale where top is 1
    if len(n) == 2:
        scale, missing = alone, np.zeros_like(alone)
    else:
        scale = (total * of_xy - of_x * of_y) / (total * of_xx - of_x**2)
        missing = (of_y - scale * of_x) / total
        scale, missing = (
            np.where(missing < 0, alone, scale),
            np.where(missing < 0, 0.0, missing),
        )
        falls = scale < 0
        scale, missing = np.where(falls, 0.0, scale), np.where(falls, of_y / total, missing)
    gap = y[:, None, :] - scale[..., None] * x - missing[..., None]  # (R, B, A)
    best = (gap**2 @ w).argmin(1)
    rows = np.arange(len(y))
    return PowerLaw(1 - missing[rows, best], scale[rows, best], _EXPONENTS[best])
