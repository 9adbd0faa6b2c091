"""The weights that ship: they load, they know the nine patterns, and they are worth having."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from wafer_core.errors import ModelError
from wafer_core.images import Picture
from wafer_core.networks import registry
from wafer_core.simulator import PATTERNS, simulate_many
from wafer_core.tasks.classification import train as classifier
from wafer_core.tasks.classification.config import PARAMETERS
from wafer_core.tasks.classification.pretrained import standard_classifier
from wafer_core.tasks.classification.train import TrainConfig, TrainData, train

CPU = torch.device("cpu")
FILE = registry.WEIGHTS / "wafernet.safetensors"


def simulated(each: int, seed: int) -> tuple[list[Picture], np.ndarray]:
    pictures = [p for name in PATTERNS for p in simulate_many(name, each, seed)]
    return pictures, np.repeat(np.arange(len(PATTERNS)), each).astype(np.int64)


def test_the_weights_are_small_and_described() -> None:
    assert FILE.stat().st_size <= 6e6
    card = (registry.WEIGHTS / "README.md").read_text("utf-8")
    for word in ("10.1109/TSM.2014.2364237", "not good for", "lots", "macro-F1"):
        assert word in card


def test_wafernet_is_the_default() -> None:
    assert TrainConfig().network == "wafernet" == PARAMETERS["network"].default
    assert next(iter(registry.NETWORKS)) == "wafernet"


def test_the_standard_classifier_knows_the_nine_patterns() -> None:
    classifier = standard_classifier()
    assert classifier.class_names == PATTERNS
    assert 0.3 < classifier.temperature < 3
    pictures, labels = simulated(10, 123)
    probabilities = classifier.predict_proba(pictures)
    assert (probabilities.argmax(1) == labels).mean() > 0.7
    assert classifier.extra["evaluation"]["macro_f1"] > 0.8


def test_three_pictures_a_class_are_learned_better_than_from_fresh_weights() -> None:
    # names that pre-training never heard, for groups of patterns
    pictures, labels = simulated(3, 7)
    told, truth = simulated(12, 8)
    config = TrainConfig(epochs=3, patience=0)
    data = TrainData(PATTERNS, pictures, labels, [], np.zeros(0, np.int64))

    def accuracy(network: str) -> float:
        result = list(train(data, TrainConfig(network=network, epochs=3, patience=0), CPU))[-1]
        answer = result.best_classifier().predict_proba(told)
        return float((answer.argmax(1) == truth).mean())

    assert config.network == "wafernet"
    assert accuracy("wafernet") > accuracy("wafer_cnn") + 0.25


def test_the_last_layer_is_fresh_and_of_the_right_size() -> None:
    network, known = registry.build_taught("wafernet", 4)
    assert isinstance(network, registry.WaferCNN)
    assert network.head.out_features == 4
    shipped = standard_classifier().network
    torch.testing.assert_close(network.stem.weight, shipped.get_parameter("stem.weight"))
    assert known is not None
    torch.testing.assert_close(known.layer.weight[:9], shipped.get_parameter("head.weight"))
    assert known.exclusive == 9
    spread = torch.linalg.eigvalsh(known.within.double())
    assert known.within.shape == (network.head.in_features,) * 2
    assert spread[0] > -1e-6 * spread[-1]  # a covariance
    assert known.within.diagonal().mean() > 1e-3


def test_other_networks_start_fresh() -> None:
    torch.manual_seed(0)
    network, known = registry.build_taught("wafer_cnn", 3)
    one = network.state_dict()
    torch.manual_seed(0)
    two = registry.build("wafer_cnn", 3).state_dict()
    torch.testing.assert_close(one, two)
    assert known is None


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "weights"
    shutil.copytree(registry.WEIGHTS, folder)
    monkeypatch.setattr(registry, "WEIGHTS", folder)
    return folder


def test_changed_weights_are_refused_with_a_sentence(copied: Path) -> None:
    path = copied / FILE.name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match=r"wafernet\.safetensors.*checksum differs"):
        registry.build_taught("wafernet", 9)


def test_missing_weights_are_told(copied: Path) -> None:
    (copied / FILE.name).unlink()
    with pytest.raises(ModelError, match=r"wafernet\.safetensors is missing"):
        registry.build_taught("wafernet", 9)


def test_weights_of_another_network_are_told(copied: Path) -> None:
    from wafer_core.networks import checkpoint

    checkpoint.save(copied, registry.build("wafer_cnn", 9), {}, "wafernet")
    with pytest.raises(ModelError, match="another version"):
        registry.build_taught("wafernet", 9)


def test_a_layer_of_names_of_another_network_is_told(copied: Path) -> None:
    from wafer_core.networks import checkpoint

    checkpoint.save(copied, torch.nn.Conv2d(1, 1, 1), {}, "wafernet-names")
    with pytest.raises(ModelError, match="another version"):
        registry.build_taught("wafernet", 9)


def test_the_first_epoch_fits_the_last_layer_alone() -> None:
    pictures, labels = simulated(3, 7)
    data = TrainData(PATTERNS, pictures, labels, pictures, labels)
    seen: list[float] = []
    config = TrainConfig(epochs=2, batch_size=9, patience=0)
    first, second = train(data, config, CPU, seen.append)
    assert first.is_best
    assert first.macro_f1 is not None
    assert first.macro_f1 > 0.9  # three a class are easily told apart by heart
    assert second.epoch == 2
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1)


def test_fine_tuning_is_kept_only_where_the_loss_is_no_greater_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    losses = iter([1.0, 1.2, 0.9])
    monkeypatch.setattr(classifier, "_calibrated_loss", lambda *_: next(losses))
    monkeypatch.setattr(classifier, "_standard_error", lambda _: -2.0)  # any macro-F1 will do
    pictures, labels = simulated(2, 7)
    data = TrainData(PATTERNS, pictures, labels, pictures, labels)
    config = TrainConfig(epochs=3, batch_size=9, patience=0)
    assert [result.is_best for result in train(data, config, CPU)] == [True, False, True]


def test_epochs_that_are_not_kept_for_their_loss_end_the_patience(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    losses = iter([1.0, 2.0, 2.0, 2.0, 2.0])
    monkeypatch.setattr(classifier, "_calibrated_loss", lambda *_: next(losses))
    monkeypatch.setattr(classifier, "_standard_error", lambda _: -2.0)
    pictures, labels = simulated(2, 7)
    data = TrainData(PATTERNS, pictures, labels, pictures, labels)
    config = TrainConfig(epochs=5, batch_size=9, patience=2)
    assert [result.is_best for result in train(data, config, CPU)] == [True, False, False]


def test_the_calibrated_loss_is_that_of_the_best_temperature() -> None:
    labels = np.tile([0, 1, 0, 1], 2000)  # so many that nobody's first guess counts
    assert classifier._calibrated_loss(np.zeros((8000, 2)), labels) == pytest.approx(np.log(2))
    # three of four are right: ±s with σ(s) = 3/4 is best, however sure the scores were
    scores = np.tile([[30.0, 0], [0, 30], [30, 0], [30, 0]], (2000, 1))
    best = -(3 * np.log(0.75) + np.log(0.25)) / 4
    assert classifier._calibrated_loss(scores, labels) == pytest.approx(best, abs=1e-3)
