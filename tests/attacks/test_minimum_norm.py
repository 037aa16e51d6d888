from __future__ import annotations

import pytest
import torch
from torch import nn

from attacks import craft
from attacks.norms import lengths

NORMS = pytest.mark.parametrize("norm", ["l2", "linf"])


def linear(d: int, classes: int, scale: float = 1.0) -> nn.Linear:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = nn.Linear(d, classes).double()
    with torch.no_grad():
        model.weight.mul_(scale), model.bias.mul_(scale)
    return model.requires_grad_(False)


def images_between(low: float, high: float, n: int, d: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    images = low + (high - low) * torch.rand(n, d, generator=generator, dtype=torch.float64)
    return images.clamp(0, 1)


def shortest_step(
    image: torch.Tensor, normal: torch.Tensor, offset: float, norm: str
) -> torch.Tensor:
    """The shortest step within the box with normal.step >= offset, bisected.

    It is clip(s normal) in l2 and clip(s sign(normal)) in linf.
    """
    direction = normal if norm == "l2" else normal.sign()

    def at(scale: float) -> torch.Tensor:
        return (image + scale * direction).clamp(0, 1) - image

    low, high = 0.0, 1e6
    if normal @ at(high) < offset:
        return torch.full_like(image, torch.inf)
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (low, middle) if normal @ at(middle) >= offset else (middle, high)
    return at(high)


@NORMS
@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("scale", [1e-3, 1e3])
@pytest.mark.parametrize(("low", "high"), [(0.4, 0.6), (-0.5, 1.5)], ids=["inside", "saturated"])
def test_on_a_linear_classifier_it_is_the_exact_projection(norm, classes, scale, low, high):
    model = linear(30, classes, scale)
    images = images_between(low, high, 20, 30)
    logits = model(images)
    labels = logits.argmax(1)
    crafted = craft(model, images, labels, f"minnorm(norm={norm})")
    exact = []
    for image, scores, label in zip(images, logits, labels.tolist(), strict=True):
        steps = [
            shortest_step(
                image, model.weight[k] - model.weight[label], float(scores[label] - scores[k]), norm
            )
            for k in range(classes)
            if k != label
        ]
        exact.append(min(float(lengths(step[None], norm)) for step in steps))
    ours = lengths(crafted.images - images, norm)
    reachable = torch.tensor(exact).isfinite()
    assert crafted.success.tolist() == reachable.tolist()
    assert reachable.any()
    ratio = ours[reachable] / torch.tensor(exact, dtype=torch.float64)[reachable]
    assert ratio.max() <= 1 + 1e-6
    assert ratio.min() >= 1 - 1e-12
    assert (crafted.forwards <= 100).all()


def curved_net() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 5)).double().eval()


@NORMS
def test_every_example_of_an_undefended_net_is_fooled_near_the_boundary(norm):
    model = curved_net()
    images = images_between(-0.5, 1.5, 40, 20)
    labels = model(images).argmax(1)
    crafted = craft(model, images, labels, f"minnorm(norm={norm})")
    assert crafted.success.all()
    # A hair nearer to the image the label is the old one again.
    nearer = images + 0.99 * (crafted.images - images)
    assert (model(nearer).argmax(1) == labels).float().mean() > 0.95
    assert ((crafted.images >= 0) & (crafted.images <= 1)).all()


@NORMS
def test_pgd_hardly_ever_wins_in_a_ball_a_little_smaller(norm):
    model = curved_net()
    images = images_between(0.2, 0.8, 8, 20)
    labels = model(images).argmax(1)
    crafted = craft(model, images, labels, f"minnorm(norm={norm})")
    beaten = 0
    for image, radius, label in zip(
        images, lengths(crafted.images - images, norm).tolist(), labels, strict=True
    ):
        recipe = f"pgd(norm={norm}, eps={0.98 * radius}, restarts=2, objective=margin)"
        beaten += int(craft(model, image[None], label[None], recipe).success)
    assert beaten <= 1


@NORMS
def test_saturated_pixels_move(norm):
    model = curved_net()
    images = images_between(-0.5, 1.5, 40, 20).round()
    labels = model(images).argmax(1)
    crafted = craft(model, images, labels, f"minnorm(norm={norm})")
    assert ((crafted.images != images).sum(1) > 5).all()


@NORMS
def test_a_flat_classifier_is_left_by_a_random_direction(norm):
    class Plateau(nn.Module):
        def forward(self, x):
            away = ((x - 0.5).square().sum(1) - 0.04).relu()
            return torch.stack([torch.full_like(away, 0.05), away], 1)

    images = torch.full((5, 10), 0.5, dtype=torch.float64)
    crafted = craft(Plateau(), images, torch.zeros(5, dtype=torch.int64), f"minnorm(norm={norm})")
    assert crafted.success.all()
    nearest = 0.3 if norm == "l2" else 0.3 / 10**0.5
    assert lengths(crafted.images - images, norm) == pytest.approx(nearest, rel=5e-3)


@NORMS
def test_a_target_class_is_reached_by_the_projection_onto_its_half_space(norm):
    model = linear(30, 2)
    images = images_between(0.4, 0.6, 10, 30)
    labels = model(images).argmax(1)
    one = craft(model, images, labels, f"minnorm(norm={norm})")
    other = craft(model, images, labels, f"minnorm(norm={norm}, targeted=true)", targets=1 - labels)
    torch.testing.assert_close(one.images, other.images)


@NORMS
def test_a_search_that_went_far_beyond_the_boundary_finds_its_way_back(norm):
    class Step(nn.Module):
        """Flat at the image, so that the boundary seems 17 times farther than it is."""

        def forward(self, x):
            far = (x - 0.5).sum(1) / x.shape[1] ** 0.5
            rise = 10 * torch.sigmoid(20 * (far - 0.5)) - 5 + 0.6 * far
            return torch.stack([0 * rise, rise, rise - 20], 1)

    images = torch.full((3, 400), 0.5, dtype=torch.float64)
    crafted = craft(Step(), images, torch.zeros(3, dtype=torch.int64), f"minnorm(norm={norm})")
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        won = Step()(0.5 + torch.full((1, 400), middle / 20)).argmax() == 1
        low, high = (low, middle) if won else (middle, high)
    exact = high if norm == "l2" else high / 20
    assert crafted.success.all()
    assert lengths(crafted.images - images, norm).tolist() == pytest.approx([exact] * 3, rel=1e-4)
