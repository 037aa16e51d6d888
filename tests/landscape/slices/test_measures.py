"""The table of a block of images, on a linear classifier where every number is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from landscape import Loss, slices
from landscape.columns import curves
from landscape.slices.kinds import LINES
from landscape.slices.measures import measure, way_between

N = 6
REACH = 40.0


class Halves(nn.Module):
    """Two classes, level on a plane; the weights are those of the difference of logits."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.register_buffer("weights", torch.randn(9, generator=generator))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        lead = images.flatten(1) @ self.weights.to(images)
        return torch.stack([lead / 2, -lead / 2], 1)


@pytest.fixture(scope="module")
def everything():
    classifier = Halves().double()
    x = torch.rand(N, 1, 3, 3, generator=torch.Generator().manual_seed(0)).double()
    away = torch.randn(N, 1, 3, 3, generator=torch.Generator().manual_seed(1)).double()
    twins = x + 0.1 * away
    twins[4] = torch.nan
    twins[5] = x[5]
    table = measure(
        classifier, x, torch.zeros(N, dtype=torch.int64), kinds=LINES, radius=1.0, reach=REACH,
        points=5, twins=twins,
    )  # fmt: skip
    return classifier, x, twins, table


def test_the_label_lasts_up_to_the_plane_where_the_classes_are_level(everything):
    classifier, x, _, table = everything
    weights = classifier.weights
    lead = (x.flatten(1) @ weights).abs().numpy()
    nearest = lead / float(weights.norm())
    for kind in ("gradient", "eigenvector"):
        np.testing.assert_allclose(table[f"{kind}_change"], nearest, rtol=2e-3)
        assert (table[f"{kind}_changed"] == 1).all()
        assert (table[f"{kind}_to"] == 1 - table["prediction"]).all()
    assert (table["random_change"] >= nearest * 0.999).all()
    assert (table["random_changed"] == (table["random_change"] < REACH)).all()
    np.testing.assert_allclose(table["margin"], lead)


def test_slopes_and_curvatures_are_those_of_the_logistic_loss(everything):
    classifier, _, _, table = everything
    norm = float(classifier.weights.norm())
    missing = 1 - table["confidence"]
    np.testing.assert_allclose(table["gradient_slope"], missing * norm)
    np.testing.assert_allclose(
        table["gradient_curvature"], missing * (1 - missing) * norm**2, rtol=1e-6
    )
    assert (table["gradient_parabola_reach"] > table["gradient_tangent_reach"]).all()


def test_cosines_and_captured_shares_are_projections_of_the_way(everything):
    classifier, x, twins, table = everything
    ways = slices.towards(x[:4], twins[:4]).flatten(1)
    uphill = slices.gradient_directions(
        Loss(classifier, classifier(x[:4]).argmax(1)), x[:4]
    ).flatten(1)
    np.testing.assert_allclose(table["gradient_cosine"][:4], (ways * uphill).sum(1), atol=1e-9)
    random = slices.random_directions(x[:4], 2).flatten(2)
    held = torch.einsum("nmd,nd->nm", random, ways).square().sum(1)
    np.testing.assert_allclose(table["random_captured"][:4], held, atol=1e-6)
    # The Hessian of two classes has rank 1: the plane of its eigenvectors is a line.
    np.testing.assert_allclose(
        table["eigenvector_captured"][:4], table["gradient_cosine"][:4] ** 2, atol=1e-6
    )


def test_without_a_twin_there_is_no_way(everything):
    _, x, twins, table = everything
    step = (twins[:4] - x[:4]).flatten(1).norm(dim=1)
    np.testing.assert_allclose(table["way"][:4], step)
    gone = table.loc[4:]
    twin_columns = [c for c in table if c.startswith("twin_") or c == "way"]
    assert gone[twin_columns].isna().all(axis=None)
    assert gone[["gradient_cosine", "random_captured"]].isna().all(axis=None)
    assert gone["gradient_change"].notna().all()


def test_curves_are_the_lines(everything):
    classifier, x, _, table = everything
    at, losses = curves(table, "gradient_loss")
    assert at == [-1.0, -0.5, 0.0, 0.5, 1.0]
    np.testing.assert_allclose(losses[:, 2], table["loss"], rtol=1e-6)
    own = classifier(x).argmax(1)
    uphill = slices.gradient_directions(Loss(classifier, own), x)
    np.testing.assert_allclose(losses[:, 4], Loss(classifier, own)(x + uphill), rtol=1e-6)
    kept = curves(table, "gradient_kept")[1]
    assert (kept[:, 4] == (table["gradient_change"] > 1)).all()


def test_images_that_are_not_finite_get_an_empty_row():
    classifier = Halves()
    x = torch.rand(3, 1, 3, 3)
    x[1, 0, 0, 0] = torch.nan
    options = {"kinds": ("random", "gradient"), "radius": 1.0, "reach": 5.0, "points": 5}
    labels = torch.zeros(3, dtype=torch.int64)
    table = measure(classifier, x, labels, ids=["a", "b", "c"], **options)
    assert table["id"].tolist() == ["a", "b", "c"]
    assert table.loc[1, "loss"] != table.loc[1, "loss"]
    assert table.loc[[0, 2], "gradient_change"].notna().all()
    nothing = measure(classifier, x[1:2], labels[:1], **options)
    assert nothing.columns.tolist() == ["id", "label"]
    # Randomness belongs to the example.
    alone = measure(classifier, x[2:], labels[:1], ids=["c"], **options)
    assert alone["random_change"][0] == pytest.approx(table["random_change"][2], rel=2e-3)


def test_the_way_between_is_lost_at_the_same_place_from_both_ends():
    classifier = Halves().double()
    x = torch.rand(8, 1, 3, 3, generator=torch.Generator().manual_seed(2)).double()
    uphill = slices.gradient_directions(Loss(classifier, classifier(x).argmax(1)), x)
    others = x + 3 * uphill
    others[7] = torch.nan
    found = way_between(classifier, x, others, reach=5.0)
    expected = (x.flatten(1) @ classifier.weights).abs() / classifier.weights.norm()
    np.testing.assert_allclose(found["from_genuine_change"][:7], expected[:7], rtol=2e-3)
    assert found.loc[7].isna().all()
    labels = torch.zeros(7, dtype=torch.int64)
    back = measure(
        classifier, others[:7], labels, kinds=("twin",), radius=1.0, reach=5.0, points=5,
        twins=x[:7],
    )  # fmt: skip
    np.testing.assert_allclose(
        back["twin_change"] + found["from_genuine_change"][:7], 3.0, rtol=3e-3
    )
