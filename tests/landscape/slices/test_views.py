"""Views: what a slice says of one example, and how a table holds it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from landscape import Loss, slices
from landscape.slices.views import View, joint_shares, table_of, view_from, view_of


@pytest.fixture
def view() -> View:
    x = torch.tensor([[0.75, 0.25, 0.1]])
    twin = torch.tensor([[0.25, 0.75, 0.4]])
    loss = Loss(torch.nn.Flatten(), torch.tensor([0]))
    axes = torch.eye(3)[None, :2]
    found = slices.plane(
        loss, x, axes, 1.0, points=41, anchors={"genuine": x, "adversarial": twin}
    )  # fmt: skip
    return view_of(found)


def test_a_view_holds_the_classes_that_occur_and_their_shares(view):
    # At b > a + 0.5 class 1 leads; class 2 stands at 0.1 and leads where both others are below.
    assert set(view.logits) == {0, 1, 2}
    assert sum(view.shares.values()) == pytest.approx(1)
    third = (-0.65 + 1) * (-0.15 + 1) / 4
    assert view.shares[2] == pytest.approx(third, abs=0.02)
    assert list(view.shares.values()) == sorted(view.shares.values(), reverse=True)
    assert ((view.margin > 0) == (view.prediction == 0))[view.margin != 0].all()


def test_anchors_lie_at_their_coordinates_and_know_their_distance(view):
    assert view.anchors["genuine"] == (0.0, 0.0)
    assert view.anchors["adversarial"] == pytest.approx((-0.5, 0.5))
    assert view.off["genuine"] == 0
    assert view.off["adversarial"] == pytest.approx(0.3)


def test_the_share_inside_is_the_area_of_the_box(view):
    # 0 <= 0.75 + a <= 1 and 0 <= 0.25 + b <= 1, of a square of side 2.
    assert view.inside == pytest.approx(1 / 4, abs=1e-5)


def test_a_table_gives_the_view_back_even_among_other_rows(view):
    table = table_of(view)
    assert (table["point"] == "").sum() == 41 * 41
    # Joined with another plane, on which other classes occur.
    other = table.assign(**{"logit@7": 1.0, "kind": "other"})
    joined = pd.concat([table.assign(kind="own"), other], ignore_index=True)
    shuffled = joined.sample(frac=1, random_state=0)
    back = view_from(shuffled[shuffled["kind"] == "own"])
    for name in ("a", "b", "loss", "margin", "confidence", "box"):
        np.testing.assert_array_equal(getattr(back, name), getattr(view, name))
    assert back.anchors == view.anchors
    assert back.off == view.off
    assert list(back.logits) == list(view.logits)
    np.testing.assert_array_equal(back.prediction, view.prediction)


def test_shares_of_several_planes_are_their_means(view):
    line = np.array([0.0, 1.0])
    alone = View(line, line, np.zeros((2, 2)), logits={5: np.zeros((2, 2))})
    shares = joint_shares([view, alone])
    assert shares[5] == 0.5
    assert shares[0] == pytest.approx(view.shares[0] / 2)


def test_a_plain_function_has_a_view_without_classes():
    found = slices.plane(lambda p: p.sum(1), torch.zeros(1, 2), torch.eye(2)[None], 1.0, points=3)
    view = view_of(found)
    assert view.margin is None
    assert view.confidence is None
    assert not view.logits
    back = view_from(table_of(view))
    np.testing.assert_array_equal(back.loss, view.loss)
    assert back.margin is None
