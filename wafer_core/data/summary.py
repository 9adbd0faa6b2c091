"""What has been done in a project so far, step by step."""

from __future__ import annotations

from dataclasses import dataclass

from wafer_core.data import models, pictures, synthetic
from wafer_core.data.project import Project
from wafer_core.data.split import PARTS
from wafer_core.errors import ProjectError

# Below this a class can hold a training, a validation and a test picture only by luck.
FEW = 5


@dataclass(frozen=True)
class ClassSummary:
    """Counts of one class."""

    slug: str
    name: str
    description: str
    parts: dict[str, int]  # originals in train, validation, test
    augmented: int
    generated: int

    @property
    def originals(self) -> int:
        """Originals in all."""
        return sum(self.parts.values())


@dataclass(frozen=True)
class Summary:
    """Counts of a project, and the model that Predict uses."""

    classes: tuple[ClassSummary, ...]
    current: models.ModelRun | None
    changes: tuple[str, ...]  # since the current model was trained

    @property
    def originals(self) -> int:
        """Originals in all classes."""
        return sum(c.originals for c in self.classes)

    @property
    def augmented(self) -> int:
        """Augmented pictures in all classes."""
        return sum(c.augmented for c in self.classes)

    @property
    def generated(self) -> int:
        """Generated pictures in all classes."""
        return sum(c.generated for c in self.classes)

    def advice(self) -> tuple[str, str]:
        """The next thing to do: the key of a step, and a sentence."""
        filled = [c for c in self.classes if c.originals]
        if not self.classes:
            return "classes", "Add your first class, or drop a folder with one sub-folder a class."
        if len(filled) < 2:
            return "classes", "Put wafers into at least two classes: a computer learns differences."
        small = [c.name for c in filled if c.originals < FEW]
        if self.current is None and small:
            told = ", ".join(small[:3])
            return "classes", f"{told}: fewer than {FEW} wafers. Add some, or train and see."
        if self.current is None:
            return "train", "Train a first model: the defaults are fine."
        if self.changes:
            return "train", f"Train again: {'; '.join(self.changes[:2])} since the last model."
        return "predict", "The model is up to date: drop test wafers onto Predict."


def class_summaries(project: Project) -> tuple[ClassSummary, ...]:
    """Counts of every class, in class order."""
    table = []
    for c in project.classes():
        parts = dict.fromkeys(PARTS, 0)
        for record in pictures.originals(project, c.slug):
            parts[record.part] += 1
        augmented, generated = (
            sum(len(run.records) for run in synthetic.runs(project, c.slug, origin))
            for origin in synthetic.ORIGINS
        )
        table.append(ClassSummary(c.slug, c.name, c.description, parts, augmented, generated))
    return tuple(table)


def summarise(project: Project) -> Summary:
    """Read where a project stands.

    Raises:
        ProjectError: It is gone or damaged.
    """
    run = models.current_model(project)
    current: models.ModelRun | None = None
    changes: tuple[str, ...] = ()
    if run is not None:
        current = next((m for m in models.list_models(project) if m.run == run), None)
        try:
            changes = tuple(models.changes(project, run))
        except ProjectError:
            changes = ("its dataset.json is damaged",)
    return Summary(class_summaries(project), current, changes)
