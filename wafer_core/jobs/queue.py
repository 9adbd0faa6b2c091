"""One job at a time holds a device; the others wait their turn, oldest first.

The lock itself is the operating system's (``filelock``), which frees it when its holder dies.
Tickets beside it say who waits, so that the oldest job goes first and each can be told how many
are ahead. A ticket whose process is dead counts for nothing and is removed by who sees it.
"""

from __future__ import annotations

import getpass
import os
import re
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import filelock

from wafer_core.errors import ProjectError
from wafer_core.files import read_json, storage_errors, write_json
from wafer_core.jobs.process import ProcessId


@dataclass(frozen=True)
class Waiting:
    """Where a job stands in the line."""

    ahead: int  # jobs that go first, the running one included
    first: str  # title of the one that holds the device or is next


def locks_folder() -> Path:
    """The folder of locks of this user on this machine; ``WAFER_LOCKS`` overrides it."""
    chosen = os.environ.get("WAFER_LOCKS")
    if chosen:
        return Path(chosen)
    try:
        user = re.sub(r"[^\w.-]", "_", getpass.getuser())
    except (KeyError, OSError):  # a container's account without a name
        user = str(os.getuid()) if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir()) / f"wafer-locks-{user}"


@contextmanager
def device_turn(
    device: str,
    *,
    title: str,
    created: float,
    on_wait: Callable[[Waiting], None],
    check: Callable[[], None],
    poll: float = 0.25,
) -> Iterator[None]:
    """Hold a device; wait for it in order of creation.

    Args:
        device: ``cpu``, ``cuda:0``, …
        title: Told to those who wait behind.
        created: When the job was made, seconds since 1970; decides the order.
        on_wait: Called whenever the place in the line changes.
        check: Called while waiting; may raise to leave the line.
        poll: Seconds between two looks.

    Raises:
        StorageError: The folder of locks cannot be written.
    """
    name = "device-" + re.sub(r"[^\w]+", "-", device)
    tickets = locks_folder() / f"{name}.tickets"
    ticket = tickets / f"{int(created * 1e6):020d}-{uuid.uuid4().hex[:8]}.json"
    with storage_errors(tickets):
        tickets.mkdir(mode=0o700, parents=True, exist_ok=True)
    holder = filelock.FileLock(locks_folder() / f"{name}.lock")
    write_json(ticket, {"title": title, "process": ProcessId.current().to_json()})
    told: Waiting | None = None
    try:
        while True:
            check()
            before = _living_before(ticket)
            if not before and _acquire(holder):
                break
            # Nobody before us and yet no lock: a younger job took it before our ticket was there.
            place = Waiting(max(1, len(before)), before[0] if before else "another job")
            if place != told:
                on_wait(place)
                told = place
            time.sleep(poll)
        yield
    finally:
        ticket.unlink(missing_ok=True)
        holder.release()


def _acquire(holder: filelock.BaseFileLock) -> bool:
    try:
        with storage_errors(Path(holder.lock_file)):
            holder.acquire(blocking=False)
    except filelock.Timeout:
        return False
    return True


def _living_before(ticket: Path) -> list[str]:
    """Titles of the living jobs whose turn comes before ``ticket``'s, next first."""
    titles = []
    for other in sorted(ticket.parent.glob("*.json")):
        if other.name >= ticket.name:
            break
        try:
            value = read_json(other)
        except ProjectError:  # it left the line between the listing and the reading
            continue
        process = ProcessId.from_json(value.get("process"))
        if process is None or not process.is_local or not process.is_alive():
            other.unlink(missing_ok=True)
        else:
            titles.append(str(value.get("title", "")))
    return titles
