"""What the jobs of studies share: a project read by its split, how far it is, and the keeping."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from wafer_core.data.dataset import Dataset
    from wafer_core.data.project import Project
    from wafer_core.images import Picture
    from wafer_core.jobs.context import JobContext
    from wafer_core.tasks.classification.config import TrainData


class Originals(NamedTuple):
    """The originals of a project, by its fixed split.

    Attributes:
        train: Those of the training part, with their lots, and of the validation part.
        test_pictures: Those that judge.
        test_labels: (N,) index of the class of each.
        test_lots: Of each; its own key where it has none.
    """

    train: TrainData
    test_pictures: list[Picture]
    test_labels: npt.NDArray[np.int64]
    test_lots: list[str]


class StudyJob:
    """One study under way.

    Attributes:
        frozen: The pictures of the project as they were when it began.
    """

    def __init__(self, context: JobContext) -> None:
        from wafer_core.data import dataset
        from wafer_core.device import CoreWatch

        self._context = context
        self._began = time.perf_counter()
        self._watch = CoreWatch()
        self.frozen = dataset.freeze(context.project)

    def tell(self, share: float, text: str) -> None:
        """Say how far it is, as a share from 0 to 1; ends here where it has been cancelled."""
        self._watch.adapt()
        self._context.check_cancelled()
        self._context.progress(share, text)

    def keep(
        self,
        name: str,
        found: Mapping[str, Any],
        config: Mapping[str, Any],
        originals_only: bool = False,
    ) -> dict[str, Any]:
        """Store what was found, unless it has been cancelled, and return it as the job's result.

        Args:
            name: Of the kind.
            found: JSON values and what ``events.plain`` makes such of.
            config: Settings.
            originals_only: Whether made pictures of the project had no part in it.

        Raises:
            StorageError: The disk is full or refuses.
        """
        from wafer_core.data import studies
        from wafer_core.device import describe_device
        from wafer_core.jobs.events import plain

        self._context.check_cancelled()
        result = {
            **found,
            "config": dict(config),
            "seconds": round(time.perf_counter() - self._began, 3),
            "device": describe_device(self._context.device),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        study = studies.save(
            self._context.project, name, plain(result), self.frozen, originals_only
        )
        return {"study": study.id, **result}


def is_kept(found: Mapping[str, Any]) -> bool:
    """Whether a stored study has what ``StudyJob.keep`` adds: it may come from anybody."""
    return (
        isinstance(found.get("config"), dict)
        and isinstance(found.get("seconds"), int | float)
        and all(isinstance(found.get(key), str) for key in ("device", "created"))
    )


def read_originals(project: Project, used: Dataset, tell: Callable[[float], None]) -> Originals:
    """Read all originals.

    Args:
        project: Where.
        used: Classes that can be learned, and their pictures.
        tell: Told the share that is read.
    """
    from wafer_core.data import dataset
    from wafer_core.tasks.classification.config import TrainData

    names = ("train", "validation", "test")
    parts = []
    for number, part in enumerate(names):

        def within(share: float, number: int = number) -> None:
            tell((number + share) / len(names))

        within(0.0)
        parts.append(dataset.load_part(project, used, part, False, within))
    (train, labels), (validation, validation_labels), (test, test_labels) = parts
    lots, _ = dataset.bonds(project, used, "train", False)
    test_lots, _ = dataset.bonds(project, used, "test", False)
    data = TrainData(used.class_names, train, labels, validation, validation_labels, lots)
    return Originals(data, test, test_labels, test_lots)
