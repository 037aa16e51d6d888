from __future__ import annotations

import pandas as pd
import pytest
import torch
from torch import nn

from attacks import craft, verify
from core.errors import InputError


class Sign(nn.Module):
    """Class 1 where the first component exceeds a half, with the distance as logit."""

    def forward(self, x):
        over = 10 * (x.flatten(1)[:, 0] - 0.5)
        return torch.stack([-over, over, torch.full_like(over, -30.0)], 1)


IMAGES = torch.tensor([[0.4, 0.2]]).repeat(8, 1)
LABELS = torch.zeros(8, dtype=torch.int64)
EPS = 0.2


def planted() -> tuple[torch.Tensor, torch.Tensor]:
    made = torch.tensor(
        [
            [0.55, 0.2],  # fooled
            [0.45, 0.2],  # not fooled
            [0.61, 0.2],  # outside the ball by 0.01
            [0.6 + 5e-7, 0.2],  # outside by less than the tolerance
            [0.55, -0.01],  # outside the box
            [float("nan"), 0.2],  # not finite
            [0.55, 0.2],  # was wrong already: its label is 1
            [0.4, 0.4],  # at the ball's surface, not fooled
        ]
    )
    labels = LABELS.clone()
    labels[6] = 1
    return made, labels


def check(recipe: str, **arguments) -> pd.DataFrame:
    made, labels = planted()
    return verify(Sign(), IMAGES, made, labels, recipe, batch_size=3, **arguments)


def test_planted_violations_are_found():
    table = check(f"pgd(eps={EPS})", ids=list("abcdefgh"))
    assert table.status.tolist() == [
        "success", "not fooled", "outside ball", "success", "outside box", "not finite",
        "clean wrong", "not fooled",
    ]  # fmt: skip
    assert table.id.tolist() == list("abcdefgh")
    assert table.finite.tolist() == [True] * 5 + [False] + [True] * 2
    assert table.inside_box.tolist() == [True] * 4 + [False] * 2 + [True] * 2
    assert table.inside_ball.tolist() == [True, True, False, True, False, False, True, True]
    assert table.clean_correct.tolist() == [True] * 6 + [False, True]
    assert table.prediction.tolist() == [1, 0, 1, 1, 1, -1, 1, 0]
    assert table.clean_prediction.tolist() == [0] * 8
    assert not table.label_changed[5]
    assert table.confidence.isna().tolist() == [False] * 5 + [True] + [False] * 2


def test_distances_and_confidences_are_those_of_the_definition():
    images = torch.tensor([[0.1, 0.2, 0.3]], dtype=torch.float64)
    made = torch.tensor([[0.1, 0.5, 0.7]], dtype=torch.float64)
    table = verify(Sign(), images, made, torch.tensor([0]), "pgd(norm=l2, eps=1)")
    row = table.iloc[0]
    assert (row.linf, row.l2, row.l1, row.l0) == pytest.approx((0.4, 0.5, 0.7, 2), abs=1e-12)
    logits = Sign()(made)
    assert row.confidence == pytest.approx(float(logits.softmax(1).max()), abs=1e-12)
    assert row.clean_confidence == row.confidence


def test_the_norm_of_the_recipe_is_the_norm_of_the_ball():
    images, made = torch.tensor([[0.3, 0.3]]), torch.tensor([[0.4, 0.4]])
    for norm, eps, inside in (("linf", 0.11, True), ("l2", 0.11, False), ("l2", 0.15, True)):
        table = verify(Sign(), images, made, torch.tensor([0]), f"pgd(norm={norm}, eps={eps})")
        assert bool(table.inside_ball[0]) is inside
    table = verify(Sign(), images, made, torch.tensor([0]), "minnorm")
    assert bool(table.inside_ball[0])


def test_a_targeted_recipe_succeeds_where_its_target_is_predicted():
    made, labels = planted()
    targets = torch.tensor([2, 1, 1, 1, 1, 1, 2, 1])
    table = verify(Sign(), IMAGES, made, labels, f"pgd(eps={EPS}, targeted=true)", targets=targets)
    assert table.status[0] == "not fooled"
    assert table.status[3] == "success"
    assert table.label_changed[0]
    assert table.target.tolist() == targets.tolist()
    with pytest.raises(InputError, match="targets: needed"):
        check(f"pgd(eps={EPS}, targeted=true)")


def test_a_control_has_to_have_its_length_and_need_not_fool():
    images = torch.full((3, 2), 0.3)
    made = images + torch.tensor([[0.1, -0.1], [0.1, 0.1], [0.05, 0.0]])
    labels = torch.zeros(3, dtype=torch.int64)
    table = verify(Sign(), images, made, labels, "noise(eps=0.1)")
    assert table.status.tolist() == ["success", "success", "wrong length"]
    radii = torch.tensor([0.1, 0.07, 0.05])
    like = "noise(like=pgd(eps=0.2))"
    table = verify(Sign(), images, made, labels, like, radii=radii)
    assert table.status.tolist() == ["success", "outside ball", "success"]
    assert verify(Sign(), images, made, labels, like).status.tolist() == ["success"] * 3


def test_shapes_that_do_not_agree_are_refused():
    with pytest.raises(InputError, match="adversarial: expected the images' shape"):
        verify(Sign(), IMAGES, IMAGES[:3], LABELS, "minnorm")


def test_without_a_recipe_there_is_no_ball_but_all_else_is_checked():
    made, labels = planted()
    table = verify(Sign(), IMAGES, made, labels, None, batch_size=3)
    assert table.status.tolist() == [
        "success", "not fooled", "success", "success", "outside box", "not finite",
        "clean wrong", "not fooled",
    ]  # fmt: skip
    assert table.linf[2] == pytest.approx(0.21, abs=1e-6)
    assert "target" not in table
    targets = torch.tensor([2, 1, 1, 1, 1, 1, 2, 1])
    table = verify(Sign(), IMAGES, made, labels, None, targets=targets)
    assert table.status.tolist()[:4] == ["not fooled", "not fooled", "success", "success"]
    assert table.target_reached.tolist()[:4] == [False, False, True, True]


def test_an_l1_control_of_a_photograph_keeps_its_length_in_float32():
    images = torch.rand(6, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 3))
    labels = model(images).argmax(1)
    for recipe in ("noise(norm=l1, eps=12)", "noise(norm=l1, eps=300)"):
        made = craft(model, images, labels, recipe)
        table = verify(model, images, made.images, labels, recipe, radii=made.radii)
        assert table.length_kept.all()


def test_images_that_are_all_missing_are_verified_as_not_finite():
    net = torch.nn.Linear(2, 2).requires_grad_(False)
    missing = torch.full((3, 2), torch.nan)
    found = verify(net, torch.zeros(3, 2), missing, torch.zeros(3, dtype=torch.int64), None)
    assert not found["finite"].any()
    assert (found["status"] == "not finite").all()
