"""The settings that a search varies, as Optuna proposes them.

Learning rate and epochs are varied by a factor on the automatic values for the network and the
number of wafers, so that one range suits all of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wafer_core.messages import N_, Message, joined, literal, message
from wafer_core.networks.initial_weights import FROZEN, SCRATCH
from wafer_core.parameters import parameters_of
from wafer_core.tasks.augmentation.policies import DEFAULT
from wafer_core.tasks.classification.config import BALANCING, TrainConfig

if TYPE_CHECKING:
    import optuna

NETWORKS = ("wafernet", "wafer_cnn")  # those that train within a minute on a CPU
BATCH_SIZES = (8, 16, 32, 64)
_STARTUP_TRIALS = 5  # random trials before TPE starts to model the scores, and before any pruning


def make_study(seed: int) -> optuna.Study:
    """A study that maximises macro-F1 with TPE and prunes trials below the median."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed % 2**32, n_startup_trials=_STARTUP_TRIALS),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=_STARTUP_TRIALS - 1),
    )


def propose(trial: optuna.Trial, base: TrainConfig, pictures: int) -> dict[str, Any]:
    """The settings of a trial that trains all layers; only those that the search varies.

    Args:
        trial: Of a study from ``make_study``.
        base: Settings that are not varied.
        pictures: Number of training pictures.
    """
    network = trial.suggest_categorical("network", NETWORKS)
    settings: dict[str, Any] = {
        "network": network,
        "batch_size": trial.suggest_categorical("batch_size", BATCH_SIZES),
        "balancing": trial.suggest_categorical("balancing", tuple(BALANCING)),
        "label_smoothing": round(trial.suggest_float("label_smoothing", 0.0, 0.2), 3),
        "weight_decay": _rounded(trial.suggest_float("weight_decay", 0.005, 0.5, log=True)),
    }
    if base.policy == DEFAULT and base.rotation_share > 0:
        share = trial.suggest_float("rotation_share", 0.0, 1.0)
        settings["rotation_share"] = round(share, 2)
    automatic = _with_all_layers(
        replace(base, network=network, batch_size=settings["batch_size"]), pictures
    )
    rate = trial.suggest_float("learning_rate_factor", 0.25, 4.0, log=True)
    epochs = trial.suggest_float("epochs_factor", 0.5, 2.0, log=True)
    limits = parameters_of(TrainConfig)
    max_rate, max_epochs = limits["learning_rate"].maximum, limits["epochs"].maximum
    settings["learning_rate"] = min(max_rate, _rounded(rate * (automatic.learning_rate or 0.0)))
    settings["epochs"] = int(min(max_epochs, max(2, round(epochs * (automatic.epochs or 1)))))
    return settings


def last_layer_only(base: TrainConfig, pictures: int) -> list[dict[str, Any]]:
    """Settings of the quick trials that train only the last layer, besides ``base``.

    The balancing ``balanced`` is left out: with a fitted last layer it equals ``natural``.
    """
    frozen = {"network": base.network, "transfer": FROZEN}
    trials = [{**frozen, "balancing": name} for name in ("natural", "weighted")]
    if _trains_all_layers(base, pictures):
        return trials
    return [settings for settings in trials if settings["balancing"] != base.balancing]


def as_proposal(base: TrainConfig, pictures: int) -> dict[str, Any] | None:
    """The values that Optuna would propose for ``base``, whose numbers are the defaults.

    Returns:
        ``None`` if ``base`` trains only the last layer, which Optuna never proposes.
    """
    if not _trains_all_layers(base, pictures):
        return None
    values: dict[str, Any] = {
        "network": base.network,
        "batch_size": base.resolved(pictures).batch_size,
        "balancing": base.balancing,
        "label_smoothing": base.label_smoothing,
        "weight_decay": base.weight_decay,
        "learning_rate_factor": 1.0,
        "epochs_factor": 1.0,
    }
    if base.policy == DEFAULT and base.rotation_share > 0:
        values["rotation_share"] = base.rotation_share
    return values


def _trains_all_layers(config: TrainConfig, pictures: int) -> bool:
    return config.transfer != FROZEN and (config.resolved(pictures).epochs or 1) > 1


def _with_all_layers(config: TrainConfig, pictures: int) -> TrainConfig:
    """Automatic epochs and learning rate of a training of all layers."""
    return replace(config, transfer=SCRATCH, epochs=None, learning_rate=None).resolved(pictures)


def describe(settings: Mapping[str, Any]) -> Message:
    """Settings in one line: “Learning rate 0.003 · Epochs 20”."""
    parameters = parameters_of(TrainConfig)
    parts = [
        message("{setting} {value}", setting=Message(parameters[name].title), value=_shown(value))
        for name, value in settings.items()
        if name in parameters
    ]
    return joined(parts, " · ")


def _shown(value: Any) -> Message:
    if isinstance(value, bool):
        return Message(N_("on") if value else N_("off"))
    return literal(f"{value:g}" if isinstance(value, float) else str(value))


def _rounded(value: float) -> float:
    """To three digits: finer differences do not matter, and people read the numbers."""
    return float(f"{value:.3g}") if math.isfinite(value) else value
