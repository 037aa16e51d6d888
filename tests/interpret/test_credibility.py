"""Credibility is valid, and its parts are what the papers' formulas say."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import InputError
from interpret.credibility import (
    Calibrated,
    conformal_p,
    deep_knn,
    local_dimension,
    nonconformity,
)
from interpret.index import nearest
from interpret.index.arrays import index_of


def simulated(generator: np.random.Generator, n: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Classes and the labels of neighbours at two layers, some of them wrong: full of ties."""
    labels = generator.integers(0, 3, n)
    found = []
    for right in (0.8, 0.6):
        drawn = generator.integers(0, 3, (n, 10))
        found.append(np.where(generator.random((n, 10)) < right, labels[:, None], drawn))
    return found, labels


def test_p_values_of_the_true_class_are_uniform_on_20_000_tests():
    generator = np.random.default_rng(0)
    p, unsmoothed = [], []
    for run in range(100):
        found, labels = simulated(generator, 500)
        calibrated = Calibrated.of([layer[:300] for layer in found], labels[:300], 3)
        tested = [layer[300:] for layer in found]
        rows = np.arange(200)
        judged = calibrated(tested, [f"{run}/{i}" for i in rows])
        p.append(judged.p_values[rows, labels[300:]])
        scores = nonconformity(tested, 3)[rows, labels[300:]]
        unsmoothed.append([(calibrated.scores >= s).mean() for s in scores])
    values, without = np.concatenate(p), np.concatenate(unsmoothed)
    for level in (0.05, 0.1, 0.2):
        assert abs((values <= level).mean() - level) <= 0.01
    assert abs((without <= 0.1).mean() - 0.1) > 0.01, "ties matter here: without smoothing it fails"


def test_smoothed_p_values_are_counted():
    calibration = np.array([1, 2, 2, 3, 5])
    for score in (0, 1, 2, 4, 5, 6):
        for u in (0.0, 0.3, 0.99):
            above, ties = (calibration > score).sum(), (calibration == score).sum()
            expected = (above + u * (ties + 1)) / 6
            found = conformal_p(np.array([score]), calibration, np.array([u]))
            np.testing.assert_allclose(found, expected)


def test_credibility_and_confidence_are_the_largest_p_and_what_the_second_leaves():
    generator = np.random.default_rng(1)
    found, labels = simulated(generator, 300)
    calibrated = Calibrated.of([layer[:200] for layer in found], labels[:200], 3)
    ids = [str(i) for i in range(100)]
    judged = calibrated([layer[200:] for layer in found], ids)
    ordered = np.sort(judged.p_values, 1)
    np.testing.assert_array_equal(judged.credibility, ordered[:, -1])
    np.testing.assert_array_equal(judged.confidence, 1 - ordered[:, -2])
    np.testing.assert_array_equal(judged.predictions, judged.p_values.argmax(1))
    assert (judged.predictions == labels[200:]).mean() > 0.95
    part = calibrated([layer[250:260] for layer in found], ids[50:60])
    np.testing.assert_array_equal(part.p_values, judged.p_values[50:60])


def test_inputs_far_from_all_examples_of_one_class_are_not_credible():
    generator = np.random.default_rng(0)
    means = np.eye(3) * 6
    labels = np.arange(600) % 3
    rows = (means[labels] + generator.standard_normal((600, 3))).astype(np.float32)
    layers = {"a": rows, "b": rows[:, :2].copy()}
    indices = {name: index_of(r[:300], labels[:300]) for name, r in layers.items()}
    calibration = {name: r[300:500] for name, r in layers.items()}
    between = {"a": np.full((50, 3), 2.0), "b": np.full((50, 2), 2.0)}
    noise = generator.standard_normal((50, 3)) * 0.3
    asked = {name: np.concatenate([r[500:], between[name] + noise[:, : r.shape[1]]])
             for name, r in layers.items()}  # fmt: skip
    ids = [f"new/{i}" for i in range(150)]
    judged = deep_knn(indices, calibration, labels[300:500], asked, ids, k=15)
    assert (judged.predictions[:100] == labels[500:]).mean() > 0.95
    assert np.median(judged.credibility[:100]) > 0.4
    assert np.median(judged.credibility[100:]) < 0.1
    for name, index in indices.items():  # the neighbours are those of the index
        places, _ = nearest(layers[name][:300], asked[name], 15)
        np.testing.assert_array_equal(index.search(asked[name], 15).places, places)


def test_nonconformity_is_counted_over_all_layers():
    generator = np.random.default_rng(0)
    layers = [generator.integers(0, 4, (20, k)) for k in (3, 7)]
    found = nonconformity(layers, 4)
    for i in range(20):
        for c in range(4):
            assert found[i, c] == sum(int(label != c) for layer in layers for label in layer[i])


@pytest.mark.parametrize("dimension", [1, 3, 8])
def test_the_local_dimension_of_a_ball_is_its_dimension(dimension):
    # The distances from the centre of a uniform ball are U^(1/d), whatever the space around it.
    radii = np.random.default_rng(0).random((4000, 60)) ** (1 / dimension)
    found = local_dimension(np.sort(radii, 1))
    # The likelihood's maximum is k / Gamma(k - 1): its mean is d k / (k - 2).
    expected, error = dimension * 60 / 58, found.std() / np.sqrt(4000)
    assert abs(found.mean() - expected) < 4 * error
    assert local_dimension(np.ones((1, 4))).tolist() == [np.inf]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: local_dimension(np.zeros((1, 3))), "above 0; leave duplicates out"),
        (lambda: local_dimension(np.ones((1, 1))), "expected"),
        (lambda: nonconformity([np.zeros((2, 3), int), np.zeros((3, 3), int)], 2), "each layer"),
        (lambda: Calibrated.of([np.zeros((2, 3), int)], np.zeros(3, int), 2), "labels: expected 2"),
        (lambda: deep_knn({}, {}, np.zeros(1), {}, []), "at least one layer"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
