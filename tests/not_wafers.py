"""A hundred kinds of pictures that are no wafers, as a camera, screen or program gives them."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

Array = npt.NDArray[np.uint8]
Draw = Callable[[np.random.Generator], Array]


def png(pixels: Array) -> bytes:
    """As a PNG file."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def pictures(seed: int = 0) -> dict[str, bytes]:
    """PNG files by name: one of each kind."""
    rng = np.random.default_rng(seed)
    return {name: png(draw(rng)) for name, draw in _kinds().items()}


def _grid(height: int, width: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    y, x = np.mgrid[:height, :width]
    return y / height * 2 - 1, x / width * 2 - 1


def _bytes(values: npt.NDArray[np.float64]) -> Array:
    return (np.clip(values, 0, 1) * 255).astype(np.uint8)


def _jet(values: npt.NDArray[np.float64]) -> Array:
    """Blue over green to red (H, W, 3)."""
    return _bytes(np.stack([1.5 - abs(4 * values - k) for k in (3, 2, 1)], -1))


def _smooth(rng: np.random.Generator, size: int, cells: int) -> npt.NDArray[np.float64]:
    """Random landscape in [0, 1]."""
    image = Image.fromarray(rng.random((cells, cells)).astype(np.float32))
    return np.clip(
        np.asarray(image.resize((size, size), Image.Resampling.BICUBIC), np.float64), 0, 1
    )


def _text(rng: np.random.Generator, ink: object, paper: object, mode: str, lines: int) -> Array:
    image = Image.new(mode, (260, 20 + 14 * lines), paper)  # type: ignore[arg-type]
    draw = ImageDraw.Draw(image)
    letters = list("abcdefghij klmnop qrstu vwxyz ABC 0123456789")
    for line in range(lines):
        draw.text((10, 10 + 14 * line), "".join(rng.choice(letters, 38)), fill=ink)  # type: ignore[arg-type]
    return np.asarray(image)


def _checkers(cell: int, size: int, first: int, second: int) -> Array:
    y, x = np.mgrid[:size, :size] // cell
    return np.where((y + x) % 2 == 0, first, second).astype(np.uint8)


def _shapes(rng: np.random.Generator, mode: str, kind: str, count: int) -> Array:
    image = Image.new(mode, (160, 160), 255 if mode == "L" else (240, 240, 255))
    draw = ImageDraw.Draw(image)
    for _ in range(count):
        x, y, w, h = rng.integers(0, 120), rng.integers(0, 120), *rng.integers(8, 60, 2)
        fill = int(rng.integers(0, 200)) if mode == "L" else tuple(rng.integers(0, 255, 3).tolist())
        box = [int(x), int(y), int(x + w), int(y + h)]
        if kind == "line":
            draw.line(box, fill=fill, width=3)
        else:
            getattr(draw, kind)(box, fill=fill)
    return np.asarray(image)


def _face(colour: bool) -> Array:
    image = Image.new("RGB" if colour else "L", (120, 120), (90, 120, 200) if colour else 255)
    draw = ImageDraw.Draw(image)
    draw.ellipse([20, 10, 100, 110], fill=(240, 200, 170) if colour else 200)
    for x in (42, 70):
        draw.ellipse([x, 40, x + 10, 50], fill=(0, 0, 0) if colour else 0)
    draw.arc([40, 60, 80, 90], 20, 160, fill=(200, 0, 0) if colour else 60, width=4)
    return np.asarray(image)


def _screen(rng: np.random.Generator, dark: bool) -> Array:
    back, panel, ink = (
        ((30,) * 3, (60,) * 3, (220,) * 3) if dark else ((240,) * 3, (255,) * 3, (20,) * 3)
    )
    image = Image.new("RGB", (320, 200), back)
    draw = ImageDraw.Draw(image)
    draw.rectangle([0, 0, 320, 18], fill=(0, 90, 180))
    draw.rectangle([10, 30, 90, 190], fill=panel)
    draw.rectangle([100, 30, 310, 190], fill=panel)
    for row in range(9):
        draw.text((14, 34 + 16 * row), f"item {rng.integers(99)}", fill=ink)
        draw.rectangle(
            [110, 38 + 16 * row, 110 + int(rng.integers(20, 180)), 46 + 16 * row], fill=(0, 160, 90)
        )
    return np.asarray(image)


def _chart(rng: np.random.Generator, kind: str) -> Array:
    image = Image.new("RGB", (240, 180), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    draw.line([20, 10, 20, 160, 230, 160], fill=(0, 0, 0))
    values = rng.integers(10, 140, 12)
    points = [(25 + 17 * k, 160 - int(v)) for k, v in enumerate(values)]
    if kind == "bar":
        for x, y in points:
            draw.rectangle([x, y, x + 10, 160], fill=(0, 114, 178))
    elif kind == "line":
        draw.line(points, fill=(213, 94, 0), width=2)
    elif kind == "scatter":
        for x, y in points:
            draw.ellipse([x - 3, y - 3, x + 3, y + 3], fill=(0, 158, 115))
    else:
        draw.rectangle([0, 0, 240, 180], fill=(255, 255, 255))
        edges = [0, *np.sort(rng.integers(10, 350, 4)).tolist(), 360]
        for k, colour in enumerate(["red", "green", "blue", "orange", "purple"]):
            draw.pieslice([40, 10, 200, 170], edges[k], edges[k + 1], fill=colour)
    return np.asarray(image)


def _bars(rng: np.random.Generator) -> Array:
    return (
        np.repeat(np.where(rng.random((1, 95)) < 0.5, 0, 255), 80, 0).repeat(2, 1).astype(np.uint8)
    )


def _code(rng: np.random.Generator) -> Array:
    return np.kron(np.where(rng.random((25, 25)) < 0.5, 0, 255), np.ones((6, 6))).astype(np.uint8)


def _labels(
    rng: np.random.Generator, height: int, width: int, values: list[int], shares: list[float]
) -> Array:
    """A random array of few values: what a mask or a class map looks like."""
    return rng.choice(np.array(values, np.uint8), (height, width), p=shares)


def _kinds() -> dict[str, Draw]:
    kinds: dict[str, Draw] = {}
    for lines in (4, 10, 18, 30):
        kinds[f"text {lines} lines"] = lambda rng, n=lines: _text(rng, 0, 255, "L", n)
    kinds["text white on black"] = lambda rng: _text(rng, 255, 0, "L", 12)
    kinds["text in colour"] = lambda rng: _text(rng, (0, 0, 160), (255, 250, 220), "RGB", 12)
    kinds["text binary"] = lambda rng: np.where(_text(rng, 0, 255, "L", 12) > 127, 255, 0).astype(
        np.uint8
    )
    kinds["text of three values"] = lambda rng: np.where(
        _text(rng, 0, 255, "L", 12) > 127, 127, 255
    ).astype(np.uint8)
    for size in (16, 28, 64, 200):
        kinds[f"grey noise {size}"] = lambda rng, n=size: rng.integers(0, 256, (n, n), np.uint8)
    kinds["colour noise"] = lambda rng: rng.integers(0, 256, (80, 80, 3), np.uint8)
    kinds["normal noise"] = lambda rng: _bytes(rng.normal(0.5, 0.1, (96, 96)))
    kinds["salt and pepper"] = lambda rng: _labels(rng, 90, 90, [0, 128, 255], [0.1, 0.8, 0.1])
    for share in (0.02, 0.1, 0.5):
        kinds[f"binary noise {share}"] = lambda rng, p=share: _labels(
            rng, 60, 60, [0, 255], [1 - p, p]
        )
        kinds[f"two die values {share}"] = lambda rng, p=share: _labels(
            rng, 60, 60, [127, 255], [1 - p, p]
        )
        kinds[f"sparse dies {share}"] = lambda rng, p=share: _labels(
            rng, 60, 60, [0, 127], [1 - p, p]
        )
        kinds[f"three die values {share}"] = lambda rng, p=share: _labels(
            rng, 48, 64, [0, 127, 255], [1 - p, p / 2, p / 2]
        )
    for angle in range(0, 180, 45):
        a = np.deg2rad(angle)
        kinds[f"gradient {angle}"] = lambda _, a=a: _bytes(
            sum(np.multiply((np.sin(a), np.cos(a)), 0.35)[k] * _grid(128, 128)[k] for k in (0, 1))
            + 0.5
        )
    kinds["radial gradient"] = lambda _: _bytes(np.hypot(*_grid(100, 100)) / 1.5)
    kinds["colour gradient"] = lambda _: _jet((_grid(100, 140)[1] + 1) / 2)
    kinds["sine grating"] = lambda _: _bytes(0.5 + 0.5 * np.sin(20 * _grid(100, 100)[1]))
    kinds["rings"] = lambda _: _bytes(0.5 + 0.5 * np.sin(25 * np.hypot(*_grid(120, 120))))
    kinds["moire"] = lambda _: _bytes(
        0.5 + 0.5 * np.sin(900 * (_grid(90, 90)[0] ** 2 + _grid(90, 90)[1] ** 2))
    )
    for cell, size in ((1, 8), (1, 40), (8, 64), (16, 160)):
        kinds[f"chessboard {cell} {size}"] = lambda _, c=cell, n=size: _checkers(c, n, 0, 255)
        kinds[f"chessboard of dies {cell} {size}"] = lambda _, c=cell, n=size: _checkers(
            c, n, 127, 255
        )
        kinds[f"chessboard with gaps {cell} {size}"] = lambda _, c=cell, n=size: _checkers(
            c, n, 0, 127
        )
    for value in (0, 1, 127, 128, 255):
        kinds[f"constant {value}"] = lambda _, v=value: np.full((64, 64), v, np.uint8)
    kinds["constant red"] = lambda _: np.full((64, 64, 3), (220, 30, 30), np.uint8)
    kinds["one pixel"] = lambda _: np.where(np.arange(900).reshape(30, 30) == 435, 255, 0).astype(
        np.uint8
    )
    kinds["one die"] = lambda _: np.where(np.arange(900).reshape(30, 30) == 435, 127, 0).astype(
        np.uint8
    )
    kinds["frame"] = lambda _: np.pad(np.zeros((40, 40), np.uint8), 4, constant_values=127)
    kinds["stripes of dies"] = lambda _: np.where(
        np.arange(50)[:, None] % 4 < 2, 127, np.zeros((50, 50))
    ).astype(np.uint8)
    kinds["triangle of dies"] = lambda _: np.where(np.tri(50) > 0, 127, 0).astype(np.uint8)
    kinds["half a wafer"] = lambda _: np.where(
        (np.hypot(*_grid(50, 50)) < 1) & (_grid(50, 50)[0] < 0), 127, 0
    ).astype(np.uint8)[:, :26]
    kinds["annulus of dies"] = lambda _: np.where(
        abs(np.hypot(*_grid(60, 60)) - 0.75) < 0.24, 127, 0
    ).astype(np.uint8)
    kinds["two discs of dies"] = lambda _: np.tile(
        np.where(np.hypot(*_grid(24, 24)) < 1, 127, 0).astype(np.uint8), (1, 2)
    )
    kinds["cross of dies"] = lambda _: np.where(
        np.minimum(*map(abs, _grid(40, 40))) < 0.3, 127, 0
    ).astype(np.uint8)
    kinds["ribbon of dies"] = lambda _: np.full((5, 200), 127, np.uint8)
    kinds["long table of dies"] = lambda rng: _labels(rng, 200, 12, [127, 255], [0.9, 0.1])
    kinds["square table of dies"] = lambda rng: _labels(rng, 40, 40, [127, 255], [0.9, 0.1])
    for shape in ("rectangle", "ellipse", "line"):
        for count in (3, 12):
            kinds[f"{count} {shape} grey"] = lambda rng, s=shape, n=count: _shapes(rng, "L", s, n)
            kinds[f"{count} {shape} colour"] = lambda rng, s=shape, n=count: _shapes(
                rng, "RGB", s, n
            )
    kinds["face grey"] = lambda _: _face(False)
    kinds["face colour"] = lambda _: _face(True)
    kinds["screen light"] = lambda rng: _screen(rng, False)
    kinds["screen dark"] = lambda rng: _screen(rng, True)
    for chart in ("bar", "line", "scatter", "pie"):
        kinds[f"{chart} chart"] = lambda rng, c=chart: _chart(rng, c)
    for cells in (3, 6, 12, 25):
        kinds[f"landscape {cells}"] = lambda rng, c=cells: _bytes(_smooth(rng, 120, c))
        kinds[f"jet {cells}"] = lambda rng, c=cells: _jet(_smooth(rng, 120, c))
    kinds["jet in a disc"] = lambda rng: np.where(
        (np.hypot(*_grid(120, 120)) < 0.95)[..., None], _jet(_smooth(rng, 120, 5)), 255
    ).astype(np.uint8)
    kinds["grey in a disc"] = lambda rng: np.where(
        np.hypot(*_grid(120, 120)) < 0.95, _bytes(0.3 + 0.5 * _smooth(rng, 120, 8)), 0
    ).astype(np.uint8)
    kinds["posterised"] = lambda rng: (np.round(_smooth(rng, 120, 5) * 2) * 127).astype(np.uint8)
    kinds["barcode"] = _bars
    kinds["matrix code"] = _code
    kinds["photograph"] = lambda rng: _bytes(
        np.stack(
            [_smooth(rng, 150, 9) * 0.7 + rng.normal(0.1, 0.03, (150, 150)) for _ in range(3)], -1
        )
    )
    kinds["brick wall"] = lambda _: np.kron(
        np.where(
            (np.arange(16)[:, None] % 4 == 0)
            | ((np.arange(40)[None] + 4 * (np.arange(16)[:, None] // 4 % 2)) % 8 == 0),
            200,
            90,
        ),
        np.ones((6, 3)),
    ).astype(np.uint8)
    kinds["dots"] = lambda _: np.where(
        np.hypot(*(np.mgrid[:120, :120] % 12 - 5.5)) < 4, 30, 220
    ).astype(np.uint8)
    return kinds
