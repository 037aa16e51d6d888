"""An autoencoder and a variational one, trained by us and by pythae: loss reached and time taken.

Both sides train the very same modules from the same starting weights, on the same numbers, with the
same batch size, optimiser, peak of the learning rate and epochs. Whatever else there is to training
is each side's own: where batches come from, what is watched, what is written down.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import io
import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from autoencoders.artifact import Origin, load_autoencoder
from autoencoders.bottlenecks.gaussian import Gaussian, divergences
from autoencoders.designs import Design
from autoencoders.fitting import fit
from autoencoders.model import Autoencoder
from autoencoders.training import SETTINGS
from benchmarks.pythae_networks import wrapped
from core.data import ImageSet
from core.models import Classifier, load_classifier
from core.randomness import generator
from core.representations import Moments, ShardedArray, collect, moments
from core.training.history import Record
from core.training.optimisation import build_schedule
from core.training.seeding import seeded
from core.training.settings import TrainingSettings
from core.training.splits import hold_out, training_splits
from core.training.watchers import Watcher

LAYERS = {"6": "32x4x4", "12": "192 numbers"}
KINDS = ("ae", "vae")
SEEDS = (0, 1, 2)
EPOCHS, BATCH, LATENT = 15, 64, 16
TRAINED = 16 * BATCH
"""Whole batches: pythae takes a shorter last one along, we leave it out."""
DRAWS = 16
"""From the posterior, of the lower bound."""
OURS, PEER = "inputscape", "pythae"


@dataclass(frozen=True)
class Job:
    """What both sides are given.

    Attributes:
        autoencoder: with its starting weights.
        train: representations to learn from.
        validation: those by which each side keeps its best weights.
        origin: of what they are.
        seed: of order and draws.
    """

    autoencoder: Autoencoder
    train: ShardedArray
    validation: ShardedArray
    origin: Origin
    seed: int


@dataclass
class Trained:
    """What a side gives back: the best weights by its validation loss, and how long epochs took.

    Attributes:
        encoder: see `Autoencoder`.
        decoder: see `Autoencoder`.
        ends: wall-clock and processor time at the end of every epoch, all that it writes included.
    """

    encoder: nn.Module
    decoder: nn.Module
    ends: list[tuple[float, float]] = field(default_factory=list)

    def seconds(self) -> list[tuple[float, float]]:
        """Return wall-clock and processor time of each epoch but the first, which warms up."""
        return [
            (after[0] - before[0], after[1] - before[1])
            for before, after in zip(self.ends, self.ends[1:], strict=False)
        ]


def clock() -> tuple[float, float]:
    """Return wall-clock and processor time."""
    return time.perf_counter(), time.process_time()


class Clock(Watcher):
    """Notes when an epoch is over and its checkpoint written."""

    def __init__(self) -> None:
        self.ends: list[tuple[float, float]] = []

    def epoch(self, record: Record) -> None:
        """Note the time."""
        self.ends.append(clock())


def inputscape(job: Job, folder: Path) -> Trained:
    """Train with `autoencoders.fit`."""
    watcher = Clock()
    settings = replace(SETTINGS, epochs=EPOCHS, batch_size=BATCH, seed=job.seed)
    own = copy.deepcopy(job.autoencoder)
    done = fit(own, job.train, job.validation, settings, folder, job.origin, [watcher])
    best, _ = load_autoencoder(done.best)
    return Trained(best.encoder, best.decoder, watcher.ends)


def pythae() -> Callable[[Job, Path], Trained]:
    """Return pythae's training: its `BaseTrainer` with its defaults but the optimiser's settings.

    Its schedules move once per epoch; a callback moves ours in its place, after each step as we do.

    Raises:
        ImportError: it is not installed.
    """
    models = importlib.import_module("pythae.models")
    trainers = importlib.import_module("pythae.trainers")
    callbacks: Any = importlib.import_module("pythae.trainers.training_callbacks")
    dataset = importlib.import_module("pythae.data.datasets").BaseDataset

    class Steps(callbacks.TrainingCallback):
        def __init__(self, settings: TrainingSettings) -> None:
            self.settings, self.ends = settings, list[tuple[float, float]]()
            self.trainer: Any = None

        def on_train_begin(self, training_config: Any, **_: Any) -> None:
            steps = EPOCHS * len(self.trainer.train_loader)
            self.schedule = build_schedule(self.trainer.optimizer, self.settings, steps)

        def on_train_step_end(self, training_config: Any, **_: Any) -> None:
            if self.schedule.last_epoch + 1 < self.schedule.total_steps:
                self.schedule.step()

        def on_epoch_end(self, training_config: Any, **_: Any) -> None:
            self.ends.append(clock())

    def train(job: Job, folder: Path) -> Trained:
        own, gaussian = copy.deepcopy(job.autoencoder), job.autoencoder.kind == "vae"
        shape = {"input_dim": tuple(own.shape), "latent_dim": LATENT}
        kind, settings = (
            (models.VAE, models.VAEConfig(**shape, reconstruction_loss="mse"))
            if gaussian
            else (models.AE, models.AEConfig(**shape))
        )
        model = kind(settings, *wrapped(own.encoder, own.decoder, gaussian))
        config = trainers.BaseTrainerConfig(
            output_dir=str(folder),
            num_epochs=EPOCHS,
            per_device_train_batch_size=BATCH,
            per_device_eval_batch_size=BATCH,
            optimizer_cls="AdamW",
            optimizer_params={"weight_decay": 0.0},
            learning_rate=SETTINGS.resolved_learning_rate,
            seed=job.seed,
            no_cuda=True,
        )
        sets = [dataset(standardised(own, rows), torch.zeros(len(rows)))
                for rows in (job.train, job.validation)]  # fmt: skip
        watcher = Steps(SETTINGS)
        trainer = watcher.trainer = trainers.BaseTrainer(model, *sets, config, [watcher])
        trainer.train()
        best = trainer._best_model.eval()
        return Trained(best.encoder.body, best.decoder.body, watcher.ends)

    return train


def standardised(autoencoder: Autoencoder, rows: ShardedArray) -> Tensor:
    """Return all rows as what the encoder is given."""
    with torch.no_grad():
        found: Tensor = autoencoder.standardise(rows.tensors(slice(None)))
    return found


def test_loss(trained: Trained, rows: Tensor, kind: str) -> float:
    """Return the loss on standardised rows, by one formula for both sides.

    For `ae` the mean squared error of a number; for `vae` the negative lower bound in nats, without
    the constant, for a decoder's Gaussian of deviation 1, over the same draws.
    """
    with torch.no_grad():
        encoded = trained.encoder.eval()(rows)
        decoder = trained.decoder.eval()
        if kind == "ae":
            return float((decoder(encoded) - rows).square().mean())
        mean, log_variance = Gaussian.posterior(encoded)
        noise = torch.Generator().manual_seed(0)
        errors = []
        for _ in range(DRAWS):
            drawn = mean + torch.randn(mean.shape, generator=noise) * (log_variance / 2).exp()
            errors.append((decoder(drawn) - rows).flatten(1).square().sum(1).mean() / 2)
        return float(torch.stack(errors).mean() + divergences(mean, log_variance).sum(1).mean())


def jobs(
    classifier: Classifier, layer: str, sets: Sequence[ImageSet], folder: Path
) -> Iterator[tuple[str, Job, Tensor]]:
    """Yield kinds, jobs, and the standardised test representations."""
    train, validation, test = (
        collect(classifier, images, [layer], folder=folder / str(i), logits=False)[layer]
        for i, images in enumerate(sets)
    )
    found: Moments = moments(train)
    for kind in KINDS:
        for seed in SEEDS:
            with seeded(seed, "autoencoder weights"):
                autoencoder = Autoencoder(Design(kind, latent=LATENT), found)
            # pythae's decoder has deviation 1 in the units of what it is given.
            deviation = float(autoencoder.standardise.scale)
            autoencoder.design = replace(autoencoder.design, deviation=deviation)
            origin = Origin.of(classifier, layer, sets[0])
            yield (
                kind,
                Job(autoencoder, train, validation, origin, seed),
                standardised(autoencoder, test),
            )


def rows(repeats: int = 3) -> list[dict[str, Any]]:
    """Train everything with all seeds, the sides in turn, and return one row per figure.

    Losses are means over the seeds. Times are medians over all epochs but the first of all seeds.
    The seeds are the repetitions, so that `repeats` is not used.
    """
    sides: dict[str, Callable[[Job, Path], Trained]] = {OURS: inputscape}
    missing = ""
    try:
        sides[PEER] = pythae()
    except ImportError as error:
        missing = f"not installed ({error})"
    classifier = load_classifier()
    whole, test = training_splits("digits")
    train, validation = hold_out(whole)
    chosen = generator(0, "examples", "benchmark").permutation(len(train))[:TRAINED]
    sets = (train.take(chosen), validation, test)
    table: list[dict[str, Any]] = []
    for layer, said in LAYERS.items():
        found: dict[tuple[str, str], list[tuple[float, Trained]]] = {}
        with tempfile.TemporaryDirectory() as place:
            for number, (kind, job, held_out) in enumerate(
                jobs(classifier, layer, sets, Path(place))
            ):
                for side, train_with in sides.items():
                    with quiet():
                        trained = train_with(job, Path(place) / f"{number}-{side}")
                    loss = test_loss(trained, held_out, kind)
                    found.setdefault((kind, side), []).append((loss, trained))
        for kind in KINDS:
            runs = {side: found.get((kind, side), []) for side in (OURS, PEER)}
            table += _as_rows(f"{kind.upper()}, layer {layer}, {said}", runs, missing)
    return table


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep pythae's lines and bars off the screen; it makes them all the same."""
    level = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(level)


def _as_rows(
    benchmark: str, runs: dict[str, list[tuple[float, Trained]]], missing: str
) -> list[dict[str, Any]]:
    """Return the rows of one kind at one layer."""
    figures: dict[str, dict[str, float]] = {}
    for side, done in runs.items():
        seconds = [pair for _, trained in done for pair in trained.seconds()]
        figures[side] = {
            "test loss": statistics.fmean(loss for loss, _ in done) if done else float("nan"),
            "time of an epoch": statistics.median(w for w, _ in seconds) if done else float("nan"),
            "processor time of an epoch": (
                statistics.median(c for _, c in seconds) if done else float("nan")
            ),
        }
    notes = {
        side: ", ".join(f"{loss:.4g}" for loss, _ in done) or missing for side, done in runs.items()
    }
    return [
        {
            "benchmark": benchmark,
            "contender": side,
            "metric": metric,
            "value": figures[side][metric],
            "unit": "s" if "time" in metric else "",
            "ratio_to_ours": figures[side][metric] / own,
            "note": notes[side] if metric == "test loss" or not runs[side] else "",
        }
        for metric, own in figures[OURS].items()
        for side in (OURS, PEER)
    ]
