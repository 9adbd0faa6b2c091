"""What is kept between reruns and shared among sessions; no other file caches."""

from __future__ import annotations

import gc
import gettext
import hashlib
import importlib
import io
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import streamlit as st

from wafer_core import drawing, images, metrics, sampling
from wafer_core.data import imports, manifest, models, pictures, studies, synthetic, workspace
from wafer_core.data.dataset import Conflict, find_conflicts
from wafer_core.data.imports import ImportRun
from wafer_core.data.manifest import PictureRecord
from wafer_core.data.project import Project
from wafer_core.data.reports import RunReport
from wafer_core.data.run_comparison import RunComparison, compare_runs
from wafer_core.data.summary import Summary, summarise
from wafer_core.data.synthetic import SyntheticRun
from wafer_core.data.wafer_table import Wafer, WaferTable, read_table
from wafer_core.errors import ModelError, PictureError, WaferError
from wafer_core.messages import Message
from wafer_core.progress import Progress

if TYPE_CHECKING:
    from wafer_core.tasks.augmentation.offline import AugmentConfig
    from wafer_core.tasks.yields.repeaters import Field
    from wafer_core.tasks.yields.stacking import Stack


LOCALE = Path(__file__).resolve().parents[2] / "locale"


@st.cache_resource(max_entries=8, show_spinner=False)
def catalogue(language: str) -> gettext.NullTranslations:
    """The texts of a language; English needs none."""
    path = LOCALE / language / "LC_MESSAGES" / "wafer.po"
    if not path.exists():
        return gettext.NullTranslations()
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    compiled = io.BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def version(project: Project) -> str:
    """Changes whenever classes, pictures, models or settings change; costs a few stat calls."""
    root = project.path
    watched = [root / "project.json", root / "models"]
    watched += root.glob("models/*/model.json")
    watched += root.glob("models/*/report.json")
    classes = root / "classes"
    watched.append(classes)
    if classes.is_dir():
        for folder in classes.iterdir():
            names = ("class.json", "originals/manifest.json", "augmented", "generated")
            watched += [folder / name for name in names]
    found = []
    for path in watched:
        try:
            status = path.stat()
        except OSError:
            continue
        found.append(f"{path} {status.st_mtime_ns} {status.st_size}")
    # In one piece: the caches look at every part of their arguments.
    return hashlib.sha256("\n".join(sorted(found)).encode("utf-8", "surrogateescape")).hexdigest()


@st.cache_resource(max_entries=64, show_spinner=False)
def _summary(path: str, version: str) -> Summary:
    return summarise(Project(Path(path)))


def summary(project: Project) -> Summary:
    """Counts of a project; computed again only when something changed.

    Raises:
        ProjectError: The project is gone or damaged.
    """
    return _summary(str(project.path), version(project))


@st.cache_data(max_entries=200, show_spinner=False)
def _project_name(path: str, written: int) -> str:
    return Project(Path(path)).name


def project_name(path: Path) -> str:
    """Name of a project, or of its folder if it cannot be read."""
    try:
        return _project_name(str(path), (path / "project.json").stat().st_mtime_ns)
    except (OSError, WaferError):
        return path.name


@st.cache_resource(max_entries=64, show_spinner=False)
def _conflicts(path: str, version: str) -> tuple[Conflict, ...]:
    return find_conflicts(Project(Path(path)))


def conflicts(project: Project) -> tuple[Conflict, ...]:
    """Pictures that are in two classes; searched again only when something changed."""
    return _conflicts(str(project.path), version(project))


@st.cache_resource(max_entries=64, show_spinner=False)
def _imports(path: str, written: int) -> tuple[ImportRun, ...]:
    return imports.runs(Project(Path(path)))


def imports_of(project: Project) -> tuple[ImportRun, ...]:
    """Imports of a project, newest first; read again only when one was added or undone."""
    folder = project.path / imports.FOLDER
    written = folder.stat().st_mtime_ns if folder.exists() else 0
    return _imports(str(project.path), written)


@st.cache_resource(max_entries=256, show_spinner=False)
def _changes(path: str, run: str, version: str) -> list[Message]:
    return models.changes(Project(Path(path)), run)


def model_changes(project: Project, run: str) -> list[Message]:
    """What changed in the classes since a run was trained."""
    return _changes(str(project.path), run, version(project))


@st.cache_resource(max_entries=64, show_spinner=False)
def _study_changes(path: str, study: str, version: str) -> list[Message]:
    return studies.changes(Project(Path(path)), study)


def study_changes(project: Project, study: str) -> list[Message]:
    """What changed in the classes since a study was made."""
    return _study_changes(str(project.path), study, version(project))


@dataclass(frozen=True, eq=False)
class StoredEvaluation:
    """The report of a run, with its test predictions as arrays.

    Attributes:
        report: With intervals, also if an earlier version wrote it.
        labels: (N,) class indices of the test wafers.
        probabilities: (N, C).
    """

    report: RunReport
    labels: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float64]


@st.cache_resource(max_entries=12, show_spinner=False)
def _stored_evaluation(path: str, run: str, written: int) -> StoredEvaluation:
    report = models.read_report(Project(Path(path)), run)
    if report.evaluation is not None and report.intervals is None:
        report = replace(report, intervals=metrics.intervals(report.evaluation.confusion))
    return StoredEvaluation(
        report,
        np.array([p.truth for p in report.predictions], np.int64),
        np.array([p.probabilities for p in report.predictions], np.float64),
    )


def stored_evaluation(project: Project, run: str) -> StoredEvaluation:
    """The evaluation of a run, with intervals.

    Raises:
        ModelError: There is no such run, or its report is damaged.
    """
    path = models.model_folder(project, run) / "report.json"
    return _stored_evaluation(
        str(project.path), run, path.stat().st_mtime_ns if path.exists() else 0
    )


@st.cache_resource(max_entries=64, show_spinner=False)
def _model_runs(path: str, version: str) -> tuple[models.ModelRun, ...]:
    return models.list_models(Project(Path(path)))


def model_runs(project: Project) -> tuple[models.ModelRun, ...]:
    """All models, newest first; read again only when something changed."""
    return _model_runs(str(project.path), version(project))


@st.cache_resource(max_entries=64, show_spinner=False)
def _synthetic_runs(path: str, version: str) -> tuple[tuple[str, SyntheticRun], ...]:
    project = Project(Path(path))
    found = [
        (c.slug, run)
        for c in project.classes()
        for origin in synthetic.ORIGINS
        for run in synthetic.runs(project, c.slug, origin)
    ]
    return tuple(sorted(found, key=lambda pair: pair[1].run, reverse=True))


def synthetic_runs(project: Project) -> tuple[tuple[str, SyntheticRun], ...]:
    """All runs of synthetic wafers with the slug of their class, newest first.

    Raises:
        ProjectError: The project is gone or damaged.
    """
    return _synthetic_runs(str(project.path), version(project))


@st.cache_resource(max_entries=64, show_spinner=False)
def _comparison(path: str, first: str, second: str, version: str) -> RunComparison:
    return compare_runs(Project(Path(path)), first, second)


def comparison(project: Project, first: str, second: str) -> RunComparison:
    """Two runs on their common test wafers.

    Raises:
        InputError: They have no test wafers in common.
        ModelError: There is no such run, or its report is damaged.
    """
    return _comparison(str(project.path), first, second, version(project))


@st.cache_data(max_entries=400, show_spinner=False)
def sheet(paths: tuple[str, ...], columns: int, cell: int, captions: tuple[str, ...] = ()) -> str:
    """Contact sheet of stored pictures, as a data URL; their names carry their content's hash."""
    return drawing.to_data_url(
        drawing.contact_sheet(_read(paths), columns, cell, captions=captions)
    )


def augment_preview(
    project: Project, slug: str, config: AugmentConfig, count: int, turn: int
) -> str:
    """Training originals above, the same transformed below, as a data URL.

    Args:
        turn: Which wafers: 0 the first ``count``, 1 the next, and so on.
    """
    records = [r for r in pictures.originals(project, slug) if r.split == "train"]
    first = turn * count % max(len(records), 1)
    records = (records[first:] + records[:first])[:count]
    paths = tuple(str(manifest.picture_path(project, slug, r)) for r in records)
    return _before_after(paths, config, turn)


@st.cache_data(max_entries=100, show_spinner=False)
def _before_after(paths: tuple[str, ...], config: AugmentConfig, turn: int) -> str:
    from wafer_core.tasks.augmentation import offline  # brings scipy, which no other page needs

    before = _read(paths)
    rng = [np.random.default_rng((turn, i)) for i in range(len(before))]
    after = [offline.augment_picture(p, config, rng[i])[0] for i, p in enumerate(before)]
    return drawing.to_data_url(drawing.contact_sheet(before + after, len(before), 128))


def augmented_pairs(project: Project, slug: str, run: str, count: int) -> str:
    """Originals above, what was made from them below, spread over a run; a data URL."""
    folder = manifest.class_folder(project, slug)
    records = [r for r in manifest.read_manifest(folder / "augmented" / run).records if r.parent]
    step = max(1, len(records) // count)
    chosen = records[::step][:count]
    above = [str(folder / "originals" / str(r.parent)) for r in chosen]
    below = [str(folder / "augmented" / run / r.file) for r in chosen]
    return sheet((*above, *below), max(1, len(chosen)), 96)


@st.cache_data(max_entries=2000, show_spinner=False)
def thumbnails(paths: tuple[str, ...], size: int) -> list[str]:
    """One drawing for each stored picture, as data URLs for a table."""
    return [drawing.to_data_url(drawing.draw(picture, size)) for picture in _read(paths)]


@st.cache_resource(max_entries=1, show_spinner=False)
def _known_yields() -> dict[str, float]:
    return {}  # by content; a number for each wafer that was ever sorted by yield


def yields(
    project: Project, slug: str, records: Sequence[PictureRecord], on_progress: Progress
) -> list[float]:
    """The yield of each wafer, 0 to 1; 2 for pictures without dies, which sort last."""
    known = _known_yields()
    missing = [r for r in records if r.sha not in known]
    for number, record in enumerate(missing):
        if number % 50 == 0:
            on_progress(number / len(missing))
        counts = images.die_counts(manifest.load(project, slug, record))
        share = counts.yield_fraction if record.kind == "map" else None
        known[record.sha] = 2.0 if share is None else share
    return [known[r.sha] for r in records]


@st.cache_resource(max_entries=1, show_spinner=False)
def _known_tables() -> dict[str, tuple[str, WaferTable]]:
    return {}  # by path of the project; with the version that was read


_MOST_TABLES = 16


def known_wafer_table(project: Project) -> WaferTable | None:
    """All originals of a project with their dies; ``None`` if ``wafer_table`` has to read them."""
    known = _known_tables().get(str(project.path))
    return known[1] if known and known[0] == version(project) else None


def wafer_table(project: Project, on_progress: Progress) -> WaferTable:
    """All originals of a project with their dies.

    A progress bar cannot be drawn in a cached function, so the results are kept by hand.

    Raises:
        ProjectError: The project is gone or damaged.
    """
    tables, now = _known_tables(), version(project)
    table = read_table(project, on_progress)
    if len(tables) >= _MOST_TABLES:
        tables.clear()
    tables[str(project.path)] = (now, table)
    return table


_MOST_PIXELS = 300_000_000  # bytes of wafer maps that are kept in memory


@st.cache_resource(max_entries=1, show_spinner=False)
def _known_maps() -> dict[str, images.Picture]:
    return {}  # by content


def die_maps(
    project: Project, wafers: Sequence[Wafer], on_progress: Progress
) -> list[images.Picture]:
    """The maps of some wafers, in no particular order; those that are gone are left out.

    So many that they fit in memory are read, spread evenly over the wafers.
    """
    known = _known_maps()
    pixels = sum(w.record.height * w.record.width for w in wafers)
    most = max(1, len(wafers) * _MOST_PIXELS // max(pixels, 1))
    chosen = [wafers[i] for i in sampling.evenly_spaced(len(wafers), most)]
    missing = [w for w in chosen if w.record.sha not in known]
    if missing and sum(each.size for each in list(known.values())) + pixels > 2 * _MOST_PIXELS:
        known.clear()
        missing = chosen

    def read(wafer: Wafer) -> images.Picture | None:
        try:
            return manifest.load(project, wafer.slug, wafer.record)
        except PictureError:  # deleted a moment ago
            return None

    with ThreadPoolExecutor(4) as pool:
        for number, picture in enumerate(pool.map(read, missing)):
            if number % 200 == 0:
                on_progress(number / len(missing))
            if picture is not None:
                known[missing[number].record.sha] = picture
    found = (known.get(w.record.sha) for w in chosen)
    return [picture for picture in found if picture is not None]


@st.cache_resource(max_entries=64, show_spinner=False)
def strongest_repeater(_stack: Stack, key: str) -> tuple[int, int, Field] | None:
    """The size of exposure field with the strongest repetition.

    Args:
        _stack: Of wafers with one grid.
        key: Distinguishes stacks in the cache.
    """
    from wafer_core.tasks.yields import repeaters

    return repeaters.strongest(_stack)


@st.cache_resource(max_entries=64, show_spinner=False)
def repeater_field(_stack: Stack, key: str, rows: int, columns: int) -> Field:
    """Failing share by position in an exposure field of a given size.

    Args:
        _stack: Of wafers with one grid.
        key: Distinguishes stacks in the cache.
        rows: Dies of the field.
        columns: Dies of the field.

    Raises:
        ParameterError: The field does not fit on the grid.
    """
    from wafer_core.tasks.yields import repeaters

    return repeaters.field(_stack, rows, columns)


@st.cache_resource(max_entries=64, show_spinner=False)
def _class_index(path: str, run: str, written: int) -> dict[str, int]:
    frozen = models.trained_on(Project(Path(path)), run)
    return {slug: index for index, (slug, _) in enumerate(frozen.classes)}


def _current_model(project: Project) -> tuple[str, dict[str, int]]:
    """The current run, and the index of each class in its probabilities; empty without one."""
    try:
        run = models.current_model(project)
        if run is None:
            return "", {}
        written = (models.model_folder(project, run) / "dataset.json").stat().st_mtime_ns
        return run, _class_index(str(project.path), run, written)
    except (OSError, WaferError):
        return "", {}


def knows_class(project: Project, slug: str) -> bool:
    """Whether the current model has learned a class."""
    return slug in _current_model(project)[1]


@st.cache_resource(max_entries=200_000 // 64, show_spinner=False)
def _chunk_probabilities(
    folder: str, written: int, paths: tuple[str, ...], index: int
) -> tuple[float, ...]:
    rows = classifier(Path(folder)).predict_proba(_read(paths))
    return tuple(float(p) for p in rows[:, index])


def probabilities_of(
    project: Project, slug: str, records: Sequence[PictureRecord], on_progress: Progress
) -> list[float]:
    """The probability that the current model gives to the class of each of its wafers.

    Raises:
        ModelError: The model is gone or damaged, or has not learned the class.
    """
    run, index = _current_model(project)
    if slug not in index:
        raise ModelError("The current model has not learned this class; train again.")
    folder = models.model_folder(project, run)
    written = (folder / "model.safetensors").stat().st_mtime_ns
    paths = [str(manifest.picture_path(project, slug, r)) for r in records]
    found: list[float] = []
    for start in range(0, len(paths), 64):
        chunk = tuple(paths[start : start + 64])
        found += _chunk_probabilities(str(folder), written, chunk, index[slug])
        on_progress(len(found) / len(paths))
    return found


@st.cache_data(max_entries=400, show_spinner=False)
def strip(path: str) -> str:
    """A stored strip of wafers, one pixel a die, as a data URL."""
    return drawing.to_data_url(drawing.draw(images.read_png(Path(path))))


def _read(paths: Sequence[str]) -> list[images.Picture]:
    """Stored pictures; one that was deleted a moment ago is drawn empty."""
    found = []
    for path in paths:
        try:
            found.append(images.read_png(Path(path)))
        except PictureError:
            found.append(np.zeros((8, 8), np.uint8))
    return found


_SAMPLES = (("Scratch", 2), ("Donut", 2), ("Edge-Loc", 2))  # pattern and seed
# Modules that the pages need and that take long to import, in the order of the pages.
_HEAVY = (
    "pandas",
    "plotly.graph_objects",
    "wafer_core.tasks.augmentation.offline",
    "wafer_core.tasks.classification.predict",
)


@st.cache_resource(show_spinner=False)
def _device() -> Future[Message]:
    home = workspace.workspace_path()

    def warm_up() -> Message:
        time.sleep(0.5)  # the first page goes out before this takes the processor
        importlib.import_module("wafer_core.workflows.recovery").recover_all(home)
        for name in _HEAVY:
            importlib.import_module(name)
        standard_classifier()
        from wafer_core.device import choose_device, describe_device

        text = describe_device(choose_device())
        # Streamlit collects garbage after every run of a page. What the imports made never becomes
        # garbage, and looking through it took 0.2 s a page.
        gc.collect()
        gc.freeze()
        return text

    # Importing torch takes seconds, and no first page should wait for it.
    return ThreadPoolExecutor(1, "warm-up").submit(warm_up)


def device_text() -> Message | None:
    """The device in a few words; ``None`` in the first seconds of the server."""
    found = _device()
    return found.result() if found.done() else None


# One cache for all sessions, bounded so that a server with many projects keeps its memory.
@st.cache_resource(max_entries=6, show_spinner=False)
def _classifier(folder: str, written: int) -> Any:
    from wafer_core.device import choose_device
    from wafer_core.tasks.classification.classifier import Classifier

    return Classifier.load(Path(folder), choose_device())


@st.cache_resource(show_spinner=False)
def standard_classifier() -> Any:
    """The shipped classifier of the nine WM-811K patterns."""
    from wafer_core.device import choose_device
    from wafer_core.tasks.classification import pretrained

    return pretrained.standard_classifier(choose_device())


def classifier(folder: Path) -> Any:
    """A trained model on the device, loaded once for all tabs.

    Raises:
        ModelError: It is gone or damaged.
    """
    path = folder / "model.safetensors"
    written = path.stat().st_mtime_ns if path.exists() else 0
    return _classifier(str(folder), written)


@st.cache_data(max_entries=200, show_spinner=False)
def heat(model: str, _classifier: Any, picture: images.Picture, size: int) -> tuple[bytes, bool]:
    """A wafer drawn with its heat map, and whether any failed die supports the prediction.

    Args:
        model: Distinguishes models in the cache.
        _classifier: Makes the prediction.
        picture: (H, W).
        size: Pixels per side.
    """
    from wafer_core.tasks.classification import attribution

    found = attribution.heat_map(_classifier, picture)
    return drawing.to_png(drawing.draw_heat(picture, found, size)), bool(found.any())


@st.cache_resource(max_entries=16, show_spinner=False)
def _originals_by_content(path: str, version: str) -> dict[str, tuple[str, str]]:
    project = Project(Path(path))
    return {
        record.sha: (c.slug, record.file)
        for c in project.classes()
        for record in pictures.originals(project, c.slug)
    }


def originals_by_content(project: Project) -> dict[str, tuple[str, str]]:
    """Class and file of every original, by the hash of its content."""
    return _originals_by_content(str(project.path), version(project))


@dataclass(frozen=True, eq=False)
class TrainingFeatures:
    """Training originals of one class as a model sees them.

    Attributes:
        paths: Files of N wafers.
        names: What people call these files.
        features: (N, F), see ``neighbours.features``.
    """

    paths: tuple[str, ...]
    names: tuple[str, ...]
    features: npt.NDArray[np.float32]


_MOST_COMPARED = 500  # training originals of a class, chosen evenly: a second on two cores


@st.cache_resource(max_entries=200, show_spinner=False)
def _training_features(
    path: str, model: str, name: str, version: str, _classifier: Any
) -> TrainingFeatures:
    from wafer_core.tasks.classification import neighbours

    project = Project(Path(path))
    found = [c.slug for c in project.classes() if c.name == name]
    records = [
        (slug, record)
        for slug in found
        for record in pictures.originals(project, slug)
        if record.split == "train"
    ]
    step = max(1, -(-len(records) // _MOST_COMPARED))
    kept, wafers = [], []
    for slug, record in records[::step]:
        try:
            wafers.append(manifest.load(project, slug, record))
        except PictureError:  # deleted a moment ago
            continue
        kept.append((str(manifest.picture_path(project, slug, record)), record))
    return TrainingFeatures(
        tuple(file for file, _ in kept),
        tuple(record.source or record.file for _, record in kept),
        neighbours.features(_classifier, wafers),
    )


def training_features(
    project: Project, model: str, classifier: Any, class_name: str
) -> TrainingFeatures:
    """Training originals of one class with their features; computed once for a model's version.

    Args:
        project: Holds the originals.
        model: Distinguishes models and their versions.
        classifier: The model.
        class_name: Of the class.
    """
    classes = hashlib.sha256()
    for wafer_class in project.classes():
        if wafer_class.name == class_name:
            for record in pictures.originals(project, wafer_class.slug):
                classes.update(f"{record.sha} {record.split}".encode())
    return _training_features(str(project.path), model, class_name, classes.hexdigest(), classifier)


def model_key(folder: Path) -> str:
    """Distinguishes models and their versions in caches."""
    path = folder / "model.safetensors"
    return f"{folder} {path.stat().st_mtime_ns if path.exists() else 0}"


@dataclass(frozen=True, eq=False)
class SampleWafers:
    """Wafers for those who have none at hand.

    Attributes:
        pictures: Simulated wafer maps.
        images: Their drawings as data URLs.
    """

    pictures: tuple[images.Picture, ...]
    images: tuple[str, ...]


@st.cache_resource(show_spinner=False)
def sample_wafers() -> SampleWafers:
    """Three simulated wafers, always the same."""
    from wafer_core import simulator

    chosen = tuple(simulator.simulate_many(name, 1, seed)[0] for name, seed in _SAMPLES)
    drawn = tuple(drawing.to_data_url(drawing.draw(picture, 128)) for picture in chosen)
    return SampleWafers(chosen, drawn)


@st.cache_data(ttl=60, max_entries=8, show_spinner=False)
def disk_use(path: str) -> tuple[int, int]:
    """Bytes used and free; a minute old at most."""
    return workspace.disk_use(Path(path))
