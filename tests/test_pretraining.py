"""Pretraining: its wafers, its targets, and resuming a killed run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from wafer_core.errors import InputError, ParameterError
from wafer_core.images import FAIL, NO_DIE, is_map
from wafer_core.networks import checkpoint
from wafer_core.networks.preparation import Preparation
from wafer_core.networks.wafer_cnn import WaferCNN
from wafer_core.pretraining import wafernet as pretrain
from wafer_core.pretraining import wafers as pretrain_wafers
from wafer_core.pretraining.composites import PARTS, composite, composites
from wafer_core.pretraining.pretrained_head import pretrained_head
from wafer_core.pretraining.profiles import PROFILE_LENGTH, profile
from wafer_core.pretraining.wafers import Wafers, labelled, overlay, read, split
from wafer_core.simulator import PATTERNS, simulate_many
from wafer_core.tasks.classification.classifier import Classifier

CPU = torch.device("cpu")
PREPARATION = Preparation(64)
QUICK = pretrain.PretrainConfig(steps=2, simulated=40, shapes=20, batch_size=8)
FILES = [
    f"made{part}.{ending}" for part in ("-names", "-seen", "") for ending in ("json", "safetensors")
]


def real(each: int = 4, lots: int = 4) -> Wafers:
    pictures = [p for name in PATTERNS for p in simulate_many(name, each, 0)]
    label = torch.arange(len(PATTERNS)).repeat_interleave(each)
    group = torch.arange(len(label)) % lots
    return labelled(PREPARATION.prepare_compact(pictures), label, group)


def test_a_composite_has_the_failures_of_all_patterns() -> None:
    rng = np.random.default_rng(0)
    both = [composite(["Edge-Ring", "Center"], rng) for _ in range(20)]
    alone = [composite(["Center"], rng) for _ in range(20)]
    assert all(is_map(picture) for picture in both)

    def share(pictures: list[np.ndarray]) -> float:
        return float(np.mean([(p == FAIL).sum() / (p != NO_DIE).sum() for p in pictures]))

    assert share(both) > share(alone)


def test_composites_have_targets_and_are_repeatable() -> None:
    synthetic, again = list(composites(60, 3)), list(composites(60, 3))
    counts = {int(target.sum()) for _, target in synthetic}
    assert counts == {0, 1, 2, 3, 4}
    for (picture, target), (same, reported) in zip(synthetic, again, strict=True):
        np.testing.assert_array_equal(picture, same)
        np.testing.assert_array_equal(target, reported)
    full = [PARTS.index("Near-full"), PARTS.index("Random")]
    assert all(target.sum() == 1 for _, target in synthetic if target[full].any())


def test_a_composite_needs_a_pattern() -> None:
    with pytest.raises(ParameterError, match="at least one pattern"):
        composite([], np.random.default_rng(0))


def test_the_profile_by_hand() -> None:
    line = (2 * torch.arange(64) + 1) / 64 - 1
    disc = (line[:, None] ** 2 + line[None, :] ** 2 <= 1).float()
    wafers = torch.zeros(2, 3, 64, 64)
    wafers[:, 0] = disc
    wafers[1, 1:] = disc  # every die failed
    nothing, full = profile(wafers)
    assert nothing.shape == (PROFILE_LENGTH,)
    torch.testing.assert_close(nothing, torch.zeros(PROFILE_LENGTH))
    torch.testing.assert_close(full[:8], torch.ones(8))  # all rings
    assert full[8:20].max() < 0.1  # even in all directions


def test_the_profile_is_invariant_under_rotation_and_reflection() -> None:
    batch = PREPARATION.prepare(simulate_many("Edge-Loc", 3, 0))
    torch.testing.assert_close(profile(batch.rot90(1, (2, 3))), profile(batch))
    torch.testing.assert_close(profile(batch.flip(3)), profile(batch))


def test_one_sided_failures_have_the_lowest_angular_frequency() -> None:
    wafer = torch.zeros(1, 3, 64, 64)
    wafer[:, 0] = 1
    wafer[:, 1:, :, 32:] = 1
    lobes = profile(wafer)[0, 8:20].view(3, 4)
    assert (lobes[:, 0] > lobes[:, 1] + 0.1).all()


def test_overlaid_wafers_have_both_patterns() -> None:
    batch = real()
    generator = torch.Generator().manual_seed(0)
    clean, inputs, label, parts = overlay(batch, 1.0, generator)
    assert ((label == -1) == (parts.sum(1) > 1)).all()
    assert (label == -1).any()
    lower = batch.inputs.float() / 255
    assert (inputs[:, 1:] >= lower[:, 1:] * (lower[:, :1] > 0) - 1e-6).all()
    torch.testing.assert_close(inputs[:, 0], lower[:, 0])
    none = PATTERNS.index("none")
    changed = (inputs != lower).flatten(1).any(1)
    # If only noise was added, the clean wafer is unchanged.
    noisy = changed & (parts == batch.parts).all(1) & (batch.label != none)
    same_kind = (clean == lower).flatten(1).all(1)
    assert (noisy & same_kind).any()
    for index in (PATTERNS.index("Near-full"), PATTERNS.index("Random")):
        assert not changed[batch.label == index].any()


def test_a_share_of_zero_overlays_nothing() -> None:
    batch = real()
    clean, inputs, label, parts = overlay(batch, 0.0, torch.Generator().manual_seed(0))
    torch.testing.assert_close(inputs, batch.inputs.float() / 255)
    torch.testing.assert_close(clean, inputs)
    torch.testing.assert_close(label, batch.label)
    torch.testing.assert_close(parts, batch.parts)


def test_rare_classes_are_drawn_more_often_than_their_share() -> None:
    label = torch.tensor([0] * 81 + [1])
    wafers = labelled(torch.zeros(82, 3, 2, 2, dtype=torch.uint8), label, torch.zeros(82))
    assert wafers.chance[label == 0].sum() / wafers.chance[label == 1].sum() == pytest.approx(3)


def test_training_and_validation_have_different_lots() -> None:
    wafers = real(8, 4)
    kept, validation = split(wafers, 0.5, 0)
    assert set(kept.group.tolist()) & set(validation.group.tolist()) == set()
    assert len(kept) + len(validation) == len(wafers)
    without, same = split(wafers, 0.5, 0, ["Loc", "Donut"])
    assert set(without.label.tolist()) == set(range(9)) - {
        PATTERNS.index("Loc"), PATTERNS.index("Donut"),
    }  # fmt: skip
    torch.testing.assert_close(same.label, validation.label)
    with pytest.raises(InputError, match="0 for validation"):
        split(wafers, 0.0, 0)


def test_patterns_left_out_are_in_no_simulated_wafer() -> None:
    synthetic = pretrain_wafers.simulated(60, 0, PREPARATION, ["Scratch", "none"])
    assert not synthetic.parts[:, PARTS.index("Scratch")].any()
    assert not (synthetic.label == PATTERNS.index("none")).any()


def test_two_steps_give_a_classifier(tmp_path: Path) -> None:
    output = tmp_path / "made.safetensors"
    results = list(pretrain.pretrain(QUICK, CPU, output, None))
    assert [r.step for r in results] == [2]
    assert np.isfinite(results[0].loss)
    assert sorted(p.name for p in tmp_path.iterdir()) == FILES
    classifier = Classifier.load(tmp_path, name="made")
    assert classifier.class_names == PATTERNS
    assert classifier.extra["judged_on"] == "simulated"
    names = checkpoint.read_description(tmp_path, "made-names")["names"]
    tensors, _ = checkpoint.read_tensors(tmp_path, "made-names")
    assert tensors["weight"].shape == (len(names), 256)
    torch.testing.assert_close(
        tensors["weight"][:9], classifier.network.get_parameter("head.weight")
    )


def test_pretraining_works_without_unnamed_shapes(tmp_path: Path) -> None:
    config = replace(QUICK, shapes_share=0.0)
    assert [
        r.step for r in pretrain.pretrain(config, CPU, tmp_path / "made.safetensors", None)
    ] == [2]


def test_lots_are_left_out(tmp_path: Path) -> None:
    config = replace(QUICK, leave_groups_out=0.25)
    list(pretrain.pretrain(config, CPU, tmp_path / "made.safetensors", real()))
    reported = json.loads((tmp_path / "made.json").read_bytes())
    assert reported["config"]["real_wafers"] == 27
    assert reported["extra"]["evaluation"]["count"] == 9


def test_a_killed_run_resumes(tmp_path: Path) -> None:
    output = tmp_path / "made.safetensors"
    config = replace(QUICK, steps=3, save_every=0.0)
    run = pretrain.pretrain(config, CPU, output, None)
    assert next(run).step == 1
    run.close()
    assert (tmp_path / "made.partial.safetensors").exists()
    assert not output.exists()
    assert [r.step for r in pretrain.pretrain(config, CPU, output, None)] == [2, 3]
    assert sorted(p.name for p in tmp_path.iterdir()) == FILES


def test_a_run_with_other_settings_starts_anew(tmp_path: Path) -> None:
    output = tmp_path / "made.safetensors"
    next(pretrain.pretrain(replace(QUICK, steps=3, save_every=0.0), CPU, output, None))
    assert [r.step for r in pretrain.pretrain(QUICK, CPU, output, None)] == [2]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"steps": 0}, "one step"),
        ({"batch_size": 1}, "batches of two"),
        ({"leave_groups_out": 1.0}, "Shares"),
        ({"minutes": float("nan")}, "Minutes"),
        ({"without": ("Blob",)}, "no pattern “Blob”"),
    ],
)
def test_invalid_settings_are_refused(change: dict[str, object], match: str) -> None:
    with pytest.raises(ParameterError, match=match):
        replace(QUICK, **change)


def test_a_data_file_is_read_with_its_lots(tmp_path: Path) -> None:
    pictures = [simulate_many(name, 1, 0)[0] for name in PATTERNS]
    codes = [np.searchsorted([0, 127, 255], p).astype(np.uint8) for p in pictures]
    path = tmp_path / "wafers.npz"
    arrays = {
        "dies": np.concatenate([c.ravel() for c in codes]),
        "offsets": np.concatenate([[0], np.cumsum([c.size for c in codes])]),
        "shapes": np.array([c.shape for c in codes]),
        "label": np.arange(9), "classes": np.array(PATTERNS), "group": np.arange(9) // 3,
    }  # fmt: skip
    np.savez(path, **arrays)
    wafers = read(path, PREPARATION)
    assert sorted(wafers.label.tolist()) == list(range(9))
    assert len(set(wafers.group.tolist())) == 3
    arrays["classes"] = np.array([*PATTERNS[:8], "Blob"])
    np.savez(path, **arrays)
    with pytest.raises(InputError, match="'Blob'"):
        read(path, PREPARATION)


class _Corner(WaferCNN):
    """A network whose features are the mean of all cells and the first cell."""

    def __init__(self) -> None:
        super().__init__(2)
        self.head = nn.Linear(2, 2)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([x.mean((1, 2, 3)), x[:, 0, 0, 0]], 1) * 255


def test_the_within_class_covariance_by_hand() -> None:
    inputs = torch.zeros(24, 3, 2, 2, dtype=torch.uint8)
    inputs[:12, :, 0, 0] = (
        12  # identical except for the corner, which a rotation moves to the front
    )
    inputs[12:] = 60 + 10 * torch.arange(12, dtype=torch.uint8)[:, None, None, None]
    label = torch.tensor([0] * 12 + [3] * 12)
    wafers = labelled(inputs, label, torch.zeros(24, dtype=torch.int64))
    layers = [nn.Linear(2, 3), nn.Linear(2, 1)]
    layer = pretrained_head(_Corner().eval(), layers, wafers, 0)
    torch.testing.assert_close(layer.weight, torch.cat([layers[0].weight, layers[1].weight]))
    torch.testing.assert_close(layer.bias, torch.cat([layers[0].bias, layers[1].bias]))
    # class 0: mean 3, first cell 12 in one turn of four; class 3: both are 60, 70 … 170
    first = np.cov(np.tile([12.0, 0, 0, 0], 12))
    second = np.cov(np.repeat(60.0 + 10 * np.arange(12), 4))
    expected = [[second / 2, second / 2], [second / 2, (first + second) / 2]]
    np.testing.assert_allclose(layer.get_buffer("within"), expected, rtol=1e-5)
    # Two wafers per class are too few for a covariance.
    few = pretrained_head(_Corner().eval(), layers, wafers.take(torch.tensor([0, 12])), 0)
    torch.testing.assert_close(few.get_buffer("within"), torch.eye(2))
