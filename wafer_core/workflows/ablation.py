"""The job that finds out whether synthetic wafers help: none, transforms, generated, and both.

Stored runs of synthetic wafers are used as they are. Where a class has none of a kind, wafers are
made in memory for the study and are not stored. Originals train, choose the epoch and test by the
project's fixed split.

Live: metric ``training`` {"arm", "title", "seed", "macro_f1", "pictures", "epochs", "seconds"} for
each training. Result: ``AblationResult.to_json`` with ``study`` (its name in ``studies``),
``made`` (for each class and kind ``count``, ``runs`` that are stored, and ``source``: stored,
made for the study, or none), ``notes``, and the fields of ``StudyRecord``. A job that is stopped
keeps the repeats that are done; a cancelled one leaves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import torch

from wafer_core import images
from wafer_core.data import dataset, manifest
from wafer_core.data.dataset import Dataset
from wafer_core.data.project import Project
from wafer_core.errors import DataError, InputError, ParameterError
from wafer_core.images import Picture
from wafer_core.json_fields import Fields, a_message
from wafer_core.messages import N_, Message, counted, listed, message
from wafer_core.networks.registry import NETWORKS
from wafer_core.parameters import Settings, Text, declare, nested
from wafer_core.progress import Progress
from wafer_core.tasks.studies.ablation import (
    SYNTHETIC_PER_CLASS,
    AblationConfig,
    compare,
    macro_f1_of,
)
from wafer_core.tasks.studies.ablation_result import AblationResult
from wafer_core.tasks.studies.conditions import (
    CONDITIONS,
    SYNTHESIZERS,
    Others,
    StudyData,
    SynthesisRequest,
    by_class,
)
from wafer_core.workflows.context import WorkflowContext
from wafer_core.workflows.study import StudyJob, StudyRecord, read_originals
from wafer_core.workflows.workflow import Workflow

NAME = "benefit"  # of the workflow, and of its studies
STORED, MADE, NONE = "stored", "made for the study", "none"
# Where the synthetic wafers of each kind are stored.
ORIGINS = {"transforms": "augmented", "generated": "generated"}
_READ, _MAKE, _TRAIN = 0.02, 0.10, 0.88  # shares of the time, roughly


@dataclass(frozen=True)
class AblationParameters(Settings):
    """How the study is done, and the classes whose synthetic wafers are used (all if empty)."""

    config: AblationConfig = nested(AblationConfig)
    classes: tuple[str, ...] = declare(
        Text(
            N_("Classes"),
            N_("Use synthetic wafers of these classes only. Without it, of all classes."),
            is_list=True,
            option="class",
        )
    )

    @classmethod
    def from_mapping(cls, values: object) -> Self:
        """Read the parameters; an empty list of classes is an error, not all classes."""
        if isinstance(values, Mapping) and values.get("classes") == []:
            raise ParameterError("classes is empty; name at least one class, or leave it out.")
        return super().from_mapping(values)


@dataclass(frozen=True)
class Source:
    """Where the synthetic wafers of one class and kind come from.

    Attributes:
        count: Their number.
        source: ``STORED``, ``MADE`` or ``NONE``.
        runs: Names of the stored runs.
    """

    count: int
    source: str
    runs: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, value: object) -> Source:
        """Read one source.

        Raises:
            DataError: A value is missing or of the wrong type.
        """
        fields = Fields(value)
        return cls(
            fields.whole("count", low=0),
            fields.choice("source", (STORED, MADE, NONE)),
            fields.texts("runs"),
        )


@dataclass(frozen=True)
class StoredAblation:
    """A study as it is stored.

    Attributes:
        result: What was found.
        sources: By class name and kind.
        notes: Remarks for the user.
        record: Settings, time and device.
    """

    result: AblationResult
    sources: Mapping[str, Mapping[str, Source]]
    notes: tuple[Message, ...]
    record: StudyRecord

    @classmethod
    def from_json(cls, value: object) -> StoredAblation:
        """Read ``study.json``, which may come from anybody.

        Raises:
            DataError: A value is missing, of the wrong type, or does not fit the others.
        """
        fields = Fields(value)

        def read_kinds(kinds: object) -> dict[str, Source]:
            found = {kind: Source.from_json(Fields(kinds).free(kind)) for kind in ORIGINS}
            if set(Fields({"kinds": kinds}).free("kinds")) != set(ORIGINS):
                raise DataError("its kinds of synthetic wafers do not match")
            return found

        return cls(
            AblationResult.from_json(value),
            fields.mapping("made", read_kinds),
            fields.items("notes", a_message),
            StudyRecord.from_json(value),
        )


def is_result(value: object) -> bool:
    """Whether a stored study can be shown; it may come from anybody."""
    try:
        StoredAblation.from_json(value)
    except DataError:
        return False
    return True


def run(context: WorkflowContext, parameters: AblationParameters) -> dict[str, Any]:
    """Read, make what is missing, train all conditions, and store what was found."""
    config = parameters.config
    job = StudyJob(context)
    read, make, train = context.progress.split(_READ, _MAKE, _TRAIN)
    data, sources, notes = read_data(context, job.frozen, parameters, read, make)
    found: AblationResult | None = None
    for event in compare(data, config, context.device, train, context.stop_requested):
        if isinstance(event, AblationResult):
            found = event
            continue
        context.metric(
            "training",
            arm=event.condition,
            title=CONDITIONS[event.condition].title,
            seed=event.seed,
            macro_f1=macro_f1_of(data, event),
            pictures=event.pictures,
            epochs=event.epochs,
            seconds=event.seconds,
        )
    if found is None:
        raise TypeError("compare() yielded no result")
    made = {name: {kind: asdict(s) for kind, s in kinds.items()} for name, kinds in sources.items()}
    notes += _notes(context.project, found)
    return job.keep(NAME, {**found.to_json(), "made": made, "notes": notes}, asdict(config))


Sources = dict[str, dict[str, Source]]


def read_data(
    context: WorkflowContext,
    frozen: Dataset,
    parameters: AblationParameters,
    read: Progress,
    make: Progress,
) -> tuple[StudyData, Sources, list[Message]]:
    """Read the originals and the synthetic wafers of a study, and make what is missing.

    Args:
        context: The job's.
        frozen: The pictures of the project.
        parameters: Of the study.
        read: Covers the reading of originals.
        make: Covers the reading and making of synthetic wafers.

    Returns:
        The data; the sources of the synthetic wafers; remarks for the user.

    Raises:
        InputError: Fewer than two classes, no test wafer, or a class that does not exist.
    """
    project = context.project
    used, notes = dataset.trainable(frozen)
    originals = read_originals(project, used, read)
    if not originals.test_pictures:
        raise InputError(
            "The test split is empty, so nothing can be tested. Add more wafers: about one in "
            "seven goes to the test split."
        )
    by_name = by_class(originals.train)
    wanted = {project.find_class(name).slug for name in parameters.classes}
    sources: Sources = {name: {} for _, name in used.classes}
    synthetic: dict[str, tuple[list[Picture], Any]] = {}
    for kind, of_kind in zip(ORIGINS, make.each(len(ORIGINS)), strict=True):
        wafers: list[Picture] = []
        labels: list[int] = []
        parts = of_kind.each(len(used.classes))
        for label, ((slug, name), part) in enumerate(zip(used.classes, parts, strict=True)):
            if wanted and slug not in wanted:
                sources[name][kind] = Source(0, NONE)
                continue
            others = {other: each for other, each in by_name.items() if other != name}
            text = message("{name}: {kind}", name=name, kind=CONDITIONS[kind].message)
            found, source, note = _synthetic(
                project,
                used,
                (slug, kind),
                by_name[name],
                others,
                parameters.config,
                context.device,
                part.named(text),
            )
            sources[name][kind] = source
            if note is not None:
                notes.append(message("{name}: {note}", name=name, note=note))
            wafers += found
            labels += [label] * len(found)
        synthetic[kind] = (wafers, np.array(labels, np.int64))
    data = StudyData(
        originals.train,
        synthetic,
        originals.test_pictures,
        originals.test_labels,
        originals.test_lots,
    )
    return data, sources, [*notes, *_notes_on_sources(sources, data)]


def _synthetic(
    project: Project,
    used: Dataset,
    which: tuple[str, str],
    originals: list[Picture],
    others: Others,
    config: AblationConfig,
    device: torch.device,
    on_progress: Progress,
) -> tuple[list[Picture], Source, Message | None]:
    """Synthetic wafers of one class and kind, their source, and a remark if there is one.

    Args:
        project: The project.
        used: Its classes and pictures.
        which: Slug of the class, and kind.
        originals: Training originals of the class.
        others: Those of the other classes, by name.
        config: Of the study.
        device: Where to compute.
        on_progress: Covers this class and kind.
    """
    slug, kind = which
    stored = {
        other: [e for e in used.subset("train") if e.slug == slug and e.origin == origin]
        for other, origin in ORIGINS.items()
    }
    entries = stored[kind]
    if not entries:
        beside = max(len(stored[other]) for other in ORIGINS if other != kind)
        count = config.made or beside or SYNTHETIC_PER_CLASS
        on_progress(0.0)
        try:
            request = SynthesisRequest(originals, count, config.seed, others)
            found = SYNTHESIZERS[kind](request, device, on_progress)
        except InputError as exc:
            note = message("none could be made ({kind}). {problem}", kind=kind, problem=exc.message)
            return [], Source(0, NONE), note
        return found, Source(len(found), MADE if found else NONE), None
    count = min(len(entries), config.made or len(entries))
    rng = np.random.default_rng((config.seed, 72))
    folder = manifest.class_folder(project, slug)
    found = []
    for number in sorted(rng.permutation(len(entries))[:count].tolist()):
        on_progress(len(found) / count)
        entry = entries[number]
        found.append(images.read_png(folder / entry.origin / entry.run / entry.file))
    source = Source(count, STORED, tuple(sorted({entry.run for entry in entries})))
    if not config.made or count == config.made:
        return found, source, None
    return found, source, message(
        "only {count:,} of the requested {wanted:,} wafers are stored ({kind}).",
        count=count, wanted=config.made, kind=kind,
    )  # fmt: skip


def _notes_on_sources(sources: Sources, data: StudyData) -> list[Message]:
    """Remarks on the synthetic wafers as a whole."""
    notes = []
    for kind, origin in ORIGINS.items():
        fresh = [name for name, kinds in sources.items() if kinds[kind].source == MADE]
        if fresh:
            notes.append(
                message(
                    "No {origin} wafers of {names} are stored. They were made for this study with "
                    "default settings and are not kept.",
                    origin=Message(origin),
                    names=listed(fresh, most=len(fresh)),
                )
            )
    counts = {kind: len(pictures) for kind, (pictures, _) in data.synthetic.items()}
    if min(counts.values()) and max(counts.values()) > 1.5 * min(counts.values()):
        notes.append(
            message(
                "There are {transforms:,} wafers by transforms and {generated:,} generated ones, "
                "so a difference may only reflect the different counts. Set the number of "
                "synthetic wafers per class to compare equal counts.",
                transforms=counts["transforms"],
                generated=counts["generated"],
            )
        )
    missing = [c.message for name, c in CONDITIONS.items() if name not in data.conditions]
    notes += [
        message("Not compared, because there are no such wafers: {title}.", title=title)
        for title in missing
    ]
    return notes


def _notes(project: Project, found: AblationResult) -> list[Message]:
    """Remarks on the result."""
    notes = []
    if found.stopped:
        notes.append(
            counted(
                "Stopped by you after {count:,} repeat of every condition.",
                "Stopped by you after {count:,} repeats of every condition.",
                len(found.seeds),
            )
        )
    share = project.settings.fractions["test"]
    if found.advice.more_test and share > 0:
        notes.append(
            message(
                "{test:,} more test wafers need about {originals:,.0f} more originals, because "
                "{share:.0%} of new wafers are kept for testing.",
                test=found.advice.more_test,
                originals=round(found.advice.more_test / share, -1),
                share=share,
            )
        )
    untested = [name for name in found.class_names if not found.test_per_class[name]]
    if untested:
        notes.append(
            message(
                "These classes have no test wafers, so there is no result for them: {names}.",
                names=listed(untested, most=len(untested)),
            )
        )
    return notes


def _describe(parameters: AblationParameters) -> Message:
    network = NETWORKS[parameters.config.network].title.split(" (")[0]
    return message("Do synthetic wafers help {network}?", network=network)


WORKFLOW = Workflow(
    NAME, N_("Does it help?"), AblationParameters, run, _describe, needs_device=True
)
