"""The demo project: simulated wafers of the nine WM-811K patterns, ready to train."""

from __future__ import annotations

from pathlib import Path

from wafer_core import simulator
from wafer_core.data import pictures, workspace
from wafer_core.data.project import Project

TRAINING = {"config": {}, "name": "First model"}  # the defaults are right for it

DESCRIPTIONS = {
    "Center": "Failed dies gather in the middle.",
    "Donut": "A ring of failed dies with a good middle.",
    "Edge-Loc": "A cluster at one place of the edge.",
    "Edge-Ring": "The edge fails all the way round.",
    "Loc": "A cluster somewhere inside.",
    "Near-full": "Almost every die fails.",
    "Random": "Many failed dies without a shape.",
    "Scratch": "A line, straight or curved.",
    "none": "No pattern: a few failed dies by chance.",
}


def make_demo(home: Path, per_class: int = 40, seed: int = 0) -> Project:
    """Make a project of simulated wafers; takes a few seconds.

    Args:
        home: The workspace.
        per_class: Wafers of each pattern.
        seed: Same seed, same wafers.
    """
    project = workspace.create_project(home, "Demo: nine wafer patterns")
    with pictures.Staging(project) as staging:
        for number, pattern in enumerate(simulator.PATTERNS):
            project.add_class(pattern, DESCRIPTIONS[pattern])
            wafers = simulator.simulate_many(pattern, per_class, seed + number)
            for index, wafer in enumerate(wafers):
                staging.add(pattern, pictures.NewPicture(wafer, f"simulated-{pattern}-{index:03d}"))
        staging.commit()
    return project
