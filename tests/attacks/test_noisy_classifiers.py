from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from attacks import NoisyClassifier, craft, perturbed_parameters
from core.errors import InputError
from core.losses import cross_entropy
from core.models import evaluating
from tests.attacks.tied_net import collected, copied, data, generator_of, net

KINDS = ["gaussian", "filter", "dropout"]


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
