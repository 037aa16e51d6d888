from __future__ import annotations

import pytest
import torch

from autoencoders.quality import spliced
from autoencoders.quality.splicing import loss_recovered
from core.data import load_images
from core.models import load_classifier


@pytest.fixture(scope="module")
def digits():
    return load_classifier(), load_images("digits").subset(60)


def test_the_layer_itself_in_its_place_changes_nothing(digits):
    classifier, images = digits
    found = spliced(classifier, images, "5", lambda x: x, batch_size=25)
    x, labels = images.tensors()
    logits = classifier(x).double()
    assert found.agrees.all()
    torch.testing.assert_close(
        found.cross_entropy, torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    )
    assert found.divergence.abs().max() < 1e-9
    assert (found.right == (logits.argmax(1) == labels)).all()


def test_what_is_recovered_lies_between_the_ablation_and_the_layer(digits):
    classifier, images = digits
    whole = spliced(classifier, images, "5", lambda x: x)
    nothing = spliced(classifier, images, "5", torch.zeros_like)
    noisy = spliced(classifier, images, "5", lambda x: 0.3 * x)
    assert loss_recovered(whole, whole, nothing) == pytest.approx(1)
    assert loss_recovered(nothing, whole, nothing) == pytest.approx(0)
    assert 0 < loss_recovered(noisy, whole, nothing) < 1
    assert nothing.divergence.min() >= 0
    assert nothing.right.float().mean() < 0.5
    assert loss_recovered(whole, nothing, whole) != loss_recovered(whole, nothing, whole)  # NaN
