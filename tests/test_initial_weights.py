"""The weights that training starts from: pretrained and fine-tuned, frozen, or random."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wafer_core.data import models
from wafer_core.data.project import Project
from wafer_core.errors import Cancelled, ModelError, ParameterError
from wafer_core.networks import imagenet, initial_weights, registry
from wafer_core.simulator import simulate_many
from wafer_core.tasks.classification import diagnostics
from wafer_core.tasks.classification.classifier import Classifier
from wafer_core.tasks.classification.config import TrainConfig
from wafer_core.tasks.classification.train import train
from wafer_core.tasks.classification.train_data import TrainData
from wafer_core.workflows.runner import run_job
from wafer_core.workflows.submit import create_job

CPU = torch.device("cpu")
PHOTO = "mobilenet_v2"
QUICK: dict[str, Any] = {"epochs": 1, "batch_size": 16, "average_turns": False, "seed": 4}


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No weights of this machine's user."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """Weights for MobileNetV2 in the cache, with a list of files that knows them."""
    torch.manual_seed(9)
    state = registry.build(PHOTO, 10).state_dict()
    torch.save(state, tmp_path / "saved")
    prefix = hashlib.sha256((tmp_path / "saved").read_bytes()).hexdigest()[:8]
    url = (tmp_path / f"mobilenet_v2-{prefix}.pth").as_uri()
    known = imagenet.PublishedFile(PHOTO, url, 14)
    monkeypatch.setattr(imagenet, "published_files", lambda name: (known,))
    imagenet.install(PHOTO, tmp_path / "saved")
    return state


@pytest.fixture(scope="module")
def data() -> TrainData:
    """Two patterns with six training and three validation wafers each."""
    wafers = [
        w for seed, p in enumerate(("Center", "Edge-Ring")) for w in simulate_many(p, 9, seed)
    ]
    train = [i for i in range(18) if i % 3]
    rest = [i for i in range(18) if not i % 3]
    labels = np.repeat([0, 1], 9)
    return TrainData(
        ("Center", "Edge-Ring"),
        [wafers[i] for i in train], labels[train], [wafers[i] for i in rest], labels[rest],
    )  # fmt: skip


def trained(data: TrainData, **settings: Any) -> tuple[list[Any], Classifier]:
    results = list(train(data, TrainConfig(**{**QUICK, **settings}), CPU))
    return results, results[-1].best_classifier()


def moved(model: Classifier, start: initial_weights.InitialNetwork) -> dict[str, float | None]:
    rows = diagnostics.movement(start.network.state_dict(), model.network.state_dict())
    return {row.layer: row.moved for row in rows}


# -- the start -----------------------------------------------------------------------------------


def test_the_wafer_network_starts_from_the_weights_that_ship() -> None:
    start = initial_weights.initialize("wafernet", 3, initial_weights.FINE_TUNED, 0)
    again = initial_weights.initialize("wafernet", 3, initial_weights.FROZEN, 0)
    other = initial_weights.initialize("wafernet", 3, initial_weights.FINE_TUNED, 1)
    assert start.weights == "wafers"
    assert start.note is None
    first, second, third = (s.network.state_dict() for s in (start, again, other))
    assert all(first[key].equal(second[key]) for key in first)
    # All but the last layer is pretrained, whatever the seed.
    assert {key for key in first if not first[key].equal(third[key])} == {
        "head.weight", "head.bias",
    }  # fmt: skip


def test_from_scratch_the_weights_depend_on_the_seed() -> None:
    one, same, other = (
        initial_weights.initialize("wafernet", 3, initial_weights.SCRATCH, s) for s in (0, 0, 1)
    )
    assert one.weights is None
    assert one.note is None
    states = [s.network.state_dict() for s in (one, same, other)]
    assert states[0]["stem.weight"].equal(states[1]["stem.weight"])
    assert not states[0]["stem.weight"].equal(states[2]["stem.weight"])


@pytest.mark.parametrize("how", [initial_weights.FINE_TUNED, initial_weights.FROZEN])
def test_missing_imagenet_weights_are_reported(how: str) -> None:
    start = initial_weights.initialize(PHOTO, 3, how, 0)
    assert start.weights is None
    assert start.size == registry.NETWORKS[PHOTO].size
    assert start.note is not None
    sentence = str(start.note)
    assert sentence.startswith("There are no ImageNet weights for MobileNetV2 on this machine")
    scratch = initial_weights.initialize(PHOTO, 3, initial_weights.SCRATCH, 0)
    assert scratch.note is None
    assert scratch.network.state_dict()["features.0.0.weight"].equal(
        start.network.state_dict()["features.0.0.weight"]
    )


def test_a_network_without_pretrained_weights_cannot_be_frozen() -> None:
    assert initial_weights.initialize("wafer_cnn", 3, initial_weights.FINE_TUNED, 0).note is None
    note = initial_weights.initialize("wafer_cnn", 3, initial_weights.FROZEN, 0).note
    assert str(note) == (
        "Wafer CNN (small, from scratch) has no pretrained weights, so it starts from scratch."
    )


def test_damaged_imagenet_weights_stop_the_training(
    stored: dict[str, torch.Tensor], data: TrainData
) -> None:
    path = imagenet.find(PHOTO)
    assert path is not None
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ModelError, match="damaged or has been changed"):
        trained(data, network=PHOTO)
    assert initial_weights.initialize(PHOTO, 2, initial_weights.SCRATCH, 0).weights is None


def test_unknown_ways_to_start_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"transfer.*fine-tuned, frozen, scratch"):
        TrainConfig(transfer="cats and dogs")


@pytest.mark.parametrize(
    ("network", "config", "expected"),
    [
        ("wafernet", {}, initial_weights.FINE_TUNED),
        ("resnet18", {}, initial_weights.SCRATCH),
        ("resnet18", {"transfer": "frozen"}, initial_weights.FROZEN),
    ],
)
def test_runs_that_predate_the_setting_used_the_weights_of_their_network(
    network: str, config: dict[str, str], expected: str
) -> None:
    assert initial_weights.transfer_of(network, config) == expected


# -- the training --------------------------------------------------------------------------------


def test_only_the_last_layer_of_a_frozen_network_changes(data: TrainData) -> None:
    (result,), model = trained(data, network="wafernet", transfer=initial_weights.FROZEN, epochs=50)
    assert result.epochs == 1
    assert 0 < result.train_loss < 0.5
    assert result.macro_f1 is not None
    assert result.macro_f1 > 0.7
    start = initial_weights.initialize("wafernet", 2, initial_weights.FROZEN, QUICK["seed"])
    movement = moved(model, start)
    assert movement.pop("head") != 0
    assert set(movement.values()) == {0.0}
    before, after = start.network.state_dict(), model.network.state_dict()
    assert all(after[k].equal(v) for k, v in before.items() if not k.startswith("head."))


def test_a_tiny_learning_rate_leaves_every_network_at_its_initial_weights(
    data: TrainData, stored: dict[str, torch.Tensor]
) -> None:
    """The initial network made for the report is the one that training started from."""
    for network, how in (
        ("wafernet", initial_weights.FINE_TUNED), ("wafernet", initial_weights.SCRATCH),
        ("wafer_cnn", initial_weights.FINE_TUNED), (PHOTO, initial_weights.FINE_TUNED),
    ):  # fmt: skip
        _, model = trained(data, network=network, transfer=how, learning_rate=1e-6)
        movement = moved(model, initial_weights.initialize(network, 2, how, QUICK["seed"]))
        last = list(movement)[-1]
        assert all(m is not None and m < 1e-3 for layer, m in movement.items() if layer != last), (
            network
        )


def test_imagenet_weights_train_frozen_and_can_be_stored(
    data: TrainData, stored: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    _, model = trained(data, network=PHOTO, transfer=initial_weights.FROZEN)
    assert model.preparation.size == imagenet.SIZE
    torch.testing.assert_close(
        model.network.state_dict()["features.18.0.weight"], stored["features.18.0.weight"]
    )
    model.save(tmp_path / "run")
    again = Classifier.load(tmp_path / "run")
    pictures = list(data.validation_pictures)
    np.testing.assert_allclose(
        again.predict_proba(pictures), model.predict_proba(pictures), atol=1e-6
    )


def test_a_frozen_training_can_be_stopped(data: TrainData) -> None:
    reported: list[float] = []

    def stop(share: float) -> None:
        reported.append(share)
        raise Cancelled("stop")

    config = TrainConfig(**QUICK, network="wafernet", transfer=initial_weights.FROZEN)
    with pytest.raises(Cancelled):
        list(train(data, config, CPU, on_progress=stop))
    assert len(reported) == 1
    assert 0 < reported[0] <= 1


# -- the job -------------------------------------------------------------------------------------


def test_the_job_reports_diagnostics_and_missing_weights(project: Project) -> None:
    config = {**QUICK, "network": PHOTO}
    result = run_job(create_job(project.path, "train", {"config": config}, "cpu"))
    assert sum("There are no ImageNet weights" in str(note) for note in result["notes"]) == 1
    report = models.report(project, result["run"])
    diagnosed = report["hood"]
    assert diagnosed["data"] == models.trained_on(project, result["run"]).fingerprint
    assert diagnosed["weights"] is None
    assert diagnosed["movement"][-1]["layer"] == "classifier.1"
    assert diagnosed["pictures"] == report["validation_count"]
    assert all(0 < row["moved"] < 10 for row in diagnosed["movement"])
    assert sum(row["channels"] for row in diagnosed["dead"]) > 1000
    assert len(json.dumps(diagnosed)) < 50_000
