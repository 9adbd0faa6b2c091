"""Classes that are several others at once, and wafers laid on each other for them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wafer_core.device import at_most_threads
from wafer_core.images import FAIL, NO_DIE, PASS, Picture
from wafer_core.networks.preparation import Preparation
from wafer_core.tasks.classification import overlay
from wafer_core.tasks.classification.overlay import (
    JointWafers,
    joint_classes,
    mention,
    quiet,
    with_maps,
)
from wafer_core.tasks.classification.train import TrainConfig, TrainData, train

SIDE = 16


def wafer(*failed: tuple[slice, slice]) -> Picture:
    """Dies everywhere; those of some rectangles fail."""
    picture = np.full((SIDE, SIDE), PASS, np.uint8)
    for where in failed:
        picture[where] = FAIL
    return picture


TOP, LEFT = (slice(0, 4), slice(0, SIDE)), (slice(0, SIDE), slice(0, 3))


@pytest.mark.parametrize(
    "name",
    ["A + B", "a+b", "B & A", "A, B", "A_B", "A/B", "B and A", "A 및 B", "A그리고 B"],
)
def test_a_class_named_after_two_others_is_made_of_them(name: str) -> None:
    assert joint_classes(["A", name, "B"]) == {1: [(2, 0)]}


def test_three_patterns_are_made_of_any_two_classes_that_share_none() -> None:
    names = ["A", "B", "C", "A + B", "B + C", "A + B + C"]
    assert joint_classes(names) == {3: [(1, 0)], 4: [(2, 1)], 5: [(3, 2), (4, 0)]}


@pytest.mark.parametrize(
    "names",
    [["Edge", "Loc", "Edge-Loc"], ["Center", "Center + Loc"], ["A", "A + A"], ["Sand", "S", "d"],
     ["A", "B", "A B"], ["A", "B", "+"]],
)  # fmt: skip
def test_other_names_are_left_alone(names: list[str]) -> None:
    assert joint_classes(names) == {}
    assert mention(names) == ""


def test_whole_names_joined_by_hyphens_or_spaces_count_where_that_is_the_habit() -> None:
    names = ["Center", "Loc", "Edge-Loc", "Center-Loc", "Center-Edge-Loc", "Center Edge Loc-Loc"]
    assert joint_classes(names) == {3: [(1, 0)], 4: [(2, 0)], 5: [(3, 2), (4, 1)]}
    assert joint_classes(names[:5]) == {}  # two could be chance
    # one that is made of names only in part is a name of its own
    assert 5 not in joint_classes(["A", "B", "C", "A-B", "B-C", "A-X", "A-C"])


def test_a_pattern_may_be_spelled_with_a_space_in_a_joint_name() -> None:
    assert joint_classes(["Edge-Loc", "Center", "Edge Loc + Center"]) == {2: [(1, 0)]}


def test_many_hyphens_take_no_time() -> None:
    assert joint_classes(["a", "a-a", "-".join("a" * 300), "-".join("a" * 300 + "b")]) == {}


def test_they_are_mentioned_by_the_first_and_how_many() -> None:
    assert mention(["A", "B", "A+B"]) == "“A+B”"
    assert mention(["A", "B", "C", "A+B", "A+C", "B+C"]) == "“A+B” and 2 more"


def test_dies_that_fail_alone_are_left_out_and_a_line_stays() -> None:
    line = (slice(2, 10), slice(5, 6))
    picture = wafer(line)
    picture[12, 12] = picture[0, 15] = FAIL  # alone
    picture[15, 0] = NO_DIE
    expected = wafer((slice(3, 9), slice(5, 6)))  # its two ends have a single neighbour
    expected[15, 0] = NO_DIE
    np.testing.assert_array_equal(quiet(picture), expected)


def laid(pictures: list[Picture], names: list[str], turns: bool = False) -> torch.Tensor:
    """Sixty inputs of the last class, each laid anew."""
    preparation = Preparation(SIDE)
    inputs = preparation.prepare_compact(pictures)
    labels = np.arange(len(names))
    found = JointWafers(names, pictures, labels, preparation, inputs)
    batch = inputs[[len(names) - 1] * 60]
    label = torch.full((60,), len(names) - 1)
    return found.lay(batch, label, turns, torch.Generator().manual_seed(0)).float() / 255


def test_a_wafer_is_laid_upon_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlay, "SHARE", 1.0)
    both = laid([wafer(TOP), wafer(LEFT), wafer()], ["A", "B", "A + B"])
    expected = Preparation(SIDE).prepare([wafer(TOP, LEFT)])
    torch.testing.assert_close(both, expected.expand_as(both))


def test_the_upper_wafer_turns_where_turns_keep_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlay, "SHARE", 1.0)
    both = laid([wafer(TOP), wafer(LEFT), wafer()], ["A", "B", "A + B"], turns=True)
    forms = {tuple(row.flatten().tolist()) for row in both[:, 1]}
    # the pattern below stays; the one above lies at any of the four sides
    assert len(forms) == 7  # A below with B at four sides, B below with A at four, one in common
    assert all(row[1, :4].sum() == 4 * SIDE or row[1, :, :3].sum() == 3 * SIDE for row in both)


def test_some_wafers_of_the_class_itself_stay() -> None:
    both = laid([wafer(TOP), wafer(LEFT), wafer()], ["A", "B", "A + B"])
    own = (both[:, 1].sum((1, 2)) == 0).float().mean()
    assert 0.15 < own < 0.45


def test_only_wafer_maps_are_laid_and_other_classes_stay() -> None:
    grey = np.tile(np.arange(SIDE, dtype=np.uint8) * 9, (SIDE, 1))
    both = laid([wafer(TOP), grey, wafer()], ["A", "B", "A + B"])
    assert not both[:, 1].any()
    assert with_maps([wafer(TOP), grey, wafer()], np.arange(3)) == {0, 2}
    assert mention(["A", "B", "A + B"], {0, 2}) == ""
    alone = laid([wafer(TOP), wafer(LEFT), wafer()], ["A", "B", "C"])
    assert not alone[:, 1].any()


def test_a_class_without_training_wafers_lends_none() -> None:
    preparation = Preparation(SIDE)
    pictures = [wafer(TOP), wafer()]
    inputs = preparation.prepare_compact(pictures)
    found = JointWafers(["A", "B", "A + B"], pictures, np.array([0, 2]), preparation, inputs)
    assert found.classes == {}


def test_a_class_of_one_wafer_is_known_by_wafers_laid_for_it() -> None:
    """Its only wafer shows one place of each pattern; those of its parts show all places."""
    rng = np.random.default_rng(0)

    def spot() -> tuple[slice, slice]:
        y, x = rng.integers(3, 22, 2)
        return slice(y, y + 7), slice(x, x + 7)

    def wafer_of(*names: str) -> Picture:
        picture = np.full((32, 32), PASS, np.uint8)
        if "spot" in names:
            picture[spot()] = FAIL
        if "line" in names:
            picture[:, int(rng.integers(4, 28))] = FAIL
        return picture

    names = ("spot", "line", "spot + line")
    train_part = [wafer_of("spot") for _ in range(10)] + [wafer_of("line") for _ in range(10)]
    data = TrainData(
        names, [*train_part, wafer_of("spot", "line")], np.array([0] * 10 + [1] * 10 + [2]),
        [], np.zeros(0, np.int64),
    )  # fmt: skip
    judged = [wafer_of("spot", "line") for _ in range(40)]

    config = TrainConfig(
        network="wafer_cnn", epochs=60, batch_size=4, balancing="balanced"
    )  # fmt: skip
    with at_most_threads(1):  # on batches of four, threads wait for each other
        last = list(train(data, config, torch.device("cpu")))[-1].best_classifier()
    # 0.65 from its own wafer alone
    assert (last.predict_proba(judged).argmax(1) == 2).mean() > 0.85
