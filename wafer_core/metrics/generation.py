"""Scores of synthetic pictures: FID, KID, Inception Score, precision and recall.

All take features (N, D) or probabilities (N, C), one row per picture. The caller chooses the
network (``networks.features``); scores from two networks cannot be compared. For equal features and
seeds the values are those of torch-fidelity.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

from wafer_core.errors import InputError

Floats = npt.NDArray[np.float64]
SUBSETS = 100  # of KID
SPLITS = 10  # of the Inception Score
NEIGHBOURS = 3  # of precision and recall, as in the paper


def frechet_distance(left: npt.ArrayLike, right: npt.ArrayLike) -> float:
    """Fréchet distance of two normal distributions (FID; Heusel et al. 2017, arXiv:1706.08500).

    |μ₁ - μ₂|² + tr(Σ₁ + Σ₂ - 2 (Σ₁ Σ₂)^½). With centred features A and B, the eigenvalues of Σ₁ Σ₂
    are the squared singular values of A Bᵀ up to a factor, so that no matrix square root is needed
    and nothing becomes complex if there are fewer pictures than features.

    Args:
        left: (N, D), N at least 2.
        right: (M, D), M at least 2.

    Returns:
        0 for equal mean and covariance; lower is more similar. It is biased upwards, the more the
        fewer pictures there are: compare values of equal counts only.

    Raises:
        InputError: Too few pictures, or values that are not finite.
    """
    a, b = _features(left, 2), _features(right, 2)
    _same_width(a, b)
    distance = float(((a.mean(0) - b.mean(0)) ** 2).sum())
    a, b = _root(a), _root(b)
    shared = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return max(0.0, distance + float((a * a).sum() + (b * b).sum() - 2 * shared))


def _root(features: Floats) -> Floats:
    """A matrix A (at most D rows, D) with Aᵀ A equal to the covariance."""
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
        About 0, and as often below as above it, for two sets of the same distribution.

    Raises:
        InputError: Too few pictures, or values that are not finite.
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
    """Spread of one set in the unit of ``squared_mmd``.

    Half of the mean squared distance of two members in the kernel's feature space. A squared MMD
    can be divided by it, which makes it independent of the scale of the features.

    Args:
        features: (N, D), N at least 2.

    Raises:
        InputError: Too few pictures, or values that are not finite.
    """
    a = _features(features, 2)
    N = len(a)
    within = _kernel(a, a)
    diagonal = float(np.trace(within))
    return diagonal / N - (float(within.sum()) - diagonal) / (N * (N - 1))


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
        subset: Pictures per side in one subset; at least 2, at most N and M. The standard deviation
            is meaningful with half of the pictures or fewer.
        subsets: Number of subsets.
        seed: Decides which pictures are drawn.

    Returns:
        Mean and standard deviation over the subsets. The mean does not depend on the counts and is
        about 0 for two sets of the same distribution; lower is more similar.

    Raises:
        InputError: The subset is too small or too large, or values are not finite.
    """
    a, b = _features(left, 2), _features(right, 2)
    if not 2 <= subset <= min(len(a), len(b)):
        raise InputError(
            "KID cannot draw {subset} of {first} and {second} pictures; choose a subset of 2 to "
            "{most} pictures.",
            subset=subset,
            first=len(a),
            second=len(b),
            most=min(len(a), len(b)),
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
    """Inception Score (Salimans et al. 2016, arXiv:1606.03498).

    exp of the mean Kullback-Leibler divergence between the probabilities of a picture and their
    mean: high if each prediction is confident and all classes occur.

    Args:
        probabilities: (N, C), rows add up to 1.
        splits: Number of parts into which the shuffled pictures are split; at most N.
        seed: Of the shuffle.

    Returns:
        Mean and standard deviation over the splits, from 1 to C. Pictures of a single class score
        1, however good they are: the score is meant for a mixture of classes.

    Raises:
        InputError: More splits than pictures, or values that are not finite.
    """
    p = _features(probabilities, 1)
    N = len(p)
    if not 1 <= splits <= N:
        raise InputError(
            "{count} pictures cannot be split into {splits} parts; use fewer splits.",
            count=N,
            splits=splits,
        )
    p = p[np.random.RandomState(seed).permutation(N)]
    scores = []
    for i in range(splits):
        part = p[i * N // splits : (i + 1) * N // splits]
        mean = np.maximum(part.mean(0), 1e-300)
        # p log p is 0 where p is 0
        divergence = np.where(part > 0, part * np.log(np.maximum(part, 1e-300) / mean), 0).sum(1)
        scores.append(np.exp(divergence.mean()))
    return float(np.mean(scores)), float(np.std(scores))


def precision_recall(
    synthetic: npt.ArrayLike, real: npt.ArrayLike, neighbours: int = NEIGHBOURS
) -> tuple[float, float]:
    """Improved precision and recall (Kynkäänniemi et al. 2019, arXiv:1904.06991).

    The manifold of a set is the union of the balls around its points that reach to their k-th
    nearest neighbour. Both scores depend on the counts: more pictures cover more.

    Args:
        synthetic: (N, D), N more than ``neighbours``.
        real: (M, D), M more than ``neighbours``.
        neighbours: k.

    Returns:
        Precision, the share of synthetic pictures within the manifold of the real ones, and recall,
        the share of real pictures within that of the synthetic ones; 0 to 1, higher is better. Low
        precision: unrealistic pictures. Low recall: kinds of real wafers are missing.

    Raises:
        InputError: Too few pictures, or values that are not finite.
    """
    a, b = _features(synthetic, neighbours + 1), _features(real, neighbours + 1)
    _same_width(a, b)
    between: Floats = cdist(a, b)
    return (
        float((between <= _reach(b, neighbours)[None, :]).any(1).mean()),
        float((between <= _reach(a, neighbours)[:, None]).any(0).mean()),
    )


def _reach(points: Floats, neighbours: int) -> Floats:
    """Distance of each point (N,) to its k-th nearest neighbour, itself not counted."""
    reach: Floats = np.partition(cdist(points, points), neighbours, axis=1)[:, neighbours]
    return reach


def _features(values: npt.ArrayLike, fewest: int) -> Floats:
    found = np.asarray(values, np.float64)
    if found.ndim != 2 or not found.shape[1]:
        raise InputError(
            "Features of shape {shape} cannot be scored; the shape must be (N, D).",
            shape=str(found.shape),
        )
    if len(found) < fewest:
        raise InputError(
            "{count} pictures are too few for this score; use at least {fewest}.",
            count=len(found),
            fewest=fewest,
        )
    if not np.isfinite(found).all():
        raise InputError("Some features are not finite; check the feature network.")
    return found


def _same_width(a: Floats, b: Floats) -> None:
    if a.shape[1] != b.shape[1]:
        raise InputError(
            "The features have {first} and {second} numbers; use the same network for both sets.",
            first=a.shape[1],
            second=b.shape[1],
        )
