from __future__ import annotations

import numpy as np
import pytest
import torch

from attacks import craft, craft_all, label, parse, verify
from core import randomness
from core.errors import InputError
from core.losses import cross_entropy
from tests.attacks.tied_net import collected, copied, data, generator_of, net

KINDS = ["gaussian", "filter", "dropout"]
NOISY = [
    "pgd(eps=0.1, steps=5, noisy=gaussian)",
    "pgd(norm=l2, eps=0.6, steps=5, restarts=2, noisy=filter, noise_scale=0.3)",
    "pgd(eps=0.1, steps=5, random_start=false, noisy=dropout, schedule=cosine, momentum=0.7)",
    "pgd(norm=l2, eps=0.6, steps=5, restarts=2, noisy=gaussian, noise_scale=0.5, stop=true)",
    "pgd(eps=0.1, steps=5, random_start=false, noisy=weights)",
    "fgsm(eps=0.1, noisy=filter)",
]


def crafted_by(model, images, labels, recipe, **options):
    if "noisy=weights" in recipe:
        options["weights"] = collected(model)
    return craft(model, images, labels, recipe, **options)


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


def test_a_recipe_says_its_noise_and_only_noise_that_exists():
    recipe = parse("pgd(eps=8/255, noisy=filter)")
    assert str(recipe) == "pgd(norm=linf, eps=8/255, steps=40, noisy=filter, noise_scale=0.1)"
    assert recipe["stop"] is False
    assert parse("pgd(eps=8/255, noisy=filter, stop=true)")["stop"] is True
    plain = parse("pgd(eps=8/255)")
    assert plain["noisy"] is None
    assert plain["stop"] is True
    assert "nois" not in plain.full
    assert label(recipe) == "PGD linf 8/255, noisy=filter, noise_scale=0.1"
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
