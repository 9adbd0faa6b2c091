"""InceptionV3: weights found, verified and refused, and scores equal to torch-fidelity's.

The published file is replaced by one synthetic here in its format, with random numbers.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from wafer_core.errors import ModelError, ParameterError
from wafer_core.metrics import generation
from wafer_core.networks import features, inception
from wafer_core.networks.checkpoint import Tensors
from wafer_core.networks.published_weights import PublishedFile
from wafer_core.simulator import simulate_many

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def state() -> Tensors:
    """Random weights of torch-fidelity's InceptionV3, of which different pictures differ."""
    generator = torch.Generator().manual_seed(0)
    synthetic: Tensors = {}
    for key, shape in inception.shapes().items():
        if key.endswith("num_batches_tracked"):
            synthetic[key] = torch.zeros(shape, dtype=torch.long)
        elif key.endswith(("running_var", "bn.weight")):
            synthetic[key] = torch.ones(shape)
        elif key.endswith("weight"):
            fan = int(np.prod(shape[1:]))
            synthetic[key] = torch.randn(shape, generator=generator) * (2 / fan) ** 0.5
        else:
            synthetic[key] = torch.randn(shape, generator=generator) * 0.1
    return synthetic


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, state: Tensors) -> Path:
    """A file of those in torch-fidelity's own format, its checksum in its name."""
    folder = tmp_path_factory.mktemp("web")
    torch.save(state, folder / "saved")
    digest = hashlib.sha256((folder / "saved").read_bytes()).hexdigest()
    return (folder / "saved").rename(folder / f"weights-inception-{digest[:8]}.pth")


@pytest.fixture(autouse=True)
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, published: Path) -> Path:
    """An empty cache, and a torch-fidelity that publishes that file."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    known = (PublishedFile(inception.NAME, published.as_uri(), 95.6),)
    monkeypatch.setattr(inception, "published_files", lambda: known)
    return tmp_path / "torch" / "hub" / "checkpoints"


def test_the_published_file_carries_its_checksum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    [known] = inception.published_files()
    assert known.prefix == "6726825d"
    assert known.url.startswith("https://github.com/toshas/torch-fidelity/")


def test_missing_weights_are_reported() -> None:
    with pytest.raises(ModelError, match=r"weights download inception_v3”.*--from FILE"):
        features.load("inception", CPU)


def test_it_is_installed_once_and_then_found(hub: Path, published: Path) -> None:
    assert inception.describe()["path"] is None
    path = inception.install()
    assert path == hub / published.name == inception.find()
    assert inception.describe()["path"] == str(path)


def test_scores_agree_with_torch_fidelity(published: Path, tmp_path: Path) -> None:
    """Torch-fidelity runs on stored pictures with its own loader and metrics."""
    import torch_fidelity

    left, right = simulate_many("Center", 3, 0), simulate_many("Scratch", 2, 1)
    for name, wafers in (("left", left), ("right", right)):
        (tmp_path / name).mkdir()
        for number, wafer in enumerate(wafers):
            Image.fromarray(wafer).save(tmp_path / name / f"{number}.png")
    expected = torch_fidelity.calculate_metrics(
        input1=str(tmp_path / "left"), input2=str(tmp_path / "right"), cuda=False, batch_size=1,
        isc=True, fid=True, kid=True, kid_subsets=10, kid_subset_size=2, isc_splits=2, rng_seed=7,
        feature_extractor_weights_path=str(published), verbose=False, save_cpu_ram=True,
        cache_root=str(tmp_path), input1_cache_name="left", input2_cache_name="right",
    )  # fmt: skip
    network = features.load("inception", CPU, published)
    synthetic, real = network.extract(left), network.extract(right)
    assert synthetic.features.shape == (3, 2048)
    assert synthetic.features.std(0).max() > 0.01
    assert generation.frechet_distance(synthetic.features, real.features) == pytest.approx(
        expected["frechet_inception_distance"], rel=1e-3
    )
    # expected are computed in single precision
    assert generation.kernel_distance(synthetic.features, real.features, 2, 10, 7) == pytest.approx(
        (expected["kernel_inception_distance_mean"], expected["kernel_inception_distance_std"]),
        rel=1e-3, abs=1e-5,
    )  # fmt: skip
    assert generation.inception_score(synthetic.probabilities, 2, 7) == pytest.approx(
        (expected["inception_score_mean"], expected["inception_score_std"]), rel=1e-4, abs=1e-6
    )


def test_the_same_tensors_as_safetensors_are_accepted(
    tmp_path: Path, state: Tensors, published: Path
) -> None:
    file = tmp_path / "file.safetensors"
    safetensors.torch.save_file(state, file)
    network, digest = inception.load(file)
    assert digest == hashlib.sha256(file.read_bytes()).hexdigest()
    assert torch.equal(network.state_dict()["fc.weight"], state["fc.weight"])


@pytest.mark.parametrize("wrong", ["missing", "shape", "nan"])
def test_weights_that_do_not_fit_are_refused(wrong: str, tmp_path: Path, state: Tensors) -> None:
    key = "Conv2d_1a_3x3.conv.weight"
    other = dict(state)
    value = other.pop(key)
    if wrong == "shape":
        other[key] = value[:3].clone()
    if wrong == "nan":
        other[key] = value * torch.nan
    safetensors.torch.save_file(other, tmp_path / "file.safetensors")
    with pytest.raises(ModelError, match=rf"{key}.*(is missing|has shape|not finite)"):
        inception.load(tmp_path / "file.safetensors")


class _Code:
    """Opening this the unsafe way, as torch-fidelity would, makes a folder."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.folder,)


def test_a_file_with_code_is_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trap, bad = tmp_path / "trap", tmp_path / "bad.pth"
    torch.save({"Conv2d_1a_3x3.conv.weight": _Code(str(trap))}, bad)
    with pytest.raises(ModelError, match="is not the published file"):
        inception.load(bad)
    digest = hashlib.sha256(bad.read_bytes()).hexdigest()
    forged = (PublishedFile(inception.NAME, f"https://example.org/x-{digest[:8]}.pth", 1),)
    monkeypatch.setattr(inception, "published_files", lambda: forged)
    with pytest.raises(ModelError, match="was not opened"):
        inception.load(bad)
    assert not trap.exists()


def test_wafernet_accepts_no_file(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="leave --weights out"):
        features.load("wafernet", CPU, tmp_path / "file.pth")
    with pytest.raises(ParameterError, match="choose one of wafernet, inception"):
        features.load("magic", CPU)
