"""The commands that run a workflow on a project, made from the workflow's parameters.

``--project``, the parameters of the workflow, the settings of its task (``config``), and
``--device`` where it needs one. What a command has besides, it adds.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wafer_core.cli.arguments import add_device, add_project, add_settings, given_settings
from wafer_core.cli.command import Command, open_project, run_job, say
from wafer_core.errors import ParameterError

if TYPE_CHECKING:
    from wafer_core.parameters import Parameter

Json = dict[str, Any]
CONFIG = "config"  # the parameter that holds the settings of the task


@dataclass(frozen=True)
class WorkflowCommand:
    """A command that runs a workflow.

    Attributes:
        workflow: Its name.
        help: One line for the list of commands.
        add: Adds arguments that are no parameters of the workflow.
        complete: Changes the JSON parameters by those arguments and by the project.
        sentence: What to say at the end, besides the notes.
    """

    workflow: str
    help: str
    add: Callable[[argparse.ArgumentParser], None] | None = None
    complete: Callable[[argparse.Namespace, Any, Json], None] | None = None
    sentence: Callable[[Json], str] | None = None

    def command(self) -> Command:
        """The command for the list."""
        return Command(self.help, self.add_arguments, self.run)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add all arguments to a parser."""
        from wafer_core.workflows.registry import find_workflow

        add_project(parser)
        if self.add is not None:
            self.add(parser)
        own, config = self._settings()
        add_settings(parser, own)
        if find_workflow(self.workflow).needs_device:
            add_device(parser)
        add_settings(parser, config)

    def run(self, args: argparse.Namespace) -> Json:
        """Run the job, and return its result."""
        project = open_project(args.project)
        own, config = self._settings()
        parameters = self._keyed(given_settings(args, own))
        parameters[CONFIG] = given_settings(args, config)
        if self.complete is not None:
            self.complete(args, project, parameters)
        device = getattr(args, "device", "auto")
        result: Json = run_job(project.path, self.workflow, parameters, device)
        for note in result.get("notes", ()):
            say(note)
        if self.sentence is not None:
            say(self.sentence(result))
        return result

    def _settings(self) -> tuple[dict[str, Parameter], dict[str, Parameter]]:
        """The workflow's own parameters, and the settings of its task, without repetition."""
        from wafer_core.parameters import nested_settings_of, parameters_of
        from wafer_core.workflows.registry import find_workflow

        declared = find_workflow(self.workflow).parameters
        own = parameters_of(declared)
        config = parameters_of(nested_settings_of(declared)[CONFIG])
        return own, {name: setting for name, setting in config.items() if name not in own}

    def _keyed(self, values: Json) -> Json:
        """Values by their names in JSON instead of those of the fields."""
        from wafer_core.workflows.registry import find_workflow

        declared = find_workflow(self.workflow).parameters
        keys = {f.name: f.metadata.get("key") or f.name for f in fields(declared)}
        return {keys[name]: value for name, value in values.items()}


# -- augment and generate: the classes -----------------------------------------------------------


def _add_augment(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--class",
        dest="class_names",
        action="append",
        metavar="NAME",
        help="a class to augment; may be given several times (all classes)",
    )
    parser.add_argument(
        "--count", type=int, required=True, metavar="N", help="wafers to make of each class"
    )


def _complete_augment(args: argparse.Namespace, project: Any, parameters: Json) -> None:
    names = args.class_names or [c.name for c in project.classes()]
    parameters["classes"] = [
        {"name": project.find_class(name).name, "count": args.count} for name in names
    ]


def _add_generate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--class-list",
        required=True,
        metavar="JSON",
        help='the classes, such as \'[{"name": "Scratch", "ai_use": true, "count": 50}]\', or '
        "@FILE; ai_use true: by a generator (true), false: by transforms; instead, "
        '"mode" is gan, transforms or physics (the simulator fitted to the class, with "levels" '
        'such as {"ring_width": ["low", "high"]}); count overrides --count',
    )
    parser.add_argument(
        "--count", type=int, default=100, metavar="N", help="wafers to make of each class (100)"
    )


def _complete_generate(args: argparse.Namespace, project: Any, parameters: Json) -> None:
    text = args.class_list
    try:
        if text.startswith("@"):
            text = Path(text[1:]).read_text(encoding="utf-8")
        classes = json.loads(text)
    except (OSError, ValueError) as exc:
        raise ParameterError(
            "--class-list cannot be read as JSON ({reason}); give {example}.",
            reason=str(exc),
            example='[{"name": "Scratch"}]',
        ) from exc
    if isinstance(classes, list):
        classes = [{"count": args.count, **c} if isinstance(c, dict) else c for c in classes]
    parameters["classes"] = classes


# -- train ---------------------------------------------------------------------------------------


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help="settings that a search stored in the project; options given here override them",
    )


def _complete_train(args: argparse.Namespace, project: Any, parameters: Json) -> None:
    if args.preset is not None:
        from wafer_core.data import presets

        stored = presets.find_preset(project, args.preset).settings
        parameters[CONFIG] = {**stored, **parameters[CONFIG]}


# -- studies: class names as the project spells them ---------------------------------------------


def _complete_class(args: argparse.Namespace, project: Any, parameters: Json) -> None:
    parameters["class"] = project.find_class(parameters["class"]).name


def _complete_classes(args: argparse.Namespace, project: Any, parameters: Json) -> None:
    if "classes" in parameters:
        parameters["classes"] = [project.find_class(name).name for name in parameters["classes"]]


def _search_sentence(result: Json) -> str:
    name = result["preset"]
    return f'{name}: {result["verdict"]}, {result["title"]}. Train with --preset "{name}".'


def _result_sentence(result: Json) -> str:
    return str(result["sentence"])


COMMANDS: dict[str, Command] = {
    name: command.command()
    for name, command in {
        "augment": WorkflowCommand(
            "augment", "multiply classes by transforms", _add_augment, _complete_augment
        ),
        "generate": WorkflowCommand(
            "generate",
            "make synthetic wafers by a generator, transforms or the simulator",
            _add_generate,
            _complete_generate,
        ),
        "benefit": WorkflowCommand(
            "benefit",
            "find out whether synthetic wafers help a classifier",
            complete=_complete_classes,
            sentence=_result_sentence,
        ),
        "learning-curve": WorkflowCommand(
            "learning_curve",
            "find out how many originals of a class are needed",
            complete=_complete_class,
            sentence=_result_sentence,
        ),
        "train": WorkflowCommand(
            "train", "train a network on a project", _add_train, _complete_train
        ),
        "search": WorkflowCommand(
            "search",
            "search settings and augmentation within some minutes",
            sentence=_search_sentence,
        ),
    }.items()
}
