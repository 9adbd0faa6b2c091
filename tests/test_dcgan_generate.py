"""Classic DCGAN: all steps from originals to new pictures of the same sizes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from wafer_core.errors import InputError, ParameterError
from wafer_core.images import FAIL, NO_DIE, PASS, Picture, encode_png, is_map
from wafer_core.tasks.augmentation.offline import AugmentConfig
from wafer_core.tasks.generation.config import GenerationConfig
from wafer_core.tasks.generation.dcgan.generate import quantize, resize_back
from wafer_core.tasks.generation.dcgan.training import GanEpoch
from wafer_core.tasks.generation.presets import RECIPES, generate
from wafer_core.tasks.generation.steps import GenerateResult, Step

CPU = torch.device("cpu")
TINY: dict[str, Any] = {
    "preset": "classic", "epochs": 2, "size": 16, "batch_size": 8, "multiplied_to": 16,
    "sweep": False,
}  # fmt: skip


def wafer(height: int, width: int, seed: int) -> Picture:
    y = (np.arange(height)[:, None] + 0.5) / height * 2 - 1
    x = (np.arange(width) + 0.5) / width * 2 - 1
    picture = np.where(y**2 + x**2 <= 1, PASS, NO_DIE).astype(np.uint8)
    failed = np.random.default_rng(seed).random(picture.shape) < 0.15
    picture[failed & (picture == PASS)] = FAIL
    return picture


def run(pictures: list[Picture], count: int, **settings: Any) -> GenerateResult:
    events = list(generate(pictures, count, GenerationConfig(**{**TINY, **settings}), CPU))
    assert isinstance(events[-1], GenerateResult)
    return events[-1]


def test_wafers_have_the_size_and_dies_of_their_source() -> None:
    originals = [wafer(20, 30, 0), wafer(26, 26, 1), wafer(11, 9, 2), wafer(40, 33, 3)]
    result = run(originals, 11)
    assert len(result.pictures) == len(result.sources) == 11
    assert max(np.bincount(result.sources)) - min(np.bincount(result.sources)) <= 1
    for picture, index in zip(result.pictures, result.sources, strict=True):
        assert is_map(picture)
        np.testing.assert_array_equal(picture == NO_DIE, originals[index] == NO_DIE)


def test_steps_are_reported_in_order_with_their_costs() -> None:
    events = list(generate([wafer(20, 20, s) for s in range(3)], 4, GenerationConfig(**TINY), CPU))
    done = [event for event in events if isinstance(event, Step) and event.seconds is not None]
    steps = RECIPES["classic"].steps
    assert [step.name for step in done] == list(steps)
    assert [step.title for step in done] == [step.title for step in steps.values()]
    overall = [event.overall for event in events if isinstance(event, Step)]
    assert overall == sorted(overall)
    assert overall[-1] == pytest.approx(1.0)
    assert sum(isinstance(event, GanEpoch) for event in events) == 2
    result = events[-1]
    assert isinstance(result, GenerateResult)
    assert list(result.steps) == list(steps)
    assert all(seconds >= 0 for seconds in result.steps.values())
    assert result.details["trained_on"] == 16
    cost = result.details["cost"]
    assert list(cost["seconds"]) == list(cost["memory_bytes"]) == list(steps)
    assert cost["peak_memory_bytes"] == max(cost["memory_bytes"].values()) > 50 * 2**20
    assert cost["storage_bytes"] == sum(len(encode_png(p)) for p in result.pictures)
    # dense 144 → 4·4·128, two norms of 128 and 64, two 2 × 2 convolutions
    dense = 144 * 2048 + 2048 + 2 * 128 + 128 * 64 * 4 + 2 * 64 + 64 * 4 + 1
    assert cost["network_bytes"] == 4 * dense
    assert result.details["seed"] == 0


def test_thresholds_are_compared_with_the_originals() -> None:
    originals = [wafer(20, 20, s) for s in range(4)]
    result = run(originals, 6, sweep=True)
    assert result.sweep is not None
    values = [level.value for level in result.sweep.levels]
    assert values == list(range(40, 211, 10))
    failed = [level.failed for level in result.sweep.levels]
    assert failed == sorted(failed, reverse=True)  # fewer dies fail with a higher threshold
    stored = result.details["sweep"]
    assert stored["best"] == values[int(np.argmin(stored["kid"]))]
    assert stored["counts"] == [6, 4]
    assert result.sweep.levels[0].strip.shape == (48, 6 * 50)
    json.dumps(result.details)


def test_the_same_seed_gives_the_same_wafers() -> None:
    originals = [wafer(20, 24, s) for s in range(3)]
    # After two epochs all values are near mid-grey: a threshold there shows the differences.
    first, again, other = (run(originals, 5, threshold=128, seed=seed) for seed in (0, 0, 1))
    assert first.sources == again.sources
    for a, b in zip(first.pictures, again.pictures, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(
        a.shape != b.shape or (a != b).any()
        for a, b in zip(first.pictures, other.pictures, strict=True)
    )


def test_grey_pictures_stay_grey() -> None:
    rng = np.random.default_rng(0)
    grey = [rng.integers(40, 200, (18, 22)).astype(np.uint8) for _ in range(3)]
    values = np.unique(np.stack(run(grey, 3).pictures))
    assert len(values) > 3
    white = [(picture > 120).astype(np.uint8) * 255 for picture in grey]
    for picture in run(white, 3).pictures:
        assert picture.shape == (18, 22)
        assert set(np.unique(picture)) <= {0, 255}


def test_enough_originals_are_not_augmented() -> None:
    result = run([wafer(12, 12, s) for s in range(20)], 2)
    assert (result.details["originals"], result.details["trained_on"]) == (20, 16)


def test_threshold_and_nearest_state_by_hand() -> None:
    original = np.full((4, 4), PASS, np.uint8)
    original[0] = NO_DIE
    dies = original != NO_DIE
    grey = np.array([255, 139, 140, 190, 191, 255, 0, 60], np.uint8).reshape(2, 4).repeat(2, 0)
    binarised = quantize(grey, original, dies, GenerationConfig())
    assert binarised[0].tolist() == [NO_DIE] * 4
    assert binarised[1].tolist() == [FAIL, PASS, FAIL, FAIL]
    assert binarised[2].tolist() == [FAIL, FAIL, PASS, PASS]
    snapped = quantize(grey, original, dies, GenerationConfig(output="snap"))
    assert snapped[1].tolist() == [FAIL, PASS, PASS, PASS]
    assert snapped[2].tolist() == [FAIL, FAIL, PASS, PASS]


def test_a_single_failed_die_is_kept_at_any_size() -> None:
    small = np.full((16, 16), PASS, np.uint8)
    small[8, 7] = FAIL
    for height, width in ((8, 9), (16, 16), (50, 31)):
        out = resize_back(small, np.full((height, width), PASS, np.uint8))
        failed = np.argwhere(out == FAIL) / (height, width)
        assert len(failed) >= 1
        np.testing.assert_allclose(failed.mean(0), (8 / 16, 7 / 16), atol=0.12)


def test_a_wafer_without_a_passed_die_stays_a_map() -> None:
    original = wafer(20, 20, 0)
    out = resize_back(np.full((16, 16), FAIL, np.uint8), original)
    assert is_map(out)
    assert (out == PASS).sum() == 1
    np.testing.assert_array_equal(out == NO_DIE, original == NO_DIE)


def test_large_nearly_full_wafers_stay_maps() -> None:
    """Such a wafer has no passed die after shrinking; the result must still be a map."""
    large = []
    for seed in range(3):
        picture = np.full((64, 64), FAIL, np.uint8)
        picture[:8, :8] = NO_DIE
        picture[30, 20 + seed] = PASS
        large.append(picture)
    result = run(large, 4)
    for picture, index in zip(result.pictures, result.sources, strict=True):
        assert is_map(picture)
        np.testing.assert_array_equal(picture == NO_DIE, large[index] == NO_DIE)


def test_too_few_different_pictures_are_refused() -> None:
    one = wafer(20, 20, 0)
    for pictures, words in (
        ([], "0 different"),
        ([one], "1 different"),
        ([one, one], "1 different"),
    ):
        with pytest.raises(InputError, match=words):
            generate(pictures, 5, GenerationConfig(**TINY), CPU)


@pytest.mark.parametrize("count", [0, -5, 10**7, 1.5, True, "3"])
def test_an_invalid_count_is_refused(count: Any) -> None:
    with pytest.raises(ParameterError, match="count"):
        generate([wafer(20, 20, 0), wafer(20, 20, 1)], count, GenerationConfig(**TINY), CPU)


def test_an_augmentation_without_transforms_is_refused() -> None:
    nothing = AugmentConfig(
        rotation_range=0, shear_range=0, horizontal_flip=False, vertical_flip=False
    )
    config = GenerationConfig(**TINY)
    with pytest.raises(ParameterError, match="No transform is on"):
        list(generate([wafer(20, 20, 0), wafer(20, 20, 1)], 1, config, CPU, nothing))


def test_closing_stops_it() -> None:
    config = GenerationConfig(**{**TINY, "epochs": 5000})
    running = generate([wafer(20, 20, 0), wafer(20, 20, 1)], 2, config, CPU)
    assert isinstance(running, Iterator)
    while not isinstance(next(running), GanEpoch):
        pass
    running.close()  # type: ignore[attr-defined]
    assert list(running) == []
