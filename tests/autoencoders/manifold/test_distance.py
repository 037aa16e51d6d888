"""Distances off the manifold where they are known: off a flat, off a circle, on a known scale."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from autoencoders.manifold import ErrorScale, reconstruction_errors, tangent_residuals
from core.errors import InputError
from tests.autoencoders.manifold.linear import linear_autoencoder


def flat(n: int, dimensions: int = 3, size: int = 20, seed: int = 0):
    """Points of a flat in space, and its normal directions."""
    generator = np.random.default_rng(seed)
    base = np.linalg.qr(generator.standard_normal((size, size)))[0]
    points = generator.standard_normal((n, dimensions)) @ base[:, :dimensions].T + 7
    return torch.tensor(points), torch.tensor(base[:, dimensions:])


@pytest.mark.parametrize("batches", [1, 4])
def test_off_a_flat_the_residual_is_the_distance_to_it(batches):
    known, normals = flat(200)
    asked, _ = flat(15, seed=1)
    base = np.linalg.qr(np.random.default_rng(0).standard_normal((20, 20)))[0][:, :3]
    on = torch.tensor((asked.numpy() - 7) @ base @ base.T + 7)
    away = torch.linspace(0, 2, 15).double().unsqueeze(1) * normals[:, 4]
    found = tangent_residuals(on + away, known.chunk(batches), neighbours=8, dimensions=3)
    np.testing.assert_allclose(found, np.linspace(0, 2, 15), atol=1e-9)


def test_neither_the_batches_of_rows_nor_those_of_the_known_change_a_bit_that_counts():
    known, _ = flat(60, dimensions=6)
    rows = known[:9] + torch.randn(9, 20, generator=torch.Generator().manual_seed(0)).double()
    whole = tangent_residuals(rows, [known], neighbours=9, dimensions=4)
    parts = tangent_residuals(rows, known.split(7), neighbours=9, dimensions=4, batch_size=2)
    np.testing.assert_allclose(parts, whole, rtol=1e-9)


def test_off_a_circle_the_residual_is_the_radial_distance():
    angles = torch.linspace(0, 2 * np.pi, 2001)[:-1].double()
    circle = torch.stack([angles.cos(), angles.sin(), torch.zeros(2000).double()], 1)
    radii = torch.tensor([0.8, 1.0, 1.3]).double()
    asked = torch.stack([radii * 0.6, radii * 0.8, torch.zeros(3).double()], 1)
    found = tangent_residuals(asked, [circle], neighbours=10, dimensions=1)
    np.testing.assert_allclose(found, [0.2, 0.0, 0.3], atol=1e-3)


def test_it_is_the_residual_of_a_literal_local_principal_component_analysis():
    generator = np.random.default_rng(2)
    known, rows = generator.standard_normal((40, 6)), generator.standard_normal((5, 6))
    expected = []
    for row in rows:
        near = known[np.argsort(np.linalg.norm(known - row, axis=1))[:7]]
        directions = np.linalg.svd(near - near.mean(0), full_matrices=False)[2][:3]
        left = row - near.mean(0)
        expected.append(np.linalg.norm(left - directions.T @ (directions @ left)))
    found = tangent_residuals(torch.tensor(rows), [torch.tensor(known)], neighbours=7, dimensions=3)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_directions_in_which_the_neighbours_do_not_differ_are_none():
    line = torch.arange(12.0).unsqueeze(1) * torch.tensor([[1.0, 0, 0]])
    asked = torch.tensor([[5.0, 3.0, 4.0]])
    found = tangent_residuals(asked, [line], neighbours=6, dimensions=4)
    np.testing.assert_allclose(found, [5.0], rtol=1e-9)


@given(
    st.lists(st.floats(1e-6, 1e6), min_size=3, max_size=30, unique=True),
    st.floats(0.01, 100),
)
def test_z_scores_have_mean_0_and_deviation_1_and_do_not_know_the_unit(errors, unit):
    known = np.array(errors)
    if np.log(known).std() < 1e-6:
        return
    z = ErrorScale.of(known).z(known)
    assert abs(z.mean()) < 1e-6
    assert abs(z.std(ddof=1) - 1) < 1e-6
    np.testing.assert_allclose(ErrorScale.of(unit * known).z(unit * known), z, atol=1e-6)


def test_reconstruction_errors_are_the_lengths_of_what_is_lost():
    projection = torch.zeros(2, 5).double()
    projection[0, 0] = projection[1, 1] = 1
    autoencoder = linear_autoencoder(projection, projection.T, torch.zeros(5), torch.ones(2))
    rows = torch.arange(20.0).double().reshape(4, 5)
    found = reconstruction_errors(autoencoder, rows, batch_size=3)
    np.testing.assert_allclose(found, rows[:, 2:].norm(dim=1).numpy())


def test_what_cannot_be_measured_is_said():
    known, _ = flat(5)
    with pytest.raises(InputError, match="neighbours"):
        tangent_residuals(known, [known], neighbours=6, dimensions=2)
    with pytest.raises(InputError, match="dimensions"):
        tangent_residuals(known, [known], neighbours=3, dimensions=3)
    with pytest.raises(InputError, match="iterator"):
        tangent_residuals(known, iter([known]), neighbours=3, dimensions=2)
    for errors in ([1.0], [1.0, 0.0], [1.0, np.nan], [2.0, 2.0]):
        with pytest.raises(InputError, match="errors"):
            ErrorScale.of(np.array(errors))
