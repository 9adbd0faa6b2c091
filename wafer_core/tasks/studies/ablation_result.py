"""The result of an ablation: the scores of each condition, their differences, and the advice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wafer_core.errors import DataError
from wafer_core.json_fields import Fields
from wafer_core.messages import Message
from wafer_core.metrics.paired import Difference
from wafer_core.tasks.studies.advice import Advice
from wafer_core.tasks.studies.conditions import CONDITIONS


@dataclass(frozen=True)
class ConditionResult:
    """The scores of one condition.

    Attributes:
        title: For people.
        pictures: Number of training pictures.
        macro_f1: Mean over the repeats, in [0, 1]; higher is better.
        macro_f1_by_seed: Of each repeat.
        per_class: Mean F1 by class name; ``None`` for a class without test pictures.
        epochs: Of each repeat.
        seconds: Of each repeat.
    """

    title: Message
    pictures: int
    macro_f1: float
    macro_f1_by_seed: tuple[float, ...]
    per_class: Mapping[str, float | None]
    epochs: tuple[int, ...]
    seconds: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """Values for JSON; the texts stay messages, see ``files.json_value``."""
        return vars(self).copy()

    @classmethod
    def from_json(cls, value: object) -> ConditionResult:
        """Read what ``to_json`` gave; raises ``DataError``."""
        fields = Fields(value)
        per_class = Fields(fields.free("per_class"))
        return cls(
            fields.as_message("title"),
            fields.whole("pictures", low=1),
            fields.number("macro_f1", low=0, high=1),
            fields.numbers("macro_f1_by_seed"),
            {name: per_class.optional_number(name, 0, 1) for name in fields.free("per_class")},
            fields.wholes("epochs"),
            fields.numbers("seconds"),
        )


@dataclass(frozen=True)
class Comparison:
    """The difference between two conditions: the first minus the second."""

    condition: str
    against: str
    macro_f1: Difference
    per_class: Mapping[str, Difference | None]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "arm": self.condition,
            "against": self.against,
            "macro_f1": self.macro_f1.to_json(),
            "per_class": {name: gap and gap.to_json() for name, gap in self.per_class.items()},
        }

    @classmethod
    def from_json(cls, value: object) -> Comparison:
        """Read what ``to_json`` gave; raises ``DataError``."""
        fields = Fields(value)
        return cls(
            fields.choice("arm", CONDITIONS),
            fields.choice("against", CONDITIONS),
            Difference.from_json(fields.free("macro_f1")),
            {
                name: None if gap is None else Difference.from_json(gap)
                for name, gap in fields.free("per_class").items()
            },
        )


@dataclass(frozen=True)
class AblationResult:
    """What an ablation found.

    Attributes:
        class_names: In class order.
        conditions: By key of ``CONDITIONS``, in their order.
        comparisons: Each condition with the originals only, and the others with each other.
        seeds: Of the repeats.
        test_pictures: Number of test pictures.
        test_lots: Number of lots that they come from.
        test_per_class: Number of test pictures by class name.
        advice: What to keep.
        advice_per_class: The same by class name; classes without test pictures are missing.
        stopped: Whether the study was stopped before all repeats were done.
    """

    class_names: tuple[str, ...]
    conditions: Mapping[str, ConditionResult]
    comparisons: tuple[Comparison, ...]
    seeds: tuple[int, ...]
    test_pictures: int
    test_lots: int
    test_per_class: Mapping[str, int]
    advice: Advice
    advice_per_class: Mapping[str, Advice]
    stopped: bool = False

    @property
    def gains(self) -> dict[str, Comparison]:
        """The comparisons with the originals only, by condition."""
        return {c.condition: c for c in self.comparisons if c.against == "none"}

    def to_json(self) -> dict[str, Any]:
        """Values for JSON, not rounded; the texts stay messages, see ``files.json_value``."""
        return {
            "class_names": list(self.class_names),
            "better": "higher",
            "arms": {name: found.to_json() for name, found in self.conditions.items()},
            "differences": [comparison.to_json() for comparison in self.comparisons],
            "seeds": list(self.seeds),
            "test": {
                "pictures": self.test_pictures,
                "lots": self.test_lots,
                "per_class": dict(self.test_per_class),
            },
            "sentence": self.advice.sentence,
            "advice": self.advice.to_json(),
            "advice_per_class": {
                n: advice.to_json() for n, advice in self.advice_per_class.items()
            },
            "stopped": self.stopped,
        }

    @classmethod
    def from_json(cls, value: object) -> AblationResult:
        """Read what ``to_json`` gave; a stored study may come from anybody.

        Raises:
            DataError: A value is missing, of the wrong type, or does not fit the others.
        """
        fields = Fields(value)
        names = fields.texts("class_names")
        conditions = fields.mapping("arms", ConditionResult.from_json)
        comparisons = fields.items("differences", Comparison.from_json)
        test = Fields(fields.free("test"))
        per_class = Fields(test.free("per_class"))
        advice = fields.mapping("advice_per_class", Advice.from_json)
        is_consistent = (
            {"none"} <= set(conditions) <= set(CONDITIONS)
            and all(set(found.per_class) == set(names) for found in conditions.values())
            and all(found.macro_f1_by_seed and found.seconds for found in conditions.values())
            and all({c.condition, c.against} <= set(conditions) for c in comparisons)
            and all(set(c.per_class) == set(names) for c in comparisons)
            and set(advice) <= set(names)
        )
        if not is_consistent:
            raise DataError("its conditions or classes do not match")
        return cls(
            names, conditions, comparisons, fields.wholes("seeds"), test.whole("pictures", low=0),
            test.whole("lots", low=0), {name: per_class.whole(name, low=0) for name in names},
            Advice.from_json(fields.free("advice")), advice, fields.flag("stopped", False),
        )  # fmt: skip
