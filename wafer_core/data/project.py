"""One project: its settings and its classes, a folder that people copy, back up and compare.

project.json             schema, name, split seed and fractions, current model
classes/<slug>/class.json            name, description, order
classes/<slug>/originals/ augmented/ generated/      see ``pictures``
models/ presets/ studies/ jobs/
.trash/<id>/             deleted classes and pictures, until the trash is emptied
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wafer_core import files, names
from wafer_core.data.split import DEFAULT_FRACTIONS, check_fractions
from wafer_core.errors import ClassNameError, ProjectError

SCHEMA = 1
MAX_CLASSES = 200  # a probability bar for each must still fit a page


@dataclass(frozen=True)
class Settings:
    """What ``project.json`` holds."""

    name: str
    created: str  # ISO 8601, UTC
    split_seed: int
    fractions: Mapping[str, float]  # shares of train, validation and test
    current_model: str | None = None
    schema: int = SCHEMA


@dataclass(frozen=True)
class WaferClass:
    """One class; ``slug`` is its folder and never changes, ``name`` is what people read."""

    slug: str
    name: str
    description: str = ""
    order: int = 0


@dataclass(frozen=True)
class TrashItem:
    """Something deleted that can be restored."""

    id: str
    what: str  # "class" or "pictures"
    title: str
    deleted: str  # ISO 8601, UTC


class Project:
    """A project folder. Holds no state but its path: two tabs always see the same."""

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
        """Make a new, empty project in ``path``.

        Raises:
            ProjectError: There is something already.
            ClassNameError: The name cannot be used.
        """
        title = names.clean_name(name if name is not None else path.name, "project")
        if path.exists() and any(path.iterdir() if path.is_dir() else [path]):
            raise ProjectError(f"{path} already holds something; choose another folder.")
        settings = Settings(
            title, datetime.now(UTC).isoformat(timespec="seconds"), seed, check_fractions(fractions)
        )
        files.write_json(path / "project.json", asdict(settings))
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> Project:
        """Open an existing project.

        Raises:
            ProjectError: It does not exist, is damaged, or comes from a newer version.
        """
        if not path.is_dir():
            raise ProjectError(f"The project {path} does not exist (deleted or renamed?).")
        project = cls(path)
        _ = project.settings
        return project

    @classmethod
    def open_or_create(cls, path: Path, seed: int = 0) -> Project:
        """Open a project, or make it where there is none (the command line's ``--project``)."""
        if (path / "project.json").exists():
            return cls.open(path)
        return cls.create(path, seed=seed)

    @property
    def settings(self) -> Settings:
        """Read ``project.json``.

        Raises:
            ProjectError: Missing, damaged, or from a newer version.
        """
        path = self.path / "project.json"
        raw = files.read_json(path)
        try:
            if raw["schema"] > SCHEMA:
                raise ProjectError(
                    f"{path} was written by a newer version (schema {raw['schema']}); "
                    "update Teachable Wafer."
                )
            settings = Settings(**raw)
            check_fractions(settings.fractions)
        except (TypeError, KeyError, AttributeError, ValueError) as exc:
            raise ProjectError(f"{path} is damaged ({exc}); restore it from a backup.") from exc
        return settings

    @property
    def name(self) -> str:
        """Display name."""
        return self.settings.name

    @property
    def models_path(self) -> Path:
        """Folder of trained models, one a run."""
        return self.path / "models"

    @property
    def jobs_path(self) -> Path:
        """Folder of jobs, one each."""
        return self.path / "jobs"

    def lock(self) -> AbstractContextManager[None]:
        """Hold this while writing; the same thread may take it again."""
        return files.lock(self.path / ".lock")

    def rename(self, name: str) -> None:
        """Change the display name; the folder stays.

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

        Raises:
            ProjectError: The project is gone, or a class file is damaged.
        """
        folder = self.path / "classes"
        if not folder.is_dir():
            _ = self.settings  # a project without classes, or one that is gone?
            return ()
        found = []
        for path in folder.iterdir():
            if path.name.startswith(".") or not (path / "class.json").exists():
                continue
            raw = files.read_json(path / "class.json")
            try:
                found.append(
                    WaferClass(path.name, str(raw["name"]), str(raw["description"]), raw["order"])
                )
            except (TypeError, KeyError) as exc:
                raise ProjectError(
                    f"{path / 'class.json'} is damaged; restore it from a backup."
                ) from exc
        return tuple(sorted(found, key=lambda c: (c.order, c.slug)))

    def find_class(self, name: str) -> WaferClass:
        """The class of this name (any case) or slug.

        Raises:
            ClassNameError: There is none.
        """
        classes = self.classes()
        for matches in (
            lambda c: c.name == name,
            lambda c: names.same_name(c.name, name),
            lambda c: c.slug == name,
        ):
            for wafer_class in classes:
                if matches(wafer_class):
                    return wafer_class
        known = ", ".join(c.name for c in classes) or "none yet"
        raise ClassNameError(f"There is no class “{name[:80]}”; the project has: {known}.")

    def add_class(self, name: str, description: str = "") -> WaferClass:
        """Add a class at the end.

        Raises:
            ClassNameError: The name cannot be used or is taken (in any case).
        """
        title = names.clean_name(name)
        with self.lock():
            classes = self.classes()
            self._check_free(title, classes)
            if len(classes) >= MAX_CLASSES:
                raise ClassNameError(
                    f"The project has {MAX_CLASSES} classes already; delete one first."
                )
            order = max((c.order for c in classes), default=-1) + 1
            wafer_class = WaferClass(self._free_slug(title), title, description.strip(), order)
            self._write_class(wafer_class)
        return wafer_class

    def ensure_class(self, name: str) -> WaferClass:
        """The class of this name, added if there is none."""
        with self.lock():
            try:
                return self.find_class(names.clean_name(name))
            except ClassNameError:
                return self.add_class(name)

    def rename_class(self, slug: str, name: str) -> None:
        """Change a class's display name; its folder stays.

        Raises:
            ClassNameError: The name cannot be used or is taken.
        """
        title = names.clean_name(name)
        with self.lock():
            self._check_free(title, [c for c in self.classes() if c.slug != slug])
            self._write_class(replace(self._by_slug(slug), name=title))

    def describe_class(self, slug: str, description: str) -> None:
        """Change a class's description."""
        with self.lock():
            self._write_class(replace(self._by_slug(slug), description=description.strip()))

    def reorder_classes(self, slugs: list[str]) -> None:
        """Give the classes this order; classes not named keep theirs behind."""
        with self.lock():
            classes = {c.slug: c for c in self.classes()}
            wanted = [s for s in slugs if s in classes]
            wanted += [s for s in classes if s not in wanted]
            for order, slug in enumerate(wanted):
                if classes[slug].order != order:
                    self._write_class(replace(classes[slug], order=order))

    def delete_class(self, slug: str) -> str:
        """Move a class with all its pictures to the trash.

        Returns:
            The id for ``trash.restore``.
        """
        with self.lock():
            wafer_class = self._by_slug(slug)
            folder = self.new_trash("class", wafer_class.name, {"slug": slug})
            with files.storage_errors(folder):
                (self.path / "classes" / slug).rename(folder / "class")
        return folder.name

    def _by_slug(self, slug: str) -> WaferClass:
        for wafer_class in self.classes():
            if wafer_class.slug == slug:
                return wafer_class
        raise ClassNameError(
            "This class is gone; it was deleted or restored elsewhere. Reload the page."
        )

    @staticmethod
    def _check_free(name: str, classes: tuple[WaferClass, ...] | list[WaferClass]) -> None:
        for other in classes:
            if names.same_name(other.name, name):
                raise ClassNameError(
                    f"There is a class “{other.name}” already; choose a name that differs in more "
                    "than upper and lower case."
                )

    def _free_slug(self, name: str) -> str:
        base = names.slug(name)
        slug, number = base, 2
        while (self.path / "classes" / slug).exists():
            slug, number = f"{base}-{number}", number + 1
        return slug

    def _write_class(self, wafer_class: WaferClass) -> None:
        value = asdict(wafer_class)
        del value["slug"]
        files.write_json(self.path / "classes" / wafer_class.slug / "class.json", value)

    # -- trash -----------------------------------------------------------------------------------

    def new_trash(self, what: str, title: str, details: Mapping[str, Any]) -> Path:
        """Make a trash folder with its label; what is deleted is then moved into it."""
        deleted = datetime.now(UTC).isoformat(timespec="seconds")
        folder = self.path / ".trash" / names.timestamp_name(what)
        files.write_json(
            folder / "info.json", {"what": what, "title": title, "deleted": deleted, **details}
        )
        return folder

    def trash(self) -> tuple[TrashItem, ...]:
        """What can be restored, newest first."""
        items = []
        for folder in sorted((self.path / ".trash").glob("*-*"), reverse=True):
            if (folder / "class").is_dir() or (folder / "pictures").is_dir():
                info = files.read_json(folder / "info.json")
                items.append(TrashItem(folder.name, info["what"], info["title"], info["deleted"]))
        return tuple(sorted(items, key=lambda item: item.deleted, reverse=True))

    def restore_class(self, trash_id: str) -> WaferClass:
        """Bring a deleted class back; it is renamed if its name has been taken meanwhile.

        Raises:
            ProjectError: It is no longer in the trash.
        """
        with self.lock():
            folder = self.path / ".trash" / Path(trash_id).name
            if not (folder / "class" / "class.json").exists():
                raise ProjectError("This is no longer in the trash; it was restored or emptied.")
            raw = files.read_json(folder / "class" / "class.json")
            name = str(raw["name"])
            taken = self.classes()
            number = 2
            while any(names.same_name(c.name, name) for c in taken):
                name, number = f"{raw['name']} ({number})", number + 1
            slug = self._free_slug(str(files.read_json(folder / "info.json")["slug"]))
            files.write_json(folder / "class" / "class.json", {**raw, "name": name})
            with files.storage_errors(folder):
                (folder / "class").rename(self.path / "classes" / slug)
            shutil.rmtree(folder, ignore_errors=True)
            return self._by_slug(slug)

    def empty_trash(self) -> None:
        """Delete for good what is in the trash."""
        with self.lock():
            shutil.rmtree(self.path / ".trash", ignore_errors=True)
