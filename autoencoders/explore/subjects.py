"""The autoencoders that are explored: given as files, or to be trained first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autoencoders.artifact import load_autoencoder
from core.errors import InputError
from core.layers import resolve_layer
from core.models import Classifier, fingerprint
from core.studies import file_safe

CONTINUOUS = ("ae", "dae", "vae")
"""Kinds whose latents are vectors of any numbers, so that they have a density to follow."""


@dataclass(frozen=True)
class Subject:
    """One autoencoder.

    Attributes:
        name: `LAYER-KIND`, with a number where there are several of them.
        layer: whose representations it is of.
        kind: see `autoencoders.designs`.
        file: where it lies; None: it is trained by the study.
        images: the fingerprint of the images that one of a file was trained on.
    """

    name: str
    layer: str
    kind: str
    file: str | None = None
    images: str | None = None

    @property
    def part(self) -> str:
        """The part of unit keys and paths that stands for it."""
        return file_safe(self.name)

    @property
    def continuous(self) -> bool:
        """Whether Markov chains can move in its latent space."""
        return self.kind in CONTINUOUS


def trained(layers: Sequence[str], kinds: Sequence[str]) -> tuple[Subject, ...]:
    """Return an autoencoder to be trained for each layer and kind."""
    return tuple(Subject(f"{layer}-{kind}", layer, kind) for layer in layers for kind in kinds)


def given(files: Sequence[str], classifier: Classifier) -> tuple[Subject, ...]:
    """Return the autoencoders of files.

    Raises:
        InputError: a file is no autoencoder, or one of another classifier or form.
    """
    found: list[Subject] = []
    ours = fingerprint(classifier)
    for file in files:
        autoencoder, origin = load_autoencoder(file)
        if origin.classifier != ours:
            raise InputError(
                f"--autoencoder: {file} is of another classifier ({origin.model}, weights "
                f"{origin.classifier[:12]}), expected {classifier.spec}, weights {ours[:12]}."
            )
        if origin.form != "whole":
            raise InputError(
                f"--autoencoder: {file} is of representations kept as {origin.form!r}, expected "
                "'whole'."
            )
        layer = resolve_layer(classifier, origin.layer)
        name = f"{layer}-{autoencoder.kind}"
        same = sum(s.layer == layer and s.kind == autoencoder.kind for s in found)
        found.append(Subject(f"{name}-{same + 1}" if same else name, layer, autoencoder.kind, file))
    return tuple(found)
