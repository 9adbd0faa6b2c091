"""Curvature of a point cloud: geodesic against Euclidean distances.

Isomap's measure (Tenenbaum, de Silva, Langford 2000): the geodesic distance of two points is the
shortest path along a graph of nearest neighbours. If the points fill a flat region, it is hardly
longer than the straight line; at the ends of a half circle it is pi / 2 times as long.
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
MIN_POINTS = 12  # distinct points; with fewer, all points are neighbours
NEIGHBOURS = 8


@dataclass(frozen=True, eq=False)
class Manifold:
    """Curvature of a point cloud.

    Attributes:
        points: Number of distinct points.
        ratio: Mean of geodesic over Euclidean distance of all pairs, 1 or more; 1 is flat.
        ratio_high: The 95th percentile of the same.
        flat_ratio: The ratio of a normal cloud with as many points and the same mean and
            covariance: the reference for a flat cloud with so few points in so many dimensions.
        pairs: (P, 2) Euclidean and geodesic distances of some pairs, in units of the mean Euclidean
            distance.
    """

    points: int
    ratio: float
    ratio_high: float
    flat_ratio: float
    pairs: Floats


def distances(points: Floats, neighbours: int = NEIGHBOURS) -> tuple[Floats, Floats]:
    """Euclidean and geodesic distances, both (N, N).

    Unconnected groups of points are joined by the edges of the minimum spanning tree, so that every
    distance is finite.

    Args:
        points: (N, F), all distinct.
        neighbours: Of each point in the graph.
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


def measure(points: Floats, seed: int = 0, max_pairs: int = 200) -> Manifold:
    """Measure the curvature of a point cloud; see ``Manifold``.

    Args:
        points: (N, F) features; equal rows count once.
        seed: Of the reference cloud and of the pairs that are kept.
        max_pairs: Kept for a chart.

    Raises:
        InputError: Fewer than ``MIN_POINTS`` distinct points.
    """
    points = np.unique(np.asarray(points, np.float64), axis=0)
    N = len(points)
    if N < MIN_POINTS:
        raise InputError(
            "Curvature is measured on at least {least} different pictures, but there are {count}; "
            "add pictures.",
            least=MIN_POINTS,
            count=N,
        )
    rng = np.random.default_rng(seed)
    euclidean, ratios, geodesic = _ratios(points)
    chosen = rng.permutation(len(ratios))[:max_pairs]
    pairs = np.stack([euclidean[chosen], geodesic[chosen]], 1) / euclidean.mean()
    centred = points - points.mean(0)
    # Random mixtures of the points are normal with exactly their covariance.
    cloud = rng.standard_normal((N, N)) @ centred / np.sqrt(N)
    flat_ratio = float(_ratios(cloud)[1].mean())
    return Manifold(N, float(ratios.mean()), float(np.quantile(ratios, 0.95)), flat_ratio, pairs)


def _ratios(points: Floats) -> tuple[Floats, Floats, Floats]:
    """Euclidean distance, geodesic over Euclidean, geodesic distance of all pairs (N(N-1)/2,)."""
    euclidean, geodesic = distances(points)
    above = np.triu_indices(len(points), 1)
    straight, along = euclidean[above], geodesic[above]
    # Rounding can make the sum of the steps of a straight path shorter than the path.
    return straight, np.maximum(along / straight, 1.0), along
