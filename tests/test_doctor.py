"""``doctor``: what is broken is named, with what to do; the exit code says whether anything is."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
import tempfile
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wafer_core import cli
from wafer_core.tasks.classification import pretrained
from wafer_core.workflows import doctor


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = cli.main(["doctor", *arguments])
    return code, json.loads(capsys.readouterr().out.splitlines()[-1])


def broken(report: dict[str, Any]) -> dict[str, str]:
    """Sentences of the required checks that failed, by name."""
    return {c["name"]: c["text"] for c in report["checks"] if c["required"] and not c["ok"]}


def test_a_good_installation_is_ok(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home.mkdir()
    code, report = call(capsys, "--device", "cpu")
    assert (code, report["ok"], broken(report)) == (0, True, {})
    texts = {check["name"]: check["text"] for check in report["checks"]}
    assert {"python", "torch", "streamlit", "device", "weights", "workspace", "disk"} <= set(texts)
    assert str(home) in texts["workspace"]
    assert texts["device"].startswith("CPU")
    assert list(home.iterdir()) == []


def test_an_optional_package_breaks_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "OPTIONAL", {"no_such_module": "no-such-package"})
    code, report = call(capsys, "--device", "cpu")
    assert code == 0
    check = report["checks"][-1]
    assert (check["ok"], check["required"]) == (False, False)
    assert "pip install no-such-package" in check["text"]


def test_a_missing_package_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "plotly" else real(name)
    )
    code, report = call(capsys)
    assert (code, report["ok"]) == (1, False)
    assert broken(report) == {"plotly": "plotly is missing; run: pip install plotly"}


def test_an_old_python_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    version = namedtuple("version", "major minor micro")(3, 9, 1)
    monkeypatch.setattr(sys, "version_info", version)
    check = doctor._python()
    assert not check.ok
    assert str(check.text) == "Python 3.9.1 is too old; install Python 3.11 or newer."


def test_a_device_that_is_not_there_or_does_not_compute(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, report = call(capsys, "--device", "abacus")
    assert code == 1
    assert "abacus" in broken(report)["device"]

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no kernel image is available\nmore")

    monkeypatch.setattr(torch, "ones", fail)
    monkeypatch.setattr(doctor, "_weights", doctor._python)
    code, report = call(capsys, "--device", "cpu")
    assert code == 1
    assert broken(report)["device"].startswith(
        "cpu does not compute (no kernel image is available);"
    )


def test_weights_that_predict_nonsense(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Wrong:
        class_names = ("Center", "Near-full")

        def predict_proba(self, pictures: list[Any]) -> Any:
            return np.array([[0.9, 0.1]])

    monkeypatch.setattr(pretrained, "standard_classifier", lambda device: Wrong())
    code, report = call(capsys, "--device", "cpu")
    assert code == 1
    assert "predicts Center" in broken(report)["weights"]


def test_a_workspace_without_permission_or_space(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    usage = namedtuple("usage", "total used free")(1, 1, 2**20)
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    code, report = call(capsys, "--device", "cpu")
    assert code == 1
    assert "Permission denied" in broken(report)["workspace"]
    assert "0.0 GB free" in broken(report)["disk"]
