"""Synthetic pictures of a class: runs of augmented and generated ones, and their scores.

classes/<slug>/augmented/<run>/…      pictures, manifest.json and scores-<features>.json
classes/<slug>/generated/<run>/…      the same

The runs of one job are a batch: they appear together at its end, or not at all.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wafer_core import files, images, names
from wafer_core.data import scores
from wafer_core.data.commits import Change
from wafer_core.data.manifest import (
    MANIFEST,
    MAX_BYTES,
    Manifest,
    PictureRecord,
    class_folder,
    read_manifest,
    write_manifest,
)
from wafer_core.data.members import FILE_NAME, MEGABYTE, RUN, SLUG, Member
from wafer_core.data.pictures import MAX_PICTURE_BYTES
from wafer_core.data.project import Project
from wafer_core.data.provenance import Provenance
from wafer_core.data.scores import RunScores
from wafer_core.errors import DataError, InputError, ProjectError
from wafer_core.images import Picture
from wafer_core.messages import Message, message

ORIGINS = ("augmented", "generated")
REMEDY = message("Delete the run and create it again.")


def _run_manifest(value: object) -> Manifest:
    """The manifest of a run, with its provenance checked."""
    found = Manifest.from_json(value)
    Provenance.from_json(found.info)
    return found


_FOLDER = rf"classes/{SLUG}/(augmented|generated)/{RUN}"
MEMBERS = (
    Member(rf"{_FOLDER}/manifest\.json", _run_manifest, MAX_BYTES),
    Member(rf"{_FOLDER}/{FILE_NAME}\.png", None, MAX_PICTURE_BYTES),
    Member(rf"{_FOLDER}/scores-[a-z0-9_-]{{1,60}}\.json", RunScores.from_json, 4 * MEGABYTE),
)


@dataclass(frozen=True)
class SyntheticPicture:
    """A picture made from an original (augmented) or by a model (generated).

    Attributes:
        picture: The picture.
        parent: File of the original, if there is one.
        details: Provenance, JSON values.
    """

    picture: Picture
    parent: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SyntheticRun:
    """One run of Augment or Generate in one class.

    Attributes:
        run: Its folder.
        origin: ``augmented`` or ``generated``.
        folder: Where it is now.
        info: Provenance, see ``Provenance``.
        records: Its pictures.
        damage: Why it cannot be read; it then has no pictures.
    """

    run: str
    origin: str
    folder: Path
    info: Mapping[str, Any]
    records: tuple[PictureRecord, ...]
    damage: Message | None = None

    @property
    def provenance(self) -> Provenance:
        """``info`` with its types checked."""
        return Provenance.from_json(self.info)


def runs(project: Project, slug: str, origin: str) -> tuple[SyntheticRun, ...]:
    """Runs of one origin in a class, oldest first; a damaged one says what is wrong with it."""
    folder = class_folder(project, slug) / origin
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:  # the class has none
        return ()
    found = []
    for path in paths:
        if (path / MANIFEST).exists():
            try:
                manifest = read_manifest(path, REMEDY)
                Provenance.from_json(manifest.info)
            except ProjectError as exc:
                found.append(SyntheticRun(path.name, origin, path, {}, (), exc.message))
            except DataError as exc:
                damage = message(
                    "{path} is damaged ({reason}). {remedy}",
                    path=str(path / MANIFEST),
                    reason=exc.message,
                    remedy=REMEDY,
                )
                found.append(SyntheticRun(path.name, origin, path, {}, (), damage))
            else:
                info, records = manifest.info, manifest.records
                found.append(SyntheticRun(path.name, origin, path, info, records))
    return tuple(found)


def find_run(project: Project, slug: str, name: str | None) -> SyntheticRun:
    """A run of synthetic pictures.

    Args:
        project: The project.
        slug: The class.
        name: Of the run; ``None``: the newest generated one, else the newest augmented one.

    Raises:
        InputError: There is no such run.
    """
    every = [run for origin in ORIGINS for run in runs(project, slug, origin)]
    matching = [run for run in every if name is None or run.run == name]
    if matching:
        return matching[-1]
    if not every:
        raise InputError("This class has no synthetic pictures; generate some first.")
    raise InputError(
        "There is no run “{name}” in this class; its runs are: {known}.",
        name=str(name)[:80],
        known=", ".join(run.run for run in every),
    )


class Batch:
    """Runs that appear together when the batch is committed, see ``batch``."""

    def __init__(self, project: Project, change: Change) -> None:
        self._project = project
        self._change = change
        self._slugs: list[str] = []

    def add(
        self,
        slug: str,
        origin: str,
        pictures: Iterable[SyntheticPicture],
        info: Mapping[str, Any],
    ) -> SyntheticRun:
        """Write one run of synthetic pictures; they are used for training only.

        Args:
            slug: The class.
            origin: ``augmented`` or ``generated``.
            pictures: The pictures.
            info: Provenance of the run, JSON values: parameters, model, seed, quality figures.

        Returns:
            The run, whose folder is a temporary one until the batch is committed.

        Raises:
            ProjectError: The class was deleted meanwhile.
            StorageError: The disk is full.
        """
        _check_class(self._project, slug)
        run = names.timestamp_name("run")
        folder = self._change.folder(run_folder(self._project, slug, origin, run))
        records = []
        for index, item in enumerate(pictures):
            picture = images.check_picture(item.picture, f"{origin} {index}")
            record = PictureRecord.of(
                picture, f"{origin[:3]}-{index:05d}", parent=item.parent, details=dict(item.details)
            )
            files.write_bytes(folder / record.file, images.encode_png(picture), sync=False)
            records.append(record)
        write_manifest(folder, records, info)
        self._slugs.append(slug)
        return SyntheticRun(run, origin, folder, dict(info), tuple(records))

    def commit(self) -> None:
        """Make all runs visible.

        Raises:
            ProjectError: A class was deleted meanwhile; nothing is stored.
            StorageError: The disk is full; nothing is stored.
        """
        with self._project.lock():
            for slug in self._slugs:
                _check_class(self._project, slug)
            self._change.commit()


@contextmanager
def batch(project: Project) -> Iterator[Batch]:
    """Write runs; those of a batch that is not committed are removed, also after a kill."""
    with Change(project.path) as change:
        yield Batch(project, change)


def add(
    project: Project,
    slug: str,
    origin: str,
    pictures: Iterable[SyntheticPicture],
    info: Mapping[str, Any],
) -> str:
    """Store one run of synthetic pictures, see ``Batch.add``; returns its name."""
    with batch(project) as runs_:
        run = runs_.add(slug, origin, pictures, info)
        runs_.commit()
    return run.run


def _check_class(project: Project, slug: str) -> None:
    if not (class_folder(project, slug) / "class.json").exists():
        raise ProjectError("The class was deleted meanwhile; nothing was stored.")


def delete(project: Project, slug: str, origin: str, run: str) -> None:
    """Delete one run of synthetic pictures; they can be created again."""
    folder = run_folder(project, slug, origin, run)
    with project.lock():
        files.remove_folder(folder)


def run_folder(project: Project, slug: str, origin: str, run: str) -> Path:
    """Folder of one run.

    Raises:
        ProjectError: The origin or the run is not a plain known name.
    """
    if origin not in ORIGINS or not names.is_folder_name(run):
        raise ProjectError("There is no run “{name}”; reload the page.", name=run[:80])
    return class_folder(project, slug) / origin / run


def write_scores(run: SyntheticRun, value: Mapping[str, Any]) -> None:
    """Store the scores of a run beside its pictures; a run deleted meanwhile gets none.

    Args:
        run: The run.
        value: JSON of ``RunScores``.
    """
    if run.folder.is_dir():
        files.write_json(run.folder / scores.FILE.format(value["features"]), value)


def stored_scores(run: SyntheticRun) -> dict[str, RunScores]:
    """Scores of a run by feature network; empty if it was never scored. Damaged files are skipped.

    Scoring the run again replaces a damaged file.
    """
    found = {}
    for path in sorted(run.folder.glob(scores.FILE.format("*"))):
        with contextlib.suppress(ProjectError):
            scored = files.read_checked(path, RunScores.from_json)
            found[scored.features] = scored
    return found
