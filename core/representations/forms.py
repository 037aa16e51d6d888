"""What of a layer's output is kept: all of it, its positions apart, or what pooling leaves.

Pooling is another metric, not a cheaper one: after global average pooling an example keeps only a
few percent of its nearest neighbours. So it is chosen by name and never happens by itself.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from core.errors import InputError, unknown_name


def _positions(output: Tensor) -> Tensor:
    """Return `(n, c, h, w)` as `(n, h * w, c)`."""
    return output.flatten(2).transpose(1, 2)


def _average(output: Tensor) -> Tensor:
    return output.flatten(2).mean(2)


def _maximum(output: Tensor) -> Tensor:
    return output.flatten(2).amax(2)


FORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "whole": lambda output: output,
    "positions": _positions,
    "average": _average,
    "maximum": _maximum,
}
"""By name: `whole`; `positions`, a vector of channels for each place of a map; `average` and
`maximum` of each channel over the places."""


def formed(output: Tensor, form: str, layer: str) -> Tensor:
    """Return a layer's output `(n, ...)` in a form.

    Raises:
        InputError: an unknown form, or one that needs a map where the layer gives vectors.

    >>> import torch
    >>> formed(torch.ones(2, 3, 4, 5), "positions", "layer1").shape
    torch.Size([2, 20, 3])
    """
    if form not in FORMS:
        raise unknown_name("--form", form, FORMS)
    if form != "whole" and output.ndim < 3:
        found = f"shape {tuple(output.shape[1:])}"
        raise InputError(
            f"--form: {form!r} pools over positions, and {layer} has none, found {found}."
        )
    return FORMS[form](output)
