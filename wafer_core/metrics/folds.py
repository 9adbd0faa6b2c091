"""Stratified cross-validation folds that keep groups together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


def folds(labels: Integers, groups: Sequence[str], count: int, seed: int) -> Integers:
    """Assign pictures to folds with about equal shares of every class.

    Like scikit-learn's ``StratifiedGroupKFold``, but a class with a single group stays in the
    training set of every fold: it could not be learned in the fold that holds all of it.

    Args:
        labels: (N,) class indices.
        groups: N group labels; pictures of one group stay in one fold.
        count: Number of folds.
        seed: Decides which group goes where.

    Returns:
        (N,) fold from 0 to ``count`` - 1, or -1 for pictures that are always trained on.
    """
    rng = np.random.default_rng(seed)
    members: dict[str, list[int]] = defaultdict(list)
    for index in rng.permutation(len(labels)).tolist():
        members[groups[index]].append(index)
    fold_of: dict[str, int] = {}
    sizes = np.bincount(labels)
    filled = np.zeros((len(sizes), count), np.int64)
    for c in np.argsort(sizes, kind="stable").tolist():  # rare classes have the fewest options
        for group, indices in members.items():
            if group in fold_of or not (labels[indices] == c).any():
                continue
            emptiest = np.lexsort((filled.sum(0), filled[c]))
            fold_of[group] = int(emptiest[0])
            filled[:, fold_of[group]] += np.bincount(labels[indices], minlength=len(sizes))
    fold = np.array([fold_of[group] for group in groups], np.int64)
    for c in range(len(sizes)):
        if len(np.unique(fold[labels == c])) == 1:
            of_class = {groups[i] for i in np.flatnonzero(labels == c).tolist()}
            fold[[group in of_class for group in groups]] = -1
    return fold
