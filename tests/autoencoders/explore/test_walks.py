"""Samples of a small latent space: what they begin with, end with, and are independent of."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from attacks.tables import images_of
from autoencoders.designs import Design
from autoencoders.explore.measuring import measured
from autoencoders.explore.space import Space, coordinates_of, training_table
from autoencoders.explore.walks import DIRECTIONS, SHARES, Walker
from autoencoders.latents import Coordinates
from autoencoders.model import Autoencoder
from autoencoders.quality.baselines import NearestExample
from core.data import load_images
from core.errors import InputError
from core.layers import capture
from core.models import load_classifier
from core.representations import moments
from core.representations.streamed import StreamedRows

CLASSIFIER = load_classifier("digits_mlp")
TRAIN = load_images("digits", split="train").subset(100)
IMAGES = load_images("digits").subset(12)
IDS = [str(i) for i in IMAGES.ids]


def walker_of(layer: str, kind: str = "ae", batch_size: int = 256) -> Walker:
    rows = StreamedRows(CLASSIFIER, TRAIN, layer, batch_size=64)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        design = Design(kind, latent=4, width=8, active=2)
        autoencoder = Autoencoder(design, moments(rows)).eval().requires_grad_(False)
    coordinates = coordinates_of(autoencoder, rows, kind == "ae")
    space = Space(autoencoder, coordinates, training_table(autoencoder, coordinates, rows))
    image = IMAGES.tensors([0])[0][0]
    return Walker(space, CLASSIFIER, layer, rows, image, batch_size, 0)


def latents_of(walker: Walker) -> torch.Tensor:
    rows = capture(CLASSIFIER, [walker.layer], IMAGES.tensors()[0])[walker.layer]
    return walker.space.autoencoder.encode(rows)


INNER = "2"


@pytest.fixture(scope="module", params=["input", INNER])
def walker(request) -> Walker:
    return walker_of(request.param)


def test_the_training_table_holds_latents_errors_and_scale(walker):
    rows = torch.from_numpy(walker.train[:])
    encoded = walker.space.autoencoder.encode(rows)
    assert np.allclose(walker.space.points, encoded.numpy(), atol=1e-6)
    errors = (walker.space.autoencoder(rows) - rows).flatten(1).norm(dim=1)
    assert np.allclose(walker.space.train["error"], errors.numpy(), rtol=1e-4)
    assert walker.space.scale == pytest.approx(
        float(encoded.double().var(0, unbiased=False).mean().sqrt()), rel=1e-6
    )


def test_without_noise_the_embedding_itself_is_decoded(walker):
    table = walker.around(latents_of(walker), IDS, [0.5, 3.0])
    assert len(table) == 12 * 3 * DIRECTIONS
    still = table[table["scale"] == 0]
    assert still["kept"].all()
    found = measured(walker.space, CLASSIFIER, walker.layer, *IMAGES.tensors(), IDS, batch_size=5)
    first = still[still["direction"] == 0]
    assert first["prediction"].tolist() == found["spliced_prediction"].tolist()
    assert np.allclose(first["log_density"], -found["surprise"], atol=1e-3)


def test_pictures_are_decoded_images_or_the_nearest_training_image(walker):
    latents = latents_of(walker)
    table = walker.around(latents, IDS, [0.5])
    shown = table[table["shown"] & (table["scale"] == 0)]
    assert shown["id"].tolist() == IDS[:3]
    rows = walker.space.autoencoder.decode(latents[:3])
    pictures = images_of(shown, IMAGES.shape)
    if walker.layer == "input":
        torch.testing.assert_close(pictures, rows.clamp(0, 1))
    else:
        places = NearestExample(walker.train[:]).nearest(rows.numpy())
        torch.testing.assert_close(pictures, TRAIN.tensors(places)[0])
        assert shown["seen"].tolist() == TRAIN.labels[places].tolist()
    assert table[~table["shown"]]["image"].isna().all()


def test_ways_begin_and_end_at_the_two_embeddings(walker):
    latents = latents_of(walker)
    table = walker.between(latents, IDS)
    assert len(table) == 2 * 6 * len(SHARES)
    ends = walker.space.log_density(latents).numpy()
    for way in ("linear", "spherical"):
        own = table[table["way"] == way]
        for share, places in ((0.0, slice(0, 12, 2)), (1.0, slice(1, 12, 2))):
            found = own[own["share"] == share]["log_density"].to_numpy()
            assert np.allclose(found, ends[places], atol=1e-3)
        assert own[own["share"].isin([0, 1])]["ends"].all()


def test_samples_depend_on_the_id_and_not_on_batches_or_companions():
    whole, small = walker_of(INNER), walker_of(INNER, batch_size=7)
    latents = latents_of(whole)
    first = whole.around(latents, IDS, [1.0])
    again = small.around(latents[3:], IDS[3:], [1.0])
    both = first[first["id"].isin(IDS[3:])].reset_index(drop=True)
    assert np.allclose(both["confidence"], again["confidence"], atol=1e-5)


def test_chains_report_every_class(walker):
    options = {"draws": 40, "warmup": 40, "leapfrog": 1, "temperature": 0.2}
    table = walker.chains([1, 7], chains=3, **options)
    assert sorted(table["class"].unique()) == [1, 7]
    assert (table.groupby("class")["shown"].sum() == 6).all()
    one = table[table["class"] == 7]
    assert sorted(one["chain"].unique()) == [0, 1, 2]
    assert (one["r_hat"] >= one["r_hat_median"]).all()
    assert (one["effective"] <= one["effective_median"]).all()
    assert one["acceptance"].between(0.2, 1).all()
    assert one["gradients"].iloc[0] == 81
    with pytest.raises(InputError, match="--chains: expected at most the 10"):
        walker.chains([1], chains=11, **options)


def test_maps_of_codes_are_described_by_their_components():
    walker = walker_of("input", "fsq")
    assert walker.space.points.shape[1] <= 64
    assert walker.space.coordinates.components is not None
    assert walker.between(latents_of(walker), IDS)["log_density"].notna().all()


def test_a_cold_guide_raises_the_probability_of_its_class_and_lowers_that_of_others():
    walker = walker_of(INNER)

    def sure(temperature: float) -> dict[int, float]:
        table = walker.chains(
            [3, 8], chains=2, draws=30, warmup=60, leapfrog=2, temperature=temperature
        )
        # The decoder is untrained: all it can do is be more or less sure of one class.
        assert (table["prediction"] == favourite).all()
        return table.groupby("class")["confidence"].mean().to_dict()

    favourite = int(walker.around(latents_of(walker), IDS, [1.0])["prediction"].mode()[0])
    assert favourite in (3, 8)
    other = 11 - favourite
    cold, hot = sure(0.02), sure(1e6)
    assert cold[favourite] > hot[favourite] + 0.01
    assert cold[other] < hot[other] - 0.02


def test_coordinates_of_vectors_are_the_latents():
    assert isinstance(walker_of("input").space.coordinates, Coordinates)
    assert walker_of("input").space.coordinates.components is None
