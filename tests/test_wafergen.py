"""Pretraining of the masked diffusion network."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from wafer_core.errors import InputError, ModelError, ParameterError
from wafer_core.networks import checkpoint
from wafer_core.pretraining import dies
from wafer_core.pretraining import wafergen as pretrain
from wafer_core.pretraining import wafers as pretrain_wafers
from wafer_core.simulator import simulate_many
from wafer_core.tasks.generation.diffusion import network
from wafer_core.tasks.generation.diffusion.network import FAILED, PASSED, MaskedDiffusion
from wafer_core.tasks.generation.diffusion.sampling import to_cells

CPU = torch.device("cpu")


def test_batches_hide_only_dies_and_rotate_canvas_and_cells_together() -> None:
    pictures = simulate_many("Loc", 6, 0) + simulate_many("Scratch", 6, 1)
    wafers = dies.die_set(pictures, np.repeat([0, 1], 6), np.arange(12))
    batches = dies.Batches(wafers, 16, 0)
    for _ in range(4):
        batch = batches.draw()
        assert not batch.masked[batch.canvas == 0].any()
        for row in range(len(batch.canvas)):
            H, W = (int(n) for n in batch.sizes[row])
            assert batch.canvas[row, H:].sum() == batch.canvas[row, :, W:].sum() == 0
            states = batch.canvas[row, :H, :W].numpy()
            again = np.where(states == 0, 0, np.where(states == FAILED, 255, 127)).astype(np.uint8)
            torch.testing.assert_close(to_cells([again])[0], batch.cells[row], atol=3e-3, rtol=0)


def test_large_wafers_are_thinned_at_the_same_density() -> None:
    rng = np.random.default_rng(0)
    large = np.where(rng.random((300, 280)) < 0.2, 255, 127).astype(np.uint8)
    small = dies.states(large)
    assert small.shape == (100, 94) or small.shape == (100, 93)
    assert (small == FAILED).mean() == pytest.approx(0.2, abs=0.02)
    assert set(np.unique(small)) == {PASSED, FAILED}


def test_the_same_lots_are_left_out_as_for_wafernet() -> None:
    group = np.repeat(np.arange(20), 3)
    prepared = pretrain_wafers.labelled(
        torch.zeros(60, 3, 2, 2, dtype=torch.uint8),
        torch.arange(60) % 9,
        torch.from_numpy(group),
    )
    training, _ = pretrain_wafers.split(prepared, 0.5, 3)
    out = dies.lots_left_out(group, 0.5, 3)
    assert sorted(set(group[~out])) == sorted(set(training.group.tolist()))
    assert len(set(group[out])) == 10


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network pretrained for a few steps on simulated wafers."""
    output = tmp_path_factory.mktemp("weights") / "small.safetensors"
    config = pretrain.PretrainConfig(steps=3, batch_size=4, simulated=12)
    (*_, last) = pretrain.pretrain(config, CPU, output)
    assert last.step == 3
    assert np.isfinite([last.loss, last.score]).all()
    return output


def test_pretraining_stores_weights_that_can_be_loaded(pretrained: Path) -> None:
    net = network.load(CPU, pretrained.parent, "small")
    description = json.loads(pretrained.with_suffix(".json").read_text())
    assert description["config"]["step"] == 3
    assert description["config"]["real_wafers"] == 0
    assert not any(parameter.requires_grad for parameter in net.parameters())
    assert not list(pretrained.parent.glob("*partial*"))


def test_changed_weights_are_refused(pretrained: Path, tmp_path: Path) -> None:
    weights = MaskedDiffusion()
    checkpoint.save(tmp_path, weights, {"network": "wafergen"}, "other")
    (tmp_path / "other.safetensors").write_bytes(pretrained.read_bytes())
    with pytest.raises(ModelError, match="checksum differs"):
        network.load(CPU, tmp_path, "other")
    checkpoint.save(tmp_path, weights, {"network": "wafernet"}, "odd")
    with pytest.raises(ModelError, match="does not describe a generator"):
        network.load(CPU, tmp_path, "odd")


def test_a_second_run_starts_from_the_first(pretrained: Path, tmp_path: Path) -> None:
    output = tmp_path / "next.safetensors"
    config = pretrain.PretrainConfig(steps=1, batch_size=4, simulated=12, learning_rate=1e-9)
    list(pretrain.pretrain(config, CPU, output, start=pretrained))
    before, checksum = checkpoint.read_tensors(pretrained.parent, "small")
    after, _ = checkpoint.read_tensors(tmp_path, "next")
    for name, tensor in before.items():
        torch.testing.assert_close(after[name], tensor, atol=1e-6, rtol=0)
    assert json.loads((tmp_path / "next.json").read_text())["config"]["start"] == checksum


def test_pretraining_on_real_wafers_leaves_lots_out(tmp_path: Path) -> None:
    pictures = simulate_many("Center", 16, 0)
    wafers = dies.die_set(pictures, np.zeros(16, np.int64), np.arange(16) // 2)
    output = tmp_path / "w.safetensors"
    config = pretrain.PretrainConfig(steps=1, batch_size=4, simulated=4, leave_groups_out=0.25)
    list(pretrain.pretrain(config, CPU, output, wafers))
    assert json.loads((tmp_path / "w.json").read_text())["config"]["real_wafers"] == 12
    with pytest.raises(
        InputError, match="16 wafers would be used for training and 0 for validation"
    ):
        list(pretrain.pretrain(replace(config, leave_groups_out=0.0), CPU, output, wafers))


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"leave_groups_out": 1.0}, {"minutes": 0.0}])
def test_invalid_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ParameterError):
        pretrain.PretrainConfig(**wrong)  # type: ignore[arg-type]


def test_the_command_reports_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["pretrain", "--output", str(tmp_path / "w.safetensors"), "--steps", "0"]
    monkeypatch.setattr("sys.argv", words)
    assert pretrain.main() == 2
    assert "at least one step" in capsys.readouterr().err
