"""Moves go where they say, noise exactly as far, and neither depends on who else is moved."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from autoencoders.augment import AutoencoderMove, NoiseMove, latent_deviation
from autoencoders.designs import Design
from autoencoders.model import Autoencoder
from core.errors import InputError
from core.randomness import generator, generators
from core.representations import Moments
from core.representations.sharded import ShardedArray, shard_path
from core.training.seeding import seeded

SHAPES = [(1, 8, 8), (4, 3, 3), (7,)]


def untrained(shape: tuple[int, ...], kind: str = "ae", latent: int = 3) -> Autoencoder:
    with seeded(1, "weights"):
        moments = Moments(5, np.full(shape, 0.4), np.full(shape, 0.04))
        found = Autoencoder(Design(kind, latent=latent, width=8), moments)
    return found.eval().requires_grad_(False)


def rows_of(shape: tuple[int, ...], n: int = 6) -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).random((n, *shape), np.float32))


def streams(ids: str) -> Callable[[str], list[np.random.Generator]]:
    return lambda purpose: generators(0, list(ids), purpose)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_move_ends_at_the_decoded_sample_around_the_latent(shape: tuple) -> None:
    autoencoder, rows = untrained(shape), rows_of(shape)
    deviation = torch.tensor([0.5, 1.0, 2.0])
    made = rows + AutoencoderMove(autoencoder, deviation, 0.7)(rows, streams("abcdef"))
    for row, end, name in zip(rows, made, "abcdef", strict=True):
        noise = generator(0, name, "latent noise").standard_normal(3, dtype=np.float32)
        latent = autoencoder.encode(row[None]) + 0.7 * deviation * torch.from_numpy(noise)
        torch.testing.assert_close(end, autoencoder.decode(latent)[0])


def test_with_scale_0_it_is_the_reconstruction_and_nothing_is_drawn() -> None:
    def none(purpose: str) -> list[np.random.Generator]:
        raise AssertionError(purpose)

    autoencoder, rows = untrained((7,)), rows_of((7,))
    steps = AutoencoderMove(autoencoder, torch.ones(3), 0.0)(rows, none)
    torch.testing.assert_close(rows + steps, autoencoder(rows))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("box", [False, True])
def test_noise_is_as_long_as_the_other_move_of_the_same_example(shape: tuple, box: bool) -> None:
    rows = rows_of(shape)
    move = AutoencoderMove(untrained(shape), torch.ones(3), 0.5, box=box)
    one, other = move(rows, streams("abcdef")), NoiseMove(move)(rows, streams("abcdef"))
    lengths = [steps.flatten(1).double().norm(dim=1) for steps in (one, other)]
    assert lengths[0].min() > 0
    torch.testing.assert_close(lengths[1], lengths[0], rtol=2e-6, atol=0)
    assert not torch.allclose(one, other)
    if box:
        for steps in (one, other):
            assert (rows + steps).min() >= -1e-6
            assert (rows + steps).max() <= 1 + 1e-6


def test_what_a_row_is_moved_by_does_not_depend_on_its_companions() -> None:
    move = AutoencoderMove(untrained((4, 3, 3)), torch.ones(3), 0.5)
    rows = rows_of((4, 3, 3))
    for made in (move, NoiseMove(move)):
        whole = made(rows, streams("abcdef"))
        torch.testing.assert_close(whole[2:4], made(rows[2:4], streams("cd")))


def test_the_deviation_is_that_of_the_latents_of_all_rows(tmp_path) -> None:
    autoencoder, rows = untrained((7,)), rows_of((7,), 40)
    for number, start in enumerate(range(0, 40, 16)):
        np.save(shard_path(tmp_path, number), rows[start : start + 16].numpy())
    stored = ShardedArray(tmp_path, (40, 7), np.dtype(np.float32), 16)
    expected = np.std(autoencoder.encode(rows).double().numpy(), axis=0, ddof=1)
    found = latent_deviation(autoencoder, stored, batch_size=7)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)


def test_identities_tell_weights_scale_and_noise_apart() -> None:
    moves = [AutoencoderMove(untrained((7,)), torch.ones(3), scale) for scale in (0.5, 1.0)]
    moves.append(AutoencoderMove(untrained((7,)), 2 * torch.ones(3), 0.5))
    known = [m.identity() for m in [*moves, NoiseMove(moves[0])]]
    assert all(known[i] != known[j] for i in range(4) for j in range(i))
    assert known[0] == AutoencoderMove(untrained((7,)), torch.ones(3), 0.5).identity()


def test_what_cannot_be_moved_by_is_refused() -> None:
    with pytest.raises(InputError, match="--kind: expected ae, dae, vae"):
        AutoencoderMove(untrained((4, 3, 3), "fsq", 8), torch.ones(8))
    with pytest.raises(InputError, match="one number for each of the 3"):
        AutoencoderMove(untrained((7,)), torch.ones(2))
    with pytest.raises(InputError, match="--scale"):
        AutoencoderMove(untrained((7,)), torch.ones(3), -0.1)
