"""The preset Classic: the published steps around a GAN.

shrink to the networks' size → multiply by transforms → train → clean what lies off the wafer →
binarise or snap → resize back
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from wafer_core.errors import ParameterError, WaferError
from wafer_core.images import FAIL, NO_DIE, PASS, Picture, is_map, resize
from wafer_core.tasks.augmentation.offline import AugmentConfig, augment
from wafer_core.tasks.evaluation.diversity import report
from wafer_core.tasks.generation import sweep
from wafer_core.tasks.generation.dcgan.training import (
    MIN_PICTURES,
    GanConfig,
    GanEpoch,
    GanProgress,
    train_gan,
)
from wafer_core.tasks.generation.steps import Clock, GenerateResult, Step, StepInfo, borrow

STEPS = {
    "shrink": StepInfo("Shrink to the training size", 0.01),
    "multiply": StepInfo("Multiply by transforms", 0.03),
    "train": StepInfo("Train the GAN", 0.92),
    "clean": StepInfo("Clean what lies off the wafer", 0.01),
    "binarise": StepInfo("Binarise at the threshold, or snap to no die, pass, fail", 0.01),
    "resize": StepInfo("Resize back to the class's own size", 0.01),
    "sweep": StepInfo("Compare thresholds", 0.01),
}
_COMPARED = 60  # pictures at each threshold


def make(
    pictures: Sequence[Picture],
    count: int,
    config: GanConfig,
    device: torch.device,
    augmentation: AugmentConfig,
    _: object = None,
) -> Iterator[Step | GanProgress | GanEpoch | GenerateResult]:
    """Make pictures of a class; see ``generate.generate``.

    Raises:
        ParameterError: An augmentation that changes nothing.
        WaferError: Training ran away.
    """
    if not augmentation.changes_something and len(pictures) < config.multiplied_to:
        raise ParameterError(
            "No transform is on, so the pictures cannot be multiplied for the GAN; turn on one."
        )
    clock = Clock(STEPS, device)
    side = (config.size, config.size)

    yield clock.begin("shrink")
    small = []
    for picture in pictures:
        small.append(resize(picture, side))
        yield from clock.go_on(len(small), len(pictures))
    yield clock.end()

    yield clock.begin("multiply")
    training = _multiply(small, config, augmentation)
    yield clock.end()

    yield clock.begin("train")
    last = None
    for event in train_gan(training, config, device):
        if isinstance(event, GanEpoch):
            last = event
        clock.notice()
        yield event
    if last is None:
        raise WaferError(f"The preset {config.preset} trained nothing; choose another preset.")
    yield clock.end()

    yield clock.begin("clean")
    borrowed = borrow(len(pictures), count, config.seed)
    made = last.sample(count, config.seed)  # (count, size, size)
    dies = [picture != NO_DIE for picture in small]
    maps = [is_map(picture) for picture in pictures]
    for number, index in enumerate(borrowed, 1):
        if maps[index]:
            made[number - 1][~dies[index]] = NO_DIE
        yield from clock.go_on(number, count)
    yield clock.end()

    yield clock.begin("binarise")
    states: list[Picture] = []
    for index in borrowed:
        states.append(flatten(made[len(states)], pictures[index], dies[index], config))
        yield from clock.go_on(len(states), count)
    yield clock.end()

    yield clock.begin("resize")
    done: list[Picture] = []
    for index in borrowed:
        done.append(restore(states[len(done)], pictures[index]))
        yield from clock.go_on(len(done), count)
    yield clock.end()

    yield clock.begin("sweep")
    found = None
    if config.sweep and count > 1:
        levels: dict[float, list[Picture]] = {}
        for level in sweep.THRESHOLDS:
            other = replace(config, threshold=level, output="binarise")
            levels[level] = [
                restore(flatten(made[k], pictures[i], dies[i], other), pictures[i])
                for k, i in enumerate(borrowed[:_COMPARED])
            ]
            yield from clock.go_on(len(levels), len(sweep.THRESHOLDS) + 1, every=1)
        found = sweep.compare("threshold", levels, pictures, device)
    yield clock.end()

    cost = clock.cost(done, last.network_bytes)
    details = {
        **config.to_json(),
        "augmentation": augmentation.to_json(),
        "device": cost["device"],
        "originals": len(pictures),
        "trained_on": len(training),
        "d_loss": last.d_loss,
        "g_loss": last.g_loss,
        **({} if count < 2 else report(done, pictures, config.seed)),
        "cost": cost,
        "sweep": found and found.to_json(),
    }
    yield GenerateResult(done, borrowed, clock.seconds, details, found)


def flatten(
    made: Picture, original: Picture, dies: npt.NDArray[np.bool_], config: GanConfig
) -> Picture:
    """Bring a made picture to the values that its original has.

    Args:
        made: (size, size) grey.
        original: (H, W), decides the kind: a map, a picture of 0 and 255, or any grey.
        dies: (size, size), where the shrunk original has dies; only read for a map.
        config: Says how: ``output`` and ``threshold``.

    Returns:
        For a map, the three values with the given dies; for a picture of 0 and 255 these two; any
        other grey picture unchanged.
    """
    # The nearest of 127 and 255 changes at 191, of 0 and 255 at 128. On a die, "no die" is a pass.
    binarise = config.output == "binarise"
    if is_map(original):
        bar = config.threshold if binarise else (PASS + FAIL + 1) // 2
        return np.where(dies, np.where(made >= bar, FAIL, PASS), NO_DIE).astype(np.uint8)
    if _two_values(original):
        bar = config.threshold if binarise else (NO_DIE + FAIL + 1) // 2
        return np.where(made >= bar, FAIL, NO_DIE).astype(np.uint8)
    return made


def restore(made: Picture, original: Picture) -> Picture:
    """Bring a made picture to the size of its original, a map onto exactly its dies.

    Args:
        made: (size, size), as ``flatten`` returns it.
        original: (H, W), at its own resolution.
    """
    H, W = original.shape
    if _two_values(original):
        return np.where(resize(made, (H, W)) > (NO_DIE + FAIL) // 2, FAIL, NO_DIE).astype(np.uint8)
    if not is_map(original):
        return resize(made, (H, W))
    # Without a passed die, `made` is no map to resize(): then all of the wafer has failed.
    failed = resize(made, (H, W)) == FAIL if is_map(made) else np.bool_(True)
    out = np.where(original == NO_DIE, NO_DIE, np.where(failed, FAIL, PASS)).astype(np.uint8)
    if not (out == PASS).any():
        # Nothing tells a wafer without a passed die from a black and white picture: keep one.
        out.flat[int((original == PASS).argmax())] = PASS
    return out


def _two_values(picture: Picture) -> bool:
    return not ((picture != NO_DIE) & (picture != FAIL)).any()


def _multiply(
    small: list[Picture], config: GanConfig, augmentation: AugmentConfig
) -> list[Picture]:
    """The training set: all originals and transforms of them, or a random part of too many."""
    wanted = max(config.multiplied_to, MIN_PICTURES)
    if len(small) >= wanted:
        chosen = np.random.default_rng((config.seed, 3)).permutation(len(small))[:wanted]
        return [small[index] for index in sorted(chosen)]
    made = augment(small, wanted - len(small), augmentation, config.seed)
    return small + [picture for picture, _, _ in made]
