"""STDF and ATDF: hand-computed wafers, both byte orders, retests, damage, an independent reader."""

from __future__ import annotations

import random
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from fab_writers import NO_PLACE, Die, Stdf, atdf, stdf
from wafer_core.errors import PictureError
from wafer_core.images import FAIL, NO_DIE, PASS
from wafer_core.importers import atdf as atdf_reader
from wafer_core.importers import stdf as stdf_reader
from wafer_core.importers.die_maps import NO_BIN, Bin, DieMap, status

ORDERS = ("<", ">")
N = NO_BIN
#   (-1, 0) passes  (0, 0) fails
#                   (0, 1) passes  (1, 1) fails
FOUR = [Die(-1, 0, 1), Die(0, 0, 7, False), Die(0, 1, 1), Die(1, 1, 5, False)]


def read_one(data: bytes) -> DieMap:
    (found,) = stdf_reader.read(data, "a.stdf")
    return found


def notes(found: DieMap) -> str:
    return " ".join(str(note) for note in found.notes)


@pytest.mark.parametrize("order", ORDERS)
def test_a_wafer_is_read_in_both_byte_orders(order: str) -> None:
    data = stdf(FOUR, order, flat="D", x_to="R", y_to="D")
    assert stdf_reader.recognises(data[:4096])
    found = read_one(data)
    np.testing.assert_array_equal(found.bins, [[1, 7, N], [N, 1, 5]])
    np.testing.assert_array_equal(status(found), [[PASS, FAIL, NO_DIE], [NO_DIE, PASS, FAIL]])
    assert (found.wafer, found.lot, found.product, found.tester) == ("W1", "L1", "P1", "T1")
    assert found.time == "2020-09-13T12:28:20"  # 1,600,000,100 s after 1970
    assert found.aspect == 0.5
    assert found.notch == "down"
    assert found.table == (Bin(1, "good", True), Bin(7, "open", False))
    assert found.notes == ()


@pytest.mark.parametrize(
    ("x_to", "y_to", "bins"),
    [
        ("R", "D", [[1, 7, N], [N, 1, 5]]),
        ("L", "D", [[N, 7, 1], [5, 1, N]]),
        ("R", "U", [[N, 1, 5], [1, 7, N]]),
        ("L", "U", [[5, 1, N], [N, 7, 1]]),
    ],
)
def test_the_directions_of_the_axes_are_applied(x_to: str, y_to: str, bins: object) -> None:
    found = read_one(stdf(FOUR, x_to=x_to, y_to=y_to))
    np.testing.assert_array_equal(found.bins, bins)
    assert "assumed" not in notes(found)


@pytest.mark.parametrize(
    ("flat", "bins", "aspect"),
    [
        ("U", [[5, 1, N], [N, 7, 1]], 0.5),
        ("L", [[N, 5], [7, 1], [1, N]], 2.0),  # counterclockwise
        ("R", [[N, 1], [1, 7], [5, N]], 2.0),
        (" ", [[1, 7, N], [N, 1, 5]], 0.5),
    ],
)
def test_the_flat_is_turned_down(flat: str, bins: object, aspect: float) -> None:
    found = read_one(stdf(FOUR, flat=flat, x_to="R", y_to="D"))
    np.testing.assert_array_equal(found.bins, bins)
    assert found.aspect == aspect
    assert found.notch == (None if flat == " " else "down")
    assert ("turned" in notes(found)) == (flat != " ")
    assert (status(found) == FAIL).sum() == 2


def test_directions_that_are_not_stated_are_noted() -> None:
    found = read_one(stdf(FOUR))
    np.testing.assert_array_equal(found.bins, [[1, 7, N], [N, 1, 5]])
    assert "x to the right and y downwards were assumed" in notes(found)


def test_the_last_test_of_a_die_counts() -> None:
    found = read_one(
        stdf(
            [
                *FOUR,
                Die(0, 0, 1),  # passes when tested again, without any flag
                Die(-1, 0, 5, False, flags=2),  # fails when tested again, flagged
            ]
        )
    )
    np.testing.assert_array_equal(found.bins, [[5, 1, N], [N, 1, 5]])
    np.testing.assert_array_equal(status(found), [[FAIL, PASS, NO_DIE], [NO_DIE, PASS, FAIL]])
    assert "2 tests of dies were repeated" in notes(found)


def test_a_retest_may_name_the_part_instead_of_its_place() -> None:
    dies = [
        Die(0, 0, 7, False, part_id="A"),
        Die(1, 0, 7, False, part_id="B"),
        Die(NO_PLACE, NO_PLACE, 1, part_id="A", flags=1),
        Die(NO_PLACE, NO_PLACE, 1, part_id="unknown", flags=1),
    ]
    for (found,) in (stdf_reader.read(stdf(dies), "a"), atdf_reader.read(atdf(dies), "a")):
        np.testing.assert_array_equal(found.bins, [[1, 7]])
        assert "1 part has no coordinates" in notes(found)


def test_dies_without_coordinates_are_counted_and_negative_ones_are_normal() -> None:
    found = read_one(
        stdf([Die(-120, -7, 1), Die(-119, -7, 7, False), Die(NO_PLACE, 3, 1), Die(3, NO_PLACE, 1)])
    )
    np.testing.assert_array_equal(found.bins, [[1, 7]])
    assert "2 parts have no coordinates" in notes(found)


def test_a_part_that_ends_early_has_no_coordinates() -> None:
    """Fields at the end of a record may be missing."""
    file = Stdf().mir().wir("W1").die(Die(0, 0, 1)).record(5, 20, "BBBHH", 1, 1, 0, 1, 1)
    file.record(5, 20, "BBB", 1, 1, 0)
    found = read_one(file.mrr().data())
    assert found.dies == 1
    assert "1 part has no coordinates" in notes(found)
    assert "1 damaged entry" in notes(found)


def test_parts_without_a_verdict_go_by_their_bin() -> None:
    dies = [Die(0, 0, 1, flags=16), Die(1, 0, 7, flags=16), Die(2, 0, 9, flags=16), Die(3, 0, 7)]
    found = read_one(stdf(dies))
    np.testing.assert_array_equal(status(found), [[PASS, FAIL, FAIL, PASS]])
    all_unknown = read_one(stdf(dies[:3]))
    assert all_unknown.flags is None
    np.testing.assert_array_equal(status(all_unknown), [[PASS, FAIL, FAIL]])


def test_soft_bins_can_be_chosen() -> None:
    file = Stdf().mir().wir("W1").die(Die(0, 0, 1, soft=11)).die(Die(1, 0, 7, False))
    file.bin(11, "P", "fast", soft=True).bin(1, "P", "good").mrr()
    (found,) = stdf_reader.read(file.data(), "a", soft_bins=True)
    np.testing.assert_array_equal(found.bins, [[11, 7]])
    assert found.table == (Bin(11, "fast", True),)
    (found,) = stdf_reader.read(file.data(), "a")
    np.testing.assert_array_equal(found.bins, [[1, 7]])


def test_bins_of_several_sites_are_one_table() -> None:
    file = Stdf().mir().wir("W1").die(Die(0, 0, 1)).die(Die(1, 0, 65535, False))
    file.bin(7, "F", "").bin(7, " ", "open").bin(3, "X", "").bin(65535, "F", "none").mrr()
    found = read_one(file.data())
    assert found.table == (Bin(3, "", None), Bin(7, "open", False))
    np.testing.assert_array_equal(found.bins, [[1, 0]])  # 65,535 is no bin


def test_sites_of_one_head_test_one_wafer_and_heads_test_their_own() -> None:
    file = Stdf().mir().wir("W1", head=1).wir("W2", head=2)
    for x in range(4):
        file.die(Die(x, 0, 1, head=1, site=x % 2))
        file.die(Die(x, 1, 7, False, head=2, site=x % 2))
    file.wrr("W2", head=2).wrr("W1", head=1).mrr()
    first, second = stdf_reader.read(file.data(), "a")
    assert (first.wafer, second.wafer) == ("W1", "W2")
    np.testing.assert_array_equal(first.bins, [[1, 1, 1, 1]])
    np.testing.assert_array_equal(second.bins, [[7, 7, 7, 7]])


def test_wafers_without_a_name_are_numbered_and_may_be_named_at_their_end() -> None:
    file = Stdf().mir()
    for wafer in ("", "W9"):
        file.wir("").die(Die(0, 0, 1)).wrr(wafer)
    assert [m.wafer for m in stdf_reader.read(file.mrr().data(), "a")] == ["1", "W9"]


def test_a_second_run_of_a_wafer_is_joined_unless_it_tests_all_dies_again() -> None:
    file = Stdf().mir()
    rows = [Die(x, 0, 7, False) for x in range(10)]
    for wafer, dies in (
        ("A", rows),
        ("A", [Die(3, 0, 1)]),  # a retest of a failure
        ("B", rows[:5]),
        ("B", rows[5:]),  # continued
        ("C", rows),
        ("C", rows),  # tested twice
    ):
        file.wir(wafer)
        for die in dies:
            file.die(die)
        file.wrr(wafer)
    found = stdf_reader.read(file.mrr().data(), "a")
    assert [(m.wafer, m.dies) for m in found] == [("A", 10), ("B", 10), ("C", 10), ("C", 10)]
    assert status(found[0])[0, 3] == PASS
    assert [("several runs" in notes(m)) for m in found] == [True, True, False, False]


def test_a_test_without_wafers_is_one_wafer_or_is_rejected() -> None:
    file = Stdf().mir().die(Die(0, 0, 1)).die(Die(1, 0, 7, False)).mrr()
    assert read_one(file.data()).bins.shape == (1, 2)
    packaged = Stdf().mir().die(Die(NO_PLACE, NO_PLACE, 1)).mrr()
    with pytest.raises(
        PictureError, match=r"^final\.stdf: no die has coordinates \(parts without: 1\)"
    ):
        stdf_reader.read(packaged.data(), "final.stdf")


def test_the_tester_is_the_first_name_that_is_given() -> None:
    file = Stdf().sdr("prober 7").mir(node="", tester="").wir("W1").die(Die(0, 0, 1)).mrr()
    assert read_one(file.data()).tester == "prober 7"
    file = Stdf().sdr("prober 7").mir(node="node 3").wir("W1").die(Die(0, 0, 1)).mrr()
    assert read_one(file.data()).tester == "node 3"


def test_names_may_be_korean() -> None:
    file = Stdf().mir(product="제품").wir("W1").die(Die(0, 0, 1)).mrr()
    assert read_one(file.data()).product == "제품"
    old = file.data().replace("제품".encode(), "제품가".encode("cp949"))  # six bytes too
    assert read_one(old).product == "제품가"


def test_a_vax_writes_other_numbers() -> None:
    """F_floating: 2.0 is 0x4100, 0.75 is 0x4040, its words in little-endian order."""
    file = Stdf("<", cpu_type=0).mir()
    file.wcr(width=struct.pack("<HH", 0x4100, 0), height=struct.pack("<HH", 0x4040, 0))
    assert read_one(file.wir("W1").die(Die(0, 0, 1)).mrr().data()).aspect == pytest.approx(2 / 0.75)


@pytest.mark.parametrize("size", [0.0, -1.0, float("nan"), float("inf"), 1e-30])
def test_impossible_sizes_are_unknown(size: float) -> None:
    assert read_one(stdf(FOUR, width=size)).aspect is None


def test_records_of_v4_2007_and_of_programs_are_skipped() -> None:
    file = Stdf().record(0, 30, "s", "V4-2007").mir().record(1, 90, "BHH", 1, 2, 3)
    file.record(180, 1, "s", "own").wir("W1").record(60, 5, "s", "own").die(Die(0, 0, 1))
    found = read_one(file.record(1, 94, "H", 1).mrr().data())
    assert found.dies == 1
    assert "cut off" not in notes(found)


@pytest.mark.parametrize("order", ORDERS)
def test_the_intact_part_of_a_truncated_file_is_read(order: str) -> None:
    dies = [Die(x, 0, 1) for x in range(50)]
    whole = stdf(dies, order)
    for cut in (len(whole) - 1, whole.index(b"\x05\x14") + 900):
        found = read_one(whole[:cut])
        assert "cut off or damaged; what comes before was read" in notes(found)
        assert 0 < found.dies <= 50
    assert "cut off" not in notes(read_one(whole))
    with pytest.raises(PictureError, match="no die has coordinates"):
        stdf_reader.read(whole[:40], "a.stdf")


def test_what_follows_damage_is_not_read() -> None:
    dies = [Die(x, 0, 1) for x in range(20)]
    data = bytearray(stdf(dies))
    at = data.index(struct.pack("<hh", 10, 0)) - 13  # header of the eleventh PRR
    data[at] ^= 0x41  # its length is wrong
    found = read_one(bytes(data))
    assert found.dies in (10, 11)
    assert "cut off or damaged" in notes(found)


def test_other_files_are_rejected_with_a_sentence() -> None:
    with pytest.raises(PictureError, match=r"^a\.stdf does not begin as an STDF file"):
        stdf_reader.read(b"hello", "a.stdf")
    with pytest.raises(PictureError, match="STDF version 3 is not supported"):
        stdf_reader.read(b"\x02\x00\x00\x0a\x02\x03", "a.stdf")
    far = [Die(-30000, 0, 1), Die(30000, 0, 1)]
    with pytest.raises(PictureError, match="die coordinates span"):
        stdf_reader.read(stdf(far), "a.stdf")
    file = Stdf().mir().wir("W1").die(far[0]).die(far[1]).wir("W2").die(Die(0, 0, 1)).mrr()
    found = read_one(file.data())  # the other wafers of the file are kept
    assert found.wafer == "W2"
    assert "die coordinates span" in notes(found)
    assert not stdf_reader.recognises(b"")
    assert not stdf_reader.recognises(b"\x89PNG\r\n")


def test_a_small_file_cannot_claim_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    file = Stdf().mir()
    for k in range(8):
        file.wir(f"W{k}").die(Die(0, 0, 1)).die(Die(3999, 3999, 1))
    found = stdf_reader.read(file.mrr().data(), "a.stdf")
    assert len(found) == 6
    assert "more than 100,000,000 die positions" in notes(found[-1])
    monkeypatch.setattr("wafer_core.importers.stdf_wafers.MAX_PARTS", 3)
    with pytest.raises(PictureError, match="more than 3 parts"):
        stdf_reader.read(stdf(FOUR), "a.stdf")
    monkeypatch.setattr("wafer_core.importers.stdf_wafers.MAX_WAFERS", 0)
    with pytest.raises(PictureError, match="more than 0 wafers"):
        stdf_reader.read(stdf(FOUR), "a.stdf")


def random_dies(seed: int) -> list[Die]:
    """Two hundred tests with retests, several sites, and parts without coordinates."""
    rng = random.Random(seed)
    return [
        Die(
            NO_PLACE if rng.random() < 0.03 else rng.randint(-9, 9),
            rng.randint(-8, 8),
            hard := rng.choice([1, 1, 1, 2, 7, 300]),
            hard < 3,
            soft=rng.choice([65535, hard * 10]),
            site=rng.randint(0, 3),
            flags=rng.choice([0, 0, 2]),
        )
        for _ in range(200)
    ]


def dies_by_oracle(path: Path) -> dict[tuple[int, int], tuple[int, bool]]:
    """Hard bin and verdict of the last test of each place, read by stdf-convert."""
    import stdf_convert

    tables: Mapping[str, object] = stdf_convert.tables(path, ["PRR"])
    return {
        (row["X_COORD"], row["Y_COORD"]): (row["HARD_BIN"], not row["PART_FLG"][0] & 8)
        for row in tables["PRR"].to_pylist()  # type: ignore[attr-defined]
        if NO_PLACE not in (row["X_COORD"], row["Y_COORD"])
    }


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("seed", range(3))
def test_dies_are_those_of_an_independent_reader(order: str, seed: int, tmp_path: Path) -> None:
    data = stdf(random_dies(seed), order, y_to="D")
    path = tmp_path / "a.stdf"
    path.write_bytes(data)
    expected = dies_by_oracle(path)
    found = read_one(data)
    left, top = (min(place[axis] for place in expected) for axis in (0, 1))
    assert found.dies == len(expected)
    assert found.flags is not None
    for (x, y), (hard, passed) in expected.items():
        assert found.bins[y - top, x - left] == hard
        assert found.flags[y - top, x - left] == passed


@pytest.mark.parametrize("separator", ["|", ","])
@pytest.mark.parametrize("seed", range(3))
def test_atdf_gives_the_same_wafer_as_stdf(separator: str, seed: int) -> None:
    dies = random_dies(seed)
    text = atdf(dies, separator, wcr=["D", "R", "D", "200", "4", "2", "3"])
    assert atdf_reader.recognises(text[:4096])
    (found,) = atdf_reader.read(text, "a.atdf")
    same = read_one(stdf(dies, y_to="D"))
    np.testing.assert_array_equal(found.bins, same.bins)
    np.testing.assert_array_equal(status(found), status(same))
    assert found.notes == same.notes
    for name in ("wafer", "lot", "product", "tester", "time", "aspect", "notch", "table"):
        assert getattr(found, name) == getattr(same, name), name


def test_a_cut_atdf_file_loses_its_last_line() -> None:
    """A number at the end may be cut off too: “12” would become “1”."""
    text = atdf([Die(0, 0, 1), Die(12, 0, 1)])
    cut = text[: text.index(b"|12|") + 2]
    (found,) = atdf_reader.read(cut, "a.atdf")
    assert found.bins.shape == (1, 1)
    assert "cut off" in notes(found)


def test_damaged_atdf() -> None:
    text = atdf([Die(0, 0, 1), Die(1, 0, 7, False)]).replace(b"|F|7|", b"|F|x|")
    (found,) = atdf_reader.read(text, "a.atdf")
    assert found.dies == 1
    assert "1 damaged entry was left out" in notes(found)
    with pytest.raises(PictureError, match=r"^a\.atdf could not be read as ATDF"):
        atdf_reader.read(b"FAR:X|4", "a.atdf")
    assert not atdf_reader.recognises(b"FAR:2|4\n")
