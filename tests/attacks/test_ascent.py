"""`ascend`: what each of its choices climbs to, held against closed forms and literal loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from attacks import Ball, Minimum, ascend, craft, parse, save_adversarial
from attacks.norms import lengths, project
from attacks.objectives import dlr, lead, logit, targeted_dlr
from core import randomness
from core.errors import InputError
from core.losses import cross_entropy, margin


def linear(d: int = 12, classes: int = 2, seed: int = 0) -> nn.Linear:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Linear(d, classes).double()


def small_net(classes: int = 5) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Flatten(), nn.Linear(2 * 36, 20), nn.Tanh(), nn.Linear(20, classes)
        ).double()


def images_for(model: nn.Module, shape: tuple[int, ...], low: float = 0.0, high: float = 1.0):
    generator = torch.Generator().manual_seed(7)
    images = low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)
    return images, model(images).argmax(1)


def best_in_l1(images: torch.Tensor, uphill: torch.Tensor, eps: float) -> torch.Tensor:
    """The point of ball and box where a linear function is largest: steepest pixels first."""
    best = images.clone()
    for image, slope in zip(best, uphill, strict=True):
        left = eps
        for i in slope.abs().argsort(descending=True).tolist():
            room = float(1 - image[i] if slope[i] > 0 else image[i])
            image[i] += slope[i].sign() * min(room, left)
            left -= min(room, left)
    return best


def uphill_of(model: nn.Linear, labels: torch.Tensor) -> torch.Tensor:
    return (model.weight[1 - labels] - model.weight[labels]).detach()


@pytest.mark.parametrize("optimiser", ["plain", "normalised", "sgd"])
def test_in_l1_a_linear_classifier_is_climbed_to_the_very_optimum_of_the_ball(optimiser):
    model = linear()
    images, labels = images_for(model, (20, 12))
    made = ascend(
        model, images, labels, "margin", optimiser, Ball("l1", 1.5),
        steps=20, step_size=1e4, stop=False,
    ).images  # fmt: skip
    expected = best_in_l1(images, uphill_of(model, labels), 1.5)
    torch.testing.assert_close(made, expected, atol=1e-9, rtol=0)


def test_one_steepest_step_in_l1_is_the_optimum_and_many_stay_near_it():
    model = linear()
    images, labels = images_for(model, (20, 12))
    uphill = uphill_of(model, labels)
    expected = best_in_l1(images, uphill, 1.5)
    single = craft(model, images, labels, "fgsm(norm=l1, eps=1.5)").images
    torch.testing.assert_close(single, expected, atol=1e-9, rtol=0)
    many = craft(model, images, labels, "pgd(norm=l1, eps=1.5, schedule=cosine, stop=false)").images
    gained = ((many - images) * uphill).sum(1) / ((expected - images) * uphill).sum(1)
    assert gained.min() > 0.97


@pytest.mark.parametrize(
    ("recipe", "arguments"),
    [
        ("pgd(eps=0.1, steps=7)", {"constraint": "linf 0.1", "steps": 7}),
        (
            "pgd(norm=l2, eps=0.5, steps=5, restarts=2, objective=dlr, noisy=filter, stop=true)",
            {
                "constraint": Ball("l2", 0.5), "steps": 5, "restarts": 2, "objective": "dlr",
                "noise": "filter 0.1", "stop": True,
            },
        ),
        (
            "pgd(norm=l1, eps=1, steps=5, transform=diverse, transform_scale=0.3, samples=2)",
            {"constraint": "l1 1", "steps": 5, "transform": "diverse 0.3", "samples": 2},
        ),
        ("minnorm(steps=30)", {"constraint": "minimum l2", "steps": 30}),
        ("minnorm(steps=40)", {"constraint": Minimum("l2"), "steps": 40}),
    ],
)  # fmt: skip
def test_a_recipe_and_its_arguments_are_the_same_to_the_bit(recipe, arguments):
    model = small_net()
    images, labels = images_for(model, (6, 2, 6, 6))
    made, said = ascend(model, images, labels, **arguments), craft(model, images, labels, recipe)
    assert made.recipe == said.recipe == parse(recipe)
    assert torch.equal(made.images, said.images)
    assert torch.equal(made.forwards, said.forwards)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("adam", torch.optim.Adam),
        ("sgd", torch.optim.SGD),
        ("rmsprop", torch.optim.RMSprop),
        ("nadam", torch.optim.NAdam),
        ("asgd", torch.optim.ASGD),
        ("rprop", torch.optim.Rprop),
    ],
)
def test_an_optimiser_of_torch_equals_the_literal_projected_loop(name, make, norm):
    model = small_net()
    images, labels = images_for(model, (5, 2, 6, 6))
    eps = {"linf": 0.05, "l2": 0.4, "l1": 2.0}[norm]
    made = ascend(
        model, images, labels, "log_probability", name, Ball(norm, eps),
        steps=9, step_size=0.02, random_start=False, stop=False, record=True, batch_size=3,
    )  # fmt: skip
    assert made.trajectories is not None
    for i in range(5):
        step = nn.Parameter(torch.zeros_like(images[i : i + 1]))
        leader = make([step], lr=0.02)
        for _ in range(9):
            leader.zero_grad()
            cross_entropy(model(images[i : i + 1] + step), labels[i : i + 1]).sum().neg().backward()
            leader.step()
            with torch.no_grad():
                point = images[i : i + 1] + step
                radius = torch.full((1,), eps, dtype=torch.float64)
                step.copy_(project(point, images[i : i + 1], radius, norm) - images[i : i + 1])
        last = made.trajectories.points[i, -1]
        torch.testing.assert_close(last, images[i] + step[0].detach(), atol=1e-10, rtol=0)


def test_plain_steps_with_momentum_are_sgd_with_momentum():
    model = small_net()
    images, labels = images_for(model, (8, 2, 6, 6))
    options = {"steps": 8, "step_size": 0.3, "momentum": 0.9, "schedule": "cosine"}
    ours, theirs = (
        ascend(model, images, labels, optimiser=optimiser, constraint="l2 3", **options)
        for optimiser in ("plain", "sgd")
    )
    assert ours.success.any()
    torch.testing.assert_close(ours.images, theirs.images, atol=1e-10, rtol=0)


@pytest.mark.parametrize(
    ("optimiser", "reason"),
    [
        ("lbfgs", "LBFGS cannot step on a batch"),
        ("Adafactor", "Adafactor does not treat each component by itself"),
        ("muon", "Muon does not treat each component|Muon cannot step"),
        ("sparseadam", "SparseAdam cannot step"),
        ("adma", "did you mean .*'adam'"),
    ],
)
def test_an_optimiser_that_mixes_examples_is_refused_with_the_reason(optimiser, reason):
    if (
        optimiser.lower() not in {name.lower() for name in vars(torch.optim)}
        and "did" not in reason
    ):
        pytest.skip(f"this torch has no {optimiser}")
    model = linear()
    images, labels = images_for(model, (3, 12))
    with pytest.raises(InputError, match=reason):
        ascend(model, images, labels, optimiser=optimiser, constraint="l2 1", step_size=0.1)


def test_a_class_or_a_function_makes_the_optimiser_and_weight_decay_leads_to_the_image():
    model = small_net()
    images, labels = images_for(model, (4, 2, 6, 6))
    options = {"constraint": "l2 2", "steps": 6, "step_size": 0.05, "random_start": False}
    by_name = ascend(model, images, labels, optimiser="Adam", **options)
    by_class = ascend(model, images, labels, optimiser=torch.optim.Adam, **options)
    assert torch.equal(by_name.images, by_class.images)
    assert by_name.recipe == by_class.recipe == parse(str(by_name.recipe))
    held = ascend(
        model, images, labels,
        optimiser=lambda parameters, lr: torch.optim.AdamW(parameters, lr=lr, weight_decay=15),
        stop=False, **options,
    )  # fmt: skip
    free = ascend(model, images, labels, optimiser="adam", stop=False, **options)
    shorter = lengths(held.images - images, "l2") < 0.9 * lengths(free.images - images, "l2")
    assert shorter.all()


def test_objectives_are_their_formulas():
    logits = torch.randn(50, 6, generator=torch.Generator().manual_seed(0)).double()
    labels, targets = torch.arange(50) % 6, torch.arange(1, 51) % 6
    for row, y, t in zip(range(50), labels.tolist(), targets.tolist(), strict=True):
        z, ranked = logits[row], sorted(logits[row].tolist(), reverse=True)
        other = max(float(z[j]) for j in range(6) if j != y)
        expected = -(float(z[y]) - other) / (ranked[0] - ranked[2])
        assert float(dlr(logits, labels)[row]) == pytest.approx(expected)
        span = ranked[0] - (ranked[2] + ranked[3]) / 2
        expected = -(float(z[y]) - float(z[t])) / span
        assert float(targeted_dlr(logits, labels, targets)[row]) == pytest.approx(expected)
        assert float(logit(logits, labels)[row]) == float(z[y])
    torch.testing.assert_close(dlr(7 * logits, labels), dlr(logits, labels))
    assert dlr(torch.ones(1, 3), torch.tensor([0])).tolist() == [0]


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("name", ["cross_entropy", "margin", "log_probability", "dlr", "logit"])
def test_a_recorded_objective_is_what_its_name_says_and_rises(name, targeted):
    model = small_net()
    images, labels = images_for(model, (6, 2, 6, 6))
    targets = (labels + 1) % 5 if targeted else None
    references = labels if targets is None else targets
    made = ascend(
        model, images, labels, name, "plain", "l2 1",
        steps=5, step_size=0.02, targets=targets, stop=False, record=True, random_start=False,
    )  # fmt: skip
    way = made.trajectories
    literal = {
        "cross_entropy": cross_entropy,
        "margin": margin,
        "log_probability": lambda z, y: -z.log_softmax(1).gather(1, y[:, None])[:, 0],
        "dlr": lambda z, y: targeted_dlr(z, labels, y) * -1 if targeted else dlr(z, y),
        "logit": lambda z, y: -z.gather(1, y[:, None])[:, 0],
    }[name]
    for step in range(6):
        value = literal(model(way.points[:, step]), references).detach()
        torch.testing.assert_close(way.objective[:, step], -value if targeted else value)
    # The ratio cannot rise any more where the label is not among the three largest logits.
    rising = way.objective.diff(dim=1)
    assert (rising >= 0).all()
    assert (rising > 0)[:, 0].all()


@pytest.mark.parametrize("targets", [None, "random"])
@pytest.mark.parametrize("classes", [2, 3])
def test_dlr_climbs_also_where_there_are_few_classes(classes, targets):
    model = linear(classes=classes)
    images, labels = images_for(model, (3, 12))
    made = ascend(model, images, labels, "dlr", constraint="l2 0.1", targets=targets, stop=False)
    aims = labels if made.targets is None else made.targets
    before, after = (lead(model(x), aims, targets is not None) for x in (images, made.images))
    assert (after > before).all()


def test_any_function_of_the_logits_can_be_climbed_but_not_saved_by_name(tmp_path):
    model = small_net()
    images, labels = images_for(model, (5, 2, 6, 6))
    options = {"constraint": "l2 0.3", "steps": 4}
    named = ascend(model, images, labels, "logit", **options)
    own = ascend(model, images, labels, lambda z, y: -z.gather(1, y[:, None])[:, 0], **options)
    assert torch.equal(named.images, own.images)
    save_adversarial(tmp_path / "named.safetensors", named)
    with pytest.raises(InputError, match="was made with a function, which no file can hold"):
        save_adversarial(tmp_path / "own.safetensors", own)


def test_langevin_steps_equal_the_formula():
    model = linear(2)
    images = torch.full((3, 2), 0.5, dtype=torch.float64)
    labels = model(images).argmax(1)
    made = ascend(
        model, images, labels, "margin", "plain", "linf 0.5", steps=3, step_size=0.01,
        schedule="cosine", langevin=0.02, random_start=False, stop=False, seed=5, record=True,
    )  # fmt: skip
    point = images
    for step in range(3):
        share = 0.1 + 0.9 * (1 + math.cos(math.pi * step / 3)) / 2
        streams = randomness.generators(5, list("012"), f"langevin, run 0, step {step}")
        noise = math.sqrt(share) * 0.02 * randomness.normal(streams, (2,), point)
        point = (point + share * 0.01 * uphill_of(model, labels) + noise).clamp(0, 1)
        torch.testing.assert_close(made.trajectories.points[:, step + 1], point)


def test_a_schedule_can_be_a_function():
    model = small_net()
    images, labels = images_for(model, (4, 2, 6, 6))
    by_name, own = (
        ascend(model, images, labels, constraint="linf 0.03", steps=6, step_size=0.01,
               schedule=schedule)
        for schedule in ("cosine", lambda t: 0.1 + 0.45 * (1 + torch.cos(math.pi * t)))
    )  # fmt: skip
    torch.testing.assert_close(own.images, by_name.images, atol=1e-7, rtol=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"constraint": "linf"}, "constraint: expected a norm and a radius such as"),
        ({"constraint": "linf big"}, "constraint: expected a number or a fraction .* 'big'"),
        ({"constraint": "l7 1"}, "norm: must be linf or l2 or l1, found l7"),
        ({"constraint": Ball("l2", -1)}, "eps: must be a number above 0"),
        ({"constraint": "minimum l2", "momentum": 0.5}, "momentum: minimum-norm has no such"),
        ({"constraint": "minimum l2", "objective": "dlr"}, "objective: minimum-norm has no such"),
        ({"objective": "loss"}, "objective: must be cross_entropy or .*, found loss"),
        ({"steps": 0}, "steps: must be an integer of at least 1"),
        ({"optimiser": "plain"}, "optimiser=plain in linf needs step_size"),
        ({"targets": "all"}, "targets: expected classes or 'random', found 'all'"),
        ({"noise": "filter x"}, "noisy: expected a number"),
        ({"transform": "diverse"}, r"transform: diverse needs images of shape \(n, c, h, w\)"),
        ({"record": 0.5}, "record: expected True, a number of steps"),
        (
            {"optimiser": lambda p, lr: torch.optim.Adam(p, lr), "momentum": 0.9, "step_size": 0.1},
            "momentum: the optimiser <lambda> has no such option",
        ),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    model = linear()
    images, labels = images_for(model, (3, 12))
    with pytest.raises(InputError, match=message):
        ascend(model, images, labels, **arguments)
