"""Drop pictures, folders or a zip: look at what was found, correct the guess, import."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from pages.shared import guards, jobs_panel, progress
from wafer_core import drawing, jobs
from wafer_core.data import ingest
from wafer_core.data.project import Project
from wafer_core.errors import PictureError
from wafer_core.images import Picture
from wafer_core.importers import (
    Candidate,
    Colour,
    ColourTable,
    Rejected,
    Role,
    Scan,
    Upload,
    scan,
)
from wafer_core.workflows import submit

BY_FOLDER = "the folder each lies in"
AT_ONCE = 300  # pictures; more are imported by a job, so that the page stays quick
TYPES = ["png", "jpg", "jpeg", "bmp", "tif", "tiff", "gif", "npy", "npz", "csv", "zip"]
SAMPLES = 12
REPORT = "upload_report"
OPEN = "upload_open"  # session state: whether the drop zone is open


def upload_panel(project: Project, class_names: Sequence[str], empty: bool) -> None:
    """The drop zone with everything behind it.

    It is open where it is needed first: in a project without wafers, and while an import runs or
    after one that failed. Closed, it is not drawn, which spares the browser a fifth of the page.

    Args:
        project: Where the wafers go.
        class_names: Its classes.
        empty: It has no wafers yet.
    """
    turn = st.session_state.get("upload_turn", 0)
    if OPEN not in st.session_state:
        st.session_state[OPEN] = empty or _import_unsettled(project)
    with st.expander("Add wafers", icon=":material/upload:", key=OPEN, on_change="rerun") as zone:
        if not zone.open:
            return
        left, middle, right = st.columns([3, 3, 2], gap="medium")
        files = left.file_uploader(
            "Drop pictures, wafer data or a .zip",
            TYPES,
            accept_multiple_files=True,
            key=f"upload_files_{turn}",
            help="PNG, JPEG, BMP, TIFF, GIF; .npy and .npz arrays; .csv of die values (0 no die, "
            "1 pass, 2 fail). In a .zip, sub-folders are classes.",
        )
        folder = middle.file_uploader(
            "or drop a whole folder",
            TYPES,
            accept_multiple_files="directory",
            key=f"upload_folder_{turn}",
            help="Sub-folders are classes. Everything stays on this server.",
        )
        target = right.selectbox(
            "Class",
            [BY_FOLDER, *class_names],
            index=0,
            key="upload_class",
            accept_new_options=True,
            help="Put all into this class (type a new name to add one), or let the names of "
            "sub-folders and labels in data files decide.",
        )
        dropped = [*files, *folder]
        if dropped:
            _review(project, dropped, None if target in (BY_FOLDER, None) else str(target))
        _show_report()
        jobs_panel.project_jobs(project, ("import",))


def _import_unsettled(project: Project) -> bool:
    """Whether the last import still runs or failed, so that its card must be seen."""
    imports = [s for s in jobs.list_jobs(project.path) if s.kind == "import"]
    last = max(imports, key=lambda s: s.id, default=None)
    return last is not None and (last.is_active or last.status == "failed")


def _review(project: Project, dropped: Sequence[Any], class_name: str | None) -> None:
    """What a drop holds, before anything is stored."""
    found = _scan(dropped, {})
    candidates, rejected = found.candidates, list(found.rejected)
    loose = sum(1 for c in candidates if c.class_name is None)
    counts = Counter(class_name or c.class_name or "no folder" for c in candidates)
    if candidates:
        told = ", ".join(f"{name} ({n:,})" for name, n in counts.most_common(12))
        st.markdown(f"**{len(candidates):,} picture{'s' * (len(candidates) != 1)} found:** {told}")
    if loose and class_name is None:
        st.warning(
            f"{loose:,} of them lie in no folder that names a class. Choose a class on the right.",
            icon=":material/info:",
        )
    samples, tables = _samples(candidates, rejected)
    roles = _colour_roles(tables)
    if roles:
        found = _scan(dropped, roles)
        candidates = found.candidates
        samples, _ = _samples(candidates, [])
    if samples:
        sheet = drawing.contact_sheet(samples, SAMPLES, 84)
        st.image(drawing.to_png(sheet), alt="The first pictures as they will be stored")
    show_rejected(rejected)
    ready = [c for c in candidates if class_name or c.class_name]
    if st.button(
        f"Import {len(ready):,} pictures", type="primary", key="upload_do", disabled=not ready
    ):
        with guards.show_errors():
            _store(project, dropped, ready, class_name, roles, found)


def _scan(dropped: Sequence[Any], roles: Mapping[Colour, Role]) -> Scan:
    """What a drop holds; kept for the reruns until the drop or the colours change."""
    key = (tuple(file.file_id for file in dropped), tuple(sorted(roles.items())))
    kept: dict[Any, Scan] = st.session_state.setdefault("upload_scans", {})
    if key not in kept:
        with st.spinner("Looking at what was dropped …"):
            if len(kept) > 1:  # the guess and one correction
                kept.clear()
            uploads = [Upload(f.name, f.getvalue()) for f in dropped]
            kept[key] = scan(uploads, colours=roles or None)
        st.session_state.pop(REPORT, None)
    return kept[key]


def _samples(
    candidates: Sequence[Candidate], rejected: list[Rejected]
) -> tuple[list[Picture], list[ColourTable]]:
    """A few pictures spread over the drop, read now, and the colour tables among them."""
    step = max(1, len(candidates) // SAMPLES)
    pictures, tables = [], []
    for candidate in candidates[::step][:SAMPLES]:
        try:
            loaded = candidate.load()
        except PictureError as exc:
            rejected.append(Rejected(candidate.name, str(exc)))
            continue
        pictures.append(loaded.picture)
        if loaded.colours is not None:
            tables.append(loaded.colours)
    return pictures, tables


def _colour_roles(tables: Sequence[ColourTable]) -> dict[Colour, Role]:
    """Show the guess of what each flat colour means; returns it as the user wants it."""
    guessed: dict[Colour, Role] = {}
    for table in tables:
        for colour, role in table.roles.items():
            guessed.setdefault(colour, role)
    if not guessed:
        return {}
    st.markdown("**Coloured maps.** This is how the colours are read; change what is wrong.")
    chosen: dict[Colour, Role] = {}
    with st.container(horizontal=True):
        for colour, role in list(guessed.items())[:12]:
            code = "#{:02x}{:02x}{:02x}".format(*colour)
            with st.container(width=130, gap="small"):
                st.html(
                    f'<div style="background:{code};height:18px;border:1px solid #8888;'
                    'border-radius:3px"></div>'
                )
                chosen[colour] = Role(
                    st.selectbox(
                        f"Colour {code}",
                        [r.value for r in Role],
                        index=[r.value for r in Role].index(role.value),
                        key=f"upload_colour_{code}",
                    )
                )
    return chosen


def _store(
    project: Project,
    dropped: Sequence[Any],
    ready: Sequence[Candidate],
    class_name: str | None,
    roles: Mapping[Colour, Role],
    found: Scan,
) -> None:
    """Few pictures at once, many by a job; then make room for the next drop."""
    colours = {"#{:02x}{:02x}{:02x}".format(*c): r.value for c, r in roles.items()}
    if len(ready) > AT_ONCE:
        job = submit.create_job(
            project.path,
            "import",
            {"class_name": class_name, "colours": colours},
            uploads=[(f.name, f.getvalue()) for f in dropped],
        )
        jobs.start(job)
    else:
        with progress.bar("Importing …") as tell:
            st.session_state[REPORT] = ingest.import_candidates(
                project, ready, class_name, tell, rejected=found.rejected
            )
    st.session_state["upload_turn"] = st.session_state.get("upload_turn", 0) + 1
    st.session_state.pop("upload_scans", None)
    st.rerun()


def _show_report() -> None:
    """How the last import ended."""
    report: ingest.ImportReport | None = st.session_state.get(REPORT)
    if report is None:
        return
    told = ", ".join(f"{n} to {name}" for name, n in report.added.items() if n) or "nothing new"
    again = sum(report.duplicates.values())
    text = f"Imported {told}."
    if again:
        text += f" {again} were in their class already and are stored once."
    (st.success if report.total else st.warning)(text, icon=":material/done:")
    show_rejected(report.rejected)


def show_rejected(rejected: Sequence[Rejected]) -> None:
    """Files that were left out, each with its reason."""
    if not rejected:
        return
    title = f"{len(rejected):,} {'file was' if len(rejected) == 1 else 'files were'} left out"
    with st.expander(title, icon=":material/error:", expanded=len(rejected) <= 5):
        if len(rejected) <= 5:
            for one in rejected:
                st.text(one.reason)
            return
        st.dataframe(
            pd.DataFrame({"why": [r.reason for r in rejected[:1000]]}),
            hide_index=True,
            height=200,
            column_config={"why": st.column_config.TextColumn(width="large")},
        )
