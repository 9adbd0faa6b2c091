"""Import of the pictures that a scan found: all good ones, or none if it is cancelled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from wafer_core.data import dataset, pictures
from wafer_core.data.project import Project
from wafer_core.errors import ClassNameError, PictureError
from wafer_core.importers import Candidate, Rejected
from wafer_core.messages import message
from wafer_core.names import clean_name, fold
from wafer_core.progress import SILENT, Progress


@dataclass(frozen=True)
class ImportReport:
    """The result of an import.

    Attributes:
        added: Number of pictures added, by class name.
        duplicates: Number of pictures that the class already had, by class name.
        rejected: Files that were not imported.
        conflicts: Number of pictures of the project that are in several classes now.
        run: Id of the import, for ``imports.undo``; ``None`` if nothing was added.
    """

    added: dict[str, int] = field(default_factory=dict)
    duplicates: dict[str, int] = field(default_factory=dict)
    rejected: tuple[Rejected, ...] = ()
    conflicts: int = 0
    run: str | None = None

    @property
    def total(self) -> int:
        """Number of pictures added."""
        return sum(self.added.values())


def import_candidates(
    project: Project,
    candidates: Sequence[Candidate],
    class_name: str | None = None,
    on_progress: Progress = SILENT,
    rejected: Sequence[Rejected] = (),
    source: str = "",
    before_storing: Callable[[], None] = lambda: None,
) -> ImportReport:
    """Decode and store pictures; bad ones are reported and good ones are kept.

    Args:
        project: The project.
        candidates: From ``importers.scan``.
        class_name: Class of all of them; ``None``: each has its own.
        on_progress: May raise ``Cancelled``; the project is then unchanged.
        rejected: Files that the scan rejected, for the report.
        source: Where they came from, for people.
        before_storing: Called before anything in the project changes; may raise ``Cancelled``.

    Raises:
        StorageError: The disk is full; the project is unchanged.
    """
    refused = list(rejected)
    spelling: dict[str, str] = {}  # “Scratch” and “scratch” in one import are one class
    # A class that is renamed during the import keeps its folder, and gets the wafers.
    folders = {fold(c.name): c.slug for c in project.classes()}
    with pictures.Staging(project) as staging:
        for number, candidate in enumerate(candidates):
            if number % 20 == 0:
                text = message(
                    "{done:,} of {total:,} pictures read", done=number, total=len(candidates)
                )
                on_progress(number / len(candidates), text)
            try:
                name = class_name or candidate.class_name
                if name is None:
                    raise PictureError(
                        "{file} has no class folder; choose a class for it, or move it to a "
                        "folder named after its class.",
                        file=candidate.name,
                    )
                name = clean_name(name)
                name = spelling.setdefault(fold(name), name)
                loaded = candidate.load()
                new = pictures.NewPicture(loaded.picture, candidate.name, candidate.group)
                staging.add(name, new)
            except PictureError as exc:
                refused.append(Rejected(candidate.name, exc.message))
            except ClassNameError as exc:
                reason = message("{file}: {reason}", file=candidate.name, reason=exc.message)
                refused.append(Rejected(candidate.name, reason))
        on_progress(1.0, message("Storing the pictures"))
        known = {name: folders[key] for key, name in spelling.items() if key in folders}
        present = {c.slug for c in project.classes()}
        slugs = {name: slug for name, slug in known.items() if slug in present}
        before_storing()
        done = staging.commit(slugs, source=source, rejected=len(refused))
    results = done.classes
    return ImportReport(
        {name: result.added for name, result in results.items()},
        {name: len(result.duplicates) for name, result in results.items() if result.duplicates},
        tuple(refused),
        len(dataset.find_conflicts(project)),
        done.run,
    )
