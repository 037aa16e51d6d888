"""The study of augmentation: its settings, its units of work, and what one unit computes."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from autoencoders.artifact import load_autoencoder
from autoencoders.augment import report
from autoencoders.augment.augmentation import LayerAugmentation
from autoencoders.augment.comparisons import AUTOENCODER, NOISE, NONE
from autoencoders.augment.judging import judged, still_explained
from autoencoders.augment.moves import AutoencoderMove, Move, NoiseMove, latent_deviation
from autoencoders.augment.reading import read_moves
from autoencoders.augment.ways import Way, autoencoder_folder, classifier_folder
from autoencoders.designs import Design
from autoencoders.fitting import MODEL
from autoencoders.model import Autoencoder
from autoencoders.split_study import TRAIN, VALIDATION, SplitStudy
from autoencoders.training import SETTINGS, train_autoencoder
from core.data import ImageSet
from core.models import Classifier, load_classifier
from core.representations import ShardedArray, open_collection
from core.studies import RunDirectory, Unit, file_safe
from core.training import TrainingSettings, train
from core.training.loop import MODEL as CLASSIFIER
from core.training.start import new_classifier

FIT, READ, TRAINED, JUDGE = "autoencoder", "read", "train", "judge"
READ_AT_MOST = 500
"""Images whose moves are read."""


@dataclass(frozen=True)
class AugmentStudy(SplitStudy):
    """The resolved settings of one study of augmentation; see `run` for what each means."""

    judged: int | None
    layers: tuple[str, ...]
    kind: str
    latent: int | None
    autoencoder_epochs: int
    probability: float
    scale: float
    start: str
    epochs: int
    train_batch: int
    learning_rate: float
    tuning_rate: float
    weight_decay: float
    label_smoothing: float
    clip: float | None
    precision: str
    seeds: int
    attacks: tuple[str, ...]
    radius: float
    draws: int

    command = "autoencoders.augment"

    def start_of(self, layer: str) -> str:
        """Return where trainings with moves at a layer start."""
        if self.start != "auto":
            return self.start
        return "scratch" if layer == "input" else "reference"

    def ways(self) -> list[Way]:
        """Return the ways of training; layers that start alike share the one without moves."""
        starts = dict.fromkeys(self.start_of(layer) for layer in self.layers)
        moved = [
            Way(arm, layer, self.start_of(layer))
            for layer in self.layers
            for arm in (NOISE, AUTOENCODER)
        ]
        return [*(Way(NONE, "", start) for start in starts), *moved]

    def units(self) -> list[Unit]:
        """Return the units: autoencoders, reading of moves and trainings, judging."""
        units = []
        for layer in self.layers:
            units.append(Unit(f"{FIT}/{file_safe(layer)}", 0, {"layer": layer}))
            units.append(Unit(f"{READ}/{file_safe(layer)}", 1, {"layer": layer}))
        for phase, task in ((1, TRAINED), (2, JUDGE)):
            for way in self.ways():
                for number in range(self.seeds):
                    settings = {**vars(way), "number": number}
                    units.append(Unit(f"{task}/{way.key}/{number}", phase, settings))
        return units

    def compute(self, unit: Unit, run: RunDirectory) -> pd.DataFrame:
        """Compute one unit."""
        task = unit.key.split("/")[0]
        if task == FIT:
            return self._fit(unit.settings["layer"], run)
        if task == READ:
            return self._read(unit.settings["layer"], run)
        way = Way(*(unit.settings[name] for name in ("arm", "layer", "start")))
        number = int(unit.settings["number"])
        found = (self._train if task == TRAINED else self._judge)(way, number, run)
        return found.assign(**vars(way), number=number)

    def judged_images(self) -> ImageSet:
        """Return the images to judge on."""
        images = self.sets[VALIDATION]
        if self.judged is None:
            return images
        return images.subset(min(self.judged, len(images)), seed=self.seed)

    def read_images(self) -> ImageSet:
        """Return the images whose moves are read."""
        images = self.judged_images()
        return images.subset(min(READ_AT_MOST, len(images)), seed=self.seed)

    def _fit(self, layer: str, run: RunDirectory) -> pd.DataFrame:
        """Train the autoencoder of a layer, and find how its latent spreads."""
        design: Design | str = self.kind
        if self.latent is not None:
            design = Design(self.kind, latent=self.latent)
        settings = replace(SETTINGS, epochs=self.autoencoder_epochs, seed=self.seed)
        folder = autoencoder_folder(run, layer)
        autoencoder, _ = train_autoencoder(
            self.classifier,
            self.sets[TRAIN],
            layer,
            design,
            out=folder,
            validation=self.sets[VALIDATION],
            settings=settings,
            batch_size=self.batch_size,
        )
        deviation = latent_deviation(autoencoder, self.rows(layer, run), self.batch_size)
        explained = still_explained(
            autoencoder, self.classifier, layer, self.judged_images(), batch_size=self.batch_size
        )
        return pd.DataFrame(
            {
                "layer": layer,
                "shape": [list(autoencoder.shape)],
                "latent": autoencoder.design.latent,
                "explained_variance": explained,
                "deviation": [deviation.cpu().double().tolist()],
            }
        )

    def rows(self, layer: str, run: RunDirectory) -> ShardedArray:
        """Return the representations that a layer's autoencoder has learnt."""
        folder = autoencoder_folder(run, layer) / "representations" / "train"
        return open_collection(folder, [layer])[layer]

    def moves(self, layer: str, run: RunDirectory) -> dict[str, Move]:
        """Return the two moves of a layer, by the arm that is trained with them."""
        row = run.read(f"{FIT}/{file_safe(layer)}").iloc[0]
        autoencoder = self.autoencoder(layer, run)
        deviation = torch.tensor(np.asarray(row["deviation"]), dtype=torch.float32)
        move = AutoencoderMove(
            autoencoder, deviation.to(self.device), self.scale, box=layer == "input"
        )
        return {AUTOENCODER: move, NOISE: NoiseMove(move)}

    def autoencoder(self, layer: str, run: RunDirectory) -> Autoencoder:
        """Return the trained autoencoder of a layer."""
        return load_autoencoder(autoencoder_folder(run, layer) / MODEL, self.device)[0]

    def _read(self, layer: str, run: RunDirectory) -> pd.DataFrame:
        return read_moves(
            self.classifier,
            layer,
            self.moves(layer, run),
            self.read_images(),
            self.rows(layer, run),
            self.sets[TRAIN].labels,
            draws=self.draws,
            seed=self.seed,
            batch_size=self.batch_size,
        ).assign(layer=layer)

    def training(self, start: str, number: int) -> TrainingSettings:
        """Return the settings of a training with one of the seeds."""
        return TrainingSettings(
            epochs=self.epochs,
            batch_size=self.train_batch,
            learning_rate=self.learning_rate if start == "scratch" else self.tuning_rate,
            weight_decay=self.weight_decay,
            label_smoothing=self.label_smoothing,
            clip=self.clip,
            precision=self.precision,
            seed=self.seed + 1000 * number,
        )

    def started(self, start: str, number: int) -> Classifier:
        """Return the classifier that a training starts from."""
        if start == "reference":
            return copy.deepcopy(self.classifier)
        known = self.classifier.normalisation
        return new_classifier(
            self.model,
            self.sets[TRAIN],
            normalisation=None if known is None else str(known),
            stem=self.classifier.stem,
            seed=self.training(start, number).seed,
        ).to(self.device)

    def _train(self, way: Way, number: int, run: RunDirectory) -> pd.DataFrame:
        """Train one classifier; a row per epoch."""
        perturb = None
        if way.arm != NONE:
            move = self.moves(way.layer, run)[way.arm]
            perturb = LayerAugmentation(way.layer, move, self.probability)
        classifier = self.started(way.start, number)
        done = train(
            classifier,
            self.sets[TRAIN],
            self.sets[VALIDATION],
            self.training(way.start, number),
            classifier_folder(run, way, number),
            perturb=perturb,
        )
        table = pd.DataFrame([record.plain() for record in done.history])
        if way.layer:
            table["explained_after"] = still_explained(
                self.autoencoder(way.layer, run),
                classifier.eval(),
                way.layer,
                self.judged_images(),
                batch_size=self.batch_size,
            )
        return table

    def _judge(self, way: Way, number: int, run: RunDirectory) -> pd.DataFrame:
        classifier = load_classifier(
            self.model, checkpoint=str(classifier_folder(run, way, number) / CLASSIFIER),
            device=self.device,
        )  # fmt: skip
        return judged(
            classifier,
            self.judged_images(),
            self.attacks,
            radius=self.radius,
            draws=self.draws,
            seed=self.seed,
            batch_size=self.batch_size,
        )

    def summarise(self, run: RunDirectory) -> dict[str, Any]:
        """Write figures and the report."""
        return report.write(self, run)
