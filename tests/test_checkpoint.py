"""Stored models: complete, the same after loading, and damaged or hostile ones refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from wafer_core.errors import ModelError
from wafer_core.images import FAIL, NO_DIE, PASS
from wafer_core.networks import checkpoint, registry
from wafer_core.networks.preparation import Preparation
from wafer_core.tasks.classification.classifier import Classifier

PICTURES = list(np.random.default_rng(0).choice([NO_DIE, PASS, FAIL], (5, 30, 30)).astype(np.uint8))


@pytest.fixture
def classifier() -> Classifier:
    torch.manual_seed(0)
    network = registry.build("wafer_cnn", 3)
    names = ["Center", "긁힘", "none"]
    return Classifier(network, "wafer_cnn", Preparation(), names, temperature=0.7)


@pytest.fixture
def folder(classifier: Classifier, tmp_path: Path) -> Path:
    classifier.save(tmp_path / "run", {"name": "first"})
    return tmp_path / "run"


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")


def test_predictions_are_exactly_the_same_after_loading(
    classifier: Classifier, folder: Path
) -> None:
    again = Classifier.load(folder)
    assert again.class_names == ("Center", "긁힘", "none")
    assert again.extra == {"name": "first"}
    assert again.temperature == 0.7
    np.testing.assert_array_equal(again.predict_proba(PICTURES), classifier.predict_proba(PICTURES))


def test_only_the_two_files_are_written(folder: Path) -> None:
    assert sorted(p.name for p in folder.iterdir()) == ["model.json", "model.safetensors"]
    assert [p.name for p in folder.parent.iterdir()] == ["run"]


def test_saving_into_a_run_that_is_being_assembled(classifier: Classifier, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("{}")
    classifier.save(tmp_path)
    assert Classifier.load(tmp_path).class_names == classifier.class_names


def test_a_missing_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no model"):
        Classifier.load(tmp_path / "none")


def test_tensors_missing(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="only in part"):
        Classifier.load(folder)


@pytest.mark.parametrize("keep", [0, 4, 8, 100, 5000, -1])
def test_truncated_tensors(folder: Path, keep: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelError, match="cut short"):
        Classifier.load(folder)


def test_a_pickle_is_never_opened(folder: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (folder / "exploded",))

    for name in ("model.safetensors", "model.json"):
        (folder / name).write_bytes(pickle.dumps(Bomb()))
        with pytest.raises(ModelError, match="damaged"):
            Classifier.load(folder)
    assert not (folder / "exploded").exists()


def test_tensors_of_another_shape(folder: Path) -> None:
    edit(folder, class_names=["a", "b", "c", "d"])
    with pytest.raises(ModelError, match=r"head.*shape \(3,.*instead of \(4,"):
        Classifier.load(folder)


def test_tensors_of_another_network(folder: Path) -> None:
    edit(folder, network="resnet18")
    with pytest.raises(ModelError, match="a different network"):
        Classifier.load(folder)


@pytest.mark.parametrize("change", ["nan", "double", "extra"])
def test_tensors_that_were_tampered_with(folder: Path, change: str) -> None:
    path = folder / "model.safetensors"
    tensors = safetensors.torch.load(path.read_bytes())
    if change == "nan":
        tensors["head.bias"][0] = float("nan")
    elif change == "double":
        tensors["head.bias"] = tensors["head.bias"].double()
    else:
        tensors["backdoor"] = torch.zeros(3)
    path.write_bytes(safetensors.torch.save(tensors))
    with pytest.raises(ModelError, match=r"head\.bias|backdoor"):
        Classifier.load(folder)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "3", '"x"', "[" * 100_000, '{"format": "onnx"}', "\xff\x00"]
)
def test_json_that_is_no_description(folder: Path, text: str) -> None:
    (folder / "model.json").write_text(text, "latin-1")
    with pytest.raises(ModelError, match=r"damaged|does not describe"):
        Classifier.load(folder)


def test_a_huge_description_is_not_read(folder: Path) -> None:
    with (folder / "model.json").open("ab") as file:
        file.truncate(1 << 30)  # sparse: takes no space
    with pytest.raises(ModelError, match="too large"):
        checkpoint.read_description(folder)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"schema": 2}, "another version"),
        ({"network": "os.system"}, "does not have"),
        ({"network": ["wafer_cnn"]}, "does not have"),
        ({"network": None}, "does not have"),
        ({"class_names": "abc"}, "class_names"),
        ({"class_names": [1, 2, 3]}, "class_names"),
        ({"class_names": ["a", "a", "b"]}, "class_names"),
        ({"class_names": ["a"]}, "2 to 1,000 classes"),
        ({"temperature": "1"}, "temperature"),
        ({"temperature": 0}, "temperature"),
        ({"temperature": None}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"average_turns": 1}, "average_turns"),
        ({"extra": []}, "extra"),
        ({"config": None}, "config"),
        ({"preparation": {}}, "does not support"),
        ({"preparation": None}, "does not support"),
    ],
)
def test_a_description_with_wrong_values(folder: Path, changes: dict[str, Any], says: str) -> None:
    edit(folder, **changes)
    with pytest.raises(ModelError, match=says):
        Classifier.load(folder)


@pytest.mark.parametrize("key", ["network", "class_names", "temperature", "average_turns",
                                 "preparation", "config", "extra", "schema", "format"])  # fmt: skip
def test_a_description_that_lacks_a_key(folder: Path, key: str) -> None:
    path = folder / "model.json"
    value = json.loads(path.read_text("utf-8"))
    del value[key]
    path.write_text(json.dumps(value))
    with pytest.raises(ModelError):
        Classifier.load(folder)
