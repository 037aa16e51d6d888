"""What a bottleneck makes of an example."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Latent:
    """The latent of a batch.

    Attributes:
        value: what the decoder is given, `(n, ...)`.
        penalty: what is added to the training loss, one number, averaged over the batch; in units
            of the reconstruction's loss.
        numbers: further numbers of the batch for the record of training, each a mean.
        codes: which codes were taken, `(n, positions)` integers, where there are codes.
    """

    value: Tensor
    penalty: Tensor
    numbers: Mapping[str, Tensor] = field(default_factory=dict)
    codes: Tensor | None = None
