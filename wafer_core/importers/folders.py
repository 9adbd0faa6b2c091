"""What the folders of a drop say: the class of each file, its split, and which files are masks."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from wafer_core.names import fold


def word_list(text: str) -> tuple[str, ...]:
    """The words of a text: shorter to read than a list of quoted words."""
    return tuple(text.split())


SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "trainset": "train",
    "valid": "validation",
    "validation": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "testset": "test",
}
# Folders that hold pictures, but are no class.
_GENERIC = frozenset(
    word_list(
        "image images img imgs picture pictures photo photos pic pics data dataset "
        "datasets map maps wafer wafers wafermap wafermaps raw original originals input "
        "inputs sample samples files upload uploads download downloads export exports "
        "png jpg jpeg bmp tif tiff npy csv new archive class classes 이미지 사진 데이터 웨이퍼 맵"
    )
)
_MASK_FOLDERS = frozenset(
    word_list(
        "ground_truth groundtruth gt mask masks annotation annotations segmentation "
        "segmentations labels_mask defect_mask"
    )
)
_MASK_STEM = re.compile(r"(.+?)[-_. ]?(?:mask|gt|groundtruth|ground_truth|seg|label|anno)$", re.I)
_PICTURES = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif"))


@dataclass(frozen=True)
class FolderFacts:
    """What the folders of one file say.

    Attributes:
        class_name: ``None`` without a class folder.
        split: ``train``, ``validation``, ``test``; ``None`` without a split folder.
        is_mask: Whether a folder says that the file is a mask.
    """

    class_name: str | None
    split: str | None = None
    is_mask: bool = False


def is_generic(name: str) -> bool:
    """Whether a name says nothing about a class, such as ``images`` or ``new``."""
    words = re.split(r"[\W_]+|(?<=\D)(?=\d)", fold(name).strip())
    rest = [word for word in words if word and not word.isdigit()]
    return bool(rest) and all(word in _GENERIC for word in rest)


def read_folders(names: Sequence[str]) -> list[FolderFacts]:
    """The class and the split of each path of one drop.

    The class is the innermost folder that is neither generic (``images``) nor a split (``train``).
    Folder names of splits are one only if the drop has a training folder and another one. One
    folder around everything is not a class if it has subfolders.

    Args:
        names: Paths with ``/``.
    """
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    tops = {parts[0] if parts else None for parts in folders}
    is_wrapped = (
        len(tops) == 1
        and None not in tops
        and any(not is_generic(part) for parts in folders for part in parts[1:])
    )
    start = 1 if is_wrapped else 0
    splits = {
        SPLIT_NAMES[fold(part)] for parts in folders for part in parts if fold(part) in SPLIT_NAMES
    }
    has_split = "train" in splits and len(splits) > 1
    return [_read(parts[start:], has_split) for parts in folders]


def _read(parts: Sequence[str], has_split: bool) -> FolderFacts:
    split = class_name = None
    is_mask = False
    for part in reversed(parts):
        name = fold(part)
        if name in _MASK_FOLDERS:
            is_mask = True
        elif has_split and name in SPLIT_NAMES:
            split = split or SPLIT_NAMES[name]
        elif class_name is None and not is_generic(part):
            class_name = part
    return FolderFacts(class_name, split, is_mask)


@dataclass(frozen=True)
class Masks:
    """Pictures that are the mask of another one, by their index.

    Attributes:
        certain: Those with the name of their picture and an ending such as ``_mask``.
        likely: PNG or BMP files with the name of a photo beside them; their content decides.
    """

    certain: list[int]
    likely: list[int]


def masks_beside(names: Sequence[str]) -> Masks:
    """Find the masks among the pictures of a drop, by their names alone."""
    by_stem: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, name in enumerate(names):
        path = PurePosixPath(name)
        if path.suffix.lower() in _PICTURES:
            by_stem[path.parent.as_posix(), path.stem.lower()].append(index)
    found = Masks([], [])
    for (folder, stem), indices in by_stem.items():
        if match := _MASK_STEM.fullmatch(stem):
            picture = by_stem.get((folder, match[1]))
            if picture:
                found.certain.extend(indices)
                continue
        if len(indices) == 2:
            first, second = sorted(indices, key=lambda k: _photo_rank(names[k]))
            if _photo_rank(names[first]) < _photo_rank(names[second]):
                found.likely.append(second)
    return found


def _photo_rank(name: str) -> int:
    """Photos are rather JPEG, masks rather PNG, BMP or GIF."""
    order = {".jpg": 0, ".jpeg": 0, ".tif": 1, ".tiff": 1, ".webp": 1}
    return order.get(PurePosixPath(name).suffix.lower(), 2)
