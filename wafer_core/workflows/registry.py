"""The workflows by name. Each is imported when it is needed, because most of them import torch."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from wafer_core.errors import JobError
from wafer_core.workflows.workflow import Workflow

# Name of the workflow (the kind of its jobs): module in this package that defines ``WORKFLOW``.
MODULES = {
    "import": "import_files",
    "augment": "augment",
    "generate": "generate",
    "train": "train",
    "search": "search",
    "predict": "predict",
    "score": "score",
    "benefit": "ablation",
    "learning_curve": "learning_curve",
}
LOADED: dict[str, Workflow[Any]] = {}


def find_workflow(name: str) -> Workflow[Any]:
    """The workflow of this name.

    Raises:
        JobError: There is none.
    """
    if name not in LOADED:
        if name not in MODULES:
            raise JobError(
                "There is no workflow “{name}”; choose one of {known}.",
                name=name,
                known=", ".join(MODULES),
            )
        module = import_module(f"wafer_core.workflows.{MODULES[name]}")
        LOADED[name] = module.WORKFLOW
    return LOADED[name]
