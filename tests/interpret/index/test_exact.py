"""Exact search is brute force in float64, ties included, wherever the vectors lie."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.representations.collecting import Writer
from core.representations.collection import described
from interpret.index import METRICS, Vectors, exact, metrics, nearest
from interpret.index.exact import Exact

SHAPES = [(5, 1), (60, 3), (150, 64), (40, 700)]


def brute_force(rows: np.ndarray, queries: np.ndarray, k: int, metric: str) -> np.ndarray:
    """All costs in float64, one pair after the other, sorted with ties in the order of the rows."""
    costs = np.empty((len(queries), len(rows)))
    for i, q in enumerate(queries.astype(np.float64)):
        for j, x in enumerate(rows.astype(np.float64)):
            if metric == "l2":
                costs[i, j] = np.square(x - q).sum()
            elif metric == "inner_product":
                costs[i, j] = -(x * q).sum()
            else:
                lengths = np.sqrt(np.square(x).sum() * np.square(q).sum())
                costs[i, j] = 1 - (x * q).sum() / (lengths or 1)
    return np.argsort(costs, axis=1, kind="stable")[:, :k]


def drawn(n: int, d: int, seed: int, kind: str) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    if kind == "ties":
        rows = generator.integers(-1, 2, (n, d)).astype(np.float32)
    else:
        rows = generator.standard_normal((n, d), dtype=np.float32) + (1000 if "far" in kind else 0)
    rows[n // 2 :] = rows[: n - n // 2]  # every row twice: at least one tie each
    return rows, np.concatenate([rows[:2], rows[:2] + np.float32(0.01)])


@pytest.mark.parametrize("kind", ["ties", "spread", "far from the origin"])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_ids_are_those_of_brute_force(n, d, metric, kind):
    rows, queries = drawn(n, d, 0, kind)
    for k in (1, n // 2, n):
        places, _ = nearest(rows, queries, k, metric=metric)
        np.testing.assert_array_equal(places, brute_force(rows, queries, k, metric))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(list(METRICS)), st.integers(1, 30), st.data())
def test_ids_are_those_of_brute_force_on_grids_full_of_ties(seed, metric, n, data):
    d = data.draw(st.integers(1, 4))
    generator = np.random.default_rng(seed)
    rows = generator.integers(-2, 3, (n, d)).astype(np.float32)
    queries = generator.integers(-2, 3, (3, d)).astype(np.float32)
    k = data.draw(st.integers(1, n))
    places, _ = nearest(rows, queries, k, metric=metric)
    np.testing.assert_array_equal(places, brute_force(rows, queries, k, metric))


@pytest.mark.parametrize("metric", METRICS)
def test_long_vectors_are_summed_in_pieces(monkeypatch, metric):
    monkeypatch.setattr(exact, "CHUNK", 16)
    monkeypatch.setattr(metrics, "CHUNK", 16)
    rows, queries = drawn(80, 50, 1, "far")
    places, _ = nearest(rows, queries, 7, metric=metric)
    np.testing.assert_array_equal(places, brute_force(rows, queries, 7, metric))


def test_what_float32_cannot_tell_apart_is_told_apart():
    # 1e4 + steps of .001: neighbouring floats there are .001 apart, their squares are not.
    rows = (1e4 + 1e-3 * np.arange(400)[:, None] + np.zeros((400, 8))).astype(np.float32)
    rows[0] = 0  # moves the mean, and with it the shift
    queries = rows[100:104]
    places, _ = nearest(rows, queries, 9)
    np.testing.assert_array_equal(places, brute_force(rows, queries, 9, "l2"))


@pytest.mark.parametrize("metric", METRICS)
def test_costs_in_float32_are_within_their_bound(metric):
    chosen = METRICS[metric]
    generator = np.random.default_rng(3)
    for d in (2, 100, 3000):
        rows = generator.standard_normal((50, d)).astype(np.float32) * 10 + 3
        queries = rows[:5] + generator.standard_normal((5, d)).astype(np.float32) * 1e-3
        found = Exact.of(Vectors(rows), chosen)
        prepared = chosen.prepared(queries, found.shift)
        costs, places = exact.propose(prepared, found.kept, found.squares, 50, chosen)
        exactly = exact.ranked_costs(found.vectors, chosen, queries, places)
        norms = np.linalg.norm(prepared.astype(np.float64), axis=1)
        gaps = np.abs(costs + chosen.offset - exactly).max(1)
        assert (gaps <= chosen.bound(d, norms, found.largest)).all()


def test_only_as_much_is_computed_as_the_proof_needs(monkeypatch):
    widths = []
    propose = exact.propose

    def counting(queries, block, squares, width, metric):
        widths.append((len(queries), width))
        return propose(queries, block, squares, width, metric)

    monkeypatch.setattr(exact, "propose", counting)
    rows = np.random.default_rng(0).standard_normal((500, 20)).astype(np.float32)
    for metric in METRICS:
        nearest(rows, rows[:9] + 1, 5, metric=metric)
    assert widths == [(9, 5 + exact.SPARE)] * 3, "one pass each"
    widths.clear()
    rows[:100] = rows[0]  # a hundred ties need more candidates, for the one query near them
    nearest(rows, rows[[0, 200]], 5)
    assert widths[0] == (2, 21)
    assert widths[-1][0] == 1
    assert widths[-1][1] >= 100


def test_vectors_on_the_disk_are_searched_as_those_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("core.representations.collection.rows_of_shard", lambda _: 16)
    generator = np.random.default_rng(0)
    rows = generator.standard_normal((90, 3, 4, 4)).astype(np.float16)
    array = described(tmp_path, rows.shape, "float16")
    Writer("x", array).write(0, torch.from_numpy(rows.astype(np.float32)))
    queries = generator.standard_normal((6, 48)).astype(np.float32)
    vectors = Vectors(array)
    expected = brute_force(rows.reshape(90, 48), queries, 8, "l2")
    for memory in (0, 2**20):
        found = Exact.of(vectors, METRICS["l2"], memory=memory)
        assert (found.kept is None) == (memory == 0)
        np.testing.assert_array_equal(found.search(queries, 8)[0], expected)
    blocks = list(vectors.blocks(most_bytes=4 * 48 * 5))
    assert [start for start, _ in blocks[:5]] == [0, 5, 10, 15, 16]
    np.testing.assert_array_equal(np.concatenate([b for _, b in blocks]), rows.reshape(90, 48))
    np.testing.assert_array_equal(
        vectors.take(np.array([80, 3, 3])), rows.reshape(90, 48)[[80, 3, 3]]
    )


def test_positions_are_vectors_of_their_example():
    rows = np.arange(24.0).reshape(2, 4, 3)
    vectors = Vectors(rows, per_example=4)
    assert (len(vectors), vectors.size) == (8, 3)
    np.testing.assert_array_equal(vectors.take(np.array([5, 0])), rows.reshape(8, 3)[[5, 0]])
    assert vectors.examples(np.array([3, 4])).tolist() == [0, 1]
    assert [start for start, _ in vectors.blocks(most_bytes=50)] == [0, 4]


@pytest.mark.parametrize(
    ("queries", "k", "message"),
    [
        (np.zeros((1, 3)), 1, "queries: expected rows of 2 numbers"),
        (np.full((1, 2), np.nan), 1, "queries: some numbers are not finite"),
        (np.zeros((1, 2)), 5, "k: expected 1 to 4, found 5"),
        (np.zeros((1, 2)), 0, "k: expected 1 to 4, found 0"),
    ],
)
def test_bad_queries_are_named(queries, k, message):
    with pytest.raises(InputError, match=message):
        nearest(np.zeros((4, 2)), queries, k)
