"""The study that collects representations: one unit for each split of the data."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from core.data import ImageSet, load_images
from core.errors import InputError, unknown_name
from core.layers import INPUT, resolve_layer
from core.models import fingerprint, resolve_device
from core.options import positive, split_list
from core.representations import FORMS, Collection, collect, open_collection
from core.representations.collection import DTYPES
from core.stages import stage_layers
from core.studies import RunDirectory, Unit, file_safe
from core.studies.classifier_study import ClassifierStudy
from core.training.splits import training_splits
from interpret.collect import report


@dataclass(frozen=True)
class CollectStudy(ClassifierStudy):
    """The resolved settings of one collection; see `run` for what each means."""

    splits: tuple[str, ...]
    examples: int | None
    layers: tuple[str, ...]
    form: str
    dtype: str
    logits: bool

    command = "interpret.collect"

    def settings(self) -> dict[str, Any]:
        """Return the settings as the command takes them: `splits` in the place of `split`."""
        found = super().settings()
        del found["split"]
        return found

    @cached_property
    def sets(self) -> dict[str, ImageSet]:
        """The image sets by the name of their split."""
        if self.splits:
            found = [
                load_images(
                    self.data, split=name, size=self.size, skip_unreadable=self.skip_unreadable
                )
                for name in self.splits
            ]
            named = dict(zip(self.splits, found, strict=True))
        else:
            train, held_out = training_splits(
                self.data, size=self.size, skip_unreadable=self.skip_unreadable
            )
            other = "held_out" if held_out.split == train.split else held_out.split
            named = {train.split: train, other: held_out}
        if self.examples is None:
            return named
        n = self.examples
        return {name: s.subset(min(n, len(s)), seed=self.seed) for name, s in named.items()}

    def identity(self) -> dict[str, str]:
        """Return what classifier and images contain."""
        known = {f"{name} images": images.fingerprint for name, images in self.sets.items()}
        return {"classifier": fingerprint(self.classifier), **known}

    def units(self) -> list[Unit]:
        """Return a unit for each split; a killed one goes on at the file where it was stopped."""
        return [Unit(f"collect/{file_safe(name)}", 0, {"split": name}) for name in self.sets]

    def compute(self, unit: Unit, run: RunDirectory) -> pd.DataFrame:
        """Collect one split, and describe what was collected, a row per layer."""
        split = unit.settings["split"]
        begun = time.perf_counter()
        found = collect(
            self.classifier,
            self.sets[split],
            self.layers,
            folder=representations(run, split),
            form=self.form,
            dtype=self.dtype,
            logits=self.logits,
            batch_size=self.batch_size,
        )
        seconds = time.perf_counter() - begun
        right = float((found.predictions == found.labels).mean()) if self.logits else None
        return pd.DataFrame(
            [
                {
                    "split": split,
                    "layer": layer,
                    "n": len(rows),
                    "shape": list(rows.shape[1:]),
                    "bytes": rows.nbytes,
                    "accuracy": right,
                    "seconds": seconds,
                }
                for layer, rows in found.items()
            ]
        )

    def collection(self, split: str, run: RunDirectory) -> Collection:
        """Return what was collected of a split."""
        folder = representations(run, split)
        return open_collection(folder, list(self.layers), form=self.form, dtype=self.dtype)

    def summarise(self, run: RunDirectory) -> dict[str, Any]:
        """Write the report."""
        return report.write(self, run)


def representations(run: RunDirectory, split: str) -> Path:
    """Return where a split's representations lie in a run directory."""
    return run.path / "representations" / file_safe(split)


def plan(
    *,
    splits: Sequence[str] | str | None,
    layers: Sequence[str] | str | None,
    form: str,
    dtype: str,
    batch_size: int,
    threads: int,
    device: str,
    **rest: Any,
) -> CollectStudy:
    """Check the options of `run` and resolve its defaults.

    Raises:
        InputError: naming the option.
    """
    if form not in FORMS:
        raise unknown_name("--form", form, FORMS)
    if dtype not in DTYPES:
        raise unknown_name("--dtype", dtype, DTYPES)
    for name, number in (("batch_size", batch_size), ("threads", threads)):
        positive(number, f"--{name}")
    if rest["examples"] is not None:
        positive(rest["examples"], "--examples")
    named = split_list(splits, "--splits")
    if len(set(named)) < len(named):
        raise InputError(f"--splits: expected each split once, found {', '.join(named)}.")
    study = CollectStudy(
        split=None,
        splits=tuple(named),
        layers=(),
        form=form,
        dtype=dtype,
        batch_size=batch_size,
        threads=threads,
        device=str(resolve_device(device)),
        **rest,
    )
    return replace(study, layers=_layers(study, layers))


def _layers(study: CollectStudy, given: Sequence[str] | str | None) -> tuple[str, ...]:
    names = split_list(given, "--layers")
    if names:
        return tuple(dict.fromkeys(resolve_layer(study.classifier, name) for name in names))
    example, _ = next(iter(study.sets.values())).tensors([0], device=study.device)
    return (INPUT, *stage_layers(study.classifier, example))
