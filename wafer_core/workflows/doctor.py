"""Checks of an installation, each with a sentence that says what was found and what to do."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wafer_core.data import workspace
from wafer_core.errors import WaferError
from wafer_core.messages import N_, Message, message

MIN_PYTHON = (3, 11)
MIN_FREE_BYTES = 2**30
# Packages without which the app does not work, by the name that is imported.
REQUIRED = {
    "numpy": "numpy",
    "scipy": "scipy",
    "torch": "torch",
    "torchvision": "torchvision",
    "PIL": "pillow",
    "safetensors": "safetensors",
    "threadpoolctl": "threadpoolctl",
    "optuna": "optuna",
    "pandas": "pandas",
    "plotly": "plotly",
    "streamlit": "streamlit",
    "babel": "Babel",
    "filelock": "filelock",
    "psutil": "psutil",
}
OPTIONAL = {"torch_fidelity": "torch-fidelity", "submitit": "submitit"}
_PURPOSES = {
    "torch-fidelity": N_("scores with Inception features"),
    "submitit": N_("jobs on a Slurm cluster"),
}


@dataclass(frozen=True)
class Check:
    """One thing that was checked.

    Attributes:
        name: Key for scripts.
        ok: Whether it is as it should be.
        text: What was found, and what to do if it is not ok.
        required: Whether the app cannot work without it.
    """

    name: str
    ok: bool
    text: Message
    required: bool = True

    def to_json(self) -> dict[str, Any]:
        """The fields."""
        return vars(self).copy()


def check_installation(device: str = "auto") -> list[Check]:
    """Check this installation.

    Args:
        device: The device that is to be used.
    """
    checks = [_python(), *_packages(REQUIRED, True)]
    if all(check.ok for check in checks):
        checks += [_guarded("device", lambda: _device(device)), _guarded("weights", _weights)]
    checks += [_workspace(), _disk()]
    return [*checks, *_packages(OPTIONAL, False)]


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    """A check whose own failure is its result."""
    try:
        return check()
    except WaferError as exc:
        return Check(name, False, exc.message)


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= MIN_PYTHON:
        return Check("python", True, message("Python {version}.", version=version))
    needed = ".".join(map(str, MIN_PYTHON))
    return Check(
        "python",
        False,
        message(
            "Python {version} is too old; install Python {needed} or newer.",
            version=version,
            needed=needed,
        ),
    )


def _packages(packages: Mapping[str, str], required: bool) -> Iterator[Check]:
    for module, package in packages.items():
        if importlib.util.find_spec(module) is None:
            text = message("{package} is missing; run: pip install {package}", package=package)
            if not required:
                text = message(
                    "{package} is not installed. It is optional, for {purpose}; to install it, "
                    "run: pip install {package}",
                    package=package,
                    purpose=Message(_PURPOSES.get(package, "")),
                )
            yield Check(package, False, text, required)
            continue
        try:
            version = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:  # installed by the system
            version = "?"
        text = message("{package} {version}.", package=package, version=version)
        yield Check(package, True, text, required)


def _device(name: str) -> Check:
    import torch

    from wafer_core.device import choose_device, describe_device

    device = choose_device(name)
    # A GPU may be listed and yet refuse to compute, for example with an old driver.
    try:
        (torch.ones(8, 8, device=device) @ torch.ones(8, 8, device=device)).sum().item()
    except RuntimeError as exc:
        return Check(
            "device",
            False,
            message(
                "{device} does not compute ({reason}); update its driver or use --device cpu.",
                device=str(device),
                reason=str(exc).split("\n", 1)[0][:200],
            ),
        )
    return Check("device", True, message("{device}.", device=describe_device(device)))


def _weights() -> Check:
    """The included networks load and classify one wafer of each pattern."""
    import torch

    from wafer_core.simulator import simulate_many
    from wafer_core.tasks.classification.pretrained import standard_classifier

    classifier = standard_classifier(torch.device("cpu"))
    wafer = simulate_many("Near-full", 1, 1)[0]
    probabilities = classifier.predict_proba([wafer])[0]
    label = classifier.class_names[int(probabilities.argmax())]
    if label != "Near-full":
        return Check(
            "weights",
            False,
            message(
                "The included model predicts {label} for a wafer of Near-full; install the program "
                "again.",
                label=label,
            ),
        )
    return Check("weights", True, message("The included models load and predict as expected."))


def _workspace() -> Check:
    path = workspace.workspace_path()
    folder = path if path.exists() else path.parent
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".tmp-"):
            pass
    except OSError as exc:
        return Check(
            "workspace",
            False,
            message(
                "The workspace {path} cannot be written ({reason}); set WAFER_HOME to a folder of "
                "this account.",
                path=str(path),
                reason=exc.strerror or str(exc),
            ),
        )
    return Check("workspace", True, message("The workspace {path} is writable.", path=str(path)))


def _disk() -> Check:
    path: Path = workspace.workspace_path()
    while not path.exists():
        path = path.parent
    free = shutil.disk_usage(path).free
    gigabytes = free / 2**30
    if free >= MIN_FREE_BYTES:
        return Check("disk", True, message("{free:.1f} GB free on the disk.", free=gigabytes))
    return Check(
        "disk",
        False,
        message(
            "Only {free:.1f} GB free on the disk of the workspace; delete old projects or set "
            "WAFER_HOME to another disk.",
            free=gigabytes,
        ),
    )
