"""Augmentation policies: which operations a picture goes through before the network sees it.

The quarter turns and mirroring of a training stay as they are; a policy replaces its free
rotation, zoom and shift. It is a word, the name of a rule, or a text that a search wrote:
sub-policies between ``|``, each of operations between ``+``, each with its chance and its strength:

    >>> policy = read_policy("rotate 0.5 0.3 + noise 1 0.2 | erase 0.8 0.4")
    >>> [len(steps) for steps in policy]
    [2, 1]
    >>> write_policy(policy)
    'rotate 0.5 0.3 + noise 1 0.2 | erase 0.8 0.4'

For every picture one sub-policy is drawn, and each of its operations is done by its chance (Cubuk
et al. 2019, arXiv:1805.09501). RandAugment and TrivialAugment are the published rules on our list
of operations: torchvision's own classes draw one operation for a whole batch, and two thirds of
theirs change brightness and colour, which a wafer has not.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from wafer_core.errors import ParameterError
from wafer_core.parameters import Parameter, Value
from wafer_core.tasks.augmentation.operations import OPERATIONS

DEFAULT = "default"
MAX_SUB_POLICIES, MAX_STEPS = 60, 4
_NAMES = tuple(OPERATIONS)
_TOGETHER, _STRENGTH = 2, 0.3  # RandAugment's usual two operations at 9 of 30

Draw = tuple[torch.Tensor, torch.Tensor]  # (L, N) operation numbers and strengths


@dataclass(frozen=True)
class Step:
    """One operation of a sub-policy: its name, its chance and its strength, both 0 to 1."""

    operation: str
    chance: float
    strength: float


Policy = tuple[tuple[Step, ...], ...]


@dataclass(frozen=True)
class Rule:
    """A policy without numbers of its own: words for people, and how it draws (L, N)."""

    title: str
    help: str
    draw: Callable[[int, torch.Generator], Draw] | None  # None: by the training's other settings


def _randaugment(N: int, generator: torch.Generator) -> Draw:
    """Some operations after each other, all at one strength (Cubuk et al., arXiv:1909.13719)."""
    shape = (_TOGETHER, N)
    chosen = torch.randint(0, len(_NAMES), shape, generator=generator)
    return chosen, torch.full(shape, _STRENGTH)


def _trivialaugment(N: int, generator: torch.Generator) -> Draw:
    """One operation at any strength (Müller and Hutter 2021, arXiv:2103.10158)."""
    chosen = torch.randint(0, len(_NAMES), (1, N), generator=generator)
    return chosen, torch.rand(1, N, generator=generator)


RULES: dict[str, Rule] = {
    DEFAULT: Rule("Default", "free rotation, zoom and shift as they are set", None),
    "randaugment": Rule("RandAugment", "two random operations, both at strength 0.3", _randaugment),
    "trivialaugment": Rule(
        "TrivialAugment", "one random operation at a random strength", _trivialaugment
    ),
}


@functools.lru_cache(maxsize=64)
def read_policy(text: str) -> Policy:
    """A policy from its text.

    Raises:
        ParameterError: It is none, or too long.
    """
    told = f"“{text[:60]}{'…' if len(text) > 60 else ''}”"
    subs = text.split("|")
    if len(subs) > MAX_SUB_POLICIES:
        raise ParameterError(
            f"The augmentation policy {told} has {len(subs)} parts; {MAX_SUB_POLICIES} are "
            "the most."
        )
    return tuple(tuple(_step(words, told) for words in _steps(sub, told)) for sub in subs)


def _steps(sub: str, told: str) -> list[str]:
    steps = sub.split("+")
    if len(steps) > MAX_STEPS:
        raise ParameterError(
            f"The augmentation policy {told} does {len(steps)} operations after each other; "
            f"{MAX_STEPS} are the most."
        )
    return steps


def _step(text: str, told: str) -> Step:
    words = text.split()
    if not words or words[0] not in OPERATIONS:
        raise ParameterError(
            f"There is no augmentation {told}; choose one of {', '.join(RULES)}, or operations "
            f"such as “rotate 0.5 0.3”, of {', '.join(OPERATIONS)}."
        )
    try:
        chance, strength = (float(word) for word in words[1:])
    except ValueError:
        chance = strength = math.nan
    if not (0 <= chance <= 1 and 0 <= strength <= 1):  # also false for NaN
        raise ParameterError(
            f"“{text.strip()[:60]}” of the augmentation policy is no operation with its chance and "
            "its strength, both from 0 to 1; write for example “rotate 0.5 0.3”."
        )
    return Step(words[0], chance, strength)


def write_policy(policy: Policy) -> str:
    """The text of a policy; the inverse of ``read_policy``, to two digits."""
    return " | ".join(
        " + ".join(f"{s.operation} {round(s.chance, 2):g} {round(s.strength, 2):g}" for s in steps)
        for steps in policy
    )


def title(policy: str) -> str:
    """A few words for a policy's name or text."""
    if policy in RULES:
        return RULES[policy].title
    return f"Searched ({len(read_policy(policy))} parts)"


def apply_policy(policy: str, batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Send each picture through its own draw of a policy.

    Args:
        policy: A key of ``RULES`` other than ``DEFAULT``, or a text.
        batch: (N, 3, S, S) in [0, 1].
        generator: On the CPU, so that a seed means the same on every device.

    Returns:
        The same shape.

    Raises:
        ParameterError: There is no such policy.
    """
    rule = RULES.get(policy)
    draw = rule.draw if rule else functools.partial(_drawn, read_policy(policy))
    if draw is None:
        return batch
    chosen, strengths = draw(len(batch), generator)
    for operations, strength in zip(chosen, strengths, strict=True):
        changed = batch.clone()
        for number in operations.unique().tolist():
            name = _NAMES[number]
            if name == "nothing":
                continue
            which = (operations == number).nonzero()[:, 0]
            there = which.to(batch.device)
            changed[there] = OPERATIONS[name].change(batch[there], strength[which], generator)
        batch = changed
    return batch


def _drawn(policy: Policy, N: int, generator: torch.Generator) -> Draw:
    """One sub-policy for each picture; operations that are not done are “nothing”."""
    L = max(len(steps) for steps in policy)
    table = torch.zeros(len(policy), L, 3)
    for row, steps in enumerate(policy):
        for column, step in enumerate(steps):
            numbers = (_NAMES.index(step.operation), step.chance, step.strength)
            table[row, column] = torch.tensor(numbers)
    row_of = torch.randint(0, len(policy), (N,), generator=generator)
    number, chance, strength = table[row_of].permute(2, 1, 0)  # (L, N) each
    done = torch.rand(L, N, generator=generator) < chance
    return torch.where(done, number, 0).long(), strength


class PolicyParameter(Parameter):
    """The setting of a policy: a rule of the list, or a text that a search wrote."""

    def check(self, name: str, value: object) -> Value:
        """Return the rule's name or the policy's text, cleaned.

        Raises:
            ParameterError: It is neither.
        """
        if not isinstance(value, str):
            return super().check(name, value)  # says what is wrong
        return value if value in RULES else write_policy(read_policy(value))
