"""The rules that CONTRIBUTING.md states: layers, streamlit, dependencies, settings."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from wafer_core import errors
from wafer_core.parameters import Parameter, Settings, nested_settings_of, parameters_of
from wafer_core.workflows.registry import MODULES, find_workflow

ROOT = Path(__file__).resolve().parents[1]
CORE = sorted((ROOT / "wafer_core").rglob("*.py"))
PAGES = [ROOT / "app.py", *sorted((ROOT / "pages").rglob("*.py"))]

# What a folder of the core may import of the core, besides itself; modules in no folder are the
# ground.
GROUND = {
    "device",
    "drawing",
    "errors",
    "files",
    "images",
    "json_fields",
    "messages",
    "moments",
    "names",
    "parameters",
    "plots",
    "process",
    "progress",
    "sampling",
}
MIDDLE = {"importers", "metrics", "networks", "simulator"}
BELOW = {
    "messages": set[str](),
    "errors": {"messages"},
    "metrics": GROUND,
    "simulator": GROUND | {"metrics"},
    "importers": GROUND,
    "networks": GROUND | {"metrics"},
    "jobs": GROUND,
    "data": GROUND | MIDDLE,
    "tasks": GROUND | MIDDLE,
    "workflows": GROUND | MIDDLE | {"jobs", "data", "tasks"},
    "pretraining": GROUND | MIDDLE | {"tasks"},
    "cli": GROUND | MIDDLE | {"jobs", "data", "tasks", "workflows"},
    "__main__": {"cli"},
}


def imports(path: Path) -> Iterator[str]:
    """Full names of what a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def named(path: Path) -> str:
    """A file's path in the project, for messages."""
    return path.relative_to(ROOT).as_posix()


def test_every_module_of_the_core_imports_where_there_is_no_streamlit() -> None:
    code = (
        "import importlib, pkgutil, sys\n"
        "sys.modules['streamlit'] = None\n"
        "import wafer_core\n"
        "for found in pkgutil.walk_packages(wafer_core.__path__, 'wafer_core.'):\n"
        "    if not found.name.endswith('__main__'):\n"
        "        importlib.import_module(found.name)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.stderr == ""
    assert done.returncode == 0


def test_nothing_heavy_is_loaded_with_the_package() -> None:
    code = (
        "import sys, wafer_core, wafer_core.errors, wafer_core.files, wafer_core.names\n"
        "print([m for m in ('torch', 'numpy', 'pandas', 'PIL', 'streamlit') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", CORE, ids=named)
def test_arrows_point_one_way(path: Path) -> None:
    folder = path.relative_to(ROOT / "wafer_core").with_suffix("").parts[0]
    used = set()
    for name in imports(path):
        first, _, rest = name.partition(".")
        assert first not in ("streamlit", "pages"), f"{named(path)} imports {name}"
        if first == "wafer_core":
            used.add(rest.partition(".")[0])
    allowed = BELOW.get(folder, GROUND) | {folder, "__version__"}
    assert used <= allowed, f"{named(path)} imports {', '.join(sorted(used - allowed))}"


def test_no_module_imports_itself_through_others() -> None:
    """No circle of imports in the whole package, imports inside functions included."""
    modules = {module_name(path): path for path in [*CORE, *PAGES]}
    graph = {
        name: {target for found in imports(path) if (target := resolved(found, modules, name))}
        for name, path in modules.items()
    }
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as exc:
        pytest.fail(" → ".join(reversed(exc.args[1])))


def module_name(path: Path) -> str:
    """Dotted name of a file: ``wafer_core.files``."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def resolved(found: str, modules: Mapping[str, Path], own: str) -> str | None:
    """The module that an import names: itself, or the one that defines the imported name."""
    name = found if found in modules else found.rpartition(".")[0]
    # A package's face is imported with each of its modules; that is no circle.
    return name if name in modules and name != own and not own.startswith(f"{name}.") else None


def test_only_one_file_caches() -> None:
    found = [
        named(p) for p in PAGES if re.search(r"\bcache_(data|resource)\b", p.read_text("utf-8"))
    ]
    assert found == ["pages/shared/loaders.py"]


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_pages_catch_no_defects(path: Path) -> None:
    """Pages report errors of the user's input; a program error stays visible."""
    own = {"OSError", *re.findall(r"^class (\w+)", Path(errors.__file__).read_text("utf-8"), re.M)}
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None
            caught = {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)}
            assert caught <= own, f"{named(path)}:{node.lineno}"


def page_of(path: Path) -> str:
    """The page that a file belongs to: ``predict`` for 5_Predict.py and for predict/matrix.py."""
    if path.name == "app.py":
        return "home"
    return path.stem.partition("_")[2].lower() if path.parent.name == "pages" else path.parent.name


# Keys begin with the page, the panel's own file, or the workflow that the panel belongs to. Shared
# widgets get the key of their page.
@pytest.mark.parametrize("path", [p for p in PAGES if p.parent.name != "shared"], ids=named)
def test_keys_of_widgets_begin_with_their_page(path: Path) -> None:
    allowed = tuple(f"{name}_" for name in (page_of(path), path.stem, *MODULES))
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.keyword) and node.arg == "key":
            first = node.value.values[0] if isinstance(node.value, ast.JoinedStr) else node.value
            if isinstance(first, ast.Constant):
                assert str(first.value).startswith(allowed), ast.unparse(node.value)


def test_pages_are_numbered_in_the_order_of_the_work() -> None:
    from pages.shared import layout

    files = [named(p) for p in sorted((ROOT / "pages").glob("*.py"))]
    assert all(re.fullmatch(r"pages/\d+_[A-Z][a-z]+\.py", name) for name in files)
    assert [step.page for step in layout.STEPS] == files[: len(layout.STEPS)]


def test_the_core_holds_no_assert() -> None:
    for path in CORE:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            assert not isinstance(node, ast.Assert), f"{named(path)}:{node.lineno}"


def packages(name: str) -> set[str]:
    """Names in a requirements file."""
    lines = (ROOT / name).read_text("utf-8").splitlines()
    return {m.group() for line in lines if (m := re.match(r"[A-Za-z][\w-]*", line))}


def test_every_dependency_has_its_reason() -> None:
    rows = re.findall(
        r"^\| ([\w, -]+) \| ([^|]+) \| ([^|]+) \|$",
        (ROOT / "CONTRIBUTING.md").read_text("utf-8"),
        re.MULTILINE,
    )
    table = {name: reason for names, reason, _ in rows for name in names.split(", ")}
    table.pop("package")
    assert set(table) == packages("requirements.txt") | packages("requirements-dev.txt")
    assert all(reason.strip() for reason in table.values())


def declared_settings() -> Iterator[tuple[str, Parameter]]:
    """All settings of all workflows and of their tasks."""
    for workflow in MODULES:
        found: list[type[Settings]] = [find_workflow(workflow).parameters]
        found += nested_settings_of(found[0]).values()
        for settings in found:
            for name, parameter in parameters_of(settings).items():
                yield f"{settings.__name__}.{name}", parameter


@pytest.mark.parametrize(
    ("name", "parameter"), [pytest.param(*each, id=each[0]) for each in declared_settings()]
)
def test_every_setting_explains_itself(name: str, parameter: Parameter) -> None:
    assert parameter.title[0].isupper()
    assert parameter.title not in parameter.help
    assert len(parameter.help.split()) >= 7, f"{name}: for someone who never trained a network"
    assert parameter.help.endswith(".")
    assert parameter.harms is None or parameter.harms.endswith(".")
    if not getattr(parameter, "required", False):
        checked = parameter.check(name, parameter.default)
        assert checked == parameter.default or parameter.is_range or parameter.is_list
