"""Network input: computed by hand for small maps, and invariants."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wafer_core.errors import ModelError, ParameterError
from wafer_core.images import FAIL, NO_DIE, PASS, Picture
from wafer_core.networks.preparation import CHANNELS, Preparation

maps = hnp.arrays(np.uint8, st.tuples(st.integers(4, 90), st.integers(4, 90)),
                  elements=st.sampled_from([NO_DIE, PASS, FAIL]))  # fmt: skip


def test_an_enlarged_map_by_hand() -> None:
    picture = np.full((4, 4), PASS, np.uint8)
    picture[0, 0], picture[3, 3] = NO_DIE, FAIL
    wafer, failed, any_failed = Preparation(16).prepare([picture])[0]
    assert wafer[:4, :4].max() == 0
    assert wafer.sum() == 15 * 16
    assert failed[12:, 12:].min() == 1
    assert failed.sum() == any_failed.sum() == 16


def test_a_shrunk_map_holds_shares_and_keeps_single_dies() -> None:
    picture = np.full((32, 32), PASS, np.uint8)
    picture[5, 9] = FAIL  # in the cell of rows 4, 5 and columns 8, 9
    picture[0:2, 0] = NO_DIE  # half of the first cell
    picture[0, 1] = FAIL  # half of its dies
    wafer, failed, any_failed = Preparation(16).prepare([picture])[0]
    assert wafer[0, 0] == pytest.approx(0.5)
    assert failed[0, 0] == pytest.approx(0.5)
    assert failed[2, 4] == pytest.approx(0.25)
    assert any_failed[2, 4] == 1
    assert any_failed.sum() == 2


def test_other_grey_pictures_keep_their_brightness() -> None:
    wafer, *brightness = Preparation(16).prepare([np.full((50, 20), 51, np.uint8)])[0]
    assert wafer.min() == 1
    for channel in brightness:
        torch.testing.assert_close(channel, torch.full((16, 16), 0.2))


def test_a_white_picture_is_not_brighter_than_white() -> None:
    """Rounding once gave a little more than 1."""
    for shape in ((30, 42), (7, 254), (101, 33)):
        assert Preparation(24).prepare([np.full(shape, 255, np.uint8)]).max() <= 1


@settings(max_examples=40, deadline=None)
@given(maps)
def test_values_stay_in_range_and_rotation_commutes(picture: Picture) -> None:
    preparation = Preparation(24)
    prepared = preparation.prepare([picture])[0]
    assert prepared.shape == (len(CHANNELS), 24, 24)
    assert prepared.min() >= 0
    assert prepared.max() <= 1
    assert torch.isfinite(prepared).all()
    rotated = preparation.prepare([np.ascontiguousarray(np.rot90(picture))])[0]
    torch.testing.assert_close(rotated[:2], torch.rot90(prepared, 1, (1, 2))[:2])


def test_a_picture_is_prepared_the_same_alone_and_in_a_batch() -> None:
    rng = np.random.default_rng(0)
    pictures = [rng.choice([0, 127, 255], (n, 40)).astype(np.uint8) for n in (20, 33, 64)]
    together = Preparation().prepare(pictures)
    for index, picture in enumerate(pictures):
        assert torch.equal(together[index], Preparation().prepare([picture])[0])
    compact = Preparation().prepare_compact(pictures)
    assert compact.dtype == torch.uint8
    torch.testing.assert_close(compact.float() / 255, together, atol=0.5 / 255 + 1e-6, rtol=0)


def test_no_pictures_give_an_empty_batch() -> None:
    assert Preparation(32).prepare([]).shape == (0, 3, 32, 32)


def test_json_round_trip() -> None:
    assert Preparation.from_json(Preparation(48).to_json()) == Preparation(48)


@pytest.mark.parametrize(
    "value",
    [None, [], "x", {}, {"size": 64}, {"channels": ["red"], "size": 64},
     {"channels": list(CHANNELS)}, {"channels": list(CHANNELS), "size": "64"},
     {"channels": list(CHANNELS), "size": 10**9}, {"channels": list(CHANNELS), "size": True}],
)  # fmt: skip
def test_damaged_json_is_refused(value: object) -> None:
    with pytest.raises(ModelError, match=r"train|damaged"):
        Preparation.from_json(value)


@pytest.mark.parametrize("size", [0, -1, 15, 513, 64.0, float("nan")])
def test_invalid_sizes_are_refused(size: float) -> None:
    with pytest.raises(ParameterError, match="Input size"):
        Preparation(size)  # type: ignore[arg-type]
