"""Genuine images that others are measured against, and which of them may serve whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from core.layers import capture
from landscape.flatness.log_odds import LogOddsShift


@dataclass(frozen=True)
class References:
    """Genuine images, classified correctly.

    Attributes:
        ids: their names.
        shift: of their log-odds under noise, at the radii that others are measured at; None where
            it is not compared.
        layers: name of a layer -> what it makes of them, `(m, ...)`; `input` are the images.
    """

    ids: tuple[str, ...]
    shift: LogOddsShift | None = None
    layers: Mapping[str, Tensor] = field(default_factory=dict)

    def allowed(self, ids: Sequence[str], made_from: Sequence[str] | None = None) -> Tensor:
        """Return whether each reference may serve each example, `(n, m)`.

        Not where it is the example itself, or the genuine image it was made from.

        >>> References(("a", "b")).allowed(["a", "c", "d"], ["", "", "b"]).tolist()
        [[False, True], [True, True], [True, False]]
        """
        sources = ids if made_from is None else made_from
        return torch.tensor(
            [
                [name not in (own, source) for name in self.ids]
                for own, source in zip(ids, sources, strict=True)
            ],
            dtype=torch.bool,
        ).reshape(len(ids), len(self.ids))


def representations(
    classifier: nn.Module, layers: Sequence[str], images: Tensor, batch_size: int
) -> dict[str, Tensor]:
    """Return what layers make of images, layer -> `(n, ...)` on the CPU.

    Cost: one forward pass per image, up to the deepest layer.
    """
    with torch.no_grad():
        parts = [capture(classifier, layers, part) for part in images.split(batch_size)]
    return {layer: torch.cat([part[layer].cpu() for part in parts]) for layer in layers}
