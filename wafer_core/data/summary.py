"""The state of a project: counts of its classes, its current model, and the next step."""

from __future__ import annotations

from dataclasses import dataclass

from wafer_core.data import models, pictures, synthetic
from wafer_core.data.project import Project
from wafer_core.data.split import SPLITS
from wafer_core.errors import InputError
from wafer_core.messages import Message, counted, joined, listed, message

# With fewer, a class may not get a training, a validation and a test picture.
MIN_WAFERS = 5


@dataclass(frozen=True)
class ClassSummary:
    """Counts of one class.

    Attributes:
        slug: Its folder.
        name: Display name.
        description: What belongs to it.
        splits: Number of originals in the training, validation and test split.
        augmented: Number of augmented pictures.
        generated: Number of generated pictures.
        combines: Slugs of the classes that it combines.
        damage: Which of its files cannot be read.
    """

    slug: str
    name: str
    description: str
    splits: dict[str, int]
    augmented: int
    generated: int
    combines: tuple[str, ...] = ()
    damage: Message | None = None

    @property
    def originals(self) -> int:
        """Number of originals."""
        return sum(self.splits.values())


@dataclass(frozen=True)
class Summary:
    """Counts of a project, and the model that Predict uses.

    Attributes:
        classes: In class order.
        current: The current model; ``None`` without models.
        changes: What changed in the classes since it was trained.
    """

    classes: tuple[ClassSummary, ...]
    current: models.ModelRun | None
    changes: tuple[Message, ...]

    @property
    def originals(self) -> int:
        """Number of originals in all classes."""
        return sum(c.originals for c in self.classes)

    @property
    def augmented(self) -> int:
        """Number of augmented pictures in all classes."""
        return sum(c.augmented for c in self.classes)

    @property
    def generated(self) -> int:
        """Number of generated pictures in all classes."""
        return sum(c.generated for c in self.classes)

    def advice(self) -> tuple[str, Message]:
        """The next step: its key, and a sentence."""
        damaged = next((c.damage for c in self.classes if c.damage), None)
        if damaged is not None:
            return "classes", damaged
        filled = [c for c in self.classes if c.originals]
        if not self.classes:
            return "classes", message(
                "Add your first class, or drop a folder with one subfolder per class."
            )
        if len(filled) < 2:
            return "classes", message(
                "Add wafers to at least two classes, so that there is a difference to learn."
            )
        small = [c.name for c in filled if c.originals < MIN_WAFERS]
        if self.current is None and small:
            return "classes", counted(
                "{names} has fewer than {least} wafers. Add some, or train anyway.",
                "{names} have fewer than {least} wafers. Add some, or train anyway.",
                len(small),
                names=listed(small),
                least=MIN_WAFERS,
            )
        if self.current is None:
            return "train", message("Train a first model; the default settings are fine.")
        if self.changes:
            return "train", message(
                "Train again. Since the last model: {changes}.",
                changes=joined(self.changes[:2], "; "),
            )
        return "predict", message("The model is up to date. Drop test wafers onto Predict.")


def class_summaries(project: Project) -> tuple[ClassSummary, ...]:
    """Counts of every class, in class order."""
    table = []
    for c in project.classes():
        splits, damage = dict.fromkeys(SPLITS, 0), c.damage
        try:
            for record in pictures.originals(project, c.slug):
                splits[record.split] += 1
        except InputError as exc:
            damage = exc.message
        counts = {}
        for origin in synthetic.ORIGINS:
            runs = synthetic.runs(project, c.slug, origin)
            counts[origin] = sum(len(run.records) for run in runs)
            damage = damage or next((run.damage for run in runs if run.damage), None)
        table.append(
            ClassSummary(
                c.slug,
                c.name,
                c.description,
                splits,
                counts["augmented"],
                counts["generated"],
                c.combines or (),
                damage,
            )
        )
    return tuple(table)


def summarise(project: Project) -> Summary:
    """Read the state of a project.

    Raises:
        ProjectError: It no longer exists, or its ``project.json`` is damaged.
    """
    run = models.current_model(project)
    current: models.ModelRun | None = None
    changes: tuple[Message, ...] = ()
    if run is not None:
        current = next((m for m in models.list_models(project) if m.run == run), None)
        try:
            changes = tuple(models.changes(project, run))
        except InputError:
            changes = (message("files of the model or of a class are damaged"),)
    return Summary(class_summaries(project), current, changes)
