"""Factorial test sets: complete, paired, and with a table of their levels."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from wafer_core.errors import ParameterError
from wafer_core.images import NO_DIE
from wafer_core.simulator import FACTORS, simulate_many
from wafer_core.simulator.factorial import design_size, factorial_design
from wafer_core.simulator.fit import fit


def test_every_combination_has_the_given_number_of_wafers() -> None:
    levels = {"scratch_length": ["low", "mid", "high"], "density": ["low", 12.5]}
    wafers = list(factorial_design("Scratch", levels, 4, 0))
    assert len(wafers) == design_size(levels, 4) == 24
    cells = Counter(tuple(w.levels.values()) for w in wafers)
    assert set(cells) == {(a, b) for a in ("low", "mid", "high") for b in ("low", 12.5)}
    assert set(cells.values()) == {4}
    assert [w.cell for w in wafers] == sorted(w.cell for w in wafers)
    for wafer in wafers:
        low, mid, high = FACTORS["scratch_length"].levels
        expected = {"low": low, "mid": mid, "high": high}[str(wafer.levels["scratch_length"])]
        assert wafer.values["scratch_length"] == expected
        row = wafer.row()
        assert row["scratch_length_level"] == wafer.levels["scratch_length"]
        assert row["density"] in (FACTORS["density"].levels[0], 12.5)
        assert row["ring_radius"] == ""
    assert len({tuple(w.row()) for w in wafers}) == 1  # the same columns


def test_wafers_of_a_repetition_share_all_but_the_levels() -> None:
    levels = {"cluster_size": [10, 40], "rows": [30], "aspect": [1]}
    wafers = list(factorial_design("Loc", levels, 5, 3))
    for small, large in zip(wafers[:5], wafers[5:], strict=True):
        assert small.repetition == large.repetition
        other = {k: v for k, v in small.values.items() if k != "cluster_size"}
        assert other == {k: v for k, v in large.values.items() if k != "cluster_size"}
        assert (
            large.picture >= small.picture
        ).all()  # dies that fail in the small one fail in the large one
    assert len({w.picture.tobytes() for w in wafers}) == 10


def test_the_same_seed_gives_the_same_set_and_no_levels_are_one_cell() -> None:
    def pictures(seed: int, per_cell: int = 3) -> list[np.ndarray]:
        return [w.picture for w in factorial_design("Donut", {}, per_cell, seed)]

    first, again, longer, other = pictures(1), pictures(1), pictures(1, 6), pictures(2)
    for a, b, c in zip(first, again, longer, strict=False):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
    assert any(a.shape != b.shape or (a != b).any() for a, b in zip(first, other, strict=True))


def test_a_design_of_a_fitted_class_keeps_its_die_grids() -> None:
    originals = simulate_many("Loc", 6, 0)
    model = fit(originals)
    wafers = list(factorial_design(model, {"density": ["low", "high"]}, 10, 0))
    for wafer in wafers:
        assert wafer.source is not None
        np.testing.assert_array_equal(
            wafer.picture != NO_DIE, originals[wafer.source] != NO_DIE
        )  # fmt: skip
    assert [w.source for w in wafers[:10]] == [w.source for w in wafers[10:]]
    resized = list(factorial_design(model, {"rows": [30, 50]}, 3, 0))
    assert [w.picture.shape[0] for w in resized] == [30] * 3 + [50] * 3
    assert resized[0].source is None


@pytest.mark.parametrize(
    ("levels", "per_cell", "words"),
    [({"density": []}, 1, "density has no level"),
     ({"density": ["low", "low"]}, 1, "lists a level twice"),
     ({"density": ["medium"]}, 1, "use low, mid, high"),
     ({"density": [500]}, 1, "from 0 to 100 %"),
     ({"arc": ["low"]}, 1, "“arc” does not apply to the pattern Loc"),
     ({"nonsense": ["low"]}, 1, "no factor “nonsense”"),
     ({}, 0, "count is 0"), ({}, 1.5, "count is 1.5"),
     ({"density": list(range(100)), "strength": list(range(100))}, 3, "30,000 wafers")],
)  # fmt: skip
def test_errors_name_what_cannot_be_simulated(levels: Any, per_cell: Any, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        factorial_design("Loc", levels, per_cell, 0)
