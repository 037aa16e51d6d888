"""Noise around latents and ways between them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autoencoders.sampling import around, linear, spherical
from core.errors import InputError

LATENTS = torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(0)).double()


def test_scales_share_their_directions() -> None:
    found = around(LATENTS, [0.0, 0.5, 1.0], draws=5, seed=1)
    assert found.shape == (3, 3, 5, 4, 2)
    steps = found - LATENTS[:, None, None]
    assert bool((steps[:, 0] == 0).all())
    torch.testing.assert_close(2 * steps[:, 1], steps[:, 2])


def test_noise_has_the_deviation_that_is_asked_for() -> None:
    found = around(torch.zeros(1, 100), [0.3], draws=1000)
    assert float(found.std()) == pytest.approx(0.3, rel=0.01)


def test_noise_belongs_to_the_example() -> None:
    both = around(LATENTS, [1.0], ids=["a", "b", "c"])
    one = around(LATENTS[1:2], [1.0], ids=["b"])
    torch.testing.assert_close(both[1:2], one)


@pytest.mark.parametrize(("scales", "draws"), [([], 1), ([-0.1], 1), ([1.0], 0)])
def test_bad_noise_is_refused(scales: list[float], draws: int) -> None:
    with pytest.raises(InputError):
        around(LATENTS, scales, draws=draws)


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 1), st.integers(0, 1000))
def test_ways_begin_and_end_at_their_ends(share: float, seed: int) -> None:
    first, second = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(seed)).double()
    for way in (linear, spherical):
        found = way(first, second, [0.0, share, 1.0])
        torch.testing.assert_close(found[:, 0], first)
        torch.testing.assert_close(found[:, 2], second)
    length = torch.linalg.vector_norm(spherical(first, second, [share])[:, 0], dim=1)
    ends = [torch.linalg.vector_norm(end, dim=1) for end in (first, second)]
    torch.testing.assert_close(length, (1 - share) * ends[0] + share * ends[1])


def test_a_spherical_way_turns_at_constant_speed() -> None:
    first, second = torch.tensor([[1.0, 0.0]]).double(), torch.tensor([[0.0, 3.0]]).double()
    found = spherical(first, second, [0.25, 0.5, 0.75])[0]
    angles = torch.atan2(found[:, 1], found[:, 0])
    torch.testing.assert_close(angles, torch.pi / 8 * torch.arange(1, 4).double())


@pytest.mark.parametrize("factor", [2.0, -2.0, 0.0])
def test_ends_without_a_plane_between_them_are_joined_straight(factor: float) -> None:
    found = spherical(LATENTS, factor * LATENTS, [0.5])[:, 0]
    torch.testing.assert_close(found, (1 + factor) / 2 * LATENTS)
