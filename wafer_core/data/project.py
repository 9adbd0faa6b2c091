"""One project: its settings and classes, in a folder that people copy, back up and compare.

project.json                   schema, name, split seed and fractions, current model
classes/<slug>/class.json      name, description, order, classes it combines
classes/<slug>/originals/ augmented/ generated/      see ``pictures`` and ``synthetic``
models/ presets/ studies/ jobs/ .trash/
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wafer_core import files, names
from wafer_core.data import commits, trash
from wafer_core.data.class_combinations import expand, suggest
from wafer_core.data.commits import Change
from wafer_core.data.project_files import MAX_SMALL_FILE, ProjectSettings, WaferClass
from wafer_core.data.split import DEFAULT_FRACTIONS, check_fractions
from wafer_core.data.trash import TrashItem
from wafer_core.errors import ClassNameError, ProjectError
from wafer_core.messages import message

MAX_CLASSES = 200  # Predict shows a probability bar for each on one page

__all__ = ["MAX_CLASSES", "Project", "ProjectSettings", "TrashItem", "WaferClass"]


class Project:
    """A project folder. It keeps no state but its path, so that two tabs always see the same."""

    def __init__(self, path: Path) -> None:
        self.path = path

    # -- opening ---------------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        path: Path,
        name: str | None = None,
        seed: int = 0,
        fractions: Mapping[str, float] = DEFAULT_FRACTIONS,
    ) -> Project:
        """Create an empty project in ``path``.

        Raises:
            ProjectError: The folder is not empty.
            ClassNameError: The name cannot be used.
            StorageError: The folder cannot be created.
        """
        title = names.clean_name(name if name is not None else path.name, "project")
        with files.storage_errors(path):
            occupied = path.exists() and any(path.iterdir() if path.is_dir() else [path])
        if occupied:
            raise ProjectError(
                "{path} is not empty; choose another folder for the project.", path=str(path)
            )
        settings = ProjectSettings(
            title, datetime.now(UTC).isoformat(timespec="seconds"), seed, check_fractions(fractions)
        )
        files.write_json(path / "project.json", asdict(settings), parents=True)
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> Project:
        """Open an existing project.

        Raises:
            ProjectError: It does not exist, cannot be read, is damaged, or a newer version wrote
                it.
        """
        try:
            is_there = path.is_dir()
        except OSError:  # a path too long, or below a folder that may not be read
            is_there = False
        if not is_there:
            raise ProjectError(
                "The project {path} does not exist; it was deleted or renamed. Open another "
                "project.",
                path=str(path)[-200:],
            )
        project = cls(path)
        _ = project.settings
        return project

    @classmethod
    def open_or_create(cls, path: Path, seed: int = 0) -> Project:
        """Open a project, or create it if there is none (``--project`` of the command line)."""
        with files.storage_errors(path):
            exists = (path / "project.json").exists()
        return cls.open(path) if exists else cls.create(path, seed=seed)

    @property
    def settings(self) -> ProjectSettings:
        """Read ``project.json``.

        Raises:
            ProjectError: It is missing, damaged, or a newer version wrote it.
        """
        return files.read_checked(
            self.path / "project.json", ProjectSettings.from_json, max_bytes=MAX_SMALL_FILE
        )

    @property
    def name(self) -> str:
        """Display name."""
        return self.settings.name

    @property
    def models_path(self) -> Path:
        """Folder of trained models, one per run."""
        return self.path / "models"

    @property
    def jobs_path(self) -> Path:
        """Folder of jobs."""
        return self.path / "jobs"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold this while writing; the same thread may acquire it again.

        A change that an interrupted process committed is carried out first.
        """
        with files.lock(self.path / ".lock"):
            commits.finish(self.path)
            yield

    def rename(self, name: str) -> None:
        """Change the display name; the folder keeps its name.

        Raises:
            ClassNameError: The name cannot be used.
        """
        self._update(name=names.clean_name(name, "project"))

    def set_current_model(self, run: str | None) -> None:
        """Choose the model that Predict uses."""
        self._update(current_model=run)

    def _update(self, **changes: Any) -> None:
        with self.lock():
            files.write_json(self.path / "project.json", asdict(replace(self.settings, **changes)))

    # -- classes ---------------------------------------------------------------------------------

    def classes(self) -> tuple[WaferClass, ...]:
        """All classes in their order.

        A class whose ``class.json`` is damaged comes last, under the name of its folder.

        Raises:
            ProjectError: The project no longer exists or cannot be read.
        """
        folder = self.path / "classes"
        try:
            paths = [p for p in folder.iterdir() if (p / "class.json").exists()]
        except FileNotFoundError:
            _ = self.settings  # a project without classes, or one that no longer exists?
            return ()
        except OSError as exc:
            raise ProjectError(
                "{path} cannot be read ({reason}); ask for read permission.",
                path=str(folder),
                reason=exc.strerror or str(exc),
            ) from exc
        found = [_read_class(path) for path in paths if not path.name.startswith(".")]
        found.sort(key=lambda c: (c.damage is not None, c.order, c.slug))
        if any(c.is_older for c in found):  # until something is written, the names decide
            suggested = suggest({c.slug: c.name for c in found})
            found = [replace(c, combines=suggested.get(c.slug)) if c.is_older else c for c in found]
        return tuple(found)

    def find_class(self, name: str) -> WaferClass:
        """The class with this name (in any case) or slug.

        Raises:
            ClassNameError: There is none.
        """
        classes = self.classes()
        found = _find(classes, name)
        if found is not None:
            return found
        if not classes:
            raise ClassNameError(
                "There is no class “{name}”; the project has no classes yet.", name=name[:80]
            )
        raise ClassNameError(
            "There is no class “{name}”; the project has: {known}.",
            name=name[:80],
            known=", ".join(c.name for c in classes),
        )

    def add_class(self, name: str, description: str = "") -> WaferClass:
        """Add a class at the end; its name may suggest which classes it combines.

        Raises:
            ClassNameError: The name cannot be used or is taken (in any case).
        """
        with self.lock():
            added = replace(self._new_class(name, self.classes()), description=description.strip())
            self._write_class(added)
            self.store_suggestions()
            return self._by_slug(added.slug)

    def _new_class(self, name: str, classes: Sequence[WaferClass]) -> WaferClass:
        """A class that follows the given ones; it is not written."""
        title = names.clean_name(name)
        self._check_free(title, classes)
        if len(classes) >= MAX_CLASSES:
            raise ClassNameError(
                "A project can have at most {count} classes; delete a class first.",
                count=MAX_CLASSES,
            )
        order = max((c.order for c in classes), default=-1) + 1
        slug = self._free_slug(title, {c.slug for c in classes})
        return WaferClass(slug, title, order=order)

    def ensure_class(self, name: str) -> WaferClass:
        """The class with this name, added if there is none."""
        with self.lock():
            try:
                return self.find_class(names.clean_name(name))
            except ClassNameError:
                return self.add_class(name)

    def plan_classes(self, wanted: Iterable[str]) -> dict[str, tuple[WaferClass, bool]]:
        """The classes with these names, without adding those that are missing.

        Returns:
            For each name its class, and whether it has to be added.

        Raises:
            ClassNameError: A name cannot be used, or there are too many classes.
        """
        classes = list(self.classes())
        planned: dict[str, tuple[WaferClass, bool]] = {}
        for name in wanted:
            found = _find(classes, names.clean_name(name))
            planned[name] = (found or self._new_class(name, classes), found is None)
            if found is None:
                classes.append(planned[name][0])
        return planned

    def rename_class(self, slug: str, name: str) -> None:
        """Change a class's display name; its folder and what it combines stay.

        Raises:
            ClassNameError: The name cannot be used or is taken.
        """
        title = names.clean_name(name)
        with self.lock():
            self._check_free(title, [c for c in self.classes() if c.slug != slug])
            self._keep_combinations()
            self._write_class(replace(self._by_slug(slug), name=title))

    def describe_class(self, slug: str, description: str) -> None:
        """Change a class's description."""
        with self.lock():
            self._keep_combinations()
            self._write_class(replace(self._by_slug(slug), description=description.strip()))

    def set_combines(self, slug: str, slugs: Sequence[str]) -> None:
        """Choose which classes a class combines.

        Args:
            slug: Of the class.
            slugs: Of at least two other classes; empty: it combines none.

        Raises:
            ClassNameError: One class only, the class itself, an unknown class, or classes that
                combine this class.
        """
        with self.lock():
            self._keep_combinations()
            wafer_class = self._by_slug(slug)
            chosen = tuple(dict.fromkeys(slugs))
            for other in chosen:
                self._by_slug(other)
            if len(chosen) == 1:
                raise ClassNameError(
                    "“{name}” can combine two or more classes, or none; choose another one.",
                    name=wafer_class.name,
                )
            wanted = {c.slug: c.combines or () for c in self.classes()} | {slug: chosen}
            if _has_cycle(slug, wanted):
                raise ClassNameError(
                    "“{name}” cannot combine itself or a class that combines it; choose other "
                    "classes.",
                    name=wafer_class.name,
                )
            self._write_class(replace(wafer_class, combines=chosen))

    def combinations(self) -> dict[str, tuple[str, ...]]:
        """Slugs of the single-pattern classes that each combined class shows."""
        return expand({c.slug: c.combines or () for c in self.classes()})

    def reorder_classes(self, slugs: Sequence[str]) -> None:
        """Put the classes in this order; classes not listed follow in their old order."""
        with self.lock():
            self._keep_combinations()
            classes = {c.slug: c for c in self.classes()}
            wanted = [s for s in slugs if s in classes]
            wanted += [s for s in classes if s not in wanted]
            with Change(self.path) as change:
                for order, slug in enumerate(wanted):
                    if classes[slug].order != order and classes[slug].damage is None:
                        moved = replace(classes[slug], order=order)
                        change.json(self.class_file(slug), moved.to_json())
                change.commit()

    def delete_class(self, slug: str) -> str:
        """Move a class with all its pictures to the trash.

        A class that combines it no longer combines any, because its wafers show a pattern that has
        no class now.

        Returns:
            The id for ``restore_class``.
        """
        with self.lock():
            self._keep_combinations()
            wafer_class = self._by_slug(slug)
            combining = [c for c in self.classes() if slug in (c.combines or ())]
            details = {"slug": slug, "combined_by": {c.slug: c.combines for c in combining}}
            with Change(self.path) as change:
                item = trash.add(change, self.path, trash.CLASS, wafer_class.name, details)
                change.move(self.path / "classes" / slug, item / trash.CLASS)
                for other in combining:
                    undecided = replace(other, combines=None)
                    change.json(self.class_file(other.slug), undecided.to_json())
                change.commit()
        return item.name

    def store_suggestions(self) -> None:
        """Store what the names suggest for classes that are undecided."""
        classes = self.classes()
        suggested = suggest({c.slug: c.name for c in classes})
        for c in classes:
            if c.is_older or (c.combines is None and c.slug in suggested and c.damage is None):
                self._write_class(replace(c, combines=c.combines or suggested.get(c.slug)))

    def _keep_combinations(self) -> None:
        """Store the combinations of classes of an older version, before any name changes."""
        for c in self.classes():
            if c.is_older:
                self._write_class(c)

    def _by_slug(self, slug: str) -> WaferClass:
        for wafer_class in self.classes():
            if wafer_class.slug == slug:
                return wafer_class
        raise ClassNameError(
            "This class no longer exists; it was deleted or restored elsewhere. Reload the page."
        )

    @staticmethod
    def _check_free(name: str, classes: Sequence[WaferClass]) -> None:
        for other in classes:
            if names.same_name(other.name, name):
                raise ClassNameError(
                    "There is already a class “{name}”; choose a name that differs in more than "
                    "upper and lower case.",
                    name=other.name,
                )

    def _free_slug(self, name: str, planned: Collection[str] = ()) -> str:
        return files.free_folder(self.path / "classes", names.slug(name), planned).name

    def _write_class(self, wafer_class: WaferClass) -> None:
        path = self.class_file(wafer_class.slug)
        with files.storage_errors(path):
            path.parent.parent.mkdir(exist_ok=True)
        files.write_json(path, wafer_class.to_json())

    def class_file(self, slug: str) -> Path:
        """Path of ``class.json`` of a class."""
        return self.path / "classes" / slug / "class.json"

    # -- trash -----------------------------------------------------------------------------------

    def trash(self) -> tuple[TrashItem, ...]:
        """What can be restored, newest first."""
        return trash.items(self.path)

    def restore_class(self, trash_id: str) -> WaferClass:
        """Restore a deleted class; it gets a new name if its name has been taken meanwhile.

        Raises:
            ProjectError: It is no longer in the trash, or damaged.
        """
        with self.lock():
            folder = trash.find(self.path, trash_id, trash.CLASS)
            item = trash.read(folder)
            restored = files.read_checked(folder / "class" / "class.json", WaferClass.from_json)
            name, number = restored.name, 2
            taken = self.classes()
            while any(names.same_name(c.name, name) for c in taken):
                name, number = f"{restored.name} ({number})", number + 1
            slug = self._free_slug(item.slug)
            with Change(self.path) as change:
                change.move(folder / trash.CLASS, self.path / "classes" / slug)
                if name != restored.name:
                    change.json(self.class_file(slug), replace(restored, name=name).to_json())
                for c in taken:
                    before = (item.combined_by or {}).get(c.slug)
                    if before and c.combines is None and c.damage is None:
                        combines = tuple(slug if part == item.slug else part for part in before)
                        again = replace(c, combines=combines)
                        change.json(self.class_file(c.slug), again.to_json())
                change.remove(folder)
                change.commit()
            return self._by_slug(slug)

    def delete_from_trash(self, trash_ids: Iterable[str]) -> None:
        """Delete things in the trash permanently; those that are gone already are skipped."""
        with self.lock():
            for trash_id in trash_ids:
                if names.is_folder_name(trash_id):
                    files.remove_folder(self.path / trash.FOLDER / trash_id)


def _find(classes: Sequence[WaferClass], name: str) -> WaferClass | None:
    """The class with this name, with the same name in another case, or with this slug."""
    matchers: tuple[Callable[[WaferClass], bool], ...] = (
        lambda c: c.name == name,
        lambda c: names.same_name(c.name, name),
        lambda c: c.slug == name,
    )
    return next((c for matches in matchers for c in classes if matches(c)), None)


def _read_class(folder: Path) -> WaferClass:
    path = folder / "class.json"
    try:
        return files.read_checked(
            path, lambda v: WaferClass.from_json(v, folder.name), max_bytes=MAX_SMALL_FILE
        )
    except ProjectError as exc:
        damage = message(
            "{reason} Until then the class has the name of its folder; renaming the class writes "
            "the file again.",
            reason=exc.message,
        )
        return WaferClass(folder.name, folder.name, damage=damage)


def _has_cycle(slug: str, combines: Mapping[str, Sequence[str]]) -> bool:
    """Whether a class combines itself, directly or through others."""
    seen: set[str] = set()
    ahead = list(combines[slug])
    while ahead:
        part = ahead.pop()
        if part == slug:
            return True
        if part not in seen:
            seen.add(part)
            ahead += combines.get(part, ())
    return False
