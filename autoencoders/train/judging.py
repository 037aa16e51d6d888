"""One model of a layer's representations, judged in every way, as one row."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from attacks import craft
from attacks.defaults import DEFAULT_DIGITS, DEFAULT_PHOTOGRAPHS
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
from core.data import ImageSet
from core.layers import capture
from core.models import Classifier, evaluating
from core.randomness import generator
from core.representations import Moments
from core.representations.streamed import StreamedRows

BASELINES = ("mean", "pca", "nearest")
MOVED = 200
"""Examples that are attacked to know how far an attack moves representations."""


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
    *,
    seed: int,
    batch_size: int,
    data: str,
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
        "error_of_attack": _of_attack(
            errors.error, classifier, images, layer, data, seed, batch_size
        ),
        **_spliced(model, classifier, images, layer, moments, batch_size),
    }
    if isinstance(model, Learnt):
        row |= _latent(model.autoencoder, rows, batch_size)
    if isinstance(model, PrincipalComponents):
        row["latent"] = len(model.components)
    return pd.DataFrame(row)


def _of_attack(
    errors: np.ndarray, classifier: Classifier, images: ImageSet, layer: str, data: str, seed: int,
    batch_size: int,
) -> float:  # fmt: skip
    """Return the median error in units of how far PGD moves the representation."""
    recipe = (DEFAULT_DIGITS if data == "digits" else DEFAULT_PHOTOGRAPHS)[2]
    count = min(MOVED, len(images))
    chosen = np.sort(generator(seed, "attacked", "judging").permutation(len(images))[:count])
    device = next(classifier.parameters(), torch.empty(0)).device
    x, labels = images.tensors(chosen, device=device)
    ids = [str(images.ids[i]) for i in chosen]
    made = craft(classifier, x, labels, recipe, seed=seed, ids=ids, batch_size=batch_size)
    moved = np.concatenate(
        [
            _distances(classifier, layer, x[part], made.images[part].to(x))
            for part in torch.arange(count).split(batch_size)
        ]
    )
    right = made.clean_correct.cpu().numpy() & (moved > 0)
    return float(np.median(errors[chosen][right] / moved[right])) if right.any() else float("nan")


def _distances(classifier: Classifier, layer: str, before: Tensor, after: Tensor) -> np.ndarray:
    with torch.no_grad(), evaluating(classifier):
        first, second = (capture(classifier, [layer], x)[layer] for x in (before, after))
    found: np.ndarray = (first - second).flatten(1).double().norm(dim=1).cpu().numpy()
    return found


def _spliced(
    model: Model, classifier: Classifier, images: ImageSet, layer: str, moments: Moments,
    batch_size: int,
) -> dict[str, float]:  # fmt: skip
    """Return what the classifier does with reconstructions, and with two ablations."""

    def stand_in(output: Tensor) -> Tensor:
        return torch.from_numpy(np.asarray(model(output.cpu().numpy()), np.float32)).to(output)

    mean = torch.tensor(moments.mean)
    functions: dict[str, Callable[[Tensor], Tensor]] = {
        "whole": lambda output: output,
        "model": stand_in,
        "zero": torch.zeros_like,
        "mean": lambda output: mean.to(output).expand_as(output).clone(),
    }
    found = {
        name: spliced(classifier, images, layer, function, batch_size=batch_size)
        for name, function in functions.items()
    }
    own, whole = found["model"], found["whole"]
    return {
        "accuracy": float(own.right.double().mean()),
        "accuracy_whole": float(whole.right.double().mean()),
        "cross_entropy": float(own.cross_entropy.mean()),
        "cross_entropy_whole": float(whole.cross_entropy.mean()),
        "divergence": float(own.divergence.mean()),
        "agreement": float(own.agrees.double().mean()),
        "recovered_zero": loss_recovered(own, whole, found["zero"]),
        "recovered_mean": loss_recovered(own, whole, found["mean"]),
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
