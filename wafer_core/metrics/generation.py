"""How alike two sets of pictures are, from what a network makes of them: FID, KID, IS, precision.

All take features (N, D) or probabilities (N, C), one row a picture; which network they come from is
the caller's matter (``tasks.features``), and figures of two networks cannot be compared. For equal
features and seeds the numbers are torch-fidelity's.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

from wafer_core.errors import InputError

Floats = npt.NDArray[np.float64]
SUBSETS = 100  # draws of KID
SPLITS = 10  # of the Inception Score
NEIGHBOURS = 3  # of precision and recall, as in the paper


def frechet_distance(left: npt.ArrayLike, right: npt.ArrayLike) -> float:
    """Fréchet distance of two normal distributions (FID; Heusel et al. 2017, arXiv:1706.08500).

    |μ₁ - μ₂|² + tr(Σ₁ + Σ₂ - 2 (Σ₁ Σ₂)^½). With centred features A and B, the eigenvalues of Σ₁ Σ₂
    are the squared singular values of A Bᵀ up to a factor, so that no root of a matrix is needed
    and nothing becomes complex where there are fewer pictures than features.

    Args:
        left: (N, D), N at least 2.
        right: (M, D), M at least 2.

    Returns:
        0 for equal mean and covariance; lower is more alike. With few pictures it is too high, the
        more the fewer: compare only figures of equal counts.

    Raises:
        InputError: Too few pictures, or values that are no numbers.
    """
    a, b = _features(left, 2), _features(right, 2)
    _same_width(a, b)
    distance = float(((a.mean(0) - b.mean(0)) ** 2).sum())
    a, b = _root(a), _root(b)
    shared = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return max(0.0, distance + float((a * a).sum() + (b * b).sum() - 2 * shared))


def _root(features: Floats) -> Floats:
    """A matrix (at most D rows, D) whose product with itself, Aᵀ A, is the covariance."""
    N, D = features.shape
    centred: Floats = (features - features.mean(0)) / np.sqrt(N - 1)
    if N <= D:
        return centred
    root: Floats = np.asarray(np.linalg.qr(centred, mode="r"))
    return root


def squared_mmd(left: npt.ArrayLike, right: npt.ArrayLike) -> float:
    """Squared maximum mean discrepancy with the kernel (x·y / D + 1)³, unbiased.

    Args:
        left: (N, D), N at least 2.
        right: (M, D), M at least 2.

    Returns:
        About 0, and as often below as above it, for two sets from one source.

    Raises:
        InputError: Too few pictures, or values that are no numbers.
    """
    a, b = _features(left, 2), _features(right, 2)
    _same_width(a, b)
    N, M = len(a), len(b)
    within_a, within_b = _kernel(a, a), _kernel(b, b)
    return float(
        (within_a.sum() - np.trace(within_a)) / (N * (N - 1))
        + (within_b.sum() - np.trace(within_b)) / (M * (M - 1))
        - 2 * _kernel(a, b).mean()
    )


def kernel_spread(features: npt.ArrayLike) -> float:
    """How far members of one set lie apart, in the unit of ``squared_mmd``.

    Half of the squared distance of two of them in the kernel's space, on the mean: what a set's
    squared MMD can be measured by, whatever the scale of the features.

    Args:
        features: (N, D), N at least 2.

    Raises:
        InputError: Too few pictures, or values that are no numbers.
    """
    a = _features(features, 2)
    N = len(a)
    within = _kernel(a, a)
    alone = float(np.trace(within))
    return alone / N - (float(within.sum()) - alone) / (N * (N - 1))


def _kernel(a: Floats, b: Floats) -> Floats:
    value: Floats = (a @ b.T / a.shape[1] + 1) ** 3
    return value


def kernel_distance(
    left: npt.ArrayLike, right: npt.ArrayLike, subset: int, subsets: int = SUBSETS, seed: int = 0
) -> tuple[float, float]:
    """Kernel distance (KID; Bińkowski et al. 2018, arXiv:1801.01401).

    Args:
        left: (N, D).
        right: (M, D).
        subset: Pictures of each side in one draw; at most N and M, at least 2. With half of the
            pictures or fewer, the draws differ and their spread says something.
        subsets: Draws.
        seed: Of them.

    Returns:
        Mean and standard deviation over the draws. The mean does not depend on the counts and lies
        around 0 for two sets from one source; lower is more alike.

    Raises:
        InputError: A subset that cannot be drawn, or values that are no numbers.
    """
    a, b = _features(left, 2), _features(right, 2)
    if not 2 <= subset <= min(len(a), len(b)):
        raise InputError(
            f"KID cannot draw {subset} of {len(a)} and {len(b)} pictures; give a subset from 2 to "
            f"{min(len(a), len(b))}."
        )
    rng = np.random.RandomState(seed)  # torch-fidelity's generator: the same seed, the same draws
    drawn = [
        squared_mmd(
            a[rng.choice(len(a), subset, replace=False)],
            b[rng.choice(len(b), subset, replace=False)],
        )
        for _ in range(subsets)
    ]
    return float(np.mean(drawn)), float(np.std(drawn))


def inception_score(
    probabilities: npt.ArrayLike, splits: int = SPLITS, seed: int = 0
) -> tuple[float, float]:
    """Inception Score: sure of each picture, and of all classes (Salimans et al. 2016, 1606.03498).

    exp of the mean Kullback-Leibler divergence between a picture's probabilities and their mean.

    Args:
        probabilities: (N, C), rows add up to 1.
        splits: Parts of the shuffled pictures that are scored on their own; at most N.
        seed: Of the shuffle.

    Returns:
        Mean and standard deviation over the splits, from 1 to C. Pictures of one class score 1,
        however good they are: it says something of a mixture of classes only.

    Raises:
        InputError: More splits than pictures, or values that are no numbers.
    """
    p = _features(probabilities, 1)
    N = len(p)
    if not 1 <= splits <= N:
        raise InputError(f"{N} pictures cannot be split into {splits} parts; give fewer.")
    p = p[np.random.RandomState(seed).permutation(N)]
    scores = []
    for i in range(splits):
        part = p[i * N // splits : (i + 1) * N // splits]
        mean = np.maximum(part.mean(0), 1e-300)
        # p log p is 0 where p is
        divergence = np.where(part > 0, part * np.log(np.maximum(part, 1e-300) / mean), 0).sum(1)
        scores.append(np.exp(divergence.mean()))
    return float(np.mean(scores)), float(np.std(scores))


def precision_recall(
    made: npt.ArrayLike, real: npt.ArrayLike, neighbours: int = NEIGHBOURS
) -> tuple[float, float]:
    """Share of made pictures that could be real, and of real ones that could have been made.

    A set fills the balls around its points that reach to their k-th neighbour (Kynkäänniemi et al.
    2019, arXiv:1904.06991). Both figures depend on the counts: more pictures fill more.

    Args:
        made: (N, D), N more than ``neighbours``.
        real: (M, D), M more than ``neighbours``.
        neighbours: k.

    Returns:
        Precision and recall, 0 to 1, higher is better. Low precision: pictures that no wafer looks
        like. Low recall: kinds of wafers that are never made.

    Raises:
        InputError: Too few pictures, or values that are no numbers.
    """
    a, b = _features(made, neighbours + 1), _features(real, neighbours + 1)
    _same_width(a, b)
    between: Floats = cdist(a, b)
    return (
        float((between <= _reach(b, neighbours)[None, :]).any(1).mean()),
        float((between <= _reach(a, neighbours)[:, None]).any(0).mean()),
    )


def _reach(points: Floats, neighbours: int) -> Floats:
    """Distance of each point (N,) to its k-th neighbour; the nearest of all is itself."""
    reach: Floats = np.partition(cdist(points, points), neighbours, axis=1)[:, neighbours]
    return reach


def _features(values: npt.ArrayLike, fewest: int) -> Floats:
    found = np.asarray(values, np.float64)
    if found.ndim != 2 or not found.shape[1]:
        raise InputError(f"Features of shape {found.shape} cannot be scored; give (N, D).")
    if len(found) < fewest:
        raise InputError(f"{len(found)} pictures are too few for this score; give {fewest}.")
    if not np.isfinite(found).all():
        raise InputError("Features hold values that are no numbers; look at the network.")
    return found


def _same_width(a: Floats, b: Floats) -> None:
    if a.shape[1] != b.shape[1]:
        raise InputError(
            f"Features of {a.shape[1]} and of {b.shape[1]} numbers come from two networks; take "
            "both sets from one."
        )
