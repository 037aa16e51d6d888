"""FAB: exact projections, and the nearest point of a linear classifier."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from torch import nn

from attacks import craft
from attacks.fab import to_hyperplane
from attacks.norms import lengths, reach
from core import load_classifier, load_images


def linear(d: int, classes: int) -> nn.Linear:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = nn.Linear(d, classes).double().eval()
    with torch.no_grad():
        model.bias.copy_(-model.weight.sum(1) / 2)
    return model


def images_of(n: int, d: int, low: float, high: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    images = low + (high - low) * torch.rand(n, d, generator=generator, dtype=torch.float64)
    return images.clamp(0, 1)


values = st.floats(-1, 1).map(lambda x: round(x, 3))


@given(st.lists(st.tuples(values, st.floats(0, 1)), min_size=1, max_size=6), values)
@settings(max_examples=60, deadline=None)
def test_the_linf_projection_is_that_of_a_linear_programme(components, offset):
    normal = torch.tensor([[w for w, _ in components]], dtype=torch.float64)
    image = torch.tensor([[x for _, x in components]], dtype=torch.float64)
    step = to_hyperplane(image, normal, torch.tensor([offset], dtype=torch.float64), "linf")
    assert ((image + step >= -1e-12) & (image + step <= 1 + 1e-12)).all()
    # min t with -t <= step <= t, normal . step = offset, image + step in the box
    d = image.shape[1]
    eye = torch.eye(d)
    upper = torch.cat([torch.cat([eye, -eye]), -torch.ones(2 * d, 1)], 1)
    found = linprog(
        [0.0] * d + [1.0],
        A_ub=upper.numpy(),
        b_ub=[0.0] * 2 * d,
        A_eq=[[*normal[0].tolist(), 0.0]],
        b_eq=[offset],
        bounds=[(-x, 1 - x) for x in image[0].tolist()] + [(0, None)],
    )
    if found.status == 0:
        assert lengths(step, "linf").item() == pytest.approx(found.fun, abs=1e-7)
        assert (normal * step).sum().item() == pytest.approx(offset, abs=1e-7)
    elif abs(offset) > 1e-6:
        corner = torch.where(normal * offset > 0, 1 - image, -image)
        corner = torch.where(normal == 0, 0, corner)
        torch.testing.assert_close(step, corner)


@given(st.lists(st.tuples(values, st.floats(0, 1)), min_size=1, max_size=8), st.floats(0.001, 1))
@settings(max_examples=60, deadline=None)
def test_the_l2_projection_is_as_long_as_the_distance_within_the_box(components, offset):
    normal = torch.tensor([[w for w, _ in components]], dtype=torch.float64)
    image = torch.tensor([[x for _, x in components]], dtype=torch.float64)
    offsets = torch.tensor([offset], dtype=torch.float64)
    distance = reach(image, normal, offsets)
    for sign in (1, -1):
        step = to_hyperplane(image, sign * normal, sign * offsets, "l2")
        if bool(distance.isfinite()):
            torch.testing.assert_close(lengths(step, "l2"), distance)
            assert (normal * step).sum().item() == pytest.approx(offset, abs=1e-9)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize(("low", "high", "excess"), [(0.4, 0.6, 1e-4), (-0.5, 1.5, 5e-3)])
def test_for_a_linear_classifier_it_is_the_exact_projection(norm, low, high, excess):
    model = linear(30, 4)
    images = images_of(25, 30, low, high)
    labels = model(images).argmax(1)
    nearest = torch.full((25,), torch.inf, dtype=torch.float64)
    for row, other in itertools.product(range(25), range(4)):
        if other == labels[row]:
            continue
        normal = (model.weight[other] - model.weight[labels[row]]).detach()[None]
        logits = model(images[row]).detach()
        offset = (logits[labels[row]] - logits[other])[None]
        step = to_hyperplane(images[row : row + 1], normal, offset, norm)
        if abs((normal * step).sum() - offset) < 1e-9:
            nearest[row] = torch.minimum(nearest[row], lengths(step, norm)[0])
    crafted = craft(model, images, labels, f"fab(norm={norm}, steps=20)")
    reachable = nearest.isfinite()
    assert reachable.sum() > 15
    assert torch.equal(crafted.success, reachable)
    found = lengths(crafted.images - images, norm)[reachable]
    assert (found >= nearest[reachable] - 1e-12).all()
    # A step that overshoots is clipped, so that it is not quite along the shortest way.
    assert (found <= nearest[reachable] * (1 + excess)).all()


def test_with_a_radius_success_lies_within_it_and_is_left_at_once():
    model = linear(30, 4)
    images = images_of(25, 30, 0.4, 0.6)
    labels = model(images).argmax(1)
    free = craft(model, images, labels, "fab(steps=20)")
    distances = lengths(free.images - images, "linf")
    eps = float(distances.median()) * 1.01
    within = craft(model, images, labels, f"fab(eps={eps}, steps=20)")
    # Projected onto the ball, a point may win that the nearest winner's distance does not show.
    assert (within.success >= (distances <= eps)).all()
    assert 10 < within.success.sum() < 25
    assert (lengths(within.images - images, "linf") <= eps + 1e-12).all()
    changed = model(within.images).argmax(1) != labels
    assert torch.equal(changed, within.success)
    assert within.forwards[within.success].max() < free.forwards.min()


def test_no_more_passes_than_promised():
    classifier = load_classifier()
    images, labels = load_images("digits").subset(24).tensors()
    crafted = craft(classifier, images, labels, "fab(steps=15, targets=3)")
    right = crafted.clean_correct
    assert int(crafted.backwards.max()) <= crafted.recipe.gradients == 3 * 23
    assert int(crafted.backwards[right].min()) >= 3 * 15
    # A step costs two forward passes at the most, and one more if it did not win as expected.
    assert int(crafted.forwards.max()) <= 3 * 2 * 15 + 3 * 8 + 4


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_more_targets_and_steps_bring_nearer_points(norm):
    classifier = load_classifier()
    images, labels = load_images("digits").subset(16).tensors()
    medians = []
    for settings_of in ("steps=3, targets=1", "steps=20, targets=3"):
        crafted = craft(classifier, images, labels, f"fab(norm={norm}, {settings_of})")
        right = crafted.clean_correct
        assert crafted.success[right].float().mean() > 0.9
        medians.append(lengths(crafted.images - images, norm)[right].median())
    assert medians[1] < medians[0]
