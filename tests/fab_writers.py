"""Small files of fab formats, written for the tests."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

NO_PLACE = -32768


class Die(NamedTuple):
    """One test of a die, as a PRR gives it."""

    x: int
    y: int
    hard: int
    passed: bool = True
    soft: int = 65535
    head: int = 1
    site: int = 1
    part_id: str = ""
    flags: int = 0  # in addition to pass or fail


class Stdf:
    """Writes STDF V4 record by record.

    Args:
        order: ``<`` or ``>``.
        cpu_type: Of the FAR; 2 is a PC, 1 a Sun.
    """

    def __init__(self, order: str = "<", cpu_type: int | None = None) -> None:
        self.order = order
        self.cpu_type = cpu_type if cpu_type is not None else 2 if order == "<" else 1
        self.records: list[bytes] = []
        self.record(0, 10, "BB", self.cpu_type, 4)

    def record(self, kind: int, sub: int, form: str, *values: Any) -> Stdf:
        """One record; ``s`` in the form is a text with its length before it."""
        body = b""
        for code, value in zip(form, values, strict=True):
            if code == "s":
                raw = value.encode()
                body += bytes([len(raw)]) + raw
            elif code == "c":
                body += value.encode()
            elif code == "r":  # bytes as they are
                body += value
            else:
                body += struct.pack(self.order + code, value)
        self.records.append(struct.pack(self.order + "HBB", len(body), kind, sub) + body)
        return self

    def mir(self, lot: str = "L1", product: str = "P1", node: str = "", tester: str = "T1") -> Stdf:
        fields = (1000, 1_600_000_000, 1, "P", " ", " ", 65535, " ", lot, product, node, tester)
        return self.record(1, 10, "IIBcccHcssssss", *fields, "job", "")

    def sdr(self, handler: str, sites: Sequence[int] = (1, 2)) -> Stdf:
        return self.record(
            1, 80, "BBBrss", 1, 255, len(sites), bytes(sites), "prober type", handler
        )

    def wcr(
        self, flat: str = "D", x_to: str = "R", y_to: str = "U", width: Any = 2.0, height: Any = 4.0
    ) -> Stdf:
        real = "r" if isinstance(width, bytes) else "f"
        form = f"f{real}{real}Bchhcc"
        return self.record(2, 30, form, 200.0, height, width, 3, flat, 0, 0, x_to, y_to)

    def wir(self, wafer: str, head: int = 1) -> Stdf:
        return self.record(2, 10, "BBIs", head, 255, 1_600_000_100, wafer)

    def wrr(self, wafer: str, head: int = 1) -> Stdf:
        return self.record(2, 20, "BBIIIIIIs", head, 255, 1_600_000_200, 0, 0, 0, 0, 0, wafer)

    def die(self, die: Die) -> Stdf:
        flags = die.flags | (0 if die.passed else 8)
        self.record(5, 10, "BB", die.head, die.site)
        values = (die.head, die.site, flags, 1, die.hard, die.soft, die.x, die.y, 0, die.part_id)
        return self.record(5, 20, "BBBHHHhhIs", *values)

    def bin(self, number: int, verdict: str, name: str, soft: bool = False) -> Stdf:
        return self.record(1, 50 if soft else 40, "BBHIcs", 255, 0, number, 0, verdict or " ", name)

    def mrr(self) -> Stdf:
        return self.record(1, 20, "I", 1_600_000_300)

    def data(self) -> bytes:
        return b"".join(self.records)


def stdf(dies: Iterable[Die], order: str = "<", **wcr: Any) -> bytes:
    """A whole STDF file of one wafer W1."""
    file = Stdf(order).mir()
    if wcr:
        file.wcr(**wcr)
    file.wir("W1")
    for die in dies:
        file.die(die)
    return file.wrr("W1").bin(1, "P", "good").bin(7, "F", "open").mrr().data()


def atdf(dies: Iterable[Die], separator: str = "|", wcr: Sequence[str] | None = None) -> bytes:
    """The same as ATDF, with a line that continues the one before."""
    records = [
        ["FAR:A", "4", "2", "U"],
        ["MIR:L1", "P1", "job", "", "T1", "0:16:40 01-JAN-1970", "12:26:40 13-SEP-2020", "me"],
    ]
    if wcr is not None:
        records.append(["WCR:" + wcr[0], *wcr[1:]])
    records.append(["WIR:1", "12:28:20 13-SEP-2020", "", "W1"])
    for die in dies:
        place = ["", ""] if die.x == NO_PLACE else [str(die.x), str(die.y)]
        verdict = "" if die.flags & 16 else "P" if die.passed else "F"
        again = {0: "", 1: "I", 2: "C"}[die.flags & 3]
        soft = "" if die.soft == 65535 else str(die.soft)
        head = [f"PRR:{die.head}", str(die.site), die.part_id, "1", verdict]
        records.append([*head, str(die.hard), soft, *place, again])
    records += [
        ["WRR:1", "12:30:00 13-SEP-2020", "0", "W1"],
        ["HBR:255", "", "1", "0", "P", "good"],
        ["HBR:255", "", "7", "0", "F", "open"],
        ["MRR:12:31:40 13-SEP-2020"],
    ]
    lines = [separator.join(record) for record in records]
    lines[1] = lines[1][:9] + "\r\n " + lines[1][9:]
    return "\r\n".join([*lines, ""]).encode()


DISC = [".222.", "22122", "21112", "22122", ".222."]  # 2 failing, 1 passing


def klarf_12(
    dies: Iterable[tuple[int, int]],
    defects: Iterable[str],
    columns: str = "DEFECTID XREL YREL XINDEX YINDEX XSIZE YSIZE DSIZE CLASSNUMBER",
    **fields: str,
) -> str:
    """A KLARF 1.2 file of one wafer, with other fields."""
    plan = list(dies)
    head = {
        "FileVersion": "1 2",
        "LotID": '"L1"',
        "SampleSize": "1 200",
        "DeviceID": '"P 1"',
        "InspectionStationID": '"KLA" "" "23"',
        "ResultTimestamp": "03-14-21 15:09:26",
        "OrientationMarkLocation": "DOWN",
        "DiePitch": "1.0e+04 5.0e+03",
        "SampleCenterLocation": "0 0",
        "WaferID": '"W1"',
    } | fields
    text = "".join(f"{key} {value};\n" for key, value in head.items())
    text += 'ClassLookup 2\n 0 "none; yet"\n 3 "Particle";\n'
    text += f"SampleTestPlan {len(plan)}\n" + "\n".join(f" {x} {y}" for x, y in plan) + ";\n"
    text += f"DefectRecordSpec {len(columns.split())} {columns} ;\n"
    return text + "DefectList\n" + "\n".join(f" {row}" for row in defects) + ";\nEndOfFile;\n"


def klarf_18(
    wafers: Sequence[tuple[str, Sequence[tuple[int, int]] | None, Sequence[str]]],
    orientation: str = "0",
) -> str:
    """A KLARF 1.8 file: name, dies and defect rows of each wafer."""
    text = 'Record FileRecord "1.8"\n{\n Record LotRecord "L1"\n {\n'
    for wafer, dies, rows in wafers:
        text += f'  Record WaferRecord "{wafer}"\n  {{\n   Field SlotNumber 1 {{3}}\n'
        text += "   List DefectList\n   {\n    Columns 8 { int32 DEFECTID, int32 XREL, int32 YREL, "
        text += (
            "int32 XINDEX, int32 YINDEX, float DSIZE, int32 CLASSNUMBER, ImageList IMAGEINFO }\n"
        )
        text += f"    Data {len(rows)}\n    {{\n"
        text += "".join(f"     {row};\n" for row in rows) + "    }\n   }\n"
        if dies is not None:
            text += '   Record TestRecord "1"\n   {\n    List SampleTestPlanList\n    {\n'
            text += "     Columns 2 { int32 XINDEX, int32 YINDEX }\n"
            text += f"     Data {len(dies)}\n     {{\n"
            text += "".join(f"      {x} {y};\n" for x, y in dies) + "     }\n    }\n   }\n"
        text += "  }\n"
    text += '  Field DeviceID 1 {"P 1"}\n  Field DiePitch 2 {10000000, 5000000}\n'
    text += f"  Field OrientationMarkLocation 1 {{{orientation}}}\n"
    text += '  Field ResultTimestamp 2 {"2021-03-14", "15:09:26"}\n'
    text += "  Field SampleSize 2 {200000000, 0}\n  Field SampleCenterLocation 2 {0, 0}\n"
    text += "  List ClassLookupList\n  {\n   Columns 3 { int32 CLASSNUMBER, string CLASSNAME, "
    text += 'string CLASSCODE }\n   Data 1\n   {\n    3 "Particle" "";\n   }\n  }\n'
    return text + " }\n}\nEndOfFile;\n"


def sinf(rows: Sequence[str] = DISC, **fields: str) -> str:
    """A SINF file; each character of the rows becomes a code of two."""
    head = {
        "DEVICE": "P1",
        "LOT": "L1",
        "WAFER": "W1",
        "FNLOC": "180",
        "ROWCT": str(len(rows)),
        "COLCT": str(len(rows[0])),
        "BCEQU": "01",
        "DUTMS": "mm",
        "XDIES": "2",
        "YDIES": "4",
    } | fields
    codes = {".": "__", "@": "@@", "a": "0A"}
    text = "".join(f"{key}:{value}\n" for key, value in head.items())
    for row in rows:
        text += "RowData:" + " ".join(codes.get(code, f"0{code}") for code in row) + "\n"
    return text


def e142(rows: Sequence[str] = DISC, kind: str = "HexaDecimal", **attributes: str) -> str:
    """A SEMI E142 file; each character of the rows becomes one code."""
    code = {
        "HexaDecimal": lambda c: "FF" if c == "." else f"0{c}",
        "Ascii": lambda c: c,
        "Decimal": lambda c: "255 " if c == "." else f"00{c} ",
        "Integer2": lambda c: "FFFF" if c == "." else f"000{c}",
    }[kind]
    null = code(".").strip()
    more = "".join(f' {key}="{value}"' for key, value in attributes.items())
    bins = "".join(
        f'<BinDefinition BinCode="{code(c).strip()}" BinQuality="{quality}" '
        f'BinDescription="{name}"/>'
        for c, quality, name in (
            ("1", "Pass", "good"),
            ("2", "Fail", "open"),
            ("3", "Reference", "target"),
        )
    )
    lines = "".join(f"<BinCode>{''.join(map(code, row))}</BinCode>\n" for row in rows)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<MapData xmlns="urn:semi-org:xsd.E142-1.V1005.SubstrateMap"><Layouts>\n'
        '<Layout LayoutId="Wafer" TopLevel="true"><Dimension X="1" Y="1"/></Layout>\n'
        f'<Layout LayoutId="Dies"><Dimension X="{len(rows[0])}" Y="{len(rows)}"/>'
        '<StepSize X="2.0" Y="4.0"/><ProductId> P1 </ProductId></Layout></Layouts>\n'
        '<Substrates><Substrate SubstrateType="Wafer" SubstrateId="W1"><LotId>L1</LotId>'
        "</Substrate></Substrates>\n"
        '<SubstrateMaps><SubstrateMap SubstrateType="Wafer" SubstrateId="W1" '
        f'LayoutSpecifier="Wafer/Dies"{more}><Overlay MapName="SortGrade" MapVersion="1">\n'
        f'<BinCodeMap BinType="{kind}" NullBin="{null}"><BinDefinitions>{bins}</BinDefinitions>\n'
        f"{lines}</BinCodeMap></Overlay></SubstrateMap></SubstrateMaps></MapData>\n"
    )


def g85(rows: Sequence[str] = DISC, **attributes: str) -> str:
    """A SEMI G85 file with decimal bins."""
    fields = {
        "ProductId": "P1",
        "LotId": "L1",
        "WaferSize": "200",
        "CreateDate": "20210314150926000",
        "DeviceSizeX": "2000",
        "DeviceSizeY": "4000",
        "Rows": str(len(rows)),
        "Columns": str(len(rows[0])),
        "BinType": "Decimal",
        "NullBin": "255",
        "OriginLocation": "2",
        "Orientation": "0",
    } | attributes
    device = " ".join(f'{key}="{value}"' for key, value in fields.items())
    lines = "".join(
        f"<Row><![CDATA[{' '.join('255' if c == '.' else f'00{c}' for c in row)}]]></Row>\n"
        for row in rows
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<Maps><Map xmlns="http://www.semi.org" '
        'SubstrateType="Wafer" SubstrateId="W1" FormatRevision="SEMI G85 0703">\n'
        f"<Device {device}><ReferenceDevice ReferenceDeviceX='1' ReferenceDeviceY='1'/>\n"
        '<Bin BinCode="001" BinQuality="Pass" BinDescription="good"/>'
        '<Bin BinCode="002" BinQuality="Fail" BinDescription="open"/>\n'
        f'<Data MapName="a" MapVersion="1">\n{lines}</Data></Device></Map></Maps>\n'
    )


def text_map(rows: Sequence[str] = DISC, **header: str) -> str:
    """A text map with a header."""
    fields = {
        "Device Name": "P1",
        "Lot No.": "L1",
        "Wafer ID": "W1",
        "Flat/Notch": "Down",
    } | header
    head = "".join(f"{key:<18}: {value}\n" for key, value in fields.items())
    return head + "\n" + "\n".join(rows) + "\n"
