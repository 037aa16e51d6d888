"""The study of slices: its options, its defaults, and which attack makes the twins."""

from __future__ import annotations

import pytest

from core.errors import InputError
from landscape.slices.options import default_radius
from landscape.slices.study import plan

WHERE = {
    "model": "digits_convnet", "checkpoint": None, "normalisation": None, "stem": None,
    "data": "digits", "split": None, "size": None, "skip_unreadable": False, "batch_size": 256,
    "device": "cpu", "threads": 1, "seed": 0, "adversarial": None, "controls": None,
    "matching_pool": 0, "examples": 20,
}  # fmt: skip
OPTIONS = {
    "attacks": None, "slices": "all", "twins": None, "radius": None, "reach": None, "points": 11,
    "resolution": 11, "pictures": 2, "frames": 0, "box": "mark",
}  # fmt: skip
FGSM, PGD, MINIMUM = "fgsm(norm=linf, eps=0.2)", "pgd(norm=linf, eps=0.2, steps=5)", "minnorm()"


def planned(**changed: object):
    return plan(**{**WHERE, **OPTIONS, **changed})


def test_the_radius_is_somewhat_more_than_the_attacks_may_move():
    assert default_radius([FGSM, "pgd(norm=l2, eps=3)"], 64) == 4.5
    assert default_radius(["noise(norm=linf, eps=9)", FGSM], 64) == 2.4
    assert default_radius([MINIMUM], 10_000) == 1.2
    study = planned(attacks=[FGSM])
    assert study.radius == 2.4
    assert study.reach == 8.0  # the diagonal of the box
    assert planned(attacks=[FGSM], radius=0.1).reach == pytest.approx(1.6)


def test_slices_come_in_their_own_order_and_lines_are_those_with_a_direction():
    assert planned(slices="twin,random").slices == ("random", "twin")
    assert planned().kinds == ("random", "gradient", "eigenvector", "twin")
    assert planned(slices="three_inputs,gradient").kinds == ("gradient",)


def test_lines_come_last_so_that_they_are_the_results_and_what_is_drawn_is_chosen_first():
    units = planned(attacks=[FGSM], frames=8).units()
    phases = [
        {unit.key.split("/")[0] for unit in units if unit.phase == phase} for phase in range(4)
    ]
    assert phases == [{"craft"}, {"chosen"}, {"planes", "closely", "frames"}, {"lines"}]
    assert not [u for u in planned(pictures=0).units() if u.key.startswith(("planes", "closely"))]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"slices": "randm"}, "--slices: unknown name 'randm'; did you mean 'random'"),
        ({"slices": "all,random"}, "--slices: expected all, or some of"),
        ({"slices": ""}, "--slices"),
        ({"slices": "three_inputs"}, "give at least one direction of lines"),
        ({"radius": 0.0}, "--radius"),
        ({"radius": -1.0}, "--radius"),
        ({"reach": 0.0}, "--reach"),
        ({"radius": 2.0, "reach": 1.0}, "--reach: expected at least the radius 2, found 1"),
        ({"points": 10}, "--points: expected an odd number"),
        ({"resolution": 3}, "--resolution: expected an odd number from 5"),
        ({"pictures": -1}, "--pictures"),
        ({"frames": 3}, "--frames: expected 0, or 6 to 99"),
        ({"box": "clamp"}, "--box: unknown name 'clamp'"),
        ({"twins": "fgsm(eps=0.3)"}, "--twins: unknown name"),
        ({"batch_size": 0}, "--batch_size"),
        ({"examples": 0}, "--examples"),
    ],
)
def test_bad_options_are_named(changed, said):
    with pytest.raises(InputError, match=said.replace("(", r"\(")):
        planned(attacks=[FGSM], **changed)


def test_twins_are_made_by_the_attack_with_a_radius_that_fools_most():
    study = planned(attacks=[FGSM, PGD, MINIMUM])
    fgsm, pgd, minimum = study.attacking
    assert study.most_fooling({fgsm: 3, pgd: 7, minimum: 10}) == pgd
    assert study.most_fooling({fgsm: 8, pgd: 7, minimum: 10}) == fgsm
    # Where no attack with a radius fools anything, the minimum-norm one serves.
    assert study.most_fooling({fgsm: 0, pgd: 0, minimum: 10}) == minimum
    chosen = planned(attacks=[FGSM, PGD], twins="fgsm(eps=0.2)")
    assert chosen.most_fooling({fgsm: 1, pgd: 9}) == fgsm
    assert planned(attacks=["noise(eps=0.1)"]).most_fooling({}) is None
