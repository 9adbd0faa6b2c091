"""The ways to make new wafers, as the page offers them."""

from __future__ import annotations

from dataclasses import dataclass

from wafer_core.data.synthetic import SyntheticRun
from wafer_core.messages import N_
from wafer_core.tasks.generation.config import CLASSIC, DEFAULT, PRESETS
from wafer_core.workflows.generate import GAN, PHYSICS, TRANSFORMS


@dataclass(frozen=True)
class Method:
    """One way to make new wafers.

    Attributes:
        title: For the select box.
        help: When to use it.
        mode: Of the workflow ``generate``.
        preset: Of the generator; ``None`` for other modes.
    """

    title: str
    help: str
    mode: str
    preset: str | None = None


METHODS = {
    "auto": Method(PRESETS[DEFAULT].title, PRESETS[DEFAULT].help, GAN, DEFAULT),
    "dcgan": Method(PRESETS[CLASSIC].title, PRESETS[CLASSIC].help, GAN, CLASSIC),
    "transforms": Method(
        N_("Manual (transforms)"),
        N_("Rotates, mirrors, shifts and zooms the originals. Takes seconds."),
        TRANSFORMS,
    ),
    "physics": Method(
        N_("Physics (simulator)"),
        N_(
            "A simulator is fitted to the class; process factors can be varied on purpose. Takes "
            "seconds, and works from a single wafer."
        ),
        PHYSICS,
    ),
}
NONE = N_("– nothing –")


def of_run(run: SyntheticRun) -> str:
    """The key of the method that made a run."""
    provenance = run.provenance
    for key, method in METHODS.items():
        if method.preset is not None and method.preset == provenance.preset:
            return key
    if run.origin == "augmented" or provenance.method == "transforms":
        return "transforms"
    return "physics" if provenance.method == "physics" else "auto"
