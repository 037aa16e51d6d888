"""Vector quantisation of a hidden layer: our autoencoders with codes beside those of two libraries.

The layer gives maps of 64 x 4 x 4, and all have 512 codes at each of the 16 positions: 144 bits for
a digit. All see the same standardised numbers in batches of 64 for 1,512 steps, with AdamW on one
schedule, and are judged by the same formulas on digits that they have not seen.

The libraries' quantisers stand in a plain convolutional autoencoder, a quarter larger than ours, as
their examples have it; the learnt one once more in our networks, to tell what is due to which.
"""

from __future__ import annotations

import importlib
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from autoencoders.artifact import Origin, load_autoencoder
from autoencoders.bottlenecks.latent import Latent
from autoencoders.bottlenecks.quantised import Grid
from autoencoders.designs import Design
from autoencoders.fitting import fit
from autoencoders.model import Autoencoder
from autoencoders.networks import map_encoder_and_decoder
from autoencoders.quality import code_use, explained_variance, spliced
from autoencoders.training import CODE_CHANNELS, SETTINGS
from benchmarks.pythae_networks import wrapped
from core.data import ImageSet
from core.models import Classifier
from core.representations import Moments, ShardedArray, collect, moments
from core.training import train
from core.training.batches import order, steps_per_epoch
from core.training.built_in import RECIPE
from core.training.optimisation import build_optimiser, build_schedule
from core.training.seeding import seeded
from core.training.splits import training_splits

SEEDS = (0, 1, 2)
CODES, LEVELS = 512, (8, 8, 8)
EPOCHS = 84  # of 18 steps
LAYER = "6"
PLAIN = 96  # channels of the plain autoencoder: 0.34 million weights, ours 0.27
OURS = "inputscape vqvae"


def network() -> nn.Module:
    """Return a net for the digits with maps of 64 x 4 x 4 behind its second ReLU."""

    def block(inputs: int, outputs: int) -> list[nn.Module]:
        convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]

    with seeded(0, "weights of the classifier"):
        return nn.Sequential(
            *block(1, 32),
            nn.MaxPool2d(2),
            *block(32, 64),
            nn.MaxPool2d(2),
            *block(64, 64),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(64, 10),
        )


@dataclass(frozen=True)
class Setting:
    """What all are given.

    Attributes:
        classifier: trained.
        sets: images to learn from and to judge on.
        train: representations of the former.
        held_out: of the latter.
        moments: of the former.
    """

    classifier: Classifier
    sets: tuple[ImageSet, ImageSet]
    train: ShardedArray
    held_out: ShardedArray
    moments: Moments


class Model(nn.Module):
    """An autoencoder with codes: encoder, quantiser, decoder, on standardised representations."""

    def __init__(self, encoder: nn.Module, quantiser: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.quantiser, self.decoder = encoder, quantiser, decoder

    def forward(self, rows: Tensor) -> tuple[Tensor, Latent]:
        """Return reconstructions and latents."""
        latent: Latent = self.quantiser(self.encoder(rows))
        return self.decoder(latent.value), latent

    def loss(self, rows: Tensor) -> Tensor:
        """Return the mean squared error and what the quantiser adds."""
        guesses, latent = self(rows)
        return (guesses - rows).square().mean() + latent.penalty


class MovingAverages(nn.Module):
    """vector-quantize-pytorch's `VectorQuantize` as its README begins: codes of 64 numbers that
    start from k-means and follow moving averages; dead ones are replaced.
    """

    def __init__(self) -> None:
        super().__init__()
        library = importlib.import_module("vector_quantize_pytorch")
        self.body = library.VectorQuantize(
            dim=CODE_CHANNELS,
            codebook_size=CODES,
            kmeans_init=True,
            threshold_ema_dead_code=2,
            accept_image_fmap=True,
        )

    def forward(self, encoded: Tensor) -> Latent:
        """Return the map of codes."""
        quantised, indices, penalty = self.body(encoded)
        return Latent(quantised, penalty.sum(), codes=indices.flatten(1))


class Pythae(nn.Module):
    """pythae's model: its default quantiser and loss, around a given encoder and decoder."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module, shape: tuple[int, ...]) -> None:
        super().__init__()
        models = importlib.import_module("pythae.models")
        settings = models.VQVAEConfig(input_dim=shape, latent_dim=CODE_CHANNELS)
        self.body = models.VQVAE(settings, *wrapped(encoder, decoder, gaussian=False))

    def forward(self, rows: Tensor) -> tuple[Tensor, Latent]:
        """Return reconstructions and latents."""
        found = self.body({"data": rows})
        codes = found.quantized_indices.flatten(1)
        return found.recon_x, Latent(found.z, found.vq_loss, codes=codes)

    def loss(self, rows: Tensor) -> Tensor:
        """Return its own loss."""
        found: Tensor = self.body({"data": rows}).loss
        return found


Contender = Autoencoder | Model | Pythae


def plain(channels: int) -> tuple[nn.Module, nn.Module]:
    """Return the encoder and decoder of a plain convolutional autoencoder."""

    def chain(first: int, last: int, kernel: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(first, PLAIN, 3, padding=1), nn.ReLU(),
            nn.Conv2d(PLAIN, PLAIN, 3, padding=1), nn.ReLU(),
            nn.Conv2d(PLAIN, last, kernel, padding=kernel // 2),
        )  # fmt: skip

    return chain(channels, CODE_CHANNELS, 1), chain(CODE_CHANNELS, channels, 3)


def ours(shape: tuple[int, ...]) -> tuple[nn.Module, nn.Module]:
    """Return our own encoder and decoder."""
    design = Design("vqvae")
    return map_encoder_and_decoder(shape, CODE_CHANNELS, design.width, design.depth, None)


def contenders(setting: Setting) -> dict[str, Callable[[int], Contender]]:
    """Return what makes each contender's model, untrained; it is given the seed."""
    shape = tuple(setting.train.shape[1:])

    def build(
        networks: Callable[[], tuple[nn.Module, nn.Module]], quantiser: Callable[[], nn.Module]
    ) -> Callable[[int], Contender]:
        def model(seed: int) -> Contender:
            with seeded(seed, "autoencoder weights"):
                encoder, decoder = networks()
                return Model(encoder, quantiser(), decoder)

        return model

    def own(kind: str) -> Callable[[int], Contender]:
        def model(seed: int) -> Contender:
            with seeded(seed, "autoencoder weights"):
                return Autoencoder(Design(kind, latent=CODE_CHANNELS, codes=CODES), setting.moments)

        return model

    def pythae(seed: int) -> Contender:
        with seeded(seed, "autoencoder weights"):
            return Pythae(*plain(shape[0]), shape)

    return {
        OURS: own("vqvae"),
        "inputscape fsq": own("fsq"),
        "vector-quantize-pytorch EMA": build(lambda: plain(shape[0]), MovingAverages),
        "vector-quantize-pytorch FSQ": build(
            lambda: plain(shape[0]), lambda: Grid(CODE_CHANNELS, LEVELS)
        ),
        "pythae VQVAE": pythae,
        "its EMA in our networks": build(lambda: ours(shape), MovingAverages),
    }


def trained(model: Contender, setting: Setting, seed: int, folder: Path) -> Contender:
    """Return a model that has been trained: ours by `fit`, the others in the same steps."""
    settings = replace(SETTINGS, epochs=EPOCHS, seed=seed)
    if isinstance(model, Autoencoder):
        origin = Origin.of(setting.classifier, LAYER, setting.sets[0])
        done = fit(model, setting.train, setting.held_out, settings, folder, origin)
        return load_autoencoder(done.model)[0]
    given, batch = standardised(setting, setting.train), settings.batch_size
    steps = steps_per_epoch(len(given), batch)
    optimiser = build_optimiser(model.parameters(), settings, fused=True)
    schedule = build_schedule(optimiser, settings, EPOCHS * steps)
    model.train()
    with seeded(seed, "training"):
        for epoch in range(EPOCHS):
            places = torch.from_numpy(order(len(given), seed, epoch))
            for step in range(steps):
                optimiser.zero_grad()
                model.loss(given[places[step * batch : (step + 1) * batch]]).backward()
                optimiser.step()
                if schedule.last_epoch + 1 < schedule.total_steps:
                    schedule.step()
    return model.eval().requires_grad_(False)


def standardised(setting: Setting, rows: ShardedArray | Tensor) -> Tensor:
    """Return representations less their mean, in units of the spread of all numbers together."""
    values = rows if isinstance(rows, Tensor) else rows.tensors(slice(None))
    return (values - torch.tensor(setting.moments.mean).to(values)) / scale(setting)


def scale(setting: Setting) -> float:
    """Return the root mean variance of the numbers."""
    return float(np.sqrt(setting.moments.variance.mean()))


def judged(model: Contender, setting: Setting) -> dict[str, float]:
    """Return the figures of a trained model."""

    def applied(rows: Tensor) -> tuple[Tensor, Tensor]:
        if isinstance(model, Autoencoder):
            latent = model.latent(rows)
            guesses = model.decode(latent.value)
        else:
            guesses, latent = model(standardised(setting, rows))
            guesses = guesses * scale(setting) + torch.tensor(setting.moments.mean).to(guesses)
        assert latent.codes is not None
        return guesses, latent.codes

    with torch.no_grad():
        learnt, unseen = (
            [applied(torch.from_numpy(part)) for _, part in rows.batches(256)]
            for rows in (setting.train, setting.held_out)
        )
    labels = np.asarray(setting.sets[1].labels)
    triples = [
        (part, guesses.numpy(), labels[places])
        for (places, part), (guesses, _) in zip(setting.held_out.batches(256), unseen, strict=True)
    ]
    share = explained_variance(triples, setting.moments.mean, 10).overall
    use = code_use((codes.numpy() for _, codes in learnt + unseen), CODES)
    whole, changed = (
        float(spliced(setting.classifier, setting.sets[1], LAYER, f).right.double().mean())
        for f in (lambda output: output, lambda output: applied(output)[0])
    )
    return {
        "explained variance": share,
        "codes used": use.used,
        "perplexity": use.perplexity,
        "accuracy lost": 100 * (whole - changed),
    }


def prepared(folder: Path) -> tuple[Setting, float]:
    """Train the classifier and collect its representations; return its accuracy, too."""
    sets = training_splits("digits")
    classifier = Classifier(network(), spec="a digits net with 64 x 4 x 4", num_classes=10)
    done = train(classifier, *sets, RECIPE, folder / "classifier")
    learnt, unseen = (
        collect(classifier, images, [LAYER], folder=folder / name, logits=False)[LAYER]
        for name, images in zip(("train", "held out"), sets, strict=True)
    )
    return Setting(classifier, sets, learnt, unseen, moments(learnt)), done.accuracy


def rows(repeats: int = 3) -> list[dict[str, Any]]:
    """Train every contender with every seed, and return one row per figure: means over the seeds.

    Explained variance and the accuracy lost when reconstructions stand in for the layer are of the
    held-out digits; which codes are used is counted over all digits. The seeds are the repetitions,
    so that `repeats` is not used.
    """
    table: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as place:
        setting, accuracy = prepared(Path(place))
        figures: dict[str, list[dict[str, float]]] = {}
        missing: dict[str, str] = {}
        for seed in SEEDS:
            for name, build in contenders(setting).items():
                try:
                    model = build(seed)
                except ImportError as error:
                    missing[name] = f"not installed ({error})"
                    continue
                done = trained(model, setting, seed, Path(place) / f"{name} {seed}")
                figures.setdefault(name, []).append(judged(done, setting))
        means = {
            name: {m: statistics.fmean(run[m] for run in runs) for m in runs[0]}
            for name, runs in figures.items()
        }
        for metric, own in means[OURS].items():
            for name in contenders(setting):
                value = means.get(name, {}).get(metric, float("nan"))
                each = ", ".join(f"{run[metric]:.4g}" for run in figures.get(name, []))
                table.append(
                    {
                        "benchmark": f"512 codes on 64x4x4, digits net {100 * accuracy:.1f} %",
                        "contender": name,
                        "metric": metric,
                        "value": value,
                        "unit": "points" if metric == "accuracy lost" else "",
                        "ratio_to_ours": value / own if own else float("nan"),
                        "note": missing.get(name, each),
                    }
                )
    return table
