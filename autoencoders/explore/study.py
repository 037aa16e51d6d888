"""The study of latent spaces: its settings, its units of work, and what one unit computes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor

from attacks.crafted_shards import CRAFT, crafted_shards
from attacks.recipe_lists import is_control, unique_labels
from attacks.tables import images_of
from attacks.verified_rows import crafted_rows
from autoencoders.artifact import load_autoencoder
from autoencoders.designs import Design
from autoencoders.explore import report
from autoencoders.explore.decoding import example_latents
from autoencoders.explore.describing import described
from autoencoders.explore.measuring import measured
from autoencoders.explore.space import Space, coordinates_of, training_table
from autoencoders.explore.subjects import Subject, given, trained
from autoencoders.explore.walks import Walker
from autoencoders.fitting import MODEL
from autoencoders.latents.coordinates import Coordinates
from autoencoders.model import Autoencoder
from autoencoders.training import SETTINGS, train_autoencoder
from core.data import ImageSet
from core.errors import InputError
from core.models import fingerprint
from core.report.versions import GENUINE
from core.representations.streamed import StreamedRows
from core.studies import RunDirectory, Unit, file_safe
from core.studies.classifier_study import ClassifierStudy
from core.studies.study import block_units, blocks
from core.training.splits import training_splits

TRAIN, LATENT, DESCRIBE, MEASURE = "train", "latent", "describe", "measure"
AROUND, BETWEEN, CHAINS = "around", "between", "chains"
WALKED = 100
"""Examples around which, and between which, latents are sampled."""


@dataclass(frozen=True)
class ExploreStudy(ClassifierStudy):
    """The resolved settings of one study of latent spaces; see `run` for what each means."""

    examples: int
    attacks: tuple[str, ...]
    autoencoder: tuple[str, ...]
    layers: tuple[str, ...]
    kinds: tuple[str, ...]
    latent: int | None
    width: int
    epochs: int
    train_examples: int | None
    scales: tuple[float, ...]
    chains: int
    classes: int
    draws: int
    warmup: int
    leapfrog: int
    temperature: float

    command = "autoencoders.explore"

    @cached_property
    def sets(self) -> tuple[ImageSet, ImageSet]:
        """The images that latents are learnt from, and those of which some are explored."""
        train, held_out = training_splits(
            self.data, size=self.size, skip_unreadable=self.skip_unreadable
        )
        if self.split is not None:
            held_out = self.all_images
            if held_out.split == train.split:
                raise InputError(f"--split: {self.split} is what autoencoders are trained on.")
        if self.train_examples is not None:
            train = train.subset(min(self.train_examples, len(train)), seed=self.seed)
        return train, held_out

    @cached_property
    def explored(self) -> ImageSet:
        """The images that are attacked and looked at."""
        held_out = self.sets[1]
        return held_out.subset(min(self.examples, len(held_out)), seed=self.seed)

    @cached_property
    def subjects(self) -> tuple[Subject, ...]:
        """The autoencoders."""
        if self.autoencoder:
            return given(self.autoencoder, self.classifier)
        return trained(self.layers, self.kinds)

    @cached_property
    def labels(self) -> dict[str, str]:
        """The short name of every group but `genuine`, in the order of the report."""
        return unique_labels(self.attacks)

    @property
    def attacking(self) -> list[str]:
        """The groups that were made to deceive."""
        return [group for group in self.attacks if not is_control(group)]

    def identity(self) -> dict[str, str]:
        """Return what classifier, images and given autoencoders contain."""
        files = {
            f"autoencoder {file}": sha256(Path(file).read_bytes()).hexdigest()
            for file in self.autoencoder
        }
        images = dict(zip(("train images", "images"), self.sets, strict=True))
        known = {name: found.fingerprint for name, found in images.items()}
        return {"classifier": fingerprint(self.classifier), **known, **files}

    def units(self) -> list[Unit]:
        """Return the units: crafting and training; latents; describing and walking; measuring."""
        spans = blocks(len(self.explored))
        units = []
        for recipe in self.attacks:
            units += block_units(CRAFT, recipe, spans, phase=0, group=recipe)
        for number, subject in enumerate(self.subjects):
            own, part = {"subject": number}, subject.part
            if subject.file is None:
                units.append(Unit(f"{TRAIN}/{part}", 0, own))
            units.append(Unit(f"{LATENT}/{part}/train", 1, own))
            tasks = [DESCRIBE, AROUND, BETWEEN, *([CHAINS] if subject.continuous else [])]
            units += [Unit(f"{task}/{part}", 2, own) for task in tasks]
            for group in (GENUINE, *self.attacks):
                key = f"{MEASURE}/{part}/{file_safe(group)}"
                units.append(Unit(key, 3, {**own, "group": group}))
        return sorted(units, key=lambda unit: unit.phase)

    def compute(self, unit: Unit, run: RunDirectory) -> pd.DataFrame:
        """Compute one unit."""
        task = unit.key.split("/")[0]
        if task == CRAFT:
            return self._craft(unit)
        subject = self.subjects[unit.settings["subject"]]
        compute: dict[str, Callable[[Subject, RunDirectory], pd.DataFrame]] = {
            TRAIN: self._train, LATENT: self._latent, DESCRIBE: self._describe,
            AROUND: self._around, BETWEEN: self._between, CHAINS: self._chains,
        }  # fmt: skip
        if task == MEASURE:
            return self._measure(subject, unit.settings["group"], run)
        return compute[task](subject, run)

    def version(self, group: str, run: RunDirectory) -> tuple[Tensor, Tensor, pd.DataFrame | None]:
        """Return the images of a group, their labels, and what is known of their making."""
        images, labels = self.explored.tensors(device=self.device)
        if group == GENUINE:
            return images, labels, None
        made = run.read(crafted_shards(group))
        return images_of(made, self.explored.shape).to(images), labels, made

    def space(self, subject: Subject, run: RunDirectory) -> Space:
        """Return the latent space of an autoencoder whose latents are computed."""
        return Space(
            self.load(subject, run),
            Coordinates.load(_coordinates(run, subject)),
            run.read(f"{LATENT}/{subject.part}/"),
        )

    def load(self, subject: Subject, run: RunDirectory) -> Autoencoder:
        """Return an autoencoder, given or trained."""
        file = subject.file or _folder(run, subject) / MODEL
        return load_autoencoder(file, self.device)[0]

    def rows(self, subject: Subject) -> StreamedRows:
        """Return the training representations at an autoencoder's layer."""
        return StreamedRows(
            self.classifier, self.sets[0], subject.layer, batch_size=self.batch_size
        )

    def _craft(self, unit: Unit) -> pd.DataFrame:
        start, stop = unit.settings["start"], unit.settings["stop"]
        images, labels = self.explored.tensors(range(start, stop), device=self.device)
        ids = [str(i) for i in self.explored.ids[start:stop]]
        recipe = unit.settings["group"]
        return crafted_rows(
            self.classifier, images, labels, recipe, ids=ids,
            seed=self.seed, batch_size=self.batch_size,
        ).assign(group=recipe)  # fmt: skip

    def _train(self, subject: Subject, run: RunDirectory) -> pd.DataFrame:
        design = self.design(subject.kind)
        autoencoder, _ = train_autoencoder(
            self.classifier,
            self.sets[0],
            subject.layer,
            design,
            out=_folder(run, subject),
            validation=self.sets[1],
            settings=replace(SETTINGS, epochs=self.epochs, seed=self.seed),
            batch_size=self.batch_size,
            default_latent=self.latent is None,
        )
        history = pd.read_csv(_folder(run, subject) / "metrics.csv")
        return pd.DataFrame(
            {
                "name": [subject.name],
                "latent": autoencoder.design.latent,
                "epochs": len(history),
                "explained_variance": float(history["explained_variance"].iloc[-1]),
            }
        )

    def design(self, kind: str) -> Design:
        """Return the design of those that are trained, whose latent may be found later."""
        if self.latent is None:
            return Design(kind, width=self.width)
        active = min(Design.active, self.latent)
        return Design(kind, latent=self.latent, width=self.width, active=active)

    def _latent(self, subject: Subject, run: RunDirectory) -> pd.DataFrame:
        autoencoder, rows = self.load(subject, run), self.rows(subject)
        coordinates = coordinates_of(autoencoder, rows, subject.continuous)
        coordinates.save(_coordinates(run, subject))
        return training_table(autoencoder, coordinates, rows)

    def _describe(self, subject: Subject, run: RunDirectory) -> pd.DataFrame:
        space = self.space(subject, run)
        held_out = self._latents(space, subject, self.explored)
        found = described(space, space.coordinates(held_out), self.explored.labels)
        return found.assign(name=subject.name, layer=subject.layer, kind=subject.kind)

    def _measure(self, subject: Subject, group: str, run: RunDirectory) -> pd.DataFrame:
        images, labels, made = self.version(group, run)
        table = measured(
            self.space(subject, run), self.classifier, subject.layer, images, labels,
            [str(i) for i in self.explored.ids], batch_size=self.batch_size,
        )  # fmt: skip
        status = "genuine" if made is None else made["status"].to_numpy()
        return table.assign(group=group, status=status, name=subject.name)

    def _around(self, subject: Subject, run: RunDirectory) -> pd.DataFrame:
        walker, latents, ids = self._walk(subject, run)
        return walker.around(latents, ids, self.scales).assign(name=subject.name)

    def _between(self, subject: Subject, run: RunDirectory) -> pd.DataFrame:
        walker, latents, ids = self._walk(subject, run)
        return walker.between(latents, ids).assign(name=subject.name)

    def _chains(self, subject: Subject, run: RunDirectory) -> pd.DataFrame:
        walker, _, _ = self._walk(subject, run)
        present = sorted({int(k) for k in self.sets[0].labels})
        found = walker.chains(
            present[: self.classes], chains=self.chains, draws=self.draws, warmup=self.warmup,
            leapfrog=self.leapfrog, temperature=self.temperature,
        )  # fmt: skip
        return found.assign(name=subject.name)

    def _walk(self, subject: Subject, run: RunDirectory) -> tuple[Walker, Tensor, list[str]]:
        """Return what samples need: the walker, and latents of examples, and their ids."""
        space = self.space(subject, run)
        images = self.explored.take(range(min(WALKED, len(self.explored))))
        image = images.tensors([0], device=self.device)[0][0]
        walker = Walker(
            space, self.classifier, subject.layer, self.rows(subject), image, self.batch_size,
            self.seed,
        )  # fmt: skip
        return walker, self._latents(space, subject, images), [str(i) for i in images.ids]

    def _latents(self, space: Space, subject: Subject, images: ImageSet) -> Tensor:
        return example_latents(
            space, self.classifier, subject.layer, images, self.batch_size, self.device
        )

    def summarise(self, run: RunDirectory) -> dict[str, Any]:
        """Write figures and the report."""
        return report.write(self, run)


def _folder(run: RunDirectory, subject: Subject) -> Path:
    return run.path / "models" / subject.part


def _coordinates(run: RunDirectory, subject: Subject) -> Path:
    return run.path / "coordinates" / f"{subject.part}.npz"
