from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from attacks import craft
from attacks.norms import lengths
from core import randomness
from core.losses import cross_entropy


def linear(d: int, classes: int, seed: int = 0) -> nn.Linear:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Linear(d, classes).double()


def small_net(seed: int = 0, channels: int = 1, classes: int = 4) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = nn.Sequential(
            nn.Conv2d(channels, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.Tanh(),
            nn.Flatten(),
            nn.Dropout(0.5),
            nn.Linear(6 * 36, classes),
        ).double()
    # Classes that follow the image rather than the biases.
    with torch.no_grad():
        net[0].weight.mul_(4), net[0].bias.copy_(-net[0].weight.sum((1, 2, 3)) / 2)
        net[5].bias.zero_()
    return net


def images_for(model: nn.Module, shape: tuple[int, ...], low: float = 0.0, high: float = 1.0):
    generator = torch.Generator().manual_seed(7)
    images = low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)
    model.eval()
    return images, model(images).argmax(1)


@pytest.mark.parametrize("classes", [2, 5])
def test_fgsm_on_a_linear_classifier_is_the_closed_form(classes):
    model = linear(12, classes)
    images, labels = images_for(model, (20, 12), 0.3, 0.7)
    softmax = model(images).softmax(1).detach()
    onehot = nn.functional.one_hot(labels, classes)
    gradient = (softmax - onehot) @ model.weight.detach()
    for norm, step in (
        ("linf", gradient.sign()),
        ("l2", gradient / gradient.norm(dim=1, keepdim=True)),
    ):
        crafted = craft(model, images, labels, f"fgsm(norm={norm}, eps=0.1)")
        torch.testing.assert_close(crafted.images, images + 0.1 * step)
        fooled = model(crafted.images).argmax(1) != labels
        assert crafted.success.tolist() == fooled.tolist()
        assert crafted.forwards.tolist() == [2] * 20
        assert crafted.backwards.tolist() == [1] * 20


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_pgd_on_two_linear_classes_ends_at_the_optimum_of_the_ball(norm):
    model = linear(12, 2)
    images, labels = images_for(model, (20, 12), 0.3, 0.7)
    own, other = model.weight.detach()[labels], model.weight.detach()[1 - labels]
    uphill = other - own
    direction = uphill.sign() if norm == "linf" else uphill / uphill.norm(dim=1, keepdim=True)
    recipe = f"pgd(norm={norm}, eps=0.1, stop=false, steps=300, step_size=0.01)"
    crafted = craft(model, images, labels, recipe)
    torch.testing.assert_close(crafted.images, images + 0.1 * direction, atol=1e-5, rtol=0)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_pgd_succeeds_on_two_linear_classes_exactly_where_it_is_possible(norm):
    model = linear(12, 2)
    images, labels = images_for(model, (60, 12), 0.3, 0.7)
    logits = model(images).detach()
    gap = (logits.gather(1, labels[:, None]) - logits.gather(1, 1 - labels[:, None])).squeeze(1)
    slope = (model.weight[0] - model.weight[1]).detach()
    steepness = slope.abs().sum() if norm == "linf" else slope.norm()
    eps = float((gap / steepness).median())
    crafted = craft(
        model, images, labels, f"pgd(norm={norm}, eps={eps}, steps=100, step_size={eps / 10})"
    )
    possible = gap < eps * steepness * 0.999
    certain = gap > eps * steepness
    assert crafted.success[possible].all()
    assert not crafted.success[certain].any()
    assert 20 < crafted.success.sum() < 40


def pgd_one_by_one(model, images, labels, ids, *, norm, eps, steps, step_size, restarts, seed):
    """PGD as the papers write it, an example at a time, the best or first fooled point kept."""
    made = []
    for image, label, name in zip(images, labels, ids, strict=True):
        best, best_loss, fooled = None, -float("inf"), False
        for run in range(restarts):
            stream = [randomness.generator(seed, name, f"attack start {run}")]
            if norm == "linf":
                offset = 2 * randomness.uniform(stream, image.shape, image)[0] - 1
                x = image + eps * offset
            else:
                direction = randomness.normal(stream, image.shape, image)[0]
                share = randomness.uniform(stream, (), image)[0] ** (1 / image.numel())
                x = image + eps * share * direction / direction.norm()
            x = (x).clamp(0, 1)
            for step in range(steps + 1):
                x = x.detach().requires_grad_()
                logits = model(x[None])
                loss = nn.functional.cross_entropy(logits, label[None])
                fooled = bool(logits.argmax(1) != label)
                if fooled or loss > best_loss:
                    best, best_loss = x.detach(), float(loss.detach())
                if fooled or step == steps:
                    break
                (g,) = torch.autograd.grad(loss, x)
                if norm == "linf":
                    x = (x + step_size * g.sign()).clamp(image - eps, image + eps)
                else:
                    x = x + step_size * g / g.norm()
                    delta = x - image
                    x = image + delta * min(1.0, eps / float(delta.detach().norm()))
                x = x.clamp(0, 1)
            if fooled:
                break
        made.append(best)
    return torch.stack(made)


def momentum_one_by_one(model, image, label, *, norm, eps, steps, momentum):
    """PGD from the image with momentum and steps that shrink along a cosine, until fooled."""
    x, velocity = image, torch.zeros_like(image)
    for step in range(steps + 1):
        x = x.detach().requires_grad_()
        loss = nn.functional.cross_entropy(model(x[None]), label[None])
        if step == steps or (step and int(model(x[None]).argmax(1)) != int(label)):
            return x.detach()
        (g,) = torch.autograd.grad(loss, x)
        velocity = momentum * velocity + g / g.abs().sum()
        length = eps * (0.1 + 0.9 * (1 + math.cos(math.pi * step / steps)) / 2)
        if norm == "linf":
            x = (x + length * velocity.sign()).clamp(image - eps, image + eps)
        else:
            moved = x + length * velocity / velocity.norm() - image
            x = image + moved * min(1.0, eps / float(moved.detach().norm()))
    raise AssertionError


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_momentum_and_cosine_steps_equal_the_literal_reference(norm):
    model = small_net()
    images, labels = images_for(model, (12, 1, 6, 6), 0.4, 0.6)
    eps = {"linf": 0.004, "l2": 0.02}[norm]
    recipe = (
        f"pgd(norm={norm}, eps={eps}, steps=7, schedule=cosine, momentum=0.5, random_start=false)"
    )
    crafted = craft(model, images, labels, recipe)
    assert 0 < crafted.success.sum() < 12
    # The last point; where an example was not fooled the best one is kept, which may be earlier.
    for i in crafted.success.nonzero().flatten().tolist():
        expected = momentum_one_by_one(
            model, images[i], labels[i], norm=norm, eps=eps, steps=7, momentum=0.5
        )
        torch.testing.assert_close(crafted.images[i], expected, atol=1e-9, rtol=0)


def test_patience_gives_up_only_what_gains_nothing_and_saves_passes():
    model = linear(12, 2)
    images, labels = images_for(model, (60, 12), 0.3, 0.7)
    recipe = "pgd(eps=0.02, steps=60, step_size=0.005, random_start=false{})"
    endless = craft(model, images, labels, recipe.format(""))
    patient = craft(model, images, labels, recipe.format(", patience=3"))
    assert endless.success.tolist() == patient.success.tolist()
    kept = ~endless.success
    assert kept.any()
    # On a linear classifier the corner is reached after four steps; three more gain nothing.
    assert patient.forwards[kept].tolist() == [8] * int(kept.sum())
    assert endless.forwards[kept].tolist() == [61] * int(kept.sum())


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("restarts", [1, 3])
def test_pgd_equals_the_literal_reference(norm, restarts):
    model = small_net()
    # Away from the box, so that the reference may clip after it has projected.
    images, labels = images_for(model, (12, 1, 6, 6), 0.4, 0.6)
    eps = {"linf": 0.02, "l2": 0.1}[norm]
    names = [f"val/{i}" for i in range(12)]
    recipe = f"pgd(norm={norm}, eps={eps}, steps=7, step_size={eps / 4}, restarts={restarts})"
    crafted = craft(model, images, labels, recipe, seed=3, ids=names, batch_size=5)
    literal = pgd_one_by_one(
        model, images, labels, names,
        norm=norm, eps=eps, steps=7, step_size=eps / 4, restarts=restarts, seed=3,
    )  # fmt: skip
    assert 0 < crafted.success.sum() < 12
    torch.testing.assert_close(crafted.images, literal, atol=1e-9, rtol=0)


def test_passes_are_counted_exactly():
    class Counted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = small_net()
            self.forwards = self.backwards = 0

        def forward(self, x):
            self.forwards += len(x)
            logits = self.inner(x)
            if logits.requires_grad:
                logits.register_hook(lambda g: setattr(self, "backwards", self.backwards + len(g)))
            return logits

    model = Counted()
    images, labels = images_for(model.inner, (30, 1, 6, 6))
    labels[:4] = (labels[:4] + 1) % 4
    for recipe in (
        "fgsm(eps=0.02)",
        "pgd(eps=0.02, steps=5, restarts=2)",
        "pgd(norm=l2, eps=0.1, steps=5, random_start=false)",
        "pgd(eps=0.02, steps=5, targeted=true)",
        "minnorm(steps=10)",
        "noise(norm=l2, eps=0.3)",
        "noise(like=pgd(eps=0.02, steps=5))",
    ):
        model.forwards = model.backwards = 0
        crafted = craft(model, images, labels, recipe, batch_size=8)
        assert crafted.forwards.sum() == model.forwards, recipe
        assert crafted.backwards.sum() == model.backwards, recipe


def test_an_example_never_fooled_costs_what_the_documentation_says():
    model = small_net()
    images, labels = images_for(model, (6, 1, 6, 6))
    crafted = craft(model, images, labels, "pgd(eps=1e-6, steps=5, restarts=2)")
    assert not crafted.success.any()
    assert crafted.forwards.tolist() == [1 + 2 * 6] * 6
    assert crafted.backwards.tolist() == [2 * 5] * 6
    crafted = craft(model, images, labels, "minnorm(steps=9)")
    assert crafted.forwards.tolist() == [10] * 6
    assert crafted.backwards.tolist() == [9] * 6


def test_an_example_stops_at_its_first_success():
    model = small_net()
    images, labels = images_for(model, (40, 1, 6, 6))
    recipe = "pgd(eps=0.1, steps=30, step_size=0.005"
    first = craft(model, images, labels, recipe + ")")
    full = craft(model, images, labels, recipe + ", stop=false)")
    assert first.success.float().mean() > 0.8
    assert first.forwards.float().mean() < 0.6 * full.forwards.float().mean()
    assert (full.forwards == 32).all()
    losses = [cross_entropy(model.eval()(c.images), labels) for c in (first, full)]
    assert (losses[1] >= losses[0] - 1e-9).all()
    assert losses[1].mean() > 1.1 * losses[0].mean()


def test_without_stopping_the_largest_objective_among_the_fooled_points_is_kept():
    model = small_net()
    images, labels = images_for(model, (10, 1, 6, 6), 0.4, 0.6)
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    class Recorder(nn.Module):
        def forward(self, x):
            logits = model(x)
            seen.append((x.detach(), logits.detach()))
            return logits

    model.eval()
    # A long step overshoots, so that the last point is not the best.
    crafted = craft(
        Recorder(), images, labels, "pgd(eps=0.05, steps=8, step_size=0.09, stop=false)"
    )
    for row in range(10):
        points = [(x[row], logits[row]) for x, logits in seen[1:]]
        ranked = max(
            points,
            key=lambda p: (
                bool(p[1].argmax() != labels[row]),
                float(nn.functional.cross_entropy(p[1], labels[row])),
            ),
        )
        torch.testing.assert_close(crafted.images[row], ranked[0])


@pytest.mark.parametrize("objective", ["cross_entropy", "margin", "log_probability"])
def test_a_target_class_is_reached(objective):
    model = small_net()
    images, labels = images_for(model, (12, 1, 6, 6))
    targets = (labels + 1) % 4
    recipe = f"pgd(norm=l2, eps=3, targeted=true, objective={objective})"
    crafted = craft(model, images, labels, recipe, targets=targets)
    assert crafted.success.all()
    assert model.eval()(crafted.images).argmax(1).tolist() == targets.tolist()
    drawn = craft(model, images, labels, recipe)
    assert drawn.targets is not None
    assert (drawn.targets != labels).all()
    assert drawn.success.all()
    alone = craft(model, images[5:6], labels[5:6], recipe, ids=["5"])
    assert alone.targets is not None
    assert int(alone.targets[0]) == int(drawn.targets[5])


@pytest.mark.parametrize("recipe", ["fgsm(eps=0.3)", "pgd(eps=0.3)", "pgd(norm=l2, eps=1.0)"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_saturated_confidence_does_not_stop_an_attack(recipe, dtype):
    model = linear(12, 3).to(dtype)
    images, labels = images_for(model.double(), (30, 12), 0.3, 0.7)
    with torch.no_grad():
        model.weight.mul_(1e4), model.bias.mul_(1e4)
    model, images = model.to(dtype), images.to(dtype)
    assert (nn.functional.cross_entropy(model(images), labels, reduction="none") == 0).sum() > 20
    crafted = craft(model, images, labels, recipe)
    assert (lengths(crafted.images - images, "l2") > 0.01).all()
    assert crafted.success.float().mean() > 0.9
