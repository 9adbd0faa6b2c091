"""Generate pictures of one class: the classic steps around a GAN, each timed.

    shrink to the networks' size → multiply by transforms → train → clean what lies off the wafer →
    binarise or snap → resize back

Every made picture borrows the die grid and the size of an original. Beside wafer maps, a class may
hold grey pictures: these stay grey, and keep to 0 and 255 where their original did.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from wafer_core.device import describe_device
from wafer_core.errors import InputError, ParameterError, WaferError
from wafer_core.images import FAIL, NO_DIE, PASS, Picture, is_map, resize
from wafer_core.tasks.augment import AugmentConfig, augment
from wafer_core.tasks.gan import MIN_PICTURES, GanConfig, GanEpoch, GanProgress, train_gan

MAX_COUNT = 20_000  # pictures in one go
STEPS = {
    "shrink": "Shrink to the training size",
    "multiply": "Multiply by transforms",
    "train": "Train the GAN",
    "clean": "Clean what lies off the wafer",
    "binarise": "Binarise at the threshold, or snap to no die, pass, fail",
    "resize": "Resize back to the class's own size",
}
SCORES = ("is_score", "fid_score", "kid_score")  # of what was made; none is computed yet
_CHUNK = 500  # pictures between two signs of life


@dataclass(frozen=True)
class Step:
    """One step has begun, goes on, or (``seconds`` given) is done."""

    name: str  # a key of STEPS
    fraction: float  # of this step, 0 to 1
    seconds: float | None = None

    @property
    def title(self) -> str:
        """The step in words."""
        return STEPS[self.name]


@dataclass(frozen=True)
class GenerateResult:
    """What was made."""

    pictures: list[Picture]
    borrowed: list[int]  # for each picture, the original whose die grid and size it has
    steps: dict[str, float]  # seconds of each step, in order
    scores: dict[str, float | None]
    details: dict[str, Any] = field(default_factory=dict)  # provenance, plain values for JSON


GenerateEvent = Step | GanProgress | GanEpoch | GenerateResult


def generate(
    pictures: Sequence[Picture],
    count: int,
    config: GanConfig,
    device: torch.device,
    augmentation: AugmentConfig | None = None,
) -> Iterator[GenerateEvent]:
    """Learn a class and make new pictures of it; close the iterator to cancel.

    Args:
        pictures: Training originals of one class; sizes may differ.
        count: How many to make.
        config: The GAN, its seed, threshold and output.
        device: Where to train.
        augmentation: How the originals are multiplied before training; by default the four
            transforms that suit wafers.

    Yields:
        ``Step`` at the beginning and end of each step, the events of ``train_gan`` in between, and
        at last one ``GenerateResult``.

    Raises:
        InputError: Fewer than two different pictures.
        ParameterError: A count that cannot be made, or an augmentation that changes nothing.
        WaferError: Training ran away.
    """
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_COUNT:
        raise ParameterError(f"count is {count!r}; give a whole number from 1 to {MAX_COUNT:,}.")
    different = len({(picture.shape, picture.tobytes()) for picture in pictures})
    if different < MIN_PICTURES:
        raise InputError(
            f"This class has {different} different training picture{'s' * (different != 1)}, and a "
            f"GAN needs at least {MIN_PICTURES}; add pictures or choose Manual (transforms)."
        )
    augmentation = augmentation or AugmentConfig()
    if not augmentation.changes_something and len(pictures) < config.multiplied_to:
        raise ParameterError(
            "No transform is on, so the pictures cannot be multiplied for the GAN; turn on one."
        )
    return _generate(list(pictures), count, config, device, augmentation)


def _generate(
    pictures: list[Picture],
    count: int,
    config: GanConfig,
    device: torch.device,
    augmentation: AugmentConfig,
) -> Iterator[GenerateEvent]:
    clock = _Clock()
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
        yield event
    if last is None:
        raise WaferError(f"The preset {config.preset} trained nothing; choose another preset.")
    yield clock.end()

    yield clock.begin("clean")
    borrowed = _borrow(len(pictures), count, config.seed)
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

    details = {
        **config.to_json(),
        "augmentation": augmentation.to_json(),
        "device": describe_device(device),
        "originals": len(pictures),
        "trained_on": len(training),
        "d_loss": last.d_loss,
        "g_loss": last.g_loss,
    }
    yield GenerateResult(done, borrowed, clock.seconds, dict.fromkeys(SCORES), details)


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


def _borrow(originals: int, count: int, seed: int) -> list[int]:
    """An original for each made picture: all equally often, in random order."""
    rng = np.random.default_rng((seed, 2))
    rounds = [rng.permutation(originals) for _ in range(-(-count // originals))]
    return [int(index) for index in np.concatenate(rounds)[:count]]


class _Clock:
    """Notes the seconds of each step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._name, self._begun = "", 0.0

    def begin(self, name: str) -> Step:
        self._name, self._begun = name, time.perf_counter()
        return Step(name, 0.0)

    def go_on(self, done: int, count: int) -> Iterator[Step]:
        """A sign of life now and then."""
        if done % _CHUNK == 0 and done < count:
            yield Step(self._name, done / count)

    def end(self) -> Step:
        self.seconds[self._name] = time.perf_counter() - self._begun
        return Step(self._name, 1.0, self.seconds[self._name])
