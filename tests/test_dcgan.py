"""Training of the DCGAN, and the settings of all presets."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from wafer_core.errors import InputError, ParameterError, WaferError
from wafer_core.images import FAIL, PASS, Picture
from wafer_core.parameters import parameters_of
from wafer_core.tasks.generation.config import PRESETS, GenerationConfig
from wafer_core.tasks.generation.dcgan.network import Discriminator, Generator, SeededDropout
from wafer_core.tasks.generation.dcgan.training import GanEpoch, GanProgress, train_gan
from wafer_core.tasks.generation.presets import RECIPES

CPU = torch.device("cpu")
TINY: dict[str, Any] = {"size": 16, "batch_size": 8, "multiplied_to": 16}


def pictures(count: int = 16) -> list[Picture]:
    rng = np.random.default_rng(0)
    wafers = np.full((count, 16, 16), PASS, np.uint8)
    wafers[:, 4:8] = FAIL
    wafers[rng.random(wafers.shape) < 0.1] = FAIL
    return list(wafers)


def epochs(config: GenerationConfig, of: list[Picture] | None = None) -> list[GanEpoch]:
    events = train_gan(of or pictures(), config, CPU)
    return [event for event in events if isinstance(event, GanEpoch)]


def test_the_networks_have_the_published_architecture() -> None:
    G, D = Generator(48, 0.5, torch.Generator()), Discriminator(48, 0.5, torch.Generator())
    assert (G.dense.in_features, G.dense.out_features) == (144, 12 * 12 * 128)
    assert G.up.kernel_size == G.out.kernel_size == (2, 2)
    convolutions = [m.out_channels for m in D.modules() if isinstance(m, torch.nn.Conv2d)]
    assert convolutions == [64, 64, 128, 256]
    assert G(torch.randn(3, 144)).shape == (3, 1, 48, 48)
    assert D(torch.zeros(3, 1, 48, 48)).shape == (3,)
    config = GenerationConfig()
    assert (config.learning_rate, config.batch_size, config.label_smoothing) == (2e-4, 32, 0.1)
    assert (config.size, config.threshold, config.multiplied_to, config.dropout) == (
        48, 140, 400, 0.5,
    )  # fmt: skip


def test_dropout_keeps_the_mean_and_has_its_own_random_numbers() -> None:
    x = torch.ones(100_000)
    first = SeededDropout(0.5, torch.Generator().manual_seed(1))(x)
    torch.rand(10)
    second = SeededDropout(0.5, torch.Generator().manual_seed(1))(x)
    assert torch.equal(first, second)
    assert set(first.tolist()) == {0.0, 2.0}
    assert first.mean().item() == pytest.approx(1.0, abs=0.02)


def test_one_result_per_epoch_with_sample_grids() -> None:
    result = epochs(GenerationConfig(epochs=3, **TINY))
    assert [(e.epoch, e.epochs) for e in result] == [(1, 3), (2, 3), (3, 3)]
    assert result[-1].fraction == 1.0
    for epoch in result:
        assert math.isfinite(epoch.d_loss + epoch.g_loss)
        assert epoch.seconds > 0
    for epoch in (result[0], result[-1]):
        assert epoch.samples is not None
        assert (epoch.samples.shape, epoch.samples.dtype) == ((16, 16, 16), np.uint8)
    assert not np.array_equal(result[0].samples, result[-1].samples)


def test_the_same_seed_gives_the_same_pictures_if_others_use_the_global_generator() -> None:
    config = GenerationConfig(epochs=3, seed=5, **TINY)
    first = epochs(config)[-1].sample(6, 1)
    last = None
    for event in train_gan(pictures(), config, CPU):
        torch.rand(3)  # the caller uses the global generator between two epochs
        last = event
    assert isinstance(last, GanEpoch)
    np.testing.assert_array_equal(last.sample(6, 1), first)
    np.testing.assert_array_equal(last.sample(4, 1), last.sample(4, 1))
    assert not np.array_equal(last.sample(6, 2), first)
    other = epochs(GenerationConfig(epochs=3, seed=6, **TINY))[-1].sample(6, 1)
    assert not np.array_equal(other, first)


def test_it_learns_the_position_of_the_failed_dies() -> None:
    generated = epochs(GenerationConfig(epochs=40, learning_rate=1e-3, **TINY))[-1].sample(32, 0)
    band = np.zeros((16, 16), bool)
    band[4:8] = True
    assert generated[:, band].mean() > generated[:, ~band].mean() + 40


def test_a_last_batch_of_one_picture_works() -> None:
    assert len(epochs(GenerationConfig(epochs=1, **TINY), pictures(9))) == 1


def test_long_epochs_report_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wafer_core.tasks.generation.dcgan.training._REPORT_SECONDS", 0.0)
    events = list(train_gan(pictures(), GenerationConfig(epochs=2, **TINY), CPU))
    kinds = [type(event) for event in events]
    assert kinds == [GanProgress, GanProgress, GanEpoch] * 2
    fractions = [event.fraction for event in events]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_the_number_of_threads_is_restored_between_epochs() -> None:
    """Two threads on two busy cores once took ten times as long as one."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for event in train_gan(pictures(), GenerationConfig(epochs=2, **TINY), CPU):
            assert torch.get_num_threads() == 2
            if isinstance(event, GanEpoch):
                event.sample(2, 0)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_closing_stops_it() -> None:
    running = train_gan(pictures(), GenerationConfig(epochs=5000, **TINY), CPU)
    next(running)
    running.close()  # type: ignore[attr-defined]
    assert list(running) == []


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_pictures_are_refused(count: int) -> None:
    with pytest.raises(InputError, match="at least 2"):
        train_gan(pictures()[:count], GenerationConfig(**TINY), CPU)


def test_diverging_losses_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "wafer_core.tasks.generation.dcgan.training._step",
        lambda *_: torch.tensor([float("nan"), 1.0]),
    )
    with pytest.raises(WaferError, match=r"epoch 1.*Reduce the learning rate"):
        epochs(GenerationConfig(epochs=2, **TINY))


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("epochs", 0), ("epochs", 1.5), ("epochs", "150"), ("size", 0), ("size", 46),
        ("size", 4096), ("threshold", 999), ("threshold", 0), ("batch_size", 1),
        ("learning_rate", float("nan")), ("learning_rate", 0.0), ("learning_rate", -1),
        ("output", "grey"), ("preset", "best"), ("seed", -1), ("seed", 0.5), ("dropout", 1.0),
        ("multiplied_to", 1), ("label_smoothing", True), ("variety", 0), ("density", 100),
    ],
)  # fmt: skip
def test_invalid_settings_are_named(setting: str, value: object) -> None:
    with pytest.raises(ParameterError, match=setting):
        GenerationConfig.from_mapping({setting: value})


def test_presets_have_a_recipe_and_list_existing_settings() -> None:
    assert set(PRESETS) == set(RECIPES)
    assert GenerationConfig().preset in PRESETS
    listed = {name for preset in PRESETS.values() for name in preset.settings}
    assert listed == set(parameters_of(GenerationConfig)) - {"preset", "seed"}
    with pytest.raises(ParameterError, match="no setting 'epoch'"):
        GenerationConfig.from_mapping({"epoch": 3})
