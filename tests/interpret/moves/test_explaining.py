"""A planted move is told for what it is, and a random one of equal length is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from attacks import craft
from core.data import load_images
from core.errors import InputError
from core.layers import capture
from core.models import load_classifier
from core.representations import collect
from interpret import build_index, explain_move
from interpret.index import nearest
from interpret.index.arrays import index_of
from interpret.moves.manifold import percentiles

LAYER = "10"


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    """A classifier, an index of training digits, other digits, PGD's, and both at the layer."""
    classifier = load_classifier("digits_convnet")
    train = load_images("digits", split="train").subset(600)
    found = collect(classifier, train, [LAYER], folder=tmp_path_factory.mktemp("found"))
    images = load_images("digits").subset(40)
    x, labels = images.tensors()
    crafted = craft(classifier, x, labels, "pgd(norm=l2, eps=1.5, steps=10)").images
    with torch.no_grad():
        before, after = (capture(classifier, [LAYER], y)[LAYER] for y in (x, crafted))
        taken_for = classifier(crafted).argmax(1).numpy()
    return classifier, build_index(found, LAYER), images, x, before, after, taken_for


def planted(index, rows: np.ndarray, labels: np.ndarray, n: int = 200):
    """Moves of any length towards another class's mean, with as much noise as half of the way."""
    generator = np.random.default_rng(0)
    own = generator.integers(0, len(rows), n)
    target = (labels[own] + generator.integers(1, 10, n)) % 10
    starts = rows[own].reshape(n, -1)
    ways = index.reference.means[target] - starts
    noise = generator.standard_normal(ways.shape)
    half = 0.5 * np.linalg.norm(ways, axis=1, keepdims=True)
    noise *= half / np.linalg.norm(noise, axis=1, keepdims=True)
    moves = generator.uniform(0.2, 1, (n, 1)) * (ways + noise)
    return starts.astype(np.float32), (starts + moves).astype(np.float32), own, target


def test_planted_moves_are_reported_as_such_and_random_ones_are_not(setting):
    _, index, images, _, before, _, _ = setting
    rows = before.numpy()
    starts, ends, own, target = planted(index, rows, images.labels)
    found = explain_move(starts, ends, index, labels=images.labels[own], k=5, points=2)
    assert (found.of("move")["towards"] == target).mean() >= 0.95
    assert (found.of("random")["towards"] >= 0).mean() <= 0.05
    gap = np.abs(found.of("move")["length"] / found.of("random")["length"] - 1)
    assert gap.max() < 1e-4


def test_planted_moves_and_random_ones_in_few_dimensions():
    generator = np.random.default_rng(1)
    means = 6 * generator.standard_normal((10, 12))
    labels = np.arange(500) % 10
    rows = (means[labels] + generator.standard_normal((500, 12))).astype(np.float32)
    index = index_of(rows, labels)
    starts, ends, own, target = planted(index, rows, labels)
    found = explain_move(starts, ends, index, labels=labels[own], k=5, points=2)
    assert (found.of("move")["towards"] == target).mean() >= 0.95
    assert (found.of("random")["towards"] >= 0).mean() <= 0.05


def test_where_pgd_ends_its_neighbours_are_of_the_class_it_is_taken_for(setting):
    classifier, index, images, x, before, after, taken_for = setting
    found = explain_move(
        before, after, index, labels=images.labels, ids=images.ids, classifier=classifier, images=x
    )
    moves, random = found.of("move"), found.of("random")
    np.testing.assert_array_equal(moves["prediction_after"], taken_for)
    fooled = moves["prediction_after"] != moves["label"]
    assert fooled.mean() > 0.8
    assert (moves["neighbourhood_after"] == moves["prediction_after"])[fooled].mean() > 0.8
    assert (moves["towards"] == moves["prediction_after"])[fooled].mean() > 0.8
    assert (random["neighbourhood_after"] == random["neighbourhood_before"]).mean() > 0.9
    assert moves["prediction_changes_at"][fooled].between(0, 1).all()
    assert (moves["percentile_after"] > moves["percentile_before"]).mean() > 0.8
    assert len(found.path) == 2 * 40 * 11
    assert len(found.neighbours) == 2 * 40 * 11 * 10
    assert len(found.ahead) == 2 * 40 * 10


def test_every_figure_is_what_its_definition_gives(setting):
    classifier, index, images, x, before, after, _ = setting
    found = explain_move(
        before, after, index, labels=images.labels, ids=images.ids, classifier=classifier,
        images=x, k=6, points=3,
    )  # fmt: skip
    rows = index.vectors.take(np.arange(len(index)))
    labels = index.labels
    moves = found.of("move").iloc[4]
    ends = {"before": before[4:5].numpy(), "after": after[4:5].numpy()}
    places = {}
    for name, row in ends.items():
        places[name], distances = nearest(rows, row, 6)
        own = labels[places[name][0]]
        assert moves[f"own_class_{name}"] == (own == images.labels[4]).mean()
        assert moves[f"distance_{name}"] == distances[0, -1]
        share = np.bincount(own, minlength=10) / 6
        expected = -(share[share > 0] * np.log(share[share > 0])).sum()
        assert moves[f"entropy_{name}"] == pytest.approx(expected, abs=1e-12)
        percentile = percentiles(distances[:, -1], index.reference.nearest[:, 5])[0]
        assert moves[f"percentile_{name}"] == percentile
    both = set(places["before"][0]) & set(places["after"][0])
    assert moves["overlap"] == len(both) / 6
    length = np.linalg.norm(ends["after"].astype(float) - ends["before"])
    assert moves["length"] == pytest.approx(length, rel=1e-6)
    unit = np.median(index.reference.nearest[:, 0])
    assert moves["length_of_nearest"] == pytest.approx(length / unit, rel=1e-6)
    middle = found.neighbours.query("kind == 'move' and share == 0.5 and id == @images.ids[4]")
    halfway, _ = nearest(rows, (ends["before"] + ends["after"]) / 2, 6)
    assert middle["neighbour"].tolist() == index.ids[halfway[0]].tolist()
    assert middle["label"].tolist() == labels[halfway[0]].tolist()


def test_neither_the_batch_nor_the_company_changes_a_result(setting, monkeypatch):
    classifier, index, images, x, before, after, _ = setting
    options = {"labels": images.labels, "ids": images.ids, "classifier": classifier, "images": x}
    whole = explain_move(before, after, index, **options)
    monkeypatch.setattr("interpret.moves.explaining.BYTES", 1)  # one move at a time
    single = explain_move(before, after, index, batch_size=7, **options)
    pd.testing.assert_frame_equal(whole.neighbours, single.neighbours)
    pd.testing.assert_frame_equal(whole.moves, single.moves, rtol=1e-6)
    few = slice(3, 12)
    part = explain_move(
        before[few], after[few], index, labels=images.labels[few], ids=images.ids[few],
        classifier=classifier, images=x[few],
    )  # fmt: skip
    for kind in ("move", "random"):
        expected = whole.of(kind).iloc[few].reset_index(drop=True).drop(columns="cluster")
        pd.testing.assert_frame_equal(part.of(kind).drop(columns="cluster"), expected, rtol=1e-6)


def test_an_example_of_the_index_is_not_its_own_neighbour(setting):
    _, index, *_ = setting
    rows = index.vectors.take(np.arange(5)).astype(np.float32)
    found = explain_move(rows, rows + 1, index, ids=index.ids[:5], k=4)
    assert not (found.neighbours["id"] == found.neighbours["neighbour"]).any()
    assert (found.neighbours["distance"] > 0).all()
    assert not (found.ahead["id"] == found.ahead["neighbour"]).any()


def test_in_cosine_lengths_have_no_unit(setting):
    _, index, images, _, before, after, _ = setting
    rows = index.vectors.take(np.arange(len(index)))
    cosine = index_of(rows, index.labels, metric="cosine")
    found = explain_move(before, after, cosine, labels=images.labels)
    assert found.moves["length_of_nearest"].isna().all()
    assert found.moves["percentile_after"].between(0, 1).all()
    lengths = np.linalg.norm((after - before).flatten(1), axis=1)
    np.testing.assert_allclose(found.of("move")["length"], lengths, rtol=1e-5)


def test_a_move_of_length_zero_goes_nowhere(setting):
    _, index, images, _, before, _, _ = setting
    found = explain_move(before[:9], before[:9], index, labels=images.labels[:9])
    assert (found.moves["towards"] == -1).all()
    assert (found.moves["cluster"] == -1).all()
    assert (found.moves["overlap"] == 1).all()
    assert found.moves["neighbourhood_changes_at"].isna().all()


def test_bad_arguments_are_named(setting, tmp_path):
    classifier, index, images, x, before, after, _ = setting
    cases = [
        ((before, after[:3], index), {}, "after: expected 40 rows"),
        ((before[:, :5], after, index), {}, "before: expected rows of 192"),
        ((before, after, index), {"k": 51}, "k: expected 1 to 50"),
        ((before, after, index), {"points": 1}, "points: expected at least 2"),
        ((before, after, index), {"ids": ["a"]}, "ids: expected 40"),
        ((before, after, index), {"labels": np.full(40, 10)}, "labels: expected 0 to 9"),
        ((before, after, index), {"classifier": classifier}, "images: expected 40"),
        (
            (before, after, index),
            {"classifier": load_classifier("digits_mlp"), "images": x},
            "is of another classifier",
        ),
    ]
    for arguments, options, message in cases:
        with pytest.raises(InputError, match=message):
            explain_move(*arguments, **options)
    rows = index.vectors.take(np.arange(50))
    with pytest.raises(InputError, match="found inner_product"):
        explain_move(before, after, index_of(rows, index.labels[:50], metric="inner_product"))
    small = images.subset(12)
    positions = collect(classifier, small, ["3"], folder=tmp_path, form="positions")
    with pytest.raises(InputError, match="found positions"):
        explain_move(before, after, build_index(positions, "3"))
    pooled = collect(classifier, small, ["3"], folder=tmp_path, form="average")
    rows = pooled["3"][:]
    with pytest.raises(InputError, match="cannot be spliced"):
        explain_move(rows, rows, build_index(pooled, "3"), classifier=classifier,
                     images=small.tensors()[0])  # fmt: skip
