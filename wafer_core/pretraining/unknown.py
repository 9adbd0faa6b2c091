"""Statistics with which the included model recognises wafers of unknown patterns.

    python -m wafer_core.pretraining.unknown DATA.npz --output wafernet-unknown.safetensors

The class means come from half of the lots, the threshold from the other half.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from wafer_core.importers import Candidate, scan
from wafer_core.tasks.classification import detector
from wafer_core.tasks.classification.pretrained import standard_classifier

_PER_CLASS = 300  # wafers at most, in each half


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="wafer data file with labels and lots\n")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    classifier = standard_classifier()
    rng = np.random.default_rng(given.seed)
    names = classifier.class_names
    candidates = [c for c in scan([given.data]).candidates if c.class_name in names and c.group]
    lots = sorted({str(c.group) for c in candidates})
    first = set(rng.permutation(lots)[: len(lots) // 2].tolist())
    sides: tuple[list[Candidate], list[Candidate]] = ([], [])
    for name in names:
        for side, is_first in zip(sides, (True, False), strict=True):
            own = [c for c in candidates if c.class_name == name and (c.group in first) is is_first]
            side += [own[k] for k in rng.permutation(len(own))[:_PER_CLASS]]
    train, other = sides
    found = detector.fit_detector(
        classifier,
        (
            [c.load().picture for c in train],
            np.array([names.index(str(c.class_name)) for c in train]),
        ),
        ([c.load().picture for c in other], [str(c.group) for c in other]),
    )
    if found is None:
        raise SystemExit("The data file holds no wafers of the nine patterns with lots.")
    found.save(given.output.parent, given.output.name)
    sys.stdout.write(f"threshold {found.threshold:.2f} from {found.units} lots\n")


if __name__ == "__main__":
    main()
