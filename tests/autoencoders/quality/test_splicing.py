from __future__ import annotations

import math

import pytest
import torch

from autoencoders.quality import spliced
from autoencoders.quality.splicing import logits, loss_recovered
from core.data import load_images
from core.models import load_classifier


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
