"""Norm of the input gradient: how fast the loss can rise to first order."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from core.errors import unknown_name
from landscape.loss import InputFunction, blocks, precise, value_and_gradient

ORDERS = {"l1": 1.0, "l2": 2.0, "linf": float("inf")}
DUAL = {"l1": "linf", "l2": "l2", "linf": "l1"}
"""Norm of a step -> norm of the gradient that bounds what the step can do."""


def gradient_norm(
    loss: InputFunction,
    images: Tensor,
    norms: Sequence[str] = ("l2", "l1"),
    *,
    batch_size: int = 256,
) -> dict[str, Tensor]:
    """Return norms of the gradient of the loss with respect to the image, per example.

    The largest rise to first order over steps of length `r` in a norm is `r` times the gradient in
    its dual norm (`DUAL`): l2 steps go with `l2`, linf steps with `l1`, l1 steps with `linf`.

    Args:
        loss: see `landscape.loss`.
        images: `(n, ...)`, any trailing shape.
        norms: names of the *gradient's* norms, among `l1`, `l2` and `linf`.
        batch_size: rows per pass; it changes the numbers by float rounding only.

    Returns:
        Name of the norm -> `(n,)`, in nats per input unit; float64 on the CPU.

    Raises:
        InputError: an unknown norm; a loss that is not finite.

    Cost: one forward and one backward pass per example.

    >>> gradient_norm(lambda x: x @ torch.tensor([3.0, -4.0]), torch.zeros(1, 2), ["l1", "l2"])
    {'l1': tensor([7.], dtype=torch.float64), 'l2': tensor([5.], dtype=torch.float64)}
    """
    for norm in norms:
        if norm not in ORDERS:
            raise unknown_name("--norms", norm, ORDERS)
    found: dict[str, list[Tensor]] = {norm: [] for norm in norms}
    for _, part, x in blocks(loss, images, batch_size):
        gradient = precise(value_and_gradient(part, x)[1].flatten(1))
        for norm, rows in found.items():
            rows.append(torch.linalg.vector_norm(gradient, ORDERS[norm], dim=1))
    return {norm: torch.cat(rows) for norm, rows in found.items()}
