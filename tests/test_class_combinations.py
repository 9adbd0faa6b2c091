"""Classes that combine others: suggested by names, stored in class.json, frozen for training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wafer_core.data import dataset, pictures, workspace
from wafer_core.data.class_combinations import describe, expand, suggest
from wafer_core.data.project import Project
from wafer_core.errors import ClassNameError
from wafers import fill, marked


def suggested(*names: str) -> dict[str, set[str]]:
    """The suggestion for classes whose slugs are their names."""
    return {k: set(v) for k, v in suggest({name: name for name in names}).items()}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return workspace.create_project(tmp_path, "P")


def combines(project: Project) -> dict[str, tuple[str, ...] | None]:
    """What each class combines, by its name."""
    return {c.name: c.combines for c in project.classes()}


# -- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["A + B", "a+b", "B & A", "A, B", "A_B", "A/B", "B and A", "A 및 B", "A그리고 B"]
)
def test_a_class_named_after_two_others_combines_them(name: str) -> None:
    assert suggested("A", name, "B") == {name: {"A", "B"}}


def test_a_class_combines_single_patterns_or_else_the_classes_that_make_it_up() -> None:
    assert suggested("A", "B", "C", "A + B", "A + B + C") == {
        "A + B": {"A", "B"},
        "A + B + C": {"A", "B", "C"},
    }
    assert suggested("A + B", "C", "A + B + C") == {"A + B + C": {"A + B", "C"}}


def test_two_classes_that_can_be_overlaid_are_preferred_to_three() -> None:
    names = ["B", "D", "A + C", "C + D", "A + B", "A + B + C + D"]
    assert suggested(*names)["A + B + C + D"] == {"A + B", "C + D"}


def test_a_missing_single_pattern_suggests_nothing_that_lacks_it() -> None:
    assert suggested("A", "B", "A + B + C") == {}


@pytest.mark.parametrize(
    "names",
    [["Edge", "Loc", "Edge-Loc"], ["Center", "Center + Loc"], ["A", "A + A"], ["Sand", "S", "d"],
     ["A", "B", "A B"], ["A", "B", "+"]],
)  # fmt: skip
def test_other_names_suggest_nothing(names: list[str]) -> None:
    assert suggested(*names) == {}


def test_hyphens_and_spaces_join_names_only_where_three_classes_are_named_so() -> None:
    names = ["Center", "Loc", "Edge-Loc", "Center-Loc", "Center-Edge-Loc", "Center Edge Loc-Loc"]
    assert suggested(*names) == {
        "Center-Loc": {"Center", "Loc"},
        "Center-Edge-Loc": {"Center", "Edge-Loc"},
        "Center Edge Loc-Loc": {"Center", "Edge-Loc", "Loc"},
    }
    assert suggested(*names[:5]) == {}  # two could be chance
    assert "A-X" not in suggested("A", "B", "C", "A-B", "B-C", "A-X", "A-C")  # X is no class


def test_a_pattern_may_be_spelled_with_a_space_in_a_combined_name() -> None:
    assert suggested("Edge-Loc", "Center", "Edge Loc + Center") == {
        "Edge Loc + Center": {"Edge-Loc", "Center"}
    }


def test_many_hyphens_take_no_time() -> None:
    assert suggested("a", "a-a", "-".join("a" * 300), "-".join("a" * 300 + "b")) == {}


def test_nested_combinations_are_expanded_and_cycles_are_cut() -> None:
    assert expand({"abc": ("ab", "c"), "ab": ("a", "b"), "one": ("a",), "none": ()}) == {
        "abc": ("a", "b", "c"),
        "ab": ("a", "b"),
    }
    assert set(expand({"a": ("b", "c"), "b": ("a", "c")})) <= {"a", "b"}
    deep = {f"x{i}": (f"x{i + 1}", f"x{i + 1}", "y") for i in range(200)}  # 2²⁰⁰ paths
    assert expand(deep)["x0"] == ("x200", "y")


def test_combined_classes_are_described_by_the_first() -> None:
    assert describe([]) is None
    assert str(describe(["A+B"])) == "“A+B”"
    assert str(describe(["A+B", "A+C"])) == "“A+B” and 1 more class"
    assert str(describe(["A+B", "A+C", "B+C"])) == "“A+B” and 2 more classes"


# -- projects ------------------------------------------------------------------------------------


def test_a_combination_is_suggested_when_the_last_class_for_it_is_added(project: Project) -> None:
    project.add_class("A + B")
    project.add_class("A")
    assert combines(project)["A + B"] is None
    project.add_class("B")
    assert combines(project) == {"A + B": ("a", "b"), "A": None, "B": None}
    stored = json.loads(
        (project.path / "classes" / project.find_class("A + B").slug / "class.json").read_text()
    )
    assert stored["combines"] == ["a", "b"]


def test_an_import_suggests_combinations(project: Project) -> None:
    with pictures.Staging(project) as staging:
        for number, name in enumerate(("Loc", "Center + Loc", "Center")):
            staging.add(name, pictures.NewPicture(marked(number), f"{number}.png"))
        staging.commit()
    assert combines(project)["Center + Loc"] == ("center", "loc")


def test_renaming_does_not_change_what_is_combined(project: Project) -> None:
    slugs = {name: project.add_class(name).slug for name in ("A", "B", "A + B", "Z")}
    before = project.combinations()
    project.rename_class(slugs["A"], "Alpha")
    project.rename_class(slugs["A + B"], "Mixed")
    assert project.combinations() == before == {slugs["A + B"]: ("a", "b")}
    project.rename_class(slugs["Z"], "Alpha + B")
    assert project.combinations() == before


def test_a_choice_by_hand_is_kept(project: Project) -> None:
    slugs = {name: project.add_class(name).slug for name in ("A", "B", "C", "A + B")}
    project.set_combines(slugs["A + B"], [])
    project.set_combines(slugs["C"], ["a", "b", "a"])
    project.add_class("D")
    assert combines(project) == {"A": None, "B": None, "C": ("a", "b"), "A + B": (), "D": None}


def test_an_impossible_choice_is_a_clear_error(project: Project) -> None:
    a, b, mixed = (project.add_class(name).slug for name in ("A", "B", "A + B"))
    for slug, chosen, text in (
        (mixed, [a], "two or more classes"),
        (mixed, [a, mixed], "cannot combine itself"),
        (a, [b, mixed], "cannot combine itself or a class that combines it"),
        (mixed, [a, "gone"], "no longer exists"),
    ):
        with pytest.raises(ClassNameError, match=text):
            project.set_combines(slug, chosen)
    assert project.combinations() == {mixed: (a, b)}


def test_a_deleted_class_is_in_no_combination_until_it_is_restored(project: Project) -> None:
    """Wafers of A and B alone are none of A + B + C: without C nothing may be overlaid for it."""
    a, b, c, two, three = (project.add_class(n).slug for n in ("A", "B", "C", "A + B", "A + B + C"))
    trash_id = project.delete_class(c)
    assert project.combinations() == {two: (a, b)}
    project.add_class("D")
    assert project.combinations() == {two: (a, b)}
    project.restore_class(trash_id)
    assert project.combinations() == {two: (a, b), three: (a, b, c)}


def older(project: Project) -> None:
    """Make the classes look as if the version before had written them."""
    for path in project.path.glob("classes/*/class.json"):
        value = json.loads(path.read_text())
        del value["combines"]
        path.write_text(json.dumps(value))


def test_names_decide_in_a_project_of_the_version_before_until_it_is_changed(
    project: Project,
) -> None:
    slugs = {name: project.add_class(name).slug for name in ("A", "B", "A + B")}
    older(project)
    assert project.combinations() == {slugs["A + B"]: ("a", "b")}
    assert all(c.is_older for c in project.classes())
    project.rename_class(slugs["A"], "Alpha")
    assert not any(c.is_older for c in project.classes())
    assert project.combinations() == {slugs["A + B"]: ("a", "b")}


def test_a_project_without_names_that_combine_writes_nothing_when_read(project: Project) -> None:
    project.add_class("A")
    older(project)
    path = project.path / "classes/a/class.json"
    before = path.stat().st_mtime_ns
    assert combines(project) == {"A": None}
    assert path.stat().st_mtime_ns == before


# -- datasets ------------------------------------------------------------------------------------


def test_a_frozen_dataset_names_what_each_class_combines(project: Project) -> None:
    for number, name in enumerate(("A", "B", "A + B")):
        fill(project, name, 5, start=100 * number)
    empty = project.add_class("C").slug
    mixed = project.add_class("A + B + C").slug
    frozen = dataset.freeze(project)
    assert frozen.combinations == {"A + B": ("A", "B"), "A + B + C": ("A", "B", "C")}
    again = dataset.Dataset.from_json(json.loads(json.dumps(frozen.to_json())))
    assert again == frozen
    used, notes = dataset.trainable(frozen)
    assert [str(note) for note in notes] == [
        f"The class “{name}” has no training wafers and was left out."
        for name in ("C", "A + B + C")
    ]
    # a class that is left out still counts as a pattern: A and B do not make up A + B + C
    fill(project, "A + B + C", 5, start=900)
    used, _ = dataset.trainable(dataset.freeze(project))
    assert used.combinations == {"A + B": ("A", "B"), "A + B + C": ("A", "B", empty)}
    assert mixed in dict(used.classes)


def test_a_changed_combination_makes_a_model_out_of_date_but_not_an_older_one(
    project: Project,
) -> None:
    slugs = [fill(project, name, 5, start=100 * i) for i, name in enumerate(("A", "B", "C"))]
    before = dataset.freeze(project)
    value = before.to_json()
    del value["combines"]
    oldest = dataset.Dataset.from_json(json.loads(json.dumps(value)))
    assert oldest.combines is None
    assert oldest.combinations == {}
    project.set_combines(slugs[2], slugs[:2])
    after = dataset.freeze(project)
    assert after.fingerprint == before.fingerprint
    assert [str(c) for c in dataset.changes_since(before, after)] == ["“C” now combines A, B"]
    assert [str(c) for c in dataset.changes_since(after, before)] == [
        "“C” no longer combines classes"
    ]
    assert dataset.changes_since(oldest, after) == []
