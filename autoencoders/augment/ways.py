"""The ways of training that a study compares, and where what they make lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.studies import RunDirectory, file_safe


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


def autoencoder_folder(run: RunDirectory, layer: str) -> Path:
    """Return where the autoencoder of a layer lies."""
    return run.path / "autoencoders" / file_safe(layer)


def classifier_folder(run: RunDirectory, way: Way, number: int) -> Path:
    """Return where a trained classifier lies, with its metrics."""
    return run.path / "classifiers" / f"{way.key}-{number}"
