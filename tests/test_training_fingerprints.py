"""Test wafers that were used in pretraining are recognised, and no others."""

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
    fingerprints_file,
    seen_in_pretraining,
)
from wafer_core.simulator import simulate_many
from wafer_core.workflows.train_report import contamination

WAFERS = simulate_many("Scratch", 6, 3)


@pytest.fixture
def pretrained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weights that were pretrained on the first two wafers."""
    folder = tmp_path / "weights"
    shutil.copytree(registry.WEIGHTS, folder)
    checkpoint.save(
        folder, Fingerprints(fingerprints(WAFERS[:2])), {}, fingerprints_file("wafernet")
    )
    monkeypatch.setattr(registry, "WEIGHTS", folder)
    return folder


def test_fingerprints_are_invariant_under_rotation_and_reflection() -> None:
    wafer = WAFERS[0]
    forms = [np.rot90(side, k).copy() for side in (wafer, wafer[:, ::-1]) for k in range(4)]
    assert len(set(fingerprints(forms).tolist())) == 1
    assert len(set(fingerprints(WAFERS).tolist())) == len(WAFERS)
    assert fingerprints([]).shape == (0,)


def test_pretraining_wafers_are_recognised_in_any_orientation(pretrained: Path) -> None:
    pictures = [WAFERS[0], WAFERS[1][::-1].copy(), *WAFERS[2:]]
    assert seen_in_pretraining("wafernet", pictures).tolist() == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]
    assert not seen_in_pretraining("wafer_cnn", pictures).any()  # starts from scratch
    assert seen_in_pretraining("wafernet", []).shape == (0,)


def test_simulated_wafers_are_not_pretraining_wafers() -> None:
    assert not seen_in_pretraining("wafernet", WAFERS).any()


def test_a_damaged_list_is_refused(pretrained: Path) -> None:
    checkpoint.save(pretrained, torch.nn.Linear(1, 1), {}, fingerprints_file("wafernet"))
    with pytest.raises(ModelError, match="holds no fingerprints; install"):
        seen_in_pretraining("wafernet", WAFERS)


def test_scores_on_pretraining_wafers_are_reported_as_optimistic(pretrained: Path) -> None:
    labels = np.array([0, 0, 0, 0, 1, 1])
    rows = np.array([[0.9, 0.1]] * 3 + [[0.1, 0.9]] * 3)  # the fourth is wrong
    many = [*WAFERS[:2], *WAFERS[2:] * 5]
    value, note = contamination(
        "wafernet", many, np.append([0, 0], [*labels[2:]] * 5),
        np.concatenate([rows[:2], *[rows[2:]] * 5]), ["A", "B"],
    )  # fmt: skip
    # Of the others: A is found once of two, B twice and once wrongly.
    f1 = (2 / 3 + 4 / 5) / 2
    assert value == {"pictures": 2, "macro_f1_of_others": pytest.approx(f1)}
    assert "2 of 22 test wafers" in str(note)
    assert f"other 20 is {f1:.3f}" in str(note)
    value, note = contamination("wafernet", WAFERS, labels, rows, ["A", "B"])
    assert value == {"pictures": 2, "macro_f1_of_others": None}
    assert "only 4 were unseen, too few" in str(note)
    value, note = contamination("wafernet", WAFERS[:2], labels[:2], rows[:2], ["A", "B"])
    assert value == {"pictures": 2, "macro_f1_of_others": None}
    assert "none was unseen" in str(note)
    value, note = contamination("wafernet", WAFERS[2:], labels[2:], rows[2:], ["A", "B"])
    assert (value["pictures"], note) == (0, None)
