"""Files of weights that others publish: fetched when asked, verified, opened without trust.

A ``.pth`` file is a pickle, and nothing but plain numbers is taken out of one. What is published
carries the first digits of its SHA-256 in its name.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import pickle
import re
import urllib.request
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch

from wafer_core import files
from wafer_core.errors import ModelError

_MOST_BYTES = 300 * 2**20  # the largest of the files has 91 MiB
_SILENCE = 30  # seconds without a byte after which a download is given up
COMMAND = "python -m wafer_core weights download"

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Official:
    """One file of weights as its makers publish it."""

    network: str
    url: str
    megabytes: float

    @property
    def file(self) -> str:
        """Its name, which ends in the first digits of the SHA-256."""
        return self.url.rpartition("/")[2]

    @property
    def prefix(self) -> str:
        """Those digits (torch.hub's convention, ``name-0123abcd.pth``)."""
        found = re.search(r"-([0-9a-f]{8,64})\.pth$", self.file)
        if found is None:
            raise ModelError(
                f"{self.file} carries no checksum in its name, so it cannot be verified; use "
                "another version of the package that names it."
            )
        return found.group(1)


def cache_folder() -> Path:
    """Where torch keeps what it downloaded (``TORCH_HOME`` moves it)."""
    return Path(torch.hub.get_dir()) / "checkpoints"  # type: ignore[no-untyped-call]


def converted_path(name: str) -> Path:
    """Where a user's safetensors file is kept: it is none of those that are published."""
    return cache_folder() / f"teachable-wafer-{name}.safetensors"


def find(name: str, known: Sequence[Official]) -> Path | None:
    """The stored weights of a network, not yet verified; ``None`` if there are none."""
    places = [cache_folder() / each.file for each in known]
    return next((path for path in (*places, converted_path(name)) if path.is_file()), None)


def describe(name: str, known: Sequence[Official]) -> dict[str, str | float | None]:
    """What there is for a network, as JSON values; ``path`` is None where nothing is stored."""
    first, path = known[0], find(name, known)
    return {
        "network": name,
        "path": None if path is None else str(path),
        "url": first.url,
        "megabytes": first.megabytes,
        "sha256_begins": first.prefix,
    }


def install(
    name: str,
    known: Sequence[Official],
    check: Callable[[Tensors, Path], object],
    source: Path | None = None,
    progress: Callable[[float], None] | None = None,
) -> Path:
    """Verify weights and put them where ``find`` finds them.

    Args:
        name: Of the network.
        known: Its published files, the recommended one first.
        check: Raises where the numbers are not that network's.
        source: A file of the user: a published ``.pth`` under whatever name, or the same numbers as
            ``.safetensors``. None: the recommended file is downloaded.
        progress: Called with the share of the download that is done, 0 to 1; may raise to stop.

    Returns:
        The stored file.

    Raises:
        ModelError: It is not genuine, is damaged, or cannot be reached.
        StorageError: The disk is full or refuses.
    """
    if source is None:
        chosen, data = known[0], _download(known[0], progress)
    else:
        data = _bytes(source)
        if source.suffix.lower() == ".safetensors":
            # it cannot hold code, and nobody publishes a checksum of this form
            check(_parse_safetensors(source, data), source)
            files.write_bytes(converted_path(name), data)
            return converted_path(name)
        chosen = _matching(name, known, data, source)
    path = cache_folder() / chosen.file
    check(_unpickle(source or path, data), source or path)
    files.write_bytes(path, data)
    return path


def read(name: str, known: Sequence[Official], path: Path) -> tuple[Tensors, str]:
    """Numbers of a file: a published one, verified, or ``.safetensors``, which cannot hold code.

    Returns:
        The tensors, and the SHA-256 of the file.

    Raises:
        ModelError: It is not genuine, or damaged.
    """
    data = _bytes(path)
    digest = hashlib.sha256(data).hexdigest()
    if path.suffix.lower() == ".safetensors":
        return _parse_safetensors(path, data), digest
    named = [each for each in known if each.file == path.name]
    if named:
        _verify(path, data, named[0].prefix)
    else:
        _matching(name, known, data, path)
    return _unpickle(path, data), digest


def _matching(name: str, known: Sequence[Official], data: bytes, source: Path) -> Official:
    digest = hashlib.sha256(data).hexdigest()
    matching = [each for each in known if digest.startswith(each.prefix)]
    if not matching:
        expected = " or ".join(each.prefix for each in known)
        raise ModelError(
            f"{source} is not the published file for {name}: its SHA-256 begins with "
            f"{digest[:8]} instead of {expected}. Download {known[0].url} again, whole."
        )
    return matching[0]


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ModelError(f"{path} is far too large for such weights; choose another file.")
        return path.read_bytes()
    except OSError as exc:
        raise ModelError(f"{path} cannot be read ({exc.strerror}); name another file.") from exc


def _verify(path: Path | str, data: bytes, prefix: str) -> None:
    digest = hashlib.sha256(data).hexdigest()
    if not digest.startswith(prefix):
        raise ModelError(
            f"{path} is damaged or not genuine: its SHA-256 begins with {digest[: len(prefix)]} "
            f"instead of {prefix}. Delete it and fetch it again, or go without it."
        )


def _unpickle(path: Path, data: bytes) -> Tensors:
    """Numbers of a ``.pth`` file; anything in it that is not data is refused."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of how odd a file is: it is refused
            value = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as exc:
        raise ModelError(
            f"{path} holds something other than plain numbers and was not opened; use "
            "the published file."
        ) from exc
    except (RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError, OSError) as e:
        raise ModelError(f"{path} is damaged or cut short; fetch it again.") from e
    if not isinstance(value, dict) or not all(isinstance(v, torch.Tensor) for v in value.values()):
        raise ModelError(f"{path} is no file of weights; use the published file.")
    return {str(key): tensor for key, tensor in value.items()}


def _parse_safetensors(path: Path, data: bytes) -> Tensors:
    try:
        tensors: Tensors = safetensors.torch.load(data)
    except (safetensors.SafetensorError, ValueError) as exc:
        raise ModelError(f"{path} is damaged or cut short; fetch it again.") from exc
    return tensors


def _download(chosen: Official, progress: Callable[[float], None] | None) -> bytes:
    """Fetch a published file.

    Raises:
        ModelError: It cannot be reached, or what came is not it.
    """
    parts: list[bytes] = []
    received = 0
    try:
        with urllib.request.urlopen(chosen.url, timeout=_SILENCE) as answer:
            total = int(answer.headers.get("Content-Length") or chosen.megabytes * 1e6 or 1)
            while part := answer.read(2**20):
                parts.append(part)
                received += len(part)
                if received > _MOST_BYTES:
                    raise ModelError(f"{chosen.url} is far too large; something else answers.")
                if progress:
                    progress(min(1.0, received / total))
    except (OSError, http.client.HTTPException) as exc:  # no address, no answer, a broken one
        reason = getattr(exc, "reason", None) or exc
        raise ModelError(
            f"{chosen.url} cannot be reached ({reason}); fetch it on another machine and give it "
            f"by “{COMMAND} {chosen.network} --from FILE”."
        ) from exc
    data = b"".join(parts)
    _verify(chosen.url, data, chosen.prefix)
    return data
