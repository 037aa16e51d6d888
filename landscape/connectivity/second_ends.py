"""What joining an image to genuine ones of its class says about the image: one row per image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from core.randomness import generator
from landscape.connectivity.barrier import barrier
from landscape.connectivity.bypass import bypass
from landscape.connectivity.pairs import Known
from landscape.connectivity.paths import straight_line
from landscape.loss import Loss, precise
from landscape.measures import Measure, by_name

LINE, PATH, WAY = "straight line", "bypass", "distance"
"""Families of measures: each has its panel."""

MEASURES = by_name(
    [
        Measure(
            "straight_barrier", "barrier of the straight line", "nats",
            logarithmic=False, short="straight barrier", family=LINE,
        ),
        Measure(
            "straight_area", "mean loss on the straight line above its ends", "nats",
            logarithmic=False, short="straight area", family=LINE,
        ),
        Measure(
            "straight_kept", "share of the straight line of its class", "share",
            logarithmic=False, short="straight, class kept", family=LINE,
        ),
        Measure(
            "bypass_deviation", "deviation of the bypass", "lengths of the chord",
            logarithmic=False, short="bypass deviation", family=PATH,
        ),
        Measure(
            "bypass_gradients", "number of gradients of the bypass", "gradients",
            logarithmic=False, short="bypass gradients", family=PATH,
        ),
        Measure(
            "distance", "distance to genuine images of the class", "input units (l2)",
            short="distance", family=WAY,
        ),
    ]
)  # fmt: skip
POINTS = 33
"""Of each straight line that are looked at: there are many, and their bumps are wide."""


def partners(
    ends: Known, genuine: Known, count: int, *, excluded: Sequence[str] | None = None, seed: int = 0
) -> list[list[int]]:
    """Choose genuine images of its class for each second end: not its own image, at random.

    The choice depends on the end's id, its class and the seed alone, so that two versions of an
    image that are of one class get the same partners.

    Args:
        ends: id and class of each second end.
        genuine: id and class of the images to choose from.
        count: partners for each end; fewer where the class has no more.
        excluded: one more id for each end that is not to be its partner; "" for none.
        seed: of the choice.

    Returns:
        The places of the partners among the genuine images.

    >>> partners([("a", 0), ("b", 1)], [("a", 0), ("b", 0), ("c", 1)], 4)
    [[1], [2]]
    """
    of_class: dict[int, list[int]] = {}
    for place in sorted(range(len(genuine)), key=lambda i: genuine[i][0]):
        of_class.setdefault(int(genuine[place][1]), []).append(place)
    others = [""] * len(ends) if excluded is None else excluded
    chosen = []
    for (name, own), other in zip(ends, others, strict=True):
        places = of_class.get(int(own), [])
        order = generator(seed, name, "partners").permutation(len(places))
        fit = [places[i] for i in order if genuine[places[i]][0] not in (name, other)]
        chosen.append(fit[:count])
    return chosen


def second_ends(
    classifier: torch.nn.Module,
    images: Tensor,
    classes: Tensor,
    genuine: Tensor,
    partners: Sequence[Sequence[int]],
    *,
    threshold: float = 0.1,
    budget: int = 128,
    points: int = POINTS,
    batch_size: int = 256,
) -> pd.DataFrame:
    """Join each image to its partners, and return the means over them: one row per image.

    Args:
        classifier: images in [0, 1] to logits; frozen, in eval mode.
        images: the second ends, `(n, ...)`.
        classes: `(n,)` of the pairs: what both of their ends are taken for.
        genuine: the images that serve as first ends.
        partners: places in `genuine`, some for each image.
        threshold, budget: of the bypass.
        points: of each straight line.
        batch_size: rows per pass; it changes the numbers by float rounding only.

    Returns:
        `MEASURES`, and the standard error of each over the partners, under `_se`; `partners`, their
        number. NaN where there is none; no standard error where there is one.

    Cost: `points` forward passes and a bypass for each partner.
    """
    owners = [i for i, some in enumerate(partners) for _ in some]
    of = torch.tensor(owners, dtype=torch.int64)
    chosen = torch.tensor([j for some in partners for j in some], dtype=torch.int64)
    loss = Loss(classifier, classes[of.to(classes.device)])
    first, second = genuine[chosen.to(genuine.device)], images[of.to(images.device)]
    straight = barrier(loss, straight_line(first, second), points, batch_size=batch_size)
    bent = bypass(loss, first, second, threshold=threshold, budget=budget, batch_size=batch_size)
    rows = pd.DataFrame(
        {
            "straight_barrier": straight.barrier,
            "straight_area": straight.mean - (straight.first + straight.second) / 2,
            "straight_kept": straight.kept,
            "bypass_deviation": precise(bent.deviations()),
            "bypass_gradients": bent.gradients.double(),
            "distance": precise(bent.chords()),
        }
    )
    by_end = rows.groupby(np.array(owners, dtype=np.int64))
    count = by_end.size().reindex(range(len(images)), fill_value=0)
    means = by_end.mean().reindex(range(len(images)))
    errors = by_end.std().div(np.sqrt(count), axis=0).reindex(range(len(images)))
    return means.join(errors.add_suffix("_se")).assign(partners=count).reset_index(drop=True)
