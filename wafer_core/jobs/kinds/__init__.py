"""What a job can be: one file a kind, and the list of them.

A kind's file is light: what computes is imported when the job runs.
"""

from __future__ import annotations

from wafer_core.errors import JobError
from wafer_core.jobs.kinds import (
    augment,
    benefit,
    generate,
    import_files,
    learning_curve,
    predict,
    score,
    search,
    train,
)
from wafer_core.jobs.kinds.kind import Kind

KINDS: dict[str, Kind] = {
    "import": import_files.KIND,
    "augment": augment.KIND,
    "generate": generate.KIND,
    "train": train.KIND,
    "search": search.KIND,
    "predict": predict.KIND,
    "score": score.KIND,
    "benefit": benefit.KIND,
    "learning_curve": learning_curve.KIND,
}


def find_kind(name: str) -> Kind:
    """The kind of this name.

    Raises:
        JobError: There is none.
    """
    if name not in KINDS:
        raise JobError(f"There is no kind of job “{name}”; choose one of {', '.join(KINDS)}.")
    return KINDS[name]
