"""Wafers that the shipped weights were taught with are told, and none else."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from wafer_core.errors import ModelError
from wafer_core.networks import checkpoint, registry
from wafer_core.networks.training_fingerprints import (
    Fingerprints,
    fingerprints,
    seen_file,
    were_seen,
)
from wafer_core.simulator import simulate_many
from wafer_core.workflows.train import _taught_before

WAFERS = simulate_many("Scratch", 6, 3)


@pytest.fixture
def taught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weights that were taught with the first two wafers."""
    folder = tmp_path / "weights"
    shutil.copytree(registry.WEIGHTS, folder)
    checkpoint.save(folder, Fingerprints(fingerprints(WAFERS[:2])), {}, seen_file("wafernet"))
    monkeypatch.setattr(registry, "WEIGHTS", folder)
    return folder


def test_turned_and_mirrored_wafers_have_the_same_fingerprint() -> None:
    wafer = WAFERS[0]
    forms = [np.rot90(side, k).copy() for side in (wafer, wafer[:, ::-1]) for k in range(4)]
    assert len(set(fingerprints(forms).tolist())) == 1
    assert len(set(fingerprints(WAFERS).tolist())) == len(WAFERS)
    assert fingerprints([]).shape == (0,)


def test_what_taught_the_weights_is_known_in_any_form(taught: Path) -> None:
    asked = [WAFERS[0], WAFERS[1][::-1].copy(), *WAFERS[2:]]
    assert were_seen("wafernet", asked).tolist() == [True, True, False, False, False, False]
    assert not were_seen("wafer_cnn", asked).any()  # starts from nothing
    assert were_seen("wafernet", []).shape == (0,)


def test_simulated_wafers_are_not_among_those_that_ship() -> None:
    assert not were_seen("wafernet", WAFERS).any()


def test_a_list_that_is_none_is_told(taught: Path) -> None:
    checkpoint.save(taught, torch.nn.Linear(1, 1), {}, seen_file("wafernet"))
    with pytest.raises(ModelError, match="holds no fingerprints; install"):
        were_seen("wafernet", WAFERS)


def test_figures_on_wafers_that_taught_are_told_to_be_too_good(taught: Path) -> None:
    labels = np.array([0, 0, 0, 0, 1, 1])
    sure = np.array([[0.9, 0.1]] * 3 + [[0.1, 0.9]] * 3)  # the fourth is wrong
    many = [*WAFERS[:2], *WAFERS[2:] * 5]
    value, note = _taught_before(
        "wafernet", many, np.append([0, 0], [*labels[2:]] * 5),
        np.concatenate([sure[:2], *[sure[2:]] * 5]), ["A", "B"],
    )  # fmt: skip
    # of the others: A is found once of two, B twice and once wrongly
    f1 = (2 / 3 + 4 / 5) / 2
    assert value == {"pictures": 2, "macro_f1_of_others": pytest.approx(f1)}
    assert note is not None
    assert "2 of the 22 test wafers" in note
    assert f"other 20 is {f1:.3f}" in note
    value, note = _taught_before("wafernet", WAFERS, labels, sure, ["A", "B"])
    assert value == {"pictures": 2, "macro_f1_of_others": None}
    assert "other 4 are too few" in str(note)
    value, note = _taught_before("wafernet", WAFERS[:2], labels[:2], sure[:2], ["A", "B"])
    assert value == {"pictures": 2, "macro_f1_of_others": None}
    assert note is not None
    assert "none is left" in note
    value, note = _taught_before("wafernet", WAFERS[2:], labels[2:], sure[2:], ["A", "B"])
    assert (value["pictures"], note) == (0, None)
