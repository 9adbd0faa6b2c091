"""ImageNet weights: found, verified, installed, refused, and adapted. No internet needed.

Torchvision's list of files is replaced by one with the checksum of a file made here.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn
from torchvision import models

from wafer_core import cli
from wafer_core.errors import ModelError, ParameterError
from wafer_core.networks import imagenet, inception, published_weights, registry
from wafer_core.networks.penultimate import last_layer
from wafer_core.networks.published_weights import PublishedFile

NAME = "mobilenet_v2"  # the smallest of the three


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    """Weights of torchvision's network for a thousand classes, as if it had been trained."""
    torch.manual_seed(3)
    network = models.mobilenet_v2(weights=None)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -1, 1)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return network.state_dict()


@pytest.fixture(scope="module")
def published(
    tmp_path_factory: pytest.TempPathFactory, state: dict[str, torch.Tensor]
) -> PublishedFile:
    """A file of those, published with its checksum in its name."""
    return publish(tmp_path_factory.mktemp("web"), state)


@pytest.fixture(autouse=True)
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, published: PublishedFile) -> Path:
    """An empty cache, and a torchvision that knows the published file only."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    publish_only(monkeypatch, published)
    return tmp_path / "torch" / "hub" / "checkpoints"


def publish_only(monkeypatch: pytest.MonkeyPatch, *known: PublishedFile) -> None:
    monkeypatch.setattr(imagenet, "published_files", lambda name: known)


def publish(folder: Path, value: object, data: bytes | None = None) -> PublishedFile:
    """Save something as torchvision would have published it."""
    if data is None:
        torch.save(value, folder / "saved")
        data = (folder / "saved").read_bytes()
    path = folder / f"mobilenet_v2-{hashlib.sha256(data).hexdigest()[:8]}.pth"
    path.write_bytes(data)
    return PublishedFile(NAME, path.as_uri(), len(data) / 1e6)


def file_of(published: PublishedFile) -> Path:
    return Path(published.url.removeprefix("file://"))


# -- what torchvision publishes ------------------------------------------------------------------


@pytest.mark.parametrize("name", imagenet.NAMES)
def test_torchvisions_files_have_a_checksum_in_their_name(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    files = imagenet.published_files(name)
    weights = models.get_model_weights(name)
    assert files[0].url == weights.DEFAULT.url
    assert {f.url for f in files} == {w.url for w in weights}
    for each in files:
        assert len(each.prefix) == 8
        assert each.file.endswith(f"-{each.prefix}.pth")
        assert 5 < each.megabytes < 100


def test_only_networks_for_photographs_have_imagenet_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    with pytest.raises(ParameterError, match=r"'wafer_cnn'.*efficientnet_b0, mobilenet_v2"):
        imagenet.find("wafer_cnn")


def test_a_file_without_a_checksum_in_its_name_is_not_trusted() -> None:
    with pytest.raises(ModelError, match="holds no checksum"):
        _ = PublishedFile(NAME, "https://example.org/mobilenet_v2.pth", 1).prefix


# -- finding and installing ----------------------------------------------------------------------


def test_missing_weights_are_reported_and_nothing_is_downloaded(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        published_weights.urllib.request, "urlopen", lambda *_: pytest.fail("fetched")
    )
    assert imagenet.find(NAME) is None
    sentence = str(imagenet.missing_message(NAME))
    assert sentence.startswith("There are no ImageNet weights for MobileNetV2 on this machine")
    assert "weights download mobilenet_v2" in sentence
    assert not hub.exists()


def test_a_download_is_verified_and_then_found(hub: Path, published: PublishedFile) -> None:
    reported: list[float] = []
    path = imagenet.install(NAME, on_progress=reported.append)
    assert path == hub / published.file == imagenet.find(NAME)
    assert path.read_bytes() == file_of(published).read_bytes()
    assert reported == sorted(reported)
    assert reported[-1] == 1.0
    assert [p.name for p in hub.iterdir()] == [published.file]


def test_an_unreachable_address_is_explained(
    tmp_path: Path, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = PublishedFile(NAME, (tmp_path / "gone-01234567.pth").as_uri(), 1)
    publish_only(monkeypatch, gone)
    with pytest.raises(ModelError, match=r"cannot be reached.*another machine.*--from FILE"):
        imagenet.install(NAME)
    assert imagenet.find(NAME) is None


def test_a_download_that_breaks_off_is_not_kept(
    hub: Path, published: PublishedFile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    short = tmp_path / published.file
    short.write_bytes(file_of(published).read_bytes()[:-100])
    publish_only(monkeypatch, PublishedFile(NAME, short.as_uri(), 1))
    with pytest.raises(ModelError, match=rf"has been changed.*instead of {published.prefix}"):
        imagenet.install(NAME)
    assert not hub.exists()


def test_a_users_file_is_accepted_under_any_name(
    tmp_path: Path, hub: Path, published: PublishedFile
) -> None:
    file = tmp_path / "from a stick.bin"
    file.write_bytes(file_of(published).read_bytes())
    assert imagenet.install(NAME, file) == hub / published.file


@pytest.mark.parametrize("change", ["truncated", "one bit", "empty"])
def test_a_users_damaged_file_is_refused(
    change: str, tmp_path: Path, published: PublishedFile
) -> None:
    data = bytearray(file_of(published).read_bytes())
    if change == "one bit":
        data[len(data) // 2] ^= 1
    file = tmp_path / published.file
    file.write_bytes({"truncated": data[: len(data) // 2], "empty": b""}.get(change, data))
    with pytest.raises(
        ModelError, match=rf"its SHA-256 begins with .* instead of {file.stem[-8:]}"
    ):
        imagenet.install(NAME, file)
    assert imagenet.find(NAME) is None


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.pth cannot be read \(No such file"):
        imagenet.install(NAME, tmp_path / "none.pth")


class _Code:
    """Opening this the unsafe way would make a folder."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("form", ["torch", "plain"])
def test_a_file_with_code_is_refused_even_with_the_right_checksum(
    form: str, tmp_path: Path, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight digits can be forged; nothing is executed even then."""
    trap = tmp_path / "trap"
    value = {"features.0.0.weight": _Code(str(trap))}
    data = pickle.dumps(value) if form == "plain" else None
    bad = publish(tmp_path, value, data)
    publish_only(monkeypatch, bad)
    with pytest.raises(ModelError, match=r"was not opened|damaged"):
        imagenet.install(NAME, file_of(bad))
    hub.mkdir(parents=True)
    (hub / bad.file).write_bytes(file_of(bad).read_bytes())
    with pytest.raises(ModelError, match=r"was not opened|damaged"):
        imagenet.load(NAME, 3, hub / bad.file)
    assert not trap.exists()


def test_the_same_tensors_as_safetensors_are_accepted(
    tmp_path: Path, state: dict[str, torch.Tensor]
) -> None:
    safetensors.torch.save_file(state, tmp_path / "file.safetensors")
    path = imagenet.install(NAME, tmp_path / "file.safetensors")
    assert path == imagenet.find(NAME)
    assert path.suffix == ".safetensors"
    network = imagenet.load(NAME, 4, path)
    torch.testing.assert_close(
        network.state_dict()["features.5.conv.0.0.weight"], state["features.5.conv.0.0.weight"]
    )
    (tmp_path / "cut.safetensors").write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ModelError, match="damaged or cut short"):
        imagenet.install(NAME, tmp_path / "cut.safetensors")


@pytest.mark.parametrize("wrong", ["missing", "shape", "nan"])
def test_weights_that_do_not_fit_are_refused(
    wrong: str, tmp_path: Path, state: dict[str, torch.Tensor]
) -> None:
    key = "features.5.conv.0.0.weight"
    other = dict(state)
    value = other.pop(key)
    if wrong == "shape":
        other[key] = value[:3].clone()
    if wrong == "nan":
        other[key] = value * torch.nan
    safetensors.torch.save_file(other, tmp_path / "file.safetensors")
    with pytest.raises(ModelError, match=rf"{key}.*(is missing|has shape|not finite)"):
        imagenet.install(NAME, tmp_path / "file.safetensors")


# -- the command ---------------------------------------------------------------------------------


def test_the_command_lists_and_installs_a_file(
    tmp_path: Path, published: PublishedFile, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["weights", "list"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [entry["network"] for entry in listed] == [*imagenet.NAMES, inception.NAME]
    assert {entry["path"] for entry in listed} == {None}
    assert cli.main(["weights", "download", NAME, "--from", str(file_of(published))]) == 0
    reported = json.loads(capsys.readouterr().out)
    assert Path(reported["path"]) == imagenet.find(NAME)
    assert reported["sha256_begins"] == published.prefix
    assert cli.main(["weights", "download", NAME]) == 0
    assert "Downloading" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["download"], "needs a name; choose one of efficientnet_b0"),
        (["list", NAME], "takes neither a name"),
        (["download", NAME, "--from", "no such file"], "no such file cannot be read"),
        (["fetch"], "see python -m wafer_core weights --help"),
    ],
)
def test_wrong_calls_are_explained_in_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["weights", *arguments]) == 2
    shown = capsys.readouterr()
    assert sentence in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out == ""


# -- starting from them --------------------------------------------------------------------------


def test_a_cached_file_is_verified_each_time(hub: Path, published: PublishedFile) -> None:
    path = imagenet.install(NAME)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelError, match=r"damaged or has been changed.*train from scratch"):
        imagenet.load(NAME, 3, path)


def test_the_head_is_new_and_the_rest_is_as_published(state: dict[str, torch.Tensor]) -> None:
    network = imagenet.load(NAME, 5, imagenet.install(NAME))
    file = network.state_dict()
    assert file["classifier.1.weight"].shape == (5, 1280)
    changed = {k for k, v in file.items() if v.shape != state[k].shape or not v.equal(state[k])}
    assert changed == {
        "classifier.1.weight", "classifier.1.bias",
        "features.0.0.weight", "features.0.1.running_mean",
    }  # fmt: skip


def test_colours_are_standardised_inside_the_network(state: dict[str, torch.Tensor]) -> None:
    """Away from the edge, the first batch norm gives the same for raw and standardised colours."""
    original = models.mobilenet_v2(weights=None)
    original.load_state_dict(state)
    fitted = imagenet.load(NAME, 5, imagenet.install(NAME))
    picture = torch.rand(2, 3, 64, 64)
    mean, spread = (torch.tensor(v).view(3, 1, 1) for v in (imagenet.MEAN, imagenet.STD))
    with torch.inference_mode():
        stem, its_norm, _ = original.eval().features[0].children()
        expected = its_norm(stem((picture - mean) / spread))
        stem, its_norm, _ = fitted.eval().features[0].children()
        found = its_norm(stem(picture))
    torch.testing.assert_close(found[..., 1:, 1:], expected[..., 1:, 1:], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", imagenet.NAMES)
def test_each_network_loads_its_own_weights(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = models.get_model(name, weights=None)
    known = publish(tmp_path, made.state_dict())
    publish_only(monkeypatch, known)
    network = imagenet.load(name, 4, imagenet.install(name)).eval()
    assert last_layer(network)[1].out_features == 4
    assert set(network.state_dict()) == set(registry.build(name, 4).state_dict())
    with torch.inference_mode():
        assert network(torch.rand(1, 3, 64, 64)).shape == (1, 4)


def test_old_files_without_batch_counters_are_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: dict[str, torch.Tensor]
) -> None:
    old = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    publish_only(monkeypatch, publish(tmp_path, old))
    network = imagenet.load(NAME, 2, imagenet.install(NAME))
    assert int(network.state_dict()["features.0.1.num_batches_tracked"]) == 0
