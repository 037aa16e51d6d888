"""The Square Attack: its shapes, its schedule, its ball, and that it wins without gradients."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from attacks import craft, parse
from attacks.norms import lengths
from attacks.square import Square, bumps, window
from core import load_classifier, load_images


class Sum(nn.Module):
    """Class 1 where the sum of the components passes a threshold."""

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        total = images.flatten(1).sum(1) - self.threshold
        return torch.stack([-total, total], 1).detach()


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 5, 9), (40,)])
def test_it_wins_where_the_ball_has_room_to_and_never_leaves_it(norm, shape):
    generator = torch.Generator().manual_seed(0)
    images = 0.4 + 0.2 * torch.rand(6, *shape, generator=generator, dtype=torch.float64)
    size, eps = math.prod(shape), 0.1 if norm == "linf" else 0.5
    most = eps * (size if norm == "linf" else size**0.5)
    labels = torch.zeros(6, dtype=torch.int64)
    for share, wins in ((0.8 if norm == "linf" else 0.1, True), (1.05, False)):
        threshold = float(images.flatten(1).sum(1).max()) + share * most
        model = Sum(threshold)
        crafted = craft(model, images, labels, f"square(norm={norm}, eps={eps}, queries=600)")
        assert crafted.success.all() == wins
        assert crafted.success.any() == wins
        steps = crafted.images - images
        assert (lengths(steps, norm) <= eps * (1 + 1e-12)).all()
        assert torch.equal(model(crafted.images).argmax(1), crafted.predictions)
        assert (crafted.backwards == 0).all()
        if wins:
            assert crafted.forwards.max() < 602
        else:
            assert (crafted.forwards == 602).all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_it_stays_in_ball_and_box_for_saturated_images(norm):
    images = torch.zeros(4, 1, 8, 8, dtype=torch.float64)
    images[2:] = 1
    eps = 0.1 if norm == "linf" else 0.5
    labels = Sum(32.0)(images).argmax(1)
    crafted = craft(Sum(32.0), images, labels, f"square(norm={norm}, eps={eps}, queries=50)")
    assert ((crafted.images >= 0) & (crafted.images <= 1)).all()
    assert (lengths(crafted.images - images, norm) <= eps * (1 + 1e-12)).all()
    assert (crafted.images != images).flatten(1).any(1).all()


def test_the_squares_shrink_as_published():
    # Andriushchenko et al. 2020: p is halved after 10, 50, 200, 500, 1000, 2000, 4000, 6000 and
    # 8000 of 10,000 steps.
    attack = Square(parse("square(eps=0.1)"))
    area = 64 * 64
    for step, halvings in ((0, 0), (10, 0), (11, 1), (51, 2), (201, 3), (501, 4), (4999, 7)):
        side = max(round(math.sqrt(0.8 / 2**halvings * area)), 1)
        assert attack.side(step, torch.Size((3, 64, 64))) == (side, side)
    rescheduled = Square(parse("square(eps=0.1, queries=100, rescheduled=true)"))
    assert rescheduled.side(99, torch.Size((3, 64, 64))) == (3, 3)
    rounded = Square(parse("square(norm=l2, eps=0.1)"))
    assert rounded.side(4999, torch.Size((3, 64, 64))) == (5, 5)
    assert rounded.side(4999, torch.Size((3, 8, 8))) == (3, 3)
    assert attack.side(0, torch.Size((1, 1, 100))) == (1, 80)


@pytest.mark.parametrize("size", [(3, 3), (4, 4), (7, 7), (1, 6), (5, 3), (1, 1)])
def test_bumps_have_length_one_and_two_opposite_halves(size):
    shape = bumps(*size)
    assert shape.shape == size
    assert shape.square().sum().item() == pytest.approx(1)
    halved = shape.T if size[0] == 1 else shape
    half = halved.shape[0] // 2
    assert (halved[:half] > 0).all()
    assert (halved[half:] < 0).all()


def test_the_bump_of_five_by_five_is_that_of_the_paper():
    # Two rectangles of 2 x 5 and 3 x 5, each a sum of nested ones weighted 1, 1/4, 1/9.
    quarter, ninth = 1 / 4, 1 / 9
    middle = [ninth, quarter + ninth, 1 + quarter + ninth, quarter + ninth, ninth]
    edge = [ninth, quarter + ninth, quarter + ninth, quarter + ninth, ninth]
    up, down = torch.tensor([edge, middle]), torch.tensor([edge, middle, edge])
    expected = torch.cat([up / up.norm(), -down / down.norm()]).double()
    torch.testing.assert_close(bumps(5, 5), expected / expected.norm(), atol=1e-6, rtol=0)


def test_windows_reach_every_border_and_have_their_size():
    pictures = torch.zeros(3, 1, 6, 5)
    shares = torch.tensor([0.0, 0.5, 0.999999])
    inside = window(pictures, shares, shares, (2, 3))
    assert inside.sum((1, 2, 3)).tolist() == [6, 6, 6]
    assert inside[0, 0, :2, :3].all()
    assert inside[2, 0, -2:, -3:].all()


def test_an_l2_proposal_is_that_of_the_paper():
    # Algorithm 3 of the paper: one window takes the mass of both, and what of the radius is unused.
    eps, generator = 0.5, torch.Generator().manual_seed(2)
    image = torch.full((1, 2, 6, 6), 0.5, dtype=torch.float64)
    step = torch.randn(1, 2, 6, 6, generator=generator, dtype=torch.float64)
    step *= 0.4 / step.norm()
    # Windows begin at row 0, column 1 and at row 2, column 2; no transposition; signs +1 and -1.
    numbers = torch.tensor([[0.0, 0.3, 0.5, 0.6, 0.2, 0.7, 0.2]], dtype=torch.float64)
    attack = Square(parse(f"square(norm=l2, eps={eps})"))
    found = attack.moved(image, image + step, numbers, (3, 3)) - image
    expected = step[0].clone()
    for channel, sign in ((0, 1), (1, -1)):
        here, there = step[0, channel, 0:3, 1:4], step[0, channel, 2:5, 2:5]
        shared = step[0, channel, 2:3, 2:4]
        both = here.square().sum() + there.square().sum() - shared.square().sum()
        mixed = sign * bumps(3, 3) + here / here.norm()
        size = (both + (eps**2 - step.square().sum()) / 2).sqrt()
        expected[channel, 2:5, 2:5] = 0
        expected[channel, 0:3, 1:4] = mixed / mixed.norm() * size
    torch.testing.assert_close(found[0], eps * expected / expected.norm())


def test_every_example_has_squares_of_its_own():
    images = torch.full((2, 1, 12, 12), 0.5, dtype=torch.float64)
    labels = torch.zeros(2, dtype=torch.int64)
    crafted = craft(Sum(1e3), images, labels, "square(eps=0.1, queries=2)")
    assert not torch.equal(crafted.images[0], crafted.images[1])


def test_digits_are_fooled_without_gradients():
    classifier = load_classifier()
    images, labels = load_images("digits").subset(48).tensors()
    few, many = (
        craft(classifier, images, labels, f"square(eps=0.2, queries={queries})")
        for queries in (20, 400)
    )
    assert many.success.sum() > few.success.sum()
    assert many.success.float().mean() > 0.5
