"""The loss as a landscape over images: what every measure of `landscape` stands on.

A *loss* is any callable that takes `b` copies of the batch of `n` examples, `(b * n, ...)`, stacked
copy-major (row `i` belongs to example `i % n`), and returns one value per row. `Loss` is that for a
classifier and reference labels; a plain function serves where the landscape is known in closed
form. A loss with a method `select(examples)` may be evaluated on a part of the examples; one
without it is always given whole copies of the batch, whatever the batch size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from core.errors import InputError, unknown_name
from core.losses import LOSSES

InputFunction = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Loss:
    """The loss of a classifier at images, for one reference label per example.

    Args:
        classifier: maps images `(rows, c, h, w)` to logits `(rows, k)`; in eval mode.
        labels: reference labels `(n,)`, integers.
        kind: `cross_entropy`, `margin` or `log_probability` (see `core.losses`).

    Raises:
        InputError: the kind is unknown, the labels are not a vector of integers, or the rows asked
            for are not whole copies of the examples.

    >>> loss = Loss(torch.nn.Flatten(), torch.tensor([0, 1]), kind="margin")
    >>> loss(torch.tensor([[2.0, 0.0], [2.0, 0.0]]).repeat(2, 1))
    tensor([-2.,  2., -2.,  2.])
    """

    classifier: nn.Module
    labels: Tensor
    kind: str = "cross_entropy"

    def __post_init__(self) -> None:
        if self.kind not in LOSSES:
            raise unknown_name("--loss", self.kind, LOSSES)
        whole = not (self.labels.is_floating_point() or self.labels.is_complex())
        if self.labels.ndim != 1 or not whole or self.labels.dtype == torch.bool:
            found = f"{tuple(self.labels.shape)} {self.labels.dtype}"
            raise InputError(f"labels: expected integers of shape (n,), found {found}.")

    def __call__(self, images: Tensor) -> Tensor:
        """Return the loss of each row, `(rows,)`."""
        return self.of_logits(self.logits(images))

    def logits(self, images: Tensor) -> Tensor:
        """Return the classifier's logits, `(rows, k)`."""
        logits: Tensor = self.classifier(images)
        return logits

    def of_logits(self, logits: Tensor) -> Tensor:
        """Return the loss of each row of logits, `(rows,)`."""
        return LOSSES[self.kind](logits, self.labels_of(logits))

    def kept(self, logits: Tensor) -> Tensor:
        """Return whether each row of logits predicts the reference label, `(rows,)` booleans."""
        return logits.argmax(1) == self.labels_of(logits)

    def labels_of(self, rows: Tensor) -> Tensor:
        """Return the reference label of each row of a stack of copies, `(rows,)`."""
        copies, rest = divmod(len(rows), max(len(self.labels), 1))
        if rest:
            expected = f"whole copies of {len(self.labels)} examples, one per label"
            raise InputError(f"images: expected {expected}, found {len(rows)}.")
        return self.labels.to(rows.device, torch.int64).repeat(copies)

    def select(self, examples: slice | Tensor) -> Loss:
        """Return the same loss for some of the examples."""
        return replace(self, labels=self.labels[examples])


def blocks(
    function: InputFunction, images: Tensor, batch_size: int
) -> Iterator[tuple[slice, InputFunction, Tensor]]:
    """Yield consecutive blocks of at most `batch_size` examples: rows, function on them, images.

    A function without `select` is not divided: one block holds all of its examples.
    """
    if batch_size < 1:
        raise InputError(f"--batch_size: expected at least 1, found {batch_size}.")
    select = getattr(function, "select", None)
    size = len(images) if select is None else min(batch_size, len(images))
    for start in range(0, len(images), max(size, 1)):
        rows = slice(start, min(start + size, len(images)))
        yield rows, function if select is None else select(rows), images[rows]


def evaluate(function: InputFunction, points: Tensor, batch_size: int) -> Tensor:
    """Evaluate copies `(b, n, ...)` of a batch without gradients, some whole copies at a time.

    Returns:
        `(b, n)` or, for a function with several values per row, `(b, n, k)`; float64 on the CPU.
    """
    copies, n = points.shape[:2]
    at_once = max(1, batch_size // max(n, 1))
    with torch.no_grad():
        found = [precise(function(part.flatten(0, 1))) for part in points.split(at_once)]
    values = finite(torch.cat(found))
    return values.reshape(copies, n, *values.shape[1:])


def value_and_gradient(function: InputFunction, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the loss of each row, `(rows,)` in float64 on the CPU, and its gradient, as `images`.

    One forward and one backward pass. Only the images are differentiated: no `.grad` is written.
    """
    with torch.enable_grad():
        points = images.detach().requires_grad_()
        values = function(points)
        (gradient,) = torch.autograd.grad(values.sum(), points)
    return finite(precise(values)), gradient


def example_ids(ids: Sequence[str] | None, n: int) -> list[str]:
    """Return the examples' ids as strings, by default their positions.

    Raises:
        InputError: there are not `n` of them.
    """
    if ids is None:
        return [str(i) for i in range(n)]
    if len(ids) != n:
        raise InputError(f"ids: expected one per example ({n}), found {len(ids)}.")
    return [str(i) for i in ids]


def radii_of(radii: Sequence[float], name: str = "radii") -> list[float]:
    """Return radii as floats.

    Raises:
        InputError: there is none, or one is negative or not finite.
    """
    lengths = [float(r) for r in radii]
    if not lengths or not all(0 <= r < float("inf") for r in lengths):
        raise InputError(f"--{name}: expected finite lengths >= 0, found {list(radii)}.")
    return lengths


def precise(values: Tensor) -> Tensor:
    """Return values detached, in float64, on the CPU (some devices have no float64)."""
    return values.detach().cpu().to(torch.float64)


def finite(values: Tensor, name: str = "loss") -> Tensor:
    """Return values unchanged.

    Raises:
        InputError: one of them is not finite.
    """
    bad = int((~values.isfinite()).sum())
    if bad:
        raise InputError(f"the {name} is not finite for {bad} of {values.numel()} values.")
    return values
