"""The settings that a search varies, as Optuna proposes them.

Learning rate and epochs are factors of what the program would choose for the network and the number
of wafers, so that one range suits them all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wafer_core.networks.initial_weights import FROZEN, SCRATCH
from wafer_core.tasks.augmentation.policies import DEFAULT
from wafer_core.tasks.classification.config import BALANCING, PARAMETERS, TrainConfig

if TYPE_CHECKING:
    import optuna

NETWORKS = ("wafernet", "wafer_cnn")  # the ones that train in a minute on a processor
BATCHES = (8, 16, 32, 64)
_STARTUP = 5  # trials at random before TPE has something to go by, and before any is pruned


def make_study(seed: int) -> optuna.Study:
    """A study that looks for a high macro-F1 by TPE and gives up on trials below the median."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed % 2**32, n_startup_trials=_STARTUP),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=_STARTUP - 1),
    )


def propose(trial: optuna.Trial, base: TrainConfig, pictures: int) -> dict[str, Any]:
    """The settings of a trial in which all layers learn, those only that a search varies.

    Args:
        trial: Of a study of ``make_study``.
        base: What is not varied.
        pictures: Training pictures.
    """
    network = trial.suggest_categorical("network", NETWORKS)
    settings: dict[str, Any] = {
        "network": network,
        "batch_size": trial.suggest_categorical("batch_size", BATCHES),
        "balancing": trial.suggest_categorical("balancing", tuple(BALANCING)),
        "label_smoothing": round(trial.suggest_float("label_smoothing", 0.0, 0.2), 3),
        "weight_decay": _short(trial.suggest_float("weight_decay", 0.005, 0.5, log=True)),
    }
    if base.policy == DEFAULT and base.rotation_share > 0:
        share = trial.suggest_float("rotation_share", 0.0, 1.0)
        settings["rotation_share"] = round(share, 2)
    usual = _all_learn(replace(base, network=network, batch_size=settings["batch_size"]), pictures)
    rate = trial.suggest_float("learning_rate_factor", 0.25, 4.0, log=True)
    epochs = trial.suggest_float("epochs_factor", 0.5, 2.0, log=True)
    rate_limit, epochs_limit = PARAMETERS["learning_rate"].maximum, PARAMETERS["epochs"].maximum
    settings["learning_rate"] = min(rate_limit, _short(rate * (usual.learning_rate or 0.0)))
    settings["epochs"] = int(min(epochs_limit, max(2, round(epochs * (usual.epochs or 1)))))
    return settings


def last_layer_alone(base: TrainConfig, pictures: int) -> list[dict[str, Any]]:
    """Settings of trainings of the last layer alone, beside ``base``: quick, and there are few.

    Classes that are drawn evenly are no different there from those that count as they are.
    """
    own = {"network": base.network, "transfer": FROZEN}
    ways = [{**own, "balancing": name} for name in ("natural", "weighted")]
    if _learns_all(base, pictures):
        return ways
    return [way for way in ways if way["balancing"] != base.balancing]


def usual(base: TrainConfig, pictures: int) -> dict[str, Any] | None:
    """What Optuna would propose for ``base``, whose numbers are the defaults.

    Returns:
        ``None`` if the last layer alone learns in it, which it never proposes.
    """
    if not _learns_all(base, pictures):
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


def _learns_all(config: TrainConfig, pictures: int) -> bool:
    return config.transfer != FROZEN and (config.resolved(pictures).epochs or 1) > 1


def _all_learn(config: TrainConfig, pictures: int) -> TrainConfig:
    """Epochs and rate for a training of all layers, also where the last one alone is usual."""
    free = replace(config, transfer=SCRATCH, epochs=None, learning_rate=None)
    return free.resolved(pictures)


def describe(settings: Mapping[str, Any]) -> str:
    """Some settings in a line."""
    words = {True: "on", False: "off"}

    def told(value: Any) -> str:
        if isinstance(value, bool):
            return words[value]
        return f"{value:g}" if isinstance(value, float) else str(value)

    return " · ".join(
        f"{PARAMETERS[name].title.lower()} {told(value)}"
        for name, value in settings.items()
        if name in PARAMETERS
    )


def _short(value: float) -> float:
    """To three digits: nobody can tell more apart, and people read them."""
    return float(f"{value:.3g}") if math.isfinite(value) else value
