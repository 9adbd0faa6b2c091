"""Settings declared once: checks, defaults, nested settings, JSON."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from wafer_core.errors import ClassNameError, ParameterError
from wafer_core.parameters import (
    SEED,
    Parameter,
    Settings,
    Text,
    declare,
    nested,
    nested_settings_of,
    parameters_of,
    read_by,
)

NUMBER = Parameter("Rate", "How fast.", 0.5, 0.0, 2.0)
WHOLE = Parameter("Epochs", "How often.", 5, 1, 100, 1)
SWITCH = Parameter("Turns", "Whether.", True)
CHOICE = Parameter("Mode", "Which.", "a", choices=("a", "b"))
RANGE = Parameter("Between", "From, to.", None, 0.0, 4.0, is_range=True)
AUTOMATIC = Parameter("Batch", "How many.", None, 1, 64, 1, kind=int)
LIST = Parameter("Sizes", "How many.", (), 2, 50, 1, is_list=True, kind=int)


@dataclass(frozen=True)
class Inner(Settings):
    rate: float = declare(NUMBER)
    epochs: int = declare(WHOLE)


@dataclass(frozen=True)
class Outer(Settings):
    config: Inner = nested(Inner)
    class_name: str | None = declare(Text("Class", "Which."), key="class")
    names: tuple[str, ...] = declare(Text("Names", "Which.", is_list=True))
    seed: int = declare(SEED)
    twice: int = read_by(lambda value: 2 * value, 0)


@pytest.mark.parametrize(
    ("parameter", "given", "checked"),
    [
        (NUMBER, 1, 1.0),
        (NUMBER, np.float32(0.25), 0.25),
        (WHOLE, 7.0, 7),
        (WHOLE, np.int64(7), 7),
        (SWITCH, np.bool_(False), False),
        (CHOICE, "b", "b"),
        (RANGE, None, None),
        (RANGE, [1, 2], (1.0, 2.0)),
        (AUTOMATIC, None, None),
        (AUTOMATIC, 8, 8),
        (LIST, [3, 4.0], (3, 4)),
        (LIST, [], ()),
        (SEED, 2**63 - 1, 2**63 - 1),
        (Text("Name", "Of it."), None, None),
        (Text("Name", "Of it.", names="run"), "  a   b ", "a b"),
        (Text("Name", "Of it.", is_list=True), ["x"], ("x",)),
        (Text("Name", "Of it.", is_list=True), None, ()),
    ],
)
def test_what_fits_becomes_a_plain_value(
    parameter: Parameter, given: object, checked: object
) -> None:
    found = parameter.check("it", given)
    assert found == checked
    assert type(found) is type(checked)


@pytest.mark.parametrize(
    ("parameter", "given", "sentence"),
    [
        (NUMBER, 3, "it is 3; give a number between 0 and 2."),
        (NUMBER, float("nan"), "it is nan; give a number between 0 and 2."),
        (NUMBER, True, "it is True; give a number between 0 and 2."),
        (NUMBER, None, "it is None; give a number between 0 and 2."),
        (NUMBER, "1", "it is '1'; give a number between 0 and 2."),
        (WHOLE, 1.5, "it is 1.5; give a whole number between 1 and 100."),
        (AUTOMATIC, 0, "it is 0; give a whole number between 1 and 64."),
        (SWITCH, 1, "it is 1; it must be true or false."),
        (CHOICE, "c", "it is 'c'; choose one of a, b."),
        (RANGE, 1, "it is 1; give a lowest and a highest value."),
        (RANGE, [1], "it has 1 values; give a lowest and a highest value."),
        (RANGE, [2, 1], "it runs from 2 down to 1; swap the two."),
        (LIST, "12", "it is '12'; give a list of numbers."),
        (LIST, [1], "it is 1; give a whole number between 2 and 50."),
        (SEED, -1, "it is -1; give a whole number between 0 and 9,223,372,036,854,775,807."),
        (Text("Name", "Of it."), 5, "it is 5; give a text."),
        (Text("Name", "Of it.", required=True), None, "it is None; give a text."),
        (Text("Name", "Of it.", is_list=True), "x", "it is 'x'; give a list of texts."),
        (Text("N", "Of it.", is_list=True, required=True), [], "it is empty; give at least one."),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    parameter: Parameter, given: object, sentence: str
) -> None:
    with pytest.raises(ParameterError) as caught:
        parameter.check("it", given)
    assert str(caught.value) == sentence


def test_a_long_wrong_value_is_shortened() -> None:
    with pytest.raises(ParameterError) as caught:
        NUMBER.check("it", "x" * 1000)
    assert len(str(caught.value)) < 150


def test_a_name_must_be_usable() -> None:
    with pytest.raises(ClassNameError, match="reserved name"):
        Text("Name", "Of it.", names="run").check("it", "..")


def test_settings_check_and_clean_themselves() -> None:
    assert Inner() == Inner(0.5, 5)
    assert type(Inner(rate=1).rate) is float
    with pytest.raises(ParameterError, match="epochs is 0"):
        Inner(epochs=0)
    assert list(parameters_of(Inner)) == ["rate", "epochs"]


def test_settings_from_json() -> None:
    given = {"config": {"epochs": 9}, "class": "Loc", "names": ["a"], "twice": 4}
    found = Outer.from_mapping(given)
    assert found == Outer(Inner(epochs=9), "Loc", ("a",), 0, 8)
    assert Outer.from_mapping({}) == Outer()
    assert nested_settings_of(Outer) == {"config": Inner}
    assert list(parameters_of(Outer)) == ["class_name", "names", "seed"]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"magic": 1},
            "There is no setting 'magic'; choose from config, class, names, seed, twice.",
        ),
        ({"config": {"x": 1}}, "There is no setting 'x'; choose from rate, epochs."),
        ({"config": []}, 'The settings are []; give an object such as {"seed": 0}.'),
        ({"config": None}, 'The settings are None; give an object such as {"seed": 0}.'),
        ({"class_name": "Loc"}, "There is no setting 'class_name'"),
        ({"seed": "1"}, "seed is '1'"),
        ([], "The settings are []"),
    ],
)
def test_json_that_does_not_fit_is_one_sentence(given: object, sentence: str) -> None:
    with pytest.raises(ParameterError) as caught:
        Outer.from_mapping(given)
    assert str(caught.value).startswith(sentence)
