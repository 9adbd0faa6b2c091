"""One job at a time uses a device; the others wait, the oldest first.

The lock itself is the operating system's (``filelock``), which frees it when its holder dies.
Tickets beside it name the jobs that wait, so that the oldest goes first and each knows how many
are ahead. A ticket whose process is dead is ignored and removed by the next reader.
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
from wafer_core.messages import Message, message
from wafer_core.process import ProcessId


@dataclass(frozen=True)
class Place:
    """A job's place in the queue.

    Attributes:
        ahead: The number of jobs ahead, including the running one.
        first: Title of the job that uses the device or is next.
    """

    ahead: int
    first: Message


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
    title: Message,
    created: float,
    on_wait: Callable[[Place], None],
    check: Callable[[], None],
    poll: float = 0.25,
) -> Iterator[None]:
    """Hold a device; wait for it in order of creation.

    Args:
        device: ``cpu``, ``cuda:0``, …
        title: Shown to the jobs that wait behind.
        created: When the job was created, seconds since 1970; decides the order.
        on_wait: Called whenever the place in the queue changes.
        check: Called while waiting; may raise to leave the queue.
        poll: Seconds between two attempts.

    Raises:
        StorageError: The folder of locks cannot be written.
    """
    name = "device-" + re.sub(r"[^\w]+", "-", device)
    tickets = locks_folder() / f"{name}.tickets"
    ticket = tickets / f"{int(created * 1e6):020d}-{uuid.uuid4().hex[:8]}.json"
    with storage_errors(tickets):
        tickets.mkdir(mode=0o700, parents=True, exist_ok=True)
    holder = filelock.FileLock(locks_folder() / f"{name}.lock")
    process = ProcessId.current().to_json()
    write_json(ticket, {"title": title.to_json(), "process": process})
    reported: Place | None = None
    try:
        while True:
            check()
            before = _living_before(ticket)
            if not before and _acquire(holder):
                break
            # No ticket before this one and yet no lock: a younger job took it before this ticket
            # was written.
            place = Place(max(1, len(before)), before[0] if before else message("another job"))
            if place != reported:
                on_wait(place)
                reported = place
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


def _living_before(ticket: Path) -> list[Message]:
    """Titles of the living jobs whose turn comes before ``ticket``'s, next first."""
    titles = []
    for other in sorted(ticket.parent.glob("*.json")):
        if other.name >= ticket.name:
            break
        try:
            value = read_json(other)
        except ProjectError:  # it left the queue between the listing and the reading
            continue
        process = ProcessId.from_json(value.get("process"))
        if process is None or not process.is_local or not process.is_alive():
            other.unlink(missing_ok=True)
        else:
            titles.append(Message.from_json(value.get("title", "")))
    return titles
