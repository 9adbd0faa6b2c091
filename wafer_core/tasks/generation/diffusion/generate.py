"""Auto: wafers drawn by the pretrained masked diffusion network, without any training.

    read the originals → choose how many original dies to keep → train a reference classifier →
    vary densities and draw dies → redraw near copies and wafers of another class

Each new wafer has an original as its source. The blurred density of failed dies of the source is
rotated, mirrored, bent and mixed with that of a similar original; a share of its dies, as small as
the class allows, is copied with the same distortion; the network draws all other dies on the die
grid of the source. A near copy of any original in any orientation is drawn again with more
variation.

If there are other classes, a classifier of the originals of all classes checks each new wafer, and
a wafer that it assigns to another class is drawn again with less variation. This allows a wide
variation: some wafers vary little, others far more than would be safe without the check.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from wafer_core.errors import InputError
from wafer_core.images import PASS, Picture, is_map
from wafer_core.messages import N_
from wafer_core.metrics import copies
from wafer_core.metrics.generation import kernel_spread, squared_mmd
from wafer_core.networks import features
from wafer_core.tasks.augmentation.offline import AugmentConfig
from wafer_core.tasks.evaluation import class_agreement
from wafer_core.tasks.evaluation.diversity import diversity
from wafer_core.tasks.generation.config import GenerationConfig
from wafer_core.tasks.generation.diffusion import network
from wafer_core.tasks.generation.diffusion.sampling import (
    Plan,
    Variation,
    draw,
    most_similar,
    to_cells,
    vary,
)
from wafer_core.tasks.generation.steps import (
    GenerateResult,
    Originals,
    Recipe,
    Step,
    StepInfo,
    StepTimer,
    choose_sources,
    is_black_and_white,
)
from wafer_core.tasks.generation.sweep import DENSITIES, Sweep, compare_levels

STEPS = {
    "read": StepInfo(N_("Reading the originals"), 0.05),
    "fit": StepInfo(N_("Choosing how many original dies to keep"), 0.15),
    "learn": StepInfo(N_("Training a reference classifier"), 0.1),
    "draw": StepInfo(N_("Drawing wafers"), 0.3),
    "check": StepInfo(N_("Redrawing near copies and wafers of another class"), 0.25),
    "sweep": StepInfo(N_("Comparing densities of failed dies"), 0.15),
}
_ATTEMPTS, _MOST_REDRAWN = 5, 3  # rounds of redrawing; redrawn wafers at most, times the count
_MORE, _LESS = 1.5, 0.65  # factors on the variation of a near copy, and of a rejected wafer
# Factors on the variation, equally often; with a reference classifier, and without.
# Measured on classes of 60 originals with other lots as reference: with 1, 2, 4, 4 and 6 the recall
# is 0.05 lower, with 2, 4, 6, 6 and 8 KID is a fifth higher (docs: figures).
_FACTORS, _UNCHECKED_FACTORS = (1.0, 3.0, 4.0, 6.0, 8.0), (1.0,)
_COMPARED = 24  # pictures per density, and per share of kept dies
# Minimum and maximum share of kept dies: clusters and rings need few, thin lines many.
_KEPT = ((0.1, 0.3), (0.3, 0.5), (0.5, 0.7), (0.7, 0.9))
_MOST_ORIGINALS = 300  # that the shares are compared on
_FEWEST_TO_FIT, _UNFITTED = (
    16,
    1,
)  # pictures from which shares are compared; else the second is used
# A share is good enough within this factor of the lowest KID of all, or below this share of the
# spread of the originals, whichever is higher.
_WITHIN_BEST, _WITHIN_SPREAD = 1.5, 0.1
_CHUNK = 1000  # pictures that are planned at once, which bounds the memory

Indices = npt.NDArray[np.intp]


@dataclass
class _Sampler:
    """Draws wafers of one class.

    Attributes:
        net: Pretrained.
        originals: Of the class.
        seed: Of all random numbers.
        device: Where to compute.
        variation: How much wafers differ from their sources, before the factors.
    """

    net: network.MaskedDiffusion
    originals: Sequence[Picture]
    seed: int
    device: torch.device
    variation: Variation
    cells: torch.Tensor = field(init=False)
    similar: torch.Tensor | None = field(init=False)
    generator: torch.Generator = field(init=False)
    rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.cells = to_cells(self.originals)
        self.similar = most_similar(self.cells, self.variation) if len(self.cells) > 1 else None
        self.generator = torch.Generator().manual_seed(self.seed)
        self.rng = np.random.default_rng((self.seed, 4))

    def plan(self, sources: Sequence[int], variation: Variation) -> Plan:
        """Plan wafers with these sources."""
        return vary(self.cells, sources, variation, self.generator, self.similar)

    def draw(self, plan: Plan, sources: Sequence[int]) -> Iterator[list[tuple[int, Picture]]]:
        """Draw planned wafers, batch by batch."""
        pictures = [self.originals[k] for k in sources]
        for batch in draw(self.net, plan, pictures, self.rng, self.device):
            yield [(number, _with_passed_die(picture)) for number, picture in batch]

    def pilot(self, sources: Sequence[int], variation: Variation) -> list[Picture]:
        """A few wafers with a certain variation, in any order."""
        batches = self.draw(self.plan(sources, variation), sources)
        return [picture for batch in batches for _, picture in batch]

    def redraw(
        self,
        wafers: list[Picture],
        which: Indices,
        sources: Sequence[int],
        factors: npt.NDArray[np.float64],
    ) -> Iterator[int]:
        """Replace some wafers in place.

        Args:
            wafers: All of them.
            which: Indices of those to replace.
            sources: Of all wafers.
            factors: On the variation of each wafer.

        Yields:
            The number of wafers that are done.
        """
        done = 0
        for start in range(0, len(which), _CHUNK):
            chunk = which[start : start + _CHUNK]
            groups = [chunk[factors[chunk] == factor] for factor in np.unique(factors[chunk])]
            plans = [
                self.plan(
                    [sources[k] for k in group], self.variation.wider(float(factors[group[0]]))
                )
                for group in groups
            ]
            order = np.concatenate(groups)
            for batch in self.draw(Plan.joined(plans), [sources[k] for k in order]):
                for number, picture in batch:
                    wafers[order[number]] = picture
                done += len(batch)
                yield done


def generate_with_diffusion(
    pictures: Sequence[Picture],
    count: int,
    config: GenerationConfig,
    device: torch.device,
    augmentation: AugmentConfig,
    others: Originals,
) -> Iterator[Step | GenerateResult]:
    """Generate pictures of a class; see ``presets.generate``.

    Raises:
        InputError: Some pictures are not wafer maps.
    """
    pictures = _wafer_maps(pictures)
    timer = StepTimer(STEPS, device)

    yield timer.begin("read")
    net = network.load(device)
    orientations = copies.dihedral_vectors(pictures)
    sampler = _Sampler(net, pictures, config.seed, device, variation_of(config, augmentation))
    yield timer.end()

    yield timer.begin("fit")
    sources = choose_sources(len(pictures), count, config.seed)
    kids: list[float] = []
    threshold = 0.0
    if count >= _FEWEST_TO_FIT:
        extractor = features.load("wafernet", device)
        real = extractor.extract(pictures[:_MOST_ORIGINALS]).features
        threshold = _WITHIN_SPREAD * kernel_spread(real)
        for kept in _KEPT:
            pilot = sampler.pilot(sources[:_COMPARED], _with_kept(sampler.variation, kept))
            kids.append(squared_mmd(extractor.extract(pilot).features, real))
            yield from timer.progress(len(kids), len(_KEPT), every=1)
            if kids[-1] <= threshold and fewest_kept(kids, threshold) == len(kids) - 1:
                break  # this share is chosen whatever the next ones give
    sampler.variation = _with_kept(sampler.variation, _KEPT[fewest_kept(kids, threshold)])
    yield timer.end()

    yield timer.begin("learn")
    belongs = class_agreement.membership(pictures, others, device=device, seed=config.seed)
    yield timer.end()

    yield timer.begin("draw")
    wafers = [pictures[index] for index in sources]
    factors = sampler.rng.permutation(np.resize(_FACTORS if belongs else _UNCHECKED_FACTORS, count))
    for done in sampler.redraw(wafers, np.arange(count), sources, factors):
        yield from timer.progress(done, count, every=1)
    yield timer.end()

    yield timer.begin("check")
    left = np.arange(count)
    redrawn, rejected = 0, 0
    for attempt in range(_ATTEMPTS + 1):
        to_check = [wafers[k] for k in left]
        is_copy = _are_copies(to_check, orientations)
        is_other = ~belongs(to_check) if belongs else np.zeros(len(left), bool)
        rejected = int((is_other & ~is_copy).sum())
        factors[left[is_other]] *= _LESS
        factors[left[is_copy]] = np.maximum(1.0, factors[left[is_copy]]) * _MORE
        left = left[is_copy | is_other]
        if not len(left) or attempt == _ATTEMPTS or redrawn + len(left) > _MOST_REDRAWN * count:
            break
        for done in sampler.redraw(wafers, left, sources, factors):
            share = (attempt + done / len(left)) / (_ATTEMPTS + 1)
            yield from timer.progress(round(share * 10**6), 10**6, every=1)
        redrawn += len(left)
    details: dict[str, Any] = {
        **asdict(config),
        "variation": asdict(sampler.variation),
        "originals": len(pictures),
        "fit": {
            "kept": [list(kept) for kept in _KEPT[: len(kids)]],
            "kid": [round(kid, 5) for kid in kids],
            "good": round(threshold, 5),
        },
        "redrawn": redrawn,
        # wafers that the classifier still assigns to another class; None without a classifier
        "rejected": rejected if belongs else None,
        **({} if count < 2 else diversity(wafers, pictures, config.seed)),
    }
    yield timer.end()

    yield timer.begin("sweep")
    sweep: Sweep | None = None
    if config.sweep and count > 1:
        levels: dict[float, list[Picture]] = {}
        for density in DENSITIES:
            shift = sampler.variation.density_shift + float(np.log(density))
            variation = replace(sampler.variation, density_shift=shift)
            levels[config.density * density] = sampler.pilot(sources[:_COMPARED], variation)
            yield from timer.progress(len(levels), len(DENSITIES) + 1, every=1)
        sweep = compare_levels("density", levels, pictures, device)
    details["sweep"] = sweep and sweep.to_json()
    yield timer.end()
    weights = sum(p.numel() * p.element_size() for p in net.parameters())
    details["cost"] = timer.cost(wafers, weights)
    details["device"] = details["cost"]["device"]
    yield GenerateResult(wafers, sources, timer.seconds, details, sweep)


DIFFUSION = Recipe(generate_with_diffusion, STEPS)


def variation_of(config: GenerationConfig, augmentation: AugmentConfig) -> Variation:
    """How much new wafers may differ from the originals."""
    return Variation(
        turn=augmentation.rotation_range,
        mirror_x=augmentation.horizontal_flip,
        mirror_y=augmentation.vertical_flip,
        density_shift=float(np.log(config.density)),
    ).wider(config.variety)


def _with_kept(variation: Variation, kept: tuple[float, float]) -> Variation:
    """More kept dies leave less room for the mixed-in wafer: the two would overlap."""
    return replace(variation, kept=kept, mixed=variation.mixed * (1 - kept[1]))


def fewest_kept(kids: Sequence[float], threshold: float) -> int:
    """Index of the lowest share of kept dies that is good enough: fewer give newer wafers.

    Args:
        kids: KID of each share in ``_KEPT`` against the originals; empty: none was compared.
        threshold: KID that is good enough whatever the lowest is.
    """
    if not kids:
        return _UNFITTED
    bar = max(_WITHIN_BEST * min(kids), threshold)
    return next(number for number, kid in enumerate(kids) if kid <= bar)


def _are_copies(
    wafers: Sequence[Picture], orientations: npt.NDArray[np.float32]
) -> npt.NDArray[np.bool_]:
    """Which wafers are near copies of originals, chunk by chunk to bound the memory."""
    found = [
        copies.nearest(copies.vectors(wafers[start : start + _CHUNK]), orientations).near_copies
        for start in range(0, len(wafers), _CHUNK)
    ]
    return np.concatenate(found) if found else np.zeros(0, bool)


def _wafer_maps(pictures: Sequence[Picture]) -> list[Picture]:
    """The pictures as wafer maps; among maps, a picture of 0 and 255 is one without a passed die.

    Raises:
        InputError: Some are not wafer maps.
    """
    if sum(is_map(picture) for picture in pictures) > len(pictures) / 2:
        pictures = [
            _with_passed_die(picture.copy()) if is_black_and_white(picture) else picture
            for picture in pictures
        ]
    odd = sum(not is_map(picture) for picture in pictures)
    if odd:
        raise InputError(
            "{odd:,} of {count:,} pictures of this class are not wafer maps, which Auto "
            "(diffusion) needs. Use the preset Classic DCGAN or Manual (transforms) for this "
            "class.",
            odd=odd,
            count=len(pictures),
        )
    return list(pictures)


def _with_passed_die(picture: Picture) -> Picture:
    """A map without a passed die would be read as black and white: let one die pass, in place."""
    if not is_map(picture):
        picture.flat[int(picture.argmax())] = PASS
    return picture
