"""Reading and writing files safely: atomic writes and folders, checked JSON, file locks.

All files that this package keeps are written here. A write is complete or has no effect, even if
the process is killed, and a reader never sees a partial file.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import shutil
import stat
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import filelock

from wafer_core import process
from wafer_core.errors import DataError, InputError, ProjectError, StorageError
from wafer_core.messages import Message, message

T = TypeVar("T")

TEMPORARY_PREFIX = ".tmp-"
MAX_JSON_BYTES = 64 * 2**20
MAX_JSON_VALUES = 5_000_000  # a report on 100,000 test pictures of 40 classes stays below
_LONGEST_SHOWN = 400  # characters of a path in a message
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")

RESTORE = message("Restore it from a backup.")


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn errors of the operating system into a sentence about a failed write.

    Raises:
        StorageError: Instead of any ``OSError`` raised inside.
        InputError: The path is too long.
    """
    try:
        yield
    except OSError as exc:
        where = _shown(path)
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(
                "Cannot write {path}: the disk is full. Free some space and try again.", path=where
            ) from exc
        if exc.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise StorageError(
                "Cannot write {path}: this account has no write permission. Ask for permission or "
                "use another folder.",
                path=where,
            ) from exc
        if exc.errno == errno.ENAMETOOLONG:
            raise InputError(
                "{path} is too long for the name of a file; choose a shorter one.", path=where
            ) from exc
        if exc.errno == errno.ENOENT:
            raise StorageError(
                "Cannot write {path}: its folder no longer exists; it was deleted or renamed. "
                "Reload the page.",
                path=where,
            ) from exc
        raise StorageError(
            "Cannot write {path}: {reason}. Check the disk and try again.",
            path=where,
            reason=exc.strerror or str(exc),
        ) from exc


def _shown(path: Path) -> str:
    """A path for a message; of one that is too long, its end."""
    text = str(path)
    return text if len(text) <= _LONGEST_SHOWN else f"…{text[-_LONGEST_SHOWN:]}"


def sync_folder(path: Path) -> None:
    """Make renames inside ``path`` survive a power failure (where the system supports it)."""
    if os.name == "nt":  # Windows cannot open a folder for fsync
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def temporary_name() -> str:
    """A new hidden name that says which process uses it, see ``sweep_leftovers``."""
    return f"{TEMPORARY_PREFIX}{process.tag()}-{uuid.uuid4().hex}"


def write_bytes(path: Path, data: bytes, *, sync: bool = True, parents: bool = False) -> None:
    """Write a file atomically: temporary file, fsync, rename.

    Args:
        path: The file; its folder is created if it is missing.
        data: Its content.
        sync: ``False`` skips fsync, for a file that a later manifest makes visible.
        parents: Also create the folders above. Never for a file of a project: a project that was
            deleted meanwhile would come back as an empty one.

    Raises:
        StorageError: The disk is full or not writable.
    """
    temporary = path.with_name(temporary_name())
    with storage_errors(path):
        path.parent.mkdir(parents=parents, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(data)
                if sync:
                    file.flush()
                    os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        if sync:
            sync_folder(path.parent)


def write_json(path: Path, value: Any, *, indent: int | None = 1, parents: bool = False) -> None:
    """Write JSON atomically as UTF-8; Korean stays readable.

    Args:
        path: The file.
        value: JSON values.
        indent: Spaces of each level; ``None``: one line.
        parents: See ``write_bytes``.

    Raises:
        StorageError: The disk is full or not writable.
    """
    text = json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False)
    write_bytes(path, (text + "\n").encode("utf-8"), parents=parents)


def json_value(value: Any) -> Any:
    """Convert a value to what JSON can hold.

    Array scalars become numbers, NaN and infinity ``None``, paths texts, messages their parts.
    """
    if isinstance(value, Message):
        return json_value(value.to_json())
    if isinstance(value, Mapping):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # NumPy and torch scalars and arrays
        return json_value(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


# -- reading JSON --------------------------------------------------------------------------------


def parse_json(data: bytes) -> Any:
    """Parse JSON from an untrusted file: UTF-8, finite numbers, a limited number of values.

    Raises:
        DataError: It is not JSON, or it is too large.
    """
    # Small values take far more memory than text: refuse too many before they are built.
    if data.count(b",") + data.count(b"[") + data.count(b"{") > MAX_JSON_VALUES:
        raise DataError("it holds more than {most:,} values", most=MAX_JSON_VALUES)
    try:
        value = json.loads(
            data.decode("utf-8-sig"), parse_float=_finite, parse_constant=_reject_constant
        )
        if _SURROGATE_ESCAPE.search(data):
            json.dumps(value, ensure_ascii=False).encode("utf-8")  # a lone surrogate fails here
    except UnicodeError as exc:
        raise DataError("its text is not valid UTF-8") from exc
    except RecursionError as exc:
        raise DataError("its values are nested too deeply") from exc
    except ValueError as exc:
        raise DataError("it is not valid JSON: {reason}", reason=str(exc)[:200]) from exc
    return value


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:20]} is too large")
    return number


def _reject_constant(text: str) -> float:
    raise ValueError(f"{text} is not a number")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        ProjectError: It is missing, unreadable or not JSON.
    """
    return read_checked(path, _unchecked)


def _unchecked(value: object) -> object:
    return value


def read_checked(
    path: Path,
    from_json: Callable[[object], T],
    *,
    error: type[InputError] = ProjectError,
    remedy: Message = RESTORE,
    max_bytes: int = MAX_JSON_BYTES,
) -> T:
    """Read a JSON file into checked data.

    Args:
        path: The file.
        from_json: Checks the value and converts it; raises ``DataError`` with the reason.
        error: Type of the error that names the file.
        remedy: A sentence that says how to repair the damage.
        max_bytes: A larger file is refused.

    Raises:
        InputError: Of type ``error``: the file is missing, unreadable or damaged.
    """
    where = _shown(path)
    try:
        return from_json(parse_json(_read_regular(path, max_bytes)))
    except FileNotFoundError as exc:
        raise error(
            "{path} is missing; it was deleted or never completed. {remedy}",
            path=where,
            remedy=remedy,
        ) from exc
    except PermissionError as exc:
        raise error(
            "{path} cannot be read by the account of this program; ask for read permission.",
            path=where,
        ) from exc
    except OSError as exc:
        raise error(
            "{path} cannot be read ({reason}). {remedy}",
            path=where,
            reason=exc.strerror or str(exc),
            remedy=remedy,
        ) from exc
    except DataError as exc:
        raise error(
            "{path} is damaged ({reason}). {remedy}",
            path=where,
            reason=exc.message,
            remedy=remedy,
        ) from exc


def _read_regular(path: Path, max_bytes: int) -> bytes:
    """The content of a file that is no pipe and no device, up to a size that is counted."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise DataError("it is not a regular file")
    if status.st_size <= max_bytes:
        with path.open("rb") as file:
            data = file.read(status.st_size + 1)
            if len(data) > status.st_size:  # it grew
                data += file.read(max_bytes)
        if len(data) <= max_bytes:
            return data
    raise DataError("it is larger than {most:,} bytes", most=max_bytes)


# -- folders -------------------------------------------------------------------------------------


@contextmanager
def new_folder(path: Path, *, parents: bool = False) -> Iterator[Path]:
    """Create a folder that appears complete: fill the yielded one, which is then renamed.

    Args:
        path: The final folder; it must not exist.
        parents: See ``write_bytes``.

    Yields:
        A temporary folder beside it; removed if the block raises.

    Raises:
        StorageError: The disk is full or not writable, or ``path`` exists.
    """
    temporary = path.with_name(temporary_name())
    with storage_errors(path):
        path.parent.mkdir(parents=parents, exist_ok=True)
        temporary.mkdir()
    try:
        with storage_errors(path):
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    with file.open("rb+") as handle:
                        os.fsync(handle.fileno())
            sync_folder(temporary)
            if path.exists():
                raise FileExistsError(errno.EEXIST, "it exists already", str(path))
            temporary.rename(path)
            sync_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def free_folder(parent: Path, base: str, taken: Collection[str] = ()) -> Path:
    """A path in ``parent`` that does not exist: ``base``, with a number if it is taken."""
    path, number = parent / base, 2
    while path.name in taken or path.exists():
        path, number = parent / f"{base}-{number}", number + 1
    return path


def remove_folder(folder: Path) -> None:
    """Delete a folder so that it disappears at once, however long the deletion takes.

    Raises:
        StorageError: It cannot be renamed.
    """
    hidden = folder.with_name(temporary_name())
    with storage_errors(folder):
        if folder.exists():
            folder.rename(hidden)
    shutil.rmtree(hidden, ignore_errors=True)


def sweep_leftovers(root: Path, older_than: float = 86_400.0, *, deep: bool = True) -> int:
    """Remove the temporary files and folders that killed processes left below ``root``.

    Their names say which process they belong to. What a process of another machine or an older
    version made is removed when it is old.

    Args:
        root: A project, or the folder of all projects.
        older_than: Age in seconds.
        deep: Whether to look into all folders, or only directly in ``root``.

    Returns:
        The number of files and folders removed.
    """
    removed = 0
    for folder, folders, names in os.walk(root):
        left = [name for name in (*folders, *names) if name.startswith(TEMPORARY_PREFIX)]
        for name in left:
            path = Path(folder, name)
            if _is_abandoned(path, older_than):
                with contextlib.suppress(OSError):
                    shutil.rmtree(path) if name in folders else path.unlink()
                    removed += 1
        folders[:] = [name for name in folders if name not in left] if deep else []
    return removed


def _is_abandoned(path: Path, older_than: float) -> bool:
    """Whether nobody uses a temporary file any more."""
    alive = process.is_tag_alive(path.name.removeprefix(TEMPORARY_PREFIX).rpartition("-")[0])
    if alive is not None:
        return not alive
    try:
        return path.stat().st_mtime < time.time() - older_than
    except OSError:
        return False


@contextmanager
def lock(path: Path, timeout: float = 30.0) -> Iterator[None]:
    """Hold a file lock; the same thread may acquire it again.

    Args:
        path: The lock file; its folder must exist.
        timeout: Seconds to wait for another process.

    Raises:
        StorageError: Another process holds it for longer.
        ProjectError: The folder does not exist.
    """
    folder = str(path.parent)
    gone = ProjectError(
        "{path} no longer exists; it was deleted. Open another project.", path=folder
    )
    before = _inode(path.parent)
    if before is None:
        raise gone
    holder = filelock.FileLock(path, is_singleton=True)
    with storage_errors(path):
        try:
            holder.acquire(timeout=timeout)
        except filelock.Timeout as exc:
            raise StorageError(
                "Another process has been writing to {path} for more than {seconds:.0f} s; wait "
                "until it has finished and try again.",
                path=folder,
                seconds=timeout,
            ) from exc
    try:
        if _inode(path.parent) != before:  # deleted while this process was waiting
            _remove_ghost(path)
            raise gone
        yield
    finally:
        holder.release()


def _inode(folder: Path) -> int | None:
    """Number of a folder; ``None`` if there is none."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_ino if stat.S_ISDIR(status.st_mode) else None


def _remove_ghost(lock_file: Path) -> None:
    """Remove the folder that a lock file was created in, unless somebody else uses it."""
    with contextlib.suppress(OSError):
        if list(lock_file.parent.iterdir()) == [lock_file]:
            lock_file.unlink()
            lock_file.parent.rmdir()
