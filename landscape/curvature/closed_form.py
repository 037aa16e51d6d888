"""The softmax's part of the input Hessian, each example by the cheaper of two ways.

Class by class it costs a backward pass for each class that carries probability; by Lanczos in the
space of the classes, a handful of steps for each eigenvalue that is asked for. Which is cheaper is
read off the probabilities of the example alone, so that it does not depend on its batch. Examples
that need similarly many classes are computed together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from core.errors import InputError
from core.randomness import generators
from landscape.curvature.raised_logits import odds
from landscape.curvature.softmax import classes_needed, softmax_curvature
from landscape.curvature.softmax_lanczos import softmax_lanczos
from landscape.curvature.spectrum import Spectrum, joined
from landscape.curvature.vectors import BLOCK
from landscape.loss import Loss, precise

SIGNS = {"cross_entropy": 1.0, "log_probability": -1.0, "margin": 0.0}
SOME = 10
"""Eigenvalues that are given by default where there are too many for all."""


def closed_form(
    loss: Loss,
    images: Tensor,
    names: Sequence[str],
    *,
    seed: int,
    top: int | None,
    vectors: int,
    classes: int,
    share: float,
    steps: int,
    tolerance: float | None,
    probes: int,
    batch_size: int,
) -> Spectrum:
    """Return the spectra of `J' (diag p - p p') J`, with the sign that the loss gives them.

    Arguments as for `landscape.curvature.input_hessian`.

    Raises:
        InputError: more eigenvalues asked for than classes or pixels allow.
    """
    with torch.no_grad():
        others = loss.logits(images[:1]).shape[1] - 1
    rank = min(others, images[0].numel())
    count = top or (rank if rank <= classes else min(SOME, rank))
    if count > rank:
        bound = "classes but one, and pixels"
        raise InputError(f"--top: expected at most {rank} ({bound}), found {count}.")
    if SIGNS[loss.kind] == 0:
        return _flat(images, count, vectors)
    needed = _needed(loss, images, others, share, probes, batch_size)
    budget = classes if count == rank <= classes else 8 + 4 * count
    streams = generators(seed, names, "curvature")
    found: list[Spectrum] = []
    places: list[Tensor] = []
    one_by_one = (needed <= budget).nonzero().squeeze(1)
    for rows in _alike(needed, one_by_one, BLOCK // images[0].numel(), batch_size):
        part = softmax_curvature(
            loss.logits, images[rows], share=share, vectors=vectors, probes=probes,
            streams=[streams[i] for i in rows],
        )  # fmt: skip
        found.append(part.cut(count, vectors))
        places.append(rows)
    at_once = max(1, min(batch_size, BLOCK // (min(steps, others + 2) * (others + 2))))
    many = (needed > budget).nonzero().squeeze(1)
    for rows in many.split(at_once) if len(many) else ():
        part = softmax_lanczos(
            loss.logits, images[rows], [streams[i] for i in rows], top=count, vectors=vectors,
            steps=steps, tolerance=tolerance, probes=probes,
        )  # fmt: skip
        found.append(part)
        places.append(rows)
    return _in_order(joined(found), torch.cat(places), SIGNS[loss.kind])


def _needed(
    loss: Loss, images: Tensor, others: int, share: float, probes: int, batch_size: int
) -> Tensor:
    """Return how many classes each example needs one by one, `(n,)`: see `classes_needed`."""
    if share == 0 or probes + 2 >= others:
        return torch.full((len(images),), others)
    with torch.no_grad():
        found = [
            classes_needed(odds(precise(loss.logits(part)))[1], share, probes)
            for part in images.split(batch_size)
        ]
    return torch.cat(found)


def _alike(needed: Tensor, which: Tensor, numbers: int, batch_size: int) -> Iterator[Tensor]:
    """Yield blocks of examples that need similarly many classes, from the fewest.

    Args:
        needed: `(n,)`.
        which: the examples to be dealt out.
        numbers: gradients that a block may hold.
        batch_size: examples that a block may hold.
    """
    order = which[needed[which].argsort(stable=True)]
    start = 0
    for stop in range(1, len(order) + 1):
        most = int(needed[order[stop]]) if stop < len(order) else 0
        size = stop - start + 1
        full = size > batch_size or size * (most + 1) > numbers
        if stop == len(order) or full or most > 4 + 1.5 * int(needed[order[start]]):
            yield order[start:stop]
            start = stop


def _flat(images: Tensor, count: int, vectors: int) -> Spectrum:
    """Return the spectra of matrices that are 0."""
    none = torch.zeros(len(images), count, dtype=torch.float64)
    rows = torch.zeros_like(images.flatten(1)).unsqueeze(1).expand(-1, vectors, -1)
    return Spectrum(none, none, rows, none[:, 0], none[:, 0])


def _in_order(found: Spectrum, places: Tensor, sign: float) -> Spectrum:
    """Put examples in the order they were given, and give their eigenvalues their sign."""
    back = places.argsort()
    return Spectrum(
        found.eigenvalues[back] * sign,
        found.error[back],
        found.vectors[back.to(found.vectors.device)],
        found.trace[back] * sign,
        found.standard_error[back],
    )
