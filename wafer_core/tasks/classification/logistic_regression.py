"""Multinomial logistic regression on several forms of each sample."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from wafer_core.metrics import log_softmax

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


def fit(
    x: Floats,
    labels: Labels,
    class_weights: Floats,
    decay: float,
    max_steps: int,
    prior: Floats | None = None,
) -> tuple[Floats, Floats]:
    """Minimise the weighted mean cross-entropy plus decay / 2 · ‖weight − prior‖².

    Args:
        x: (N, forms, F); all forms of a sample have its label.
        labels: (N,).
        class_weights: (C,).
        decay: Strength of the regularisation.
        max_steps: Of L-BFGS.
        prior: (C, F) weights that the regularisation pulls towards; the bias is then pulled towards
            0 in the same way. None: the weights are pulled towards 0, the bias is free.

    Returns:
        Weight (C, F) and bias (C,).
    """
    from scipy.optimize import minimize  # slow to import, and pages never fit
    from threadpoolctl import threadpool_limits

    _, forms, F = x.shape
    C = len(class_weights)
    x, labels = x.reshape(-1, F), labels.repeat(forms)
    share = class_weights[labels] / class_weights[labels].sum()
    centre, bias_decay = (np.zeros((C, F)), 0.0) if prior is None else (prior, decay)
    one_hot = np.zeros((len(labels), C))
    one_hot[np.arange(len(labels)), labels] = 1

    def cost(flat: Floats) -> tuple[float, Floats]:
        weight, bias = flat[: C * F].reshape(C, F), flat[C * F :]
        logs = log_softmax(x @ weight.T + bias)
        value = -float(share @ logs[np.arange(len(labels)), labels])
        error = (np.exp(logs) - one_hot) * share[:, None]
        gradient = (
            (error.T @ x + decay * (weight - centre)).ravel(),
            error.sum(0) + bias_decay * bias,
        )
        penalty = decay / 2 * float(((weight - centre) ** 2).sum())
        value += penalty + bias_decay / 2 * float(bias @ bias)
        return value, np.concatenate(gradient)

    # BLAS threads wait for each other by spinning: on matrices as small as these they gain nothing,
    # and beside another busy process each step takes twenty times as long.
    with threadpool_limits(1, "blas"):
        found = minimize(
            cost,
            np.concatenate([centre.ravel(), np.zeros(C)]),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": max_steps},
        ).x
    return found[: C * F].reshape(C, F), found[C * F :]


def log_proba(x: Floats, weight: Floats, bias: Floats) -> Floats:
    """Log-probabilities (N, forms, C) for features (N, forms, F)."""
    N, forms, F = x.shape
    return log_softmax(x.reshape(-1, F) @ weight.T + bias).reshape(N, forms, -1)
