"""Feedback of users: one file each in the workspace, and delivery to the people who run the server.

.feedback/<time>.json               what a user sent; written once and never changed
.feedback/<time>.delivery.json      whether it was delivered, and why not

Delivery is optional: ``WAFER_FEEDBACK_WEBHOOK`` is an address that gets each feedback as JSON by
HTTP POST; ``WAFER_FEEDBACK_MAIL`` gets it as a mail through the server ``WAFER_SMTP`` (host or
host:port).
"""

from __future__ import annotations

import json
import logging
import os
import smtplib
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from wafer_core import __version__, files, names
from wafer_core.data.project import Project
from wafer_core.data.summary import summarise
from wafer_core.errors import InputError, WaferError
from wafer_core.json_fields import Fields, check_schema
from wafer_core.messages import Message, message

SCHEMA = 1
FOLDER = ".feedback"  # hidden, because visible folders of a workspace are projects
MAX_TEXT = 10_000  # characters
TIMEOUT = 10.0  # seconds for one delivery
_SUFFIX = ".delivery.json"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Delivery:
    """One attempt to deliver a feedback.

    Attributes:
        channel: ``webhook`` or ``mail``.
        error: Why it failed; ``None``: it was delivered.
    """

    channel: str
    error: Message | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields; the error stays a message, see ``files.json_value``."""
        return {"channel": self.channel, "error": self.error}

    @classmethod
    def from_json(cls, value: object) -> Delivery:
        """Read what ``to_json`` gave.

        Raises:
            DataError: A value is missing or of the wrong type.
        """
        fields = Fields(value)
        return cls(
            fields.text("channel"), fields.as_message("error") if "error" in fields else None
        )


@dataclass(frozen=True)
class Feedback:
    """What a user sent.

    Attributes:
        text: What happened.
        page: Where.
        language: Of the page.
        project: Facts about the open project, from ``project_facts``; empty if not ticked.
        contact: How to reach the user; may be empty.
        id: Name of its file.
        created: ISO time, UTC.
        version: Of this program.
        deliveries: What became of it.
    """

    text: str
    page: str = ""
    language: str = "en"
    project: Mapping[str, Any] = field(default_factory=dict)
    contact: str = ""
    id: str = ""
    created: str = ""
    version: str = __version__
    deliveries: tuple[Delivery, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The fields, for the command line and for delivery."""
        return {**vars(self), "deliveries": [each.to_json() for each in self.deliveries]}

    @classmethod
    def from_json(cls, value: object) -> Feedback:
        """Read a file of feedback.

        Raises:
            DataError: A value is missing or of the wrong type.
        """
        fields = Fields(value)
        check_schema(fields, SCHEMA)
        return cls(
            fields.text("text", most=MAX_TEXT),
            fields.text("page", ""),
            fields.text("language", "en"),
            fields.free("project", {}),
            fields.text("contact", ""),
            fields.text("id", ""),
            fields.text("created", ""),
            fields.text("version", ""),
        )


@dataclass(frozen=True)
class FeedbackList:
    """All feedback of a workspace, the newest first, and files that cannot be read."""

    entries: tuple[Feedback, ...]
    damaged: tuple[Path, ...]


def project_facts(project: Project, with_names: bool = False) -> dict[str, Any]:
    """What a feedback may say about a project: numbers, never pictures.

    Args:
        project: The open project.
        with_names: Whether the user allows the names of the project and its classes.

    Raises:
        WaferError: The project cannot be read.
    """
    summary = summarise(project)
    facts: dict[str, Any] = {
        "classes": len(summary.classes),
        "originals": summary.originals,
        "augmented": summary.augmented,
        "generated": summary.generated,
        "network": summary.current.network if summary.current else None,
        "macro_f1": summary.current.macro_f1 if summary.current else None,
    }
    if with_names:
        facts |= {"name": project.name, "class_names": [c.name for c in project.classes()]}
    return facts


def keep(workspace: Path, feedback: Feedback) -> Feedback:
    """Store a feedback; returns it with its time and name.

    Raises:
        InputError: The text is empty or too long.
        StorageError: The disk is full or not writable.
    """
    text = feedback.text.strip()
    if not text:
        raise InputError("The feedback is empty; write what happened.")
    if len(text) > MAX_TEXT:
        raise InputError(
            "The feedback has {count:,} characters; write at most {most:,}.",
            count=len(text),
            most=MAX_TEXT,
        )
    stored = replace(
        feedback,
        text=text,
        id=names.timestamp_name("feedback"),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
        deliveries=(),
    )
    value = {"schema": SCHEMA, **stored.to_json()}
    del value["deliveries"]
    path = workspace / FOLDER / f"{stored.id}.json"
    files.write_json(path, files.json_value(value), parents=True)
    return stored


def list_feedback(workspace: Path) -> FeedbackList:
    """All feedback of a workspace, the newest first."""
    entries, damaged = [], []
    for path in sorted((workspace / FOLDER).glob("feedback-*.json"), reverse=True):
        if path.name.endswith(_SUFFIX):
            continue
        try:
            entry = files.read_checked(path, Feedback.from_json)
            entries.append(replace(entry, deliveries=_deliveries(path)))
        except WaferError:
            damaged.append(path)
    return FeedbackList(tuple(entries), tuple(damaged))


def _deliveries(path: Path) -> tuple[Delivery, ...]:
    record = path.with_name(path.stem + _SUFFIX)
    if not record.exists():
        return ()
    return files.read_checked(
        record, lambda value: Fields(value).items("deliveries", Delivery.from_json)
    )


# -- delivery ------------------------------------------------------------------------------------


def deliver_in_background(
    workspace: Path, feedback: Feedback, environment: Mapping[str, str] = os.environ
) -> threading.Thread | None:
    """Deliver a stored feedback without waiting; ``None`` where no delivery is configured.

    Args:
        workspace: Where the outcome is recorded.
        feedback: From ``keep``.
        environment: Holds the addresses.
    """
    if not channels(environment):
        return None
    thread = threading.Thread(
        target=deliver, args=(workspace, feedback, environment), name=feedback.id, daemon=True
    )
    thread.start()
    return thread


def deliver(
    workspace: Path, feedback: Feedback, environment: Mapping[str, str] = os.environ
) -> tuple[Delivery, ...]:
    """Deliver a stored feedback and record the outcome; a failure is recorded, not raised."""
    done = tuple(
        Delivery(channel, _attempt(send, feedback))
        for channel, send in channels(environment).items()
    )
    for each in done:
        if each.error is not None:
            logger.warning("%s was not delivered: %s", feedback.id, each.error)
    value = {"deliveries": [each.to_json() for each in done]}
    files.write_json(workspace / FOLDER / f"{feedback.id}{_SUFFIX}", files.json_value(value))
    return done


def channels(environment: Mapping[str, str]) -> dict[str, Callable[[Feedback], None]]:
    """The configured ways of delivery."""
    found: dict[str, Callable[[Feedback], None]] = {}
    webhook = environment.get("WAFER_FEEDBACK_WEBHOOK", "")
    if webhook:
        found["webhook"] = lambda feedback: _post(feedback, webhook)
    recipient, server = (
        environment.get("WAFER_FEEDBACK_MAIL", ""),
        environment.get("WAFER_SMTP", ""),
    )
    if recipient:
        found["mail"] = lambda feedback: _mail(feedback, recipient, server)
    return found


def _attempt(send: Callable[[Feedback], None], feedback: Feedback) -> Message | None:
    """Why a delivery failed; ``None``: it did not."""
    try:
        send(feedback)
    except WaferError as exc:
        return exc.message
    except (OSError, ValueError, smtplib.SMTPException) as exc:  # URLError is an OSError
        reason = getattr(exc, "reason", None) or exc
        return message(
            "It could not be delivered ({reason}); check the address and the network.",
            reason=str(reason)[:300],
        )
    return None


def _post(feedback: Feedback, address: str) -> None:
    """POST a feedback as JSON."""
    if not address.startswith(("http://", "https://")):
        raise InputError(
            "WAFER_FEEDBACK_WEBHOOK must start with http:// or https://; correct the address."
        )
    value = files.json_value({k: v for k, v in feedback.to_json().items() if k != "deliveries"})
    request = urllib.request.Request(
        address,
        json.dumps(value, ensure_ascii=False).encode("utf-8"),
        {"Content-Type": "application/json; charset=utf-8"},
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT):  # an error status raises
        pass


def _mail(feedback: Feedback, recipient: str, server: str) -> None:
    """Send a feedback as a mail."""
    host, _, port = server.partition(":")
    if not host:
        raise InputError("WAFER_SMTP is not set; set it to the mail server, such as mail:25.")
    mail = EmailMessage()
    mail["Subject"] = f"Teachable Wafer feedback: {' '.join(feedback.page.split())[:60]}"
    mail["From"] = f"teachable-wafer@{socket.gethostname()}"
    mail["To"] = recipient
    facts = json.dumps(files.json_value(feedback.project), ensure_ascii=False, indent=1)
    mail.set_content(
        f"{feedback.text}\n\nPage: {feedback.page}\nContact: {feedback.contact}\n"
        f"Version: {feedback.version}\nTime: {feedback.created}\nProject: {facts}\n"
    )
    with smtplib.SMTP(host, int(port or 25), timeout=TIMEOUT) as connection:
        connection.send_message(mail)
