"""What a latent space is like, as one row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from autoencoders.explore.space import Space
from autoencoders.latents.dimension import two_nn
from autoencoders.latents.moments import latent_moments
from autoencoders.latents.separation import fisher_ratio, nearest_mean_accuracy
from autoencoders.latents.spectrum import covariance_spectrum
from core.statistics import Interval, wilson


def described(space: Space, held_out: Tensor, labels: np.ndarray) -> pd.DataFrame:
    """Return one row of statistics of a space's training latents.

    Args:
        space: the latent space.
        held_out: coordinates `(n, k)` of other genuine images, float64.
        labels: `(n,)` their classes.
    """
    points, own = space.points, space.labels
    spectrum, moments = covariance_spectrum(points), latent_moments(points)
    predicted = space.density.predict(held_out).numpy()
    row: dict[str, Any] = {
        "n": len(points),
        "numbers": int(np.prod(_latent_shape(space))),
        "coordinates": points.shape[1],
        "scale": space.scale,
        "still": int(np.isnan(moments.skewness).sum()),
        "mean_length": float(np.linalg.norm(moments.mean)),
        "skewness": _median_size(moments.skewness),
        "kurtosis": float(np.nanmedian(moments.kurtosis)),
        "participation": spectrum.participation,
        "components@0.9": spectrum.components(0.9),
        "fisher": fisher_ratio(points, own),
        "shrinkage": float(space.density.shrinkage.mean()),
        "mean": [moments.mean.tolist()],
        "deviation": [moments.deviation.tolist()],
        "spectrum": [spectrum.variances.tolist()],
        "error": float(space.train["error"].median()),
    }
    row |= _interval("dimension", two_nn(points))
    row |= _interval("nearest_mean", nearest_mean_accuracy(points, own, held_out.numpy(), labels))
    row |= _interval("gaussians", wilson(int((predicted == labels).sum()), len(labels)))
    return pd.DataFrame(row)


def _latent_shape(space: Space) -> tuple[int, ...]:
    with torch.no_grad():
        mean = space.autoencoder.standardise.mean[None]
        return tuple(space.autoencoder.encode(mean).shape[1:])


def _median_size(values: np.ndarray) -> float:
    known = np.abs(values[np.isfinite(values)])
    return float(np.median(known)) if len(known) else float("nan")


def _interval(name: str, found: Interval) -> dict[str, float]:
    return {name: found.estimate, f"{name}_low": found.low, f"{name}_high": found.high}
