"""The search on the manifold, held against the closed form of a linear decoder and classifier."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from autoencoders import Autoencoder, Design
from autoencoders.manifold import search
from core.errors import InputError
from core.representations import moments
from core.training.seeding import seeded
from tests.autoencoders.manifold.linear import linear_autoencoder, linear_classifier

K, D, N = 3, 12, 7


def world(classes: int = 2, scale: float = 0.02):
    """A plane of images about mid grey, far from the box's sides."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    decoder = scale * torch.linalg.qr(normal(D, K)).Q
    encoder = torch.linalg.pinv(decoder)
    middle = torch.full((D,), 0.5, dtype=torch.float64)
    offset = middle - decoder @ encoder @ middle  # of the plane through the middle
    spread = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    autoencoder = linear_autoencoder(encoder, decoder, offset, spread)
    weight = normal(classes, D)
    classifier = linear_classifier(weight, -weight @ middle)
    images = autoencoder.decode(encoder @ middle + spread * normal(N, K)).detach()
    labels = classifier(images).argmax(1)
    return classifier, autoencoder, images, labels


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_of_a_linear_decoder_and_classifier_the_best_latent_is_found(norm):
    classifier, autoencoder, images, labels = world()
    unit = torch.eye(K).double()
    decoder = autoencoder.decode(unit) - autoencoder.decode(0 * unit)
    found = search(
        classifier, autoencoder, images, labels, norm=norm, radius=0.4, steps=30, stop=False
    )
    away = classifier.weight[1 - labels] - classifier.weight[labels]
    uphill = away @ decoder.T * autoencoder.spread
    step = uphill.sign() if norm == "linf" else nn.functional.normalize(uphill)
    expected = autoencoder.encode(images) + 0.4 * step * autoencoder.spread
    torch.testing.assert_close(found.latents, expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(found.decoded, autoencoder.decode(expected), rtol=0, atol=1e-6)
    logits = classifier(autoencoder.decode(expected))
    assert found.success.tolist() == (logits.argmax(1) != labels).tolist()
    assert 0 < int(found.success.sum()) < N, "some can be fooled in this ball, and some cannot"
    torch.testing.assert_close(found.lengths, torch.full((N,), 0.4).double())


def test_towards_a_target_its_probability_rises_to_the_best_of_the_ball():
    classifier, autoencoder, images, labels = world(classes=2)
    found = search(
        classifier, autoencoder, images, labels, targets=1 - labels, radius=1.5, steps=30,
        stop=False,
    )  # fmt: skip
    away = search(classifier, autoencoder, images, labels, radius=1.5, steps=30, stop=False)
    torch.testing.assert_close(found.latents, away.latents)
    assert found.targets is not None
    assert found.targets.tolist() == (1 - labels).tolist()


def curved(seed: int = 0):
    """A nonlinear autoencoder of vectors and a nonlinear classifier, both untrained."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(16, D, generator=generator)
    with seeded(seed, "weights"):
        autoencoder = Autoencoder(Design("vae", latent=4, width=16), moments(images.numpy()))
        classifier = nn.Sequential(nn.Linear(D, 24), nn.ReLU(), nn.Linear(24, 3)).eval()
    autoencoder.eval()
    with torch.no_grad():
        last = [m for m in autoencoder.decoder.modules() if isinstance(m, nn.Linear)][-1]
        last.weight.mul_(5)  # so that a move in the latent is one that the classifier sees
        assert autoencoder.spread is not None
        autoencoder.spread.copy_(autoencoder.encode(images).std(0))
        shown = autoencoder(images).clamp(0, 1)
        classifier[2].bias.sub_(classifier(shown).mean(0))
        labels = classifier(shown).argmax(1)
    return classifier, autoencoder, images, labels


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("noisy", [None, "gaussian"])
def test_what_is_found_is_in_the_ball_and_in_the_box_and_is_what_it_says(norm, noisy):
    classifier, autoencoder, images, labels = curved()
    found = search(
        classifier, autoencoder, images, labels, norm=norm, radius=3, steps=20, noisy=noisy,
        stop=True,
    )  # fmt: skip
    assert (found.lengths <= 3 * (1 + 1e-5)).all()
    assert ((found.decoded >= 0) & (found.decoded <= 1)).all()
    searched = found.clean_correct & found.reconstructed
    assert searched.sum() >= 4
    assert found.success[searched].any()
    with torch.no_grad():
        shown = autoencoder.decode(found.latents).clamp(0, 1)
        logits = classifier(found.decoded)
    torch.testing.assert_close(shown[searched], found.decoded[searched])
    assert torch.equal(found.predictions[searched], logits.argmax(1)[searched])
    assert not found.success[~searched].any()
    assert torch.equal(found.decoded[~searched], images[~searched])
    assert (found.lengths[~searched] == 0).all()


def test_an_example_that_is_reconstructed_as_another_class_is_given_up():
    classifier, autoencoder, images, _ = curved()
    with torch.no_grad():
        labels = classifier(images).argmax(1)
        kept = classifier(autoencoder(images).clamp(0, 1)).argmax(1) == labels
    assert 0 < int(kept.sum()) < len(kept)
    found = search(classifier, autoencoder, images, labels, radius=3, steps=5)
    assert found.clean_correct.all()
    assert torch.equal(found.reconstructed, kept)
    assert not found.success[~kept].any()
    assert (found.forwards[~kept] == 2).all(), "the image and its reconstruction"


@pytest.mark.parametrize("noisy", [None, "filter"])
def test_neither_the_batch_nor_the_order_changes_a_result(noisy):
    classifier, autoencoder, images, labels = curved()
    names = [f"image {i}" for i in range(len(images))]

    def found(rows, batch_size):
        return search(
            classifier, autoencoder, images[rows], labels[rows], radius=1, step_size=0.6, steps=8,
            noisy=noisy, stop=noisy is not None, ids=[names[i] for i in rows.tolist()],
            batch_size=batch_size, seed=5,
        )  # fmt: skip

    every = torch.arange(len(images))
    whole = found(every, 256)
    for rows, size in ((every, 1), (every, 5), (every.flip(0), 256)):
        other = found(rows, size)
        torch.testing.assert_close(other.decoded, whole.decoded[rows], rtol=0, atol=1e-5)
        assert torch.equal(other.success, whole.success[rows])
        assert torch.equal(other.forwards, whole.forwards[rows])


def test_a_noisy_search_is_that_of_its_seed():
    classifier, autoencoder, images, labels = curved()

    def found(seed, noisy="gaussian"):
        return search(
            classifier, autoencoder, images, labels, radius=2, steps=6, noisy=noisy,
            noise_scale=None if noisy is None else 0.5, seed=seed, stop=False,
        ).latents  # fmt: skip

    assert torch.equal(found(1), found(1))
    assert not torch.equal(found(1), found(2))
    assert torch.equal(found(1, None), found(2, None))


def test_an_example_stops_where_it_first_succeeds():
    classifier, autoencoder, images, labels = curved()
    short, whole = (
        search(classifier, autoencoder, images, labels, radius=3, steps=30, stop=stop)
        for stop in (True, False)
    )
    won = short.success
    assert torch.equal(won, whole.success)
    assert (short.lengths[won] <= whole.lengths[won] + 1e-6).all()
    assert short.forwards[won].sum() < whole.forwards[won].sum()
    assert (whole.backwards <= 30).all()


def test_at_a_hidden_layer_the_rest_of_the_classifier_is_searched():
    """With all representations on the manifold, it is a search on images that the rest is shown."""
    rest = curved()[0].double()
    with seeded(1, "weights"):
        deep = nn.Sequential(nn.Linear(5, D), nn.Sigmoid(), rest).double().eval()
    eye = torch.eye(D).double()
    everything = linear_autoencoder(eye, eye, torch.zeros(D), torch.full((D,), 0.1))
    images = torch.rand(16, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    with torch.no_grad():
        hidden = deep[1](deep[0](images))
        rest[2].bias.sub_(rest(hidden).mean(0))
        labels = rest(hidden).argmax(1)
    found = search(deep, everything, images, labels, layer="1", radius=0.5, steps=10)
    alone = search(rest, everything, hidden, labels, radius=0.5, steps=10)
    torch.testing.assert_close(found.latents, alone.latents)
    torch.testing.assert_close(found.decoded, alone.decoded)
    assert torch.equal(found.success, alone.success)
    assert found.reconstructed.all()
    assert 0 < int(found.success.sum()) < 16
    assert not any(m._forward_hooks for m in deep.modules())


def test_what_cannot_be_searched_on_is_said():
    classifier, autoencoder, images, labels = curved()
    codes = Autoencoder(Design("fsq", latent=4, width=16), moments(images.numpy()))
    with pytest.raises(InputError, match="fsq"):
        search(classifier, codes, images, labels)
    untrained = Autoencoder(Design("ae", latent=4, width=16), moments(images.numpy()))
    with pytest.raises(InputError, match="never trained"):
        search(classifier, untrained, images, labels)
    with pytest.raises(InputError, match="shape"):
        search(nn.Linear(5, 3), autoencoder, torch.rand(16, 5), labels)
    with pytest.raises(InputError, match="radius"):
        search(classifier, autoencoder, images, labels, radius=0)
