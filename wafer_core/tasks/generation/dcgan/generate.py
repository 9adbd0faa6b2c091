"""Classic DCGAN: the published steps around a GAN.

shrink to the training size → augment by transforms → train → remove everything off the wafer →
binarise → resize back
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace

import numpy as np
import numpy.typing as npt
import torch

from wafer_core.errors import ParameterError
from wafer_core.images import FAIL, NO_DIE, PASS, Picture, is_map, resize
from wafer_core.messages import N_
from wafer_core.tasks.augmentation.offline import AugmentConfig, augment
from wafer_core.tasks.evaluation.diversity import diversity
from wafer_core.tasks.generation.config import MIN_PICTURES, GenerationConfig
from wafer_core.tasks.generation.dcgan.training import GanEpoch, GanProgress, train_gan
from wafer_core.tasks.generation.steps import (
    GenerateResult,
    Recipe,
    Step,
    StepInfo,
    StepTimer,
    choose_sources,
    is_black_and_white,
)
from wafer_core.tasks.generation.sweep import THRESHOLDS, Sweep, compare_levels

STEPS = {
    "shrink": StepInfo(N_("Shrink to the training size"), 0.01),
    "multiply": StepInfo(N_("Augment by transforms"), 0.03),
    "train": StepInfo(N_("Train the GAN"), 0.92),
    "clean": StepInfo(N_("Remove everything off the wafer"), 0.01),
    "binarise": StepInfo(N_("Binarise"), 0.01),
    "resize": StepInfo(N_("Resize to the original size"), 0.01),
    "sweep": StepInfo(N_("Compare thresholds"), 0.01),
}
_COMPARED = 60  # pictures per threshold


def generate_with_dcgan(
    pictures: Sequence[Picture],
    count: int,
    config: GenerationConfig,
    device: torch.device,
    augmentation: AugmentConfig,
    _: object = None,
) -> Iterator[Step | GanProgress | GanEpoch | GenerateResult]:
    """Generate pictures of a class; see ``presets.generate``.

    Raises:
        ParameterError: No transform is on.
        WaferError: Training diverged.
    """
    if not augmentation.changes_something and len(pictures) < config.multiplied_to:
        raise ParameterError(
            "No transform is on, so the originals cannot be augmented for the GAN; turn on at "
            "least one."
        )
    timer = StepTimer(STEPS, device)
    side = (config.size, config.size)

    yield timer.begin("shrink")
    small = []
    for picture in pictures:
        small.append(resize(picture, side))
        yield from timer.progress(len(small), len(pictures))
    yield timer.end()

    yield timer.begin("multiply")
    training = _training_set(small, config, augmentation)
    yield timer.end()

    yield timer.begin("train")
    last = None
    for event in train_gan(training, config, device):
        if isinstance(event, GanEpoch):
            last = event
        timer.sample_memory()
        yield event
    if last is None:
        raise TypeError("train_gan() yielded no epoch")
    yield timer.end()

    yield timer.begin("clean")
    sources = choose_sources(len(pictures), count, config.seed)
    grey = last.sample(count, config.seed)  # (count, size, size)
    dies = [picture != NO_DIE for picture in small]
    maps = [is_map(picture) for picture in pictures]
    for number, index in enumerate(sources, 1):
        if maps[index]:
            grey[number - 1][~dies[index]] = NO_DIE
        yield from timer.progress(number, count)
    yield timer.end()

    yield timer.begin("binarise")
    states: list[Picture] = []
    for index in sources:
        states.append(quantize(grey[len(states)], pictures[index], dies[index], config))
        yield from timer.progress(len(states), count)
    yield timer.end()

    yield timer.begin("resize")
    done: list[Picture] = []
    for index in sources:
        done.append(resize_back(states[len(done)], pictures[index]))
        yield from timer.progress(len(done), count)
    yield timer.end()

    yield timer.begin("sweep")
    sweep: Sweep | None = None
    if config.sweep and count > 1:
        levels: dict[float, list[Picture]] = {}
        for threshold in THRESHOLDS:
            other = replace(config, threshold=threshold, output="binarise")
            levels[threshold] = [
                resize_back(quantize(grey[k], pictures[i], dies[i], other), pictures[i])
                for k, i in enumerate(sources[:_COMPARED])
            ]
            yield from timer.progress(len(levels), len(THRESHOLDS) + 1, every=1)
        sweep = compare_levels("threshold", levels, pictures, device)
    yield timer.end()

    cost = timer.cost(done, last.network_bytes)
    details = {
        **asdict(config),
        "augmentation": asdict(augmentation),
        "device": cost["device"],
        "originals": len(pictures),
        "trained_on": len(training),
        "d_loss": last.d_loss,
        "g_loss": last.g_loss,
        **({} if count < 2 else diversity(done, pictures, config.seed)),
        "cost": cost,
        "sweep": sweep and sweep.to_json(),
    }
    yield GenerateResult(done, sources, timer.seconds, details, sweep)


DCGAN = Recipe(generate_with_dcgan, STEPS)


def quantize(
    grey: Picture, original: Picture, dies: npt.NDArray[np.bool_], config: GenerationConfig
) -> Picture:
    """Reduce a generated picture to the values of its source.

    Args:
        grey: (size, size).
        original: (H, W), the source; a map, a picture of 0 and 255, or any grey picture.
        dies: (size, size), where the shrunk source has dies; used for maps only.
        config: ``output`` and ``threshold`` are used.

    Returns:
        For a map, its three values on the given dies; for a picture of 0 and 255, these two; any
        other grey picture unchanged.
    """
    # The nearest state changes at 191 between 127 and 255, and at 128 between 0 and 255. On a die,
    # the state "no die" becomes a pass.
    binarise = config.output == "binarise"
    if is_map(original):
        bar = config.threshold if binarise else (PASS + FAIL + 1) // 2
        return np.where(dies, np.where(grey >= bar, FAIL, PASS), NO_DIE).astype(np.uint8)
    if is_black_and_white(original):
        bar = config.threshold if binarise else (NO_DIE + FAIL + 1) // 2
        return np.where(grey >= bar, FAIL, NO_DIE).astype(np.uint8)
    return grey


def resize_back(small: Picture, original: Picture) -> Picture:
    """Resize a generated picture to its source; a map gets exactly its dies.

    Args:
        small: (size, size), from ``quantize``.
        original: (H, W), the source.
    """
    H, W = original.shape
    if is_black_and_white(original):
        large = resize(small, (H, W))
        return np.where(large > (NO_DIE + FAIL) // 2, FAIL, NO_DIE).astype(np.uint8)
    if not is_map(original):
        return resize(small, (H, W))
    # resize() treats a picture without a passed die as grey: then the whole wafer has failed.
    failed = resize(small, (H, W)) == FAIL if is_map(small) else np.bool_(True)
    out = np.where(original == NO_DIE, NO_DIE, np.where(failed, FAIL, PASS)).astype(np.uint8)
    if not (out == PASS).any():
        # A map without a passed die cannot be distinguished from a black and white picture.
        out.flat[int((original == PASS).argmax())] = PASS
    return out


def _training_set(
    small: list[Picture], config: GenerationConfig, augmentation: AugmentConfig
) -> list[Picture]:
    """The originals with transforms of them, or a random choice if there are too many."""
    wanted = max(config.multiplied_to, MIN_PICTURES)
    if len(small) >= wanted:
        chosen = np.random.default_rng((config.seed, 3)).permutation(len(small))[:wanted]
        return [small[index] for index in sorted(chosen)]
    augmented = augment(small, wanted - len(small), augmentation, config.seed)
    return small + [picture for picture, _, _ in augmented]
