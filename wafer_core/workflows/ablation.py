"""The job that finds out whether made pictures help: none, transforms, generated, and both.

Parameters: ``config`` (of ``BenefitConfig``), ``classes`` (names whose made pictures take part; all
where missing).

Stored runs of made pictures take part as they are; where a class has none of a kind, pictures are
made in memory and nothing of them is stored. Originals train, choose the epoch and judge by the
project's fixed split.

Live: metric ``training`` {"arm", "title", "seed", "macro_f1", "pictures", "epochs", "seconds"} for
each training. Result: what ``Benefit.to_json`` says, with ``study`` (its name in ``studies``),
``config``, ``made`` (for each class and kind ``count``, ``runs`` that are stored, and ``source``:
stored, made for the study, or none), ``notes``, ``seconds``, ``device``, ``created``. A job that is
stopped keeps the repeats that are done; a cancelled one leaves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wafer_core.errors import InputError, ParameterError
from wafer_core.workflows.study import StudyJob, is_kept, read_originals
from wafer_core.workflows.train import trainable
from wafer_core.workflows.workflow import Parameters, Workflow, known_only, settings_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wafer_core.data.dataset import Dataset, Entry
    from wafer_core.data.project import Project
    from wafer_core.images import Picture
    from wafer_core.jobs.context import JobContext
    from wafer_core.tasks.studies.ablation_config import BenefitConfig
    from wafer_core.tasks.studies.conditions import Others, StudyData

NAME = "benefit"  # of the kind, and of its studies
STORED, MADE, NONE = "stored", "made for the study", "none"
# where the pictures of each kind of an arm are stored
ORIGINS = {"transforms": "augmented", "generated": "generated"}
_READ, _MAKE = 0.02, 0.10  # shares of the bar


def check(parameters: Parameters) -> None:
    """Check what ``run`` reads."""
    known_only(parameters, ("config", "classes"), NAME)
    classes = parameters.get("classes")
    if classes is not None and (
        not isinstance(classes, list) or not classes or not all(isinstance(c, str) for c in classes)
    ):
        raise ParameterError(f'classes is {classes!r}; give names such as ["Scratch", "Loc"].')
    config_of(parameters)


def config_of(parameters: Parameters) -> BenefitConfig:
    """How the study is done.

    Raises:
        ParameterError: A setting is unknown or cannot be used.
    """
    from wafer_core.tasks.studies.ablation_config import PARAMETERS, BenefitConfig

    return BenefitConfig(**settings_of(parameters, (*PARAMETERS, "seed"), "a study"))


def is_result(found: Mapping[str, Any]) -> bool:
    """Whether a stored study holds what ``run`` returns: it may come from anybody."""
    from wafer_core.tasks.studies import ablation

    made = found.get("made")
    return (
        ablation.is_result(found)
        and is_kept(found)
        and all(isinstance(found.get(key), list) for key in ("notes", "seeds"))
        and all(isinstance(note, str) for note in found["notes"])
        and isinstance(made, dict)
        and all(isinstance(kinds, dict) and set(kinds) == set(ORIGINS) for kinds in made.values())
        and all(
            isinstance(told, dict) and type(told.get("count")) is int and "source" in told
            for kinds in made.values()
            for told in kinds.values()
        )
        and all(type(found["test"].get(key)) is int for key in ("pictures", "lots"))
    )


def run(context: JobContext) -> dict[str, Any]:
    """Read, make what is missing, train all arms, and keep what was found."""
    from wafer_core.tasks.studies.ablation import Benefit, compare, macro_f1_of
    from wafer_core.tasks.studies.conditions import ARMS

    config = config_of(context.parameters)
    job = StudyJob(context)
    data, made, notes = read_data(context, job.frozen, config, job.tell)
    found: Benefit | None = None
    for event in compare(
        data, config, context.device,
        lambda share, text: job.tell(_READ + _MAKE + (1 - _READ - _MAKE) * share, text),
        context.stop_requested,
    ):  # fmt: skip
        if isinstance(event, Benefit):
            found = event
            continue
        context.metric(
            "training",
            arm=event.arm,
            title=ARMS[event.arm].title,
            seed=event.seed,
            macro_f1=macro_f1_of(data, event),
            pictures=event.pictures,
            epochs=event.epochs,
            seconds=event.seconds,
        )
    if found is None:
        raise TypeError("compare() yielded no result")
    notes += _notes(context.project, found)
    return job.keep(NAME, {**found.to_json(), "made": made, "notes": notes}, vars(config))


def read_data(
    context: JobContext,
    frozen: Dataset,
    config: BenefitConfig,
    tell: Callable[[float, str], None],
) -> tuple[StudyData, dict[str, Any], list[str]]:
    """What the arms learn from and are judged by.

    Returns:
        The data; for each class and kind where its made pictures come from; sentences for the user.

    Raises:
        InputError: Fewer than two classes, no test picture, or a class that is not there.
    """
    import numpy as np

    from wafer_core.tasks.studies.conditions import ARMS, StudyData, by_class

    project = context.project
    used, notes = trainable(frozen)
    originals = read_originals(
        project, used, lambda share: tell(_READ * share, "Reading the pictures")
    )
    if not originals.test_pictures:
        raise InputError(
            "No picture is in the test part, so nothing can be judged; add more wafers: about one "
            "of seven goes there."
        )
    train, test, test_labels, test_lots = originals
    learned = by_class(train)
    wanted = _wanted(project, context.parameters.get("classes"))
    made: dict[str, tuple[list[Picture], Any]] = {}
    told: dict[str, Any] = {name: {} for _, name in used.classes}
    for place, kind in enumerate(ORIGINS):
        found: list[Picture] = []
        labels: list[int] = []
        for label, (slug, name) in enumerate(used.classes):
            if wanted is not None and slug not in wanted:
                told[name][kind] = {"count": 0, "source": NONE, "runs": []}
                continue
            others = {other: each for other, each in learned.items() if other != name}
            begun = (place * len(used.classes) + label) / (len(ORIGINS) * len(used.classes))
            length = 1 / (len(ORIGINS) * len(used.classes))

            def within(
                share: float,
                begun: float = begun,
                length: float = length,
                text: str = f"{name}: {ARMS[kind].title.lower()}",
            ) -> None:
                tell(_READ + _MAKE * (begun + length * share), text)

            mine, runs, note = _made(
                project, used, slug, kind, learned[name], others, config, context.device, within
            )
            source = (STORED if runs else MADE) if mine else NONE
            told[name][kind] = {"count": len(mine), "source": source, "runs": runs}
            if note:
                notes.append(f"{name}: {note}")
            found += mine
            labels += [label] * len(mine)
        made[kind] = (found, np.array(labels, np.int64))
    data = StudyData(train, made, test, test_labels, test_lots)
    return data, told, [*notes, *_notes_on_made(told, data)]


def _wanted(project: Project, classes: Sequence[str] | None) -> set[str] | None:
    """Slugs of the classes whose made pictures take part; ``None``: all."""
    return None if classes is None else {project.find_class(name).slug for name in classes}


def _made(
    project: Project,
    used: Dataset,
    slug: str,
    kind: str,
    originals: list[Picture],
    others: Others,
    config: BenefitConfig,
    device: Any,
    tell: Callable[[float], None],
) -> tuple[list[Picture], list[str], str]:
    """Made pictures of one class and kind, their stored runs if any, and what is to be said."""
    import numpy as np

    from wafer_core import images
    from wafer_core.data import manifest
    from wafer_core.tasks.studies.ablation_config import MADE as USUAL
    from wafer_core.tasks.studies.conditions import MAKERS, Order

    def stored(kind: str) -> list[Entry]:
        return [
            e for e in used.part("train") if e.slug == slug and e.origin == ORIGINS[kind]
        ]  # fmt: skip

    entries = stored(kind)
    if entries:
        count = min(len(entries), config.made or len(entries))
        rng = np.random.default_rng((config.seed, 72))
        folder = manifest.class_folder(project, slug)
        found: list[Picture] = []
        for number in sorted(rng.permutation(len(entries))[:count].tolist()):
            tell(len(found) / count)
            entry = entries[number]
            found.append(images.read_png(folder / entry.origin / entry.run / entry.file))
        few = ""
        if config.made and count < config.made:
            few = f"only {count} of the {config.made} wafers asked for are stored ({kind})."
        return found, sorted({entry.run for entry in entries}), few
    beside = max((len(stored(other)) for other in ORIGINS if other != kind), default=0)
    count = config.made or beside or USUAL
    tell(0.0)
    try:
        return MAKERS[kind](Order(originals, count, config.seed, others), device, tell), [], ""
    except InputError as exc:
        return [], [], f"none could be made ({kind}). {exc}"


def _notes_on_made(told: Mapping[str, Any], data: StudyData) -> list[str]:
    """What is to be said of the made pictures as a whole."""
    from wafer_core.tasks.studies.conditions import ARMS

    notes = []
    for kind, origin in ORIGINS.items():
        fresh = [name for name, kinds in told.items() if kinds[kind]["source"] == MADE]
        if fresh:
            notes.append(
                f"No {origin} wafers are stored of {', '.join(fresh)}; they were made for this "
                "study alone, with default settings, and are not kept."
            )
    counts = {kind: len(pictures) for kind, (pictures, _) in data.made.items()}
    if min(counts.values()) and max(counts.values()) > 1.5 * min(counts.values()):
        notes.append(
            f"There are {counts['transforms']:,} wafers by transforms and "
            f"{counts['generated']:,} generated ones: a difference between the two may be one of "
            "number. Set how many of a class take part to compare like with like."
        )
    missing = [arm.title for name, arm in ARMS.items() if name not in data.arms]
    if missing:
        notes.append(f"Not compared, because there is nothing to add: {', '.join(missing)}.")
    return notes


def _notes(project: Project, found: Any) -> list[str]:
    """What is to be said of the result."""
    notes = []
    if found.stopped:
        done = found.answers.called.shape[1]
        notes.append(f"Stopped by you; {done} repeat{'s' * (done != 1)} of every way are done.")
    share = project.settings.fractions["test"]
    if found.advice.more_test and share > 0:
        notes.append(
            f"{found.advice.more_test:,} more test wafers are about "
            f"{round(found.advice.more_test / share, -1):,.0f} more originals, since {share:.0%} "
            "of what comes in is kept for testing."
        )
    untested = [
        name for c, name in enumerate(found.class_names) if c not in set(found.answers.present)
    ]
    if untested:
        notes.append(f"Without a test wafer, so nothing is known of: {', '.join(untested)}.")
    return notes


def _describe(parameters: Parameters) -> str:
    from wafer_core.networks.registry import NETWORKS

    title = NETWORKS[config_of(parameters).network].title.split(" (")[0]
    return f"Do made wafers help {title}?"


WORKFLOW = Workflow("Does it help?", run, check, _describe, needs_device=True)
