"""The table of measures: which columns there are, and that leaving some out changes no other."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from torch import nn

from core.errors import InputError
from landscape.flatness import MEASURES, measure
from landscape.flatness.catalogue import chosen_measures, measures_with
from landscape.flatness.log_odds import LogOddsShift, log_odds_shift
from landscape.flatness.references import References, representations
from landscape.measures import measure_of

ALWAYS = {
    "id", "label", "reference_label", "prediction", "confidence", "loss", "cross_entropy",
}  # fmt: skip
SETTINGS = {
    "radii": (0.1, 0.3), "worst_case_l2": (0.2,), "worst_case_linf": (0.05,), "draws": 4,
    "worst_case_steps": 3, "gradient_draws": 4, "boundary_steps": 10, "neighbours": 5,
}  # fmt: skip
LAYERS = ("input", "1")
EVERY = measures_with(LAYERS)


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
def references(net: nn.Module, images: torch.Tensor) -> References:
    """Twenty genuine images, the first six of which are those that are measured."""
    more = torch.rand(14, 1, 4, 4, generator=torch.Generator().manual_seed(2))
    genuine = torch.cat([images, more])
    ids = tuple(map(str, range(20)))
    shift = log_odds_shift(net, genuine, SETTINGS["radii"], draws=4, ids=ids)
    return References(ids, shift, representations(net, LAYERS, genuine, 256))


@pytest.fixture(scope="module")
def everything(net: nn.Module, images: torch.Tensor, references: References) -> pd.DataFrame:
    return measure(net, images, LABELS, references=references, **SETTINGS)


@pytest.mark.parametrize("name", EVERY)
def test_each_measure_alone_fills_its_own_columns_with_the_same_bits(
    name: str,
    net: nn.Module,
    images: torch.Tensor,
    references: References,
    everything: pd.DataFrame,
) -> None:
    alone = measure(net, images, LABELS, measures=[name], references=references, **SETTINGS)
    own = [c for c in alone if c not in ALWAYS]
    assert any(c.partition("@")[0] == name for c in own)
    named = {c.partition("@")[0] for c in own} & set(EVERY)
    assert named == {name}
    pd.testing.assert_frame_equal(alone, everything[list(alone)], check_exact=True)


def test_names_and_families_are_understood_and_others_are_refused() -> None:
    assert chosen_measures(None) == tuple(MEASURES) == chosen_measures("all")
    assert chosen_measures(None, LAYERS) == tuple(EVERY)
    assert chosen_measures([]) == ()
    noise = {m.name for m in MEASURES.values() if m.family == "noise"}
    assert set(chosen_measures(["noise", "gradient_l2"])) == noise | {"gradient_l2"}
    assert chosen_measures("dimension", LAYERS) == ("lid:input", "lid:1")
    assert set(chosen_measures("worst_case")) == set(chosen_measures("worst case"))
    with pytest.raises(InputError, match="did you mean 'gradient_l2'"):
        chosen_measures("gradient_l3")


def test_without_references_what_needs_them_is_left_out_unless_it_is_named(
    net: nn.Module, images: torch.Tensor
) -> None:
    found = measure(net, images, LABELS, **SETTINGS)
    names = {c.partition("@")[0] for c in found} & set(EVERY)
    assert names == set(MEASURES) - {"log_odds_score"}
    assert "log_odds_score" not in chosen_measures("noise", referenced=False)
    with pytest.raises(InputError, match="log_odds_score compares with genuine reference images"):
        measure(net, images, LABELS, measures="log_odds_score", **SETTINGS)


def test_no_image_is_its_own_reference_nor_that_of_what_was_made_from_it(
    net: nn.Module, images: torch.Tensor, references: References
) -> None:
    chosen = {"measures": "dimension,log_odds_score", "references": references, **SETTINGS}
    own = measure(net, images[:1], LABELS[:1], ids=["0"], **chosen)
    keep = [i for i, name in enumerate(references.ids) if name not in ("0", "7")]
    assert references.shift is not None
    without = References(
        tuple(references.ids[i] for i in keep),
        LogOddsShift(
            references.shift.radii, references.shift.predicted[keep],
            references.shift.shift[keep], references.shift.standard_error[keep], 2,
        ),
        {layer: values[keep] for layer, values in references.layers.items()},
    )  # fmt: skip
    made = measure(net, images[:1], LABELS[:1], ids=["0"], made_from=["7"], **chosen)
    expected = measure(net, images[:1], LABELS[:1], ids=["0"], **{**chosen, "references": without})
    pd.testing.assert_frame_equal(made, expected)
    assert not made["lid:input"].equals(own["lid:input"])


def test_a_row_that_is_not_finite_changes_no_other_row(
    net: nn.Module, images: torch.Tensor, references: References, everything: pd.DataFrame
) -> None:
    broken = images.clone()
    broken[2] = torch.nan
    sources = ["0", "1", "9", "3", "4", "5"]
    found = measure(net, broken, LABELS, references=references, made_from=sources, **SETTINGS)
    assert found.loc[2].drop(["id", "label"]).isna().all()
    numbers = everything.select_dtypes("number").columns
    others = [0, 1, 3, 4, 5]
    pd.testing.assert_frame_equal(
        found.loc[others, numbers].astype(float), everything.loc[others, numbers].astype(float),
        rtol=1e-3, atol=1e-5,
    )  # fmt: skip


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
    for name, measure_ in EVERY.items():
        own = [c for c in everything if c.partition("@")[0] == name]
        assert own, name
        assert all(measure_of(c, EVERY) is measure_ for c in own)
        assert bool(measure_.axis) == any("@" in c for c in own)
