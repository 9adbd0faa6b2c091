"""How the last import of this tab ended, and all imports of a project, each to be undone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from pages.shared import guards, loaders, times
from pages.shared.rejected import show_rejected
from pages.shared.words import escape, t, tn
from wafer_core import jobs
from wafer_core.data import imports
from wafer_core.data.imports import ImportRun, Undone
from wafer_core.data.ingest import ImportReport
from wafer_core.data.project import Project
from wafer_core.errors import JobError
from wafer_core.importers import Rejected
from wafer_core.messages import literal

_LAST, _JOB = "classes_last_import", "classes_import_job"  # session state
_SHOWN = 20  # imports in the list


@dataclass(frozen=True)
class LastImport:
    """An import of this tab.

    Attributes:
        project: Folder of the project.
        added: Number of wafers added, by class.
        duplicates: Number of wafers that the class already had, by class.
        conflicts: Number of wafers that are in several classes.
        rejected: Files that were left out.
        run: Id of the import; ``None`` if nothing was added.
    """

    project: str
    added: Mapping[str, int]
    duplicates: Mapping[str, int]
    conflicts: int
    rejected: Sequence[Rejected]
    run: str | None


def keep(project: Project, report: ImportReport) -> None:
    """Show this import on the page from now on."""
    st.session_state[_LAST] = LastImport(
        str(project.path),
        report.added,
        report.duplicates,
        report.conflicts,
        report.rejected,
        report.run,
    )


def expect(job: Path) -> None:
    """Show the import of this job when it is done."""
    st.session_state[_JOB] = job


def dismiss() -> None:
    """Show the last import no longer."""
    st.session_state.pop(_LAST, None)
    st.session_state.pop(_JOB, None)


def show(project: Project) -> None:
    """How the last import of this tab ended; nothing before the first one."""
    _collect(project)
    last: LastImport | None = st.session_state.get(_LAST)
    if last is None or last.project != str(project.path):
        return
    total = sum(last.added.values())
    lines = []
    if total:
        lines.append(
            tn(
                "Imported {count:,} wafer: {classes}",
                "Imported {count:,} wafers: {classes}",
                total,
                classes=_counts(last.added),
            )
        )
    else:
        lines.append(t("Nothing new was imported."))
    if last.duplicates:
        lines.append(
            t(
                "Already in their class, stored once: {classes}",
                classes=_counts(last.duplicates),
            )
        )
    if last.conflicts:
        lines.append(
            tn(
                "{count:,} wafer is in more than one class; see below.",
                "{count:,} wafers are in more than one class; see below.",
                last.conflicts,
            )
        )
    kind = st.success if total else st.warning
    with st.container(horizontal=True, vertical_alignment="center"):
        kind("  \n".join(lines), icon=":material/done:")
        if last.run is not None:
            st.button(
                t("Undo this import"),
                key="classes_undo_last",
                on_click=guards.attempt,
                args=(_undo, project, last.run),
                help=t("Removes exactly these wafers, and classes that it added."),
            )
    show_rejected(last.rejected)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({n:,})" for name, n in counts.items() if n)


def _collect(project: Project) -> None:
    """Take the result of an import that a job did."""
    folder: Path | None = st.session_state.get(_JOB)
    if folder is None:
        return
    try:
        state = jobs.read_state(folder)
    except JobError:
        st.session_state.pop(_JOB, None)
        return
    if state.is_active:
        return
    st.session_state.pop(_JOB, None)
    result = state.result
    if state.project_path != project.path.resolve() or result is None:
        return
    newest = next(iter(loaders.imports_of(project)), None)
    st.session_state[_LAST] = LastImport(
        str(project.path),
        result["added"],
        result["duplicates"],
        result["conflicts"],
        [Rejected(r["name"], literal(r["reason"])) for r in result["rejected"]],
        newest.id if newest is not None and result["total"] else None,
    )


def every_import(project: Project) -> None:
    """All imports, newest first, each with a button to undo it or to import it again."""
    found = loaders.imports_of(project)
    if not found:
        return
    with st.expander(t("Imports ({count})", count=len(found)), icon=":material/history:"):
        for run in found[:_SHOWN]:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(_line(run), width="stretch")
                if run.state == imports.UNDONE:
                    _button(t("Import again"), "redo", _redo, project, run)
                    _button(t("Delete permanently"), "discard", imports.discard, project, run)
                else:
                    _button(t("Undo"), "undo", _undo, project, run)


def _line(run: ImportRun) -> str:
    classes = ", ".join(escape(c.name) for c in run.classes[:6] if c.records)
    if len(run.classes) > 6:
        classes += " …"
    wafers = tn("{count:,} wafer", "{count:,} wafers", run.total)
    parts = [times.local(run.created), escape(run.source), f"{wafers}: {classes}"]
    if run.duplicates:
        parts.append(tn("{count:,} duplicate", "{count:,} duplicates", run.duplicates))
    if run.rejected:
        parts.append(tn("{count:,} file left out", "{count:,} files left out", run.rejected))
    if run.state == imports.UNDONE:
        parts.append(t("**undone**"))
    return " · ".join(part for part in parts if part)


def _button(
    label: str,
    name: str,
    action: Callable[[Project, str], object],
    project: Project,
    run: ImportRun,
) -> None:
    st.button(
        label,
        key=f"classes_import_{name}_{run.id}",
        on_click=guards.attempt,
        args=(action, project, run.id),
    )


def _undo(project: Project, run_id: str) -> None:
    done: Undone = imports.undo(project, run_id)
    text = tn("{count:,} wafer removed.", "{count:,} wafers removed.", done.removed)
    if done.classes:
        text += " " + t("Classes removed: {names}.", names=", ".join(done.classes))
    if done.kept:
        text += " " + tn(
            "{count:,} wafer was moved or deleted since and is left as it is.",
            "{count:,} wafers were moved or deleted since and are left as they are.",
            done.kept,
        )
    guards.notify(text)
    last: LastImport | None = st.session_state.get(_LAST)
    if last is not None and last.run == run_id:
        st.session_state.pop(_LAST)


def _redo(project: Project, run_id: str) -> None:
    total = imports.redo(project, run_id).total
    guards.notify(tn("{count:,} wafer imported.", "{count:,} wafers imported.", total))
