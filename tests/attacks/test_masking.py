from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from attacks import masking, masking_checks, parse
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
    assert set(checked(Net(), norm=norm).values()) == {True}


def test_a_quantising_layer_without_gradients_is_found():
    def quantised(x: Tensor) -> Tensor:
        return (x * 16).round() / 16

    found = failed(Net(before=quantised))
    assert "gradients" in found
    assert not found & {"repeatable", "not saturated"}


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


def test_without_a_correct_image_nothing_is_claimed():
    labels = (Net()(IMAGES).argmax(1) + 1) % 3
    table = masking_checks(Net(), IMAGES, labels)
    assert table["passed"].isna().sum() == len(masking.CHECKS) - 1


def test_a_fall_is_called_one_only_beyond_noise():
    def p(lost: int, gained: int) -> float:
        less = torch.tensor([True] * lost + [False] * gained + [True] * 5)
        more = torch.tensor([False] * lost + [True] * gained + [True] * 5)
        return masking._p_of_fall(less, more)

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
        (lambda eps, steps: 20 if eps == 0.1 else 18 if eps == 0.2 else 40, set()),
    ],
    ids=["radius", "steps", "single step", "never all", "noise"],
)
def test_each_comparison_fails_for_what_it_compares(fooling, expected, monkeypatch):
    def crafted(classifier, images, labels, recipe, *rest, **options):
        recipe = parse(recipe)
        fooled = torch.arange(len(images)) < fooling(recipe["eps"], recipe.get("steps", 0))
        return SimpleNamespace(success=fooled, clean_correct=torch.ones_like(fooled))

    monkeypatch.setattr(masking, "craft", crafted)
    assert failed(Net(), radii=[0.1, 0.2]) == expected
