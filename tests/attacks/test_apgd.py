"""APGD against a slow, literal version of its algorithm, and what it promises."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from attacks import active, craft, parse
from attacks.apgd import Apgd, checkpoints
from attacks.norms import lengths
from core import load_classifier, load_images, randomness


def small_net(classes: int = 5, seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, classes)
        return nn.Sequential(nn.Flatten(), *layers).double().eval()


def examples(model: nn.Module, n: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    images = torch.rand(n, 3, 2, 2, generator=generator, dtype=torch.float64) * 1.4 - 0.2
    images = images.clamp(0, 1)
    return images, model(images).argmax(1)


class Recorded(nn.Module):
    """Keeps what it is shown."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.shown: list[torch.Tensor] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.shown.append(images.detach().clone())
        return self.model(images)


def rugged_net() -> nn.Module:
    """A landscape with many hills inside the ball, whose first class is never lost."""
    model = small_net()
    with torch.no_grad():
        model[1].weight.mul_(15)
        model[1].bias.copy_(-model[1].weight.sum(1) / 2)
        model[3].bias.zero_()
        model[3].bias[0] += 6
    return model


def nearest(point, image, eps, norm):
    """The nearest point of ball and box, by bisection on the multiplier where it is not a clip."""
    if norm == "linf":
        return point.clamp(image - eps, image + eps).clamp(0, 1)

    def shrunk(factor):
        return (image + factor * (point - image)).clamp(0, 1)

    if (shrunk(1.0) - image).norm() <= eps:
        return shrunk(1.0)
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if (shrunk(middle) - image).norm() <= eps else (low, middle)
    return shrunk(low)


def walked(loss, image, start, eps, norm, steps, rho=0.75):
    """Algorithm 1 of the paper for one image, as its authors run it: every point evaluated."""

    def look(point):
        point = point.clone().requires_grad_()
        value = loss(point)
        return value.item(), torch.autograd.grad(value, point)[0]

    def direction(gradient):
        return gradient.sign() if norm == "linf" else gradient / gradient.norm()

    share, shares = 0.22, [0.0, 0.22]
    while share < 1 - 1e-9:
        share += max(shares[-1] - shares[-2] - 0.03, 0.06)
        shares.append(share)
    checks = [math.ceil(round(s * steps, 9)) for s in shares]
    size, points = 2 * eps, [start]
    value, gradient = look(start)
    values = [value]
    top, top_value, top_gradient = start, value, gradient
    size_then, top_then = None, None
    x, x_before, last_check = start, start, 0
    for k in range(1, steps + 1):
        alpha = 1.0 if k == 1 else 0.75
        z = nearest(x + size * direction(gradient), image, eps, norm)
        ahead = nearest(x + alpha * (z - x) + (1 - alpha) * (x - x_before), image, eps, norm)
        x_before, x = x, ahead
        points.append(x)
        value, gradient = look(x)
        values.append(value)
        if value > top_value:
            top, top_value, top_gradient = x, value, gradient
        if k in checks and k > last_check:
            gained = sum(values[i + 1] > values[i] for i in range(last_check, k))
            few = gained <= rho * (k - last_check)
            stuck = size_then == size and top_then == top_value
            size_then, top_then = size, top_value
            if few or stuck:
                size = size / 2
                x, gradient = top, top_gradient
            last_check = k
    return points


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("objective", ["cross_entropy", "dlr"])
def test_every_step_is_that_of_the_literal_algorithm(norm, objective):
    model = rugged_net()
    images, _ = examples(model)
    labels = torch.zeros(len(images), dtype=torch.int64)
    eps, steps = (0.2, 60) if norm == "linf" else (0.4, 60)
    recipe = f"apgd(norm={norm}, eps={eps}, steps={steps}, objective={objective})"

    for row in range(0, len(images), 2):
        image, label = images[row], labels[row]

        def loss(point, label=label):
            z = model(point[None])[0]
            if objective == "cross_entropy":
                return nn.functional.cross_entropy(z, label)
            ranked = z.sort(descending=True).values
            other = z[torch.arange(len(z)) != label].max()
            return (other - z[label]) / (ranked[0] - ranked[2])

        recorded = Recorded(model)
        crafted = craft(recorded, images[row : row + 1], labels[row : row + 1], recipe)
        found = torch.cat(recorded.shown[1:])
        stream = [randomness.generator(0, "0", "apgd start 0")]
        if norm == "linf":
            drawn = 2 * randomness.uniform(stream, image.shape, images) - 1
            offset = drawn / drawn.abs().max()
        else:
            drawn = randomness.normal(stream, image.shape, images)
            offset = drawn / drawn.norm()
        start = nearest(image + eps * offset[0], image, eps, norm)
        expected = torch.stack(walked(loss, image, start, eps, norm, steps))
        assert len(found) == steps + 1
        assert not crafted.success.any()
        torch.testing.assert_close(found, expected, atol=1e-7, rtol=0)


def test_the_literal_comparison_reached_checkpoints_that_halve_and_some_that_do_not():
    model = rugged_net()
    images, _ = examples(model)
    labels = torch.zeros(len(images), dtype=torch.int64)
    attack = Apgd(parse("apgd(eps=0.2, steps=60)"))
    sizes = set()
    advance = attack.advance

    def noted(state, found):
        sizes.update((state.size / 0.4).tolist())
        advance(state, found)

    attack.advance = noted
    counting = active.Counting(model, len(images))
    ids = tuple(map(str, range(len(images))))
    active.run(attack, counting, images, labels, labels, ids, 0, 4, torch.device("cpu"))
    assert len(sizes) >= 3


def test_checkpoints_are_those_of_the_paper():
    assert checkpoints(100) == [22, 41, 57, 70, 80, 87, 93, 99, 100]
    assert checkpoints(1) == [1]
    assert checkpoints(10) == [3, 5, 6, 7, 8, 9, 10]


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_two_linear_classes_are_climbed_to_the_optimum_of_the_ball(norm):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Linear(12, 2).double().eval()
    generator = torch.Generator().manual_seed(7)
    images = 0.4 + 0.2 * torch.rand(20, 12, generator=generator, dtype=torch.float64)
    labels = model(images).argmax(1)
    uphill = (model.weight[1 - labels] - model.weight[labels]).detach()
    step = uphill.sign() if norm == "linf" else uphill / uphill.norm(dim=1, keepdim=True)
    crafted = craft(model, images, labels, f"apgd(norm={norm}, eps=0.001)")
    missed = ~crafted.success
    assert missed.sum() > 10
    torch.testing.assert_close(
        crafted.images[missed], (images + 0.001 * step)[missed], atol=1e-6, rtol=0
    )


def test_the_passes_are_what_is_promised():
    model = small_net()
    images, labels = examples(model)
    for recipe, runs in (
        ("apgd(eps=0.0001, steps=7)", 1),
        ("apgd(eps=0.0001, steps=7, restarts=3)", 3),
        ("apgdt(eps=0.0001, steps=7, targets=3)", 3),
        ("apgdt(eps=0.0001, steps=7, targets=9)", 4),
        ("apgdt(eps=0.0001, steps=7, targets=2, restarts=2)", 4),
    ):
        crafted = craft(model, images, labels, recipe)
        missed = ~crafted.success
        assert missed.any()
        assert set(crafted.forwards[missed].tolist()) == {runs * 8 + 1}
        assert set(crafted.backwards[missed].tolist()) == {runs * 7}


def test_targets_are_the_likeliest_other_classes_in_their_order():
    model = small_net()
    images, labels = examples(model, 6)
    attack = Apgd(parse("apgdt(eps=0.0001, steps=3, targets=3)"))
    aims: list[torch.Tensor] = []
    advance = attack.advance

    def noted(state, found):
        advance(state, found)
        aims.append(state.rivals.clone())

    attack.advance = noted
    counting = active.Counting(model, 6)
    ids = tuple("012345")
    active.run(attack, counting, images, labels, labels, ids, 0, 6, torch.device("cpu"))
    ranked = model(images).argsort(1, descending=True)
    for turn in range(3):
        assert torch.equal(aims[4 * turn], ranked[:, turn + 1])


def test_a_targeted_ascent_reaches_the_target_it_is_given():
    model = small_net()
    images, labels = examples(model)
    targets = model(images).argsort(1, descending=True)[:, 1]
    for objective in ("cross_entropy", "dlr"):
        recipe = f"apgd(eps=0.9, objective={objective}, targeted=true, restarts=3)"
        crafted = craft(model, images, labels, recipe, targets=targets)
        assert crafted.success.any()
        reached = model(crafted.images).argmax(1) == targets
        assert torch.equal(reached, crafted.success)


def test_every_part_leaves_no_more_digits_unfooled_than_pgd():
    classifier = load_classifier()
    images, labels = load_images("digits").subset(48).tensors()
    for norm, eps in (("linf", 0.1), ("l2", 0.6)):
        pgd = craft(classifier, images, labels, f"pgd(norm={norm}, eps={eps})")
        assert 0 < pgd.success.float().mean() < 0.9
        for recipe in (
            f"apgd(norm={norm}, eps={eps})",
            f"apgdt(norm={norm}, eps={eps}, steps=30, targets=4)",
        ):
            crafted = craft(classifier, images, labels, recipe)
            assert crafted.success.sum() >= pgd.success.sum()
            assert lengths(crafted.images - images, norm).max() <= eps + 1e-6
