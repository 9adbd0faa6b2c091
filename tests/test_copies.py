"""Near copies: the distance by hand, in every form, and what it does not call a copy."""

from __future__ import annotations

import numpy as np
import pytest

from wafer_core.errors import InputError
from wafer_core.images import FAIL, NO_DIE, PASS, Picture
from wafer_core.metrics import copies
from wafer_core.simulator import simulate_many
from wafer_core.tasks.evaluation import scoring
from wafers import disc, marked


def vectors(*rows: list[float]) -> copies.Vectors:
    """Wafers of one row of dies each."""
    return copies.vectors([[row] for row in rows], np.ones((len(rows), 1, len(rows[0])), bool))


def near(made: list[Picture], originals: list[Picture]) -> copies.Nearest:
    return copies.nearest(scoring.vectors(made), scoring.forms(originals))


def test_the_distance_by_hand() -> None:
    """Of four dies two failed: one of them the same, φ = 0; none the same, φ = -1."""
    both = vectors([1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 1, 1])
    found = 1 - both @ both.T
    np.testing.assert_allclose(found, [[0, 1, 2], [1, 0, 1], [2, 1, 0]], atol=1e-6)


def test_what_lies_off_the_wafer_counts_for_nothing() -> None:
    mask = np.array([[[True, True, True, False]]])
    one, other = copies.vectors([[[1, 0, 0, 1]]], mask), copies.vectors([[[1, 0, 0, 0]]], mask)
    np.testing.assert_array_equal(one, other)


def test_wafers_without_any_pattern_equal_their_like_only() -> None:
    none, all_, some = vectors([0, 0, 0], [1, 1, 1], [1, 0, 0])
    assert [float(a @ b) for a, b in ((none, none), (all_, all_), (some, some))] == [
        1, 1, pytest.approx(1),
    ]  # fmt: skip
    assert [float(a @ b) for a, b in ((none, all_), (none, some), (all_, some))] == [0, 0, 0]


@pytest.mark.parametrize("size", [20, 33, 90])
@pytest.mark.parametrize("turn", range(8))
def test_a_turned_original_is_a_copy(size: int, turn: int) -> None:
    """Also on a wafer that is drawn larger or smaller to be compared, and is not square."""
    originals = [marked(n, size)[:, 2:] for n in range(5)]
    side = originals[3] if turn < 4 else originals[3][:, ::-1]
    found = near([np.ascontiguousarray(np.rot90(side, turn % 4))], originals)
    assert found.index.tolist() == [3]
    assert found.distance[0] == pytest.approx(0, abs=1e-5)
    assert found.share == 1


def test_a_copy_with_moved_dies_is_one_and_a_new_wafer_is_not() -> None:
    rng = np.random.default_rng(0)
    originals = simulate_many("Center", 30, 1)
    moved = []
    for picture in originals:
        y, x = np.nonzero(picture == FAIL)
        out, into = rng.permutation(len(y))[: len(y) // 10], np.argwhere(picture == PASS)
        changed = picture.copy()
        changed[y[out], x[out]] = PASS
        chosen = into[rng.permutation(len(into))[: len(out)]]
        changed[chosen[:, 0], chosen[:, 1]] = FAIL
        moved.append(np.ascontiguousarray(np.rot90(changed, 2)))
    assert near(moved, originals).share == 1
    assert near(simulate_many("Center", 30, 2), originals).share == 0


def test_dense_wafers_are_no_copies_of_each_other() -> None:
    """They have 90 % of their failed dies in common by density alone."""
    rng = np.random.default_rng(1)

    def dense() -> Picture:
        return np.where(disc() == NO_DIE, NO_DIE, np.where(rng.random((20, 20)) < 0.9, FAIL, PASS))

    wafers = [dense().astype(np.uint8) for _ in range(12)]
    assert near(wafers[:6], wafers[6:]).distance.min() > 0.5


def test_originals_are_compared_with_the_others_only() -> None:
    originals = [marked(1), marked(2), np.rot90(marked(1)).copy()]
    forms = scoring.forms(originals)
    found = copies.nearest(forms[0], forms, same=True)
    assert found.index[[0, 2]].tolist() == [2, 0]
    assert found.near.tolist() == [True, False, True]


def test_many_are_compared_in_parts_like_few() -> None:
    rng = np.random.default_rng(2)
    made = copies.vectors(rng.random((1100, 4, 4)), np.ones((1100, 4, 4), bool))
    forms = made[:7][None]
    all_, one = copies.nearest(made, forms), copies.nearest(made[1050:1051], forms)
    assert all_.distance[1050] == pytest.approx(one.distance[0], abs=1e-6)
    assert all_.index[:7].tolist() == list(range(7))


def test_what_cannot_be_compared_is_told() -> None:
    some = vectors([1, 0, 0])
    with pytest.raises(InputError, match="no original"):
        copies.nearest(some, some[:0][None])
    with pytest.raises(InputError, match="no original"):
        copies.nearest(some, some[None], same=True)
    with pytest.raises(InputError, match="cannot be compared"):
        copies.vectors(np.zeros((2, 3)), np.zeros((2, 3), bool))
