"""What a workflow is: the name of a kind of job, its parameters, and the function that runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from wafer_core.messages import Message
from wafer_core.parameters import Settings
from wafer_core.workflows.context import WorkflowContext

P = TypeVar("P", bound=Settings)


@dataclass(frozen=True)
class Workflow(Generic[P]):
    """One kind of job.

    Attributes:
        name: The kind of its jobs, as ``spec.json`` stores it.
        title: For people: “Train”.
        parameters: The dataclass of its parameters. A job's JSON parameters are checked against
            it when the job is submitted and read with it when the job runs; forms and the command
            line are made from it.
        run: Does the work and returns the result, a JSON object. When it raises, the project is
            as it was before.
        describe: Returns a title for a job with these parameters; ``None``: ``title``.
        needs_device: Whether it computes for long on the device, and so waits for its turn.
    """

    name: str
    title: str
    parameters: type[P]
    run: Callable[[WorkflowContext, P], dict[str, Any]]
    describe: Callable[[P], Message] | None = None
    needs_device: bool = False

    def title_of(self, parameters: P) -> Message:
        """The title of a job with these parameters."""
        return Message(self.title) if self.describe is None else self.describe(parameters)
