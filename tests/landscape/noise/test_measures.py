"""What is measured here is what the flatness study measures, and others are asked at the points."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core import load_classifier, load_images
from core.losses import cross_entropy
from landscape.flatness.measures import measure
from landscape.noise.measures import ALL, SHAPE, measured, said_by

SETTINGS = {"radii": (0.1, 0.2), "worst_case_linf": (0.05,), "draws": 4, "worst_case_steps": 3}


@pytest.fixture(scope="module")
def digits():
    images, labels = load_images("digits").subset(20).tensors()
    labels[::2] = (labels[::2] + 1) % 10  # the landscape is that of the class predicted
    return load_classifier("digits_convnet"), images, labels, [f"x{i}" for i in range(20)]


def test_the_measures_are_those_of_the_flatness_study(digits):
    net, images, labels, ids = digits
    ours = measured(net, images, labels, ids=ids, **SETTINGS)
    theirs = measure(net, images, labels, ids=ids, worst_case_l2=(0.1,), **SETTINGS)
    shared = [c for c in ours if c in theirs]
    assert {"gaussian_rise@0.1", "gaussian_rise@0.2", "worst_linf_rise@0.05", "gradient_l2",
            "hessian_trace", "hessian_top", "loss", "confidence"} <= set(shared)  # fmt: skip
    for name in shared:
        if ours[name].dtype == float:
            np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-5, atol=1e-12)
        else:
            assert (ours[name] == theirs[name]).all()
    expected = cross_entropy(net(images).double(), labels)
    np.testing.assert_allclose(ours["true_loss"], expected, rtol=1e-6)
    assert set(SHAPE) < set(ALL)


def test_an_image_that_is_not_finite_has_a_row_of_nothing(digits):
    net, images, labels, ids = digits
    broken = images.clone()
    broken[3] = torch.nan
    table = measured(net, broken, labels, ids=ids, **SETTINGS).set_index("id")
    whole = measured(net, images, labels, ids=ids, **SETTINGS).set_index("id")
    assert table.loc["x3", "prediction"] == -1
    assert np.isnan(table.loc["x3", "loss"])
    np.testing.assert_allclose(
        table.drop("x3")["gradient_l2"], whole.drop("x3")["gradient_l2"], rtol=1e-5
    )
    nothing = measured(net, torch.full_like(images, torch.nan), labels, ids=ids, **SETTINGS)
    assert (nothing["prediction"] == -1).all()
    said = said_by({"net": net}, broken)["says@net"]
    assert said[3] == -1
    assert (np.delete(said, 3) == np.delete(net(images).argmax(1).numpy(), 3)).all()


def test_the_batch_size_changes_float_rounding_only(digits):
    net, images, labels, ids = digits
    one, many = (
        measured(net, images, labels, ids=ids, batch_size=size, **SETTINGS) for size in (7, 256)
    )
    numbers = one.select_dtypes(float).columns
    np.testing.assert_allclose(one[numbers], many[numbers], rtol=2e-3, atol=1e-9)
