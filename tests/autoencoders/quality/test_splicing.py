from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from autoencoders.quality import logits_with, spliced
from autoencoders.quality.splicing import is_cut, logits, loss_recovered
from core.data import load_images
from core.layers import capture
from core.models import Classifier, load_classifier


@pytest.fixture(scope="module")
def digits():
    return load_classifier(), load_images("digits").subset(60)


def test_the_layer_itself_in_its_place_changes_nothing(digits):
    classifier, images = digits
    found = spliced(classifier, images, "5", lambda x: x, batch_size=25)
    x, labels = images.tensors()
    own = classifier(x).double()
    assert found.agrees.all()
    torch.testing.assert_close(
        found.cross_entropy, torch.nn.functional.cross_entropy(own, labels, reduction="none")
    )
    assert found.divergence.abs().max() < 1e-9
    assert (found.right == (own.argmax(1) == labels)).all()


def test_what_is_recovered_lies_between_the_ablation_and_the_layer(digits):
    classifier, images = digits
    whole = spliced(classifier, images, "5", lambda x: x)
    nothing = spliced(classifier, images, "5", torch.zeros_like)
    noisy = spliced(classifier, images, "5", lambda x: 0.3 * x)
    kept, lost, between = (float(f.cross_entropy.mean()) for f in (whole, nothing, noisy))
    assert loss_recovered(kept, kept, lost) == pytest.approx(1)
    assert loss_recovered(lost, kept, lost) == pytest.approx(0)
    assert 0 < loss_recovered(between, kept, lost) < 1
    assert nothing.divergence.min() >= 0
    assert nothing.right.float().mean() < 0.5
    assert math.isnan(loss_recovered(kept, lost, kept))


def test_known_logits_save_a_pass_and_change_nothing(digits):
    classifier, images = digits
    halved = spliced(classifier, images, "5", lambda x: 0.5 * x, batch_size=25)
    known = spliced(
        classifier, images, "5", lambda x: 0.5 * x, whole=logits(classifier, images), batch_size=7
    )
    torch.testing.assert_close(known.divergence, halved.divergence, rtol=1e-4, atol=1e-6)
    assert torch.equal(known.agrees, halved.agrees)


def test_a_representation_answers_for_the_image_it_comes_from_in_any_other(digits):
    classifier, images = digits
    x, _ = images.tensors()
    rows = capture(classifier, ["5"], x)["5"]
    torch.testing.assert_close(logits_with(classifier, "5", rows, x.flip(0)), classifier(x))
    torch.testing.assert_close(logits_with(classifier, "input", x, x.flip(0)), classifier(x))


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x):
        x = x.flatten(1)
        return self.outer(x + self.inner(x))


def test_a_layer_that_the_image_gets_around_is_no_cut(digits):
    classifier, images = digits
    assert all(is_cut(classifier, layer, images.tensors([0, 1])[0]) for layer in ("input", "5"))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        residual = Classifier(Residual().eval(), spec="residual")
    pair = torch.rand(2, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    assert is_cut(residual, "outer", pair)
    assert not is_cut(residual, "inner", pair)
