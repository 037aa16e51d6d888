from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from attacks import masking, masking_checks, parse
from attacks.masking import checks
from attacks.masking.comparisons import p_of_fall
from attacks.masking.points import random_search
from core.errors import InputError

IMAGES = torch.rand(40, 1, 4, 4, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """A small smooth classifier, with a change before it and after it."""

    def __init__(self, before=lambda x: x, after=lambda z: z, seed: int = 1) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.layers = nn.Sequential(
                nn.Flatten(), nn.Linear(16, 24), nn.Tanh(), nn.Linear(24, 3)
            )
        self.before, self.after = before, after

    def forward(self, images: Tensor) -> Tensor:
        # Centred, so that the classes share the box and every image can be moved to another.
        return self.after(4 * self.layers(self.before(images - 0.5)))


def checked(model: nn.Module, **options) -> dict[str, bool | None]:
    labels = Net()(IMAGES).argmax(1)
    table = masking_checks(model, IMAGES, labels, **({"steps": 8} | options))
    assert list(table.columns) == ["check", "passed", "number", "explanation"]
    assert list(table["check"]) == list(masking.CHECKS)
    assert table["explanation"].str.endswith(".").all()
    passed = zip(table["check"], table["passed"], strict=True)
    return {check: None if pd.isna(value) else bool(value) for check, value in passed}


def failed(model: nn.Module, **options) -> set[str]:
    return {check for check, passed in checked(model, **options).items() if passed is False}


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_plain_net_passes_every_check(norm):
    others = {"like it": Net(), "unlike it": Net(seed=2)}
    assert set(checked(Net(), norm=norm, others=others).values()) == {True}


def test_without_another_classifier_nothing_is_said_of_transfer():
    found = checked(Net())
    assert found.pop("white box") is None
    assert set(found.values()) == {True}


def quantised(x: Tensor) -> Tensor:
    return (x * 16).round() / 16


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_quantising_layer_without_gradients_is_found(norm):
    found = failed(Net(before=quantised), norm=norm, others={"not quantised": Net()}, steps=20)
    assert {"gradients", "random search", "white box"} <= found
    assert not found & {"repeatable", "not saturated"}


def test_each_classifier_is_looked_at_for_examples_that_transfer():
    others = {"unlike it": Net(seed=2), "not quantised": Net()}
    labels = Net()(IMAGES).argmax(1)
    table = masking_checks(Net(before=quantised), IMAGES, labels, others=others, steps=8)
    assert "what was made on not quantised" in table.set_index("check")["explanation"]["white box"]


def test_a_gradient_that_leads_the_wrong_way_loses_to_random_points():
    class Backwards(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            return -gradient

    found = failed(Net(before=Backwards.apply), others={"not masked": Net()}, steps=20)
    assert {"random search", "white box"} <= found
    assert not found & {"gradients", "repeatable", "not saturated"}


def test_a_random_search_stays_in_the_ball_repeats_itself_and_finds_what_half_of_it_fools():
    seen = []

    class Half(nn.Module):
        """Fooled where the first component has gone up."""

        def forward(self, images: Tensor) -> Tensor:
            seen.append(images)
            over = images.flatten(1)[:, :1] - 0.5
            return torch.cat([-over, over], 1)

    images = torch.full((30, 4), 0.5).index_fill(1, torch.tensor([0]), 0.45)
    labels = torch.zeros(30, dtype=torch.int64)
    options = {"norm": "linf", "eps": 0.1, "seed": 3, "ids": [str(i) for i in range(30)]}
    once = random_search(Half(), images, labels, draws=1, batch_size=7, **options)
    assert 5 < once.sum() < 25
    drawn = len(seen)
    again = random_search(Half(), images, labels, draws=1, batch_size=30, **options)
    assert torch.equal(once, again)
    assert bool(random_search(Half(), images, labels, draws=12, batch_size=30, **options).all())
    steps = torch.cat(seen[:drawn]) - images
    assert float(steps.abs().max()) <= 0.1 + 1e-6
    # Nobody is asked again once fooled.
    assert sum(map(len, seen[drawn:])) < 30 + 12 * 30


def test_logits_times_ten_thousand_are_found_saturated_and_without_gradient():
    assert {"not saturated", "gradients"} <= failed(Net(after=lambda z: 1e4 * z))


def test_a_noise_layer_is_found_not_repeatable_and_leaves_the_global_random_state_alone():
    def noisy(z: Tensor) -> Tensor:
        return z + 0.05 * torch.randn_like(z)

    before = torch.get_rng_state()
    assert failed(Net(after=noisy)) == {"repeatable"}
    assert torch.equal(torch.get_rng_state(), before)


def test_the_checks_of_a_random_classifier_repeat_themselves():
    model = Net(after=lambda z: z + 0.05 * torch.randn_like(z))
    labels = Net()(IMAGES).argmax(1)
    first, again = (masking_checks(model, IMAGES, labels, steps=4) for _ in range(2))
    assert first.equals(again)


def test_a_misleading_gradient_fails_where_a_single_step_beats_many():
    class Mirage(torch.autograd.Function):
        """The gradient shows the way out at the image itself and leads back everywhere else."""

        @staticmethod
        def forward(ctx, x):
            ctx.genuine = (x[:, None] - IMAGES[None]).flatten(2).abs().amax(2).amin(1) < 1e-7
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            return torch.where(ctx.genuine.view(-1, 1, 1, 1), gradient, -gradient)

    class Masked(Net):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(Mirage.apply(images))

    found = failed(Masked(), radii=[0.1, 0.2])
    assert "iterative" in found
    assert "gradients" not in found


def test_an_image_that_nothing_reaches_fails_the_unbounded_check():
    # A constant lead no input can overcome: gradients are there, but success stays at nothing.
    lead = functional.one_hot(torch.tensor(0), 3).float() * 12
    model = Net(after=lambda z: z.tanh() + lead)
    zeros = torch.zeros(len(IMAGES), dtype=torch.int64)
    table = masking_checks(model, IMAGES, zeros, steps=8).set_index("check")
    assert not table["passed"]["unbounded"]
    assert table["number"]["unbounded"] == 0
    assert table["passed"]["gradients"]


def test_logits_cut_off_from_the_image_cannot_be_attacked_and_that_is_said():
    found = checked(Net(before=lambda x: x.detach()))
    assert found["gradients"] is False
    assert found["unbounded"] is None
    assert found["iterative"] is None
    assert found["random search"] is None


def test_without_a_correct_image_nothing_is_claimed():
    labels = (Net()(IMAGES).argmax(1) + 1) % 3
    table = masking_checks(Net(), IMAGES, labels)
    assert table["passed"].isna().sum() == len(masking.CHECKS) - 1


def test_a_fall_is_called_one_only_beyond_noise():
    def p(lost: int, gained: int) -> float:
        less = torch.tensor([True] * lost + [False] * gained + [True] * 5)
        more = torch.tensor([False] * lost + [True] * gained + [True] * 5)
        return p_of_fall(less, more)

    from scipy.stats import binomtest

    for lost, gained in ((0, 0), (3, 3), (7, 1), (12, 0), (0, 9)):
        n = lost + gained
        exact = binomtest(lost, n, 0.5, alternative="greater").pvalue if n else 1.0
        assert p(lost, gained) == pytest.approx(exact, rel=1e-12)


def test_modes_flags_and_gradients_of_the_classifier_are_left_as_they_were():
    model = Net().train()
    masking_checks(model, IMAGES, model(IMAGES).argmax(1), steps=2)
    assert model.training
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_double_precision_is_taken(dtype):
    model = Net().to(dtype)
    images = IMAGES.to(dtype)
    table = masking_checks(model, images, model(images).argmax(1), steps=2)
    assert table.set_index("check")["passed"]["gradients"]


@pytest.mark.parametrize("wrong", [{"norm": "l7"}, {"steps": 0}, {"radii": [0.0]}])
def test_arguments_that_cannot_be_used_are_named(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        masking_checks(Net(), IMAGES, Net()(IMAGES).argmax(1), **wrong)


@pytest.mark.parametrize(
    ("fooling", "expected"),
    [
        (lambda eps, steps: 20 if eps == 0.1 else 10 if eps == 0.2 else 40, {"larger radius"}),
        (lambda eps, steps: {2: 20, 8: 12, 32: 8}.get(steps, 8) if eps < 1 else 40, {"more steps"}),
        (lambda eps, steps: {0: 30}.get(steps, 15) if eps < 1 else 40, {"iterative"}),
        (lambda eps, steps: 39, {"unbounded"}),
        (lambda eps, steps: 0 if eps < 1 else 6, {"unbounded", "random search"}),
        (lambda eps, steps: 20 if eps == 0.1 else 18 if eps == 0.2 else 40, set()),
    ],
    ids=["radius", "steps", "single step", "never all", "weak", "noise"],
)
def test_each_comparison_fails_for_what_it_compares(fooling, expected, monkeypatch):
    def crafted(classifier, images, labels, recipe, *rest, **options):
        recipe = parse(recipe)
        fooled = torch.arange(len(images)) < fooling(recipe["eps"], recipe.get("steps", 0))
        return SimpleNamespace(success=fooled, clean_correct=torch.ones_like(fooled))

    monkeypatch.setattr(checks, "craft", crafted)
    assert failed(Net(), radii=[0.1, 0.2]) == expected
