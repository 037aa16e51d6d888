"""Lines, their tangents and parabolas, how far these reach, and where labels end."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from core.errors import InputError
from core.models import load_classifier
from landscape import Loss, slices
from landscape.slices.changes import ladder


def linear_classifier(seed: int, classes: int, dtype: torch.dtype = torch.float64) -> nn.Module:
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Flatten(), nn.Linear(6, classes)).to(dtype)
    return net.eval().requires_grad_(False)


def test_on_a_cubic_the_line_is_the_cubic_and_taylor_its_derivatives():
    x = torch.tensor([[1.0, 2.0], [-1.0, 0.5]]).double()
    way = slices.unit(torch.tensor([[3.0, 4.0], [1.0, 0.0]]).double())

    def cubic(points):
        return points[:, 0] ** 3 + points[:, 1] ** 2

    found = slices.line(cubic, x, way, 2.0, points=9)
    assert found.distances[4] == 0
    points = x.unsqueeze(1) + found.distances[:, None] * way.unsqueeze(1)
    torch.testing.assert_close(found.seen.loss, points[..., 0] ** 3 + points[..., 1] ** 2)
    local = found.taylor
    torch.testing.assert_close(local.slope, 3 * x[:, 0] ** 2 * way[:, 0] + 2 * x[:, 1] * way[:, 1])
    torch.testing.assert_close(local.curvature, 6 * x[:, 0] * way[:, 0] ** 2 + 2 * way[:, 1] ** 2)
    at = torch.tensor([0.5]).double()
    expected = local.value + 0.5 * local.slope
    torch.testing.assert_close(local.tangent(at)[:, 0], expected)
    torch.testing.assert_close(local.parabola(at)[:, 0], expected + local.curvature / 8)


def test_slope_and_curvature_of_a_classifier_are_those_of_finite_differences():
    classifier = load_classifier("digits_residual").double()
    x = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)).double()
    loss = Loss(classifier, classifier(x).argmax(1))
    way = slices.random_directions(x)[:, 0]
    local = slices.taylor(loss, x, way, batch_size=3)
    h = 1e-5
    before, here, after = (loss(x + t * way) for t in (-h, 0.0, h))
    torch.testing.assert_close(local.slope, (after - before) / (2 * h), rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(
        local.curvature, (after - 2 * here + before) / h**2, rtol=1e-3, atol=1e-4
    )


def test_a_quadratic_is_told_by_its_parabola_to_the_end_and_by_its_tangent_to_a_known_distance():
    x, way = torch.ones(1, 1).double(), torch.ones(1, 1).double()

    def quadratic(points):
        return points[:, 0] + points[:, 0] ** 2

    local = slices.taylor(quadratic, x, way)
    # The change is 3 t + t^2, the tangent's error t^2: a share t / (3 + t) of it.
    at = ladder(0.1, 3.0, 20)
    found = slices.local_reach(quadratic, x, way, local, at)
    assert found["tangent"].item() == pytest.approx(0.75, abs=2e-3)
    assert found["parabola"].item() == 3.0
    finer = slices.local_reach(quadratic, x, way, local, at, tolerance=0.05)
    assert finer["tangent"].item() == pytest.approx(3 * 0.05 / 0.95, abs=2e-3)


def test_a_reach_ends_at_the_first_error_even_if_later_points_fit():
    x, way = torch.zeros(1, 1).double(), torch.ones(1, 1).double()

    def wave(points):
        return points[:, 0] + 0.8 * torch.sin(2 * torch.pi * points[:, 0])

    local = slices.Taylor(*torch.tensor([[0.0], [1.0], [0.0]]).double())
    found = slices.local_reach(wave, x, way, local, torch.tensor([0.25, 0.5, 1.0]).double())
    assert found["tangent"].item() == 0.0


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 5))
def test_the_first_change_of_a_linear_classifier_is_where_its_nearest_rival_meets_it(seed, classes):
    net = linear_classifier(seed, classes)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(8, 6, generator=generator).double()
    way = slices.unit(torch.randn(8, 6, generator=generator).double())
    logits = net(x)
    labels = logits.argmax(1)
    slopes = way @ net[1].weight.T
    gap = logits.gather(1, labels[:, None]) - logits
    closing = slopes - slopes.gather(1, labels[:, None])
    meets = torch.where(closing > 0, gap / closing, torch.inf)
    meets.scatter_(1, labels[:, None], torch.inf)
    expected, rival = meets.min(1)
    reach = 5.0
    found = slices.first_change(Loss(net, labels), x, way, reach, start=0.01, tolerance=1e-11)
    within = expected < reach
    assert torch.equal(found.changed, within)
    torch.testing.assert_close(found.distance[within], expected[within], rtol=1e-9, atol=1e-9)
    assert (found.distance[~within] == reach).all()
    # A region that a single rung of the ladder steps over is passed by: none is, along a line
    # through convex regions, but a rung may lie in the region after the next.
    assert (found.label[within] != labels[within]).all()
    certain = within & (meets.sort(1).values[:, 1] > expected * 1.001)
    assert torch.equal(found.label[certain], rival[certain])


def test_the_label_is_lost_at_the_distance_given_and_kept_slightly_before():
    classifier = load_classifier()
    x = torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    labels = classifier(x).argmax(1)
    loss = Loss(classifier, labels)
    way = slices.gradient_directions(loss, x)
    found = slices.first_change(loss, x, way, 8.0)
    some = found.changed
    assert some.float().mean() > 0.5
    at = found.distance[some].float().reshape(-1, 1, 1, 1)
    lost = classifier(x[some] + at * way[some]).argmax(1)
    assert (lost != labels[some]).all()
    assert torch.equal(lost, found.label[some])
    kept = classifier(x[some] + 0.998 * at * way[some]).argmax(1)
    assert (kept == labels[some]).all()


def test_a_ray_that_leads_nowhere_changes_nothing_and_one_beyond_the_box_is_known():
    halves = Loss(nn.Flatten(), torch.tensor([0, 0, 0]))
    x = torch.tensor([[0.9, 0.5]]).expand(3, -1)
    way = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    found = slices.first_change(halves, x, way, 10.0)
    assert found.changed.tolist() == [False, True, False]
    assert found.distance[[0, 2]].tolist() == [10.0, 10.0]
    assert found.inside.tolist()[1] is True
    low = Loss(nn.Flatten(), torch.tensor([0]))
    away = slices.first_change(low, torch.tensor([[0.9, 0.5]]), torch.tensor([[-1.0, 0.0]]), 10.0)
    assert away.inside.item()
    far = slices.first_change(low, torch.tensor([[0.9, 0.0]]), torch.tensor([[-1.0, 0.0]]), 10.0)
    assert not far.inside.item()


class Islands(nn.Module):
    """On a line, class 0 but for two stretches of class 1: from 6 to 7.5, and beyond 10."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        at = images[:, 0]
        lost = ((at > 6) & (at < 7.5)) | (at > 10)
        return torch.stack([torch.zeros_like(at), lost.double() * 2 - 1], 1)


def test_a_region_that_the_ladder_steps_over_is_not_found_by_halving_either():
    loss, x = Loss(Islands(), torch.tensor([0])), torch.zeros(1, 2).double()
    way = torch.tensor([[1.0, 0.0]]).double()
    # The rungs are 1, 3, 9 and 27: the label is lost at the last, and kept at 9.
    coarse = slices.first_change(loss, x, way, 27.0, start=1.0, points=4)
    assert coarse.distance.item() == pytest.approx(10, rel=2e-3)
    fine = slices.first_change(loss, x, way, 27.0, start=1.0, points=30)
    assert fine.distance.item() == pytest.approx(6, rel=2e-3)


def test_an_image_that_lacks_its_label_has_lost_it_at_once():
    halves = Loss(nn.Flatten(), torch.tensor([1]))
    found = slices.first_change(halves, torch.tensor([[0.9, 0.5]]), torch.tensor([[0.0, 1.0]]), 1.0)
    assert found.changed.item()
    assert found.distance.item() == 0.0


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_lines_and_changes_do_not_depend_on_the_batch_size(batch_size):
    classifier = load_classifier()
    x = torch.rand(9, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    loss = Loss(classifier, classifier(x).argmax(1))
    way = slices.gradient_directions(loss, x, batch_size=batch_size)
    torch.testing.assert_close(way, slices.gradient_directions(loss, x), rtol=1e-4, atol=1e-6)
    one = slices.line(loss, x, way, 1.0, points=5, batch_size=batch_size)
    two = slices.line(loss, x, way, 1.0, points=5)
    torch.testing.assert_close(one.seen.loss, two.seen.loss, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(one.taylor.curvature, two.taylor.curvature, rtol=1e-3, atol=1e-4)
    first = slices.first_change(loss, x, way, 8.0, batch_size=batch_size)
    second = slices.first_change(loss, x, way, 8.0)
    torch.testing.assert_close(first.distance, second.distance, rtol=2e-3, atol=0)


def test_bad_arguments_are_refused():
    x, way = torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])
    loss = Loss(nn.Flatten(), torch.tensor([0]))
    for radius in (0.0, -1.0, float("inf")):
        with pytest.raises(InputError, match="--radius"):
            slices.line(loss, x, way, radius)
        with pytest.raises(InputError, match="--reach"):
            slices.first_change(loss, x, way, radius)
    with pytest.raises(InputError, match="--resolution"):
        slices.line(loss, x, way, 1.0, points=1)
    with pytest.raises(InputError, match="expected length 1"):
        slices.line(loss, x, 2 * way, 1.0)
    with pytest.raises(InputError, match="images' shape"):
        slices.line(loss, x, way[0], 1.0)
    with pytest.raises(InputError, match="--reach: expected a ladder"):
        ladder(2.0, 1.0, 5)
