"""Small wafers and projects that the tests make for themselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wafer_core.data import pictures
from wafer_core.data.project import Project
from wafer_core.images import FAIL, NO_DIE, PASS, Picture
from wafer_core.simulator import PATTERNS


def disc(size: int = 20) -> Picture:
    """A round wafer without a failed die."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return np.where(np.hypot(x, y) <= size / 2, PASS, NO_DIE).astype(np.uint8)


def marked(number: int, size: int = 20) -> Picture:
    """A wafer with failed dies that spell ``number``: different numbers, different wafers."""
    picture = disc(size)
    rng = np.random.default_rng(number)
    y, x = np.nonzero(picture == PASS)
    chosen = rng.choice(len(y), 5 + number % 7, replace=False)
    picture[y[chosen], x[chosen]] = FAIL
    return picture


def fill(project: Project, name: str, count: int, start: int = 0, size: int = 20) -> str:
    """Add a class with ``count`` different wafers; returns its slug."""
    slug = project.ensure_class(name).slug
    wafers = [
        pictures.NewPicture(marked(start + i, size), f"{name}-{start + i}.png")
        for i in range(count)
    ]
    pictures.add_originals(project, slug, wafers)
    return slug


def small_project(path: Path, counts: dict[str, int]) -> Project:
    """A project with these classes; no wafer lies in two of them."""
    project = Project.create(path, "Small")
    for number, (name, count) in enumerate(counts.items()):
        fill(project, name, count, start=1000 * number)
    return project


def data_file(path: Path, count: int, lots: Sequence[int], size: int = 12) -> Path:
    """A wafer data file of ``count`` different wafers of the nine patterns in turn."""
    wafers = [marked(k, size) for k in range(count)]
    codes = [np.searchsorted([NO_DIE, PASS, FAIL], p).astype(np.uint8).ravel() for p in wafers]
    np.savez(
        path,
        dies=np.concatenate(codes),
        offsets=np.arange(count + 1) * size**2,
        shapes=np.full((count, 2), size),
        label=np.arange(count) % len(PATTERNS),
        classes=np.array(PATTERNS),
        group=np.array(lots),
    )
    return path
