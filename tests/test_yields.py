"""Stack maps, profiles, zones and repeaters, by hand and on simulated wafers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from wafer_core.errors import InputError, ParameterError
from wafer_core.images import FAIL, NO_DIE, PASS, Picture
from wafer_core.tasks.yields import charts, profiles, repeaters, stacking
from wafer_core.tasks.yields.stacking import Stack, stack
from wafers import disc


def wafer(rows: str) -> Picture:
    """Of ``.`` no die, ``p`` pass, ``f`` fail; rows are separated by spaces."""
    values = {".": NO_DIE, "p": PASS, "f": FAIL}
    return np.array([[values[sign] for sign in row] for row in rows.split()], np.uint8)


def test_a_stack_is_the_share_of_failed_dies() -> None:
    found = stack([wafer(".p ff"), wafer("pp fp"), wafer(".f fp")])
    assert found.failed.tolist() == [[0, 1], [3, 1]]
    assert found.tested.tolist() == [[1, 3], [3, 3]]
    assert found.share == pytest.approx(np.array([[0, 1 / 3], [1, 1 / 3]]))
    assert (found.wafers, found.grids, found.on_grid) == (3, 1, 3)


def test_no_die_has_no_share() -> None:
    assert np.isnan(stack([wafer(".p pf")]).share).tolist() == [[True, False], [False, False]]


def test_other_grids_are_resampled_by_area() -> None:
    """The upper left quarter of a 4 × 4 wafer is one die of the common grid of 2 × 2."""
    found = stack([wafer("pp pp"), wafer("pp pp"), wafer("ffpp fppp pp.. pp..")])
    assert found.tested == pytest.approx(np.array([[3, 3], [3, 2]]))
    assert found.failed == pytest.approx(np.array([[0.75, 0], [0, 0]]))
    assert (found.wafers, found.grids, found.on_grid) == (3, 2, 2)
    assert stack([wafer("ff ff"), wafer("ff ff"), disc(8)], same_grid_only=True).wafers == 2


def test_resampling_keeps_the_area() -> None:
    shares = stacking.overlaps(3, 5)
    assert shares.sum(axis=1) == pytest.approx(np.ones(3))
    assert shares[0] == pytest.approx([0.6, 0.4, 0, 0, 0])


def test_a_stack_needs_a_wafer() -> None:
    with pytest.raises(InputError, match="at least one wafer"):
        stack([])


def test_radius_and_angle_of_dies() -> None:
    radius, angle = profiles.polar(np.ones((3, 3)))
    assert radius[1, 1] == 0
    assert radius[0, 1] == pytest.approx(2 / 3)
    assert [angle[0, 1], angle[1, 2], angle[2, 1], angle[1, 0]] == [0, 90, 180, 270]


def test_a_rim_without_dies_does_not_move_the_centre() -> None:
    tested = np.zeros((5, 7))
    tested[1:4, 0:3] = 1
    radius, _ = profiles.polar(tested)
    assert radius[2, 1] == 0
    assert radius[1, 1] == pytest.approx(2 / 3)


def test_profiles_by_hand() -> None:
    """3 × 3 dies: the centre, four at radius 2/3, four corners beyond the edge."""
    found = stack([wafer("fff ppp ppp"), wafer("pfp pfp ppp")])
    radial = profiles.radial_profile(found, rings=3)
    assert radial.tested.tolist() == [2, 0, 16]
    assert radial.failed.tolist() == [1, 0, 4]
    assert np.isnan(radial.share[1])
    angular = profiles.angular_profile(found, sectors=4)  # without the die in the centre
    assert angular.tested.tolist() == [4, 4, 4, 4]
    assert angular.failed.tolist() == [3, 0, 0, 1]


def test_zones_by_hand() -> None:
    found = profiles.zone_yields(stack([wafer("pppf pfpp pppp pppp")]))
    assert found["centre"] == pytest.approx(3 / 4)
    assert found["upper_right"] == pytest.approx(3 / 4)
    assert found["upper_left"] == pytest.approx(3 / 4)
    assert found["lower_left"] == 1.0
    assert found["edge"] == pytest.approx(3 / 4)
    assert found["middle"] == 1.0


def simulated(
    rate: npt.ArrayLike, wafers: int, seed: int, size: int = 26, repeater: float = 0.0
) -> Stack:
    """Wafers with random failures, and a repeater at column 3 of 3, row 2 of 4."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    chance = np.asarray(rate) + repeater * ((y % 4 == 1) & (x % 3 == 2))
    maps = []
    for _ in range(wafers):
        picture = disc(size)
        picture[(picture > 0) & (rng.random(picture.shape) < chance)] = FAIL
        maps.append(picture)
    return stack(maps)


def ring_and_cluster() -> npt.NDArray[np.float64]:
    y, x = np.mgrid[:26, :26]
    radius = np.hypot(y - 12.5, x - 12.5)
    cluster = (abs(x - 8) < 4) & (abs(y - 15) < 3)
    return 0.05 + 0.4 * (radius > 11) + 0.5 * cluster


def test_the_size_of_a_repeater_is_found_under_a_ring_and_a_cluster() -> None:
    found = repeaters.strongest(simulated(ring_and_cluster(), 10, 0, repeater=0.4))
    assert found is not None
    rows, columns, field = found
    assert (rows, columns) == (4, 3)
    assert field.is_significant
    assert np.unravel_index(int(np.argmax(field.share)), field.share.shape) == (1, 2)


def test_where_nothing_repeats_it_is_rarely_claimed() -> None:
    """At the 5% level, also with rings, clusters and gradients: 2 of 24 is the most allowed."""
    gradient = 0.05 + 0.02 * np.arange(26) * np.ones((26, 1))
    claimed = 0
    for rate in (0.05, ring_and_cluster(), gradient):
        for seed in range(8):
            found = repeaters.strongest(simulated(rate, 5, seed))
            claimed += found is not None and found[2].is_significant
    assert claimed <= 2


def test_the_share_by_position_is_that_of_the_stack() -> None:
    found = repeaters.field(stack([wafer("fpfp pppp fppp pppp")]), 2, 2)
    assert found.share.tolist() == [[0.75, 0], [0, 0]]
    assert found.dies.tolist() == [[4, 4], [4, 4]]


def test_small_grids_and_perfect_wafers_have_no_repeater() -> None:
    assert repeaters.strongest(stack([wafer("fp pp")])) is None
    assert repeaters.strongest(stack([disc(26)])) is None


@pytest.mark.parametrize("size", [(1, 1), (0, 3), (27, 1)])
def test_impossible_fields_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ParameterError, match="does not fit"):
        repeaters.field(stack([disc(26)]), *size)


def test_charts_hold_what_they_show() -> None:
    found = stack([wafer(".f pp")])
    figure = charts.stack_map(found)
    assert np.asarray(figure.data[0].z)[0, 1] == 1.0
    assert figure.layout.yaxis.title.text == "die row"
    assert figure.layout.yaxis.autorange == "reversed"
    assert charts.zones({"Edge": None, "Centre": 0.5}).data[0].x == (None, 0.5)
    line = charts.over_number([1, 1, 2], [0.5, 1.0, 0.25], ["a", "b", "c"]).data[1]
    assert (list(line.x), list(line.y)) == ([1, 2], [0.75, 0.25])
    line = charts.over_time(["2026-01-02T03:00:00"] * 2, [0.5, 1.0], ["a", "b"]).data[1]
    assert list(line.y) == [0.75]
