"""The study on the manifold: its settings, its units of work, and what one unit computes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from attacks.elsewhere import files_of
from attacks.recipe_lists import unique_labels
from attacks.tables import images_of
from attacks.verified_rows import crafted_rows
from autoencoders.artifact import Origin, load_autoencoder
from autoencoders.designs import Design
from autoencoders.fitting import MODEL, fit
from autoencoders.manifold import groups, report
from autoencoders.manifold.making import equal_success, reconstructed, success_of
from autoencoders.manifold.measuring import Batches, Instruments, measured
from autoencoders.manifold.options import NONE, resolved
from autoencoders.model import Autoencoder
from autoencoders.quality.baselines import components_for
from autoencoders.training import SHARE, with_default_latent
from core.data import ImageSet
from core.errors import InputError
from core.layers import INPUT
from core.models import fingerprint
from core.report.versions import GENUINE
from core.representations import Moments, moments
from core.representations.streamed import StreamedRows
from core.studies import RunDirectory, Unit, file_safe
from core.studies.classifier_study import ClassifierStudy
from core.studies.study import block_units, blocks
from core.training.seeding import seeded
from core.training.settings import TrainingSettings
from core.training.splits import hold_out, training_splits

FIT, CRAFT, REFERENCE, MEASURE = "fit", "craft", "reference", "measure"
REFERENCES = 1000
"""The most genuine images that the scales are taken from."""
LEAST_REFERENCES = 10


@dataclass(frozen=True)
class ManifoldStudy(ClassifierStudy):
    """The resolved settings of one study on the manifold; see `run` for what each means.

    Autoencoder `i` is searched with and judged by `i + 1`; there is one more than `seeds`.
    """

    examples: int
    attacks: tuple[str, ...]
    autoencoder: str | None
    judge: str | None
    kind: str
    latent: int | None
    width: int
    depth: int
    noise: float
    beta: float
    free_bits: float
    epochs: int
    train_batch: int
    learning_rate: float
    seeds: int
    norm: str
    radius: float
    steps: int
    noisy: str
    noise_scale: float | None
    neighbours: int
    dimensions: int

    command = "autoencoders.manifold"

    @cached_property
    def sets(self) -> tuple[ImageSet, ImageSet]:
        """The images to train on, and those to attack and to measure."""
        train, others = training_splits(
            self.data, size=self.size, skip_unreadable=self.skip_unreadable
        )
        if self.split is not None:
            others = self.all_images
            if others.split == train.split:
                raise InputError(f"--split: {self.split} is what the autoencoders are trained on.")
        if len(others) < 2 * LEAST_REFERENCES:
            raise InputError(
                f"--data: expected at least {2 * LEAST_REFERENCES} images that are not trained on, "
                f"found {len(others)}."
            )
        return train, others

    @cached_property
    def chosen(self) -> ImageSet:
        """The images that are attacked: at most half of those that are not trained on."""
        others = self.sets[1]
        most = min(len(others) // 2, len(others) - LEAST_REFERENCES)
        return others.subset(min(self.examples, most), seed=self.seed)

    @cached_property
    def references(self) -> ImageSet:
        """Further genuine images, on whose scale everything is measured."""
        others = self.sets[1]
        rest = others.take(~np.isin(others.ids, self.chosen.ids))
        return rest.subset(min(REFERENCES, len(rest)), seed=self.seed)

    def identity(self) -> dict[str, str]:
        """Return what classifier, images, autoencoders and files that recipes name contain."""
        known = {"classifier": fingerprint(self.classifier), **files_of(self.attacks)}
        for name, images in zip(("training images", "images"), self.sets, strict=True):
            known[name] = images.fingerprint
        for name in ("autoencoder", "judge"):
            if file := getattr(self, name):
                self._checked(file, f"--{name}")
                known[f"{name} {file}"] = sha256(Path(file).read_bytes()).hexdigest()
        return known

    def _checked(self, file: str, argument: str) -> Autoencoder:
        """Return the autoencoder of a file, which has to be one of these images."""
        found, origin = load_autoencoder(file, self.device)
        if origin.layer != INPUT or found.spread is None:
            raise InputError(
                f"{argument}: expected an ae, dae or vae of the layer input, found the {found.kind}"
                f" of {origin.layer} in {file}."
            )
        if found.shape != tuple(self.chosen.shape):
            raise InputError(
                f"{argument}: {file} is of images of shape {found.shape}, but those of {self.data} "
                f"are {tuple(self.chosen.shape)}."
            )
        return found

    @property
    def searches(self) -> list[str]:
        """The groups that are searched on the manifold."""
        noisy = [] if self.noisy == NONE else [groups.NOISY_SEARCH]
        return [groups.SEARCH, *noisy]

    @cached_property
    def labels(self) -> dict[str, str]:
        """The short name of every group, unique, in the report's order."""
        own = {name: name for name in groups.UNATTACKED}
        equal = {name: name for name in groups.EQUAL.values()}
        return {**own, **{s: s for s in self.searches}, **equal, **unique_labels(self.attacks)}

    @property
    def numbers(self) -> range:
        """The numbers of the autoencoders that are searched with."""
        return range(self.seeds)

    def units(self) -> list[Unit]:
        """Return the units: training, making, PGD at equal success, measuring."""
        spans = blocks(len(self.chosen))
        units = [
            Unit(f"{FIT}/{n}", 0, {"number": n})
            for n in range(self.seeds + 1)
            if not self.file_given(n)
        ]
        for recipe in self.attacks:
            units += block_units(CRAFT, recipe, spans, phase=0, group=recipe)
        for n in self.numbers:
            for group in (groups.RECONSTRUCTION, *self.searches, groups.CONTROL):
                of = f"{file_safe(group)}-{n}"
                units += block_units(CRAFT, of, spans, phase=1, group=group, number=n)
            units.append(Unit(f"{REFERENCE}/{n}", 1, {"number": n}))
            for norm, group in groups.EQUAL.items():
                key = f"{CRAFT}/{file_safe(group)}-{n}/000000"
                units.append(Unit(key, 2, {"group": group, "number": n, "norm": norm}))
        for n in self.numbers:
            for group in (GENUINE, *(g for g in self.labels if g != GENUINE)):
                of = f"{file_safe(group)}-{n}"
                units += block_units(MEASURE, of, spans, phase=3, group=group, number=n)
        return units

    def compute(self, unit: Unit, run: RunDirectory) -> pd.DataFrame:
        """Compute one unit."""
        task, given = unit.key.split("/")[0], unit.settings
        if task == FIT:
            return self._fit(given["number"], run)
        if task == REFERENCE:
            images, _ = self.references.tensors(device=self.device)
            return self.instruments(given["number"], run).raw(images)
        if task == MEASURE:
            return self._measure(
                given["group"], given["number"], given["start"], given["stop"], run
            )
        if "norm" in given:
            return self._equal(given["norm"], given["number"], run)
        number = given.get("number")
        return self._make(given["group"], number, given["start"], given["stop"], run)

    def file_given(self, number: int) -> str | None:
        """Return the file of an autoencoder that is not trained here."""
        return {0: self.autoencoder, self.seeds: self.judge}.get(number)

    def file(self, number: int, run: RunDirectory) -> str:
        """Return where an autoencoder lies."""
        return self.file_given(number) or str(run.path / "models" / str(number) / MODEL)

    def _fit(self, number: int, run: RunDirectory) -> pd.DataFrame:
        train, validation = hold_out(self.sets[0])
        rows, held_out = (
            StreamedRows(self.classifier, images, INPUT, batch_size=self.batch_size)
            for images in (train, validation)
        )
        known = moments(rows, batch_size=self.batch_size)
        settings = self.training(number)
        with seeded(settings.seed, "autoencoder weights", self.device):
            autoencoder = Autoencoder(self._design(rows, known), known).to(self.device)
        folder = run.path / "models" / str(number)
        origin = Origin.of(self.classifier, INPUT, train)
        done = fit(autoencoder, rows, held_out, settings, folder, origin)
        history = pd.DataFrame([record.plain() for record in done.history])
        return history.assign(number=number, latent=autoencoder.design.latent)

    def _design(self, rows: StreamedRows, known: Moments) -> Design:
        """Return the design: that of the autoencoder given, else the options', latent resolved."""
        if self.autoencoder is not None:
            return load_autoencoder(self.autoencoder)[0].design
        design = self.design()
        if self.latent is not None:
            return design
        (count,) = components_for(rows, known, (SHARE,))
        return with_default_latent(design, known.mean.shape, count)

    def design(self) -> Design:
        """Return the design that the options say."""
        return Design(
            kind=self.kind, latent=self.latent or 1, width=self.width, depth=self.depth,
            noise=self.noise, beta=self.beta, free_bits=self.free_bits,
        )  # fmt: skip

    def training(self, number: int) -> TrainingSettings:
        """Return the settings of the training of an autoencoder."""
        return TrainingSettings(
            epochs=self.epochs,
            batch_size=self.train_batch,
            optimiser="adamw",
            learning_rate=self.learning_rate,
            weight_decay=0.0,
            augmentation="none",
            seed=self.seed + 1000 * number,
        )

    def recipe(self, group: str, number: int | None, run: RunDirectory) -> str:
        """Return the recipe of a group that one makes."""
        if number is None:
            return group
        ball = self.file(number, run), self.norm, self.radius, self.steps
        if group == groups.NOISY_SEARCH:
            return groups.noisy_recipe(*ball, self.noisy, self.noise_scale)
        found = groups.search_recipe(*ball)
        return f"noise(like={found})" if group == groups.CONTROL else found

    def _make(
        self, group: str, number: int | None, start: int, stop: int, run: RunDirectory
    ) -> pd.DataFrame:
        images, labels, ids = self.block(start, stop)
        if group == groups.RECONSTRUCTION and number is not None:
            autoencoder, _ = load_autoencoder(self.file(number, run), self.device)
            return reconstructed(
                autoencoder, self.classifier, images, labels, ids, batch_size=self.batch_size
            )
        recipe = self.recipe(group, number, run)
        return crafted_rows(
            self.classifier, images, labels, recipe, ids=ids,
            seed=self.seed, batch_size=self.batch_size,
        ).assign(recipe=recipe)  # fmt: skip

    def _equal(self, norm: str, number: int, run: RunDirectory) -> pd.DataFrame:
        images, labels, ids = self.block(0, len(self.chosen))
        wanted = success_of(self.made(groups.SEARCH, number, run))
        return equal_success(
            norm, wanted, self.classifier, images, labels, ids,
            seed=self.seed, batch_size=self.batch_size,
        )  # fmt: skip

    def made(self, group: str, number: int, run: RunDirectory) -> pd.DataFrame:
        """Return the examples of a group, with their pixels, from its shards."""
        of = group if group in self.attacks else f"{file_safe(group)}-{number}"
        return run.read(f"{CRAFT}/{file_safe(of)}/")

    def instruments(self, number: int, run: RunDirectory) -> Instruments:
        """Return what the examples of a search are measured with."""
        own, judge = (
            load_autoencoder(self.file(n, run), self.device)[0] for n in (number, number + 1)
        )
        known = Batches(self.sets[0], 1024, self.device)
        return Instruments(own, judge, known, self.neighbours, self.dimensions, self.batch_size)

    def _measure(
        self, group: str, number: int, start: int, stop: int, run: RunDirectory
    ) -> pd.DataFrame:
        images, labels, ids = self.block(start, stop)
        if group == GENUINE:
            made, table = images, pd.DataFrame({"id": ids, "label": labels.cpu().numpy()})
        else:
            found = self.made(group, number, run).set_index("id").loc[ids].reset_index()
            made = images_of(found, self.chosen.shape).to(images)
            table = found.drop(columns="image")
        scale = run.read(f"{REFERENCE}/{number}")
        distances = measured(self.instruments(number, run), scale, images, made)
        return pd.concat([table.assign(group=group, number=number), distances], axis=1)

    def block(self, start: int, stop: int) -> tuple[Tensor, Tensor, list[str]]:
        """Return images, labels and ids of a block of the attacked examples."""
        images, labels = self.chosen.tensors(range(start, stop), device=self.device)
        return images, labels, [str(i) for i in self.chosen.ids[start:stop]]

    def summarise(self, run: RunDirectory) -> dict[str, Any]:
        """Write figures, artifacts and the report."""
        return report.write(self, run)


def plan(**options: Any) -> ManifoldStudy:
    """Check the options of `run` and resolve its defaults, see `autoencoders.manifold.options`."""
    study = ManifoldStudy(**resolved(options))
    study.training(0)
    if study.autoencoder is None:
        study.design()
    return study
