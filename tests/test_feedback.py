"""Feedback: stored in the workspace, delivered where that is configured, listed for the server."""

from __future__ import annotations

import json
import smtplib
import threading
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from wafer_core import __version__, cli
from wafer_core.data import feedback
from wafer_core.data.feedback import Feedback
from wafer_core.data.project import Project
from wafer_core.errors import InputError

Mail = tuple[str, int, EmailMessage]  # host, port, mail
SENT = Feedback("The chart is empty.\n둘째 줄", page="Train", language="ko", contact="kim@lab")


class Webhook:
    """A local server that records what is posted to it."""

    def __init__(self, status: int) -> None:
        self.received: list[dict[str, Any]] = []
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received.append(json.loads(body))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self) -> Webhook:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The local server is reached directly on every machine."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_feedback_is_stored_with_time_and_version(tmp_path: Path) -> None:
    stored = feedback.keep(tmp_path, SENT)
    assert stored.version == __version__
    assert stored.created.endswith("+00:00")
    assert feedback.list_feedback(tmp_path).entries == (stored,)
    (path,) = (tmp_path / feedback.FOLDER).iterdir()
    assert path.name == f"{stored.id}.json"
    assert json.loads(path.read_text("utf-8"))["text"] == SENT.text


def test_the_newest_is_listed_first_and_damaged_files_are_named(tmp_path: Path) -> None:
    first, second = (feedback.keep(tmp_path, Feedback(text)) for text in ("one", "two"))
    damaged = tmp_path / feedback.FOLDER / "feedback-1.json"
    damaged.write_text("{")
    found = feedback.list_feedback(tmp_path)
    assert found.entries == (second, first)
    assert found.damaged == (damaged,)


@pytest.mark.parametrize(("text", "word"), [("  \n", "empty"), ("x" * 10_001, "10,001")])
def test_feedback_must_say_something(tmp_path: Path, text: str, word: str) -> None:
    with pytest.raises(InputError, match=word):
        feedback.keep(tmp_path, Feedback(text))
    assert list(tmp_path.iterdir()) == []


def test_facts_are_numbers_unless_names_are_allowed(trained: Project) -> None:
    facts = feedback.project_facts(trained)
    assert facts["classes"] == 3
    assert facts["originals"] == 24
    assert facts["network"] == "wafernet"
    assert "Alpha" not in json.dumps(facts)
    assert feedback.project_facts(trained, with_names=True)["class_names"] == [
        "Alpha",
        "Beta",
        "Gamma",
    ]


def test_without_an_address_nothing_is_delivered(tmp_path: Path) -> None:
    assert feedback.deliver_in_background(tmp_path, feedback.keep(tmp_path, SENT), {}) is None


def test_a_webhook_gets_the_feedback_as_json(tmp_path: Path, no_proxy: None) -> None:
    stored = feedback.keep(tmp_path, SENT)
    with Webhook(204) as webhook:
        environment = {"WAFER_FEEDBACK_WEBHOOK": webhook.address}
        thread = feedback.deliver_in_background(tmp_path, stored, environment)
        assert thread is not None
        thread.join(20)
    (received,) = webhook.received
    assert (received["text"], received["page"], received["contact"]) == (
        SENT.text,
        "Train",
        "kim@lab",
    )
    (entry,) = feedback.list_feedback(tmp_path).entries
    assert [(each.channel, each.error) for each in entry.deliveries] == [("webhook", None)]


def test_a_failed_delivery_is_kept_and_reported(
    tmp_path: Path, no_proxy: None, caplog: pytest.LogCaptureFixture
) -> None:
    stored = feedback.keep(tmp_path, SENT)
    with Webhook(500) as webhook:
        (refused,) = feedback.deliver(tmp_path, stored, {"WAFER_FEEDBACK_WEBHOOK": webhook.address})
    assert "Internal Server Error" in str(refused.error)
    assert "was not delivered" in caplog.text
    (entry,) = feedback.list_feedback(tmp_path).entries
    assert entry.text == stored.text
    assert str(entry.deliveries[0].error) == str(refused.error)


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://x", "no address"])
def test_only_web_addresses_are_posted_to(tmp_path: Path, address: str) -> None:
    stored = feedback.keep(tmp_path, SENT)
    (failed,) = feedback.deliver(tmp_path, stored, {"WAFER_FEEDBACK_WEBHOOK": address})
    assert "must start with http" in str(failed.error)


@pytest.fixture
def mails(monkeypatch: pytest.MonkeyPatch) -> list[Mail]:
    """What was handed to a mail server."""
    sent: list[Mail] = []

    class Server:
        def __init__(self, host: str, port: int, timeout: float) -> None:
            self.where = (host, port)

        def __enter__(self) -> Server:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def send_message(self, mail: EmailMessage) -> None:
            sent.append((*self.where, mail))

    monkeypatch.setattr(smtplib, "SMTP", Server)
    return sent


def test_a_mail_has_the_text_and_the_facts(tmp_path: Path, mails: list[Mail]) -> None:
    page = "Train\nBcc: everybody@lab"
    stored = feedback.keep(tmp_path, Feedback("공백 화면", page=page, project={"classes": 3}))
    environment = {"WAFER_FEEDBACK_MAIL": "admin@lab", "WAFER_SMTP": "mail.lab:2525"}
    assert feedback.deliver(tmp_path, stored, environment)[0].error is None
    ((host, port, mail),) = mails
    assert (host, port, mail["To"]) == ("mail.lab", 2525, "admin@lab")
    assert mail["Subject"] == "Teachable Wafer feedback: Train Bcc: everybody@lab"
    assert mail["Bcc"] is None
    assert "공백 화면" in mail.get_content()
    assert '"classes": 3' in mail.get_content()


def test_a_mail_needs_a_server(tmp_path: Path) -> None:
    stored = feedback.keep(tmp_path, SENT)
    (failed,) = feedback.deliver(tmp_path, stored, {"WAFER_FEEDBACK_MAIL": "admin@lab"})
    assert "WAFER_SMTP" in str(failed.error)
    environment = {"WAFER_FEEDBACK_MAIL": "admin@lab", "WAFER_SMTP": "mail:port"}
    (failed,) = feedback.deliver(tmp_path, stored, environment)
    assert "could not be delivered" in str(failed.error)


def test_feedback_on_the_command_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["feedback"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    for text in ("one", "two"):
        stored = feedback.keep(home, Feedback(text, page="Home"))
    feedback.deliver(home, stored, {"WAFER_FEEDBACK_WEBHOOK": "nowhere"})
    (home / feedback.FOLDER / "feedback-1.json").write_text("[]")
    assert cli.main(["feedback", "--limit", "1"]) == 0
    shown = capsys.readouterr()
    (entry,) = json.loads(shown.out)
    assert (entry["text"], entry["page"], entry["id"]) == ("two", "Home", stored.id)
    assert entry["deliveries"][0]["error"].startswith("WAFER_FEEDBACK_WEBHOOK must start")
    assert "feedback-1.json is damaged" in shown.err
