"""Directions: their lengths, angles and signs, and what they are on known landscapes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from core.errors import InputError
from core.models import load_classifier
from landscape import Loss, slices


def inner(directions: torch.Tensor) -> torch.Tensor:
    flat = directions.flatten(2).double()
    return flat @ flat.transpose(1, 2)


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 99))
def test_random_directions_are_orthonormal_and_belong_to_the_example(n, count, seed):
    images = torch.zeros(n, 2, 3, 3)
    ids = [f"image {i}" for i in range(n)]
    found = slices.random_directions(images, count, seed=seed, ids=ids)
    torch.testing.assert_close(
        inner(found), torch.eye(count).double().expand(n, -1, -1), atol=1e-6, rtol=0
    )
    alone = slices.random_directions(images[:1], count, seed=seed, ids=ids[-1:])
    assert torch.equal(alone[0], found[-1])


def test_random_directions_are_uniform_on_the_sphere():
    found = slices.random_directions(torch.zeros(4000, 3), 1)[:, 0]
    # Archimedes: each coordinate of a point on the 2-sphere is uniform on [-1, 1].
    at = torch.tensor([-0.5, 0.0, 0.5])
    shares = (found.unsqueeze(2) < at).double().mean(0)
    torch.testing.assert_close(shares, ((at.double() + 1) / 2).expand(3, -1), atol=0.03, rtol=0)


def test_more_random_directions_than_dimensions_are_refused():
    with pytest.raises(InputError, match="count: expected 1 to 3"):
        slices.random_directions(torch.zeros(1, 3), 4)


def test_on_a_quadratic_the_directions_are_those_of_its_matrix():
    half = torch.randn(5, 5, generator=torch.Generator().manual_seed(0)).double()
    matrix = half @ half.T
    images = torch.randn(4, 5, generator=torch.Generator().manual_seed(1)).double()

    def bowl(x):
        return ((x @ matrix) * x).sum(1) / 2

    gradient = images @ matrix
    expected = gradient / gradient.norm(dim=1, keepdim=True)
    torch.testing.assert_close(slices.gradient_directions(bowl, images), expected)
    torch.testing.assert_close(
        slices.sign_gradient_directions(bowl, images), gradient.sign() / 5**0.5
    )
    found = slices.eigenvector_directions(bowl, images, 2)
    top = torch.linalg.eigh(matrix)[1].flip(1)[:, :2].T
    overlap = (found * top).sum(2)
    torch.testing.assert_close(overlap.abs(), torch.ones(4, 2).double(), atol=1e-6, rtol=0)
    assert ((found * gradient.unsqueeze(1)).sum(2) >= 0).all()


def test_a_confident_classifier_has_a_gradient_direction_all_the_same():
    images = torch.tensor([[60.0, 0.0], [0.0, 60.0]])
    loss = Loss(nn.Flatten(), torch.tensor([0, 1]))
    found = slices.gradient_directions(loss, images)
    root = 0.5**0.5
    torch.testing.assert_close(found, torch.tensor([[-root, root], [root, -root]]))


def test_a_flat_loss_has_no_direction():
    flat = slices.gradient_directions(lambda x: x.sum(1) * 0, torch.ones(2, 3))
    assert torch.equal(flat, torch.zeros(2, 3))
    assert torch.equal(slices.towards(torch.ones(2, 3), torch.ones(2, 3)), torch.zeros(2, 3))


def test_the_first_direction_stays_and_the_span_is_the_same():
    given_ = torch.randn(3, 3, 2, 4, generator=torch.Generator().manual_seed(0)).double()
    found = slices.orthonormal(given_)
    torch.testing.assert_close(inner(found), torch.eye(3).double().expand(3, -1, -1))
    torch.testing.assert_close(found[:, 0], slices.unit(given_[:, 0]))
    flat, basis = given_.flatten(2), found.flatten(2)
    torch.testing.assert_close(flat @ basis.transpose(1, 2) @ basis, flat)


def test_nearly_parallel_directions_come_out_orthonormal_in_float32():
    first = torch.randn(1, 2000, generator=torch.Generator().manual_seed(0))
    second = first + 1e-3 * torch.randn(1, 2000, generator=torch.Generator().manual_seed(1))
    found = slices.orthonormal(torch.stack([first, second], 1))
    torch.testing.assert_close(inner(found)[0], torch.eye(2).double(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("second", [[0.0, 0.0], [2.0, 2.0]])
def test_dependent_directions_are_refused(second):
    with pytest.raises(InputError, match="number 2 is 0 or lies in the span"):
        slices.orthonormal(torch.tensor([[[1.0, 1.0], second]]))


def test_eigenvectors_of_a_classifier_are_those_of_its_dense_hessian():
    classifier = load_classifier("digits_convnet").double()
    images = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0)).double()
    labels = classifier(images).argmax(1)
    found = slices.eigenvector_directions(Loss(classifier, labels), images, 1)[:, 0].flatten(1)
    for i in range(3):
        own = Loss(classifier, labels[i : i + 1])
        dense = torch.autograd.functional.hessian(
            lambda x, own=own: own(x.reshape(1, 1, 8, 8)).sum(), images[i].flatten()
        )
        values, vectors = torch.linalg.eigh(dense)
        best = vectors[:, values.abs().argmax()]
        assert (found[i] @ best).abs() > 1 - 1e-6


def test_an_eigenvalue_that_is_rounding_has_no_eigenvector():
    torch.manual_seed(0)
    two = nn.Sequential(nn.Flatten(), nn.Linear(9, 2)).requires_grad_(False)
    images = torch.rand(6, 1, 3, 3)
    loss = Loss(two, two(images).argmax(1))
    found = slices.eigenvector_directions(loss, images, 2)
    assert found[:, 0].flatten(1).norm(dim=1).allclose(torch.ones(6))
    assert not found[:, 1].any()
    # Three classes that differ along one direction only have a Hessian of rank 1, too.
    three = nn.Sequential(nn.Flatten(), nn.Linear(9, 3)).requires_grad_(False)
    three[1].weight.copy_(torch.tensor([[1.0], [2.0], [4.0]]) * two[1].weight[:1])
    found = slices.eigenvector_directions(Loss(three, three(images).argmax(1)), images, 2)
    assert found[:, 0].any()
    assert not found[:, 1].any()
