"""The pictures that a classifier is trained and validated on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from wafer_core.errors import InputError
from wafer_core.images import Picture
from wafer_core.messages import N_


@dataclass(frozen=True, eq=False)
class TrainData:
    """Training and validation pictures; labels are indices into ``class_names``.

    Attributes:
        class_names: Of C classes.
        train_pictures: N pictures.
        train_labels: (N,).
        validation_pictures: M pictures; may be empty.
        validation_labels: (M,).
        train_groups: Group label of each training picture, such as its lot. A synthetic picture has
            the group of its original, or "" if it was made from many. Cross-validation keeps a
            group in one fold. None: every picture is its own group.
        train_synthetic: (N,) whether a training picture is synthetic. Cross-validation never scores
            on synthetic pictures. None: none is.
        combinations: For a mixed-type class the names of its single-pattern classes, such as
            ``{"Center + Loc": ("Center", "Loc")}``.
    """

    class_names: tuple[str, ...]
    train_pictures: Sequence[Picture]
    train_labels: npt.NDArray[np.int64]
    validation_pictures: Sequence[Picture]
    validation_labels: npt.NDArray[np.int64]
    train_groups: Sequence[str] | None = None
    train_synthetic: npt.NDArray[np.bool_] | None = None
    combinations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def check(self) -> TrainData:
        """Return self if it can be trained on.

        Raises:
            InputError: Fewer than two classes, a class without a training picture, or arrays whose
                lengths differ.
        """
        for pictures, labels in (
            (self.train_pictures, self.train_labels),
            (self.validation_pictures, self.validation_labels),
        ):
            in_range = not len(labels) or 0 <= labels.min() <= labels.max() < len(self.class_names)
            if len(pictures) != len(labels) or not in_range:
                raise InputError(
                    "{pictures} pictures and {labels} labels of {classes} classes do not match; "
                    "give one label for each picture.",
                    pictures=len(pictures),
                    labels=len(labels),
                    classes=len(self.class_names),
                )
        for values in (self.train_groups, self.train_synthetic):
            if values is not None and len(values) != len(self.train_labels):
                raise InputError(
                    "{pictures} training pictures have {count} group labels or synthetic flags; "
                    "give one for each picture.",
                    pictures=len(self.train_labels),
                    count=len(values),
                )
        counts = self.train_counts()
        if (counts > 0).sum() < 2:
            template = (
                N_(
                    "Training needs pictures in at least two classes, but only one class has any. "
                    "Add pictures to another class."
                )
                if (counts > 0).any()
                else N_(
                    "Training needs pictures in at least two classes, but no class has any. "
                    "Add pictures."
                )
            )
            raise InputError(template)
        empty = [n for n, count in zip(self.class_names, counts, strict=True) if not count]
        if empty:
            raise InputError(
                "Class “{name}” has no training picture; add some or delete the class.",
                name=empty[0],
            )
        return self

    def with_synthetic(
        self, pictures: Sequence[Picture], labels: npt.NDArray[np.int64]
    ) -> TrainData:
        """The same plus K synthetic training pictures, each made from many others.

        Args:
            pictures: K.
            labels: (K,).
        """
        N = len(self.train_labels)
        groups = [str(k) for k in range(N)] if self.train_groups is None else self.train_groups
        flags = np.zeros(N, bool) if self.train_synthetic is None else self.train_synthetic
        return replace(
            self,
            train_pictures=[*self.train_pictures, *pictures],
            train_labels=np.concatenate([self.train_labels, labels]),
            train_groups=[*groups, *[""] * len(labels)],
            train_synthetic=np.concatenate([flags, np.ones(len(labels), bool)]),
        )

    def train_counts(self) -> npt.NDArray[np.int64]:
        """Training pictures in each class (C,)."""
        return np.bincount(self.train_labels, minlength=len(self.class_names))

    def without_empty_classes(self) -> tuple[TrainData, tuple[str, ...]]:
        """Leave out classes that have no training picture; also returns their names."""
        counts = self.train_counts()
        kept = np.flatnonzero(counts > 0)
        dropped = tuple(n for n, count in zip(self.class_names, counts, strict=True) if not count)
        if not dropped:
            return self, ()
        new_label = np.full(len(self.class_names), -1, np.int64)
        new_label[kept] = np.arange(len(kept))
        validation = np.flatnonzero(new_label[self.validation_labels] >= 0).tolist()
        data = replace(
            self,
            class_names=tuple(self.class_names[i] for i in kept),
            train_labels=new_label[self.train_labels],
            validation_pictures=[self.validation_pictures[i] for i in validation],
            validation_labels=new_label[self.validation_labels[validation]],
        )
        return data, dropped
