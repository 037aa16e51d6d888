"""The eigenvalues that were found of each example's matrix, and how far they may be off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues and trace of the matrices of `n` examples; float64 on the CPU but the vectors.

    Attributes:
        eigenvalues: `(n, k)`.
        error: bound of their error beyond float rounding, `(n, k)`.
        vectors: unit eigenvectors of the first ones, `(n, v, d)`; 0 for an eigenvalue of 0.
        trace: `(n,)`; NaN where it was not asked for.
        standard_error: standard error of `trace`, `(n,)`.
    """

    eigenvalues: Tensor
    error: Tensor
    vectors: Tensor
    trace: Tensor
    standard_error: Tensor

    def cut(self, count: int, vectors: int) -> Spectrum:
        """Return the first eigenvalues and vectors; where there are fewer, the rest are 0."""
        values, error, rows = self.eigenvalues, self.error, self.vectors
        missing = max(count - values.shape[1], 0)
        # What is missing of a spectrum is bounded as its last value is.
        beyond = error[:, -1:].expand(-1, missing)
        return Spectrum(
            pad(values, (0, missing))[:, :count],
            torch.cat([error, beyond], 1)[:, :count],
            pad(rows, (0, 0, 0, max(vectors - rows.shape[1], 0)))[:, :vectors],
            self.trace,
            self.standard_error,
        )


def joined(parts: Sequence[Spectrum]) -> Spectrum:
    """Return the spectra of several blocks of examples as one."""
    return Spectrum(
        torch.cat([part.eigenvalues for part in parts]),
        torch.cat([part.error for part in parts]),
        torch.cat([part.vectors for part in parts]),
        torch.cat([part.trace for part in parts]),
        torch.cat([part.standard_error for part in parts]),
    )
