"""Predict: one wafer, many, a folder tree; filters, views, downloads, wrong files, other models."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from browsing import chart, keyed, keys, png, refused, run, texts, visit, zipped
from pages.predict.state import PredictedWafer, PredictState
from wafer_core import images, simulator
from wafer_core.data import folder_names, models, pictures
from wafer_core.data.project import Project
from wafer_core.images import FAIL, NO_DIE, PASS
from wafer_core.tasks.classification.predict import Prediction
from wafers import fill, marked

Files = dict[str, bytes]


def drop(at: AppTest, files: Files) -> AppTest:
    """Drop files anywhere on the page."""
    box = keyed(at.file_uploader, "predict_files")
    return run(box.set_value([(name, data, "") for name, data in files.items()]))


def state(at: AppTest) -> PredictState:
    """What the page keeps."""
    found: PredictState = at.session_state["predict_state"]
    return found


def predictions(at: AppTest) -> list[Prediction]:
    """All predictions, in the order the wafers came."""
    return [w.prediction for w in state(at).wafers]


def rows(at: AppTest) -> list[dict[str, Any]]:
    """The rows of the list as they are drawn."""
    (found,) = [
        node
        for node in at.get("bidi_component")
        if node.proto.component_name == "wafer_list"  # type: ignore[union-attr]
    ]
    listed: list[dict[str, Any]] = json.loads(found.proto.json)["rows"]
    return listed


def names(at: AppTest) -> list[str]:
    """The files of the list."""
    return [row["file"] for row in rows(at)]


def selected(at: AppTest) -> PredictedWafer:
    """The wafer that is shown large."""
    (found,) = [w for w in state(at).wafers if w.id == state(at).selected]
    return found


def pick(at: AppTest, file: str) -> AppTest:
    """Click a wafer of the list."""
    (wafer,) = [w for w in state(at).wafers if w.prediction.file == file]
    state(at).selected = wafer.id
    state(at).next_view = "wafer"
    return run(at)


def show(at: AppTest, view: str) -> AppTest:
    """Choose a view beside the list."""
    return run(at.segmented_control(key="predict_view").set_value(view))


def submit(at: AppTest, form: str) -> AppTest:
    """Press the button of a form, with what was just entered."""
    (button,) = [b for b in at.button if b.key and f":{form}-" in b.key]
    return run(button.click())


def html(at: AppTest) -> str:
    """What the page draws as HTML."""
    return "\n".join(str(node.proto.body) for node in at.get("html"))  # type: ignore[union-attr]


def give(at: AppTest, *labels: str) -> None:
    """Replace the predictions: the tiny model of the tests predicts anything."""
    kept = state(at)
    for wafer, label in zip(list(kept.wafers), labels, strict=True):
        shares = dict.fromkeys(wafer.prediction.probabilities, 0.1)
        shares[label] = 0.8
        changed = Prediction(wafer.prediction.file, label, "confident", shares, wafer.folder)
        kept.wafers[kept.wafers.index(wafer)] = PredictedWafer(
            wafer.id, wafer.drop, wafer.candidate, wafer.found, changed, wafer.folder
        )


def tree(*folders: str, count: int = 2) -> Files:
    """Files of a dropped folder with sub-folders."""
    return {
        f"test/{name}/{name}-{n}.png": png(40 + n + 10 * i)
        for i, name in enumerate(folders)
        for n in range(count)
    }


# -- before anything is dropped --------------------------------------------------------------------


def test_before_training_the_shipped_model_predicts(project: Project) -> None:
    at = visit("predict", project)
    assert [title.value for title in at.title] == ["Predict"]
    assert "Nothing is trained yet" in texts(at)
    assert "Go to Train" in [link.proto.label for link in at.main.page_link]
    ring = simulator.simulate("Edge-Ring", np.random.default_rng(0))
    drop(at, {"ring.png": images.encode_png(ring)})
    assert predictions(at)[0].label == "Edge-Ring"
    assert r"Edge\-Ring · " in at.subheader[0].value


def test_a_trained_project_waits_for_wafers(trained: Project) -> None:
    at = visit("predict", trained)
    assert keys(at.file_uploader) == {"predict_files_0"}
    assert keys(at.button) == {"predict_sample"}
    assert "Drop one wafer or hundreds" in texts(at)
    assert keyed(at.selectbox, "predict_model").value == models.list_models(trained)[0].run


# -- one wafer -------------------------------------------------------------------------------------


def test_one_wafer_shows_verdict_bars_and_what_was_recognised(trained: Project) -> None:
    at = drop(visit("predict", trained), {"mine.png": png(77)})
    (prediction,) = predictions(at)
    assert list(prediction.probabilities) == ["Alpha", "Beta", "Gamma"]
    assert sum(prediction.probabilities.values()) == pytest.approx(1)
    assert at.subheader[0].value == f"{prediction.label} · {prediction.probability:.1%}"
    for name, share in prediction.probabilities.items():
        assert name in html(at)
        assert f"{share:.1%}" in html(at)
    found = images.die_counts(marked(77))
    assert f"**mine\\.png**  \ngrid 20 × 20 · {found.dies} dies · {found.failed} failed" in texts(
        at
    )
    assert "download_button" not in {node.type for node in at.get("download_button")}


def test_a_new_drop_is_added_and_selected(trained: Project) -> None:
    at = drop(visit("predict", trained), {"first.png": png(77)})
    drop(at, {"second.png": png(78)})
    assert names(at) == ["second.png", "first.png"]
    assert selected(at).prediction.file == "second.png"
    assert keyed(at.file_uploader, "predict_files").value == []


def test_the_heat_map_is_on_and_its_switch_is_remembered(trained: Project) -> None:
    at = drop(visit("predict", trained), {"mine.png": png(77)})
    told = texts(at)
    assert at.toggle(key="predict_heat").value
    assert ("Strong colours: failed dies" in told) != ("No failed die supports" in told)
    run(at.toggle(key="predict_heat").set_value(False))
    assert "Strong colours" not in texts(at)
    assert "No failed die supports" not in texts(at)
    drop(at, {"other.png": png(78)})
    assert not at.toggle(key="predict_heat").value


def test_a_threshold_chosen_on_train_decides_the_verdict(trained: Project) -> None:
    shown = models.list_models(trained)[0].run
    models.set_review_below(trained, shown, 0.0)
    at = drop(visit("predict", trained), {"mine.png": png(77)})
    assert predictions(at)[0].verdict == "confident"
    assert rows(at)[0]["verdict"] == "Confident"
    models.set_review_below(trained, shown, 1.0)
    run(at)
    assert predictions(at)[0].verdict == "review"
    assert rows(at)[0]["verdict"] == "Needs review"
    assert "Below 100%: a person should look at it." in texts(at)


def test_a_picture_that_is_hardly_a_wafer_says_so(trained: Project) -> None:
    square = np.full((12, 12), PASS, np.uint8)
    square[3, 4] = FAIL
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (60, 80), np.uint8)
    Image.fromarray(noise).save(stream, "PNG")
    at = drop(visit("predict", trained), {"square.png": images.encode_png(square)})
    assert "Unknown" in texts(at)
    assert "of the dies lie outside a round wafer" in texts(at)
    drop(at, {"page.png": stream.getvalue()})
    assert "No dies were recognised; it was read as a grey picture." in texts(at)
    assert "80 × 60 pixels, grey" in texts(at)
    assert {p.verdict for p in predictions(at)} == {"unknown"}
    drop(at, {"wafer.png": png(3)})
    assert "outside a round wafer" not in texts(at)


def test_names_of_files_and_classes_are_never_markup(trained: Project) -> None:
    slug = trained.classes()[0].slug
    trained.rename_class(slug, "![i](http://host/x.png)<b>")
    at = drop(visit("predict", trained), {"![i](http://host/y.png) <img src=x>.png": png(77)})
    shown = texts(at) + html(at)
    assert "![i](" not in shown
    assert "<img src=x>" not in shown


# -- many wafers -----------------------------------------------------------------------------------


def test_many_wafers_have_a_summary_and_a_list(trained: Project) -> None:
    at = drop(visit("predict", trained), {f"wafer-{n}.png": png(20 + n) for n in range(5)})
    listed = rows(at)
    assert sorted(names(at)) == [f"wafer-{n}.png" for n in range(5)]
    shares = [float(row["share"].rstrip("%")) for row in listed]
    assert shares == sorted(shares)  # of one drop the least certain comes first
    assert all(row["image"].startswith("data:image/png") for row in listed)
    yields = [w.found.yield_fraction for w in state(at).wafers]
    assert f"**5** wafers · mean yield **{np.mean(np.array(yields, float)):.1%}**" in texts(at)
    pick(at, "wafer-3.png")
    assert r"**wafer\-3\.png**" in texts(at)


def test_wafers_that_need_review_are_one_click_away(trained: Project) -> None:
    shown = models.list_models(trained)[0].run
    models.set_review_below(trained, shown, 1.0)
    at = drop(visit("predict", trained), {f"{n}.png": png(20 + n) for n in range(4)})
    button = at.button(key="predict_show_review")
    assert button.label == "4 need review"
    run(button.click())
    assert at.selectbox(key="predict_verdict").value == "review"
    assert at.selectbox(key="predict_sort").value == "uncertain"


def test_filters_and_sorting(trained: Project) -> None:
    at = drop(visit("predict", trained), {f"{n}.png": png(20 + n) for n in range(6)})
    give(at, "Alpha", "Alpha", "Beta", "Beta", "Beta", "Gamma")
    run(at)
    run(at.pills(key="predict_classes").set_value(["Alpha"]))
    assert sorted(names(at)) == ["0.png", "1.png"]
    run(at.pills(key="predict_classes").set_value([]))
    run(at.selectbox(key="predict_sort").set_value("name"))
    assert names(at) == [f"{n}.png" for n in range(6)]
    run(at.selectbox(key="predict_sort").set_value("yield"))
    by_file = {w.prediction.file: w.found.yield_fraction for w in state(at).wafers}
    yields = [by_file[name] for name in names(at)]
    assert yields == sorted(yields, key=lambda value: value or 0)
    run(at.selectbox(key="predict_verdict").set_value("review"))
    assert names(at) == []
    assert "No wafer passes the filter." in texts(at)
    drop(at, {"new.png": png(99)})  # the filters must not hide what is new
    assert names(at)[0] == "new.png"


def test_only_one_page_of_thumbnails_is_drawn(trained: Project) -> None:
    at = drop(visit("predict", trained), {f"{n}.png": png(n) for n in range(60)})
    assert len(rows(at)) == 50
    assert len(state(at).thumbnails) == 50


def test_a_new_wafer_leaves_the_others_unpredicted(
    trained: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wafer_core.tasks.classification import predict

    at = drop(visit("predict", trained), {f"{n}.png": png(n) for n in range(20)})
    counts: list[int] = []
    original = predict.predict_candidates

    def counting(classifier: Any, candidates: Any, *args: Any) -> Any:
        counts.append(len(candidates))
        return original(classifier, candidates, *args)

    monkeypatch.setattr(predict, "predict_candidates", counting)
    drop(at, {"new.png": png(99)})
    assert counts == [1]
    assert len(predictions(at)) == 21


def test_clear_empties_the_list(trained: Project) -> None:
    at = drop(visit("predict", trained), {f"{n}.png": png(20 + n) for n in range(3)})
    run(at.button(key="predict_clear").click())
    assert predictions(at) == []
    assert "Drop one wafer or hundreds" in texts(at)


def test_the_csv_has_every_probability_unrounded(
    trained: Project, downloads: dict[str, bytes]
) -> None:
    at = drop(visit("predict", trained), {f"{n}.png": png(20 + n) for n in range(3)})
    table = pd.read_csv(io.BytesIO(downloads["Small-predictions.csv"]))
    assert list(table.columns) == [
        "file", "prediction", "probability", "verdict", "unknown_score", "yield", "dies",
        "failed", "p Alpha", "p Beta", "p Gamma",
    ]  # fmt: skip
    by_file = {p.file: p for p in predictions(at)}
    for row in table.to_dict("records"):
        expected = by_file[row["file"]].probabilities
        assert [row[f"p {name}"] for name in expected] == list(expected.values())


def test_the_report_is_one_page_of_html(trained: Project, downloads: dict[str, bytes]) -> None:
    drop(visit("predict", trained), {f"<{n}>.png": png(20 + n) for n in range(3)})
    page = downloads["Small-predictions.html"].decode("utf-8")
    assert page.startswith("<!doctype html>")
    assert "&lt;0&gt;.png" in page
    assert "Model: First" in page
    assert page.count("<img src=") == 3


# -- folders ---------------------------------------------------------------------------------------


def test_a_tree_opens_its_confusion_matrix_and_a_cell_filters_the_list(trained: Project) -> None:
    at = drop(visit("predict", trained), tree("Alpha", "Beta"))
    assert at.session_state["predict_view"] == "matrix"
    assert chart(at, "predict_confusion")
    give(at, "Alpha", "Beta", "Beta", "Beta")
    run(at)
    assert "**3 of 4** wafers correct" in texts(at)
    state(at).cell = ("Alpha", "Beta")
    run(at)
    assert names(at) == ["test/Alpha/Alpha-1.png"]
    assert "Folder **Alpha**, predicted **Beta**" in texts(at)
    run(at.button(key="predict_cell_clear").click())
    assert len(names(at)) == 4
    run(at.selectbox(key="predict_verdict").set_value("wrong"))
    assert names(at) == ["test/Alpha/Alpha-1.png"]


def test_a_class_without_test_wafers_has_dashes(trained: Project) -> None:
    at = drop(visit("predict", trained), tree("Alpha", "Beta"))
    show(at, "classes")
    (table,) = [d for d in at.dataframe if "precision" in d.value.columns]
    gamma = table.value[table.value["class"] == "Gamma"].iloc[0]
    assert gamma[["precision", "recall", "f1"]].isna().all()
    assert gamma["interval"] == "–"
    assert table.proto.placeholder == "–"


def test_folders_with_other_names_are_asked_once(trained: Project) -> None:
    at = drop(visit("predict", trained), tree("Alpha", "be ta", "Lot 7"))
    assert at.session_state["predict_view"] == "folders"
    boxes = {b.label: b for b in at.selectbox if "predict_folder_" in (b.key or "")}
    assert set(boxes) == {"Class of be ta", "Class of Lot 7"}
    assert boxes["Class of be ta"].value == "Beta"
    assert boxes["Class of Lot 7"].value == ""
    submit(at, "predict_folders")
    assert at.session_state["predict_view"] == "matrix"
    assert "of 4** wafers correct" in texts(at)
    assert "Not evaluated, because no class matches the folder: Lot 7" in texts(at)
    kept = folder_names.read_folder_names(trained).classes
    assert dict(kept) == {"be ta": "Beta", "lot 7": None}

    again = drop(visit("predict", trained), tree("Alpha", "be ta", "Lot 7"))
    assert again.session_state["predict_view"] == "matrix"
    assert "folders" not in again.segmented_control(key="predict_view").options


def test_folders_that_are_no_class_are_reported_and_not_evaluated(trained: Project) -> None:
    folder_names.remember(trained, {"Monday": None})
    days = zipped({"Monday/1.png": png(60), "Alpha/2.png": png(61)})
    at = drop(visit("predict", trained), {"days.zip": days})
    assert "of 1** wafer correct" in texts(at)
    assert "no class matches the folder: Monday" in texts(at)


# -- test wafers of the project --------------------------------------------------------------------


def test_test_wafers_of_the_project(trained: Project) -> None:
    at = run(visit("predict", trained).button(key="predict_sample").click())
    test = [
        record
        for c in trained.classes()
        for record in pictures.originals(trained, c.slug)
        if record.split == "test"
    ]
    assert sorted(p.file for p in predictions(at)) == sorted(record.source for record in test)
    assert at.session_state["predict_view"] == "wafer"
    run(at.button(key="predict_sample").click())  # there are no more
    assert len(predictions(at)) == len(test)
    assert [toast.value for toast in at.toast] == ["There are no more test wafers in this project."]


# -- from a prediction -----------------------------------------------------------------------------


def test_a_wafer_is_added_to_a_class_and_then_relabelled(trained: Project) -> None:
    at = drop(visit("predict", trained), {"mine.png": png(4321)})
    wafer = selected(at)
    at.selectbox(key=f"predict_add_class_{wafer.id}").set_value("Beta")
    submit(at, f"predict_add_{wafer.id}")
    beta = trained.find_class("Beta").slug
    assert "mine.png" in [r.source for r in pictures.originals(trained, beta)]
    assert "This wafer is an original of the class Beta." in texts(at)
    gamma = trained.find_class("Gamma").slug
    at.selectbox(key=f"predict_relabel_to_{wafer.id}").set_value(gamma)
    submit(at, f"predict_relabel_{wafer.id}")
    assert "mine.png" not in [r.source for r in pictures.originals(trained, beta)]
    assert "mine.png" in [r.source for r in pictures.originals(trained, gamma)]


def test_the_most_similar_training_wafers(trained: Project) -> None:
    at = drop(visit("predict", trained), {"mine.png": png(77)})
    run(at.button(key="predict_compare").click())
    assert at.session_state["predict_view"] == "compare"
    drawn = html(at)
    training = {
        record.source
        for c in trained.classes()
        for record in pictures.originals(trained, c.slug)
        if record.split == "train"
    }
    titles = [part.partition('"')[0] for part in drawn.split('<figure title="')[1:]]
    assert len(titles) == len(set(titles)) >= 6
    assert set(titles) <= training
    two = sorted(predictions(at)[0].probabilities.items(), key=lambda item: -item[1])[:2]
    for name, share in two:
        assert f"**{name}** · {share:.1%}" in texts(at)


def test_colour_roles_can_be_corrected(trained: Project) -> None:
    at = drop(visit("predict", trained), {"blue.png": coloured()})
    wafer = selected(at)
    before = wafer.found
    assert before.failed == 30
    at.selectbox(key=f"predict_colour_{wafer.id}_#3060c0").set_value("fail")
    at.selectbox(key=f"predict_colour_{wafer.id}_#c03030").set_value("pass")
    submit(at, f"predict_colours_{wafer.id}")
    assert selected(at).id == wafer.id
    assert selected(at).found.failed == before.dies - 30
    assert len(predictions(at)) == 1


def coloured() -> bytes:
    """A wafer drawn in two colours on white, each die four pixels wide."""
    picture = marked(5, 24)
    picture[picture == FAIL] = PASS
    y, x = np.nonzero(picture == PASS)
    picture[y[100:130], x[100:130]] = FAIL
    pixels = np.zeros((24, 24, 3), np.uint8)
    for value, colour in ((NO_DIE, (255, 255, 255)), (PASS, (48, 96, 192)), (FAIL, (192, 48, 48))):
        pixels[picture == value] = colour
    stream = io.BytesIO()
    Image.fromarray(pixels.repeat(4, 0).repeat(4, 1)).save(stream, "PNG")
    return stream.getvalue()


# -- what goes wrong -------------------------------------------------------------------------------


def test_wrong_files_are_reported_and_the_good_ones_predicted(trained: Project) -> None:
    bad = {
        "text.png": b"this is no picture",
        "empty.png": b"",
        "cut.png": png(1)[:50],
        "words.csv": b"a,b\nc,d",
        "climbs.zip": zipped({"../evil.png": png(2)}),
        "notes.docx": b"a document",
    }
    at = drop(visit("predict", trained), {**bad, "good.png": png(3)})
    assert names(at) == ["good.png"]
    assert "6 files were left out" in [e.label for e in at.expander]
    (table,) = [d.value for d in at.dataframe if list(d.value.columns) == ["reason"]]
    for name in bad:
        assert any(name in reason for reason in table["reason"]), name
    drop(at, {"fine.png": png(4)})
    assert not at.expander


def test_a_single_wrong_file_is_reported_at_once(trained: Project) -> None:
    at = drop(visit("predict", trained), {"text.png": b"this is no picture"})
    assert r"text\.png" in texts(at)
    assert predictions(at) == []


def test_another_model_predicts_the_same_wafers_again(trained: Project) -> None:
    """Fixed: of two runs with one name and score, only the first could be chosen."""
    first = models.list_models(trained)[0].run
    second = "run-29990101-000000-000000"
    shutil.copytree(trained.models_path / first, trained.models_path / second)
    path = trained.models_path / second / "model.json"
    value = json.loads(path.read_text("utf-8"))
    value["extra"]["created"] = "2999-01-01T00:00:00+00:00"
    path.write_text(json.dumps(value), "utf-8")
    at = drop(visit("predict", trained), {"mine.png": png(77)})
    assert state(at).run == first
    run(keyed(at.selectbox, "predict_model").set_value(second))
    assert state(at).run == second
    assert names(at) == ["mine.png"]
    run(keyed(at.selectbox, "predict_model").set_value("standard"))
    assert "Scratch" in predictions(at)[0].probabilities


def test_a_model_that_is_out_of_date_says_so(trained: Project) -> None:
    fill(trained, "Alpha", 2, start=300)
    assert "Out of date:" in texts(visit("predict", trained))


def test_a_damaged_model_is_reported(trained: Project) -> None:
    folder = trained.models_path / models.list_models(trained)[0].run
    (folder / "model.safetensors").write_bytes(b"no weights")
    at = visit_with_error(trained)
    assert "model\\.safetensors" in at


def visit_with_error(project: Project) -> str:
    """Open Predict where one error is expected."""
    from browsing import PAGES, tab

    at = tab()
    at.query_params["project"] = project.path.name
    at.switch_page(PAGES["predict"])
    return refused(at)


def test_a_model_deleted_in_another_tab_is_noticed(trained: Project) -> None:
    at = visit("predict", trained)
    models.delete_model(trained, models.list_models(trained)[0].run)
    run(at)
    assert "Nothing is trained yet" in texts(at)


def test_wafers_of_one_project_are_not_shown_in_another(trained: Project, home: Path) -> None:
    shutil.copytree(trained.path, home / "other")
    at = run(visit("predict", trained).button(key="predict_sample").click())
    assert predictions(at)
    at.query_params["project"] = "other"
    run(at)
    assert predictions(at) == []
    assert "Drop one wafer or hundreds" in texts(at)
