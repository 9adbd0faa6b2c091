"""Kill processes while they write, and look at what the next one finds.

python -m benchmarks.robustness.kills [--kills 200] [--work import augment …] [--seed 0] [--write]

Each kill is a SIGKILL to a process that does one kind of work on a fresh copy of a project: before
one of its writes, chosen at random, or at a random time. Then the project is opened as the next
process would open it. Counted are

    lost       originals, runs, models or projects that were there before and are gone
    half       a state that is neither the one before the work nor the one after it, or a job
               whose page says another thing than what is there
    leftovers  temporary files, unfinished journals, pictures that belong to nothing, ghost folders

The last line is one JSON object with these counts.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine, write_results
from benchmarks.tables import table
from wafer_core import images, jobs
from wafer_core.data import imports, ingest, models, pictures, synthetic, workspace
from wafer_core.data.project import Project
from wafer_core.importers import Upload, scan
from wafer_core.simulator import simulate_many
from wafer_core.workflows import submit
from wafer_core.workflows.recovery import recover_all
from wafer_core.workflows.runner import run_job

# Audit events of Python before a change on the disk (PEP 578).
_WRITES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree"}
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
FOLDER = "line-3"  # of the project that is worked on

State = dict[str, Any]


@dataclass(frozen=True)
class Work:
    """One kind of work.

    Attributes:
        prepare: Makes what it needs beside the project; returns its argument.
        run: Does it, in a process that is killed.
    """

    prepare: Callable[[Path], Any]
    run: Callable[[Path, Any], None]


@dataclass
class Faults:
    """What was found after the kills of one kind of work."""

    kills: int = 0
    before: int = 0
    after: int = 0
    lost: list[str] = field(default_factory=list)
    half: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)


# -- the work ------------------------------------------------------------------------------------


def make_workspace(home: Path) -> None:
    """Two projects: one to work on, with three classes, runs, an import and trash."""
    project = workspace.create_project(home, "Line 3")
    for number, name in enumerate(("Center", "Donut", "Scratch")):
        wafers = simulate_many(name, 10, number)
        new = [pictures.NewPicture(w, f"{name}-{i}.png") for i, w in enumerate(wafers)]
        pictures.add_originals(project, project.add_class(name).slug, new)
    made = synthetic.SyntheticPicture(simulate_many("Donut", 1, 99)[0])
    synthetic.add(project, "donut", "generated", [made], {"seed": 1})
    pictures.delete_pictures(project, "center", [pictures.originals(project, "center")[0].file])
    workspace.duplicate_project(home, workspace.create_project(home, "Other"))


def _files(home: Path) -> Path:
    """A folder of pictures of two known classes and a new one."""
    folder = home.parent / f"{home.name}-files"
    for number, name in enumerate(("Center", "Donut", "Edge-Ring")):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i, wafer in enumerate(simulate_many(name, 6, 50 + number)):
            (folder / name / f"{i}.png").write_bytes(images.encode_png(wafer))
    return folder


def _job(kind: str, parameters: Callable[[Any], dict[str, Any]]) -> Callable[[Path, Any], None]:
    def run(home: Path, given: Any) -> None:
        folder = submit.create_job(home / FOLDER, kind, parameters(given), "cpu")
        run_job(folder)

    return run


def _upload(home: Path, folder: Path) -> None:
    """What the server itself does with a few dropped files."""
    project = imports.open_project(home / FOLDER)
    uploads = [
        Upload(path.relative_to(folder).as_posix(), path.read_bytes())
        for path in sorted(folder.rglob("*.png"))
    ]
    ingest.import_candidates(project, scan(uploads).candidates)


def _zip(home: Path) -> bytes:
    stream = io.BytesIO()
    workspace.export_zip(Project.open(home / FOLDER), stream)
    return stream.getvalue()


def _import_zip(home: Path, data: bytes) -> None:
    workspace.import_zip(home, data, "project.zip")


def _duplicate(home: Path, _: Any) -> None:
    workspace.duplicate_project(home, Project.open(home / FOLDER))


def _move(home: Path, _: Any) -> None:
    project = imports.open_project(home / FOLDER)
    chosen = [record.file for record in pictures.originals(project, "center")[:5]]
    pictures.move_pictures(project, "center", chosen, "donut")


def _delete(home: Path, _: Any) -> None:
    project = imports.open_project(home / FOLDER)
    chosen = [record.file for record in pictures.originals(project, "scratch")[:5]]
    pictures.delete_pictures(project, "scratch", chosen)


def _restore(home: Path, _: Any) -> None:
    project = imports.open_project(home / FOLDER)
    pictures.restore_pictures(project, project.trash()[0].id)


def _delete_class(home: Path, _: Any) -> None:
    imports.open_project(home / FOLDER).delete_class("donut")


def _trash_project(home: Path, _: Any) -> None:
    workspace.trash_project(home, imports.open_project(home / FOLDER))


def _undo(home: Path, _: Any) -> None:
    project = imports.open_project(home / FOLDER)
    imports.undo(project, imports.runs(project)[0].id)


def _nothing(home: Path) -> None:
    return None


_TWO = [{"name": "Center", "count": 12}, {"name": "Donut", "count": 8}]
_MODES = [{**_TWO[0], "mode": "transforms"}, {**_TWO[1], "mode": "physics"}]
_QUICK = {"network": "wafer_cnn", "epochs": 1}
WORK = {
    "import": Work(_files, _job("import", lambda folder: {"sources": [str(folder)]})),
    "upload": Work(_files, _upload),
    "augment": Work(_nothing, _job("augment", lambda _: {"classes": _TWO})),
    "generate": Work(_nothing, _job("generate", lambda _: {"classes": _MODES})),
    "train": Work(_nothing, _job("train", lambda _: {"config": _QUICK})),
    "duplicate": Work(_nothing, _duplicate),
    "import zip": Work(_zip, _import_zip),
    "move": Work(_nothing, _move),
    "delete": Work(_nothing, _delete),
    "restore": Work(_nothing, _restore),
    "delete class": Work(_nothing, _delete_class),
    "delete project": Work(_nothing, _trash_project),
    "undo": Work(_nothing, _undo),
}


# -- kills ---------------------------------------------------------------------------------------


def fork(work: Callable[[], None], at: int | None = None, seconds: float | None = None) -> int:
    """Do something in a new process, which kills itself; returns the number of its writes.

    Args:
        work: Changes something below the temporary folder.
        at: Before this write, counted from 0; ``None``: not.
        seconds: After so many seconds; ``None``: not.

    Returns:
        The number of writes, or -1 if the process was killed.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        # A kill is no power failure: what was written stays, so that waiting for the disk only
        # costs time.
        os.sync, os.fsync = (lambda: None), (lambda _: None)  # type: ignore[assignment]
        os.setsid()
        count = 0

        def watch(event: str, given: tuple[Any, ...]) -> None:
            nonlocal count
            is_open = event == "open" and isinstance(given[2], int) and given[2] & _WRITE_FLAGS
            if not is_open and event not in _WRITES:
                return
            if not str(given[0]).startswith(tempfile.gettempdir()):
                return
            if count == at:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1

        if seconds is not None:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        sys.addaudithook(watch)
        code = 0
        try:
            work()
            os.write(writing, str(count).encode())
        except BaseException:
            traceback.print_exc()
            code = 1
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise RuntimeError("the work failed without a kill")
    return int(data) if data else -1


def state_of(home: Path) -> State:
    """What a person sees of all projects, without names that hold the time."""
    found: State = {"trash": len(workspace.list_trash(home))}
    for info in workspace.list_projects(home):
        project = imports.open_project(info.path)
        classes = {}
        for c in project.classes():
            folder = project.path / "classes" / c.slug / "originals"
            records = pictures.originals(project, c.slug)
            for record in records:  # each is there and whole
                if images.content_hash(images.read_png(folder / record.file)) != record.sha:
                    raise ValueError(f"{record.file} has another content")
            runs = [
                (origin, len(run.records), sum((run.folder / r.file).exists() for r in run.records))
                for origin in synthetic.ORIGINS
                for run in synthetic.runs(project, c.slug, origin)
            ]
            classes[c.name] = sorted(r.sha for r in records), sorted(runs), c.order
        trash = sorted(_trash_contents(project))
        trained = [model.damage is None for model in models.list_models(project)]
        found[info.folder] = {"name": info.name, "classes": classes, "trash": trash,
                              "models": trained, "damage": str(info.damage or "")}  # fmt: skip
    return found


def _trash_contents(project: Project) -> Iterable[tuple[str, tuple[str, ...]]]:
    for item in project.trash():
        folder = project.path / ".trash" / item.id
        names = [
            p.name for p in folder.rglob("*.png") if p.parent.name in ("pictures", "originals")
        ]
        yield item.title, tuple(sorted(names))


def contents_of(state: State) -> set[str]:
    """Everything that may not be lost: hashes of originals, and names of files in the trash."""
    found: set[str] = set()
    for folder, project in state.items():
        if folder == "trash":
            continue
        for name, (hashes, runs, _) in project["classes"].items():
            found |= set(hashes)
            found |= {f"{folder} {name} {run}" for run in runs}
    return found


def leftovers(home: Path) -> list[str]:
    """What belongs to nothing."""
    found = [str(p.relative_to(home)) for p in home.rglob(".tmp-*")]
    found += [str(p.relative_to(home)) for p in home.rglob(".commits/*")]
    for path in home.iterdir():
        if path.is_dir() and path.name[0] != "." and not (path / "project.json").exists():
            found.append(f"ghost {path.name}")
    for state in jobs.list_jobs(home):
        if (state.folder / "uploads").exists():
            found.append(f"{state.id}/uploads")
    for folder in workspace.project_folders(home):
        project = Project(folder)
        found += [f"import {r.state}" for r in imports.runs(project) if r.state != imports.DONE
                  and r.state != imports.UNDONE]  # fmt: skip
        for c in project.classes():
            listed = {r.file for r in pictures.originals(project, c.slug)}
            place = folder / "classes" / c.slug / "originals"
            found += [p.name for p in place.glob("*.png") if p.name not in listed]
    return found


def judge(home: Path, before: State, after: State, faults: Faults, where: str) -> None:
    """Open a workspace after a kill, and compare."""
    recover_all(home)
    try:
        now = state_of(home)
    except Exception as exc:
        faults.lost.append(f"{where}: {type(exc).__name__}: {exc}")
        return
    kept = contents_of(now)
    if missing := (contents_of(before) & contents_of(after)) - kept:
        faults.lost.append(f"{where}: {len(missing)} of the content before")
    if now == before:
        faults.before += 1
    elif now == after:
        faults.after += 1
    else:
        faults.half.append(f"{where}: {_difference(now, before, after)}")
    for state in jobs.list_jobs(home):
        claims = "unchanged" in str(state.error or "")
        if (claims and now != before) or (state.status == "done" and now != after):
            faults.half.append(f"{where}: the job is {state.status}: {state.error}")
        if state.is_active:
            faults.half.append(f"{where}: the dead job is {state.status}")
    faults.leftovers += [f"{where}: {found}" for found in leftovers(home)]


def _difference(now: State, before: State, after: State) -> str:
    return f"now {str(now)[:300]} before {str(before)[:300]} after {str(after)[:300]}"


def kill_many(name: str, kills: int, seed: int, folder: Path) -> Faults:
    """Kill one kind of work again and again, each time on a fresh workspace."""
    work, faults, rng = WORK[name], Faults(), random.Random(f"{seed} {name}")
    made = folder / "made"
    if not made.exists():
        make_workspace(made)
    before = state_of(made)
    given = work.prepare(made)
    home = folder / "home"

    def fresh() -> None:
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(made, home)

    fresh()
    began = time.perf_counter()
    writes = fork(lambda: work.run(home, given))
    seconds = time.perf_counter() - began
    after = state_of(home)
    if writes < 3 or after == before:
        raise RuntimeError(f"{name} changed nothing")
    for number in range(kills):
        fresh()
        at = rng.randrange(writes) if number % 4 else None
        later = None if number % 4 else rng.uniform(0, seconds)
        fork(lambda at=at, s=later: work.run(home, given), at, later)  # type: ignore[misc]
        faults.kills += 1
        judge(home, before, after, faults, f"{name} at {at if later is None else f'{later:.2f} s'}")
    return faults


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200, help="in all (200)")
    parser.add_argument("--work", nargs="+", choices=list(WORK), default=list(WORK))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="write benchmarks/results")
    chosen = parser.parse_args(arguments)
    import torch

    torch.set_num_threads(1)  # a forked process cannot use the threads of its parent
    rows = []
    with tempfile.TemporaryDirectory(prefix="wafer-kills-") as folder:
        os.environ["WAFER_LOCKS"] = str(Path(folder, "locks"))
        for number, name in enumerate(chosen.work):
            share = len(range(number, chosen.kills, len(chosen.work)))
            found = kill_many(name, share, chosen.seed, Path(folder))
            faults = {"lost": found.lost, "half": found.half, "leftovers": found.leftovers}
            for kind, list_ in faults.items():
                for text in list_[:5]:
                    print(f"{kind}: {text}", file=sys.stderr)
            counts = {kind: len(list_) for kind, list_ in faults.items()}
            rows.append({"work": name, "kills": found.kills, "as before": found.before,
                         "complete": found.after, **counts})  # fmt: skip
    total: Counter[str] = Counter()
    for row in rows:
        total.update({key: value for key, value in row.items() if isinstance(value, int)})
    lines = [f"# {total['kills']} kills on {describe_machine()}", ""]
    lines += table(list(rows[0]), [list(row.values()) for row in [*rows, {"work": "all", **total}]])
    print("\n".join(lines))
    if chosen.write:
        write_results("kills", [*rows, {"work": "all", **total}], "\n".join(lines))
    print(json.dumps(dict(total)))
    return int(bool(total["lost"] or total["half"] or total["leftovers"]))


if __name__ == "__main__":
    sys.exit(main())
