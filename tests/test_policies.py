"""Augmentation policies: the effect of each operation, and how policies are drawn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from wafer_core.errors import ParameterError
from wafer_core.networks.preparation import Preparation
from wafer_core.simulator import simulate_many
from wafer_core.tasks.augmentation import operations, policies
from wafer_core.tasks.augmentation.dihedral import transform
from wafer_core.tasks.augmentation.operations import OPERATIONS
from wafer_core.tasks.augmentation.policies import Step, apply_policy, read_policy, write_policy
from wafer_core.tasks.classification.config import TrainConfig
from wafer_core.tasks.classification.train import train
from wafer_core.tasks.classification.train_data import TrainData

F = v2.functional
SEARCHED = "rotate 0.5 0.3 + noise 1 0.2 | erase 0.8 0.4"


@pytest.fixture(scope="module")
def batch() -> torch.Tensor:
    """Three patterns, prepared."""
    names = ("Center", "Edge-Ring", "Scratch")
    pictures = [simulate_many(name, 2, k)[1] for k, name in enumerate(names)]
    return Preparation().prepare(pictures)


def applied(
    name: str, batch: torch.Tensor, strength: float | torch.Tensor, seed: int = 0
) -> torch.Tensor:
    strengths = torch.full((len(batch),), strength) if isinstance(strength, float) else strength
    return OPERATIONS[name].apply(batch, strengths, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_keeps_the_shape_the_range_and_its_input(
    batch: torch.Tensor, name: str
) -> None:
    before = batch.clone()
    for strength in (0.0, 0.5, 1.0):
        changed = applied(name, batch, strength)
        assert changed.shape == batch.shape
        assert changed.dtype == batch.dtype
        assert changed.isfinite().all()
        assert changed.min() >= 0
        assert changed.max() <= 1 + 1e-6
    assert torch.equal(batch, before)


@pytest.mark.parametrize("name", OPERATIONS)
def test_strength_0_changes_nothing_and_1_more_than_a_tenth(batch: torch.Tensor, name: str) -> None:
    assert (applied(name, batch, 0.0) - batch).abs().max() < 1e-4
    weak = (applied(name, batch, 0.1) - batch).abs().mean()
    strong = (applied(name, batch, 1.0) - batch).abs().mean()
    assert strong == 0 if name == "nothing" else strong > max(float(weak), 0.005)


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_same_seed_gives_the_same(batch: torch.Tensor, name: str) -> None:
    assert torch.equal(applied(name, batch, 0.7, 3), applied(name, batch, 0.7, 3))


def test_each_picture_has_its_own_strength(batch: torch.Tensor) -> None:
    changed = applied("edge", batch, torch.tensor([0.0, 0.5, 1.0]))
    assert torch.equal(changed[0], batch[0])
    lost = (batch[:, 0] > 0).sum((1, 2)) - (changed[:, 0] > 0).sum((1, 2))
    assert lost[0] == 0
    assert 0 < lost[1] < lost[2]


# -- against torchvision --------------------------------------------------------------------------


def affine(picture: torch.Tensor, **given: float | list[float]) -> torch.Tensor:
    options = {"angle": 0.0, "translate": [0.0, 0.0], "scale": 1.0, "shear": [0.0, 0.0]} | given
    return F.affine(picture, interpolation=v2.InterpolationMode.BILINEAR, **options)


@pytest.mark.parametrize("seed", range(4))
def test_geometric_operations_agree_with_torchvision(batch: torch.Tensor, seed: int) -> None:
    one = batch[1:2]
    pairs = {
        "rotate": [affine(one, angle=sign * 22.5) for sign in (1, -1)],
        "zoom": [affine(one, scale=1.3 ** (0.5 * sign)) for sign in (1, -1)],
        "shear": [
            affine(one, shear=shear)
            for angle in (np.degrees(np.arctan(0.15)), -np.degrees(np.arctan(0.15)))
            for shear in ([angle, 0.0], [0.0, angle])
        ],
    }
    for name, expected in pairs.items():
        changed = applied(name, one, 0.5, seed)
        assert min((changed - e).abs().max() for e in expected) < 1e-3


def test_shift_agrees_with_torchvision(batch: torch.Tensor) -> None:
    changed = applied("shift", batch[:1], 1.0, 2)
    direction = 2 * np.pi * torch.rand(1, generator=torch.Generator().manual_seed(2))
    x, y = float(direction.cos()) * 0.15 * 64, float(direction.sin()) * 0.15 * 64
    sampled = affine(batch[:1], translate=[-x, -y])
    assert (changed - sampled).abs().max() < 1e-3


def test_blur_agrees_with_torchvision(batch: torch.Tensor) -> None:
    changed = applied("blur", batch, torch.tensor([0.0, 0.5, 1.0]))
    for index, sigma in enumerate((0.1, 0.8, 1.5)):
        expected = F.gaussian_blur(batch[index], [9, 9], [sigma, sigma])
        assert (changed[index] - expected).abs().max() < 1e-5


def test_elastic_agrees_with_torchvision(batch: torch.Tensor) -> None:
    changed = applied("elastic", batch[:1], 0.6, 4)
    coarse = torch.randn(1, 2, 6, 6, generator=torch.Generator().manual_seed(4))
    field = torch.nn.functional.interpolate(coarse, (64, 64), mode="bicubic") * 0.06
    expected = F.elastic(batch[:1], field.permute(0, 2, 3, 1))
    assert (changed - expected).abs().max() < 1e-4


def test_erase_removes_a_rectangle_of_the_right_size() -> None:
    full = torch.ones(400, 3, 32, 32)
    erased = (applied("erase", full, 1.0) == 0).all(1)
    rows, columns = erased.any(2), erased.any(1)
    assert torch.equal(erased, rows[:, :, None] & columns[:, None, :])
    assert 0.1 < erased.float().mean() < 0.2  # a fifth, less what lies outside
    assert erased.float().mean((1, 2)).max() <= 0.25


# -- specific to wafers ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["noise", "thin", "thicken"])
def test_dies_change_state_and_the_wafer_stays(batch: torch.Tensor, name: str) -> None:
    changed = applied(name, batch, 0.8)
    assert torch.equal(changed[:, 0], batch[:, 0])
    assert (changed[:, 1:][(batch[:, :1] == 0).expand(-1, 2, -1, -1)] == 0).all()
    differs = changed[:, 1] != batch[:, 1]
    assert torch.equal(changed[:, 2][differs], (changed[:, 1][differs] > 0).float())


def test_thin_removes_and_thicken_adds_failures(batch: torch.Tensor) -> None:
    failed = batch[:, 1].mean((1, 2))
    assert (applied("thin", batch, 0.8)[:, 1].mean((1, 2)) < failed).all()
    assert (applied("thicken", batch, 0.8)[:, 1].mean((1, 2)) > failed).all()
    assert (applied("thicken", torch.zeros_like(batch), 1.0) == 0).all()


def test_noise_and_dropout_change_the_stated_share() -> None:
    passing = torch.zeros(200, 3, 32, 32)
    passing[:, 0] = 1
    changed = applied("noise", passing, 1.0)
    assert changed[:, 1].mean() == pytest.approx(0.15, abs=0.01)
    assert applied("dropout", passing, 1.0)[:, 0].mean() == pytest.approx(0.7, abs=0.015)


def test_a_coarser_grid_keeps_the_number_of_failures(batch: torch.Tensor) -> None:
    many = batch.repeat(10, 1, 1, 1)
    changed = applied("grid", many, 1.0)
    for picture, before in zip(changed, many, strict=True):
        assert picture[0].mean() == pytest.approx(float(before[0].mean()), abs=0.02)
        count, was = (picture[0] * picture[1]).sum(), (before[0] * before[1]).sum()
        assert count == pytest.approx(float(was), rel=0.05)


def test_a_coarser_grid_makes_blocks() -> None:
    columns = (torch.arange(64) % 2).float()  # every second column fails
    striped = torch.stack([torch.ones(64, 64), columns.repeat(64, 1), columns.repeat(64, 1)])
    changed = applied("grid", striped.repeat(20, 1, 1, 1), 1.0)[:, 1]
    equal = (changed.diff().abs() < 1e-6).float().mean((1, 2))
    assert equal.mean() > 0.4  # half or more of two neighbours lie in one block of two to four
    assert changed.mean() == pytest.approx(0.5, abs=0.01)


# -- policies -------------------------------------------------------------------------------------


def test_a_text_is_read_and_written_back() -> None:
    policy = read_policy(SEARCHED)
    assert policy == (
        (Step("rotate", 0.5, 0.3), Step("noise", 1.0, 0.2)),
        (Step("erase", 0.8, 0.4),),
    )
    assert write_policy(policy) == SEARCHED
    assert write_policy(read_policy("  rotate   .50 0.30+noise 1.0 .2|erase 0.8 0.4 ")) == SEARCHED


@pytest.mark.parametrize(
    "text",
    [
        "", "|", "rotate", "rotate 0.5", "rotate 0.5 nan", "rotate 0.5 1.1", "rotate -0.1 0.5",
        "rotate 0.5 0.5 0.5", "rotate x y", "rotate 1 inf", "invert 0.5 0.5", "Rotate 0.5 0.5",
        "rotate 0.5 0.3 | ", "rotate 0.5 0.3 + + noise 1 1", "x" * 5000,
        " | ".join(["rotate 0.5 0.3"] * 61), " + ".join(["rotate 0.5 0.3"] * 5),
    ],
)  # fmt: skip
def test_invalid_policies_are_refused(text: str) -> None:
    with pytest.raises(ParameterError) as caught:
        TrainConfig(policy=text)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("value", [3, None, ["rotate 0.5 0.3"], True])
def test_a_policy_is_a_text(value: object) -> None:
    with pytest.raises(ParameterError, match="policy"):
        TrainConfig(policy=value)  # type: ignore[arg-type]


def test_a_config_holds_the_normalised_text() -> None:
    assert TrainConfig(policy="rotate .5 0.3").policy == "rotate 0.5 0.3"
    assert TrainConfig().policy == policies.DEFAULT


def test_an_operation_with_probability_1_is_applied_to_every_picture(batch: torch.Tensor) -> None:
    changed = apply_policy("edge 1 1", batch, torch.Generator().manual_seed(0))
    assert torch.equal(changed, applied("edge", batch, 1.0))
    same = apply_policy("edge 0 1", batch, torch.Generator().manual_seed(0))
    assert torch.equal(same, batch)


def test_operations_are_applied_in_sequence(batch: torch.Tensor) -> None:
    changed = apply_policy("edge 1 1 + blur 1 1", batch, torch.Generator().manual_seed(0))
    assert torch.allclose(changed, applied("blur", applied("edge", batch, 1.0), 1.0))


def test_probabilities_and_sub_policies_are_drawn_as_stated() -> None:
    many = torch.ones(4000, 3, 16, 16)
    changed = apply_policy("edge 0.5 1 | nothing 1 1", many, torch.Generator().manual_seed(1))
    share = float((changed[:, 0, 0, 0] == 0).float().mean())
    assert share == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("rule", ["randaugment", "trivialaugment"])
def test_the_rules_use_every_operation(rule: str) -> None:
    draw = policies.RULES[rule].draw
    assert draw is not None
    chosen, strengths = draw(3000, torch.Generator().manual_seed(0))
    assert chosen.shape == strengths.shape == ((2, 3000) if rule == "randaugment" else (1, 3000))
    counts = chosen.flatten().bincount(minlength=len(OPERATIONS)) / chosen.numel()
    assert counts.tolist() == pytest.approx([1 / len(OPERATIONS)] * len(OPERATIONS), abs=0.02)
    if rule == "randaugment":
        assert strengths.unique().tolist() == pytest.approx([0.3])
    else:
        assert strengths.mean() == pytest.approx(0.5, abs=0.03)


def test_training_applies_the_policy(batch: torch.Tensor) -> None:
    config = TrainConfig(turns=False, rotation_share=1.0, policy="edge 1 1")
    changed = transform(batch, config, torch.Generator().manual_seed(0))
    assert torch.allclose(changed, applied("edge", batch, 1.0), atol=1e-5)  # and no free rotation
    rotated = transform(batch, TrainConfig(policy="nothing 1 1"), torch.Generator().manual_seed(0))
    plain = TrainConfig(rotation_share=0.0)
    assert torch.equal(rotated, transform(batch, plain, torch.Generator().manual_seed(0)))


def test_every_operation_is_described() -> None:
    for name, operation in OPERATIONS.items():
        assert name == name.lower()
        assert operation.title
        assert operation.strongest
    assert next(iter(OPERATIONS)) == "nothing"  # skipped operations have the number 0
    assert str(policies.title(SEARCHED)) == "Searched (2 sub-policies)"
    assert str(policies.title("randaugment")) == "RandAugment"


def test_operations_do_not_need_torchvision() -> None:
    assert not hasattr(operations, "v2")


def test_the_last_layer_is_fitted_on_augmented_forms_too() -> None:
    """WaferNet often fits only its last layer; the policy applies there as well."""
    many = simulate_many("Center", 6, 1) + simulate_many("Edge-Ring", 6, 2)
    labels = np.repeat([0, 1], 6)
    data = TrainData(("Center", "Edge-Ring"), many, labels, [], np.zeros(0, np.int64))
    found = []
    for policy in ("default", "noise 1 1", "noise 1 1"):
        config = TrainConfig(transfer="frozen", policy=policy, seed=3)
        *_, last = train(data, config, torch.device("cpu"))
        found.append(last.best_classifier().network.get_parameter("head.weight").detach())
    # The prior keeps the layer close, so it changes little; without a policy not at all.
    assert (found[1] - found[0]).norm() > 0.001 * found[0].norm()
    assert torch.equal(found[1], found[2])
