"""Guided densities and preconditioned chains, where the answer is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from autoencoders.designs import Design
from autoencoders.model import Autoencoder
from autoencoders.sampling import Preconditioned, guided, sample
from core.errors import InputError
from core.models import Classifier
from core.representations import moments
from core.statistics.chains import mean_error


def linear_pair() -> tuple[Autoencoder, Classifier]:
    """Return a decoder that is affine from 2 numbers to 4, and a linear classifier of 1x2x2."""
    rows = np.random.default_rng(0).normal(size=(50, 1, 2, 2)).astype(np.float32)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        autoencoder = Autoencoder(Design("ae", latent=2, depth=0), moments(rows)).double().eval()
        autoencoder.decoder = nn.Sequential(nn.Linear(2, 4), nn.Unflatten(1, (1, 2, 2))).double()
        network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)).double()
    classifier = Classifier(network, spec="linear").requires_grad_(False).eval()
    return autoencoder.requires_grad_(False), classifier


def prior(z: Tensor) -> Tensor:
    return -z.square().sum(1) / 2


@pytest.mark.parametrize("layer", ["input", "0"])
@pytest.mark.parametrize("temperature", [1.0, 0.25])
def test_the_guided_density_is_the_formula_whatever_the_image(layer, temperature):
    autoencoder, classifier = linear_pair()
    if layer == "0":
        autoencoder.decoder = nn.Sequential(autoencoder.decoder, nn.Flatten())
        autoencoder.standardise.mean = autoencoder.standardise.mean.flatten()
    z = torch.randn(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    classes = torch.tensor([0, 1, 2, 0, 1])
    found = [
        guided(autoencoder, classifier, layer, classes, prior, image, temperature=temperature)(z)
        for image in torch.rand(2, 1, 2, 2, dtype=torch.float64)
    ]
    logits = classifier(autoencoder.decode(z).reshape(5, 1, 2, 2))
    literal = logits.log_softmax(1)[torch.arange(5), classes] / temperature + prior(z)
    torch.testing.assert_close(found[0], literal)
    torch.testing.assert_close(found[1], literal)


def test_chains_and_classes_have_to_agree_in_number():
    autoencoder, classifier = linear_pair()
    density = guided(
        autoencoder, classifier, "input", torch.tensor([0]), prior, torch.rand(1, 2, 2).double()
    )
    with pytest.raises(InputError, match="each of 2 chains"):
        density(torch.zeros(2, 2, dtype=torch.float64))
    with pytest.raises(InputError, match="temperature"):
        guided(autoencoder, classifier, "input", torch.tensor([0]), prior, torch.rand(1, 2, 2),
               temperature=0.0)  # fmt: skip


def test_coordinates_change_the_speed_of_chains_and_not_what_they_draw():
    deviations = torch.tensor([100.0, 1.0, 0.01], dtype=torch.float64)
    middle = torch.tensor([50.0, -2.0, 0.3], dtype=torch.float64)

    def narrow(z: Tensor) -> Tensor:
        return -((z - middle) / deviations).square().sum(1) / 2

    factors = 1.5 * torch.diag(deviations).expand(4, 3, 3)
    density = Preconditioned(narrow, torch.zeros(4, 3).double(), factors)
    start = middle + deviations * torch.linspace(-1, 1, 4, dtype=torch.float64)[:, None]
    torch.testing.assert_close(density.back(density.of(start)), start)
    torch.testing.assert_close(density(density.of(start)), narrow(start))
    drawn = density.drawn(sample(density, density.of(start), draws=1500, warmup=300, step=0.3))
    assert (drawn.r_hat() < 1.05).all()
    z = drawn.draws.numpy()
    for i in range(3):
        off = z[..., i] - float(middle[i])
        assert abs(off.mean()) < 3 * mean_error(z[..., i])
        squared = off**2
        assert abs(squared.mean() - float(deviations[i]) ** 2) < 3 * mean_error(squared)
    plain = sample(narrow, start, draws=1500, warmup=300, step=0.3)
    assert plain.r_hat().max() > 1.5, "without them the widest direction is hardly crossed"


def test_some_chains_are_those_of_the_whole():
    found = sample(prior, torch.zeros(4, 2), draws=20, warmup=5)
    some = found.select(slice(1, 3))
    assert torch.equal(some.draws, found.draws[:, 1:3])
    assert np.array_equal(some.acceptance, found.acceptance[1:3])
