"""Folds of pictures that hang together: what one fold learned, another may not be asked about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


def folds(labels: Integers, keys: Sequence[str], count: int, seed: int) -> Integers:
    """Folds of about equal shares of every class, whole by key.

    Args:
        labels: (N,) classes.
        keys: N; what shares one stays together.
        count: Of folds.
        seed: Which key goes where.

    Returns:
        (N,) 0 to ``count`` - 1, or -1 for what belongs to no fold and always teaches: a class that
        would else be wholly inside one fold.
    """
    rng = np.random.default_rng(seed)
    members: dict[str, list[int]] = defaultdict(list)
    for index in rng.permutation(len(labels)).tolist():
        members[keys[index]].append(index)
    fold_of: dict[str, int] = {}
    sizes = np.bincount(labels)
    filled = np.zeros((len(sizes), count), np.int64)
    for c in np.argsort(sizes, kind="stable").tolist():  # the rare ones have the least choice
        for key, indices in members.items():
            if key in fold_of or not (labels[indices] == c).any():
                continue
            lacking = np.lexsort((filled.sum(0), filled[c]))
            fold_of[key] = int(lacking[0])
            filled[:, fold_of[key]] += np.bincount(labels[indices], minlength=len(sizes))
    fold = np.array([fold_of[key] for key in keys], np.int64)
    for c in range(len(sizes)):
        inside = np.unique(fold[labels == c])
        if len(inside) == 1:
            mine = {keys[i] for i in np.flatnonzero(labels == c).tolist()}
            fold[[key in mine for key in keys]] = -1
    return fold
