"""Weight files published by others: downloaded on request, verified, and never unpickled as code.

A ``.pth`` file is a pickle; only plain tensors are read from it. The name of a published file ends
in the first digits of its SHA-256.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import pickle
import re
import urllib.request
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch

from wafer_core import files
from wafer_core.errors import ModelError
from wafer_core.networks.checkpoint import Tensors

_MAX_BYTES = 300 * 2**20  # the largest published file has 91 MiB
_TIMEOUT = 30  # seconds without a byte after which a download is aborted
COMMAND = "python -m wafer_core weights download"


@dataclass(frozen=True)
class PublishedFile:
    """One published weight file.

    Attributes:
        network: Its name.
        url: Where it is published.
        megabytes: Its size.
    """

    network: str
    url: str
    megabytes: float

    @property
    def file(self) -> str:
        """File name; it ends in the first digits of the SHA-256."""
        return self.url.rpartition("/")[2]

    @property
    def prefix(self) -> str:
        """Those digits (the convention of torch.hub, ``name-0123abcd.pth``).

        Raises:
            ModelError: The name holds no checksum.
        """
        found = re.search(r"-([0-9a-f]{8,64})\.pth$", self.file)
        if found is None:
            raise ModelError(
                "The name {file} holds no checksum, so the file cannot be verified; use another "
                "version of the package that publishes it.",
                file=self.file,
            )
        return found.group(1)


def cache_folder() -> Path:
    """Where torch keeps downloaded weights (``TORCH_HOME`` moves it)."""
    return Path(torch.hub.get_dir()) / "checkpoints"  # type: ignore[no-untyped-call]


def converted_path(name: str) -> Path:
    """Where a user's safetensors file is kept; it is not one of the published files."""
    return cache_folder() / f"teachable-wafer-{name}.safetensors"


def find(name: str, published: Sequence[PublishedFile]) -> Path | None:
    """The stored weights of a network, not yet verified; ``None`` if there are none."""
    paths = [cache_folder() / each.file for each in published]
    return next((path for path in (*paths, converted_path(name)) if path.is_file()), None)


def describe(name: str, published: Sequence[PublishedFile]) -> dict[str, str | float | None]:
    """What is available for a network, as JSON values; ``path`` is None if nothing is stored."""
    first, path = published[0], find(name, published)
    return {
        "network": name,
        "path": None if path is None else str(path),
        "url": first.url,
        "megabytes": first.megabytes,
        "sha256_begins": first.prefix,
    }


def install(
    name: str,
    published: Sequence[PublishedFile],
    check: Callable[[Tensors, Path], object],
    source: Path | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> Path:
    """Verify weights and store them where ``find`` looks.

    Args:
        name: Of the network.
        published: Its published files, the recommended one first.
        check: Raises if the tensors do not belong to the network.
        source: A file of the user: a published ``.pth`` under any name, or the same tensors as
            ``.safetensors``. None: the recommended file is downloaded.
        on_progress: Called with the share of the download that is done, 0 to 1; may raise to stop.

    Returns:
        The stored file.

    Raises:
        ModelError: It is not a published file, is damaged, or cannot be reached.
        StorageError: The disk is full or read-only.
    """
    if source is None:
        chosen, data = published[0], _download(published[0], on_progress)
    else:
        data = _read_bytes(source)
        if source.suffix.lower() == ".safetensors":
            # It cannot hold code, and nobody publishes a checksum for this format.
            check(_parse_safetensors(source, data), source)
            files.write_bytes(converted_path(name), data, parents=True)
            return converted_path(name)
        chosen = _matching(name, published, data, source)
    path = cache_folder() / chosen.file
    check(_parse_pickle(source or path, data), source or path)
    files.write_bytes(path, data, parents=True)
    return path


def read(name: str, published: Sequence[PublishedFile], path: Path) -> tuple[Tensors, str]:
    """Read a published ``.pth`` file, verified, or a ``.safetensors`` file.

    Args:
        name: Of the network.
        published: Its published files.
        path: Of the file.

    Returns:
        The tensors, and the SHA-256 of the file.

    Raises:
        ModelError: It is not a published file, or is damaged.
    """
    data = _read_bytes(path)
    digest = hashlib.sha256(data).hexdigest()
    if path.suffix.lower() == ".safetensors":
        return _parse_safetensors(path, data), digest
    same_name = [each for each in published if each.file == path.name]
    if same_name:
        _verify(path, data, same_name[0].prefix)
    else:
        _matching(name, published, data, path)
    return _parse_pickle(path, data), digest


def select_tensors(
    tensors: Tensors, shapes: Mapping[str, tuple[int, ...]], path: Path, network: str
) -> Tensors:
    """The tensors that a network needs.

    Args:
        tensors: As read from a file.
        shapes: Of the tensors that are needed, by name.
        path: Of the file, for messages.
        network: Its name, for messages.

    Raises:
        ModelError: One is missing, has another shape, or is not finite.
    """
    for name, shape in shapes.items():
        found = tensors.get(name)
        if found is None:
            raise ModelError(
                "{path} does not hold {network}: “{tensor}” is missing; use the published file.",
                path=str(path),
                network=network,
                tensor=name,
            )
        if tuple(found.shape) != shape:
            raise ModelError(
                "{path} does not hold {network}: “{tensor}” has shape {shape}; use the published "
                "file.",
                path=str(path),
                network=network,
                tensor=name,
                shape=str(tuple(found.shape)),
            )
        if found.is_floating_point() and not bool(torch.isfinite(found).all()):
            raise ModelError(
                "{path}: “{tensor}” holds values that are not finite; download the file again.",
                path=str(path),
                tensor=name,
            )
    return {name: tensors[name] for name in shapes}


def _matching(
    name: str, published: Sequence[PublishedFile], data: bytes, source: Path
) -> PublishedFile:
    digest = hashlib.sha256(data).hexdigest()
    matching = [each for each in published if digest.startswith(each.prefix)]
    if not matching:
        raise ModelError(
            "{path} is not the published file for {network}: its SHA-256 begins with {found} "
            "instead of {expected}. Download {url} again.",
            path=str(source),
            network=name,
            found=digest[:8],
            expected=" / ".join(each.prefix for each in published),
            url=published[0].url,
        )
    return matching[0]


def _read_bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ModelError(
                "{path} is too large for a weight file; choose another file.", path=str(path)
            )
        return path.read_bytes()
    except OSError as exc:
        raise ModelError(
            "{path} cannot be read ({reason}); choose another file.",
            path=str(path),
            reason=str(exc.strerror),
        ) from exc


def _verify(path: Path | str, data: bytes, prefix: str) -> None:
    digest = hashlib.sha256(data).hexdigest()
    if not digest.startswith(prefix):
        raise ModelError(
            "{path} is damaged or has been changed: its SHA-256 begins with {found} instead of "
            "{expected}. Delete it and download it again, or train from scratch.",
            path=str(path),
            found=digest[: len(prefix)],
            expected=prefix,
        )


def _damaged(path: Path) -> ModelError:
    return ModelError("{path} is damaged or cut short; download it again.", path=str(path))


def _parse_pickle(path: Path, data: bytes) -> Tensors:
    """Tensors of a ``.pth`` file; anything in it that is not data is refused."""
    try:
        with warnings.catch_warnings(action="ignore"):  # about odd files, which are refused
            value = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as exc:
        raise ModelError(
            "{path} holds something other than plain tensors and was not opened; use the "
            "published file.",
            path=str(path),
        ) from exc
    except (RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError, OSError) as e:
        raise _damaged(path) from e
    if not isinstance(value, dict) or not all(isinstance(v, torch.Tensor) for v in value.values()):
        raise ModelError("{path} is not a weight file; use the published file.", path=str(path))
    return {str(key): tensor for key, tensor in value.items()}


def _parse_safetensors(path: Path, data: bytes) -> Tensors:
    try:
        tensors: Tensors = safetensors.torch.load(data)
    except (safetensors.SafetensorError, ValueError) as exc:
        raise _damaged(path) from exc
    return tensors


def _download(chosen: PublishedFile, on_progress: Callable[[float], None] | None) -> bytes:
    """Download a published file.

    Raises:
        ModelError: It cannot be reached, or something else was received.
    """
    chunks: list[bytes] = []
    received = 0
    try:
        with urllib.request.urlopen(chosen.url, timeout=_TIMEOUT) as response:
            total = int(response.headers.get("Content-Length") or chosen.megabytes * 1e6 or 1)
            while chunk := response.read(2**20):
                chunks.append(chunk)
                received += len(chunk)
                if received > _MAX_BYTES:
                    raise ModelError(
                        "{url} returned far more data than a weight file holds; check the "
                        "connection or use --from FILE.",
                        url=chosen.url,
                    )
                if on_progress:
                    on_progress(min(1.0, received / total))
    except (OSError, http.client.HTTPException) as exc:  # no address, no response, a broken one
        raise ModelError(
            "{url} cannot be reached ({reason}); download it on another machine and install it "
            "with “{command}”.",
            url=chosen.url,
            reason=str(getattr(exc, "reason", None) or exc),
            command=f"{COMMAND} {chosen.network} --from FILE",
        ) from exc
    data = b"".join(chunks)
    _verify(chosen.url, data, chosen.prefix)
    return data
