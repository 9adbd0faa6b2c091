"""A reader of pickles that can execute nothing: LSWMD.pkl and NumPy arrays of objects.

A pickle is a program. This reader interprets the few instructions that build plain values, and
holds stand-ins where a pickle names a class or a function: ``Named`` has no behaviour, and what is
“called” on it is only noted. A name that is not on the list is refused. No module is imported, and
neither ``pickle`` nor any code of the file runs.

Long byte strings are not read but noted by their place in the file, so that all of LSWMD.pkl
(2.1 GB) takes some hundred MB while it is read.

Source: pickletools of Python 3.11 for the instructions; ``ndarray.__reduce__`` and ``__setstate__``
of NumPy for the arrays.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from wafer_core.errors import PictureError
from wafer_core.importers.items import decoding

# Names that may occur, see the modules of NumPy 1 and 2, of pandas 0.14 to 2, and of Python 2.
_NUMPY = ("numpy.core.multiarray", "numpy._core.multiarray")
_NUMERIC = ("numpy.core.numeric", "numpy._core.numeric")
_INDEXES = ("pandas.core.index", "pandas.indexes.base", "pandas.core.indexes.base")
RECONSTRUCT, SCALAR, FROM_BUFFER = "_reconstruct", "scalar", "_frombuffer"
ALLOWED = frozenset(
    [(module, RECONSTRUCT) for module in _NUMPY]
    + [(module, SCALAR) for module in _NUMPY]
    + [(module, FROM_BUFFER) for module in _NUMERIC]
    + [("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")]
    + [("pandas.core.frame", "DataFrame"), ("pandas.core.series", "Series")]
    + [
        (module, name)
        for module in ("pandas.core.internals", "pandas.core.internals.managers")
        for name in ("BlockManager", "SingleBlockManager")
    ]
    + [(module, name) for module in _INDEXES for name in ("Index", "_new_Index", "Int64Index")]
    + [("pandas.core.indexes.numeric", "Int64Index"), ("pandas.indexes.numeric", "Int64Index")]
    + [("pandas.core.indexes.range", "RangeIndex"), ("pandas.indexes.range", "RangeIndex")]
    + [("pandas._libs.internals", "_unpickle_block"), ("pandas.core.internals.blocks", "new_block")]
    + [(module, "slice") for module in ("builtins", "__builtin__")]
    + [(module, "object") for module in ("builtins", "__builtin__")]
    + [(module, "_reconstructor") for module in ("copyreg", "copy_reg")]
)

_LONG = 64  # bytes; longer strings stay in the file
_WINDOW = 1 << 22  # bytes that are read at once
_MAX_STACK = 5_000_000
_MAX_VALUES = 400_000_000
_MAX_SIDE = 1 << 31
_GONE = object()  # in the memo: a value that is no longer kept


@dataclass(frozen=True)
class Named:
    """Stand-in for a class or a function of an allowed name."""

    module: str
    name: str


@dataclass(slots=True)
class Made:
    """Stand-in for what calling a name would give.

    Attributes:
        of: The name.
        arguments: It was called with.
        state: Given to ``__setstate__``.
    """

    of: Named
    arguments: tuple[Any, ...]
    state: Any = None


@dataclass(slots=True)
class Span:
    """A byte string that is still in the file.

    Attributes:
        start: Of its bytes in the file.
        size: In the file.
        is_text: Stored as UTF-8 text of Latin-1 characters (protocol 2 of Python 3).
    """

    start: int
    size: int
    is_text: bool = False


@dataclass(slots=True)
class Array:
    """Stand-in for a NumPy array.

    Attributes:
        shape: Of the array.
        dtype: Of plain values; ``None`` for objects.
        fortran: Whether columns come first.
        content: Bytes, where they are, or a list of objects.
    """

    shape: tuple[int, ...] = ()
    dtype: np.dtype[Any] | None = None
    fortran: bool = False
    content: Any = b""


class _RefusedError(Exception):
    """The pickle holds something that is not read; the text says what."""


def read_pickle(stream: IO[bytes], name: str, keep: bool) -> Any:
    """The value of a pickle, made of plain values and stand-ins.

    Args:
        stream: The file from the beginning of the pickle; it can seek if ``keep`` is false.
        name: For messages.
        keep: Whether long byte strings are kept, because the file cannot be read again at a place.

    Raises:
        PictureError: It names anything that is not allowed, or is damaged.
    """
    with decoding(name):
        try:
            return _Machine(stream, keep).run()
        except _RefusedError as exc:
            raise PictureError(
                "{file}: the pickle contains {what}, which is not opened for security; only plain "
                "arrays and the tables of WM-811K are read. Save it with numpy.savez.",
                file=name,
                what=str(exc)[:120],
            ) from exc


def read_array(array: Array, stream: IO[bytes] | None, name: str) -> npt.NDArray[Any]:
    """The NumPy array of a stand-in; elements of objects stay stand-ins.

    Args:
        array: The stand-in.
        stream: The file, if its long byte strings were not kept.
        name: For messages.

    Raises:
        PictureError: It is damaged.
    """
    with decoding(name):
        order: Any = "F" if array.fortran else "C"
        if array.dtype is None:
            objects = np.empty(len(array.content), object)
            objects[:] = array.content
            return objects.reshape(array.shape, order=order)
        data = as_bytes(array.content, stream)
        flat = np.frombuffer(data, array.dtype, int(np.prod(array.shape, dtype=np.int64)))
        return flat.reshape(array.shape, order=order)


def as_bytes(value: Any, stream: IO[bytes] | None) -> bytes:
    """The bytes of a string that may still be in the file."""
    if isinstance(value, Span):
        if stream is None:
            raise ValueError("no file")
        stream.seek(value.start)
        data = stream.read(value.size)
        if len(data) < value.size:
            raise ValueError("cut off")
        return data.decode("utf-8").encode("latin-1") if value.is_text else data
    if isinstance(value, str):
        return value.encode("latin-1")
    if isinstance(value, bytes):
        return value
    raise ValueError(f"{type(value).__name__} instead of bytes")


class _Machine:
    """Interprets a pickle. Values are kept on a stack, as pickletools describes."""

    def __init__(self, stream: IO[bytes], keep: bool) -> None:
        self._stream, self._keep = stream, keep
        self._window, self._at, self._start = b"", 0, 0
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._last_put = -1
        self._shapes: dict[tuple[Any, ...], tuple[Any, ...]] = {}
        self._dtypes: dict[int, tuple[Any, np.dtype[Any] | None]] = {}  # with what has the id

    # -- reading

    def _need(self, count: int) -> None:
        """Make sure that so many bytes are in the window."""
        missing = self._at + count - len(self._window)
        if missing <= 0:
            return
        self._start += self._at
        rest = self._window[self._at :]
        more = self._stream.read(max(_WINDOW, missing))
        self._window, self._at = rest + more, 0
        if len(self._window) < count:
            raise ValueError("the pickle is cut off")

    def _take(self, count: int) -> bytes:
        if count > 256 * 2**20 or count < 0:
            raise _RefusedError(f"a string of {count:,} bytes")
        self._need(count)
        data = self._window[self._at : self._at + count]
        self._at += count
        return data

    def _skip(self, count: int, is_text: bool) -> Span:
        """Leave a long string in the file."""
        span = Span(self._start + self._at, count, is_text)
        ahead = self._at + count - len(self._window)
        if ahead <= 0:
            self._at += count
        else:
            self._start = span.start + count
            self._stream.seek(self._start)
            self._window, self._at = b"", 0
        return span

    def _line(self, coding: str = "utf-8") -> str:
        while (end := self._window.find(b"\n", self._at)) < 0:
            if len(self._window) - self._at > 65536:
                raise ValueError("a line without an end")
            self._need(len(self._window) - self._at + 1)
        line = self._window[self._at : end]
        self._at = end + 1
        return line.decode(coding)

    def _number(self, form: struct.Struct) -> Any:
        return form.unpack(self._take(form.size))[0]

    def _string(self, count: int) -> bytes | Span:
        return self._take(count) if self._keep or count <= _LONG else self._skip(count, False)

    def _text(self, count: int) -> str | Span:
        if self._keep or count <= 8 * _LONG:
            return self._take(count).decode("utf-8", "surrogatepass")
        return self._skip(count, True)

    # -- running

    def run(self) -> Any:
        actions, stack = self._actions(), self._stack
        for _ in range(_MAX_VALUES):
            if self._at >= len(self._window):
                self._need(1)
            code = self._window[self._at]
            self._at += 1
            if code == 0x2E:  # STOP
                return stack.pop()
            action = actions.get(code)
            if action is None:
                raise _RefusedError(f"the instruction {chr(code)!r}")
            action()
            if len(stack) > _MAX_STACK:
                raise _RefusedError(f"more than {_MAX_STACK:,} values at once")
        raise _RefusedError("too many values")

    def _actions(self) -> dict[int, Callable[[], None]]:
        push, take, number = self._stack.append, self._take, self._number
        b1, u2, i4 = struct.Struct("<B"), struct.Struct("<H"), struct.Struct("<i")
        u4, u8 = struct.Struct("<I"), struct.Struct("<Q")
        f8 = struct.Struct(">d")

        def constant(value: Any) -> Callable[[], None]:
            return lambda: push(value)

        named: dict[str, Callable[[], None]] = {
            "\x80": lambda: self._ignore(take(1)),
            "\x95": lambda: self._ignore(take(8)),
            "(": lambda: self._marks.append(len(self._stack)),
            "0": lambda: self._ignore(self._stack.pop()),
            "1": lambda: self._ignore(self._since_mark()),
            "N": constant(None),
            "\x88": constant(True),
            "\x89": constant(False),
            "I": lambda: push({"00": False, "01": True}.get(text := self._line()) or int(text)),
            "J": lambda: push(number(i4)),
            "K": lambda: push(number(b1)),
            "M": lambda: push(number(u2)),
            "L": lambda: push(int(self._line().rstrip("L")[:40])),
            "\x8a": lambda: push(int.from_bytes(take(number(b1)), "little", signed=True)),
            "F": lambda: push(float(self._line())),
            "G": lambda: push(number(f8)),
            "S": lambda: push(self._line().strip("'\"")),
            "T": lambda: push(self._string(number(u4))),
            "U": lambda: push(self._string(number(b1))),
            "B": lambda: push(self._string(number(u4))),
            "C": lambda: push(self._string(number(b1))),
            "\x8e": lambda: push(self._string(number(u8))),
            "\x96": lambda: push(self._string(number(u8))),
            "V": lambda: push(self._line("raw-unicode-escape")),
            "X": lambda: push(self._text(number(u4))),
            "\x8c": lambda: push(self._text(number(b1))),
            "\x8d": lambda: push(self._text(number(u8))),
            "]": lambda: push([]),
            "l": lambda: push(self._since_mark()),
            "a": self._append,
            "e": self._extend,
            ")": constant(()),
            "t": lambda: push(self._tuple(tuple(self._since_mark()))),
            "\x85": lambda: self._tuple_of(1),
            "\x86": lambda: self._tuple_of(2),
            "\x87": lambda: self._tuple_of(3),
            "}": lambda: push({}),
            "d": lambda: push(_pairs(self._since_mark())),
            "s": self._set_item,
            "u": self._set_items,
            "c": lambda: self._name(self._line(), self._line()),
            "\x93": self._stack_name,
            "R": self._reduce,
            "\x81": self._reduce,  # NEWOBJ: the same for a stand-in
            "b": self._build,
            "p": lambda: self._put(int(self._line())),
            "q": lambda: self._put(number(b1)),
            "r": lambda: self._put(number(u4)),
            "\x94": lambda: self._put(len(self._memo)),
            "g": lambda: self._get(int(self._line())),
            "h": lambda: self._get(number(b1)),
            "j": lambda: self._get(number(u4)),
        }
        return {ord(code): action for code, action in named.items()}

    def _ignore(self, value: Any) -> None:
        """Drop a value, such as the number of the protocol."""

    def _since_mark(self) -> list[Any]:
        begin = self._marks.pop()
        values = self._stack[begin:]
        del self._stack[begin:]
        return values

    def _tuple(self, value: tuple[Any, ...]) -> tuple[Any, ...]:
        """Equal tuples of numbers, such as shapes, are kept once."""
        if len(value) < 4 and all(type(item) is int for item in value):
            if len(self._shapes) < 100_000:
                return self._shapes.setdefault(value, value)
            return self._shapes.get(value, value)
        return value

    def _tuple_of(self, count: int) -> None:
        values = tuple(self._stack[-count:])
        if len(values) < count:
            raise ValueError("the stack is empty")
        del self._stack[-count:]
        self._stack.append(self._tuple(values))

    def _append(self) -> None:
        value = self._stack.pop()
        self._list().append(value)

    def _extend(self) -> None:
        values = self._since_mark()
        self._list().extend(values)

    def _list(self) -> list[Any]:
        if not isinstance(self._stack[-1], list):
            raise ValueError("no list")
        return self._stack[-1]

    def _set_item(self) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._dict().update(_pairs([key, value]))

    def _set_items(self) -> None:
        values = self._since_mark()
        self._dict().update(_pairs(values))

    def _dict(self) -> dict[Any, Any]:
        if not isinstance(self._stack[-1], dict):
            raise ValueError("no dict")
        return self._stack[-1]

    def _put(self, index: int) -> None:
        self._memo[index] = self._stack[-1]
        self._last_put = index

    def _get(self, index: int) -> None:
        value = self._memo[index]
        if value is _GONE:
            raise _RefusedError("a shared part of an array")
        self._stack.append(value)

    def _forget(self, value: Any) -> None:
        """Do not keep what only described an array; nothing refers to it again."""
        if self._memo.get(self._last_put) is value and value:
            self._memo[self._last_put] = _GONE

    def _stack_name(self) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        self._name(module, name)

    def _name(self, module: Any, name: Any) -> None:
        if (module, name) not in ALLOWED:
            raise _RefusedError(f"“{module}.{name}”")
        self._stack.append(Named(module, name))

    def _reduce(self) -> None:
        arguments, of = self._stack.pop(), self._stack.pop()
        if not isinstance(of, Named) or not isinstance(arguments, tuple):
            raise _RefusedError("a call of something that has no name")
        self._forget(arguments)
        self._stack.append(self._made(of, arguments))

    def _made(self, of: Named, arguments: tuple[Any, ...]) -> Any:
        if of.name == RECONSTRUCT or of == Named("numpy", "ndarray"):
            return Array()
        if of.name == "encode":
            text, coding = (_plain(each) for each in arguments)
            if coding != "latin1":
                raise _RefusedError(f"text in {coding!r}")
            return text if isinstance(text, Span) else str(text).encode("latin-1")
        if of.name == "dtype":
            return Made(of, arguments[:1])
        if of.name == SCALAR:
            dtype, data = self._dtype(arguments[0]), arguments[1]
            if dtype is None:
                return data
            return np.frombuffer(as_bytes(data, None), dtype, 1)[0].item()
        if of.name == FROM_BUFFER:
            data, dtype, shape, order = arguments
            return self._array(shape, self._dtype(dtype), order == "F", data)
        return Made(of, arguments)

    def _dtype(self, made: Any) -> np.dtype[Any] | None:
        """The type that a stand-in describes; ``None`` for objects."""
        if id(made) in self._dtypes:
            return self._dtypes[id(made)][1]
        if not isinstance(made, Made) or made.of.name != "dtype":
            raise ValueError("no dtype")
        code = str(_plain(made.arguments[0]))
        order = _plain(made.state[1]) if isinstance(made.state, tuple) else "|"
        if code in ("O", "O4", "O8"):
            found = None
        elif len(code) < 8 and code[:1] in tuple("buifSU") and code[1:].isdigit():
            found = np.dtype(f"{order if order in tuple('<>=') else '|'}{code}")
        else:
            raise _RefusedError(f"values of the type {code!r}")
        self._dtypes[id(made)] = made, found
        return found

    def _build(self) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        if isinstance(target, Array):
            self._forget(state)
            _, shape, dtype, fortran, content = state
            made = self._array(shape, self._dtype(dtype), bool(fortran), content)
            target.shape, target.dtype = made.shape, made.dtype
            target.fortran, target.content = made.fortran, made.content
        elif isinstance(target, Made):
            if id(target) in self._dtypes:
                raise ValueError("a dtype that changes")
            target.state = state
        else:
            raise ValueError("a state of a plain value")

    def _array(self, shape: Any, dtype: np.dtype[Any] | None, fortran: bool, content: Any) -> Array:
        if not isinstance(shape, tuple) or not all(
            type(side) is int and 0 <= side < _MAX_SIDE for side in shape
        ):
            raise ValueError("a false shape")
        count = 1
        for side in shape:
            count *= side
        if dtype is None:
            if not isinstance(content, list) or len(content) != count:
                raise ValueError("objects do not match the shape")
        elif isinstance(content, Span):
            if not content.is_text and content.size != count * dtype.itemsize:
                raise ValueError("bytes do not match the shape")
        else:
            content = as_bytes(content, None)
            if len(content) != count * dtype.itemsize:
                raise ValueError("bytes do not match the shape")
        return Array(shape, dtype, fortran, content)


def _plain(value: Any) -> Any:
    """Strings of Python 2 are bytes."""
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _pairs(values: list[Any]) -> dict[Any, Any]:
    """Keys and values in turn; only plain keys, whose hash is harmless."""
    keys = [_plain(key) for key in values[::2]]
    if len(values) % 2 or not all(isinstance(key, str | int | float) for key in keys):
        raise ValueError("a false key")
    return dict(zip(keys, values[1::2], strict=True))
