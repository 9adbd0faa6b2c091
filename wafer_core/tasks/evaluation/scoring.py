"""How good made pictures are, each figure beside what real pictures reach: one call, `score_made`.

Every figure stands between its *floor*, real pictures of the class against other real ones of it,
and its *ceiling*, the nearest other class against it. Those two, and the figure that is compared
with them (``Score.same_counts``), are taken at the same counts, because most scores depend on them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from wafer_core.images import FAIL, NO_DIE, Picture, is_map, resize
from wafer_core.metrics import copies
from wafer_core.networks import features as feature_networks
from wafer_core.networks.features import FeatureNetwork, Seen
from wafer_core.tasks.evaluation import comparison, sentences
from wafer_core.tasks.evaluation.class_agreement import Classes, agreement
from wafer_core.tasks.evaluation.comparison import EACH, FEWEST, Sets
from wafer_core.tasks.evaluation.sentences import Score

MOST = 2000, 300  # made and real that are looked at; more change the figures little
SIDE = 64  # cells a side at which copies are looked for: every die of most products
_LOOKS = 0.6  # share of the time that the feature network takes, roughly
_PROBED, _NEAREST = 10, 3  # pictures of each other class first; then all of the nearest classes


@dataclass(frozen=True)
class GenerationScores:
    """All figures of one set of made pictures.

    Attributes:
        features: Key of the feature network; figures of two networks cannot be compared.
        title: Its name, to stand beside every figure.
        weights: First digits of the SHA-256 of its weights.
        wafernet: SHA-256 of the weights of WaferNet, which class agreement is seen with too.
        counts: ``made``, ``training``, ``held_out``, and ``real``: what is compared with.
        reference: What the real pictures are, in words.
        scores: By name, in the order of ``verdicts.SCORES``.
        sentence: All of it in one sentence.
        seconds: That it took.
    """

    features: str
    title: str
    weights: str
    wafernet: str
    counts: Mapping[str, int]
    reference: str
    scores: Mapping[str, Score]
    sentence: str
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain values, without any that is no number."""
        shown = {
            name: {**asdict(score), "place": score.place, **asdict(sentences.SCORES[name])}
            for name, score in self.scores.items()
        }
        return {**asdict(self), "scores": shown, "seconds": round(self.seconds, 2)}


def score_made(
    made: Sequence[Picture],
    training: Sequence[Picture],
    held_out: Sequence[Picture],
    others: Mapping[str, Sequence[Picture]],
    *,
    classes: Classes | None = None,
    features: str = "wafernet",
    weights: Path | None = None,
    device: torch.device | None = None,
    lots: Sequence[str | None] | None = None,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
    most: tuple[int, int] = MOST,
) -> GenerationScores:
    """Score made pictures of one class.

    Args:
        made: Generated or augmented.
        training: Originals that they were made from: the floor is these against the held-out ones,
            and copies are looked for among them. May be empty: then all is taken from ``held_out``.
        held_out: Originals that nothing was learned from. Fewer than ``FEWEST``: the training
            originals stand in, and the sentence says so.
        others: Originals of other classes, by name.
        classes: All classes, for class agreement; ``None``: there are none to learn from.
        features: A key of ``features.FEATURES``.
        weights: A file of weights for a network that does not ship.
        device: Where to compute; default: the CPU.
        lots: Of the held-out originals; where halves of them are compared, a lot stays whole.
        seed: Of what is drawn; the same seed, the same figures.
        progress: Called with the share that is done, 0 to 1; may raise to stop.
        most: Made and real pictures that are looked at; of more, some are drawn.

    Returns:
        Every score; one that cannot be computed says why and is ``None``, never a NaN.

    Raises:
        ParameterError: No such features.
        ModelError: The network's weights are missing or not genuine.
    """
    began, given = time.perf_counter(), len(made)
    tell = progress or (lambda _: None)
    network = feature_networks.load(features, device or torch.device("cpu"), weights)
    rng = np.random.default_rng((seed, 11))
    enough = len(held_out) >= FEWEST
    real = list(held_out) if enough else [*training, *held_out]
    reference = sentences.reference(len(training), len(held_out), enough)
    second = list(training) if enough and len(training) >= FEWEST else []
    made = _some(made, most[0], rng)
    kept = sorted(rng.permutation(len(real))[: most[1]])
    look = _Looking(network, lambda share: tell(_LOOKS * share), len(made) + len(real))
    sets = Sets(
        look(made),
        look([real[i] for i in kept]),
        look(_some(second, EACH, rng)) if second else None,
        [lots[i] for i in kept] if lots and enough else None,
        rng,
        seed,
    )
    names, nearest = _nearest_classes(sets, others, look, rng)
    scores = {
        "kid": comparison.kernel(sets, nearest),
        "fid": comparison.frechet(sets, nearest),
        "precision": comparison.manifold(sets, nearest, 0),
        "recall": comparison.manifold(sets, nearest, 1),
        "is": comparison.inception(sets, nearest),
        "copies": _copies(made, training, real, second != [], others, names),
        "agreement": agreement(
            made, classes, device=device, seed=seed,
            progress=lambda share: tell(_LOOKS + (1 - _LOOKS) * share),
        ),
    }  # fmt: skip
    tell(1.0)
    worded = {name: sentences.worded(score, network.title) for name, score in scores.items()}
    counts = {
        "made": given,
        "training": len(training),
        "held_out": len(held_out),
        "real": len(real),
    }
    return GenerationScores(
        features,
        network.title,
        network.identity[:8],
        feature_networks.wafernet_checksum(),
        counts,
        reference,
        {name: worded[name] for name in sentences.SCORES},
        sentences.summary(worded, reference),
        time.perf_counter() - began,
    )


class _Looking:
    """Shows sets of pictures to the network and tells how far it is."""

    def __init__(
        self, network: FeatureNetwork, progress: Callable[[float], None] | None, total: int
    ) -> None:
        self._network, self._progress = network, progress
        self._total, self._done = max(1, total), 0

    def __call__(self, pictures: Sequence[Picture]) -> Seen:
        def tell(share: float) -> None:
            if self._progress:
                done = self._done + share * len(pictures)
                self._progress(min(1.0, done / self._total))

        seen = self._network.look(pictures, tell)
        self._done += len(pictures)
        return seen


def _some(pictures: Sequence[Picture], most: int, rng: np.random.Generator) -> list[Picture]:
    """All pictures, or ``most`` of them drawn at random."""
    if len(pictures) <= most:
        return list(pictures)
    return [pictures[i] for i in rng.permutation(len(pictures))[:most]]


def _nearest_classes(
    sets: Sets,
    others: Mapping[str, Sequence[Picture]],
    look: _Looking,
    rng: np.random.Generator,
) -> tuple[list[str], dict[str, Seen]]:
    """Other classes with enough pictures: all names, and the features of the nearest few."""
    need = max(sets.each, 1)
    usable = [name for name in others if len(others[name]) >= need]
    if not len(sets.real.features) or not usable:
        return usable, {}
    if len(usable) > _NEAREST:
        middle = sets.real.features.mean(0)
        probes = [look(_some(others[name], _PROBED, rng)).features.mean(0) for name in usable]
        far = [float(np.linalg.norm(probe - middle)) for probe in probes]
        usable = [usable[i] for i in np.argsort(far)[:_NEAREST]]
    return usable, {name: look(_some(others[name], need, rng)) for name in usable}


def _copies(
    made: Sequence[Picture],
    training: Sequence[Picture],
    real: Sequence[Picture],
    held_out: bool,
    others: Mapping[str, Sequence[Picture]],
    names: Sequence[str],
) -> Score:
    """Near copies of the originals that were learned from, whichever way round they lie."""
    learned = training or real
    counts = {"made": len(made), "real": len(learned)}
    if not made or not learned:
        return Score("copies", counts=counts, note=sentences.too_few("Copies", 1, counts))
    known = forms(learned)
    found = copies.nearest(vectors(made), known)
    among = copies.nearest(known[0], known, same=True) if len(learned) > 1 else None
    fresh = copies.nearest(vectors(real), known) if held_out else None
    compared = fresh or among
    far = {name: copies.nearest(vectors(others[name][:EACH]), known).share for name in names}
    ceiling, name = comparison.lowest(far, "lower")
    return Score(
        "copies",
        found.share,
        None,
        found.share,
        compared.share if compared else None,
        ceiling,
        name,
        {**counts, "each": len(compared.distance) if compared else 0},
        {
            "copies": int(found.near.sum()),
            "distance": float(np.median(found.distance)),
            "distance_among_originals": float(np.median(among.distance)) if among else None,
            "distance_of_held_out": float(np.median(fresh.distance)) if fresh else None,
            "threshold": copies.NEAR,
        },
    )


def forms(pictures: Sequence[Picture]) -> npt.NDArray[np.float32]:
    """Pictures as they are, turned and mirrored, for ``copies.nearest``: (8, N, P).

    They are turned before they are drawn at one size: a turned copy is then exactly equal.
    """
    turned = []
    for mirrored in (False, True):
        sides = [picture[:, ::-1] if mirrored else picture for picture in pictures]
        for k in range(4):
            turned.append(vectors([np.ascontiguousarray(np.rot90(side, k)) for side in sides]))
    return np.stack(turned)


def vectors(pictures: Sequence[Picture]) -> copies.Vectors:
    """Pictures at one size, as ``copies`` compares them: (N, P)."""
    failed = np.empty((len(pictures), SIDE, SIDE), np.float32)
    wafer = np.ones(failed.shape, bool)
    for index, picture in enumerate(pictures):
        small = resize(picture, (SIDE, SIDE))
        if is_map(picture):
            failed[index], wafer[index] = small == FAIL, small != NO_DIE
        else:
            failed[index] = small / np.float32(255)
    return copies.vectors(failed, wafer)
