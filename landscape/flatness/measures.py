"""All flatness measures of a batch of images in one table, one row per example."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from core.losses import cross_entropy
from landscape.flatness.catalogue import chosen_measures
from landscape.flatness.makers import MAKERS, Examples
from landscape.loss import Loss, example_ids

_WHOLE = {"label": np.int64, "reference_label": np.int64, "prediction": np.int64}


def reference_labels(logits: Tensor, labels: Tensor, reference: str) -> Tensor:
    """Return the label that the loss refers to, `(n,)`.

    Args:
        logits: `(n, k)` at the image itself.
        labels: true labels `(n,)`.
        reference: `predicted`, the most probable class; `true`; or `target`, the most probable
            class other than the true one: what an attack turned an example into, and what a
            genuine one is closest to being turned into.
    """
    if reference == "predicted":
        return logits.argmax(1)
    if reference == "true":
        return labels
    return logits.scatter(1, labels.unsqueeze(1), float("-inf")).argmax(1)


def measure(
    classifier: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    measures: Sequence[str] | str | None = None,
    radii: Sequence[float] = (),
    worst_case_l2: Sequence[float] = (),
    worst_case_linf: Sequence[float] = (),
    ids: Sequence[str] | None = None,
    loss: str = "cross_entropy",
    reference: str = "predicted",
    worst_case_steps: int = 10,
    draws: int = 32,
    seed: int = 0,
    batch_size: int = 256,
) -> pd.DataFrame:
    """Measure the flatness of the loss around every image, in every way that is asked for.

    Args:
        classifier: images `(n, c, h, w)` in [0, 1] to logits `(n, k)`; frozen, in eval mode.
        images: `(n, c, h, w)`; a row that is not finite gets a row of NaN (if none is finite, there
            are no columns but id and label).
        labels: true labels `(n,)`.
        measures: names of `MEASURES` or of their families; None for all. Radii are needed only for
            measures that have them.
        radii: l2 lengths of the noise.
        worst_case_l2: l2 radii of the worst-case rise.
        worst_case_linf: linf radii of the worst-case rise.
        ids: names of the examples, by default their positions.
        loss: `cross_entropy`, `margin` or `log_probability`.
        reference: label of the loss: `predicted` (at the image itself), `true` or `target`.
        worst_case_steps: gradients per radius.
        draws: noise draws per radius, in antithetic pairs.
        seed: with an example's id, names its streams of random numbers.
        batch_size: rows per forward pass.

    Returns:
        One row per example: id, label, reference_label, prediction, confidence, loss (at the
        image), cross_entropy (of the reference label, whatever the loss), and the measures, with
        `@radius` where there are several, standard errors under `_se`.

    Raises:
        InputError: an unknown measure, or radii that are missing or cannot be used.

    Cost: `2 draws |radii|` forward passes, `worst_case_steps (|worst_case_l2| + |worst_case_linf|)`
    forward and backward passes, and one forward and `k` backward passes for the curvature.
    """
    wanted = chosen_measures(measures)
    names = example_ids(ids, len(images))
    usable = images.flatten(1).isfinite().all(1)
    known = pd.DataFrame({"id": names, "label": labels.cpu().numpy()})
    if not usable.any():
        return known
    finite, kept = images[usable], [names[i] for i in usable.nonzero().squeeze(1).tolist()]
    with torch.no_grad():
        logits = torch.cat([classifier(part) for part in finite.split(batch_size)])
    own = reference_labels(logits, labels[usable], reference)
    landscape = Loss(classifier, own, loss)
    columns: dict[str, Any] = {
        "id": kept,
        "label": labels[usable],
        "reference_label": own,
        "prediction": logits.argmax(1),
        "confidence": logits.double().softmax(1).amax(1),
        "loss": landscape.of_logits(logits.double()),
        "cross_entropy": cross_entropy(logits.double(), own),
    }
    examples = Examples(
        loss=landscape,
        images=finite,
        ids=kept,
        wanted=wanted,
        radii=radii,
        worst_case_l2=worst_case_l2,
        worst_case_linf=worst_case_linf,
        worst_case_steps=worst_case_steps,
        draws=draws,
        seed=seed,
        batch_size=batch_size,
    )
    for made, make in MAKERS.items():
        if wanted & set(made):
            columns |= make(examples)
    table = pd.DataFrame(
        {k: v.cpu().numpy() if isinstance(v, Tensor) else v for k, v in columns.items()}
    ).astype(_WHOLE)
    if len(kept) == len(names):
        return table
    return known.merge(table.drop(columns="label"), on="id", how="left", validate="one_to_one")
