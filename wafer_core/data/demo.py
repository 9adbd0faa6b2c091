"""The demo project: simulated wafers of the nine WM-811K patterns, ready for training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from wafer_core import simulator
from wafer_core.data import pictures, workspace
from wafer_core.data.project import Project
from wafer_core.messages import N_

TITLE = N_("Demo: nine wafer patterns")
TRAINING = {"config": {}, "name": "First model"}  # the default settings suit it
PER_CLASS = 70  # the test split of 15% then has the ten wafers of a class that scores need
DESCRIPTIONS = {
    "Center": N_("Failed dies cluster in the centre."),
    "Donut": N_("A ring of failed dies around a good centre."),
    "Edge-Loc": N_("A cluster at one place of the edge."),
    "Edge-Ring": N_("Failed dies all around the edge."),
    "Loc": N_("A cluster somewhere inside."),
    "Near-full": N_("Almost every die fails."),
    "Random": N_("Many failed dies without a pattern."),
    "Scratch": N_("A line, straight or curved."),
    "none": N_("No pattern: a few random failed dies."),
}


def make_demo(
    home: Path,
    title: str = TITLE,
    descriptions: Mapping[str, str] = DESCRIPTIONS,
    per_class: int = PER_CLASS,
    seed: int = 0,
) -> Project:
    """Create a project of simulated wafers; takes a few seconds.

    Args:
        home: The workspace.
        title: Name of the project; a number is added if there is one with this name.
        descriptions: Of each pattern.
        per_class: Number of wafers of each pattern.
        seed: The same seed gives the same wafers.
    """
    project = workspace.create_project(home, _free_title(home, title))
    with pictures.Staging(project) as staging:
        for number, pattern in enumerate(simulator.PATTERNS):
            project.add_class(pattern, descriptions.get(pattern, ""))
            wafers = simulator.simulate_many(pattern, per_class, seed + number)
            for index, wafer in enumerate(wafers):
                staging.add(pattern, pictures.NewPicture(wafer, f"simulated-{pattern}-{index:03d}"))
        staging.commit()
    return project


def _free_title(home: Path, title: str) -> str:
    taken = {info.name for info in workspace.list_projects(home)}
    free, number = title, 2
    while free in taken:
        free, number = f"{title} {number}", number + 1
    return free
