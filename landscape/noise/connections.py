"""How well images are connected: the barrier of the straight line, and a path around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from core.randomness import generator
from landscape.connectivity import barrier, bypass, straight_line
from landscape.connectivity.search import SAFETY
from landscape.loss import Loss

THRESHOLD = 0.1
"""Nats above the larger end up to which images are called connected."""
BUDGET = 128
"""Gradients that a search for a path may spend on a pair."""


def connected(
    loss: Loss,
    first: Tensor,
    second: Tensor,
    *,
    threshold: float = THRESHOLD,
    budget: int = BUDGET,
    points: int = 33,
    batch_size: int = 256,
) -> pd.DataFrame:
    """Measure the straight line between images, and the bypass where it climbs too high.

    Args:
        loss: of the class that a pair is connected in, one label per pair.
        first, second: `(n, ...)` in [0, 1].
        threshold: nats above the larger end up to which a path is low enough.
        budget: gradients per pair.
        points: places on each path that are looked at, the ends included.
        batch_size: rows per pass; it changes the numbers by float rounding only.

    Returns:
        One row per pair: `barrier` of the straight line (largest loss on it minus that of its
        larger end, in nats), `deviation` (largest distance of the path found to the chord over the
        chord's length), `effort` (gradients spent on it) and `left` (its barrier). A pair that the
        straight line connects has deviation and effort 0.

    Cost: `points` forward passes per pair; where the straight line is too high those of `bypass`
    and `points` more.
    """
    line = straight_line(first, second)
    found = barrier(loss, line, points, batch_size=batch_size)
    none = torch.zeros(len(first), dtype=torch.float64)
    deviation, effort, left = none.clone(), none.clone(), found.barrier.clone()
    # The share of the threshold above which `bypass` sets to work.
    high = (found.barrier > SAFETY * threshold).nonzero().squeeze(1)
    if len(high):
        part = loss.select(high)
        paths = bypass(
            part, first[high], second[high], threshold=threshold, budget=budget,
            batch_size=batch_size,
        )  # fmt: skip
        bent = barrier(part, paths, points, batch_size=batch_size)
        deviation[high], left[high] = bent.deviation, bent.barrier
        effort[high] = paths.gradients.double()
    return pd.DataFrame(
        {
            "barrier": found.barrier.numpy(),
            "deviation": deviation.numpy(),
            "effort": effort.numpy(),
            "left": left.numpy(),
        }
    )


def joined(
    classifier: nn.Module,
    examples: Tensor,
    classes: Tensor,
    ends: Mapping[str, tuple[np.ndarray, Tensor]],
    *,
    points: int = 33,
    batch_size: int = 256,
) -> pd.DataFrame:
    """Measure how well examples are connected to images of several kinds.

    Args:
        classifier: images to logits; frozen, in eval mode.
        examples: `(n, ...)` in [0, 1].
        classes: `(n,)` what each is taken for: the class that it is connected in.
        ends: kind -> which examples have such an image, `(m,)` places, and these images `(m, ...)`.
        points: see `connected`.
        batch_size: rows per pass.

    Returns:
        One row per example, columns as `connected` has them with `KIND_` before; NaN where an
        example has no image of the kind.
    """
    table = pd.DataFrame(index=range(len(examples)))
    for kind, (own, images) in ends.items():
        if not len(own):
            continue
        rows = torch.from_numpy(own).to(classes.device)
        loss = Loss(classifier, classes[rows])
        found = connected(loss, images, examples[rows], points=points, batch_size=batch_size)
        for name in found:
            values = np.full(len(examples), np.nan)
            values[own] = found[name].to_numpy()
            table[f"{kind}_{name}"] = values
    return table


def partners(
    classes: Sequence[int],
    ids: Sequence[str],
    genuine_classes: Sequence[int],
    genuine_ids: Sequence[str],
    *,
    seed: int = 0,
) -> list[int]:
    """Choose a genuine image of the class that each example is taken for, never its own.

    The choice depends on the seed, the example's id and the class alone: recipes that turn an
    example into the same class are compared on the same pair of ends.

    Args:
        classes: what each example is taken for.
        ids: of the examples.
        genuine_classes: of genuine images that are classified correctly.
        genuine_ids: of those images.
        seed: of the choice.

    Returns:
        The place of each one's partner, or -1 where the class has no other image.

    >>> partners([1, 0], ["a", "b"], [0, 1], ["b", "c"])
    [1, -1]
    """
    order = sorted(range(len(genuine_ids)), key=genuine_ids.__getitem__)
    of_class: dict[int, list[int]] = {}
    for place in order:
        of_class.setdefault(int(genuine_classes[place]), []).append(place)
    chosen = []
    for own, name in zip(classes, ids, strict=True):
        fit = [place for place in of_class.get(int(own), []) if genuine_ids[place] != name]
        stream = generator(seed, name, f"partner of class {int(own)}")
        chosen.append(fit[int(stream.integers(len(fit)))] if fit else -1)
    return chosen
