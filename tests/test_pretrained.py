"""The weights that ship: they load, recognise the nine patterns, and help training."""

from __future__ import annotations

import dataclasses
import shutil
import types
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from wafer_core.errors import ModelError
from wafer_core.images import Picture
from wafer_core.networks import registry
from wafer_core.networks.wafer_cnn import WaferCNN
from wafer_core.simulator import PATTERNS, simulate_many
from wafer_core.tasks.classification import train as training
from wafer_core.tasks.classification.config import TrainConfig
from wafer_core.tasks.classification.linear_head import DEFAULT_CHOICE, HeadFit
from wafer_core.tasks.classification.pretrained import standard_classifier
from wafer_core.tasks.classification.train import train
from wafer_core.tasks.classification.train_data import TrainData

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
    assert TrainConfig().network == "wafernet"
    assert next(iter(registry.NETWORKS)) == "wafernet"


def test_the_standard_classifier_recognises_the_nine_patterns() -> None:
    classifier = standard_classifier()
    assert classifier.class_names == PATTERNS
    assert 0.3 < classifier.temperature < 3
    pictures, labels = simulated(10, 123)
    probabilities = classifier.predict_proba(pictures)
    assert (probabilities.argmax(1) == labels).mean() > 0.7
    assert classifier.extra["evaluation"]["macro_f1"] > 0.8


def test_with_three_pictures_per_class_pretraining_beats_random_weights() -> None:
    pictures, labels = simulated(3, 7)
    test, truth = simulated(12, 8)
    config = TrainConfig(epochs=3, patience=0)
    data = TrainData(PATTERNS, pictures, labels, [], np.zeros(0, np.int64))

    def accuracy(network: str) -> float:
        result = list(train(data, TrainConfig(network=network, epochs=3, patience=0), CPU))[-1]
        probabilities = result.best_classifier().predict_proba(test)
        return float((probabilities.argmax(1) == truth).mean())

    assert config.network == "wafernet"
    assert accuracy("wafernet") > accuracy("wafer_cnn") + 0.25


def test_the_last_layer_is_new_and_has_the_right_size() -> None:
    network, head = registry.build_pretrained("wafernet", 4)
    assert isinstance(network, WaferCNN)
    assert network.head.out_features == 4
    shipped = standard_classifier().network
    torch.testing.assert_close(network.stem.weight, shipped.get_parameter("stem.weight"))
    assert head is not None
    torch.testing.assert_close(head.layer.weight[:9], shipped.get_parameter("head.weight"))
    assert head.exclusive == 9
    eigenvalues = torch.linalg.eigvalsh(head.within_class.double())
    assert head.within_class.shape == (network.head.in_features,) * 2
    assert eigenvalues[0] > -1e-6 * eigenvalues[-1]  # a covariance
    assert head.within_class.diagonal().mean() > 1e-3


def test_other_networks_start_at_random() -> None:
    torch.manual_seed(0)
    network, head = registry.build_pretrained("wafer_cnn", 3)
    one = network.state_dict()
    torch.manual_seed(0)
    two = registry.build("wafer_cnn", 3).state_dict()
    torch.testing.assert_close(one, two)
    assert head is None


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "weights"
    shutil.copytree(registry.WEIGHTS, folder)
    monkeypatch.setattr(registry, "WEIGHTS", folder)
    return folder


def test_changed_weights_are_refused(copied: Path) -> None:
    path = copied / FILE.name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match=r"wafernet\.safetensors.*checksum differs"):
        registry.build_pretrained("wafernet", 9)


def test_missing_weights_are_reported(copied: Path) -> None:
    (copied / FILE.name).unlink()
    with pytest.raises(ModelError, match=r"wafernet\.safetensors is missing"):
        registry.build_pretrained("wafernet", 9)


def test_weights_of_another_network_are_refused(copied: Path) -> None:
    from wafer_core.networks import checkpoint

    checkpoint.save(copied, registry.build("wafer_cnn", 9), {}, "wafernet")
    with pytest.raises(ModelError, match="another version"):
        registry.build_pretrained("wafernet", 9)


def test_a_pretrained_head_of_another_network_is_refused(copied: Path) -> None:
    from wafer_core.networks import checkpoint

    checkpoint.save(copied, torch.nn.Conv2d(1, 1, 1), {}, "wafernet-names")
    with pytest.raises(ModelError, match="another version"):
        registry.build_pretrained("wafernet", 9)


def test_the_first_epoch_fits_only_the_last_layer() -> None:
    pictures, labels = simulated(3, 7)
    data = TrainData(PATTERNS, pictures, labels, pictures, labels)
    reported: list[float] = []
    config = TrainConfig(epochs=2, batch_size=9, patience=0)
    first, second = train(data, config, CPU, reported.append)
    assert first.is_best
    assert first.macro_f1 is not None
    assert first.macro_f1 > 0.9
    assert second.epoch == 2
    assert reported == sorted(reported)
    assert reported[-1] == pytest.approx(1)


def losses(*means: float) -> Iterator[np.ndarray]:
    """Losses of 18 pictures with these means; differences have a standard error of about 0.1."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.3, (len(means), 18))
    return iter(np.array(means)[:, None] + noise - noise.mean(1, keepdims=True))


def kept_epochs(monkeypatch: pytest.MonkeyPatch, patience: int, *means: float) -> list[bool]:
    """Which epochs are kept with these validation losses, if all have the same macro-F1."""
    values = losses(*means)
    monkeypatch.setattr(training, "_calibrated_losses", lambda *_: next(values))
    pictures, labels = simulated(2, 7)
    data = TrainData(PATTERNS, pictures, labels, pictures, labels)
    scores = types.SimpleNamespace(macro_f1=0.9, accuracy=0.9)
    monkeypatch.setattr(training, "evaluate", lambda *_: scores)
    config = TrainConfig(epochs=len(means), batch_size=9, patience=patience)
    return [result.is_best for result in train(data, config, CPU)]


def test_fine_tuning_is_kept_if_its_loss_is_lower_by_a_standard_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert kept_epochs(monkeypatch, 0, 1.0, 1.2, 0.98, 0.7) == [True, False, False, True]


def test_the_latest_epoch_within_a_standard_error_of_the_lowest_loss_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert kept_epochs(monkeypatch, 0, 1.0, 0.5, 0.52, 0.9, 0.5) == [True, True, True, False, True]


def test_epochs_with_a_higher_loss_count_towards_early_stopping(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert kept_epochs(monkeypatch, 2, 1.0, 2.0, 2.0, 2.0, 2.0) == [True, False, False]


def test_a_single_validation_picture_proves_nothing() -> None:
    assert not training._is_lower(np.array([0.1]), np.array([5.0]))


def test_the_calibrated_loss_is_that_of_the_best_temperature() -> None:
    labels = np.tile([0, 1, 0, 1], 2000)  # so many that the prior of the temperature is negligible
    found = training._calibrated_losses(np.zeros((8000, 2)), labels)
    assert found.shape == (8000,)
    assert found.mean() == pytest.approx(np.log(2))
    # Three of four are correct: ±s with σ(s) = 3/4 is best, however confident the scores are.
    scores = np.tile([[30.0, 0], [0, 30], [30, 0], [30, 0]], (2000, 1))
    best = -(3 * np.log(0.75) + np.log(0.25)) / 4
    assert training._calibrated_losses(scores, labels).mean() == pytest.approx(best, abs=1e-3)


def head(error: float, pictures: int) -> HeadFit:
    """A fitted last layer of two classes with this cross-validated error rate."""
    labels = np.repeat([0, 1], pictures // 2)
    wrong = np.tile(np.arange(pictures // 2) < round(error * pictures / 2), 2)
    logs = np.log(np.eye(2)[np.where(wrong, 1 - labels, labels)] * 0.9 + 0.05)
    return HeadFit(0.0, logs, labels, DEFAULT_CHOICE)


def test_classes_are_out_of_domain_if_errors_are_significantly_more_than_doubled() -> None:
    assert training._is_out_of_domain(head(0.3, 400), 0.08)
    assert not training._is_out_of_domain(head(0.12, 400), 0.08)
    assert not training._is_out_of_domain(head(0.3, 20), 0.08)  # too few to tell
    assert training._is_out_of_domain(head(0.0, 400), None)  # pretrained on photographs
    nothing = HeadFit(0.0, np.zeros((0, 2)), np.zeros(0, np.int64), DEFAULT_CHOICE)
    assert not training._is_out_of_domain(nothing, 0.08)


def test_the_error_rate_of_the_pretraining_is_stored_with_the_weights() -> None:
    error = registry.pretraining_error("wafernet")
    assert error is not None
    assert 0.02 < error < 0.1
    assert registry.pretraining_error("wafer_cnn") is None


def test_patterns_out_of_domain_are_fine_tuned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "pretraining_error", lambda name: 0.0)
    pictures, labels = simulated(4, 7)
    rng = np.random.default_rng(0)
    data = TrainData(PATTERNS, pictures, rng.permutation(labels), pictures, labels)
    assert next(train(data, TrainConfig(), CPU)).epochs > 1
    empty = dataclasses.replace(
        data, validation_pictures=[], validation_labels=np.zeros(0, np.int64)
    )
    assert next(train(empty, TrainConfig(), CPU)).epochs == 1  # no epoch could be kept
