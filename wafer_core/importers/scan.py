"""Search files, folders, archives and uploads for wafers, without decoding them.

``formats.READERS`` has a reader for each format. What lies together is read together: a folder says
class and split, labels may be in another file than their maps, and masks belong to pictures.
"""

from __future__ import annotations

import io
import os
import stat
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np

from wafer_core.errors import ArchiveError, InputError, PictureError
from wafer_core.importers.archives import member_file, open_zip, unpacked
from wafer_core.importers.array_sets import read_npy_files
from wafer_core.importers.folders import is_generic, masks_beside, read_folders
from wafer_core.importers.formats import (
    ARRAY,
    REPORT_CUTS,
    ZIP,
    find_format,
    read_file,
    unknown,
)
from wafer_core.importers.items import (
    Candidate,
    LazyCandidates,
    Limits,
    Loaded,
    Rejected,
    Scan,
    SourceFile,
    Upload,
    decoding,
)
from wafer_core.importers.options import ReadOptions
from wafer_core.importers.orientation import oriented
from wafer_core.importers.pictures import looks_like_mask
from wafer_core.messages import Message, counted, message

_DEFAULT_LIMITS = Limits()
_DEFAULT_OPTIONS = ReadOptions()
_JUNK = frozenset(("thumbs.db", "desktop.ini", "__macosx"))
_MASKS_LOOKED_AT = 8


def scan(
    sources: Sequence[Path | Upload],
    *,
    limits: Limits = _DEFAULT_LIMITS,
    options: ReadOptions = _DEFAULT_OPTIONS,
    by_file: Mapping[str, ReadOptions] | None = None,
) -> Scan:
    """List every picture in the sources; bad files are rejected and good ones kept.

    The class of a picture is the name of its folder within the source: a folder, a zip, or all
    files of one drop. Labels in a data file take precedence. Folders named train, validation and
    test set the split.

    Args:
        sources: Files and folders on this machine, or uploads.
        limits: Limits of the import.
        options: What the user says about the files.
        by_file: The same for single files, by their names.
    """
    scanner = _Scanner(limits, options, by_file or {})
    drop: list[SourceFile] = []
    for source in sources:
        if isinstance(source, Upload):
            name = source.name.replace("\\", "/").lstrip("/")
            if not _is_junk(name):
                drop.append(_uploaded(name, source))
        elif source.is_dir():
            scanner.add_folder(source)
        elif source.exists():
            scanner.take(source, source.name, drop)
        else:
            reason = message(
                "{file}: there is no such file or folder; check the path {path}.",
                file=source.name,
                path=str(source),
            )
            scanner.found.rejected.append(Rejected(source.name, reason))
    scanner.add_tree(drop)
    return scanner.found


def sample(
    candidates: Sequence[Candidate], limit_per_class: int | None, seed: int
) -> Sequence[Candidate]:
    """At most ``limit_per_class`` random candidates per class, in their order.

    Args:
        candidates: From ``scan``.
        limit_per_class: ``None`` keeps all.
        seed: The same seed chooses the same candidates.
    """
    if limit_per_class is None:
        return candidates
    members: dict[str | None, list[int]] = {}
    for index, candidate in enumerate(candidates):
        members.setdefault(candidate.class_name, []).append(index)
    kept: list[int] = []
    for name, indices in members.items():
        # Each class has its own random stream, so that another class does not change the choice.
        rng = np.random.default_rng([seed, zlib.crc32((name or "").encode("utf-8"))])
        count = min(max(limit_per_class, 0), len(indices))
        kept += rng.choice(indices, count, replace=False).tolist()
    return [candidates[index] for index in sorted(kept)]


def _is_junk(name: str) -> bool:
    """Whether a path is a hidden file, a preview cache or a resource fork."""
    return any(
        (part.startswith(".") and part != "..") or part.lower() in _JUNK
        for part in PurePosixPath(name).parts
    )


def _uploaded(name: str, upload: Upload) -> SourceFile:
    if upload.path is not None:
        return _on_disk(name, upload.path, upload.path.stat().st_size)
    return SourceFile(name, None, len(upload.data), partial(io.BytesIO, upload.data))


def _on_disk(name: str, path: Path, size: int) -> SourceFile:
    def open_file() -> IO[bytes]:
        return path.open("rb")

    return SourceFile(name, None, size, open_file, path)


class _Scanner:
    """Collects what is found; a file that cannot be read is rejected, whatever is wrong with it."""

    def __init__(
        self, limits: Limits, options: ReadOptions, by_file: Mapping[str, ReadOptions]
    ) -> None:
        self.found = Scan()
        self._limits, self._options, self._by_file = limits, options, by_file

    def options_of(self, name: str) -> ReadOptions:
        """What the user says about a file."""
        return self._by_file.get(name, self._options)

    def take(self, path: Path, name: str, into: list[SourceFile]) -> None:
        """Note a file on the disk, if it is one: pipes and devices would never end."""
        # bytes that are not UTF-8 are lone surrogates here, which no file of ours can store
        shown = name.encode("utf-8", "replace").decode()
        try:
            status = path.stat()
        except OSError as exc:
            self._reject(shown, _unreadable(shown, exc))
            return
        if not stat.S_ISREG(status.st_mode):
            self._reject(
                shown, PictureError("{file} is a pipe or a device; give a file.", file=shown)
            )
            return

        into.append(_on_disk(shown, path, status.st_size))

    def add_folder(self, folder: Path) -> None:
        """Everything in a folder and its subfolders; links to folders are not followed."""
        files: list[SourceFile] = []
        for place, folders, names in os.walk(folder):
            folders.sort()
            for each in sorted(names):
                path = Path(place, each)
                name = path.relative_to(folder).as_posix()
                if not _is_junk(name):
                    self.take(path, name, files)
        self.add_tree(files, suggestion=folder.resolve().name)

    def add_tree(
        self,
        files: Sequence[SourceFile],
        paths: Sequence[str] | None = None,
        suggestion: str = "",
        inside: bool = False,
    ) -> None:
        """Files of one source, with their folders.

        Args:
            files: The files.
            paths: Their paths in the source; ``None``: their names.
            suggestion: Name of the source, offered as the class if it has no folders.
            inside: Whether the source is a zip.
        """
        paths = [file.name for file in files] if paths is None else paths
        facts = read_folders(paths)
        is_flat = all("/" not in path for path in paths)
        offered = suggestion if is_flat and suggestion and not is_generic(suggestion) else None
        placed = [
            replace(
                file,
                class_name=fact.class_name or file.class_name,
                split=(fact.split if self._options.keep_split else None) or file.split,
                suggestion=offered if not file.class_name else None,
            )
            for file, fact in zip(files, facts, strict=True)
        ]
        splits = [fact.split for fact in facts if fact.split]
        if splits and self._options.keep_split:
            self.found.notes.append(_split_note(splits))
        aside = self._masks(placed, paths, [fact.is_mask for fact in facts])
        kept = [k for k in range(len(placed)) if k not in aside]
        self._read_all([placed[k] for k in kept], [paths[k] for k in kept], inside)

    def _masks(
        self, files: Sequence[SourceFile], paths: Sequence[str], in_folder: Sequence[bool]
    ) -> set[int]:
        """Masks of pictures, which are set aside."""
        named = masks_beside(paths)
        aside = {*named.certain, *(k for k, is_mask in enumerate(in_folder) if is_mask)}
        step = max(1, len(named.likely) // _MASKS_LOOKED_AT)
        shown = named.likely[::step]
        if shown and all(looks_like_mask(files[k].head(16 * 2**20)) for k in shown):
            aside.update(named.likely)
        if not aside or len(aside) == len(files):
            return set()
        self.found.notes.append(
            counted(
                "{count:,} mask was set aside; it belongs to a picture.",
                "{count:,} masks were set aside; they belong to pictures.",
                len(aside),
            )
        )
        return aside

    def _read_all(self, files: Sequence[SourceFile], paths: Sequence[str], inside: bool) -> None:
        kinds: list[str | None] = []
        sources: list[SourceFile] = []
        for file in files:
            source, kind = self._identify(file)
            sources.append(source)
            kinds.append(kind)
        arrays: dict[str, dict[str, SourceFile]] = {}
        for source, path, kind in zip(sources, paths, kinds, strict=True):
            if kind == ARRAY:
                place = PurePosixPath(path)
                arrays.setdefault(place.parent.as_posix(), {})[place.stem] = source
        for source, path, kind in zip(sources, paths, kinds, strict=True):
            if kind is None:
                continue
            if kind == ARRAY:
                together = arrays.pop(PurePosixPath(path).parent.as_posix(), None)
                if together:
                    self._add(source.name, partial(self._arrays, together))
            elif kind == ZIP:
                self._add_zip(source, inside)
            else:
                options = self.options_of(source.name)
                self._add(
                    source.name, partial(read_file, source, kind, self._limits, options), options
                )

    def _arrays(self, files: Mapping[str, SourceFile]) -> Scan:
        return read_npy_files(files, self._limits, self.options_of)

    def _identify(self, file: SourceFile) -> tuple[SourceFile, str | None]:
        """The content of a file, unpacked, and its format; it is rejected if there is none."""
        try:
            with decoding(file.name):
                inner = unpacked(file, self._limits, intact=True)
                if inner is not None and unpacked(inner, self._limits) is not None:
                    raise ArchiveError(
                        "{file} is compressed twice; unpack it once.", file=file.name
                    )
                kind = find_format(inner or file, self._limits)
                if inner is not None and kind not in REPORT_CUTS:
                    inner = unpacked(file, self._limits)
                if inner is not None and not inner.head(1):
                    inner.read(1)  # raises what is wrong
                if kind is None:
                    raise unknown(file)
                return inner or file, kind
        except InputError as exc:
            self._reject(file.name, exc)
            return file, None

    def _add(self, name: str, read: partial[Scan], options: ReadOptions | None = None) -> None:
        try:
            with decoding(name):
                result = read()
        except InputError as exc:
            self._reject(name, exc)
            return
        for found in result.files:
            used = options or self.options_of(found.name)
            self.found.files.append(replace(found, candidates=_guarded(found.candidates, used)))
        self.found.rejected += result.rejected
        self.found.notes += result.notes

    def _add_zip(self, file: SourceFile, inside: bool) -> None:
        try:
            if inside:
                raise ArchiveError(
                    "{file}: a zip inside a zip is not opened; unpack it first.", file=file.name
                )
            with decoding(file.name):
                archive, members = open_zip(file, self._limits)
        except InputError as exc:
            self._reject(file.name, exc)
            return
        useful = [member for member in members if not _is_junk(member.filename)]
        short = PurePosixPath(file.name).name
        files = [
            member_file(archive, member, file.named(f"{short}/{member.filename}"))
            for member in useful
        ]
        self.add_tree(
            files, [member.filename for member in useful], PurePosixPath(short).stem, inside=True
        )

    def _reject(self, name: str, reason: InputError) -> None:
        self.found.rejected.append(Rejected(name, reason.message))


def _unreadable(name: str, exc: OSError) -> PictureError:
    return PictureError(
        "{file}: the file cannot be read ({reason}); check it.",
        file=name,
        reason=exc.strerror or str(exc),
    )


def _split_note(splits: Sequence[str]) -> Message:
    return message(
        "The folders set the split: {train:,} files for training, {validation:,} for validation, "
        "{test:,} for test.",
        train=splits.count("train"),
        validation=splits.count("validation"),
        test=splits.count("test"),
    )


def _guarded(candidates: Sequence[Candidate], options: ReadOptions) -> Sequence[Candidate]:
    """The same candidates; whatever a decoder raises becomes an error of that one."""

    def create(index: int) -> Candidate:
        candidate = candidates[index]
        return replace(candidate, load=partial(_load, candidate, options))

    return LazyCandidates(len(candidates), create)


def _load(candidate: Candidate, options: ReadOptions) -> Loaded:
    with decoding(candidate.name):
        return oriented(candidate.load(), options)
