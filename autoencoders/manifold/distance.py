"""How far examples are from the manifold of genuine ones, by two measures that know no attack.

The error of an autoencoder, on the scale of genuine examples that it was not trained on; and the
part of an example that no combination of the directions in which its nearest training examples
differ can explain. Neither needs to know what was done to an example. An example that a decoder has
made is reconstructed too well by its own autoencoder: give that of another, trained from other
weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from autoencoders.model import Autoencoder
from core.errors import InputError


@dataclass(frozen=True)
class ErrorScale:
    """The reconstruction errors of genuine examples: `log |x - x'|` has this mean and deviation.

    Errors are positive and skewed, so their logarithm is what is standardised. One scale serves all
    classes: which class an adversarial example is of is just what is in dispute.

    Attributes:
        mean: of the logarithms.
        deviation: of the logarithms.
        n: how many examples it is from.
    """

    mean: float
    deviation: float
    n: int

    @staticmethod
    def of(errors: np.ndarray) -> ErrorScale:
        """Return the scale of the errors `(n,)` of genuine examples, none of them trained on.

        Raises:
            InputError: fewer than 2, an error that is not positive, or all the same.
        """
        known = np.asarray(errors, dtype=np.float64)
        if known.ndim != 1 or len(known) < 2 or not (np.isfinite(known) & (known > 0)).all():
            raise InputError(
                "errors: expected at least 2 positive numbers, the reconstruction errors of "
                f"genuine examples, found {known.shape}."
            )
        logs = np.log(known)
        deviation = float(logs.std(ddof=1))
        if not deviation > 0:
            raise InputError("errors: those of all genuine examples are the same.")
        return ErrorScale(float(logs.mean()), deviation, len(known))

    def z(self, errors: np.ndarray) -> np.ndarray:
        """Return `(log error - mean) / deviation`; minus infinity for an error of 0.

        >>> ErrorScale(0.0, 0.5, 10).z(np.array([1.0, np.e]))
        array([0., 2.])
        """
        with np.errstate(divide="ignore"):
            found: np.ndarray = (np.log(errors) - self.mean) / self.deviation
        return found


def reconstruction_errors(
    autoencoder: Autoencoder, rows: Tensor, *, batch_size: int = 256
) -> np.ndarray:
    """Return the l2 length of `x - x'` for each of the rows `(n, ...)`, in the layer's units."""
    device = autoencoder.standardise.mean.device
    parts = [np.zeros(0)]
    with torch.no_grad():
        for part in rows.split(batch_size) if len(rows) else ():
            x = part.to(device)
            parts.append((x - autoencoder(x)).flatten(1).double().norm(dim=1).cpu().numpy())
    return np.concatenate(parts)


def tangent_residuals(
    rows: Tensor,
    known: Iterable[Tensor],
    *,
    neighbours: int = 25,
    dimensions: int = 10,
    batch_size: int = 64,
) -> np.ndarray:
    """Return how far rows are from the flat that their nearest genuine examples lie on.

    The flat goes through the mean of the `k` nearest examples, along their first `d` principal
    directions; what is left of the row after projection on it is the residual. On a manifold of
    dimension `d` that is curved or noisy, genuine examples have a residual, too: give it as a
    multiple of theirs.

    Args:
        rows: `(n, ...)`.
        known: training examples in batches `(m, ...)`; gone through anew for each batch of rows, so
            no mere iterator. None of the rows is to be among them.
        neighbours: `k`, at least 2.
        dimensions: `d`, below `k`.
        batch_size: rows at a time.

    Returns:
        `(n,)` l2 lengths, in float64.

    Raises:
        InputError: `d` is not below `k`, or fewer than `k` examples are known.

    Cost: distances between all rows and examples; a `k x k` eigenproblem per row.
    Source: local principal components, Kambhatla and Leen 1997, "Dimension reduction by local
    principal component analysis".

    >>> line = torch.arange(9.0).unsqueeze(1) * torch.tensor([[1.0, 1.0]])
    >>> off = torch.tensor([[5.0, 3.0]])
    >>> tangent_residuals(off, [line], neighbours=4, dimensions=1).round(6)
    array([1.414214])
    """
    if not 1 <= dimensions < neighbours:
        raise InputError(
            f"dimensions: expected at least 1 and fewer than the {neighbours} neighbours, found "
            f"{dimensions}."
        )
    if isinstance(known, Iterator):
        raise InputError("known: expected batches that can be gone through again, not an iterator.")
    found = [np.zeros(0)]
    for part in rows.split(batch_size) if len(rows) else ():
        asked = part.double().flatten(1)
        near = _nearest(asked, known, neighbours)
        middle = near.mean(1)
        left = _residual(asked - middle, near - middle.unsqueeze(1), dimensions)
        found.append(left.cpu().numpy())
    return np.concatenate(found)


def _nearest(asked: Tensor, known: Iterable[Tensor], count: int) -> Tensor:
    """Return the nearest examples `(m, count, d)` of each row, by l2."""
    best = asked.new_full((len(asked), 0), torch.inf)
    kept = asked.new_zeros((len(asked), 0, asked.shape[1]))
    for batch in known:
        examples = batch.to(asked.device).double().flatten(1)
        distances = torch.cdist(asked, examples)
        closest = distances.topk(min(count, len(examples)), dim=1, largest=False)
        both = torch.cat([best, closest.values], 1)
        candidates = torch.cat([kept, examples[closest.indices]], 1)
        order = both.topk(min(count, both.shape[1]), dim=1, largest=False)
        best = order.values
        kept = candidates.gather(1, order.indices.unsqueeze(2).expand(-1, -1, candidates.shape[2]))
    if kept.shape[1] < count:
        raise InputError(
            f"neighbours: expected at most the {kept.shape[1]} examples that are known, found "
            f"{count}."
        )
    return kept


def _residual(offsets: Tensor, spread: Tensor, dimensions: int) -> Tensor:
    """Return the length of the offsets `(m, d)` beyond the first directions of `(m, k, d)`."""
    values, vectors = torch.linalg.eigh(spread @ spread.transpose(1, 2))
    values, vectors = values[:, -dimensions:], vectors[:, :, -dimensions:]
    # Directions in which the neighbours do not differ are none: rounding would choose them.
    kept = values > 1e-10 * values[:, -1:].clamp_min(torch.finfo(values.dtype).tiny)
    scale = torch.where(kept, values.clamp_min(1e-300).rsqrt(), 0)
    directions = (spread.transpose(1, 2) @ vectors) * scale.unsqueeze(1)
    along = (offsets.unsqueeze(1) @ directions).squeeze(1)
    within = (directions @ along.unsqueeze(2)).squeeze(2)
    return (offsets - within).norm(dim=1)
