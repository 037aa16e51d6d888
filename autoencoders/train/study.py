"""The study of autoencoders: its settings, its units of work, and what one unit computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from autoencoders.artifact import Origin, load_autoencoder
from autoencoders.designs import KINDS, Design
from autoencoders.fitting import MODEL, Rows, fit
from autoencoders.model import Autoencoder
from autoencoders.quality.baselines import components_for
from autoencoders.split_study import TRAIN, VALIDATION, SplitStudy
from autoencoders.train import judging, reference, report
from autoencoders.training import MOST_LATENT, SHARE, with_default_latent
from autoencoders.watching import Reconstructions
from core.errors import InputError, unknown_name
from core.models import resolve_device
from core.options import float_list, positive, split_list, within
from core.representations import Moments, collect, moments, open_collection
from core.representations.streamed import StreamedRows
from core.studies import RunDirectory, Unit, file_safe
from core.training.seeding import seeded
from core.training.settings import TrainingSettings

COLLECT, MEASURE, REFERENCE, FIT, JUDGE = "collect", "measure", "reference", "fit", "judge"


@dataclass(frozen=True)
class TrainStudy(SplitStudy):
    """The resolved settings of one study of autoencoders; see `run` for what each means."""

    layers: tuple[str, ...]
    kinds: tuple[str, ...]
    latent: int | None
    explained_variance: float | None
    width: int
    depth: int
    positions: int | None
    noise: float
    beta: float
    free_bits: float
    deviation: float | None
    codes: int
    code_size: int
    levels: tuple[int, ...]
    active: int
    batch_active: bool
    epochs: int
    train_batch: int
    learning_rate: float
    weight_decay: float
    clip: float | None
    precision: str
    seeds: int
    dtype: str
    stream: bool
    tensorboard: bool

    command = "autoencoders.train"

    def units(self) -> list[Unit]:
        """Return the units: collecting, moments, what to judge beside, training, judging."""
        units = [] if self.stream else [Unit(f"{COLLECT}/{s}", 0, {"split": s}) for s in self.sets]
        for layer in self.layers:
            own = {"layer": layer}
            units.append(Unit(f"{MEASURE}/{file_safe(layer)}", 1, own))
            units.append(Unit(f"{REFERENCE}/{file_safe(layer)}", 2, own))
            for kind in self.kinds:
                for number in range(self.seeds):
                    key = f"{file_safe(layer)}/{kind}/{number}"
                    units.append(Unit(f"{FIT}/{key}", 2, {**own, "kind": kind, "number": number}))
        for layer in self.layers:
            for name in judging.BASELINES:
                key = f"{JUDGE}/{file_safe(layer)}/{name}"
                units.append(Unit(key, 3, {"layer": layer, "kind": name, "number": 0}))
            for kind in self.kinds:
                for number in range(self.seeds):
                    key = f"{JUDGE}/{file_safe(layer)}/{kind}/{number}"
                    units.append(Unit(key, 3, {"layer": layer, "kind": kind, "number": number}))
        return units

    def compute(self, unit: Unit, run: RunDirectory) -> pd.DataFrame:
        """Compute one unit."""
        task = unit.key.split("/")[0]
        if task == COLLECT:
            return self._collect(unit.settings["split"], run)
        layer = unit.settings["layer"]
        if task == MEASURE:
            return self._measure(layer, run)
        if task == REFERENCE:
            return self._reference(layer, run)
        kind, number = unit.settings["kind"], unit.settings["number"]
        if task == FIT:
            return self._fit(layer, kind, number, run)
        return self._judge(layer, kind, number, run)

    def _collect(self, split: str, run: RunDirectory) -> pd.DataFrame:
        images = self.sets[split]
        found = collect(
            self.classifier,
            images,
            self.layers,
            folder=representations(run, split),
            dtype=self.dtype,
            logits=False,
            batch_size=self.batch_size,
        )
        return pd.DataFrame(
            [
                {"split": split, "layer": layer, "shape": str(array.shape[1:]), "n": len(array),
                 "bytes": array.nbytes}
                for layer, array in found.items()
            ]
        )  # fmt: skip

    def rows(self, split: str, layer: str, run: RunDirectory) -> Rows:
        """Return the representations of a split at a layer."""
        if self.stream:
            return StreamedRows(
                self.classifier, self.sets[split], layer, batch_size=self.batch_size
            )
        folder = representations(run, split)
        return open_collection(folder, [layer], dtype=self.dtype)[layer]

    def _measure(self, layer: str, run: RunDirectory) -> pd.DataFrame:
        """Find the moments of a layer's training representations, and its principal components."""
        rows = self.rows(TRAIN, layer, run)
        found = moments(rows, batch_size=self.batch_size)
        shares = (0.5, SHARE, 0.99)
        counts = components_for(rows, found, shares)
        return pd.DataFrame(
            {
                "layer": layer,
                "shape": [list(rows.shape[1:])],
                "n": len(rows),
                "variance": found.total,
                "mean": [found.mean.reshape(-1).astype(np.float64)],
                "variances": [found.variance.reshape(-1).astype(np.float64)],
                **{
                    f"components@{share:g}": count
                    for share, count in zip(shares, counts, strict=True)
                },
            }
        )

    def _reference(self, layer: str, run: RunDirectory) -> pd.DataFrame:
        """Measure what all models of a layer are judged beside."""
        return reference.measured(
            self.classifier,
            self.sets[VALIDATION],
            layer,
            self.moments(layer, run),
            data=self.data,
            seed=self.seed,
            batch_size=self.batch_size,
        ).frame()

    def moments(self, layer: str, run: RunDirectory) -> Moments:
        """Return the moments of a layer's training representations."""
        row = self.measured(layer, run)
        shape = tuple(int(side) for side in row["shape"])
        return Moments(
            int(row["n"]), np.reshape(row["mean"], shape), np.reshape(row["variances"], shape)
        )

    def measured(self, layer: str, run: RunDirectory) -> pd.Series:
        """Return the row of a layer that its unit has measured."""
        return run.read(f"{MEASURE}/{file_safe(layer)}").iloc[0]

    def design(self, layer: str, kind: str, run: RunDirectory) -> Design:
        """Return the design of a kind at a layer, its latent resolved."""
        row = self.measured(layer, run)
        design = Design(
            kind=kind,
            latent=self.latent or max(1, self.active),
            width=self.width,
            depth=self.depth,
            positions=self.positions,
            noise=self.noise,
            beta=self.beta,
            free_bits=self.free_bits,
            deviation=self.deviation,
            codes=self.codes,
            code_size=self.code_size,
            levels=self.levels,
            active=min(self.active, self.latent) if self.latent else self.active,
            batch_active=self.batch_active,
        )
        if self.latent is not None:
            return design
        shape = [int(side) for side in row["shape"]]
        return with_default_latent(design, shape, int(row[f"components@{SHARE:g}"]))

    def training(self, number: int) -> TrainingSettings:
        """Return the settings of the training with one of the seeds."""
        return TrainingSettings(
            epochs=self.epochs,
            batch_size=self.train_batch,
            optimiser="adamw",
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            clip=self.clip,
            precision=self.precision,
            augmentation="none",
            seed=self.seed + 1000 * number,
        )

    def _fit(self, layer: str, kind: str, number: int, run: RunDirectory) -> pd.DataFrame:
        """Train one autoencoder, or the smallest that explains enough."""
        design = self.design(layer, kind, run)
        if self.explained_variance is None or kind not in ("ae", "dae", "vae"):
            return self._train(design, layer, number, run, folder_of(run, layer, kind, number))
        return self._smallest(design, layer, number, run)

    def _smallest(self, design: Design, layer: str, number: int, run: RunDirectory) -> pd.DataFrame:
        """Halve the latent as long as enough is explained; double it first where it is not."""
        assert self.explained_variance is not None
        own = folder_of(run, layer, design.kind, number)
        numbers = int(np.prod(self.measured(layer, run)["shape"]))
        tried: dict[int, pd.DataFrame] = {}

        def explained(latent: int) -> bool:
            folder = own.with_name(f"{own.name}-{latent}")
            tried[latent] = self._train(replace(design, latent=latent), layer, number, run, folder)
            return bool(
                tried[latent]["explained_variance"].iloc[-1] >= (self.explained_variance or 0)
            )

        latent = design.latent
        while not explained(latent) and 2 * latent <= min(numbers, 4 * MOST_LATENT):
            latent *= 2
        enough = [size for size, rows in tried.items()
                  if rows["explained_variance"].iloc[-1] >= self.explained_variance]  # fmt: skip
        while enough and latent > 1 and explained(latent // 2):
            latent //= 2
            enough.append(latent)
        chosen = min(enough) if enough else max(tried)
        found = own.with_name(f"{own.name}-{chosen}")
        own.mkdir(parents=True, exist_ok=True)
        (own / MODEL).write_bytes((found / MODEL).read_bytes())
        return tried[chosen].assign(reached=bool(enough), tried=", ".join(map(str, sorted(tried))))

    def _train(
        self, design: Design, layer: str, number: int, run: RunDirectory, folder: Path
    ) -> pd.DataFrame:
        settings = self.training(number)
        with seeded(settings.seed, "autoencoder weights", self.device):
            autoencoder = Autoencoder(design, self.moments(layer, run)).to(self.device)
        origin = Origin.of(self.classifier, layer, self.sets[TRAIN])
        learnt, unseen = (self.rows(split, layer, run) for split in (TRAIN, VALIDATION))
        events = folder / "tensorboard"
        watchers = [Reconstructions(events, autoencoder, unseen, layer)] if self.tensorboard else []
        done = fit(autoencoder, learnt, unseen, settings, folder, origin, watchers)
        parameters = sum(p.numel() for p in autoencoder.parameters())
        table = pd.DataFrame([record.plain() for record in done.history])
        return table.assign(
            layer=layer,
            kind=design.kind,
            number=number,
            latent=design.latent,
            parameters=parameters,
        )

    def _judge(self, layer: str, kind: str, number: int, run: RunDirectory) -> pd.DataFrame:
        """Judge one model of a layer on the images it was not trained on."""
        latent = self.design(layer, "ae", run).latent
        train = self.rows(TRAIN, layer, run)
        if kind in judging.BASELINES:
            model = judging.baseline(kind, train, self.moments(layer, run), latent)
        else:
            file = folder_of(run, layer, kind, number) / MODEL
            autoencoder, _ = load_autoencoder(file, self.device)
            model = judging.Learnt(autoencoder)
        return judging.judged(
            model,
            self.classifier,
            self.sets[VALIDATION],
            layer,
            self.rows(VALIDATION, layer, run),
            self.moments(layer, run),
            reference.Reference.of(run.read(f"{REFERENCE}/{file_safe(layer)}")),
            seed=self.seed,
            batch_size=self.batch_size,
        ).assign(layer=layer, kind=kind, number=number)

    def summarise(self, run: RunDirectory) -> dict[str, Any]:
        """Write figures and the report."""
        return report.write(self, run)


def representations(run: RunDirectory, split: str) -> Path:
    """Return where a split's representations lie."""
    return run.path / "representations" / split


def folder_of(run: RunDirectory, layer: str, kind: str, number: int) -> Path:
    """Return where a trained autoencoder lies."""
    return run.path / "models" / f"{file_safe(layer)}-{kind}-{number}"


def plan(
    *,
    layers: Sequence[str] | str | None,
    kinds: Sequence[str] | str,
    levels: Sequence[int] | str,
    batch_size: int,
    threads: int,
    device: str,
    **rest: Any,
) -> TrainStudy:
    """Check the options of `run` and resolve its defaults.

    Raises:
        InputError: naming the option.
    """
    wanted = split_list(kinds, "--kinds")
    for kind in wanted:
        if kind not in KINDS:
            raise unknown_name("--kinds", kind, KINDS)
    if not wanted or len(set(wanted)) < len(wanted):
        raise InputError(f"--kinds: expected each kind once, found {', '.join(wanted) or 'none'}.")
    steps = [int(step) for step in float_list(levels, "--levels")]
    for name, number in (("batch_size", batch_size), ("threads", threads)):
        positive(number, f"--{name}")
    for name in ("epochs", "train_batch", "seeds", "learning_rate"):
        positive(rest[name], f"--{name}")
    if rest["latent"] is not None:
        positive(rest["latent"], "--latent")
    if rest["explained_variance"] is not None:
        within(rest["explained_variance"], 0.01, 0.9999, "--explained_variance")
        if rest["latent"] is not None:
            raise InputError("--latent: is what --explained_variance looks for; give one of them.")
    study = TrainStudy(
        layers=(),
        kinds=tuple(wanted),
        levels=tuple(steps),
        batch_size=batch_size,
        threads=threads,
        device=str(resolve_device(device)),
        **rest,
    )
    for kind in wanted:
        Design(
            kind=kind, latent=max(rest["latent"] or 1, rest["active"]), levels=tuple(steps),
            **{k: rest[k] for k in ("width", "depth", "noise", "beta", "free_bits", "deviation",
                                    "codes", "code_size", "active", "positions")},
        )  # fmt: skip
    study.training(0)
    return replace(study, layers=study.chosen_layers(layers))
