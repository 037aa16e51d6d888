"""Trace of many symmetric matrices at once, from products with random signs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from core.errors import InputError
from core.randomness import signs
from landscape.curvature.products import Product
from landscape.loss import precise


def trace_outside(
    product: Product,
    basis: Tensor,
    streams: Sequence[np.random.Generator],
    *,
    probes: int = 16,
) -> tuple[Tensor, Tensor]:
    """Estimate the trace of each matrix outside a subspace, with its standard error.

    `tr(P A P) = E[(P g)' A (P g)]` with random signs `g` and `P = I - Q'Q` (Hutchinson 1989).
    Together with the trace inside a subspace that holds the large eigenvalues, which is known
    exactly, this is Hutch++ (Meyer, Musco, Musco, Woodruff 2021): what is left to chance is the
    rest. Unbiased as long as the basis does not depend on the probes.

    Args:
        product: `(n, d) -> (n, d)`.
        basis: orthonormal rows `(n, m, d)`, or rows of 0; `m` may be 0.
        streams: one generator per example.
        probes: random vectors, at least 2.

    Returns:
        Mean and standard error on `probes - 1` degrees of freedom, `(n,)`; float64 on the CPU.

    Raises:
        InputError: fewer than two probes.

    Cost: one product per probe.
    """
    if probes < 2:
        raise InputError(f"--probes: expected at least 2, found {probes}.")
    found = []
    for _ in range(probes):
        probe = signs(streams, basis.shape[2:], basis)
        along = torch.einsum("nmd,nd->nm", basis, probe)
        probe = probe - torch.einsum("nmd,nm->nd", basis, along)
        found.append(precise((probe * product(probe)).sum(1)))
    values = torch.stack(found)
    return values.mean(0), values.std(0) / math.sqrt(probes)
