"""The simulator fitted to a class: known factors are recovered, and a poor fit is reported."""

from __future__ import annotations

import numpy as np
import pytest

from wafer_core.errors import InputError, ParameterError
from wafer_core.images import FAIL, NO_DIE, PASS, Picture, is_map
from wafer_core.messages import Message
from wafer_core.simulator import draw_values, simulate_factors
from wafer_core.simulator.fit import fit
from wafer_core.simulator.fitted import simulate_class
from wafers import disc


def wafers(pattern: str, count: int = 24, **fixed: float) -> list[Picture]:
    """Wafers of a few products, with some factors known."""
    values = draw_values(pattern, count, 11, fixed)
    values["rows"] = np.array([30.0, 36.0, 42.0])[np.arange(count) % 3]
    values["aspect"] = np.ones(count)
    return simulate_factors(pattern, values, 11)


@pytest.mark.parametrize(
    ("pattern", "name", "value", "within"),
    [("Donut", "ring_radius", 50, 8), ("Center", "cluster_size", 35, 8),
     ("Loc", "centre_offset", 60, 12), ("Edge-Ring", "ring_width", 16, 5),
     ("Edge-Loc", "arc", 90, 30), ("Scratch", "scratch_length", 120, 35),
     ("none", "density", 12, 3)],
)  # fmt: skip
def test_known_factors_are_recovered(pattern: str, name: str, value: float, within: float) -> None:
    fixed = {name: value} | ({"strength": 90} if pattern != "none" else {})
    fixed |= {"density": 4} if pattern != "none" else {}
    fixed |= {"cluster_count": 1} if pattern in ("Loc", "Edge-Loc", "Scratch") else {}
    model = fit(wafers(pattern, **fixed))
    assert model.pattern == pattern
    assert model.fit.shares[pattern] >= 0.7
    low, middle, high = model.factor_ranges()[name]
    assert low <= middle <= high
    assert middle == pytest.approx(value, abs=within)
    assert model.fit.ratio is not None
    assert model.fit.ratio < 1.3
    assert "Good fit." in str(model.fit.sentence)
    assert f"Most similar to {pattern}" in str(model.fit.sentence)


def test_the_direction_of_the_class_is_kept() -> None:
    model = fit(wafers("Loc", angle=90, density=2, strength=95, cluster_count=1, cluster_size=20))
    simulated = simulate_class(model, 40, 0)
    middles = []
    for wafer in simulated:
        H, W = wafer.picture.shape
        row, column = np.nonzero(wafer.picture == FAIL)
        middles.append(((2 * column + 1).mean() / W - 1, (2 * row + 1).mean() / H - 1))
    x, y = np.mean(middles, 0)
    assert x > 0.25
    assert abs(y) < 0.12


def test_simulated_wafers_have_the_die_grids_of_the_class() -> None:
    originals = wafers("Edge-Loc")
    originals[0][15, 15] = NO_DIE  # a test site
    model = fit(originals)
    simulated = simulate_class(model, 60, 4)
    for wafer in simulated:
        assert wafer.source is not None
        np.testing.assert_array_equal(wafer.picture != NO_DIE, originals[wafer.source] != NO_DIE)
        assert wafer.values["rows"] == wafer.picture.shape[0]
    assert len({wafer.source for wafer in simulated}) > 10
    again = simulate_class(model, 20, 4)
    for first, second in zip(simulated, again, strict=False):
        np.testing.assert_array_equal(first.picture, second.picture)
        assert first.values == second.values
    assert fit(originals).sets == model.sets


def test_a_factor_can_be_set_to_a_value_that_the_class_does_not_have() -> None:
    model = fit(wafers("Center", cluster_size=15))
    simulated = simulate_class(model, 10, 0, {"cluster_size": 60, "edge_exclusion": 10})
    assert all(wafer.values["cluster_size"] == 60 for wafer in simulated)
    grown = np.mean([(w.picture == FAIL).sum() for w in simulated])
    usual = np.mean([(w.picture == FAIL).sum() for w in simulate_class(model, 10, 0)])
    assert grown > 1.7 * usual
    with pytest.raises(
        ParameterError,
        match="No wafer of this class resembles a pattern with the factors ring_radius",
    ):
        simulate_class(model, 5, 0, {"ring_radius": 40})
    with pytest.raises(ParameterError, match="cluster_size is 900; use low, mid, high or a number"):
        simulate_class(model, 5, 0, {"cluster_size": 900})


def test_one_wafer_is_enough_but_its_fit_has_no_ratio() -> None:
    (one,) = wafers("Edge-Ring", 1, ring_width=15, density=3, strength=100)
    model = fit([one])
    assert model.fit.baseline is None
    assert model.fit.ratio is None
    assert "One wafer does not show how much the class varies" in str(model.fit.sentence)
    simulated = [wafer.picture for wafer in simulate_class(model, 5, 0)]
    assert all(is_map(p) for p in simulated)
    assert len({p.tobytes() for p in simulated}) == 5


def test_a_class_that_cannot_be_reproduced_is_a_poor_fit() -> None:
    """A chessboard of blocks: no process factor of the simulator produces it."""
    odd = []
    for seed in range(12):
        picture = disc(40)
        y, x = np.indices((40, 40))
        picture[((x // 5 + y // 5) % 2 == 0) & (picture == PASS)] = FAIL
        noise = np.random.default_rng(seed).random((40, 40)) < 0.02
        picture[noise & (picture == PASS)] = FAIL
        odd.append(picture)
    found = fit(odd).fit
    assert found.ratio is not None
    assert found.ratio > 2
    assert "the simulator cannot reproduce this class" in str(found.sentence)
    assert "Use Auto or Manual" in str(found.sentence)
    assert Message.from_json(found.to_json()["sentence"]) == found.sentence
    assert "× as far from real wafers" in str(found.sentence)


def test_a_class_of_equal_wafers_has_no_ratio() -> None:
    (one,) = wafers("Loc", 1)
    found = fit([one, one, one]).fit
    assert found.ratio is None
    assert "are equal" in str(found.sentence)


def test_a_mixed_class_keeps_both_patterns() -> None:
    mixed = wafers("Edge-Ring", 12, strength=95, density=3) + wafers("Center", 12, strength=95,
                                                                    density=3)  # fmt: skip
    shares = fit(mixed).fit.shares
    assert shares["Edge-Ring"] == pytest.approx(0.5, abs=0.2)
    assert shares["Center"] == pytest.approx(0.5, abs=0.2)
    assert sum(shares.values()) == pytest.approx(1)


def test_the_name_of_a_class_decides_only_between_similar_patterns() -> None:
    """Short wide scratches and long small clusters are similar; edge rings and centres are not."""
    clusters = wafers("Loc", cluster_size=12, cluster_stretch=3.5, cluster_count=1, density=3,
                   strength=90)  # fmt: skip
    plain, named = fit(clusters), fit(clusters, name=" loc ")
    assert named.fit.shares["Loc"] >= plain.fit.shares.get("Loc", 0)
    assert named.pattern == "Loc"
    assert named.fit.shares["Loc"] > 0.8
    rings = wafers("Edge-Ring", ring_width=15, strength=95, density=3, arc=360)
    assert fit(rings, name="Center").pattern == "Edge-Ring"


def test_many_wafers_are_sampled_and_grey_pictures_left_out() -> None:
    grey = np.random.default_rng(0).integers(0, 255, (20, 20)).astype(np.uint8)
    model = fit([grey, *wafers("none", 230)])
    assert model.fit.wafers == 200
    assert 0 not in model.indices
    with pytest.raises(InputError, match="The simulator needs wafer maps"):
        fit([grey])
    with pytest.raises(InputError, match="The simulator needs wafer maps"):
        fit([])


def test_an_invalid_count_or_seed_is_refused() -> None:
    model = fit(wafers("none", 2))
    for count in (0, -1, 10**6, 1.5, True, "3"):
        with pytest.raises(ParameterError, match="count is"):
            simulate_class(model, count, 0)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="seed is"):
        simulate_class(model, 1, -1)
