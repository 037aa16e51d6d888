"""What the latent of a variational autoencoder does: its divergence, its active units, collapse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.errors import InputError

ACTIVE = 0.01
"""Variance of a latent number's posterior mean over examples above which it is active (Burda et
al. 2016)."""


@dataclass(frozen=True)
class Posterior:
    """Of a VAE's latent numbers, over a whole image set.

    Attributes:
        divergence: mean divergence of each posterior from the prior, in nats, `(k,)`.
        active: which numbers are active, `(k,)`.
        mean: of the aggregate posterior, `(k,)`; 0 under the prior.
        variance: of the aggregate posterior, `(k,)`: that of the means plus the mean of the
            variances; 1 under the prior.
        aggregate_divergence: divergence from the prior of the Gaussian with the aggregate
            posterior's mean and variances, in nats per number, `(k,)`.
    """

    divergence: np.ndarray
    active: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    aggregate_divergence: np.ndarray

    @property
    def collapsed(self) -> bool:
        """Whether the latent says next to nothing of the example: fewer than one active number in
        twenty, or none."""
        return bool(self.active.mean() < 0.05)


def posterior(means: np.ndarray, log_variances: np.ndarray) -> Posterior:
    """Return what the posteriors of all examples say together.

    Args:
        means: `(n, k)`, n >= 2.
        log_variances: `(n, k)`.

    >>> found = posterior(np.zeros((3, 2)), np.zeros((3, 2)))
    >>> found.divergence.tolist(), found.collapsed
    ([0.0, 0.0], True)
    """
    if means.shape != log_variances.shape or means.ndim != 2 or len(means) < 2:
        raise InputError(
            f"posterior: expected means and log variances (n, k), n >= 2, found {means.shape} and "
            f"{log_variances.shape}."
        )
    variances = np.exp(log_variances)
    each = (means**2 + variances - 1 - log_variances) / 2
    middle, spread = means.mean(0), means.var(0)
    whole = spread + variances.mean(0)
    return Posterior(
        divergence=each.mean(0),
        active=spread > ACTIVE,
        mean=middle,
        variance=whole,
        aggregate_divergence=(middle**2 + whole - 1 - np.log(np.maximum(whole, 1e-300))) / 2,
    )
