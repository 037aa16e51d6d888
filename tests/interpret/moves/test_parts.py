"""The figures that a move is read by, against their formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from core.data import load_images
from core.errors import InputError
from core.layers import capture
from core.models import Classifier, load_classifier
from interpret.index.arrays import index_of
from interpret.moves import SplicedHead, cluster_moves, local_residuals, random_moves
from interpret.moves.ahead import ahead
from interpret.moves.class_means import random_cosine_p, towards_classes
from interpret.moves.neighbourhoods import composition, entropy, majority, overlap
from interpret.moves.paths import change_shares, points


def test_random_moves_are_as_long_and_belong_to_their_example():
    moves = np.random.default_rng(0).standard_normal((40, 3, 5)).astype(np.float32)
    ids = [f"e{i}" for i in range(40)]
    found = random_moves(moves, ids, seed=3)
    np.testing.assert_allclose(
        np.linalg.norm(found.reshape(40, -1), axis=1),
        np.linalg.norm(moves.reshape(40, -1), axis=1),
        rtol=1e-6,
    )
    np.testing.assert_array_equal(random_moves(moves[7:9], ids[7:9], seed=3), found[7:9])
    assert not np.array_equal(random_moves(moves, ids, seed=4), found)


@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_how_often_a_random_direction_points_so_well(size):
    drawn = np.random.default_rng(0).standard_normal((200_000, size))
    cosines = drawn[:, 0] / np.linalg.norm(drawn, axis=1)
    for c in (-0.3, 0.0, 0.2, 0.7):
        share = (cosines >= c).mean()
        assert random_cosine_p(np.array([c]), size)[0] == pytest.approx(share, abs=0.005)


def test_class_means_that_a_move_points_to():
    means = np.array([[0.0, 0, 0, 0], [10, 0, 0, 0], [0, 10, 0, 0], [np.nan] * 4])
    means = np.pad(means, [(0, 0), (0, 60)])
    starts = np.zeros((4, 64))
    starts[:, 3] = 1.0
    moves = np.stack([means[1] - starts[0], 0.3 * (means[2] - starts[0]), -means[1], 0 * means[1]])
    found = towards_classes(starts, moves, means, np.zeros(4, int))
    assert found.toward.tolist() == [1, 2, -1, -1]
    np.testing.assert_allclose(found.cosine[:2], 1)
    assert (found.p[:2] < 1e-9).all()
    assert found.p[3] == 1
    assert found.difference[:2].tolist() == [1, 2]
    way = (means[1] - means[0]) / 10
    np.testing.assert_allclose(
        found.difference_cosine[0], moves[0] @ way / np.linalg.norm(moves[0])
    )
    none = towards_classes(starts, moves, means, np.full(4, 3))
    assert (none.difference == -1).all()
    assert np.isnan(none.difference_cosine).all()


def test_compositions_are_counted():
    labels = np.array([[0, 1, 1, 2], [3, 3, 3, 3], [2, 0, 0, 2]])
    assert composition(labels, 4).tolist() == [[0.25, 0.5, 0.25, 0], [0, 0, 0, 1], [0.5, 0, 0.5, 0]]
    assert majority(labels, 4).tolist() == [1, 3, 2]
    np.testing.assert_allclose(entropy(composition(labels, 4)), [1.5 * np.log(2), 0, np.log(2)])
    assert overlap(labels[:, :2], labels[:, 2:]).tolist() == [0.5, 1, 1]


def test_points_end_exactly_at_the_ends():
    generator = np.random.default_rng(0)
    before, after = generator.standard_normal((2, 9, 7)).astype(np.float32)
    np.testing.assert_array_equal(points(before, after, np.zeros(9)), before)
    np.testing.assert_array_equal(points(before, after, np.ones(9)), after)


def test_the_change_of_a_class_is_found_to_a_hundred_and_sixtieth():
    truth = np.array([0.03, 0.5, 0.97, 2.0])
    shares = np.linspace(0, 1, 11)
    classes = np.where(shares[None] < truth[:, None], 4, 7)
    asked = []

    def evaluate(which, t):
        asked.append(len(which))
        return np.where(t < truth[which], 4, 7)

    found = change_shares(classes, shares, evaluate)
    assert np.isnan(found[3])
    assert ((found[:3] >= truth[:3]) & (found[:3] - truth[:3] <= 0.1 / 16 + 1e-12)).all()
    assert asked == [3] * 4, "only those that change"
    assert np.isnan(change_shares(np.zeros((2, 3), int), np.linspace(0, 1, 3), evaluate)).all()


def test_local_residuals_are_distances_to_the_plane_of_the_neighbours():
    generator = np.random.default_rng(0)
    plane = np.linalg.qr(generator.standard_normal((20, 3)))[0].T
    rows = (generator.standard_normal((300, 3)) @ plane + 4).astype(np.float32)
    index = index_of(rows, np.zeros(300, int))
    normal = generator.standard_normal(20)
    normal -= plane.T @ (plane @ normal)
    normal /= np.linalg.norm(normal)
    lifted = (rows[:6] + np.linspace(0, 0.5, 6)[:, None] * normal).astype(np.float32)
    found = local_residuals(index, lifted, np.arange(6))
    np.testing.assert_allclose(found, np.linspace(0, 0.5, 6), atol=1e-5)


def test_examples_ahead_are_those_of_the_largest_cosine():
    generator = np.random.default_rng(0)
    rows = (generator.standard_normal((120, 9)) + 3).astype(np.float32)
    index = index_of(rows, np.zeros(120, int))
    starts, moves = rows[:5], generator.standard_normal((5, 9))
    places, cosines = ahead(index, starts, moves, 4, np.arange(5))
    ways = rows[None].astype(np.float64) - starts[:, None]
    with np.errstate(invalid="ignore"):
        exact = (ways * moves[:, None]).sum(2) / np.linalg.norm(ways, axis=2)
    exact /= np.linalg.norm(moves, axis=1)[:, None]
    exact[np.arange(5), np.arange(5)] = -np.inf
    np.testing.assert_array_equal(places, np.argsort(-exact, 1)[:, :4])
    np.testing.assert_allclose(cosines, -np.sort(-exact, 1)[:, :4], atol=1e-5)


def test_moves_in_three_directions_are_three_clusters_and_random_ones_are_one():
    generator = np.random.default_rng(0)
    ways = generator.standard_normal((3, 40))
    kind = np.repeat([0, 1, 2], [30, 20, 10])
    moves = ways[kind] * generator.uniform(0.5, 2, (60, 1)) + 0.3 * generator.standard_normal(
        (60, 40)
    )
    found = cluster_moves(np.concatenate([moves, np.zeros((1, 40))]))
    np.testing.assert_array_equal(found.labels, [*kind, -1])
    assert found.silhouette > 0.5
    for c in range(3):
        units = moves[kind == c] / np.linalg.norm(moves[kind == c], axis=1, keepdims=True)
        assert found.coherence[c] == pytest.approx(np.linalg.norm(units.mean(0)))
    alone = cluster_moves(generator.standard_normal((60, 40)))
    assert (alone.labels == 0).all()
    assert np.isnan(alone.silhouette)
    assert (cluster_moves(np.zeros((3, 4))).labels == -1).all()


def test_further_moves_join_the_nearest_cluster(monkeypatch):
    monkeypatch.setattr("interpret.moves.clusters.USED", 40)
    moves = np.tile(np.eye(4)[:2], (50, 1)) + 0.01
    found = cluster_moves(moves)
    np.testing.assert_array_equal(found.labels, np.tile([0, 1], 50))


def test_a_spliced_head_says_what_the_classifier_says():
    classifier = load_classifier("digits_residual")
    images, _ = load_images("digits").subset(12).tensors()
    with torch.no_grad():
        logits = classifier(images).numpy()
        for layer in ("input", "0", "2"):
            rows = capture(classifier, [layer], images)[layer].numpy()
            head = SplicedHead(classifier, layer, images, batch_size=5)
            which = np.array([3, 3, 11, 0])
            np.testing.assert_allclose(head(which, rows[which]), logits[which], atol=1e-4)
    with pytest.raises(InputError, match="representations: 2 gives"):
        SplicedHead(classifier, "2", images)(np.array([0]), np.zeros((1, 3), np.float32))


def test_what_bypasses_the_layer_is_the_images_own():
    class Skipping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inside = nn.Identity()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = x.flatten(1)
            return 10 * x + self.inside(x)

    classifier = Classifier(Skipping(), spec="mine", num_classes=4).eval()
    images = torch.rand(2, 1, 2, 2)
    head = SplicedHead(classifier, "inside", images)
    found = head(np.array([1]), np.full((1, 4), 7, np.float32))
    np.testing.assert_allclose(found[0], 10 * images[1].flatten() + 7, rtol=1e-6)
