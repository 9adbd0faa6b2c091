"""Add wafers: what a drop holds, which class it goes to, and the import."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import streamlit as st

from pages.classes import class_list, coloured, last_import
from pages.shared import drop_zone, guards, jobs_panel, progress
from pages.shared.rejected import show_rejected
from pages.shared.words import escape, t, t_raw, tn
from wafer_core import drawing, jobs
from wafer_core.data import ingest
from wafer_core.data.project import Project
from wafer_core.data.summary import ClassSummary
from wafer_core.errors import PictureError
from wafer_core.images import Picture
from wafer_core.importers import (
    Candidate,
    Colour,
    ColourTable,
    ReadOptions,
    Rejected,
    Role,
    Scan,
    Upload,
    scan,
)
from wafer_core.messages import N_, listed
from wafer_core.workflows import submit

BY_FOLDER = ""  # value of the select box: each wafer goes to the class of its folder
AT_ONCE = 300  # wafers; more are imported by a job, so that the page stays responsive
SAMPLES = 12
_DROP = "classes_drop"  # session state
_WHERE = {"folders": N_("Each to the class of its folder"), "one": N_("All to the chosen class")}
_numbers = itertools.count()


Roles = tuple[tuple[Colour, Role], ...]


@dataclass(frozen=True)
class Samples:
    """A few wafers of a drop.

    Attributes:
        pictures: The wafers.
        tables: Roles of the colours of those that are renderings.
        rejected: Those that could not be read.
    """

    pictures: list[Picture]
    tables: list[ColourTable]
    rejected: list[Rejected]


@dataclass
class Drop:
    """Files that were dropped and are not imported yet.

    Attributes:
        project: Folder of the project that they were dropped into.
        uploads: The files.
        target: Slug of the class that they were dropped on; empty: on the page.
        number: Distinguishes drops in the keys of widgets.
        scans: What was found, by the roles of colours.
        samples: A few wafers of each scan.
    """

    project: str
    uploads: list[Upload]
    target: str = ""
    number: int = field(default_factory=lambda: next(_numbers))
    scans: dict[Roles, Scan] = field(default_factory=dict)
    samples: dict[Roles, Samples] = field(default_factory=dict)

    def scan(self, roles: Mapping[Colour, Role]) -> tuple[Scan, Samples]:
        """What the files hold, read with these roles of colours, and a few of the wafers."""
        key = tuple(sorted(roles.items()))
        if key not in self.scans:
            with st.spinner(t("Looking at the files …")):
                if len(self.scans) > 1:  # keep the guess and the last correction
                    self.scans.clear()
                    self.samples.clear()
                self.scans[key] = scan(self.uploads, options=ReadOptions(roles))
                self.samples[key] = _samples(self.scans[key].candidates)
        return self.scans[key], self.samples[key]


def panel(project: Project, classes: Sequence[ClassSummary]) -> None:
    """The drop zone, the review of a drop, and how the last import ended.

    Args:
        project: Where the wafers go.
        classes: Its classes.
    """
    files = drop_zone.drop_zone(
        "classes_files",
        t_raw("Drop wafers, folders or a .zip anywhere on this page, or on a class"),
        t_raw("Drop to add wafers"),
        has_targets=True,
    )
    if files:
        names = [drop_zone.split_target(file.name) for file in files]
        uploads = [
            Upload(name, file.getvalue()) for (_, name), file in zip(names, files, strict=True)
        ]
        st.session_state[_DROP] = Drop(str(project.path), uploads, names[0][0])
        last_import.dismiss()
        drop_zone.taken()
        st.rerun()
    drop: Drop | None = st.session_state.get(_DROP)
    if drop is not None and drop.project == str(project.path):
        with st.container(border=True):
            _review(project, classes, drop)
    last_import.show(project)
    jobs_panel.project_jobs(project, ("import",), show_done=False)


def _review(project: Project, classes: Sequence[ClassSummary], drop: Drop) -> None:
    """What a drop holds and where it goes, before anything is stored."""
    found, samples = drop.scan({})
    rejected = [*found.rejected, *samples.rejected]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = Counter(c.class_name for c in found.candidates if c.class_name)
        target = _choose_class(classes, drop, bool(names))
        one = None if target == BY_FOLDER else target
        is_decided = target is not None and (one is None or len(names) < 2)
        st.markdown(_summary(found.candidates, one, target is None), width="stretch")
    if one is not None and len(names) > 1:
        one, is_decided = _ask(one, names, drop)
    roles = coloured.roles(samples.tables, drop.number)
    if roles:
        found, samples = drop.scan(roles)
    if samples.pictures:
        sheet = drawing.contact_sheet(samples.pictures, SAMPLES, 84)
        st.image(drawing.to_png(sheet), alt=t_raw("The first wafers as they will be stored"))
    show_rejected(rejected)
    ready = [c for c in found.candidates if one or c.class_name]
    label = tn("Import {count:,} wafer", "Import {count:,} wafers", len(ready))
    if one is not None and is_decided:
        label = tn(
            "Import {count:,} wafer into {name}",
            "Import {count:,} wafers into {name}",
            len(ready),
            name=one,
        )
    disabled = not ready or not is_decided
    with st.container(horizontal=True):
        wants_import = st.button(label, type="primary", key="classes_add_do", disabled=disabled)
        st.button(
            t("Discard"),
            key="classes_add_discard",
            on_click=lambda: st.session_state.pop(_DROP, None),
            help=t("Forget these files; nothing has been stored."),
        )
    if wants_import:
        with guards.show_errors():
            _store(project, drop, ready, one, roles, found.rejected)


def _choose_class(classes: Sequence[ClassSummary], drop: Drop, has_folders: bool) -> str | None:
    """Where the wafers go: a class, ``BY_FOLDER``, or not decided yet."""
    names = [c.name for c in classes]
    on_row = next((c.name for c in classes if c.slug == drop.target), None)
    options = [BY_FOLDER, *names] if has_folders else names
    index = options.index(on_row) if on_row else 0 if has_folders else None
    chosen = st.selectbox(
        t("Class"),
        options,
        index=index,
        key=f"classes_add_class_{drop.number}",
        format_func=lambda name: name or t_raw("From folder names"),
        placeholder=t_raw("Choose or type a class"),
        accept_new_options=True,
        help=t(
            "The class that these wafers go to. Type a new name to add a class, or let the names "
            "of folders and the labels in data files decide."
        ),
        width=260,
    )
    return None if chosen is None else str(chosen)


def _summary(candidates: Sequence[Candidate], one: str | None, is_open: bool) -> str:
    """How many wafers go where, as Markdown."""
    total = tn("**{count:,} wafer** found", "**{count:,} wafers** found", len(candidates))
    if not candidates:
        return t("No wafer found.")
    if one is not None:
        return f"{total} → {escape(one)}"
    counts = Counter(c.class_name for c in candidates)
    loose = counts.pop(None, 0)
    known = [f"{escape(str(name))} ({count:,})" for name, count in counts.most_common(12)]
    if len(counts) > len(known):
        known.append(t("{count:,} more classes", count=len(counts) - len(known)))
    if loose and is_open:
        return f"{total}. " + t("Choose the class that they go to.")
    if loose:
        known.append(
            ":orange["
            + tn(
                "{count:,} file without a class folder is left out",
                "{count:,} files without a class folder are left out",
                loose,
            )
            + "]"
        )
    return f"{total} → {', '.join(known)}"


def _ask(one: str, names: Counter[str], drop: Drop) -> tuple[str | None, bool]:
    """Folders of several classes and one chosen class: which of the two is meant?"""
    st.warning(
        t(
            "The folders name {count} classes ({classes}). Should all wafers go to {name}?",
            count=len(names),
            classes=listed(names, 9),
            name=one,
        ),
        icon=":material/help:",
    )
    answer = st.radio(
        t("Where should they go?"),
        list(_WHERE),
        index=None,
        key=f"classes_add_where_{drop.number}_{one}",
        format_func=lambda key: t_raw(_WHERE[key]),
        horizontal=True,
        label_visibility="collapsed",
    )
    return (None if answer == "folders" else one), answer is not None


def _samples(candidates: Sequence[Candidate]) -> Samples:
    """A few wafers spread over a drop."""
    found = Samples([], [], [])
    step = max(1, len(candidates) // SAMPLES)
    for candidate in candidates[::step][:SAMPLES]:
        try:
            loaded = candidate.load()
        except PictureError as exc:
            found.rejected.append(Rejected(candidate.name, exc.message))
            continue
        found.pictures.append(loaded.picture)
        if loaded.colours is not None:
            found.tables.append(loaded.colours)
    return found


def _store(
    project: Project,
    drop: Drop,
    ready: Sequence[Candidate],
    class_name: str | None,
    roles: Mapping[Colour, Role],
    rejected: Sequence[Rejected],
) -> None:
    """Import few wafers at once and many by a job; then the next drop starts anew."""
    if len(ready) > AT_ONCE:
        colours = {coloured.code(colour): role.value for colour, role in roles.items()}
        folder = submit.create_job(
            project.path,
            "import",
            {"class_name": class_name, "colours": colours},
            uploads=[(upload.name, upload.data) for upload in drop.uploads],
        )
        jobs.start(folder)
        last_import.expect(folder)
    else:
        with progress.bar(t("Importing …")) as report:
            source = drop.uploads[0].name.partition("/")[0]
            done = ingest.import_candidates(project, ready, class_name, report, rejected, source)
        last_import.keep(project, done)
    if drop.target:
        class_list.choose(drop.target)
    st.session_state.pop(_DROP, None)
    st.rerun()
