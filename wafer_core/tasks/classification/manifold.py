"""How flat the surface is on which points lie: along the surface against straight through space.

Isomap's measure (Tenenbaum, de Silva, Langford 2000): the geodesic distance of two points is the
shortest way from neighbour to neighbour. Where the points fill a flat piece, it is hardly longer
than the straight line; on a half circle the ends are pi / 2 times as far apart along it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import minimum_spanning_tree, shortest_path
from scipy.spatial.distance import pdist, squareform

from wafer_core.errors import InputError

Floats = npt.NDArray[np.float64]
FEWEST = 12  # different points; below, neighbours are all there is
NEIGHBOURS = 8


@dataclass(frozen=True, eq=False)
class Manifold:
    """How curved a cloud of points is.

    Attributes:
        points: Different ones.
        ratio: Mean of geodesic over Euclidean distance over all pairs, 1 or more; 1 is flat.
        ratio_high: The 95th percentile of the same.
        flat_ratio: The ratio of a normal cloud of as many points, of the same mean and covariance:
            what flat looks like with so few points in so many dimensions.
        pairs: (P, 2) some pairs: Euclidean and geodesic distance, in units of the mean Euclidean.
    """

    points: int
    ratio: float
    ratio_high: float
    flat_ratio: float
    pairs: Floats


def distances(points: Floats, neighbours: int = NEIGHBOURS) -> tuple[Floats, Floats]:
    """Euclidean and geodesic distances.

    Groups of points that are nobody's neighbours are joined by their shortest bridges, so that
    every distance is finite.

    Args:
        points: (N, F), all different.
        neighbours: Of each point in the graph.

    Returns:
        Both (N, N).
    """
    N = len(points)
    euclidean: Floats = squareform(pdist(points))
    k = min(neighbours, N - 1)
    nearest = np.argpartition(euclidean + np.diag(np.full(N, np.inf)), k - 1, axis=1)[:, :k]
    graph = np.zeros((N, N))
    rows = np.repeat(np.arange(N), k)
    graph[rows, nearest.ravel()] = euclidean[rows, nearest.ravel()]
    bridges = minimum_spanning_tree(csr_array(euclidean)).toarray()
    graph = np.maximum(np.maximum(graph, graph.T), np.maximum(bridges, bridges.T))
    geodesic: Floats = shortest_path(csr_array(graph), method="D", directed=False)
    return euclidean, geodesic


def measure(points: Floats, seed: int = 0, most_pairs: int = 200) -> Manifold:
    """How curved a cloud of points is; see ``Manifold``.

    Args:
        points: (N, F) features; equal rows count once.
        seed: Of the flat cloud and of the pairs that are kept.
        most_pairs: Kept for a chart.

    Raises:
        InputError: Fewer than ``FEWEST`` different points.
    """
    points = np.unique(np.asarray(points, np.float64), axis=0)
    N = len(points)
    if N < FEWEST:
        raise InputError(
            f"How flat the features lie is measured on {FEWEST} or more different pictures, and "
            f"there are {N}; add pictures."
        )
    rng = np.random.default_rng(seed)
    euclidean, ratios, geodesic = _ratios(points)
    chosen = rng.permutation(len(ratios))[:most_pairs]
    pairs = np.stack([euclidean[chosen], geodesic[chosen]], 1) / euclidean.mean()
    centred = points - points.mean(0)
    # normal with exactly the covariance of the points: mixtures of them, drawn at random
    cloud = rng.standard_normal((N, N)) @ centred / np.sqrt(N)
    flat = float(_ratios(cloud)[1].mean())
    return Manifold(N, float(ratios.mean()), float(np.quantile(ratios, 0.95)), flat, pairs)


def _ratios(points: Floats) -> tuple[Floats, Floats, Floats]:
    """Euclidean distance, geodesic over Euclidean, geodesic distance of all pairs (N(N-1)/2,)."""
    euclidean, geodesic = distances(points)
    above = np.triu_indices(len(points), 1)
    straight, along = euclidean[above], geodesic[above]
    # the sum of a straight way's steps can be a rounding error shorter than the way
    return straight, np.maximum(along / straight, 1.0), along
