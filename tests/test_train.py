"""Training: accuracy, errors, repeatability, and stopping."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from wafer_core.errors import Cancelled, InputError, ParameterError
from wafer_core.images import FAIL, NO_DIE, PASS, Picture
from wafer_core.networks.optimizer import rate_factor
from wafer_core.networks.preparation import Preparation
from wafer_core.networks.wafer_cnn import WaferCNN
from wafer_core.parameters import parameters_of
from wafer_core.tasks.augmentation.dihedral import quarter_turns, transform
from wafer_core.tasks.classification.classifier import Classifier
from wafer_core.tasks.classification.config import TrainConfig
from wafer_core.tasks.classification.train import EpochResult, train
from wafer_core.tasks.classification.train_data import TrainData

CPU = torch.device("cpu")
QUICK = TrainConfig(network="wafer_cnn", epochs=3, learning_rate=0.003)
Sizes = tuple[int, int]


def wafer(kind: int, rng: np.random.Generator) -> Picture:
    """A disc with failed dies in the middle (0), at the rim (1), or anywhere (2)."""
    side = int(rng.integers(24, 32))
    y, x = (np.mgrid[:side, :side] - (side - 1) / 2) / (side / 2)
    radius = np.hypot(x, y)
    picture = np.where(radius <= 1, PASS, NO_DIE).astype(np.uint8)
    wanted = [radius < 0.4, (radius > 0.8) & (radius <= 1), radius <= 1][kind]
    picture[wanted & (rng.random((side, side)) < (0.8, 0.8, 0.2)[kind])] = FAIL
    return picture


def data(train_each: int = 8, validation_each: int = 4, classes: int = 3) -> TrainData:
    rng = np.random.default_rng(0)

    def part(each: int) -> tuple[list[Picture], np.ndarray]:
        labels = np.repeat(np.arange(classes), each).astype(np.int64)
        return [wafer(int(k) % 3, rng) for k in labels], labels

    names = ("Center", "Edge-Ring", "Random", "Extra")[:classes]
    return TrainData(names, *part(train_each), *part(validation_each))


@pytest.fixture(scope="module")
def results() -> list[EpochResult]:
    config = TrainConfig(network="wafer_cnn", epochs=14, patience=0, seed=1)
    return list(train(data(16, 6), config, CPU))


def test_three_simple_patterns_are_learned(results: list[EpochResult]) -> None:
    classifier = results[-1].best_classifier()
    rng = np.random.default_rng(5)
    labels = np.arange(30) % 3
    probabilities = classifier.predict_proba([wafer(int(k), rng) for k in labels])
    assert (probabilities.argmax(1) == labels).mean() >= 0.9
    assert classifier.class_names == ("Center", "Edge-Ring", "Random")


def test_results_describe_the_epochs(results: list[EpochResult]) -> None:
    assert [r.epoch for r in results] == list(range(1, 15))
    assert {r.epochs for r in results} == {14}
    assert results[-1].train_loss < results[0].train_loss
    assert results[0].is_best
    for r in results:
        assert r.validation_loss is not None
        assert r.macro_f1 is not None
        assert 0 <= r.macro_f1 <= 1
        assert r.seconds > 0


def test_probabilities_add_up_and_do_not_depend_on_the_batch(results: list[EpochResult]) -> None:
    classifier = results[-1].best_classifier()
    rng = np.random.default_rng(6)
    pictures = [wafer(k % 3, rng) for k in range(9)]
    together = classifier.predict_proba(pictures)
    assert together.dtype == np.float64
    np.testing.assert_allclose(together.sum(1), 1, atol=1e-12)
    np.testing.assert_allclose(
        classifier.predict_proba(pictures, batch_size=1), together, atol=0.01
    )
    assert classifier.predict_proba([]).shape == (0, 3)


def test_predictions_are_invariant_under_rotation(results: list[EpochResult]) -> None:
    classifier = results[-1].best_classifier()
    picture = wafer(0, np.random.default_rng(7))
    forms = [np.ascontiguousarray(np.rot90(picture, k)) for k in range(4)]
    answers = classifier.predict_proba(forms)
    np.testing.assert_allclose(answers, np.broadcast_to(answers[0], answers.shape), atol=0.01)


def test_the_same_seed_trains_the_same_network() -> None:
    def weights(seed: int) -> torch.Tensor:
        config = dataclasses.replace(QUICK, epochs=1, seed=seed)
        return list(train(data(), config, CPU))[-1].best_classifier().network.state_dict()[
            "head.weight"
        ]  # fmt: skip

    torch.testing.assert_close(weights(3), weights(3))
    assert not torch.allclose(weights(3), weights(4))


def test_stopping_keeps_the_best_so_far() -> None:
    for result in train(data(), dataclasses.replace(QUICK, epochs=200), CPU):
        if result.epoch == 2:
            break
    assert isinstance(result.best_classifier(), Classifier)


def test_it_can_be_cancelled_between_batches() -> None:
    reported: list[float] = []

    def on_progress(done: float) -> None:
        reported.append(done)
        if len(reported) == 2:
            raise Cancelled("stop")

    config = dataclasses.replace(QUICK, batch_size=8, transfer="scratch")
    with pytest.raises(Cancelled):
        list(train(data(), config, CPU, on_progress))
    assert reported == [pytest.approx(1 / 9), pytest.approx(2 / 9)]


def test_patience_stops_when_nothing_gets_better() -> None:
    config = dataclasses.replace(QUICK, epochs=40, patience=2, learning_rate=1e-6)
    assert len(list(train(data(2, 1), config, CPU))) < 40


@pytest.mark.parametrize("balancing", ["natural", "weighted", "balanced"])
def test_one_picture_a_class_and_none_to_validate(balancing: str) -> None:
    config = dataclasses.replace(QUICK, balancing=balancing)
    results = list(train(data(1, 0), config, CPU))
    assert [(r.macro_f1, r.accuracy, r.validation_loss) for r in results] == [(None,) * 3] * 3
    assert all(r.is_best for r in results)
    assert results[-1].best_classifier().temperature == 1


def test_a_class_without_validation_pictures() -> None:
    full = data()
    kept = np.flatnonzero(full.validation_labels != 1).tolist()
    thin = dataclasses.replace(
        full,
        validation_pictures=[full.validation_pictures[i] for i in kept],
        validation_labels=full.validation_labels[kept],
    )
    results = list(train(thin, QUICK, CPU))
    assert results[-1].macro_f1 is not None
    assert results[-1].best_classifier().predict_proba(full.train_pictures[:1]).shape == (1, 3)


def test_two_identical_classes_are_predicted_with_equal_probability() -> None:
    one = data(4, 4, classes=1)
    twins = TrainData(
        ("a", "b"),
        [*one.train_pictures] * 2,
        np.repeat([0, 1], 4),
        [*one.validation_pictures] * 2,
        np.repeat([0, 1], 4),
    )
    last = list(train(twins, QUICK, CPU))[-1]
    assert last.accuracy == pytest.approx(0.5)
    np.testing.assert_allclose(
        last.best_classifier().predict_proba(one.train_pictures), 0.5, atol=0.25
    )


def test_one_class_alone_is_refused() -> None:
    with pytest.raises(InputError, match=r"at least two classes.*only one class"):
        next(train(data(classes=1), QUICK, CPU))


def test_a_class_without_training_pictures_is_named_and_can_be_left_out() -> None:
    full = data(4, 2, classes=2)
    padded = dataclasses.replace(full, class_names=("Center", "Edge-Ring", "Empty"))
    with pytest.raises(InputError, match="“Empty” has no training picture"):
        next(train(padded, QUICK, CPU))
    reduced, dropped = padded.without_empty_classes()
    assert dropped == ("Empty",)
    assert reduced.class_names == ("Center", "Edge-Ring")
    assert reduced.check() is reduced


def test_labels_that_fit_no_class_are_refused() -> None:
    full = data()
    with pytest.raises(InputError, match="do not match"):
        next(train(dataclasses.replace(full, train_labels=full.train_labels + 1), QUICK, CPU))


def test_a_diverging_loss_is_reported_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
        return self.head.weight.sum() * torch.full((len(x), 3), float("nan"))

    monkeypatch.setattr(WaferCNN, "forward", broken)
    with pytest.raises(ParameterError, match=r"Lower the learning rate \(it was 0\.003\)"):
        next(train(data(), dataclasses.replace(QUICK, transfer="scratch"), CPU))


@pytest.mark.parametrize(
    ("name", "value"),
    [("epochs", 0), ("epochs", -5), ("epochs", 1.5), ("epochs", "many"), ("batch_size", 0),
     ("learning_rate", 0), ("learning_rate", float("nan")), ("learning_rate", float("inf")),
     ("network", "vgg"), ("network", None), ("balancing", "fair"), ("turns", "yes"),
     ("rotation_share", 2), ("label_smoothing", -0.1), ("patience", -1), ("seed", -1),
     ("seed", None), ("zoom", float("nan")), ("weight_decay", None)],
)  # fmt: skip
def test_invalid_settings_are_named(name: str, value: object) -> None:
    with pytest.raises(ParameterError, match=name):
        TrainConfig(**{name: value})  # type: ignore[arg-type]


def test_every_setting_is_explained() -> None:
    fields = {f.name: f.default for f in dataclasses.fields(TrainConfig)}
    assert set(fields) == set(parameters_of(TrainConfig))
    for name, parameter in parameters_of(TrainConfig).items():
        assert parameter.help.endswith(".")
        assert fields[name] == parameter.default


def test_the_number_of_epochs_follows_the_number_of_pictures() -> None:
    scratch = TrainConfig(network="wafer_cnn")
    epochs = [scratch.resolved(n).epochs or 0 for n in (1, 10, 350, 5000, 100_000)]
    assert epochs == [197, 197, 100, 26, 6]
    assert scratch.resolved(350).learning_rate == pytest.approx(0.003)
    assert TrainConfig(epochs=7).resolved(350).epochs == 7
    assert TrainConfig(transfer="scratch").resolved(350).epochs == 35


def test_a_network_pretrained_on_wafers_trains_its_last_layer_or_within_a_budget() -> None:
    config = TrainConfig()
    assert config.resolved(350).epochs == 1
    assert config.resolved(350, fine_tune=False).epochs == 1
    assert config.resolved(350, fine_tune=True).epochs == 35  # 650 · √350 samples
    assert config.resolved(350, fine_tune=True, overlay_share=0.5).epochs == 69  # in addition
    assert TrainConfig(epochs=2).resolved(350, fine_tune=False).epochs == 2
    assert config.resolved(5000, fine_tune=True).learning_rate == pytest.approx(0.006)


def test_the_learning_rate_rises_and_falls() -> None:
    assert [rate_factor(t) for t in (0, 0.2, 0.6, 1)] == pytest.approx([0.1, 1, 0.5, 0])


def test_rotations_and_reflections_only_move_cells() -> None:
    config = TrainConfig(rotation_share=0)
    batch = torch.rand(40, 2, 16, 16)
    rotated = transform(batch, config, torch.Generator().manual_seed(0))
    mirrored = quarter_turns(batch.flip(3))
    forms = torch.cat([quarter_turns(batch), mirrored]).view(8, 40, 2, 16, 16)
    distance = (forms - rotated).abs().amax((2, 3, 4))
    assert distance.amin(0).max() < 1e-4
    assert len(set(distance.argmin(0).tolist())) == 8


class Corner(torch.nn.Module):
    """Its first logit is ten times the top left cell; it counts its inputs."""

    count = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.count += len(x)
        first = 10 * x[:, 1, 0, 0]
        return torch.stack([first, torch.zeros_like(first)], 1)


def test_only_uncertain_wafers_are_rotated() -> None:
    network = Corner()
    classifier = Classifier(network, "wafer_cnn", Preparation(16), ["A", "B"])
    batch = torch.zeros(3, 3, 16, 16)
    batch[0, 1, 0, 0] = 1.0  # 10 against 0: confident
    batch[1, 1, 0, 0] = batch[1, 1, 15, 15] = 0.1  # 1 against 0 in two of the four rotations
    probabilities = classifier.predict_prepared(batch)
    assert network.count == 3 + 2 * 3  # the empty third one is uncertain too
    both = np.log(1 / (1 + np.exp([-1.0, 0, -1, 0]))).mean()
    other = np.log(1 / (1 + np.exp([1.0, 0, 1, 0]))).mean()
    expected = [1 / (1 + np.exp(-10.0)), np.exp(both) / (np.exp(both) + np.exp(other)), 0.5]
    np.testing.assert_allclose(probabilities[:, 0], expected, rtol=1e-6)
    classifier.average_turns, network.count = False, 0
    assert classifier.predict_prepared(batch)[1, 0] == pytest.approx(1 / (1 + np.exp(-1.0)))
    assert network.count == 3


def test_transforms_can_be_switched_off() -> None:
    config = TrainConfig(turns=False, rotation_share=0)
    batch = torch.rand(3, 2, 16, 16)
    torch.testing.assert_close(transform(batch, config, torch.Generator()), batch)
