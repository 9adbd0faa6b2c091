"""How each verdict looks: the one place that knows a verdict's title, colour and icon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from wafer_core.messages import N_, Message, counted
from wafer_core.tasks.classification import predict


@dataclass(frozen=True)
class VerdictStyle:
    """One verdict.

    Attributes:
        title: English.
        colour: Of Streamlit's palette.
        icon: Name of a Material symbol.
        button: Label of the button that lists such wafers, from their number; ``None`` where
            nobody has to look at them.
    """

    title: str
    colour: Literal["green", "orange", "violet", "red"]
    icon: str
    button: Callable[[int], Message] | None = None


VERDICTS = {
    predict.CONFIDENT: VerdictStyle(N_("Confident"), "green", "check_circle"),
    predict.REVIEW: VerdictStyle(
        N_("Needs review"),
        "orange",
        "person_search",
        lambda count: counted("{count:,} needs review", "{count:,} need review", count),
    ),
    predict.UNKNOWN: VerdictStyle(
        N_("Unknown"),
        "violet",
        "indeterminate_question_box",
        lambda count: counted("{count:,} unknown", "{count:,} unknown", count),
    ),
}
