"""SINF, SEMI E142 and G85, text maps: one small disc in many forms, and files that are refused."""

from __future__ import annotations

import numpy as np
import pytest

from fab_writers import DISC, e142, g85, sinf, text_map
from wafer_core.errors import PictureError
from wafer_core.images import FAIL, NO_DIE, PASS
from wafer_core.importers import semi_xml, text_maps
from wafer_core.importers import sinf as sinf_reader
from wafer_core.importers.die_maps import NO_BIN, Bin, DieMap, pass_bins, status

N = NO_BIN
BINS = np.array([[N if code == "." else int(code) for code in row] for row in DISC])
PICTURE = np.choose(np.searchsorted([1, 2, N], BINS), [PASS, FAIL, NO_DIE])
TALL = ["1...", "22..", "222.", "2222", "1222"]  # without symmetry


def only(found: list[DieMap]) -> DieMap:
    (die_map,) = found
    return die_map


def read_sinf(text: str) -> DieMap:
    assert sinf_reader.recognises(text.encode()[:4096])
    return only(sinf_reader.read(text.encode(), "a.sinf"))


def read_xml(text: str | bytes) -> DieMap:
    data = text if isinstance(text, bytes) else text.encode()
    assert semi_xml.recognises(data[:4096])
    return only(semi_xml.read(data, "a.xml"))


def read_text(text: str | bytes) -> DieMap:
    data = text if isinstance(text, bytes) else text.encode()
    assert text_maps.recognises(data[:4096])
    return only(text_maps.read(data, "a.txt"))


def notes(found: DieMap) -> str:
    return " ".join(str(note) for note in found.notes)


def reason(read: object, text: str) -> str:
    with pytest.raises(PictureError) as caught:
        read(text.encode(), "a.txt")  # type: ignore[operator]
    return str(caught.value)


@pytest.mark.parametrize(
    "found",
    [
        read_sinf(sinf()),
        read_sinf(sinf().replace("\n", "\r\n")),
        read_xml(e142()),
        read_xml(e142(kind="Ascii")),
        read_xml(e142(kind="Decimal")),
        read_xml(e142(kind="Integer2")),
        read_xml(g85()),
        read_text(text_map()),
    ],
)
def test_the_same_disc_in_every_form(found: DieMap) -> None:
    np.testing.assert_array_equal(found.bins, BINS)
    np.testing.assert_array_equal(status(found), PICTURE)
    assert (found.wafer, found.lot, found.product) == ("W1", "L1", "P1")
    assert found.notch in ("down", None)
    assert found.notes == ()


def test_header_fields_of_each_form() -> None:
    assert read_sinf(sinf()).aspect == read_xml(e142()).aspect == read_xml(g85()).aspect == 0.5
    assert read_xml(g85()).time == "2021-03-14T15:09:26"
    named = (Bin(1, "good", True), Bin(2, "open", False))
    assert read_xml(e142()).table == read_xml(g85()).table == named
    assert read_sinf(sinf()).table == (Bin(1, "", True), Bin(2, "", False))
    text = read_text(
        text_map(
            **{
                "Dice SizeX": "4986.0",
                "Dice SizeY": "2493.0",
                "Test Date": "2017-11-17 10:18",
                "Machine No": "7",
            }
        )
    )
    assert (text.aspect, text.time, text.tester) == (2.0, "2017-11-17T10:18:00", "7")


#   TALL turned by one, two and three quarters counterclockwise, so that the notch points down
TURNED = {
    "left": ["...22", "..222", ".2222", "12221"],
    "up": ["2221", "2222", ".222", "..22", "...1"],
    "right": ["12221", "2222.", "222..", "22..."],
}


@pytest.mark.parametrize("side", ["left", "up", "right"])
def test_the_notch_is_turned_down(side: str) -> None:
    expected = [[N if code == "." else int(code) for code in row] for row in TURNED[side]]
    degrees = {"left": "90", "up": "180", "right": "270"}[side]
    sinf_degrees = {"left": "270", "up": "0", "right": "90"}[side]  # 0 is the top
    for found in (
        read_sinf(sinf(TALL, FNLOC=sinf_degrees)),
        read_xml(e142(TALL, Orientation=degrees)),
        read_xml(g85(TALL, Orientation=degrees)),
        read_text(text_map([row.replace(".", "_") for row in TALL], **{"Flat/Notch": side})),
    ):
        np.testing.assert_array_equal(found.bins, expected)
        assert found.notch == "down"
        assert "turned" in notes(found)
    assert read_sinf(sinf(TALL, FNLOC=sinf_degrees)).aspect == (0.5 if side == "up" else 2.0)


# SINF


def test_sinf_bins_are_hexadecimal_and_several_may_pass() -> None:
    found = read_sinf(sinf([".1a.", "12aa", "1@21"], BCEQU="01, 02"))
    np.testing.assert_array_equal(found.bins, [[N, 1, 10, N], [1, 2, 10, 10], [1, N, 2, 1]])
    assert pass_bins(found) == (frozenset({1, 2}), False)
    assert "1 position with the code @@ was not inspected; it is no die." in notes(found)
    unnamed = read_sinf(sinf(BCEQU=""))
    assert pass_bins(unnamed) == (frozenset({1}), False)
    assert "bin 01 passes" in notes(unnamed)


def test_three_digits_of_sinf_are_decimal() -> None:
    text = sinf([".12.", "1112", "2211"], BCEQU="010")
    wide = text.replace("01", "010").replace("02", "255").replace("__", "___")
    found = read_sinf(wide.replace("0100", "010"))
    np.testing.assert_array_equal(found.bins[0], [N, 10, 255, N])
    assert pass_bins(found) == (frozenset({10}), False)


def test_sinf_rows_may_have_no_spaces_and_empty_rims_are_cut_off() -> None:
    rows = [".....", ".121.", ".121."]
    text = sinf(rows)
    dense = "".join(
        line.replace(" ", "") + "\n" if line.startswith("Row") else line + "\n"
        for line in text.splitlines()
    )
    for found in (read_sinf(text), read_sinf(dense)):
        np.testing.assert_array_equal(found.bins, [[1, 2, 1], [1, 2, 1]])


def test_several_wafers_in_one_sinf_file() -> None:
    both = sinf() + sinf(TALL, WAFER="W2")
    first, second = sinf_reader.read(both.encode(), "a.sinf")
    assert (first.wafer, second.wafer) == ("W1", "W2")
    assert (first.dies, second.dies) == (21, 14)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            sinf().rsplit("RowData", 1)[0],
            "a.txt: the map has 4 rows instead of 5; it is cut off. Export it again.",
        ),
        (
            sinf().rsplit(" ", 1)[0],
            "a.txt: row 5 of the map has 4 dies and the first 5; it is damaged. Export it again.",
        ),
        (
            sinf(COLCT="7"),
            "a.txt: the rows have 5 dies and COLCT says 7; export the file again.",
        ),
        (sinf(["."], ROWCT="1"), "a.txt: the map has no die; check the file."),
        (
            "DEVICE:P1\nLOT:L1\nWAFER:1\nROWCT:3\n",
            "a.txt: there are no RowData lines; export the file again.",
        ),
        (
            sinf(BCEQU="good"),
            "a.txt could not be read as SINF; it is damaged. Export it again.",
        ),
    ],
)
def test_broken_sinf_files_get_a_sentence(text: str, sentence: str) -> None:
    assert reason(sinf_reader.read, text) == sentence


# SEMI E142 and G85


def test_e142_dies_may_be_listed_with_coordinates() -> None:
    cells = "".join(
        f'<BinCode X="{x}" Y="{y}">0{code}</BinCode>'
        for y, row in enumerate(TALL)
        for x, code in enumerate(row)
        if code != "."
    )
    begin, _, rest = e142(TALL, AxisDirection="DownRight").partition("<BinCode>")
    text = begin + cells + rest[rest.rindex("</BinCode>") + 10 :]
    expected = np.array([[N if code == "." else int(code) for code in row] for row in TALL])
    np.testing.assert_array_equal(read_xml(text).bins, expected)
    for direction, turned in (
        ("UpRight", expected[::-1]),
        ("DownLeft", expected[:, ::-1]),
        ("UpLeft", expected[::-1, ::-1]),
    ):
        found = read_xml(text.replace("DownRight", direction))
        np.testing.assert_array_equal(found.bins, turned)


def test_reference_dies_are_no_dies() -> None:
    found = read_xml(e142(["1213", "1211", "2222", "1111"]))
    np.testing.assert_array_equal(found.bins[0], [1, 2, 1, N])
    assert "1 position is marked as reference, edge or skipped; it is no die." in notes(found)


def test_ascii_bins_have_the_letter_as_their_name() -> None:
    text = e142(["PXPP", "PPXP"], kind="Ascii").replace('BinCode="1"', 'BinCode="P"')
    found = read_xml(text.replace(' BinDescription="good"', ""))
    assert found.bins.tolist() == [[25, 33, 25, 25], [25, 25, 33, 25]]
    assert found.table[0] == Bin(25, "P", True)
    np.testing.assert_array_equal(status(found)[0], [PASS, FAIL, PASS, PASS])


def test_bins_without_a_quality_leave_the_rule_open() -> None:
    text = e142().replace('BinQuality="Pass"', "").replace('BinQuality="Fail"', "")
    assert pass_bins(read_xml(text)) == (frozenset({1}), True)


def test_several_maps_in_one_xml_file() -> None:
    text = g85()
    begin, end = text.index("<Map "), text.index("</Maps>")
    both = text[:end] + text[begin:end].replace("W1", "W2") + "</Maps>"
    assert [m.wafer for m in semi_xml.read(both.encode(), "a.xml")] == ["W1", "W2"]


def test_another_number_of_rows_than_stated_is_reported() -> None:
    found = read_xml(g85(Rows="9"))
    np.testing.assert_array_equal(found.bins, BINS)
    assert "The file states 9 rows, and its map has 5." in notes(found)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "euc-kr", "utf-8-sig"])
def test_encodings_of_xml(encoding: str) -> None:
    named = encoding.replace("-sig", "")
    text = e142().replace("UTF-8", named).replace(" P1 ", "제품")
    assert read_xml(text.encode(encoding)).product == "제품"


BOMB = '<!DOCTYPE a [<!ENTITY b "cccc"><!ENTITY d "&b;&b;">]>'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("text", [BOMB, '<!DOCTYPE a SYSTEM "file:///etc/passwd">', "<!doctype a>"])
def test_document_types_and_entities_are_refused(text: str, encoding: str) -> None:
    data = e142().replace("<MapData", text + "<MapData").encode(encoding)
    with pytest.raises(PictureError, match="not opened for security"):
        semi_xml.read(data, "a.xml")


def test_an_entity_without_a_document_type_is_damage() -> None:
    assert "is not whole XML" in reason(semi_xml.read, e142().replace(" P1 ", "&own;"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("<MapData></MapData>", "there is no map of bin codes in this XML"),
        ("<MapData>" + "<a>" * 60 + "</a>" * 60 + "</MapData>", "could not be read as SEMI XML"),
        ("<MapData>" + "<a/>" * 500_001 + "</MapData>", "could not be read as SEMI XML"),
        (e142()[:-20], "is not whole XML"),
        (
            e142().replace('"Wafer" SubstrateId="W1" Layout', '"Strip" SubstrateId="W1" Layout'),
            "a map of a Strip, not of a wafer",
        ),
        (e142(kind="Decimal").replace("001", "0x1", 3), "could not be read as SEMI XML"),
        (g85([".."] * 4), "the map has no die"),
    ],
)
def test_broken_xml_files_get_a_sentence(text: str, sentence: str) -> None:
    assert sentence in reason(semi_xml.read, text)


def test_other_xml_is_not_recognised() -> None:
    for head in (b"<html><body>", b"<svg xmlns='a'/>", b"", b"<Mapping>", b"MapData"):
        assert not semi_xml.recognises(head)


# text maps


@pytest.mark.parametrize(
    "rows",
    [
        [row.replace(".", " ").rstrip() for row in DISC],  # blanks are no die, some cut off
        [row.replace(".", "-") for row in DISC],
        [" ".join(row) for row in [*DISC, "....."]],
        ["  ".join(f"0{c}" if c != "." else "__" for c in row) for row in DISC],
        ["".join(f"00{c}" if c != "." else "..." for c in row) for row in DISC],
        [f"Row {k}: {row}" for k, row in enumerate(DISC)],
        [f"{k:2d} | {' '.join(row)} |" for k, row in enumerate(DISC)],
    ],
)
def test_forms_of_text_maps(rows: list[str]) -> None:
    found = read_text(text_map(rows))
    np.testing.assert_array_equal(found.bins, BINS)
    np.testing.assert_array_equal(status(found), PICTURE)


def test_a_map_without_a_header() -> None:
    found = read_text("\n".join(DISC))
    np.testing.assert_array_equal(found.bins, BINS)
    assert (found.wafer, found.lot, found.notch) == ("", None, None)


def test_numbered_rows_and_columns_are_left_out() -> None:
    wide = [row + row[::-1] for row in DISC]
    lines = ["    " + " ".join(str(x) for x in range(10))]
    lines += [f"{y:3d} " + " ".join(row) for y, row in enumerate(wide)]
    np.testing.assert_array_equal(read_text("\n".join(lines)).bins[:, :5], BINS)


def test_right_aligned_numbers_with_gaps() -> None:
    lines = [
        "         1   1  12   1   1         ",
        "     1   1   1   7   1   1   1     ",
        " 12  1   7   7   7   1   1   1   1 ".replace(" 12  1", "12   1"),
        "     1   1   1   7   1   1   1     ",
        "         1   1   1   1   1         ",
    ]
    lines[2] = "12   1   7   7   7   1   1   1   1".rjust(34)
    with_rows = [line.rstrip() for line in lines]
    found = read_text(text_map(with_rows))
    assert found.bins.shape == (5, 9)
    assert found.bins[0].tolist() == [N, N, 1, 1, 12, 1, 1, N, N]
    assert found.bins[2].tolist() == [12, 1, 7, 7, 7, 1, 1, 1, 1]


def test_the_width_in_the_header_tells_how_many_characters_a_die_has() -> None:
    rows = ["1111", "1112", "1111", "1111"]
    assert read_text(text_map(rows)).bins.shape == (4, 4)
    wide = ["1011101110", "1011101210", "1011101110", "1011101110"]
    found = read_text(text_map(wide, **{"Map Column": "5"}))
    assert found.bins[1].tolist() == [10, 11, 10, 12, 10]


def test_hexadecimal_and_letter_codes() -> None:
    rows = ["__0A0A01", "01010101", "01FF0101", "010101__"]
    assert read_text("\n".join(rows)).bins[2].tolist() == [1, 255, 1, 1]
    letters = read_text("\n".join([".PPP.", "PPPXP", "PXPPP", ".PPP."]))
    assert letters.table == (Bin(25, "P", True), Bin(33, "X", False))
    assert (status(letters) == FAIL).sum() == 2


@pytest.mark.parametrize(
    ("header", "passing"),
    [
        ({}, {3}),  # the most frequent
        ({"Good die": "Bin 4"}, {4}),
        ({"Pass bins": "3, 4"}, {3, 4}),
        ({"BCEQU": "34"}, {3, 4}),
        ({"Bin 4": "Pass", "Bin 3": "Fail leakage"}, {4}),
        ({"Total Pass": "2"}, {4}),
    ],
)
def test_the_header_tells_which_bins_pass(header: dict[str, str], passing: set[int]) -> None:
    found = read_text(text_map([".333.", "33433", "35433", ".333."], **header))
    assert pass_bins(found) == (frozenset(passing), False)
    assert ("most frequent" in notes(found)) == (not header)


def test_bins_are_named_by_the_header() -> None:
    found = read_text(text_map(**{"Bin 01": "Pass", "Bin 2": "Fail, open"}))
    assert found.table == (Bin(1, "Pass", True), Bin(2, "Fail, open", False))


def test_numbers_of_dies_are_checked() -> None:
    right = text_map(**{"Total Tested": "21", "Total Pass": "5", "Total Fail": "16"})
    assert read_text(right).notes == ()
    wrong = read_text(text_map(**{"Gross Die": "25", "Pass Die": "9"}))
    assert "states 25 tested dies, and the map has 21" in notes(wrong)
    assert "states 9 passing dies, and the map has 5" in notes(wrong)


def test_codes_without_a_die() -> None:
    corners = read_text("\n".join(row.replace(".", "0") for row in DISC))
    np.testing.assert_array_equal(corners.bins, BINS)
    assert "The code 0 fills the corners of the map" in notes(corners)
    marks = read_text(text_map([".111.", "11*11", "11111", "1M111"], **{"Reference die": "M"}))
    assert marks.bins[1].tolist() == [1, 1, N, 1, 1]
    assert marks.bins[3].tolist() == [1, N, 1, 1, 1]
    assert "Positions with *, M were taken as no die." in notes(marks)


def test_several_wafers_in_one_text() -> None:
    text = text_map() + "\n" + "Wafer ID : W2\nTotal Pass : 2\n\n" + "\n".join(TALL) + "\n"
    first, second = text_maps.read(text.encode(), "a.txt")
    assert [(m.wafer, m.lot, m.dies) for m in (first, second)] == [
        ("W1", "L1", 21),
        ("W2", "L1", 14),
    ]


def test_a_table_of_bins_after_the_map_is_no_map() -> None:
    table = "\n".join(f"{k} {17 * k} {k / 7:.2f}% open{k}" for k in range(9))
    assert read_text(text_map() + "\n" + table + "\n").dies == 21


def test_korean_headers() -> None:
    text = text_map(웨이퍼="7", 로트="A").encode("cp949")
    found = only(text_maps.read(text, "a.txt"))
    assert found.lot == "L1"  # the first one in the header counts
    text = "\n".join(["로트: 가", "웨이퍼: 7", "제품: 나", "", *DISC]).encode("cp949")
    found = only(text_maps.read(text, "a.txt"))
    assert (found.lot, found.wafer, found.product) == ("가", "7", "나")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "one line",
        "The quick brown fox\njumps over the lazy\ndogs and runs away\nfrom hunters today\n",
        "x y bin\n1 1 1 1\n2 1 1 1\n3 1 1 1\n4 1 1 1\n5 1 1 1\n",
        "a,b,c,d,e,f\n" + "0,1,1,1,1,0\n" * 9,
        "+----+----+\n" * 6,
        "   1     1000000.4\n   1     1000000.3\n   2     1000000.5\n   2     1000000.3\n",
        "        assert f(1)\n        assert f(2)\n        assert f(3)\n        assert f(4)\n",
        "    Returns\n    -------\n    tuple\n        A nested tuple.\n    None\n",
        "\n".join("MIIEpAIBAAKCAQEA" + chr(65 + k) * 3 + "xyzabcghijklmnop" for k in range(8)),
        "def f():\n    return 1\n\n\nclass A:\n    pass\n    x = 1\n    y = 2\n",
    ],
)
def test_other_texts_are_no_maps(text: str) -> None:
    assert not text_maps.recognises(text.encode())
    assert "no table of die codes was found" in reason(text_maps.read, text)


def test_a_cut_text_map_is_refused() -> None:
    whole = text_map(**{"Map Row": "5", "Map Column": "5"})
    assert reason(text_maps.read, whole[:-7]) == (
        "a.txt: the map has 4 rows instead of 5; it is cut off. Export it again."
    )


@pytest.mark.parametrize("row", [0, 6, 9])
def test_a_damaged_row_does_not_make_two_wafers(row: int) -> None:
    rows = [".1111111.", *["111121111"] * 8, ".1111111."]
    rows[row] = rows[row].replace("1", ";", 1)
    assert "looks like a damaged row of the map" in reason(text_maps.read, text_map(rows))


def test_binary_files_are_no_text_maps() -> None:
    assert not text_maps.recognises(b"\x00\x01" * 2048)
