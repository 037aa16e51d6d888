"""The examples that are drawn, their planes, fine lines and frames."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from landscape.slices.kinds import SLICES
from landscape.slices.pictured import (
    CLOSE_UP,
    frame_places,
    frames_of,
    lines_of,
    planes_of,
)
from landscape.slices.scenes import Scene, choose
from landscape.slices.views import view_from


def net(classes: int) -> nn.Module:
    torch.manual_seed(1)
    layers = nn.Sequential(nn.Flatten(), nn.Linear(9, 12), nn.ReLU(), nn.Linear(12, classes))
    return layers.eval().requires_grad_(False)


def images(n: int) -> torch.Tensor:
    return torch.rand(n, 1, 3, 3, generator=torch.Generator().manual_seed(0))


def scene(classifier: nn.Module, far: bool = False) -> Scene:
    x = images(3)
    twin = x[:1] + 0.02 * (x[1:2] - x[:1]) if far else x[1:2]
    label = int(classifier(x[:1]).argmax(1))
    return Scene("zero", x[:1], label, twin, x[2:3], "two")


def test_the_first_that_are_right_and_fooled_are_drawn_with_the_nearest_other():
    x = images(6)
    labels = torch.tensor([0, 1, 0, 1, 2, 2])
    right = torch.tensor([True, True, False, True, True, True])
    taken = {1: 2, 2: 2, 3: 0}  # the first was not fooled, the third is wrong
    found = choose(x, labels, right, taken, 4, 2)
    away = (x[4:] - x[1]).flatten(1).norm(dim=1)
    # Of class 0, only the first image is right.
    assert found == [(1, 4 + int(away.argmin())), (3, 0)]
    assert choose(x, labels, right, taken, 2, 9) == found[:1]


def test_without_an_image_of_the_class_it_is_taken_for_a_third_one_serves():
    x, labels = images(3), torch.tensor([0, 1, 1])
    right = torch.tensor([True, True, True])
    away = (x[1:] - x[0]).flatten(1).norm(dim=1)
    assert choose(x, labels, right, {0: 7}, 1, 1) == [(0, 1 + int(away.argmin()))]
    assert choose(x[:1], labels[:1], right[:1], {0: 7}, 1, 1) == [(0, -1)]


def test_without_success_the_right_ones_are_drawn_alone():
    x, labels = images(3), torch.tensor([0, 1, 0])
    assert choose(x, labels, torch.tensor([True, False, True]), {}, 3, 5) == [(0, -1), (2, -1)]


def test_every_plane_passes_through_what_it_is_named_after():
    classifier = net(4)
    own = scene(classifier)
    table = planes_of(classifier, own, SLICES, radius=1.0, points=11)
    assert list(dict.fromkeys(table["kind"])) == [
        "random", "gradient", "eigenvector", "twin", "three_inputs",
    ]  # fmt: skip
    views = {kind: view_from(part) for kind, part in table.groupby("kind")}
    step = float((own.twin - own.image).norm())
    assert views["twin"].anchors["adversarial"] == pytest.approx((step, 0), abs=1e-6)
    assert views["twin"].off["adversarial"] == pytest.approx(0, abs=1e-6)
    three = views["three_inputs"]
    assert max(three.off.values()) < 1e-6
    assert three.anchors["adversarial"] == pytest.approx((step, 0), abs=1e-6)
    other = own.other
    assert other is not None
    assert np.hypot(*three.anchors["other"]) == pytest.approx(
        float((other - own.image).norm()), rel=1e-6
    )
    for kind in ("random", "gradient", "eigenvector", "twin"):
        assert views[kind].anchors["genuine"] == (0.0, 0.0)
        assert views[kind].prediction[5, 5] == own.label
        assert views[kind].a[-1] == 1.0
    # The loss rises along the first axis of gradient and eigenvector.
    for kind in ("gradient", "eigenvector"):
        assert views[kind].loss[5, 6] > views[kind].loss[5, 4]


def test_a_twin_that_is_near_is_looked_at_close_up():
    classifier = net(4)
    table = planes_of(classifier, scene(classifier, far=True), SLICES, radius=1.0, points=5)
    assert CLOSE_UP in set(table["kind"])
    near, whole = (view_from(table[table["kind"] == k]) for k in (CLOSE_UP, "three_inputs"))
    assert np.ptp(near.a) == pytest.approx(5 * near.anchors["adversarial"][0])
    assert near.anchors["adversarial"] == pytest.approx(whole.anchors["adversarial"])


def test_two_classes_have_one_eigenvector_and_the_other_axis_is_said_to_be_random():
    classifier = net(2)
    table = planes_of(classifier, scene(classifier), ("eigenvector",), radius=1.0, points=5)
    assert table["second"].unique().tolist() == ["a random direction"]
    assert table["first"].unique().tolist() == ["first eigenvector"]


def test_a_scene_without_a_twin_has_the_planes_that_need_none():
    classifier = net(4)
    x = images(1)
    alone = Scene("zero", x, int(classifier(x).argmax(1)), None, None, "")
    table = planes_of(classifier, alone, SLICES, radius=1.0, points=5)
    assert set(table["kind"]) == {"random", "gradient", "eigenvector"}
    assert frames_of(classifier, alone, radius=1.0, points=5, places=[0, 1]).empty
    lines = lines_of(classifier, alone, ("gradient", "twin"), radius=1.0, reach=5.0, points=9)
    assert set(lines["kind"]) == {"gradient"}
    assert planes_of(classifier, alone, ("three_inputs",), radius=1.0, points=5).empty


def test_planes_and_frames_of_a_linear_classifier_whose_way_is_its_gradient():
    torch.manual_seed(5)
    classifier = nn.Sequential(nn.Flatten(), nn.Linear(9, 2)).requires_grad_(False)
    x = images(1)
    label = int(classifier(x).argmax(1))
    weights = classifier[1].weight
    way = (weights[1 - label] - weights[label]).reshape(1, 1, 3, 3)
    own = Scene("zero", x, label, x + way, images(2)[1:], "one")
    table = planes_of(classifier, own, SLICES, radius=1.0, points=5)
    names = table.groupby("kind")["second"].first()
    assert names["twin"] == names["eigenvector"] == "a random direction"
    assert names["three_inputs"] == "towards another image"
    frames = frames_of(classifier, own, radius=1.0, points=5, places=[0.0, 1.0])
    # Across the way nothing changes: each frame has one class.
    assert frames.groupby(["kind", "frame"])["prediction"].nunique().eq(1).all()


def test_a_twin_on_the_line_to_the_other_image_has_no_plane_of_three_inputs():
    classifier = net(4)
    x = images(2)
    label = int(classifier(x[:1]).argmax(1))
    own = Scene("zero", x[:1], label, (x[:1] + x[1:]) / 2, x[1:], "one")
    assert planes_of(classifier, own, ("three_inputs",), radius=1.0, points=5).empty
    assert set(planes_of(classifier, own, SLICES, radius=1.0, points=5)["kind"]) == {
        "random", "gradient", "eigenvector", "twin",
    }  # fmt: skip


def test_fine_lines_go_somewhat_beyond_the_first_change():
    classifier = net(4)
    lines = lines_of(classifier, scene(classifier), ("twin",), radius=9.0, reach=9.0, points=41)
    assert not lines["kept"].iloc[-1]
    assert lines["kept"].iloc[20]
    assert lines["distance"].iloc[20] == 0
    assert lines["loss"].iloc[20] == pytest.approx(lines["value"].iloc[0], rel=1e-5)


@pytest.mark.parametrize("count", [6, 10, 28, 61])
def test_the_frames_hold_the_image_and_its_twin_and_reach_beyond_both(count):
    places = frame_places(count)
    assert len(places) == count
    assert 0 in places
    assert 1 in places
    assert places[0] < 0
    assert places[-1] > 1
    assert np.ptp(np.diff(places)) < 1e-12


def test_the_moving_planes_are_at_right_angles_to_the_way():
    classifier = net(4)
    own = scene(classifier)
    table = frames_of(classifier, own, radius=1.0, points=5, places=frame_places(6))
    part = frames_of(classifier, own, radius=1.0, points=5, places=frame_places(6)[4:], first=4)
    late = table[table["frame"] >= 4].reset_index(drop=True)
    shared = [c for c in late if c in part]
    pd.testing.assert_frame_equal(late[shared], part[shared], rtol=1e-4, atol=1e-5)
    assert set(table["kind"]) == {"random", "eigenvector"}
    assert table["frame"].nunique() == 6
    assert own.twin is not None
    for frame, place in enumerate(frame_places(6)):
        centre = own.image + float(place) * (own.twin - own.image)
        expected = int(classifier(centre).argmax(1))
        for kind in ("random", "eigenvector"):
            rows = table[(table["kind"] == kind) & (table["frame"] == frame)]
            assert view_from(rows).prediction[2, 2] == expected
