"""What a job can be: one file a kind, and the list of them.

A kind's file is light: what computes is imported when the job runs.
"""

from __future__ import annotations

from wafer_core.errors import JobError
from wafer_core.workflows import (
    ablation,
    augment,
    generate,
    import_files,
    learning_curve,
    predict,
    score,
    search,
    train,
)
from wafer_core.workflows.workflow import Workflow

WORKFLOWS: dict[str, Workflow] = {
    "import": import_files.WORKFLOW,
    "augment": augment.WORKFLOW,
    "generate": generate.WORKFLOW,
    "train": train.WORKFLOW,
    "search": search.WORKFLOW,
    "predict": predict.WORKFLOW,
    "score": score.WORKFLOW,
    "benefit": ablation.WORKFLOW,
    "learning_curve": learning_curve.WORKFLOW,
}


def find_workflow(name: str) -> Workflow:
    """The kind of this name.

    Raises:
        JobError: There is none.
    """
    if name not in WORKFLOWS:
        raise JobError(f"There is no kind of job “{name}”; choose one of {', '.join(WORKFLOWS)}.")
    return WORKFLOWS[name]
