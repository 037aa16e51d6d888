"""The table of measures: which columns there are, and that leaving some out changes no other."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from torch import nn

from core.errors import InputError
from landscape.flatness import MEASURES, measure
from landscape.flatness.catalogue import chosen_measures
from landscape.measures import measure_of

ALWAYS = {
    "id", "label", "reference_label", "prediction", "confidence", "loss", "cross_entropy",
}  # fmt: skip
SETTINGS = {
    "radii": (0.1, 0.3), "worst_case_l2": (0.2,), "worst_case_linf": (0.05,), "draws": 4,
    "worst_case_steps": 3,
}  # fmt: skip


@pytest.fixture(scope="module")
def net() -> nn.Module:
    torch_generator = torch.Generator().manual_seed(0)
    found = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))
    for parameter in found.parameters():
        drawn = torch.randn(parameter.shape, generator=torch_generator)
        parameter.requires_grad_(False).copy_(drawn)
    return found.eval()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(1))


LABELS = torch.tensor([0, 1, 2, 0, 1, 2])


@pytest.fixture(scope="module")
def everything(net: nn.Module, images: torch.Tensor) -> pd.DataFrame:
    return measure(net, images, LABELS, **SETTINGS)


@pytest.mark.parametrize("name", MEASURES)
def test_each_measure_alone_fills_its_own_columns_with_the_same_bits(
    name: str, net: nn.Module, images: torch.Tensor, everything: pd.DataFrame
) -> None:
    alone = measure(net, images, LABELS, measures=[name], **SETTINGS)
    own = [c for c in alone if c not in ALWAYS]
    assert any(c.partition("@")[0] == name for c in own)
    named = {c.partition("@")[0] for c in own} & set(MEASURES)
    assert named == {name}
    pd.testing.assert_frame_equal(alone, everything[list(alone)], check_exact=True)


def test_names_and_families_are_understood_and_others_are_refused() -> None:
    assert chosen_measures(None) == set(MEASURES) == chosen_measures("all")
    assert chosen_measures([]) == set()
    noise = {m.name for m in MEASURES.values() if m.family == "noise"}
    assert chosen_measures(["noise", "gradient_l2"]) == noise | {"gradient_l2"}
    with pytest.raises(InputError, match="did you mean 'gradient_l2'"):
        chosen_measures("gradient_l3")


def test_radii_are_needed_only_by_measures_that_have_them(
    net: nn.Module, images: torch.Tensor
) -> None:
    found = measure(net, images, LABELS, measures="gradient_l2,hessian_top")
    assert set(found) == ALWAYS | {"gradient_l2", "hessian_top", "hessian_method"}
    with pytest.raises(InputError, match="--radii"):
        measure(net, images, LABELS, measures="gaussian_rise")


def test_a_block_without_a_finite_image_has_its_ids_and_nothing_else(
    net: nn.Module, images: torch.Tensor
) -> None:
    found = measure(net, torch.full_like(images, torch.nan), LABELS, **SETTINGS)
    assert list(found) == ["id", "label"]
    assert found["label"].tolist() == LABELS.tolist()


def test_every_column_of_a_measure_is_found_by_its_name(everything: pd.DataFrame) -> None:
    for name, measure_ in MEASURES.items():
        own = [c for c in everything if c.partition("@")[0] == name]
        assert own, name
        assert all(measure_of(c, MEASURES) is measure_ for c in own)
        assert bool(measure_.axis) == any("@" in c for c in own)
