"""Input transforms and gradients in expectation, held against an image at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from attacks import NoisyClassifier, ascend, craft
from attacks.transforms import TRANSFORMS, diverse, framed, shift
from core import randomness
from core.errors import InputError
from core.losses import cross_entropy


def batch(shape: tuple[int, ...] = (6, 3, 9, 7)) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(shape, generator=generator, dtype=torch.float64)


def net(shape: tuple[int, ...] = (3, 9, 7)) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        width = int(np.prod(shape))
        return nn.Sequential(
            nn.Flatten(), nn.Linear(width, 20), nn.Tanh(), nn.Linear(20, 4)
        ).double()


def test_resized_and_placed_images_and_their_gradients_are_those_of_torch():
    images = batch()
    frames = [(9, 0, 7, 0), (5, 2, 3, 4), (8, 1, 7, 0), (1, 8, 1, 6), (9, 3, 7, -2), (4, -2, 6, 3)]
    points, same = (images.clone().requires_grad_() for _ in range(2))
    ours = framed(points, frames)
    literal = []
    for image, (high, top, wide, left) in zip(same, frames, strict=True):
        small = functional.interpolate(image[None], size=(high, wide), mode="bilinear")
        sides = (left, 7 - wide - left, top, 9 - high - top)
        literal.append(functional.pad(small, sides)[0])
    # The one of torch has its scale in float32.
    torch.testing.assert_close(ours, torch.stack(literal), atol=1e-6, rtol=0)
    weights = torch.randn(ours.shape, generator=torch.Generator().manual_seed(1)).double()
    gradients = [
        torch.autograd.grad((made * weights).sum(), given)[0]
        for made, given in ((ours, points), (torch.stack(literal), same))
    ]
    torch.testing.assert_close(*gradients, atol=3e-6, rtol=0)


@pytest.mark.parametrize("shape", [(400, 1, 8, 8), (400, 3, 32, 20), (400, 1, 2, 2)])
def test_diverse_input_draws_size_and_place_as_the_paper_says(shape):
    images = torch.ones(shape, dtype=torch.float64)
    streams = randomness.generators(0, [str(i) for i in range(len(images))], "test")
    made = diverse(images, streams, scale=0.25, probability=0.5)
    high, wide = shape[2:]
    heights = (made[:, 0].amax(2) > 0.5).sum(1)
    widths = (made[:, 0].amax(1) > 0.5).sum(1)
    least = min(round(0.75 * high), high - 1)
    assert set(heights.tolist()) == set(range(least, high + 1))
    assert (widths - heights * wide / high).abs().max() <= 0.5
    # Half of them are left alone, and the rest draws the full size as often as any other.
    unchanged = (heights == high).double().mean()
    assert unchanged == pytest.approx(0.5 + 0.5 / (high - least + 1), abs=0.08)
    tops = (made[:, 0].amax(2) > 0.5).double().argmax(1)
    smallest = tops[heights == least]
    assert set(smallest.tolist()) <= set(range(high - least + 1))
    assert int(smallest.max()) - int(smallest.min()) > 0.8 * (high - least)
    assert smallest.double().mean() == pytest.approx((high - least) / 2, abs=0.2 * high / 8 + 0.1)
    always = diverse(images, streams, scale=0.25, probability=1.0)
    assert ((always[:, 0].amax(2) > 0.5).sum(1) < high).double().mean() > 0.4


def test_shifts_are_whole_pixels_within_their_reach():
    images = batch((200, 2, 9, 7))
    streams = randomness.generators(0, [str(i) for i in range(len(images))], "test")
    made = shift(images, streams, scale=0.2)
    found = set()
    for one, image in zip(made, images, strict=True):
        moves = []
        for down in (-2, -1, 0, 1, 2):
            for right in (-1, 0, 1):
                moved = torch.zeros_like(image)
                rows, columns = (
                    slice(max(down, 0), 9 + min(down, 0)),
                    slice(max(right, 0), 7 + min(right, 0)),
                )
                back = (
                    slice(max(-down, 0), 9 + min(-down, 0)),
                    slice(max(-right, 0), 7 + min(-right, 0)),
                )
                moved[:, rows, columns] = image[:, back[0], back[1]]
                if torch.allclose(one, moved, atol=1e-12):
                    moves.append((down, right))
        assert len(moves) == 1
        found.add(moves[0])
    assert len(found) == 15


@pytest.mark.parametrize("name", ["diverse", "shift", "noise"])
@pytest.mark.parametrize("noise", [None, "gaussian 0.2"])
def test_the_mean_gradient_over_samples_is_that_of_the_literal_loop(name, noise):
    model, images = net(), batch()
    labels = model(images).argmax(1)
    made = ascend(
        model, images, labels, "cross_entropy", "plain", "l2 9", noise, steps=2, step_size=0.1,
        transform=name, samples=3, random_start=False, stop=False, seed=4, batch_size=4,
    )  # fmt: skip
    noisy = None if noise is None else NoisyClassifier(model, "gaussian", 0.2, seed=4)
    for i in range(6):
        point = images[i : i + 1]
        for step in range(2):
            gradients = []
            for sample in range(3):
                purpose = f"transform {sample}, run 0, step {step}"
                stream = [randomness.generator(4, str(i), purpose)]
                leaf = point.clone().requires_grad_()
                seen = TRANSFORMS[name](leaf, stream)
                logits = model(seen) if noisy is None else noisy(seen, 3 * step + sample)
                loss = cross_entropy(logits, labels[i : i + 1]).sum()
                gradients.append(torch.autograd.grad(loss, leaf)[0])
            point = (point + 0.1 * torch.stack(gradients).mean(0)).clamp(0, 1)
        torch.testing.assert_close(made.images[i : i + 1], point, atol=1e-10, rtol=0)
    assert made.forwards.tolist() == [1 + 2 * 3 + 1] * 6
    assert made.backwards.tolist() == [6] * 6 == [made.recipe.gradients] * 6


def test_the_image_as_it_is_judges_the_success():
    model, images = net(), batch((40, 3, 9, 7))
    labels = model(images).argmax(1)
    seen = "pgd(norm=l2, eps=1, steps=20, transform=noise, transform_scale=0.5, stop=true)"
    made = craft(model, images, labels, seen)
    assert made.success.any()
    assert made.success.tolist() == (model(made.images).argmax(1) != labels).tolist()
    assert made.forwards.min() < made.forwards.max()


def test_a_function_is_a_transform_too():
    model, images = net(), batch()
    labels = model(images).argmax(1)
    options = {"constraint": "l2 0.5", "steps": 3}
    plain = ascend(model, images, labels, random_start=False, stop=False, **options)
    mirrored = ascend(
        model, images, labels, transform=lambda points, streams: points.flip(3),
        random_start=False, **options,
    )  # fmt: skip
    assert not torch.allclose(plain.images, mirrored.images)


def test_spatial_transforms_refuse_what_is_no_image():
    model = net((12,))
    images = batch((3, 12))
    with pytest.raises(InputError, match="transform: shift needs images of shape"):
        craft(model, images, model(images).argmax(1), "pgd(eps=0.1, transform=shift)")
