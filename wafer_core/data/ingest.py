"""Bring found pictures into a project: all that are good, or none if it is cancelled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from wafer_core.data import dataset, pictures
from wafer_core.data.project import Project
from wafer_core.errors import ClassNameError, PictureError
from wafer_core.importers import Candidate, Rejected
from wafer_core.names import clean_name, fold


@dataclass(frozen=True)
class ImportReport:
    """What became of a drop."""

    added: dict[str, int] = field(default_factory=dict)  # by class name
    duplicates: dict[str, int] = field(default_factory=dict)  # by class name
    rejected: tuple[Rejected, ...] = ()
    conflicts: int = 0  # pictures of the project that now lie in several classes

    @property
    def total(self) -> int:
        """Pictures added in all."""
        return sum(self.added.values())


def import_candidates(
    project: Project,
    candidates: Sequence[Candidate],
    class_name: str | None = None,
    progress: Callable[[float, str], None] | None = None,
    rejected: Sequence[Rejected] = (),
) -> ImportReport:
    """Decode and store pictures; the bad ones are told, the good ones are kept.

    Args:
        candidates: What ``importers.scan`` found.
        class_name: Put all of them here; ``None`` takes each one's own class.
        progress: Called with the share done (0 to 1) and a text; may raise ``Cancelled``, and then
            the project is as before.
        rejected: What the scan refused already, for the report.

    Raises:
        StorageError: The disk is full; the project is as before.
    """
    refused = list(rejected)
    spelling: dict[str, str] = {}  # “Scratch” and “scratch” of one drop are one class
    with pictures.Staging(project) as staging:
        for number, candidate in enumerate(candidates):
            if progress and number % 20 == 0:
                progress(number / len(candidates), f"{number} of {len(candidates)} pictures read")
            try:
                name = class_name or candidate.class_name
                if name is None:
                    raise PictureError(
                        f"{candidate.name}: lies in no folder that names its class; "
                        "choose a class for it, or put it into a folder."
                    )
                name = clean_name(name)
                name = spelling.setdefault(fold(name), name)
                loaded = candidate.load()
                staging.add(
                    name, pictures.NewPicture(loaded.picture, candidate.name, candidate.group)
                )
            except (PictureError, ClassNameError) as exc:
                refused.append(Rejected(candidate.name, str(exc)))
        if progress:
            progress(1.0, "storing")
        results = staging.commit()
    return ImportReport(
        {name: result.added for name, result in results.items()},
        {name: len(result.duplicates) for name, result in results.items() if result.duplicates},
        tuple(refused),
        len(dataset.find_conflicts(project)),
    )
