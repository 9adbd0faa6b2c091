"""FID, KID, Inception Score, precision and recall: by hand, invariants, as in torch-fidelity."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_fidelity import metric_fid, metric_isc, metric_kid, metric_prc

from wafer_core.errors import InputError
from wafer_core.metrics import generation


def cloud(seed: int, count: int = 200, width: int = 12, shift: float = 0.0, spread: float = 1.0):
    """Normal points, (count, width)."""
    rng = np.random.default_rng(seed)
    return rng.normal(shift, spread, (count, width))


# -- by hand -------------------------------------------------------------------------------------


def test_frechet_distance_by_hand() -> None:
    """One feature: means 0 and 3, variances 2 and 8: 9 + 2 + 8 - 2·√16 = 11."""
    left, right = np.array([[-1.0], [1.0]]), np.array([[1.0], [5.0]])
    assert generation.frechet_distance(left, right) == pytest.approx(11)


def test_frechet_distance_of_crossed_lines() -> None:
    """Σ₁ = diag(2, 0) and Σ₂ = diag(0, 2) share nothing: the traces, 4, remain."""
    left, right = np.array([[-1.0, 0], [1, 0]]), np.array([[0, -1.0], [0, 1]])
    assert generation.frechet_distance(left, right) == pytest.approx(4)


def test_squared_mmd_by_hand() -> None:
    """One feature, kernel (xy + 1)³: {0, 1} gives 1, {1, 2} gives 27, between 1, 1, 8, 27."""
    value = generation.squared_mmd([[0.0], [1.0]], [[1.0], [2.0]])
    assert value == pytest.approx(1 + 27 - 2 * (1 + 1 + 8 + 27) / 4)


def test_kernel_spread_by_hand() -> None:
    """{0, 1}: the kernel is 1 and 8 on the diagonal, and 1 beside it."""
    assert generation.kernel_spread([[0.0], [1.0]]) == pytest.approx((1 + 8) / 2 - 1)
    assert generation.kernel_spread(np.ones((3, 4))) == pytest.approx(0)
    # half of the mean squared distance between two members of the set
    points = cloud(5, 6)
    apart = [
        generation.squared_mmd(np.repeat(a[None], 2, 0), np.repeat(b[None], 2, 0)) / 2
        for k, a in enumerate(points)
        for b in points[:k]
    ]
    assert generation.kernel_spread(points) == pytest.approx(np.mean(apart))


def test_inception_score_by_hand() -> None:
    confident = np.eye(4)
    assert generation.inception_score(confident, 1)[0] == pytest.approx(4)  # all classes occur
    assert generation.inception_score(np.full((4, 4), 0.25), 1)[0] == pytest.approx(1)
    assert generation.inception_score(np.repeat(confident[:1], 6, 0), 3) == (pytest.approx(1), 0)


def test_precision_and_recall_by_hand() -> None:
    """With k = 1 the radii of 0, 1, 2 are 1 and that of 10 is 8: it covers 3 and 4.5, but not 20.

    The radii of 3, 4.5 and 20 are 1.5, 1.5 and 15.5: they cover 2 and 10, but neither 0 nor 1.
    """
    real, synthetic = np.array([[0.0], [1], [2], [10]]), np.array([[3.0], [4.5], [20]])
    precision, recall = generation.precision_recall(synthetic, real, 1)
    assert precision == pytest.approx(2 / 3)
    assert recall == pytest.approx(2 / 4)


# -- invariants ------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [5, 200])
def test_a_set_against_itself(count: int) -> None:
    points = cloud(0, count)
    assert generation.frechet_distance(points, points) == pytest.approx(0, abs=1e-9)
    assert generation.precision_recall(points, points) == (1, 1)


def test_frechet_distance_is_symmetric_and_ignores_the_order() -> None:
    left, right = cloud(1, 30), cloud(2, 9, shift=0.5)
    there = generation.frechet_distance(left, right)
    assert there == pytest.approx(generation.frechet_distance(right, left))
    assert there == pytest.approx(generation.frechet_distance(left[::-1], right[::-1]))


def test_kernel_distance_within_one_distribution_is_about_zero_at_every_count() -> None:
    for count in (20, 60, 200):
        drawn = [
            generation.squared_mmd(cloud(seed, count), cloud(1000 + seed, count))
            for seed in range(60)
        ]
        assert abs(np.mean(drawn)) < 4 * np.std(drawn) / np.sqrt(60)


def test_all_grow_with_the_distance() -> None:
    real = cloud(3)
    far = [cloud(4, shift=shift) for shift in (0.0, 0.5, 1.0, 2.0)]
    frechet = [generation.frechet_distance(synthetic, real) for synthetic in far]
    kernel = [generation.kernel_distance(synthetic, real, 50)[0] for synthetic in far]
    precision = [generation.precision_recall(synthetic, real)[0] for synthetic in far]
    assert frechet == sorted(frechet)
    assert kernel == sorted(kernel)
    assert precision == sorted(precision, reverse=True)


def test_a_collapsed_set_has_high_precision_and_low_recall() -> None:
    real = cloud(5)
    precision, recall = generation.precision_recall(np.repeat(real[:8], 25, 0), real)
    assert precision == 1
    assert recall < 0.1


def test_the_seed_decides_which_subsets_are_drawn() -> None:
    left, right = cloud(6), cloud(7, 90)
    once = generation.kernel_distance(left, right, 20, seed=4)
    assert once == generation.kernel_distance(left, right, 20, seed=4)
    assert once != generation.kernel_distance(left, right, 20, seed=5)
    assert once[1] > 0


# -- agreement with torch-fidelity --------------------------------------------------------------


@pytest.mark.parametrize(("counts", "width"), [((300, 250), 40), ((30, 20), 40)])
def test_frechet_distance_agrees_with_torch_fidelity(counts: tuple[int, int], width: int) -> None:
    left, right = cloud(8, counts[0], width), cloud(9, counts[1], width, 0.2, 1.1)
    theirs = metric_fid.fid_statistics_to_metric(
        *(metric_fid.fid_features_to_statistics(torch.from_numpy(x)) for x in (left, right)), False
    )
    ours = generation.frechet_distance(left, right)
    # with fewer pictures than features, the rounding of their matrix root leaves six digits
    assert ours == pytest.approx(theirs[metric_fid.KEY_METRIC_FID], rel=1e-6)


def test_kernel_distance_agrees_with_torch_fidelity() -> None:
    left, right = cloud(10, 120, 32), cloud(11, 90, 32, 0.3)
    theirs = metric_kid.kid_features_to_metric(
        torch.from_numpy(left), torch.from_numpy(right), kid_subsets=20, kid_subset_size=40,
        rng_seed=3, verbose=False,
    )  # fmt: skip
    ours = generation.kernel_distance(left, right, 40, 20, seed=3)
    assert ours == pytest.approx(
        (theirs[metric_kid.KEY_METRIC_KID_MEAN], theirs[metric_kid.KEY_METRIC_KID_STD]), rel=1e-9
    )


def test_inception_score_agrees_with_torch_fidelity() -> None:
    logits = cloud(12, 130, 9, spread=3.0)
    theirs = metric_isc.isc_features_to_metric(torch.from_numpy(logits), 10, True, 5)
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert generation.inception_score(probabilities, 10, 5) == pytest.approx(
        (theirs[metric_isc.KEY_METRIC_ISC_MEAN], theirs[metric_isc.KEY_METRIC_ISC_STD]), rel=1e-9
    )


def test_precision_and_recall_agree_with_torch_fidelity() -> None:
    synthetic, real = cloud(13, 120, 8, 0.3), cloud(14, 80, 8)
    theirs = metric_prc.prc_features_to_metric(
        torch.from_numpy(synthetic), torch.from_numpy(real), verbose=False
    )
    assert generation.precision_recall(synthetic, real) == pytest.approx(
        (theirs[metric_prc.KEY_METRIC_PRECISION], theirs[metric_prc.KEY_METRIC_RECALL]), abs=1e-6
    )


# -- errors -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: generation.frechet_distance(cloud(0, 1), cloud(0)), "1 pictures are too few"),
        (
            lambda: generation.frechet_distance(cloud(0), cloud(0, width=3)),
            "the same network for both sets",
        ),
        (lambda: generation.squared_mmd(cloud(0) * np.nan, cloud(0)), "not finite"),
        (lambda: generation.squared_mmd(np.zeros(5), cloud(0)), r"shape \(5,\)"),
        (lambda: generation.kernel_distance(cloud(0, 9), cloud(0), 10), "subset of 2 to 9"),
        (lambda: generation.kernel_distance(cloud(0), cloud(0), 1), "subset of 2 to 200"),
        (lambda: generation.inception_score(np.eye(3), 4), "3 pictures cannot be split into 4"),
        (lambda: generation.precision_recall(cloud(0, 3), cloud(0)), "3 pictures are too few"),
    ],
)
def test_errors_name_what_cannot_be_scored(call, words: str) -> None:
    with pytest.raises(InputError, match=words):
        call()
