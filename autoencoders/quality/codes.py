"""How many of a code-book's entries are used, over a whole image set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CodeUse:
    """The use of a code-book.

    Attributes:
        counts: how often each code was taken, `(codes,)`.
        used: share of the codes that were taken at all.
        perplexity: `exp(entropy)` of the codes taken, in nats: how many codes, used evenly, would
            be as unpredictable.
    """

    counts: np.ndarray
    used: float
    perplexity: float


def code_use(batches: Iterable[np.ndarray], codes: int) -> CodeUse:
    """Count codes over all batches together, never batch by batch.

    Args:
        batches: integers of any shape.
        codes: entries of the code-book.

    >>> code_use([np.array([0, 1]), np.array([1, 0])], 4)
    CodeUse(counts=array([2, 2, 0, 0]), used=0.5, perplexity=2.0)
    """
    counts = np.zeros(codes, np.int64)
    for batch in batches:
        counts += np.bincount(np.asarray(batch).reshape(-1), minlength=codes)
    share = counts[counts > 0] / max(counts.sum(), 1)
    entropy = float(-(share * np.log(share)).sum())
    return CodeUse(counts, float((counts > 0).mean()), float(np.exp(entropy)))
