from __future__ import annotations

import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.data.subsets import balanced_order

LABELS = st.lists(st.integers(0, 5), min_size=1, max_size=60)


@given(LABELS, st.integers(0, 3))
def test_every_example_comes_once(labels: list[int], seed: int) -> None:
    order = balanced_order(np.array(labels), [f"id{i}" for i in range(len(labels))], seed)
    assert sorted(order) == list(range(len(labels)))


@given(LABELS, st.data())
def test_every_prefix_is_as_balanced_as_the_counts_allow(labels: list[int], data) -> None:
    array = np.array(labels)
    order = balanced_order(array, [f"id{i}" for i in range(len(labels))])
    n = data.draw(st.integers(1, len(labels)))
    available = np.bincount(array, minlength=6)
    taken = np.bincount(array[order[:n]], minlength=6)
    # Where one class has two more than another, the other must have been used up.
    for k in range(6):
        assert taken[k] in (available[k], taken.max(), taken.max() - 1)


@given(LABELS, st.randoms(use_true_random=False), st.integers(0, 3))
def test_the_order_does_not_depend_on_how_the_examples_are_stored(labels, random, seed) -> None:
    ids = [f"train/{i}" for i in range(len(labels))]
    shuffled = list(range(len(labels)))
    random.shuffle(shuffled)
    plain = balanced_order(np.array(labels), ids, seed)
    other = balanced_order(np.array(labels)[shuffled], [ids[i] for i in shuffled], seed)
    assert [ids[i] for i in plain] == [ids[shuffled[i]] for i in other]


@given(LABELS, st.integers(0, 3))
def test_classes_take_turns_each_in_the_order_of_the_hashes(labels: list[int], seed: int) -> None:
    ids = [f"é{i}" for i in range(len(labels))]
    key = {i: hashlib.sha256(f"{seed}\0{ids[i]}".encode()).hexdigest() for i in range(len(ids))}
    waiting = [[i for i in sorted(key, key=key.__getitem__) if labels[i] == k] for k in range(6)]
    expected: list[int] = []
    while any(waiting):
        expected += sorted((rows.pop(0) for rows in waiting if rows), key=key.__getitem__)
    assert balanced_order(np.array(labels), ids, seed).tolist() == expected


def test_the_order_is_fixed_for_ever_and_differs_between_seeds() -> None:
    labels, ids = np.array([0, 0, 0, 1, 1, 1]), list("abcdef")
    assert balanced_order(labels, ids).tolist() == [5, 2, 3, 0, 4, 1]
    assert balanced_order(labels, ids, seed=1).tolist() != [5, 2, 3, 0, 4, 1]
