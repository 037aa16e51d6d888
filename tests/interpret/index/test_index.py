"""An index finds what brute force finds, leaves out what it must, and refuses what is another's."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from core.data import ImageSet, load_images
from core.errors import InputError
from core.layers import capture
from core.models import Classifier, load_classifier
from core.representations import Collection, collect
from interpret import build_index, load_index
from interpret.index import nearest
from interpret.index.arrays import index_of
from interpret.index.faiss_library import faiss
from interpret.index.vectors import Vectors
from interpret.index.whitening import Whitening

LAYER = "10"


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return load_classifier("digits_convnet")


@pytest.fixture(scope="module")
def images() -> ImageSet:
    return load_images("digits", split="train").subset(300)


@pytest.fixture(scope="module")
def collection(classifier, images, tmp_path_factory) -> Collection:
    return collect(classifier, images, [LAYER, "3"], folder=tmp_path_factory.mktemp("found"))


@pytest.fixture(scope="module")
def asked(classifier) -> np.ndarray:
    with torch.no_grad():
        return capture(classifier, [LAYER], load_images("digits").subset(40).tensors()[0])[LAYER]


@pytest.mark.parametrize("metric", ["l2", "cosine", "inner_product"])
def test_neighbours_are_those_of_brute_force_with_their_labels(collection, asked, metric):
    index = build_index(collection, LAYER, metric=metric)
    near = index.search(asked, k=7)
    places, distances = nearest(collection[LAYER][:], asked.numpy(), 7, metric=metric)
    np.testing.assert_array_equal(near.places, places)
    np.testing.assert_array_equal(near.distances, distances)
    np.testing.assert_array_equal(near.ids, collection.ids[places])
    np.testing.assert_array_equal(near.labels, collection.labels[places])
    np.testing.assert_array_equal(near.predictions, collection.predictions[places])
    assert near.positions is None
    assert str(index.recall) == "exact"


def test_an_index_is_kept_and_opened_again_with_the_same_answers(collection, asked):
    for choices in ({}, {"whitened": True}, {"method": "hnsw"}, {"method": "sketch"}):
        first = build_index(collection, LAYER, **choices)
        about = first.folder / "about.json"
        written = about.stat().st_mtime_ns
        again = load_index(collection.folder, LAYER, **choices)
        a, b = first.search(asked, 5), again.search(asked, 5)
        np.testing.assert_array_equal(a.places, b.places)
        np.testing.assert_array_equal(a.distances, b.distances)
        assert about.stat().st_mtime_ns == written
        assert repr(first) == repr(again)


def test_an_example_is_no_neighbour_of_its_own(collection):
    index = build_index(collection, LAYER)
    rows = collection[LAYER][:20]
    near = index.search(rows, 5, ids=collection.ids[:20], drop_duplicates=False)
    assert (near.ids != collection.ids[:20, None]).all()
    places, _ = nearest(collection[LAYER][:], rows, 6)
    assert (places[:, 0] == np.arange(20)).all()
    np.testing.assert_array_equal(near.places, places[:, 1:])
    assert (index.search(rows, 1, drop_duplicates=False).distances == 0).all()


@pytest.mark.parametrize("whitened", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_duplicates_under_another_name_are_left_out_and_counted(
    classifier, images, tmp_path, dtype, whitened
):
    doubled = ImageSet(
        "doubled", "train",
        np.concatenate([images.images[:100], images.images[:7]]),
        np.concatenate([images.labels[:100], images.labels[:7]]),
        np.array([f"{i}" for i in range(107)]),
        images.class_names,
    )  # fmt: skip
    found = collect(classifier, doubled, [LAYER], folder=tmp_path, dtype=dtype)
    index = build_index(found, LAYER, whitened=whitened)
    with torch.no_grad():  # one by one: other batches round otherwise
        rows = torch.cat(
            [capture(classifier, [LAYER], doubled.tensors([i])[0])[LAYER] for i in range(20)]
        )
    near = index.search(rows, 3, ids=doubled.ids[:20])
    assert near.duplicates.tolist() == [1] * 7 + [0] * 13
    for i in range(7):
        assert not {i, 100 + i} & set(near.places[i])
    assert (near.distances > 0).all()
    unnamed = index.search(rows, 3)
    np.testing.assert_array_equal(unnamed.places, near.places)
    assert unnamed.duplicates.tolist() == [2] * 7 + [1] * 13


@pytest.mark.parametrize("metric", ["cosine", "inner_product"])
def test_duplicates_are_left_out_in_other_metrics(metric):
    rows = np.random.default_rng(0).standard_normal((30, 12)).astype(np.float32)
    rows[20:24] = rows[3]
    index = index_of(rows, np.zeros(30, int), metric=metric)
    near = index.search(rows[3:4], 6, ids=["3"])
    assert near.duplicates.tolist() == [4]
    assert not set(near.places[0]) & {3, 20, 21, 22, 23}


def test_positions_are_searched_one_by_one(classifier, images, tmp_path):
    found = collect(classifier, images.subset(30), ["3"], folder=tmp_path, form="positions")
    index = build_index(found, "3")
    rows = found["3"][:]
    n, positions, channels = rows.shape
    near = index.search(rows[:2], 4, ids=found.ids[:2], drop_duplicates=False)
    flat = rows.reshape(-1, channels)
    for i in range(2):
        others = np.delete(np.arange(n), i)
        places, distances = nearest(rows[others].reshape(-1, channels), rows[i], 4)
        own = slice(i * positions, (i + 1) * positions)
        np.testing.assert_array_equal(near.distances[own], distances)
        np.testing.assert_array_equal(near.ids[own], found.ids[others][places // positions])
        np.testing.assert_array_equal(near.positions[own], places % positions)
    assert len(index) == len(flat)


def test_an_index_of_others_is_refused_in_one_sentence(collection, classifier, images, tmp_path):
    index = build_index(collection, LAYER)
    other = load_classifier("digits_mlp")
    index.check(classifier, images)
    with pytest.raises(InputError, match="is of another classifier"):
        index.check(other)
    with pytest.raises(InputError, match="is of another image set"):
        index.check(images=images.subset(20))
    with pytest.raises(InputError, match="representations of another classifier"):
        load_index(collection, LAYER, classifier=other)
    with pytest.raises(InputError, match="representations of other images"):
        load_index(collection, LAYER, images=images.subset(20))
    foreign = collect(classifier, images.subset(50), [LAYER], folder=tmp_path)
    own = foreign[LAYER].folder / "index-l2-exact"
    shutil.copytree(index.folder, own)
    with pytest.raises(InputError, match="is of another image"):
        build_index(foreign, LAYER)
    with pytest.raises(InputError, match="does not exist; build it first"):
        load_index(foreign, LAYER, metric="cosine")


def test_a_build_that_was_killed_is_begun_anew(collection, asked):
    index = build_index(collection, "3")
    expected = index.search(collection["3"][:4], 3).places
    (index.folder / "about.json").unlink()
    (index.folder / "reference-means.npy").write_bytes(b"")
    again = build_index(collection, "3")
    np.testing.assert_array_equal(again.search(collection["3"][:4], 3).places, expected)
    (index.folder / "reference-means.npy").write_bytes(b"")
    with pytest.raises(InputError, match="not a whole index"):
        load_index(collection, "3")


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"metric": "l3"}, "metric: unknown name 'l3'"),
        ({"method": "tree"}, "method: unknown name 'tree'"),
        ({"sketch": "hash"}, "sketch: unknown name 'hash'"),
        ({"candidates": 0}, "candidates: expected at least 1"),
        ({"metrik": "l2"}, "index: unknown name 'metrik'; did you mean 'metric'"),
    ],
)
def test_bad_settings_are_named(collection, choices, message):
    for call in (build_index, load_index):
        with pytest.raises(InputError, match=message):
            call(collection, LAYER, **choices)


def test_more_neighbours_than_there_are_is_said(collection):
    index = index_of(np.zeros((5, 2)), np.zeros(5, int))
    with pytest.raises(InputError, match="k: expected 1 to 5"):
        index.search(np.ones((1, 2)), 6)
    with pytest.raises(InputError, match="fewer that are not itself"):
        index.search(np.zeros((1, 2)), 3)
    with pytest.raises(InputError, match="ids: expected one per query"):
        index.search(np.ones((1, 2)), 1, ids=["0", "1"])


def test_whitened_vectors_have_unit_covariance_and_the_distance_is_mahalanobis():
    generator = np.random.default_rng(0)
    mixing = generator.standard_normal((6, 6))
    rows = (generator.standard_normal((2000, 6)) @ mixing + 5).astype(np.float32)
    whitening = Whitening.fit(Vectors(rows), sample=2000)
    white = whitening(rows).astype(np.float64)
    np.testing.assert_allclose(white.T @ white / 2000, np.eye(6), atol=1e-4)
    inverse = np.linalg.inv(np.cov(rows.T.astype(np.float64), bias=True))
    gap = rows[0].astype(np.float64) - rows[1]
    assert np.square(white[0] - white[1]).sum() == pytest.approx(gap @ inverse @ gap, rel=1e-4)
    np.testing.assert_allclose(whitening.undone(white[:1] - white[1:2])[0], gap, atol=1e-4)


def test_whitening_with_fewer_examples_than_numbers_keeps_the_rest_apart():
    generator = np.random.default_rng(0)
    rows = generator.standard_normal((40, 200)).astype(np.float32)
    rows[:, 0] *= 30
    found = Whitening.fit(Vectors(rows), components=5)
    assert len(found.variances) == 5
    total = rows.astype(np.float64).var(0).sum()
    assert found.rest == pytest.approx((total - found.variances.sum()) / 195, rel=1e-4)
    white = found(rows)
    assert white[:, 0].std() == pytest.approx(1, rel=0.2)
    with pytest.raises(InputError, match="do not vary"):
        Whitening.fit(Vectors(np.ones((5, 3))))


def test_faiss_has_the_threads_of_torch():
    before = torch.get_num_threads()
    try:
        for threads in (2, 1):
            torch.set_num_threads(threads)
            assert faiss().omp_get_max_threads() == threads
    finally:
        torch.set_num_threads(before)
        faiss()


def test_only_one_file_imports_faiss():
    root = Path(__file__).resolve().parents[3] / "interpret"
    importing = re.compile(r"^\s*(import|from) faiss\b|import_module\(.faiss.\)", re.MULTILINE)
    found = {path.name for path in root.rglob("*.py") if importing.search(path.read_text())}
    assert found == {"faiss_library.py"}
