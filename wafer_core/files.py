"""Files that are whole or not there: atomic writes, atomic folders, locks.

Everything this package leaves on a disk goes through here, so that a process may be killed at any
moment and a reader never sees half a file.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock

from wafer_core.errors import ProjectError, StorageError

TEMPORARY_PREFIX = ".tmp-"


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's word on a failed write into a sentence for a person.

    Raises:
        StorageError: instead of any ``OSError`` raised inside.
    """
    try:
        yield
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            reason = "the disk is full; free some space and try again"
        elif exc.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            reason = "this account may not write there; ask for the right or use another folder"
        else:
            reason = f"{exc.strerror or exc}; check the disk and try again"
        raise StorageError(f"Could not write {path}: {reason}.") from exc


def sync_folder(path: Path) -> None:
    """Make renames inside ``path`` survive a power cut (where the system can)."""
    if os.name == "nt":  # Windows cannot open a folder for fsync
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Write a file at once: temporary file, fsync, rename.

    Args:
        path: Where; missing parent folders are made.
        data: What.
        sync: ``False`` skips fsync for one file of a batch that its manifest makes visible later.

    Raises:
        StorageError: The disk is full or refuses.
    """
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
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


def write_json(path: Path, value: Any, *, indent: int | None = 1) -> None:
    """Write JSON at once; Korean stays readable.

    Raises:
        StorageError: The disk is full or refuses.
    """
    text = json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False)
    write_bytes(path, (text + "\n").encode("utf-8"))


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        ProjectError: It is missing or is not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError as exc:
        raise ProjectError(
            f"{path} is missing; it was deleted or never finished. Reload, or restore a backup."
        ) from exc
    except (ValueError, OSError, RecursionError) as exc:
        raise ProjectError(f"{path} is damaged ({exc}); restore it from a backup.") from exc


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Make a folder that appears whole: fill the yielded temporary one, it is then renamed.

    Args:
        path: The final folder; it must not exist yet.

    Yields:
        A temporary folder beside it; removed if the block raises.

    Raises:
        StorageError: The disk is full or refuses, or ``path`` exists.
    """
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}")
    with storage_errors(path):
        temporary.mkdir(parents=True)
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


def sweep_leftovers(root: Path, older_than: float = 86_400.0) -> int:
    """Remove what killed processes left half done below ``root``; nobody sees it, it only fills.

    Args:
        root: A project.
        older_than: Seconds since it was touched; a living process may still fill a younger one.

    Returns:
        How many files and folders went.
    """
    removed = 0
    limit = time.time() - older_than
    for path in list(root.rglob(f"{TEMPORARY_PREFIX}*")):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < limit:
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()
                removed += 1
    return removed


@contextmanager
def lock(path: Path, timeout: float = 30.0) -> Iterator[None]:
    """Hold a file lock; the same thread may take it again.

    Args:
        path: The lock file; its folder must exist.
        timeout: Seconds to wait for another writer.

    Raises:
        StorageError: Another process holds it for longer.
        ProjectError: The folder is gone (deleted in another tab).
    """
    if not path.parent.is_dir():
        raise ProjectError(f"{path.parent} no longer exists; it was deleted. Open another project.")
    holder = filelock.FileLock(path, timeout=timeout, is_singleton=True)
    with storage_errors(path):
        try:
            holder.acquire()
        except filelock.Timeout as exc:
            raise StorageError(
                f"{path.parent} is being written by another process for over {timeout:.0f} s; "
                "wait until it is done and try again."
            ) from exc
    try:
        yield
    finally:
        holder.release()
