"""What approximate methods find is ranked exactly, and what they miss is measured."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import InputError
from interpret.index import METRICS, Vectors, nearest
from interpret.index.approximate import Approximate
from interpret.index.exact import Exact
from interpret.index.metrics import UNIT
from interpret.index.recall import Recall, measured
from interpret.index.reference import Reference, class_means, nearest_of_classes
from interpret.index.sketch import Sketch

N, D = 600, 96


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    """Points near a surface of 8 dimensions, as representations are; their mean is not 0."""
    generator = np.random.default_rng(0)
    latent = generator.standard_normal((N, 8)) @ generator.standard_normal((8, D))
    return (latent + 0.3 * generator.standard_normal((N, D)) + 2).astype(np.float32)


def built(rows: np.ndarray, metric: str, method: str, **options: object) -> Approximate:
    settings = {"sketch": "pca", "code_size": 16, "candidates": 10, "seed": 0} | options
    return Approximate.build(Vectors(rows), METRICS[metric], method, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("method", ["sketch", "ivf", "hnsw"])
def test_most_neighbours_are_found_and_their_costs_are_exact(rows, method, metric):
    found = built(rows, metric, method)
    exact = Exact.of(Vectors(rows), METRICS[metric])
    recall = measured(found, exact, found.vectors, build_seconds=0.0)
    assert recall.recall >= 0.9
    queries = rows[:9] + np.float32(0.1)
    places, costs = found.search(queries, 5)
    expected = METRICS[metric].cost(
        rows[places].astype(np.float64), queries.astype(np.float64)[:, None]
    )
    np.testing.assert_array_equal(costs, expected)
    assert (np.diff(costs, axis=1) >= 0).all()


def test_the_recall_is_the_share_of_exact_neighbours_counted_by_hand(rows):
    found = built(rows, "l2", "sketch", code_size=2, candidates=1)
    exact = Exact.of(Vectors(rows), METRICS["l2"])
    recall = measured(found, exact, found.vectors, build_seconds=3.0)
    chosen = np.unique(np.linspace(0, N - 1, 64).astype(int))
    shares = []
    for i in chosen:
        true, _ = nearest(rows, rows[i : i + 1], 11)
        mine, _ = found.search(rows[i : i + 1], 11)
        found_others = [p for p in mine[0] if p != i][:10]
        shares.append(len((set(true[0]) - {i}) & set(found_others)) / 10)
    assert recall.recall == pytest.approx(np.mean(shares))
    assert recall.low == min(shares)
    assert 0.1 < recall.recall < 0.95, "so few candidates miss some"
    assert "recall@10" in str(recall)


def test_it_says_from_how_many_queries_on_an_index_pays():
    assert Recall(seconds=1, exact_seconds=3, build_seconds=10, queries=1).pays_from == 5
    assert Recall(seconds=3, exact_seconds=1, build_seconds=10).pays_from == float("inf")


def test_a_sketch_ranks_by_coordinates_and_the_length_of_the_rest(rows):
    sketch = Sketch.fit(Vectors(rows), METRICS["l2"], "pca", 16)
    codes = sketch.encode(rows, METRICS["l2"])
    axes = sketch.components.astype(np.float64)
    np.testing.assert_allclose(axes @ axes.T, np.eye(16), atol=1e-5)
    centred = rows.astype(np.float64) - sketch.mean
    np.testing.assert_allclose(codes[:, :16], centred @ axes.T, atol=1e-4)
    rest = np.linalg.norm(centred - (centred @ axes.T) @ axes, axis=1)
    np.testing.assert_allclose(codes[:, 16], rest, atol=1e-2)
    assert (sketch.encode(rows[:3], METRICS["l2"], query=True)[:, 16] == 0).all()


def test_random_directions_keep_squared_distances_on_average(rows):
    ratios = []
    for seed in range(30):
        sketch = Sketch.fit(Vectors(rows), METRICS["l2"], "random", 24, seed=seed)
        codes = sketch.encode(rows[:2], METRICS["l2"])
        ratios.append(np.square(codes[0] - codes[1]).sum() / np.square(rows[0] - rows[1]).sum())
    error = np.std(ratios) / np.sqrt(len(ratios))
    assert abs(np.mean(ratios) - 1) < 3 * error
    assert error > UNIT


def test_vectors_that_do_not_fit_into_memory_are_searched_by_codes(rows):
    kept = built(rows, "l2", "ivf")
    coded = built(rows, "l2", "ivf", memory=1000)
    assert kept.sketch is None
    assert kept.structure.d == D
    assert coded.sketch is not None
    assert coded.structure.d == 17


def test_too_few_candidates_are_said(rows):
    found = built(rows, "l2", "ivf")
    with pytest.raises(InputError, match="more than the cells"):
        found.search(rows[:2], N)


def test_reference_figures_are_those_of_brute_force(rows):
    labels = np.arange(N) % 3
    labels[labels == 2] = 3  # class 2 has no example
    rows = rows[:200]
    labels = labels[:200]
    exact = Exact.of(Vectors(rows), METRICS["l2"])
    found = Reference.of(exact, labels, 4)
    distances = np.linalg.norm(rows[:, None].astype(np.float64) - rows, axis=2)
    np.fill_diagonal(distances, np.inf)
    np.testing.assert_allclose(
        found.nearest, np.sort(distances, 1)[found.places][:, :50], rtol=1e-9
    )
    same = np.where(labels[:, None] == labels, distances, np.inf).min(1)[found.places]
    other = np.where(labels[:, None] != labels, distances, np.inf).min(1)[found.places]
    np.testing.assert_allclose(found.same_class, same, rtol=1e-9)
    np.testing.assert_allclose(found.other_class, other, rtol=1e-9)
    for label in (0, 1, 3):
        np.testing.assert_allclose(found.means[label], rows[labels == label].mean(0), rtol=1e-5)
    assert np.isnan(found.means[2]).all()
    places = nearest_of_classes(exact, rows[:5], labels, 4, np.full(5, -1))
    assert (places[:, 2] == -1).all()
    assert (places[np.arange(5), labels[:5]] == np.arange(5)).all()
    assert class_means(Vectors(rows), labels, 4).shape == (4, D)
