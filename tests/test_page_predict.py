"""Predict: one wafer, many, a folder tree; filters, CSV, wrong files, another model."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from browsing import (
    chart,
    keyed,
    keys,
    left_out,
    png,
    refused,
    run,
    select_rows,
    table,
    texts,
    visit,
    zipped,
)
from wafer_core import images, simulator
from wafer_core.data import models, pictures
from wafer_core.data.project import Project
from wafer_core.tasks.classification.predict import Prediction
from wafers import fill

SHOWN = "predict_table"


def drop(at: AppTest, *files: tuple[str, bytes]) -> AppTest:
    """Drop files into the left box."""
    box = keyed(at.file_uploader, "predict_files")
    return run(box.set_value([(name, data, "application/octet-stream") for name, data in files]))


def answers(at: AppTest) -> list[Prediction]:
    """What was answered."""
    return list(at.session_state["predict_asked"]["answers"])


def bars(at: AppTest) -> dict[str, float]:
    """The chart of probabilities as it is drawn."""
    (node,) = [n for n in at.get("plotly_chart") if n.proto.id.endswith("predict_bars")]  # type: ignore[union-attr]
    (drawn,) = json.loads(node.proto.spec)["data"]
    return dict(zip(drawn["y"], _numbers(drawn["x"]), strict=True))


def _numbers(values: object) -> list[float]:
    """A list, as plotly writes it: plain, or base64 of an array."""
    if isinstance(values, dict):
        import base64

        return list(np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"]))
    return list(values)  # type: ignore[call-overload]


def test_before_anything_is_trained_the_shipped_model_answers(project: Project) -> None:
    at = visit("predict", project)
    assert [t.value for t in at.title] == ["Predict"]
    assert "Nothing is trained yet" in texts(at)
    assert "Go to Train" in [link.proto.label for link in at.main.page_link]
    ring = simulator.simulate("Edge-Ring", np.random.default_rng(0))
    box = keyed(at.file_uploader, "predict_files")
    run(box.set_value([("ring.png", images.encode_png(ring), "image/png")]))
    assert r"Edge\-Ring" in [s.value.split(" · ")[0] for s in at.subheader]


def test_a_trained_project_waits_for_wafers(trained: Project) -> None:
    at = visit("predict", trained)
    assert keys(at.file_uploader) == {"predict_files_0", "predict_folder_0"}
    assert keys(at.button) == {"predict_sample"}
    assert "Drop one wafer or hundreds above" in texts(at)
    assert keyed(at.selectbox, "predict_model").value.name == "First"


def test_one_wafer_has_a_bar_for_each_class(trained: Project) -> None:
    at = visit("predict", trained)
    drop(at, ("mine.png", png(77)))
    (answer,) = answers(at)
    assert list(answer.probabilities) == ["Alpha", "Beta", "Gamma"]
    assert sum(answer.probabilities.values()) == pytest.approx(1)
    assert [s.value for s in at.subheader] == [f"{answer.label} · {answer.probability:.1%}"]
    drawn = bars(at)
    assert set(drawn) == {"Alpha", "Beta", "Gamma"}
    for name, probability in answer.probabilities.items():
        assert drawn[name] == pytest.approx(probability, abs=1e-6)
    assert r"mine\.png · 20 × 20 dies wide and high" in texts(at)
    assert not [d for d in at.dataframe if (d.key or "").startswith(SHOWN)]


def test_many_wafers_are_a_table_and_the_selected_one_is_shown(trained: Project) -> None:
    at = visit("predict", trained)
    drop(at, *((f"wafer-{n}.png", png(20 + n)) for n in range(5)))
    shown = table(at, SHOWN)
    assert list(shown["file"]) == [f"wafer-{n}.png" for n in range(5)]
    assert list(shown["answer"]) == [a.label for a in answers(at)]
    assert list(shown["probability"]) == [a.probability for a in answers(at)]
    assert shown["wafer"].str.startswith("data:image/png").all()
    assert r"wafer\-0\.png" in texts(at)
    run(select_rows(at, SHOWN, 3))
    assert r"wafer\-3\.png" in texts(at)


def test_the_csv_has_every_probability_unrounded(
    trained: Project, downloads: dict[str, bytes]
) -> None:
    at = visit("predict", trained)
    drop(at, *((f"{n}.png", png(20 + n)) for n in range(3)))
    told = pd.read_csv(io.BytesIO(downloads["predictions.csv"]))
    assert list(told.columns) == [
        "file", "answer", "probability", "verdict", "p Alpha", "p Beta", "p Gamma",
    ]  # fmt: skip
    for row, answer in zip(told.to_dict("records"), answers(at), strict=True):
        assert row["file"] == answer.file
        assert [row[f"p {name}"] for name in answer.probabilities] == list(
            answer.probabilities.values()
        )


def test_filters(trained: Project) -> None:
    at = visit("predict", trained)
    drop(at, *((f"{n}.png", png(20 + n)) for n in range(12)))
    asked = at.session_state["predict_asked"]
    asked["answers"] = [  # two answers that are known, whatever the tiny model thinks
        _changed(a, "Alpha" if i < 4 else "Beta", "confident" if i % 2 else "review")
        for i, a in enumerate(asked["answers"])
    ]
    run(at)
    run(at.multiselect(key="predict_filter_label").set_value(["Alpha"]))
    assert list(table(at, SHOWN)["file"]) == ["0.png", "1.png", "2.png", "3.png"]
    run(at.segmented_control(key="predict_filter_verdict").set_value("please check"))
    assert list(table(at, SHOWN)["file"]) == ["0.png", "2.png"]
    run(select_rows(at, SHOWN, 1))
    assert r"2\.png · " in texts(at)
    run(at.multiselect(key="predict_filter_label").set_value([]))
    assert len(table(at, SHOWN)) == 6


def _changed(answer: Prediction, label: str, verdict: str) -> Prediction:
    return Prediction(
        answer.file, label, verdict, answer.probabilities, answer.truth, answer.position
    )


def test_a_folder_tree_gives_a_confusion_matrix(trained: Project) -> None:
    at = visit("predict", trained)
    files = [(f"test/{name}/{n}.png", png(40 + n + 10 * i), "image/png")
             for i, name in enumerate(("Alpha", "Beta")) for n in range(3)]  # fmt: skip
    run(keyed(at.file_uploader, "predict_folder").set_value(files))
    assert sorted(table(at, SHOWN)["folder"]) == ["Alpha"] * 3 + ["Beta"] * 3
    assert chart(at, "predict_confusion")
    assert "Answers against folder names (6 wafers)" in [e.label for e in at.expander]
    run(at.segmented_control(key="predict_filter_verdict").set_value("wrong"))
    wrong = sum(a.truth != a.label for a in answers(at))
    assert len(table(at, SHOWN)) == wrong


def test_a_zip_with_folders_does_as_well(trained: Project) -> None:
    at = visit("predict", trained)
    members = {f"{name}/{n}.png": png(60 + n) for n, name in enumerate(("Alpha", "Beta"))}
    drop(at, ("tests.zip", zipped(members)))
    assert set(table(at, SHOWN)["folder"]) == {"Alpha", "Beta"}


def test_folders_that_name_no_class_give_no_matrix(trained: Project) -> None:
    at = visit("predict", trained)
    members = {f"{name}/{n}.png": png(60 + n) for n, name in enumerate(("Monday", "Tuesday"))}
    drop(at, ("days.zip", zipped(members)))
    assert not [e for e in at.expander if "folder names" in e.label]


def test_wafers_of_the_test_part(trained: Project) -> None:
    at = visit("predict", trained)
    run(at.button(key="predict_sample").click())
    test = [r for c in trained.classes() for r in pictures.originals(trained, c.slug)
            if r.part == "test"]  # fmt: skip
    assert sorted(a.file for a in answers(at)) == sorted(r.source for r in test)
    assert {a.truth for a in answers(at)} == {"Alpha", "Beta", "Gamma"}
    run(at.button(key="predict_sample").click())
    assert len(answers(at)) == len(test)


def test_the_test_part_replaces_what_was_dropped(trained: Project) -> None:
    at = visit("predict", trained)
    drop(at, ("mine.png", png(77)))
    run(at.button(key="predict_sample").click())
    assert "mine.png" not in {a.file for a in answers(at)}
    assert keyed(at.file_uploader, "predict_files").value == []


def test_wrong_files_are_told_and_the_good_answered(trained: Project) -> None:
    at = visit("predict", trained)
    bad = {
        "text.png": b"this is no picture",
        "empty.png": b"",
        "cut.png": png(1)[:50],
        "words.csv": b"a,b\nc,d",
        "climbs.zip": zipped({"../evil.png": png(2)}),
    }
    drop(at, *bad.items(), ("good.png", png(3)))
    assert [a.file for a in answers(at)] == ["good.png"]
    sentences = left_out(at)
    assert len(sentences) == len(bad)
    for name in bad:
        assert any(name in sentence for sentence in sentences), name
    assert "5 files were left out" in [e.label for e in at.expander]


def test_only_wrong_files_are_told(trained: Project) -> None:
    at = visit("predict", trained)
    drop(at, ("text.png", b"this is no picture"))
    assert "1 file was left out" in [e.label for e in at.expander]
    assert "text.png" in left_out(at)[0]
    assert answers(at) == []


def test_another_model_answers_the_same_wafers_anew(trained: Project) -> None:
    """Fixed: of two runs with one name and score, only the first could be chosen."""
    first = models.list_models(trained)[0].run
    second = "run-29990101-000000-000000"
    shutil.copytree(trained.models_path / first, trained.models_path / second)
    path = trained.models_path / second / "model.json"
    value = json.loads(path.read_text("utf-8"))
    value["extra"]["created"] = "2999-01-01T00:00:00+00:00"
    path.write_text(json.dumps(value), "utf-8")
    at = visit("predict", trained)
    drop(at, ("mine.png", png(77)))
    assert at.session_state["predict_asked"]["run"] == first
    run(keyed(at.selectbox, "predict_model").select_index(0))
    assert at.session_state["predict_asked"]["run"] == second
    assert [a.file for a in answers(at)] == ["mine.png"]


def test_a_model_that_is_out_of_date_says_so(trained: Project) -> None:
    fill(trained, "Alpha", 2, start=300)
    assert "Out of date: " in texts(visit("predict", trained))


def test_a_damaged_model_is_told(trained: Project) -> None:
    folder = trained.models_path / models.list_models(trained)[0].run
    (folder / "model.safetensors").write_bytes(b"no weights")
    at = visit("predict", trained)
    box = keyed(at.file_uploader, "predict_files")
    assert "model.safetensors" in refused(box.set_value([("mine.png", png(77), "image/png")]))


def test_a_model_deleted_in_another_tab_is_told(trained: Project) -> None:
    at = visit("predict", trained)
    models.delete_model(trained, models.list_models(trained)[0].run)
    run(at)
    assert "Nothing is trained yet" in texts(at)


def test_answers_of_one_project_are_not_shown_in_another(trained: Project, home: Path) -> None:
    shutil.copytree(trained.path, home / "other")
    at = visit("predict", trained)
    run(at.button(key="predict_sample").click())
    assert len(answers(at)) == 3
    at.query_params["project"] = "other"
    run(at)
    assert "Drop one wafer or hundreds above" in texts(at)


def test_what_the_answer_rests_on(trained: Project) -> None:
    at = visit("predict", trained)
    drop(at, ("mine.png", png(77)))
    assert "Strong colours" not in texts(at)
    run(at.toggle(key="predict_heat").set_value(True))
    said = texts(at)
    assert ("Strong colours: failed dies" in said) != ("No failed die speaks for" in said)
    drop(at, ("other.png", png(78)))
    assert at.toggle(key="predict_heat").value


def test_a_threshold_chosen_on_train_decides_here(trained: Project) -> None:
    shown = models.list_models(trained)[0].run
    models.set_review_below(trained, shown, 0.0)
    at = visit("predict", trained)
    drop(at, ("mine.png", png(77)))
    assert answers(at)[0].verdict == "confident"
    models.set_review_below(trained, shown, 1.0)
    run(at)
    assert answers(at)[0].verdict == "review"
    assert "below 100%, a person should look" in texts(at)
