"""Whether a picture is what a classifier was trained on: a wafer map, or any grey picture."""

from __future__ import annotations

from collections.abc import Sequence

from wafer_core.images import Picture
from wafer_core.importers.recognition import find_doubt
from wafer_core.messages import Message
from wafer_core.tasks.classification.classifier import Classifier

KEY = "input"  # in ``Classifier.extra``
MAPS, PICTURES = "maps", "pictures"
_MIN_SHARE = 0.95  # of the training pictures; a few damaged ones do not switch the check off
_SAMPLE = 500  # training pictures that are looked at


def kind_of(pictures: Sequence[Picture]) -> str:
    """``MAPS`` if nearly all training pictures pass as wafers, else ``PICTURES``.

    Wafers that the check itself would doubt, such as panels or cut-outs, count as pictures: a
    classifier must not refuse what it was trained on.
    """
    chosen = pictures[:: max(1, len(pictures) // _SAMPLE)]
    passed = sum(find_doubt(picture) is None for picture in chosen)
    return MAPS if chosen and passed >= _MIN_SHARE * len(chosen) else PICTURES


def expects_maps(classifier: Classifier) -> bool:
    """Whether a classifier was trained on wafer maps.

    Models stored before the kind was recorded: WaferNet was, of others it is not known.
    """
    kind = classifier.extra.get(KEY)
    if kind in (MAPS, PICTURES):
        return bool(kind == MAPS)
    return classifier.architecture == "wafernet"


def doubts(classifier: Classifier, pictures: Sequence[Picture]) -> list[Message | None]:
    """Why each picture cannot be a wafer; ``None`` where it can, or any picture will do."""
    if not expects_maps(classifier):
        return [None] * len(pictures)
    return [find_doubt(picture) for picture in pictures]
