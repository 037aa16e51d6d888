from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from attacks import NoisyClassifier, craft, craft_all, label, parse, perturbed_parameters, verify
from core import randomness
from core.errors import InputError
from core.losses import cross_entropy
from core.models import evaluating

KINDS = ["gaussian", "filter", "dropout"]
NOISY = [
    "pgd(eps=0.1, steps=5, noisy=gaussian)",
    "pgd(norm=l2, eps=0.6, steps=5, restarts=2, noisy=filter, noise_scale=0.3)",
    "pgd(eps=0.1, steps=5, random_start=false, noisy=dropout, schedule=cosine, momentum=0.7)",
    "pgd(norm=l2, eps=0.6, steps=5, restarts=2, noisy=gaussian, noise_scale=0.5, stop=true)",
    "pgd(eps=0.1, steps=5, random_start=false, noisy=weights)",
    "fgsm(eps=0.1, noisy=filter)",
]


class Tied(nn.Module):
    """A convolution, a frozen normalisation, and two uses of one matrix."""

    def __init__(self, classes: int = 4) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.first = nn.Linear(6 * 25, 6 * 25, bias=False)
        self.again = nn.Linear(6 * 25, 6 * 25, bias=False)
        self.again.weight = self.first.weight
        self.head = nn.Linear(6 * 25, classes)

    def forward(self, x):
        x = torch.tanh(self.norm(self.conv(2 * x - 1))).flatten(1)
        return 10 * self.head(torch.tanh(self.again(torch.relu(self.first(x)))))


def net(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Tied().double()
        model.norm.running_mean.normal_(std=0.1)
        model.norm.running_var.uniform_(0.5, 1.5)
        return model.eval()


def data(model: nn.Module, n: int = 10, wrong: int = 1):
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(n, 2, 5, 5, generator=generator, dtype=torch.float64)
    labels = model(images).argmax(1)
    labels[:wrong] = (labels[:wrong] + 1) % 4
    return images, labels


def collected(model: nn.Module, count: int = 3) -> list[dict[str, torch.Tensor]]:
    """Weights around a model's, with statistics of their own."""
    states = []
    for seed in range(count):
        generator = torch.Generator().manual_seed(seed)
        noisy = copy.deepcopy(model)
        with torch.no_grad():
            for tensor in (*noisy.parameters(), noisy.norm.running_mean):
                tensor += 0.1 * torch.randn(tensor.shape, generator=generator).to(tensor)
        states.append(noisy.state_dict())
    return states


def crafted_by(model, images, labels, recipe, **options):
    if "noisy=weights" in recipe:
        options["weights"] = collected(model)
    return craft(model, images, labels, recipe, **options)


def copied(model: nn.Module, kind: str, scale: float, generator: torch.Generator) -> nn.Module:
    """A noisy model as one would write it: a copy, its parameters changed filter by filter."""
    noisy = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in noisy.parameters():
            if kind != "gaussian" and parameter.ndim < 2:
                continue
            if kind == "dropout":
                kept = torch.empty(parameter.shape).bernoulli_(1 - scale, generator=generator)
                parameter.copy_(torch.where(kept == 1, parameter / (1 - scale), 0.0))
                continue
            z = torch.randn(parameter.shape, generator=generator).double()
            if kind == "gaussian":
                parameter += scale * (parameter**2).mean() ** 0.5 * z
                continue
            for i, row in enumerate(parameter):
                row += scale * row.norm() * z[i] / z[i].norm()
    return noisy


def generator_of(seed: int, step: int) -> torch.Generator:
    stream = randomness.generator(seed, "", f"noisy classifier {step}")
    return torch.Generator().manual_seed(int(stream.integers(2**63)))


@pytest.mark.parametrize("kind", KINDS)
def test_other_parameters_give_what_a_changed_copy_gives(kind):
    model = net()
    images, labels = data(model)
    noisy = NoisyClassifier(model, kind, 0.2, seed=3)
    for step in (0, 1):
        literal = copied(model, kind, 0.2, generator_of(3, step))
        points, same = (images.clone().requires_grad_() for _ in range(2))
        logits, expected = noisy(points, step), literal(same)
        torch.testing.assert_close(logits, expected, atol=1e-10, rtol=1e-10)
        assert (logits - model(images)).abs().max() > 0.01
        with evaluating(model):
            (gradient,) = torch.autograd.grad(cross_entropy(logits, labels).sum(), points)
        (other,) = torch.autograd.grad(cross_entropy(expected, labels).sum(), same)
        torch.testing.assert_close(gradient, other, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_noise_has_the_promised_size(dtype):
    model = nn.Sequential(
        nn.Conv2d(8, 40, 5), nn.Flatten(), nn.Linear(400, 300), nn.LayerNorm(300)
    ).to(dtype)
    with torch.no_grad():
        model[0].weight[3] *= 100
        model[2].weight[7] = 0
    own = dict(model.named_parameters())

    def moves(kind: str, scale: float) -> dict[str, torch.Tensor]:
        drawn = perturbed_parameters(model, kind, scale, torch.Generator().manual_seed(0))
        assert drawn.keys() == own.keys()
        assert all(drawn[name].dtype == dtype for name in own)
        assert not any(drawn[name].requires_grad for name in own)
        return {name: (drawn[name] - own[name]).detach() for name in own}

    for name, move in moves("gaussian", 0.2).items():
        ratio = float(move.square().mean().sqrt() / own[name].detach().square().mean().sqrt())
        # The root mean square of n normal numbers is off by 1 / sqrt(2 n) of itself.
        off = 5 / (2 * move.numel()) ** 0.5
        assert ratio == pytest.approx(0.2, rel=off) or own[name].abs().max() == 0

    for name, move in moves("filter", 0.2).items():
        if own[name].ndim < 2:
            assert not move.any()
        else:
            asked = 0.2 * own[name].detach().flatten(1).norm(dim=1)
            torch.testing.assert_close(move.flatten(1).norm(dim=1), asked, rtol=1e-3, atol=1e-6)

    for name, move in moves("dropout", 0.2).items():
        weight = own[name].detach()
        if weight.ndim < 2:
            assert not move.any()
        else:
            after, there = weight + move, weight != 0
            left = (after.abs() < 1e-5 * weight.abs())[there]
            assert float(left.double().mean()) == pytest.approx(0.2, abs=0.02)
            torch.testing.assert_close(after[there][~left], weight[there][~left] / 0.8)


def test_both_precisions_see_the_same_noise():
    single, double = nn.Linear(9, 5), nn.Linear(9, 5).double()
    double.load_state_dict(single.state_dict())
    for kind in KINDS:
        one, other = (
            perturbed_parameters(m, kind, 0.3, torch.Generator().manual_seed(4))["weight"]
            for m in (single, double)
        )
        torch.testing.assert_close(one.double(), other, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "settings",
    [
        "norm=linf, eps=0.05",
        "norm=l2, eps=0.25, restarts=2",
        "norm=linf, eps=0.05, random_start=false, schedule=cosine, momentum=0.5",
    ],
)
def test_without_noise_it_is_plain_pgd(kind, settings):
    model = net()
    images, labels = data(model)
    noisy, plain = (
        craft(model, images, labels, f"pgd({settings}, steps=6, stop=true{more})", seed=2)
        for more in (f", noisy={kind}, noise_scale=0", "")
    )
    assert torch.equal(noisy.images, plain.images)
    assert torch.equal(noisy.success, plain.success)
    assert torch.equal(noisy.predictions, plain.predictions)
    assert 0 < plain.success.sum() < 9
    assert torch.equal(noisy.backwards[1:], plain.backwards[1:])


def climbed(model, image, label, recipe, seed, name):
    """A noisy run as one would write it, for one image: copies, no batch; its last point."""
    recipe = parse(recipe)
    steps, eps, l2 = recipe["steps"], recipe["eps"], recipe["norm"] == "l2"
    best, best_key = None, (False, -float("inf"))
    for run in range(recipe["restarts"]):
        stream = [randomness.generator(seed, name, f"attack start {run}")]
        if l2:
            direction = randomness.normal(stream, image.shape, image)[0]
            share = randomness.uniform(stream, (), image)[0] ** (1 / image.numel())
            x = (image + eps * share * direction / direction.norm()).clamp(0, 1)
        else:
            x = (image + eps * (2 * randomness.uniform(stream, image.shape, image)[0] - 1)).clamp(
                0, 1
            )
        for step in range(steps):
            noisy = copied(
                model,
                recipe["noisy"],
                recipe["noise_scale"],
                generator_of(seed, run * steps + step),
            )
            x = x.detach().requires_grad_()
            (g,) = torch.autograd.grad(cross_entropy(noisy(x[None]), label[None]).sum(), x)
            if l2:
                x = x + recipe["step_size"] * g / g.norm()
                delta = (x - image).detach()
                x = image + delta * min(1.0, eps / float(delta.norm()))
            else:
                x = (x + recipe["step_size"] * g.sign()).clamp(image - eps, image + eps)
            x = x.detach().clamp(0, 1)
        logits = model(x[None]).detach()
        key = (bool(logits.argmax(1) != label), float(cross_entropy(logits, label[None])))
        if key > best_key:
            best, best_key = x, key
    return best, best_key[0]


@pytest.mark.parametrize(
    "recipe",
    [
        "pgd(eps=0.1, steps=5, noisy=gaussian, noise_scale=0.3)",
        "pgd(eps=0.1, steps=5, noisy=dropout, restarts=2)",
        "pgd(norm=l2, eps=0.6, steps=4, noisy=filter, noise_scale=0.5, restarts=3)",
    ],
)
def test_the_last_point_of_a_literal_run_is_kept_and_judged_by_the_reference(recipe):
    model = net()
    # Far from the box's faces ball and box can be clipped to one after the other.
    images = 0.3 + 0.4 * data(model, n=6)[0]
    labels = model(images).argmax(1)
    crafted = craft(model, images, labels, recipe, seed=1)
    for i in range(6):
        point, fooled = climbed(model, images[i], labels[i], recipe, 1, str(i))
        torch.testing.assert_close(crafted.images[i], point, atol=1e-8, rtol=0)
        assert bool(crafted.success[i]) == fooled


@pytest.mark.parametrize("recipe", NOISY)
def test_an_example_does_not_depend_on_its_batch(recipe):
    model = net()
    images, labels = data(model, n=11)
    names = [f"val/{i}" for i in range(11)]
    whole = crafted_by(model, images, labels, recipe, seed=5, ids=names)
    for size in (1, 4):
        parts = crafted_by(model, images, labels, recipe, seed=5, ids=names, batch_size=size)
        torch.testing.assert_close(parts.images, whole.images, atol=1e-6, rtol=0)
        assert torch.equal(parts.success, whole.success)
        assert torch.equal(parts.forwards, whole.forwards)
        assert torch.equal(parts.backwards, whole.backwards)
    order = [7, 2, 9]
    chosen = [names[i] for i in order]
    some = crafted_by(model, images[order], labels[order], recipe, seed=5, ids=chosen)
    torch.testing.assert_close(some.images, whole.images[order], atol=1e-6, rtol=0)


@pytest.mark.parametrize("recipe", NOISY)
def test_the_result_is_what_verification_finds_at_the_reference(recipe):
    model = net()
    images, labels = data(model)
    crafted = crafted_by(model, images, labels, recipe)
    table = verify(model, images, crafted.images, labels, recipe)
    assert table.inside_ball.all()
    assert table.inside_box.all()
    assert table.prediction.tolist() == crafted.predictions.tolist()
    assert (table.status == "success").tolist() == crafted.success.tolist()
    assert table.status[0] == "clean wrong"
    assert torch.equal(crafted.images[0], images[0])


def test_the_best_point_is_the_references_choice_with_stop():
    model = net()
    images, labels = data(model, wrong=0)
    seen = []
    handle = model.register_forward_hook(lambda _, args, logits: seen.append((args[0], logits)))
    recipe = "pgd(eps=0.02, steps=6, noisy=gaussian, noise_scale=1, stop=true)"
    crafted = craft(model, images, labels, recipe)
    handle.remove()
    missed = ~crafted.success
    assert missed.any()
    losses = cross_entropy(model(crafted.images), labels)
    for points, _ in seen:
        if len(points) == len(images):
            now = cross_entropy(model(points.detach()), labels)
            assert (now <= losses + 1e-12)[missed].all()


def test_every_pass_is_counted():
    model = net()
    images, labels = data(model, n=8, wrong=1)
    labels[1:] = model(images[1:]).argmax(1)
    rows = []
    model.register_forward_hook(lambda _, args, __: rows.append(len(args[0])))
    for recipe, forwards, backwards in (
        ("pgd(eps=1e-6, steps=5, noisy=gaussian, noise_scale=0.01)", 1 + 5 + 1, 5),
        ("pgd(eps=1e-6, steps=5, noisy=filter, restarts=3)", 1 + 3 * 6, 15),
        ("pgd(eps=1e-6, steps=5, noisy=gaussian, stop=true)", 1 + 5 + 6, 5),
        ("pgd(eps=1e-6, steps=5, noisy=gaussian, stop=true, random_start=false)", 1 + 5 + 5, 5),
        ("pgd(eps=1e-6, steps=5, noisy=gaussian, stop=true, restarts=2)", 1 + 2 * 11, 10),
        ("fgsm(eps=1e-6, noisy=dropout)", 3, 1),
    ):
        rows.clear()
        crafted = craft(model, images, labels, recipe, batch_size=5)
        assert crafted.forwards.tolist() == [1] + [forwards] * 7
        assert crafted.backwards.tolist() == [0] + [backwards] * 7
        assert sum(rows) == int(crafted.forwards.sum())


@pytest.mark.parametrize("recipe", NOISY)
def test_seeds_differ_and_repeat(recipe):
    model = net()
    images, labels = data(model)
    first, again = (crafted_by(model, images, labels, recipe, seed=1) for _ in range(2))
    assert torch.equal(first.images, again.images)
    other = crafted_by(model, images, labels, recipe, seed=2)
    assert not torch.equal(first.images[1:], other.images[1:])


def test_steps_meet_different_classifiers_and_all_examples_the_same():
    model = net()
    images, labels = data(model, n=9, wrong=0)
    seen = []
    model.head.register_forward_pre_hook(lambda part, _: seen.append(part.weight.detach().clone()))
    craft(model, images, labels, "pgd(eps=0.01, steps=3, restarts=2, noisy=gaussian)", batch_size=4)
    own = model.head.weight.detach()
    noisy = [weight for weight in seen if not torch.equal(weight, own)]
    # Three batches, each with two runs of three steps.
    assert len(noisy) == 18
    for step in range(6):
        assert torch.equal(noisy[step], noisy[step + 6])
        assert torch.equal(noisy[step], noisy[step + 12])
        assert not any(torch.equal(noisy[step], other) for other in noisy[:step])


@pytest.mark.parametrize("broken", [None, 2, 5])
@pytest.mark.parametrize("recipe", NOISY)
def test_the_callers_module_is_left_as_it_was(recipe, broken):
    model = net()
    images, labels = data(model)
    states = collected(model)
    model.train()
    model.norm.eval()
    model.conv.bias.requires_grad_(False)
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    values = {name: tensor.detach().clone() for name, tensor in tensors.items()}
    modes = [part.training for part in model.modules()]
    flags = [p.requires_grad for p in model.parameters()]
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    calls = []

    def fail(*_):
        calls.append(1)
        if len(calls) == broken:
            raise RuntimeError("midway")

    handle = model.head.register_forward_pre_hook(fail)
    weights = states if "noisy=weights" in recipe else None
    try:
        craft(model, images, labels, recipe, weights=weights)
    except RuntimeError as error:
        assert broken and "midway" in str(error)  # noqa: PT017, PT018
    handle.remove()
    after = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    assert all(after[name] is tensor for name, tensor in tensors.items())
    assert model.again.weight is model.first.weight
    assert all(torch.equal(after[name], value) for name, value in values.items())
    assert [part.training for part in model.modules()] == modes
    assert [p.requires_grad for p in model.parameters()] == flags
    assert all(p.grad is None for p in model.parameters())
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()


def test_collected_weights_are_used_in_turn_with_their_own_statistics():
    model = net()
    images, _ = data(model)
    states = collected(model, 4)
    noisy = NoisyClassifier(model, "weights", weights=states, seed=1)
    expected = []
    for state in states:
        other = copy.deepcopy(model)
        other.load_state_dict(state)
        expected.append(other(images))
    orders = []
    for turn in range(6):
        found = [noisy(images, 4 * turn + place) for place in range(4)]
        which = [
            next(i for i, logits in enumerate(expected) if torch.allclose(logits, one))
            for one in found
        ]
        assert sorted(which) == [0, 1, 2, 3]
        orders.append(tuple(which))
    assert len(set(orders)) > 1


def test_weights_of_a_classifiers_network_are_recognised():
    from core.models import Classifier

    network = net()
    images, labels = data(network)
    model = Classifier(network, spec="test").double()
    states = collected(network)
    outer = [{f"network.{k}": v.float() for k, v in state.items()} for state in states]
    recipe = "pgd(eps=0.1, steps=4, noisy=weights)"
    one, other = (
        craft(model, images, labels, recipe, weights=weights) for weights in (states, outer)
    )
    torch.testing.assert_close(one.images, other.images, atol=0.2, rtol=0)
    assert one.images.dtype == other.images.dtype == torch.float64
    only = [{k: v for k, v in state.items() if "norm.r" not in k} for state in states]
    kept = NoisyClassifier(model, "weights", weights=only).parameters(0)
    assert not any("running" in name for name in kept)


@pytest.mark.parametrize(
    ("recipe", "weights", "message"),
    [
        ("pgd(eps=0.1, noisy=weights)", None, "weights: .* needs weights"),
        ("pgd(eps=0.1)", [{}], "weights: given, but no recipe has noisy=weights"),
        ("pgd(eps=0.1, noisy=gaussian)", [{}], "weights: given, but no recipe"),
        ("pgd(eps=0.1, noisy=weights)", [], "weights: expected a list with at least one"),
        ("pgd(eps=0.1, noisy=weights)", {"head.bias": torch.zeros(4)}, "weights: expected a list"),
        ("pgd(eps=0.1, noisy=weights)", [{"head.bias": torch.zeros(4)}], "number 0 lacks conv"),
        (
            "pgd(eps=0.1, noisy=weights)",
            [{"haed.bias": torch.zeros(4)}],
            "did you mean 'head.bias'",
        ),
        ("pgd(eps=0.1, noisy=weights)", [{"head.bias": torch.zeros(5)}], "has shape .5,., the"),
        (
            "pgd(eps=0.1, noisy=weights)",
            [{"head.bias": torch.full((4,), torch.nan)}],
            "head.bias of number 0 is not finite",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named(recipe, weights, message):
    model = net()
    images, labels = data(model)
    with pytest.raises(InputError, match=message):
        craft(model, images, labels, recipe, weights=weights)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_bad_noise_is_named():
    model = net()
    generator = torch.Generator()
    with pytest.raises(InputError, match="did you mean 'gaussian'"):
        perturbed_parameters(model, "gausian", 0.1, generator)
    with pytest.raises(InputError, match="at least 0, found -1"):
        perturbed_parameters(model, "filter", -1, generator)
    with pytest.raises(InputError, match="below 1, found 1"):
        perturbed_parameters(model, "dropout", 1, generator)
    with pytest.raises(InputError, match="needs a classifier with parameters"):
        NoisyClassifier(nn.Flatten(), "gaussian", 0.1)
    scripted = torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2))
    with pytest.raises(InputError, match="scripted module"):
        NoisyClassifier(nn.Sequential(scripted), "gaussian", 0.1)
    with pytest.raises(InputError, match="needs a scale"):
        NoisyClassifier(model, "gaussian")
    images, labels = data(model)
    with pytest.raises(InputError, match=r"non-finite .* with the noisy parameters of step 0"):
        craft(model, images, labels, "pgd(eps=0.1, noisy=gaussian, noise_scale=1e308)")


def test_a_recipe_says_its_noise_and_only_noise_that_exists():
    recipe = parse("pgd(eps=8/255, noisy=filter)")
    assert str(recipe) == "pgd(norm=linf, eps=8/255, steps=40, noisy=filter, noise_scale=0.1)"
    assert recipe["stop"] is False
    assert parse("pgd(eps=8/255, noisy=filter, stop=true)")["stop"] is True
    plain = parse("pgd(eps=8/255)")
    assert plain["noisy"] is None
    assert plain["stop"] is True
    assert "nois" not in plain.full
    assert label(recipe) == "PGD linf 8/255, noisy=filter"
    assert str(parse("pgd(eps=0.1, noisy=weights)")).endswith("noisy=weights)")
    for text, words in (
        ("pgd(eps=1, noise_scale=0.1)", "noise_scale needs noisy=gaussian"),
        ("pgd(eps=1, noisy=weights, noise_scale=0.1)", "noise_scale needs noisy=gaussian"),
        ("pgd(eps=1, noisy=dropout, noise_scale=1)", "must be below 1"),
        ("pgd(eps=1, noisy=swag)", "gaussian or filter or dropout or weights"),
        ("pgd(eps=1, noisy=gaussian, noise_scale=-1)", "at least 0"),
        ("pgd(eps=1, noisy=gaussian, patience=3)", "patience does not go with noisy"),
        ("fgsm(eps=1, noise_scale=0.1)", "noise_scale needs noisy=gaussian"),
    ):
        with pytest.raises(InputError, match=words):
            parse(text)


def test_a_control_is_as_long_as_its_noisy_recipe():
    model = net()
    images, labels = data(model)
    noisy, control = craft_all(
        model,
        images,
        labels,
        ["pgd(eps=0.1, noisy=weights)", "noise(like=pgd(eps=0.1, noisy=weights))"],
        weights=collected(model),
    )
    step, random = ((one.images - images).abs().flatten(1).amax(1) for one in (noisy, control))
    torch.testing.assert_close(step[1:], random[1:])
