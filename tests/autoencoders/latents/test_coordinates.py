"""Latents as vectors, and the plane they are shown in."""

from __future__ import annotations

import numpy as np
import torch
from scipy.stats import ortho_group
from sklearn.decomposition import PCA

from autoencoders.latents import Coordinates, plane_of

RNG = np.random.default_rng(0)


def test_vectors_are_taken_as_they_are():
    latents = torch.randn(5, 3)
    assert torch.equal(Coordinates()(latents), latents.double())


def test_maps_become_their_principal_components_and_come_back_from_the_file(tmp_path):
    latents = RNG.normal(size=(40, 6, 2, 2)) * np.linspace(3, 0.1, 6)[:, None, None]
    found = Coordinates.fit(latents, 4)
    flat = latents.reshape(40, -1)
    assert np.allclose(
        np.abs(found(torch.from_numpy(latents)).numpy()), np.abs(PCA(4).fit_transform(flat))
    )
    found.save(tmp_path / "c.npz")
    again = Coordinates.load(tmp_path / "c.npz")
    assert torch.equal(again(torch.from_numpy(latents)), found(torch.from_numpy(latents)))
    Coordinates().save(tmp_path / "none.npz")
    assert Coordinates.load(tmp_path / "none.npz").components is None


def test_the_plane_is_the_one_in_which_classes_lie_apart_not_the_widest():
    labels = np.repeat(np.arange(3), 80)
    apart = np.array([[0.0, 0.0], [6.0, 0.0], [0.0, 6.0]])[labels]
    hidden = np.column_stack([apart + RNG.normal(size=(240, 2)), 4 * RNG.normal(size=(240, 3))])
    found = plane_of(hidden @ ortho_group.rvs(5, random_state=0), labels)
    where = found(hidden @ ortho_group.rvs(5, random_state=0))
    assert where.shape == (240, 2)
    assert np.abs(where.mean(0)).max() < 1e-9
    within = np.sqrt(np.mean([where[labels == k].var(0) for k in range(3)]))
    means = np.stack([where[labels == k].mean(0) for k in range(3)])
    for k in (1, 2):
        apart = np.linalg.norm(means[k] - means[0]) / within
        assert 5 < apart < 7, "six deviations, as they were planted"


def test_two_classes_or_one_number_are_shown_along_principal_components():
    points = RNG.normal(size=(30, 4)) * [5, 3, 1, 1]
    found = plane_of(points, np.arange(30) % 2)
    assert found.kind == "principal components"
    assert np.allclose(np.abs(found(points)), np.abs(PCA(2).fit_transform(points)))
    assert np.allclose(plane_of(points[:, :1], np.arange(30) % 3)(points[:, :1])[:, 1], 0)
