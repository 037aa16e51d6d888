"""What models are judged beside is measured once and survives being written down."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from autoencoders.train.reference import Reference, measured
from core.data import load_images
from core.models import load_classifier
from core.representations import Moments


@pytest.fixture(scope="module")
def known():
    classifier, images = load_classifier(), load_images("digits").subset(40)
    with torch.no_grad():
        rows = classifier(images.tensors()[0])
    assert rows.shape == (40, 10)
    shape = images.tensors([0])[0].shape[1:]
    moments = Moments(40, np.full(shape, 0.5), np.ones(shape))
    return (
        classifier,
        images,
        measured(classifier, images, "input", moments, data="digits", seed=0, batch_size=16),
    )


def test_ablations_are_what_the_classifier_says_of_constant_images(known):
    classifier, images, found = known
    x, labels = images.tensors()
    with torch.no_grad():
        for constant, loss in ((0.0, found.cross_entropy_zero), (0.5, found.cross_entropy_mean)):
            logits = classifier(torch.full_like(x, constant)).double()
            expected = torch.nn.functional.cross_entropy(logits, labels)
            assert loss == pytest.approx(float(expected), rel=1e-5)
        assert found.accuracy == float((classifier(x).argmax(1) == labels).double().mean())


def test_only_right_examples_move_and_errors_are_in_units_of_the_way(known):
    classifier, images, found = known
    x, labels = images.tensors()
    with torch.no_grad():
        right = (classifier(x).argmax(1) == labels).numpy()
    assert (np.isnan(found.moved) == ~right).all()
    assert found.of_attack(3 * found.moved) == pytest.approx(3)


def test_a_table_gives_it_back(known):
    *_, found = known
    again = Reference.of(found.frame())
    assert torch.equal(again.logits, found.logits)
    np.testing.assert_array_equal(again.moved, found.moved)
    assert again.cross_entropy_mean == found.cross_entropy_mean
