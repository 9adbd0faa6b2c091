"""Augmentation policies: which operations are applied to a training picture.

A policy replaces the free rotation, zoom and shift of a training; rotations by 90° and reflections
stay. It is the name of a rule, or a text that a search wrote: sub-policies separated by ``|``,
their operations by ``+``, each with its probability and its strength:

    >>> policy = read_policy("rotate 0.5 0.3 + noise 1 0.2 | erase 0.8 0.4")
    >>> [len(steps) for steps in policy]
    [2, 1]
    >>> write_policy(policy)
    'rotate 0.5 0.3 + noise 1 0.2 | erase 0.8 0.4'

For every picture one sub-policy is drawn, and each of its operations is applied with its
probability (Cubuk et al. 2019, arXiv:1805.09501). RandAugment and TrivialAugment are the published
rules with the operations of this package: torchvision's classes draw one operation per batch, and
two thirds of theirs change brightness and colour, which a wafer does not have.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from wafer_core.errors import ParameterError
from wafer_core.messages import N_, Message, counted
from wafer_core.parameters import Parameter, Value
from wafer_core.tasks.augmentation.operations import OPERATIONS

DEFAULT = "default"
MAX_SUB_POLICIES, MAX_STEPS = 60, 4
_NAMES = tuple(OPERATIONS)
_OPERATIONS_EACH, _STRENGTH = 2, 0.3  # RandAugment's usual two operations at strength 9 of 30

Draw = tuple[torch.Tensor, torch.Tensor]  # (L, N) operation numbers and strengths


@dataclass(frozen=True)
class Step:
    """One operation of a sub-policy.

    Attributes:
        operation: A key of ``OPERATIONS``.
        probability: That it is applied, 0 to 1.
        strength: 0 to 1.
    """

    operation: str
    probability: float
    strength: float


Policy = tuple[tuple[Step, ...], ...]


@dataclass(frozen=True)
class Rule:
    """A policy without parameters of its own.

    Attributes:
        title: For people.
        help: For people.
        draw: Draws operations and strengths, (L, N) each; None: the other settings of the training
            apply.
    """

    title: str
    help: str
    draw: Callable[[int, torch.Generator], Draw] | None


def _randaugment(N: int, generator: torch.Generator) -> Draw:
    """Two operations in sequence, both at one strength (Cubuk et al., arXiv:1909.13719)."""
    shape = (_OPERATIONS_EACH, N)
    chosen = torch.randint(0, len(_NAMES), shape, generator=generator)
    return chosen, torch.full(shape, _STRENGTH)


def _trivialaugment(N: int, generator: torch.Generator) -> Draw:
    """One operation at a random strength (Müller and Hutter 2021, arXiv:2103.10158)."""
    chosen = torch.randint(0, len(_NAMES), (1, N), generator=generator)
    return chosen, torch.rand(1, N, generator=generator)


RULES: dict[str, Rule] = {
    DEFAULT: Rule(N_("Default"), N_("free rotation, zoom and shift as set below"), None),
    "randaugment": Rule(
        N_("RandAugment"), N_("two random operations, both at strength 0.3"), _randaugment
    ),
    "trivialaugment": Rule(
        N_("TrivialAugment"), N_("one random operation at a random strength"), _trivialaugment
    ),
}


@functools.lru_cache(maxsize=64)
def read_policy(text: str) -> Policy:
    """Parse the text of a policy.

    Raises:
        ParameterError: It is not a policy, or too long.
    """
    parts = text.split("|")
    if len(parts) > MAX_SUB_POLICIES:
        raise ParameterError(
            "The augmentation policy “{policy}” has {count} sub-policies; use at most {most}.",
            policy=_shortened(text),
            count=len(parts),
            most=MAX_SUB_POLICIES,
        )
    return tuple(tuple(_read_step(step, text) for step in _split(part, text)) for part in parts)


def _shortened(text: str) -> str:
    return f"{text[:60]}{'…' if len(text) > 60 else ''}"


def _split(part: str, policy: str) -> list[str]:
    steps = part.split("+")
    if len(steps) > MAX_STEPS:
        raise ParameterError(
            "The augmentation policy “{policy}” has {count} operations in sequence; use at most "
            "{most}.",
            policy=_shortened(policy),
            count=len(steps),
            most=MAX_STEPS,
        )
    return steps


def _read_step(text: str, policy: str) -> Step:
    words = text.split()
    if not words or words[0] not in OPERATIONS:
        raise ParameterError(
            "There is no augmentation “{policy}”; choose one of {rules}, or operations such as "
            "“rotate 0.5 0.3”, from {operations}.",
            policy=_shortened(policy),
            rules=", ".join(RULES),
            operations=", ".join(OPERATIONS),
        )
    try:
        probability, strength = (float(word) for word in words[1:])
    except ValueError:
        probability = strength = math.nan
    if not (0 <= probability <= 1 and 0 <= strength <= 1):  # also false for NaN
        raise ParameterError(
            "“{step}” in the augmentation policy is not an operation with its probability and its "
            "strength, both from 0 to 1; write for example “rotate 0.5 0.3”.",
            step=text.strip()[:60],
        )
    return Step(words[0], probability, strength)


def write_policy(policy: Policy) -> str:
    """The text of a policy; the inverse of ``read_policy``, to two digits."""
    return " | ".join(
        " + ".join(
            f"{s.operation} {round(s.probability, 2):g} {round(s.strength, 2):g}" for s in steps
        )
        for steps in policy
    )


def title(policy: str) -> Message:
    """A few words for a policy's name or text."""
    if policy in RULES:
        return Message(RULES[policy].title)
    return counted(
        "Searched ({count:,} sub-policy)",
        "Searched ({count:,} sub-policies)",
        len(read_policy(policy)),
    )


def apply_policy(policy: str, batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Apply a policy to a batch, drawn anew for each picture.

    Args:
        policy: A key of ``RULES`` or the text of a policy.
        batch: (N, 3, S, S) in [0, 1].
        generator: On the CPU, so that a seed means the same on every device.

    Returns:
        The same shape.

    Raises:
        ParameterError: There is no such policy.
    """
    rule = RULES.get(policy)
    draw = rule.draw if rule else functools.partial(_draw, read_policy(policy))
    if draw is None:
        return batch
    chosen, strengths = draw(len(batch), generator)
    for operations, strength in zip(chosen, strengths, strict=True):
        changed = batch.clone()
        for number in operations.unique().tolist():
            name = _NAMES[number]
            if name == "nothing":
                continue
            rows = (operations == number).nonzero()[:, 0]
            on_device = rows.to(batch.device)
            changed[on_device] = OPERATIONS[name].apply(batch[on_device], strength[rows], generator)
        batch = changed
    return batch


def _draw(policy: Policy, N: int, generator: torch.Generator) -> Draw:
    """One sub-policy for each picture; operations that are skipped become “nothing”."""
    L = max(len(steps) for steps in policy)
    table = torch.zeros(len(policy), L, 3)
    for row, steps in enumerate(policy):
        for column, step in enumerate(steps):
            numbers = (_NAMES.index(step.operation), step.probability, step.strength)
            table[row, column] = torch.tensor(numbers)
    row_of = torch.randint(0, len(policy), (N,), generator=generator)
    number, probability, strength = table[row_of].permute(2, 1, 0)  # (L, N) each
    applied = torch.rand(L, N, generator=generator) < probability
    return torch.where(applied, number, 0).long(), strength


class PolicyParameter(Parameter):
    """The setting of a policy: the name of a rule, or a text that a search wrote."""

    def check(self, name: str, value: object) -> Value:
        """Return the name of the rule or the normalised text of the policy.

        Raises:
            ParameterError: It is neither.
        """
        if not isinstance(value, str):
            return super().check(name, value)  # raises a suitable error
        return value if value in RULES else write_policy(read_policy(value))
