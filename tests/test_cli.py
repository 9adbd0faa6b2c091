"""The command line: help, exit codes, one sentence for what the user did wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wafer_core import cli
from wafer_core.data import pictures, synthetic
from wafer_core.data.project import Project
from wafer_core.jobs import list_jobs
from wafer_core.simulator import simulate_many
from wafer_core.workflows.submit import create_job

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def two_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two classes with twenty simulated wafers each."""
    made = Project.create(tmp_path_factory.mktemp("cli") / "demo")
    for seed, name in enumerate(("Center", "none")):
        new = [
            pictures.NewPicture(picture, f"{name}-{n}.png")
            for n, picture in enumerate(simulate_many(name, 20, seed))
        ]
        pictures.add_originals(made, made.add_class(name).slug, new)
    return made.path


@pytest.fixture
def project(two_classes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A copy of it for a test to change."""
    monkeypatch.setenv("WAFER_LOCKS", str(tmp_path / "locks"))
    return Project.open(Path(shutil.copytree(two_classes, tmp_path / "demo")))


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = cli.main([str(argument) for argument in arguments])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


# -- help and wrong calls ------------------------------------------------------------------------


def test_help_answers_without_loading_anything_heavy() -> None:
    code = (
        "import sys; from wafer_core.cli import main; main(['--help']);"
        "print([m for m in ('numpy', 'torch', 'PIL', 'streamlit') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    for name in cli.COMMANDS:
        assert re.search(rf"\n    {name}\s", done.stdout)


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_every_command_explains_every_parameter(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, name, "--help")
    assert (code, err) == (0, "")
    parser = cli._parser([name])
    sub = parser._subparsers._group_actions[0].choices[name]  # type: ignore[union-attr, index]
    for action in sub._actions:
        assert action.help
        assert all(option in out for option in action.option_strings)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ([], "command is missing"),
        (["dance"], "invalid choice: 'dance'"),
        (["--wrong"], "--wrong"),
        (["augment"], "--project"),
        (["augment", "--project", "x", "--count", "many"], "invalid int value: 'many'"),
        (["augment", "--project", "x", "--count", "1", "--wrong"], "--wrong"),
        (["job"], "FOLDER"),
        (["job", "nowhere"], "nowhere"),
        (["cancel", "nowhere"], "nowhere"),
        (["jobs", "--project", "nowhere"], "nowhere"),
    ],
)
def test_a_wrong_call_is_one_sentence_and_exit_code_2(
    arguments: list[str],
    word: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = call(capsys, *arguments)
    assert (code, out) == (2, "")
    assert word in err
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_defect_is_exit_code_1_with_its_traceback(tmp_path: Path) -> None:
    code = (
        "import sys; from wafer_core import cli;"
        "cli.COMMANDS['jobs'] = cli.Command('', cli.jobs.add_project, lambda args: 1 / 0);"
        "sys.exit(cli.main(['jobs', '--project', 'x']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


# -- augment -------------------------------------------------------------------------------------


def test_augment_makes_pictures_and_returns_the_run(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(
        capsys, "augment", "--project", project.path, "--class", "center", "--count", 7,
        "--no-vertical-flip", "--rotation-range", 10,
    )  # fmt: skip
    assert code == 0, err
    [entry] = json.loads(out.splitlines()[-1])["classes"]
    [run] = synthetic.runs(project, "center", "augmented")
    assert entry == {"name": "Center", "run": run.run, "count": 7}
    assert len(run.records) == 7
    assert run.info["config"]["rotation_range"] == 10
    assert run.info["config"]["vertical_flip"] is False
    assert [state.status for state in list_jobs(project.path)] == ["done"]


def test_augment_without_a_class_takes_all(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = call(capsys, "augment", "--project", project.path, "--count", 3)
    assert code == 0
    assert [c["name"] for c in json.loads(out)["classes"]] == ["Center", "none"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--class", "Donut", "--count", "1"], "no class “Donut”"),
        (["--count", "0"], "count"),
        (["--count", "1", "--rotation-range", "nan"], "rotation_range"),
        (["--count", "1", "--fill-mode", "magic"], "fill_mode"),
        (["--count", "1", "--class", "none", "--class", "None"], "twice"),
    ],
)
def test_wrong_settings_leave_no_job(
    project: Project, arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, "augment", "--project", project.path, *arguments)
    assert (code, out) == (2, "")
    assert word in err
    assert len(err.splitlines()) == 1
    assert list_jobs(project.path) == []


def test_augment_of_an_empty_class_undoes_the_class_before(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.add_class("Empty")
    code, _, err = call(capsys, "augment", "--project", project.path, "--count", 2)
    assert code == 2
    assert "“Empty” has no training wafers" in err
    assert synthetic.runs(project, "center", "augmented") == ()
    assert [state.status for state in list_jobs(project.path)] == ["failed"]


# -- jobs ----------------------------------------------------------------------------------------


def test_jobs_are_listed_and_cancelled(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    parameters = {"classes": [{"name": "Center", "count": 5}]}
    folder = create_job(project.path, "augment", parameters)
    code, out, _ = call(capsys, "jobs", "--project", project.path)
    assert code == 0
    [entry] = json.loads(out)
    assert (entry["kind"], entry["title"], entry["status"]) == (
        "augment",
        "Augment Center",
        "queued",
    )
    code, out, _ = call(capsys, "cancel", folder)
    assert (code, json.loads(out)["status"]) == (0, "cancelled")
    code, out, err = call(capsys, "job", folder)
    assert (code, out) == (130, "")
    assert "Cancelled" in err


def test_a_made_job_is_run_by_its_folder(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = create_job(
        project.path, "augment", {"classes": [{"name": "Center", "count": 5}], "seed": 1}
    )
    assert call(capsys, "job", folder)[0] == 0
    assert len(synthetic.runs(project, "center", "augmented")[0].records) == 5


def test_an_interrupt_cancels_cleanly(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(synthetic.Batch, "add", interrupted)
    code, out, err = call(capsys, "augment", "--project", project.path, "--count", 2)
    assert (code, out) == (130, "")
    assert "project is unchanged" in err
    assert [state.status for state in list_jobs(project.path)] == ["cancelled"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_control_c_in_a_real_process_leaves_nothing_behind(project: Project) -> None:
    before = {path for path in project.path.rglob("*") if path.name != "jobs"}
    command = [
        sys.executable, "-m", "wafer_core", "augment", "--project", str(project.path),
        "--count", "50000",
    ]  # fmt: skip
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # a shell that starts the tests in the background makes them ignore it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:  # fmt: skip
        end = time.monotonic() + 30
        while not any(state.fraction > 0 for state in list_jobs(project.path)):
            assert time.monotonic() < end
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    [state] = list_jobs(project.path)
    assert state.status == "cancelled"
    after = set(project.path.rglob("*")) - {state.folder.parent, state.folder}
    made = {path for path in after - before if path.parent != state.folder}
    assert not [path for path in made if path.is_file() and path.name != ".lock"]


# -- generate ------------------------------------------------------------------------------------

SMALL_GAN = (
    "--preset",
    "classic",
    "--epochs",
    2,
    "--size",
    16,
    "--multiplied-to",
    8,
    "--device",
    "cpu",
)


def test_generate_makes_pictures_by_gan_and_by_transforms(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    classes = '[{"name": "Center", "ai_use": true}, {"name": "none", "ai_use": false, "count": 3}]'
    code, out, err = call(
        capsys, "generate", "--project", project.path, "--class-list", classes, "--count", 5,
        *SMALL_GAN,
    )  # fmt: skip
    assert code == 0, err
    first, second = json.loads(out.splitlines()[-1])["classes"]
    assert (first["name"], first["count"], second["name"], second["count"]) == (
        "Center", 5, "none", 3,
    )  # fmt: skip
    for entry in (first, second):
        assert len(list(Path(entry["generated_image_path"]).glob("*.png"))) == entry["count"]
        scores = [entry[f"{name}_score"] for name in ("is", "fid", "kid")]
        assert scores == [entry["scores"]["scores"][name]["value"] for name in ("is", "fid", "kid")]
        assert scores[0] >= 1
    assert list(first["steps"]) == [
        "shrink", "multiply", "train", "clean", "binarise", "resize", "sweep",
    ]  # fmt: skip
    [generated] = synthetic.runs(project, "center", "generated")
    assert generated.info["epochs"] == 2
    [state] = list_jobs(project.path)
    epochs = state.metric("gan_epoch")
    assert [point["epoch"] for point in epochs] == [1, 2]
    assert (state.folder / epochs[0]["samples"]).stat().st_size > 0
    assert [point["step"] for point in state.metric("step")] == list(first["steps"])
    levels = state.metric("level")
    assert [level["value"] for level in levels] == list(range(40, 211, 10))
    assert [level["value"] for level in levels if level["is_best"]] == [
        generated.info["sweep"]["best"]
    ]
    assert (state.folder / levels[3]["samples"]).stat().st_size > 0


def test_the_class_list_may_be_a_file(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "classes.json"
    path.write_text('[{"name": "none", "ai_use": false}]')
    code, out, _ = call(
        capsys, "generate", "--project", project.path, "--class-list", f"@{path}", "--count", 2
    )
    assert code == 0
    assert json.loads(out)["classes"][0]["count"] == 2


@pytest.mark.parametrize(
    ("classes", "word"),
    [
        ("", "JSON"),
        ("@nowhere.json", "nowhere.json"),
        ("{}", "classes must be a list"),
        ("[]", "classes must be a list"),
        ("[1]", "is not a class"),
        ('[{"name": 5}]', "is not a class"),
        ('[{"name": "Center", "ai_use": "yes"}]', "give true or false"),
        ('[{"name": "Center", "magic": 1}]', "magic"),
        ('[{"name": "Center", "count": 0}]', "count"),
        ('[{"name": "Center", "count": null}]', "count"),
        ('[{"name": "Center"}, {"name": "Center"}]', "twice"),
    ],
)
def test_a_wrong_class_list_leaves_no_job(
    project: Project, classes: str, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(
        capsys, "generate", "--project", project.path, "--class-list", classes, *SMALL_GAN
    )
    assert (code, out) == (2, "")
    assert word in err
    assert len(err.splitlines()) == 1
    assert list_jobs(project.path) == []


@pytest.mark.parametrize(
    ("classes", "word"),
    [
        ('[{"name": "Donut"}]', "no class “Donut”"),
        ('[{"name": "Center"}, {"name": "CENTER"}]', "twice"),
        ('[{"name": "none", "ai_use": false}, {"name": "One"}]', "“One” has 1 training wafer"),
    ],
)
def test_classes_that_cannot_be_made_are_reported_before_any_work(
    project: Project, classes: str, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    one = project.add_class("One").slug
    pictures.add_originals(project, one, [pictures.NewPicture(simulate_many("Loc", 1, 9)[0])])
    code, out, err = call(
        capsys, "generate", "--project", project.path, "--class-list", classes, *SMALL_GAN
    )
    assert (code, out) == (2, "")
    assert word in err
    assert synthetic.runs(project, "none", "augmented") == ()
