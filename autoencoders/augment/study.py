"""The study of augmentation: its settings, its units of work, and what one unit computes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from attacks.recipe_lists import default_recipes, recipe_list
from attacks.recipes import parse
from autoencoders.artifact import load_autoencoder
from autoencoders.augment import report
from autoencoders.augment.augmentation import LayerAugmentation, checked_probability
from autoencoders.augment.comparisons import AUTOENCODER, NOISE, NONE
from autoencoders.augment.judging import judged, still_explained
from autoencoders.augment.moves import KINDS, AutoencoderMove, Move, NoiseMove, latent_deviation
from autoencoders.augment.reading import read_moves
from autoencoders.designs import Design
from autoencoders.fitting import MODEL
from autoencoders.model import Autoencoder
from autoencoders.split_study import TRAIN, VALIDATION, SplitStudy
from autoencoders.training import SETTINGS, train_autoencoder
from core.data import ImageSet
from core.errors import InputError, unknown_name
from core.models import Classifier, load_classifier, resolve_device
from core.options import positive, within
from core.representations import ShardedArray, open_collection
from core.studies import RunDirectory, Unit, file_safe
from core.training import TrainingSettings, train
from core.training.start import new_classifier

FIT, READ, TRAINED, JUDGE = "autoencoder", "read", "train", "judge"
STARTS = ("auto", "scratch", "reference")
WEAKER = {"digits": "pgd(norm=linf, eps=0.05, stop=false)",
          "photographs": "pgd(norm=linf, eps=0.5/255, stop=false)"}  # fmt: skip
"""PGD at a quarter of the default radius, where more than nearly nothing is left of accuracies."""
READ_AT_MOST = 500
"""Images whose moves are read."""


@dataclass(frozen=True)
class Way:
    """One way of training: with what, where, and from where.

    Attributes:
        arm: `none`, `noise` or `autoencoder`.
        layer: where outputs are moved; "" with `none`.
        start: `scratch` or `reference`.
    """

    arm: str
    layer: str
    start: str

    @property
    def key(self) -> str:
        """Return its name in keys and folders."""
        return f"{self.arm}-{file_safe(self.layer)}" if self.layer else f"{self.arm}-{self.start}"


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
            self.model, checkpoint=str(classifier_folder(run, way, number) / MODEL),
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


def autoencoder_folder(run: RunDirectory, layer: str) -> Path:
    """Return where the autoencoder of a layer lies."""
    return run.path / "autoencoders" / file_safe(layer)


def classifier_folder(run: RunDirectory, way: Way, number: int) -> Path:
    """Return where a trained classifier lies, with its metrics."""
    return run.path / "classifiers" / f"{way.key}-{number}"


def plan(
    *,
    layers: Sequence[str] | str | None,
    attacks: Sequence[str] | str | None,
    radius: float | None,
    batch_size: int,
    device: str,
    **rest: Any,
) -> AugmentStudy:
    """Check the options of `run` and resolve its defaults.

    Raises:
        InputError: naming the option.
    """
    positive(batch_size, "--batch_size")
    for name in ("epochs", "autoencoder_epochs", "train_batch", "learning_rate", "tuning_rate",
                 "draws", "threads"):  # fmt: skip
        positive(rest[name], f"--{name}")
    for name in ("judged", "latent"):
        positive(1 if rest[name] is None else rest[name], f"--{name}")
    if rest["kind"] not in KINDS:
        raise unknown_name("--kind", rest["kind"], KINDS)
    if rest["start"] not in STARTS:
        raise unknown_name("--start", rest["start"], STARTS)
    if not rest["seeds"] >= 2:
        raise InputError(
            f"--seeds: expected at least 2, found {rest['seeds']}: how much trainings differ by "
            "chance is not seen in one."
        )
    within(rest["scale"], 0, float("inf"), "--scale")
    checked_probability(rest["probability"])
    weaker = WEAKER["digits" if rest["data"] == "digits" else "photographs"]
    recipes = recipe_list(attacks, (default_recipes(rest["data"])[2], weaker))
    for recipe in recipes:
        if parse(recipe).get("eps") is None or parse(recipe).control:
            raise InputError(
                f"--attacks: expected attacks within a radius, such as pgd(eps=0.1); found "
                f"{recipe}."
            )
    study = AugmentStudy(
        layers=(),
        attacks=recipes,
        radius=0.0,
        batch_size=batch_size,
        device=str(resolve_device(device)),
        **rest,
    )
    for start in STARTS[1:]:
        study.training(start, 0)
    own = study.chosen_layers(layers)
    chosen = own if layers else (own[0], own[-1])
    if radius is None:
        pixels = int(np.prod(study.sets[VALIDATION].shape))
        radius = float(f"{0.1 * pixels**0.5:.2g}")
    return replace(
        study, layers=tuple(dict.fromkeys(chosen)), radius=positive(float(radius), "--radius")
    )
