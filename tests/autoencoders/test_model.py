"""Every kind of autoencoder on maps and vectors: shapes, units, modes, what it draws, its file."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from autoencoders import Autoencoder, Design, load_autoencoder, save_autoencoder
from autoencoders.artifact import Origin
from autoencoders.bottlenecks.quantised import Codes
from autoencoders.bottlenecks.sparse import Dictionary
from autoencoders.designs import KINDS
from core.errors import InputError
from core.representations import Moments, moments
from core.training.seeding import seeded

ORIGIN = Origin("layer1", "whole", "f" * 64, "digits_convnet", "e" * 64)
SHAPES = {"maps": (6, 7, 5), "a large map": (3, 16, 16), "vectors": (20,)}


def rows(shape: tuple[int, ...], n: int = 40) -> np.ndarray:
    generator = np.random.default_rng(0)
    base = generator.standard_normal((4, *shape))
    mixed = np.tensordot(generator.standard_normal((n, 4)), base, 1)
    return (50 + 3 * mixed).astype(np.float32)


def built(kind: str, shape: tuple[int, ...], **changed: object) -> tuple[Autoencoder, torch.Tensor]:
    x = rows(shape)
    settings = {
        "latent": 8,
        "width": 16,
        "active": 4,
        "codes": 16,
        "code_size": 4,
        "levels": (4, 4),
    }
    with seeded(0, "weights"):
        return Autoencoder(Design(kind=kind, **{**settings, **changed}), moments(x)), torch.tensor(
            x
        )


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_reconstruction_has_the_shape_of_the_layer_and_each_example_is_by_itself(kind, shape):
    autoencoder, x = built(kind, shape)
    autoencoder.train()
    autoencoder.loss(x)  # quantisers begin their codes with the first batch
    autoencoder.eval()
    with torch.no_grad():
        whole = autoencoder(x)
        assert whole.shape == x.shape
        torch.testing.assert_close(autoencoder(x[3:4])[0], whole[3], rtol=1e-4, atol=1e-3)
        torch.testing.assert_close(autoencoder(x), whole)
        torch.testing.assert_close(autoencoder.decode(autoencoder.encode(x)), whole)


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_steps_explain_much_of_what_four_numbers_make(kind):
    autoencoder, x = built(kind, (20,), width=32, active=6, latent=16)
    optimiser = torch.optim.Adam(autoencoder.parameters(), 1e-2)
    autoencoder.train()
    with seeded(0, "steps"):
        for _ in range(150):
            loss = autoencoder.loss(x)
            optimiser.zero_grad()
            loss.total.backward()
            optimiser.step()
            autoencoder.after_step()
    autoencoder.eval()
    with torch.no_grad():
        left = (autoencoder(x) - x).square().sum() / (x - x.mean(0)).square().sum()
    assert 1 - left > 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_gives_the_same_autoencoder_back(kind, tmp_path):
    autoencoder, x = built(kind, (6, 7, 5))
    autoencoder.train()
    autoencoder.loss(x)
    autoencoder.eval()
    path = save_autoencoder(tmp_path / "a.safetensors", autoencoder, ORIGIN)
    again, origin = load_autoencoder(path)
    assert origin == ORIGIN
    assert again.design == autoencoder.design
    assert not again.training
    assert not any(p.requires_grad for p in again.parameters())
    with torch.no_grad():
        torch.testing.assert_close(again(x), autoencoder(x), rtol=0, atol=0)


def test_files_that_are_none_are_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load_autoencoder(tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(InputError, match="not a safetensors file"):
        load_autoencoder(tmp_path / "text.safetensors")
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="holds no autoencoder"):
        load_autoencoder(tmp_path / "other.safetensors")


def test_the_loss_is_the_unexplained_share_about_the_training_mean():
    autoencoder, x = built("ae", (6, 7, 5))
    found = autoencoder.loss(x)
    with torch.no_grad():
        left = (autoencoder(x) - x).double().square().sum()
    whole = (x - x.mean(0)).double().square().sum()
    assert float(found.unexplained) == pytest.approx(float(left / whole), rel=1e-4)
    assert float(found.total.detach()) == pytest.approx(float(found.unexplained))


def test_a_vae_s_loss_is_the_literal_negative_lower_bound_for_a_given_deviation():
    autoencoder, x = built("vae", (20,), deviation=2.0, beta=0.5)
    autoencoder.eval()  # the latent is the mean: nothing is drawn
    found = autoencoder.loss(x)
    with torch.no_grad():
        encoded = autoencoder.encoder(autoencoder.standardise(x))
        mean, log_variance = encoded.chunk(2, 1)
        kl = ((mean**2 + log_variance.exp() - 1 - log_variance) / 2).sum(1).mean()
        error = (autoencoder(x) - x).square().sum(1).mean() / (2 * 2.0**2)
    assert float(found.total.detach()) == pytest.approx(float(error + 0.5 * kl), rel=1e-4)
    assert float(found.numbers["kl"]) == pytest.approx(float(kl), rel=1e-5)


def test_free_bits_are_charged_in_any_case():
    autoencoder, _ = built("vae", (20,), free_bits=0.7)
    latent = autoencoder.bottleneck(torch.zeros(5, 16))
    assert float(latent.penalty) == pytest.approx(8 * 0.7)
    assert float(latent.numbers["kl"]) == 0


def test_training_draws_and_evaluation_does_not():
    for kind in ("vae", "dae"):
        autoencoder, x = built(kind, (20,))
        autoencoder.train()
        losses = {float(autoencoder.loss(x).total.detach()) for _ in range(3)}
        assert len(losses) == 3
        autoencoder.eval()
        assert len({float(autoencoder.loss(x).total.detach()) for _ in range(3)}) == 1


def test_a_sparse_dictionary_has_few_active_entries_and_columns_of_length_one():
    for batch in (False, True):
        autoencoder, x = built("sae", (6, 7, 5), latent=24, active=3, batch_active=batch)
        autoencoder.train()
        latent = autoencoder.latent(x)
        active = (latent.value > 0).sum(1).float()
        assert latent.value.shape == (40, 24, 7, 5)
        if batch:
            assert float(active.mean()) == pytest.approx(3, abs=0.1)
        else:
            assert float(active.max()) <= 3
        torch.nn.init.constant_(autoencoder.bottleneck.decoder.weight, 3.0)
        autoencoder.after_step()
        lengths = autoencoder.bottleneck.decoder.weight.norm(dim=0)
        torch.testing.assert_close(lengths, torch.ones(24))


def test_dead_entries_are_noticed_and_revived_by_their_own_loss():
    autoencoder, x = built("sae", (20,), latent=16, active=2, batch_active=False)
    dictionary = autoencoder.bottleneck
    with torch.no_grad():
        dictionary.encoder.bias[:8] = -100.0
    autoencoder.train()
    for _ in range(3):
        autoencoder.loss(x)
    assert float(autoencoder.loss(x).numbers["dead"]) >= 0.5
    before = dictionary.encoder.bias[:8].clone()
    optimiser = torch.optim.SGD(autoencoder.parameters(), 1.0)
    autoencoder.loss(x).total.backward()
    assert (dictionary.encoder.bias.grad[:8] != 0).any()
    optimiser.step()
    assert not torch.equal(dictionary.encoder.bias[:8], before)


def test_a_code_is_dead_by_comparison_with_the_mean_one_however_few_positions_a_batch_has():
    bottleneck, x = Codes(6, 64, 3), torch.randn(4, 6, 2, 2, generator=torch.manual_seed(0))
    book, mean = bottleneck.quantiser._codebook, 16 / 64
    book.initted.fill_(True)
    book.embed.normal_()
    book.embed[0, 5] = 100.0  # so far off that nothing takes it
    book.cluster_size.fill_(mean)
    book.cluster_size[0, 5] = 0.4 * mean
    book.embed_avg.copy_(book.embed * book.cluster_size[..., None])
    points = bottleneck.standardise(bottleneck.project(x)).movedim(1, -1).flatten(0, -2)
    bottleneck(x)
    anew = ((book.embed[0][:, None] - points.detach()).abs() < 1e-6).all(2).any(1)
    assert anew.nonzero().flatten().tolist() == [5]


def test_codes_alone_give_the_map_back():
    bottleneck = Codes(6, 16, 3)
    x = torch.randn(5, 6, 2, 3, generator=torch.manual_seed(0))
    bottleneck(x)
    bottleneck.eval()
    latent = bottleneck(x)
    torch.testing.assert_close(bottleneck.decode_codes(latent.codes, (2, 3)), latent.value)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kind": "vqe"}, "--kinds: unknown name 'vqe'"),
        ({"latent": 0}, "--latent"),
        ({"levels": (1, 4)}, "--levels"),
        ({"kind": "sae", "latent": 4, "active": 5}, "--active"),
        ({"beta": -1.0}, "--beta"),
        ({"deviation": 0.0}, "--deviation"),
    ],
)
def test_designs_that_cannot_be_are_refused(changed, message):
    with pytest.raises(InputError, match=message):
        Design(**changed)


def test_what_does_not_suit_the_layer_is_refused():
    still = Moments(3, np.zeros(4), np.zeros(4))
    with pytest.raises(InputError, match="do not vary"):
        Autoencoder(Design(), still)
    with pytest.raises(InputError, match="at most the 4 numbers"):
        Autoencoder(Design(latent=5), Moments(3, np.zeros(4), np.ones(4)))
    with pytest.raises(InputError, match="--positions"):
        Autoencoder(
            Design(kind="fsq", positions=9), Moments(3, np.zeros((2, 8, 8)), np.ones((2, 8, 8)))
        )
    with pytest.raises(InputError, match="expected maps"):
        Autoencoder(Design(latent=2), Moments(3, np.zeros((2, 8)), np.ones((2, 8))))
    autoencoder, x = built("ae", (20,))
    with pytest.raises(InputError, match="expected shape"):
        autoencoder(x[:, :19])


@pytest.mark.parametrize(("size", "entries", "active"), [(1, 8, 8), (3, 24, 24), (64, 512, 32)])
def test_a_dictionary_begins_with_reconstructions_of_the_right_size(size, entries, active):
    with seeded(0, "weights"):
        dictionary = Dictionary(size, entries, active, batch=False).eval()
    x = torch.randn(500, size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        guess = dictionary.decode(dictionary(x).value)
    # At the best factor the error is orthogonal to the guess, and no other factor explains more.
    assert float((guess * x).sum() / guess.square().sum()) == pytest.approx(1, abs=0.08)
    assert 1 - float((guess - x).square().sum() / x.square().sum()) > 0.5
