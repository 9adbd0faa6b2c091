"""Test sets of all levels: complete, paired, and told in a table."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from wafer_core.errors import ParameterError
from wafer_core.images import NO_DIE
from wafer_core.simulator import FACTORS, simulate_many
from wafer_core.simulator.factorial import count_wafers, level_grid
from wafer_core.simulator.fit import fit


def test_every_combination_comes_as_often_as_asked() -> None:
    levels = {"scratch_length": ["low", "mid", "high"], "density": ["low", 12.5]}
    wafers = list(level_grid("Scratch", levels, 4, 0))
    assert len(wafers) == count_wafers(levels, 4) == 24
    cells = Counter(tuple(w.levels.values()) for w in wafers)
    assert set(cells) == {(a, b) for a in ("low", "mid", "high") for b in ("low", 12.5)}
    assert set(cells.values()) == {4}
    assert [w.cell for w in wafers] == sorted(w.cell for w in wafers)
    for wafer in wafers:
        low, mid, high = FACTORS["scratch_length"].levels
        told = {"low": low, "mid": mid, "high": high}[str(wafer.levels["scratch_length"])]
        assert wafer.values["scratch_length"] == told
        row = wafer.row()
        assert row["scratch_length_level"] == wafer.levels["scratch_length"]
        assert row["density"] in (FACTORS["density"].levels[0], 12.5)
        assert row["ring_radius"] == ""
    assert len({tuple(w.row()) for w in wafers}) == 1  # the same columns


def test_wafers_of_a_repetition_share_all_but_the_levels() -> None:
    levels = {"cluster_size": [10, 40], "rows": [30], "aspect": [1]}
    wafers = list(level_grid("Loc", levels, 5, 3))
    for small, large in zip(wafers[:5], wafers[5:], strict=True):
        assert small.repetition == large.repetition
        other = {k: v for k, v in small.values.items() if k != "cluster_size"}
        assert other == {k: v for k, v in large.values.items() if k != "cluster_size"}
        assert (large.picture >= small.picture).all()  # what fails under the small one fails
    assert len({w.picture.tobytes() for w in wafers}) == 10


def test_same_seed_same_set_and_no_levels_are_one_cell() -> None:
    def made(seed: int, per_cell: int = 3) -> list[np.ndarray]:
        return [w.picture for w in level_grid("Donut", {}, per_cell, seed)]

    first, again, longer, other = made(1), made(1), made(1, 6), made(2)
    for a, b, c in zip(first, again, longer, strict=False):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
    assert any(a.shape != b.shape or (a != b).any() for a, b in zip(first, other, strict=True))


def test_the_levels_of_a_fitted_class_keep_its_die_grids() -> None:
    originals = simulate_many("Loc", 6, 0)
    model = fit(originals)
    wafers = list(level_grid(model, {"density": ["low", "high"]}, 10, 0))
    for wafer in wafers:
        assert wafer.grid_of is not None
        np.testing.assert_array_equal(
            wafer.picture != NO_DIE, originals[wafer.grid_of] != NO_DIE
        )  # fmt: skip
    assert [w.grid_of for w in wafers[:10]] == [w.grid_of for w in wafers[10:]]
    gridded = list(level_grid(model, {"rows": [30, 50]}, 3, 0))
    assert [w.picture.shape[0] for w in gridded] == [30] * 3 + [50] * 3
    assert gridded[0].grid_of is None


@pytest.mark.parametrize(
    ("levels", "per_cell", "told"),
    [({"density": []}, 1, "density has no level"),
     ({"density": ["low", "low"]}, 1, "lists a level twice"),
     ({"density": ["medium"]}, 1, "give low, mid, high"),
     ({"density": [500]}, 1, "from 0 to 100 %"),
     ({"arc": ["low"]}, 1, "“arc” does not bear on the pattern Loc"),
     ({"nonsense": ["low"]}, 1, "“nonsense” is no factor"),
     ({}, 0, "count is 0"), ({}, 1.5, "count is 1.5"),
     ({"density": list(range(100)), "strength": list(range(100))}, 3, "30,000 wafers")],
)  # fmt: skip
def test_what_cannot_be_made_is_told(levels: Any, per_cell: Any, told: str) -> None:
    with pytest.raises(ParameterError, match=told):
        level_grid("Loc", levels, per_cell, 0)
