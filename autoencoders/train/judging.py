"""One model of a layer's representations, judged in every way, as one row."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from autoencoders.bottlenecks.gaussian import Gaussian
from autoencoders.bottlenecks.quantised import Codes, Grid
from autoencoders.bottlenecks.sparse import Dictionary
from autoencoders.fitting import Rows
from autoencoders.model import Autoencoder
from autoencoders.quality.baselines import MeanModel, NearestExample, PrincipalComponents
from autoencoders.quality.codes import code_use
from autoencoders.quality.distances import relative_errors
from autoencoders.quality.posterior import posterior
from autoencoders.quality.splicing import loss_recovered, spliced
from autoencoders.quality.variance import explained_variance
from autoencoders.train.reference import Reference
from core.data import ImageSet
from core.models import Classifier
from core.representations import Moments
from core.representations.streamed import StreamedRows

BASELINES = ("mean", "pca", "nearest")


class Model(Protocol):
    """What stands in for a layer's output."""

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Return reconstructions of representations `(n, ...)`."""


class Learnt:
    """An autoencoder as a function on arrays."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        self.autoencoder = autoencoder
        self.device = autoencoder.standardise.mean.device

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Return reconstructions of representations `(n, ...)`."""
        with torch.no_grad():
            given = torch.from_numpy(np.asarray(rows, np.float32)).to(self.device)
            found: np.ndarray = self.autoencoder(given).cpu().numpy()
        return found


def baseline(name: str, rows: Rows, moments: Moments, latent: int) -> Model:
    """Return a model that learns next to nothing."""
    if name == "mean":
        return MeanModel(moments.mean)
    if name == "pca":
        return PrincipalComponents.fit(rows, moments, latent)
    if isinstance(rows, StreamedRows):
        # While reconstructions stand in for a layer of the classifier, it cannot be asked for the
        # training representations of that layer: a copy of it is.
        rows = replace(rows, classifier=copy.deepcopy(rows.classifier))
    return NearestExample(rows)


def judged(
    model: Model,
    classifier: Classifier,
    images: ImageSet,
    layer: str,
    rows: Rows,
    moments: Moments,
    known: Reference,
    *,
    seed: int,
    batch_size: int,
) -> pd.DataFrame:
    """Return one row with all that is known of how good a model is, on images it has not seen."""
    labels = np.asarray(images.labels)
    guesses = np.empty(rows.shape, np.float32)
    for places, part in rows.batches(batch_size):
        guesses[places] = model(part)

    def triples() -> Any:
        for places, part in rows.batches(batch_size):
            yield part, guesses[places], labels[places]

    variance = explained_variance(triples(), moments.mean, images.num_classes)
    errors = relative_errors(rows, guesses, labels, seed=seed, batch_size=batch_size)
    row: dict[str, Any] = {
        "n": len(rows),
        "explained_variance": variance.overall,
        "explained_channels": [variance.channels.tolist()],
        "explained_classes": [variance.classes.tolist()],
        "error": float(np.median(errors.error)),
        "error_of_norm": float(np.median(errors.norm)),
        "error_of_random": float(np.median(errors.random)),
        "error_of_same_class": float(np.nanmedian(errors.same_class)),
        "error_of_attack": known.of_attack(errors.error),
        **_spliced(model, classifier, images, layer, known, batch_size),
    }
    if isinstance(model, Learnt):
        row |= _latent(model.autoencoder, rows, batch_size)
    if isinstance(model, PrincipalComponents):
        row["latent"] = len(model.components)
    return pd.DataFrame(row)


def _spliced(
    model: Model, classifier: Classifier, images: ImageSet, layer: str, known: Reference,
    batch_size: int,
) -> dict[str, float]:  # fmt: skip
    """Return what the classifier does with reconstructions."""

    def stand_in(output: Tensor) -> Tensor:
        return torch.from_numpy(np.asarray(model(output.cpu().numpy()), np.float32)).to(output)

    found = spliced(classifier, images, layer, stand_in, whole=known.logits, batch_size=batch_size)
    loss = float(found.cross_entropy.mean())
    return {
        "accuracy": float(found.right.double().mean()),
        "accuracy_whole": known.accuracy,
        "cross_entropy": loss,
        "cross_entropy_whole": known.cross_entropy,
        "divergence": float(found.divergence.mean()),
        "agreement": float(found.agrees.double().mean()),
        "recovered_zero": loss_recovered(loss, known.cross_entropy, known.cross_entropy_zero),
        "recovered_mean": loss_recovered(loss, known.cross_entropy, known.cross_entropy_mean),
    }


def _latent(autoencoder: Autoencoder, rows: Rows, batch_size: int) -> dict[str, Any]:
    """Return what the latent does, over the whole set."""
    bottleneck = autoencoder.bottleneck
    device = autoencoder.standardise.mean.device
    parts = []
    with torch.no_grad():
        for _, part in rows.batches(batch_size):
            x = torch.from_numpy(np.asarray(part, np.float32)).to(device)
            encoded = autoencoder.encoder(autoencoder.standardise(x))
            if isinstance(bottleneck, Gaussian):
                parts.append([p.double().cpu().numpy() for p in bottleneck.posterior(encoded)])
            elif isinstance(bottleneck, Codes | Grid):
                codes = bottleneck(encoded).codes
                assert codes is not None
                parts.append([codes.cpu().numpy()])
            elif isinstance(bottleneck, Dictionary):
                kept = bottleneck(encoded).value
                parts.append([(kept > 0).flatten(2).sum(2).cpu().numpy() if kept.ndim > 2
                              else (kept > 0).long().cpu().numpy()])  # fmt: skip
    numbers: dict[str, Any] = {"latent": autoencoder.design.latent}
    if isinstance(bottleneck, Gaussian):
        found = posterior(*(np.concatenate(column) for column in zip(*parts, strict=True)))
        numbers |= {
            "kl": float(found.divergence.sum()),
            "kl_each": [found.divergence.tolist()],
            "active_units": int(found.active.sum()),
            "aggregate_kl": float(found.aggregate_divergence.sum()),
            "collapsed": found.collapsed,
        }
    elif isinstance(bottleneck, Codes | Grid):
        use = code_use((part[0] for part in parts), bottleneck.codes)
        positions = parts[0][0].shape[1]
        numbers |= {
            "codes": bottleneck.codes,
            "codes_used": use.used,
            "perplexity": use.perplexity,
            "bits": positions * float(np.log2(bottleneck.codes)),
        }
    elif isinstance(bottleneck, Dictionary):
        counts = sum(part[0].sum(0) for part in parts)
        vectors = sum(len(part[0]) for part in parts) * int(np.prod(autoencoder.shape[1:]))
        numbers |= {
            "active_entries": float(counts.sum() / vectors),
            "dead_entries": float((counts == 0).mean()),
        }
    return numbers
