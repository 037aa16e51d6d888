"""Same image, equal loss: what is planted is found, and nothing is where nothing is."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import InputError
from landscape.flatness.catalogue import MEASURES
from landscape.noise.equal_loss import at_equal_loss, intercept, same_images
from tests.landscape.noise.planted import OTHER, REFERENCE, THIRD, planted

FLAT = {"gaussian_rise": MEASURES["gaussian_rise"], "gradient_l2": MEASURES["gradient_l2"]}


def pairs(n: int, seed: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    base = rng.normal(-6, 3, n)
    return np.exp(base + rng.normal(shift, 0.7, n)), np.exp(base + rng.normal(0, 0.7, n))


def test_a_planted_ratio_is_found_whatever_the_losses_differ_by():
    ours, theirs = pairs(400, 0, shift=1.0)
    noise = np.exp(np.random.default_rng(1).normal(0, 0.2, 400))
    found = at_equal_loss(1.3 * ours * noise, theirs, ours, theirs, ratio=True)
    assert found.effect == "ratio"
    assert found.low < 1.3 < found.high
    assert found.high - found.low < 0.2
    assert found.p < 1e-6


def test_a_planted_difference_is_found():
    ours, theirs = pairs(400, 2)
    rng = np.random.default_rng(3)
    a, b = rng.normal(5, 1, 400), rng.normal(5, 1, 400)
    found = at_equal_loss(a + 0.5, b, ours, theirs, ratio=False)
    assert found.effect == "difference"
    assert found.low < 0.5 < found.high


@pytest.mark.parametrize(
    "bent", [lambda x: x, lambda x: x * np.exp(-x), lambda x: (1 - np.exp(-x)) * np.exp(-x) + 1e-12]
)
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_what_is_a_function_of_the_loss_alone_makes_no_claim(bent, noise):
    rejected = []
    for seed in range(200):
        ours, theirs = (np.minimum(x, 1.5) for x in pairs(200, seed, shift=1.0))
        drawn = np.exp(noise * np.random.default_rng(seed).standard_t(4, 200))
        found = at_equal_loss(bent(ours) * drawn, bent(theirs), ours, theirs, ratio=True)
        rejected.append(found.p < 0.05)
    assert np.mean(rejected) < 0.09  # 0.05 and two standard errors


def test_the_noise_of_pairs_of_unequal_size_makes_no_false_claim():
    rejected = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        ours, theirs = pairs(60, seed)
        far = np.abs(np.log(ours / theirs))
        noise = np.exp(rng.normal(0, 1, 60) * (0.05 + far))
        found = at_equal_loss(ours * noise, theirs, ours, theirs, ratio=True)
        rejected.append(found.p < 0.05)
    assert np.mean(rejected) < 0.08


def test_the_intercept_and_its_error_are_those_of_a_literal_regression():
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, 30))
    y = 0.7 + 2 * x - z + rng.normal(size=30) * (1 + np.abs(x))
    design = np.stack([np.ones(30), x, z], 1)
    weights, *_ = np.linalg.lstsq(design, y, rcond=None)
    hat = design @ np.linalg.inv(design.T @ design) @ design.T
    left = (y - design @ weights) / (1 - np.diag(hat))
    bread = np.linalg.inv(design.T @ design)
    meat = sum(e**2 * np.outer(row, row) for e, row in zip(left, design, strict=True))
    found, error = intercept([x, z], y)
    assert found == pytest.approx(weights[0])
    assert error == pytest.approx(np.sqrt((bread @ meat @ bread)[0, 0]))


def test_only_pairs_of_nearly_the_same_loss_count_and_few_make_no_claim():
    loss = np.full(40, 0.1)
    ours = loss * np.where(np.arange(40) < 25, 1.9, 2.1)
    found = at_equal_loss(ours, loss, ours, loss, ratio=True)
    assert found.n == 25
    none = at_equal_loss(ours[15:], loss[15:], ours[15:], loss[15:], ratio=True)
    assert none.n == 10
    assert np.isnan(none.estimate)


def test_values_without_a_ratio_are_counted_and_not_passed_over():
    ours, theirs = pairs(200, 5)
    theirs = ours * 1.1
    few, many = ours.copy(), ours.copy()
    few[:5] = -1
    many[:30] = 0
    found = at_equal_loss(few, theirs, ours, theirs, ratio=True)
    assert found.dropped == 5
    assert np.isfinite(found.estimate)
    assert np.isnan(at_equal_loss(many, theirs, ours, theirs, ratio=True).estimate)


def test_bad_arguments_are_refused():
    with pytest.raises(InputError, match="losses above 0"):
        at_equal_loss(*[np.zeros(3)] * 4, ratio=True)
    with pytest.raises(InputError, match="a factor above 1"):
        at_equal_loss(*[np.ones(3)] * 4, ratio=True, factor=1)


def test_in_a_table_the_planted_recipe_is_found_and_the_other_is_not():
    table = planted({REFERENCE: {}, OTHER: {"flat": 0.7, "loss": 1.5}, THIRD: {"loss": 0.6}}, 200)
    found = same_images(table, REFERENCE, [REFERENCE, OTHER, THIRD], FLAT)
    assert set(found["group"]) == {OTHER, THIRD}
    by = found.set_index(["group", "measure"])
    flatter = by.loc[(OTHER, "gaussian_rise@0.1")]
    assert flatter["low"] < 0.7 < flatter["high"]
    assert flatter["p_holm"] < 0.001
    rest = by.drop((OTHER, "gaussian_rise@0.1"))
    assert (rest["p_holm"] > 0.05).all()
    assert (found["n"] < 200).all(), "only where both fool and the losses nearly agree"


def test_examples_that_do_not_count_do_not_count():
    table = planted({REFERENCE: {}, OTHER: {}}, 100, fooled={OTHER: 0.5})
    found = same_images(table, REFERENCE, [OTHER], FLAT)
    both = table[(table["status"] == "success")].groupby("id").size()
    assert (found["n"] <= int((both == 2).sum())).all()
