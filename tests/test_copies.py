"""Near copies: the distance computed by hand, all orientations, and what is not a copy."""

from __future__ import annotations

import numpy as np
import pytest

from wafer_core.errors import InputError
from wafer_core.images import FAIL, NO_DIE, PASS, Picture
from wafer_core.metrics import copies
from wafer_core.simulator import simulate_many
from wafers import disc, marked


def one_row(*rows: list[float]) -> copies.Vectors:
    """Vectors of wafers with one row of dies each."""
    return copies.correlation_vectors(
        [[row] for row in rows], np.ones((len(rows), 1, len(rows[0])), bool)
    )


def nearest(pictures: list[Picture], originals: list[Picture]) -> copies.Nearest:
    return copies.nearest(copies.vectors(pictures), copies.dihedral_vectors(originals))


def test_the_distance_by_hand() -> None:
    """Of four dies two failed: one of them the same, φ = 0; none the same, φ = -1."""
    both = one_row([1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 1, 1])
    found = 1 - both @ both.T
    np.testing.assert_allclose(found, [[0, 1, 2], [1, 0, 1], [2, 1, 0]], atol=1e-6)


def test_cells_off_the_wafer_are_ignored() -> None:
    mask = np.array([[[True, True, True, False]]])
    one, other = (copies.correlation_vectors([[row]], mask) for row in ([1, 0, 0, 1], [1, 0, 0, 0]))
    np.testing.assert_array_equal(one, other)


def test_wafers_without_any_pattern_match_only_their_own_kind() -> None:
    none, all_, some = one_row([0, 0, 0], [1, 1, 1], [1, 0, 0])
    assert [float(a @ b) for a, b in ((none, none), (all_, all_), (some, some))] == [
        1, 1, pytest.approx(1),
    ]  # fmt: skip
    assert [float(a @ b) for a, b in ((none, all_), (none, some), (all_, some))] == [0, 0, 0]


@pytest.mark.parametrize("size", [20, 33, 90])
@pytest.mark.parametrize("turn", range(8))
def test_a_rotated_original_is_a_copy(size: int, turn: int) -> None:
    """Also where the wafer is enlarged or reduced for the comparison, and is not square."""
    originals = [marked(n, size)[:, 2:] for n in range(5)]
    picture = originals[3] if turn < 4 else originals[3][:, ::-1]
    found = nearest([np.ascontiguousarray(np.rot90(picture, turn % 4))], originals)
    assert found.index.tolist() == [3]
    assert found.distance[0] == pytest.approx(0, abs=1e-5)
    assert found.share == 1


def test_an_original_with_a_tenth_of_its_dies_moved_is_a_copy_and_a_new_wafer_is_not() -> None:
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
    assert nearest(moved, originals).share == 1
    assert nearest(simulate_many("Center", 30, 2), originals).share == 0


def test_dense_wafers_are_not_copies_of_each_other() -> None:
    """90% of their failed dies agree because of their density alone."""
    rng = np.random.default_rng(1)

    def dense() -> Picture:
        return np.where(disc() == NO_DIE, NO_DIE, np.where(rng.random((20, 20)) < 0.9, FAIL, PASS))

    wafers = [dense().astype(np.uint8) for _ in range(12)]
    assert nearest(wafers[:6], wafers[6:]).distance.min() > 0.5


def test_an_original_is_not_compared_with_itself() -> None:
    originals = [marked(1), marked(2), np.rot90(marked(1)).copy()]
    orientations = copies.dihedral_vectors(originals)
    found = copies.nearest(orientations[0], orientations, exclude_self=True)
    assert found.index[[0, 2]].tolist() == [2, 0]
    assert found.near_copies.tolist() == [True, False, True]


def test_chunks_give_the_same_result_as_single_pictures() -> None:
    rng = np.random.default_rng(2)
    queries = copies.correlation_vectors(rng.random((1100, 4, 4)), np.ones((1100, 4, 4), bool))
    originals = queries[:7][None]
    all_, one = copies.nearest(queries, originals), copies.nearest(queries[1050:1051], originals)
    assert all_.distance[1050] == pytest.approx(one.distance[0], abs=1e-6)
    assert all_.index[:7].tolist() == list(range(7))


def test_errors_name_what_cannot_be_compared() -> None:
    some = one_row([1, 0, 0])
    with pytest.raises(InputError, match="no original"):
        copies.nearest(some, some[:0][None])
    with pytest.raises(InputError, match="no original"):
        copies.nearest(some, some[None], exclude_self=True)
    with pytest.raises(InputError, match="cannot be compared"):
        copies.correlation_vectors(np.zeros((2, 3)), np.zeros((2, 3), bool))
