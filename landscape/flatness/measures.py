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
from landscape.flatness.makers import Examples, columns_of
from landscape.flatness.references import References
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
    references: References | None = None,
    made_from: Sequence[str] | None = None,
    worst_case_steps: int = 10,
    draws: int = 32,
    gradient_draws: int = 8,
    curvature_step: float | None = None,
    gamma: float = 0.8,
    boundary_norm: str = "l2",
    boundary_steps: int = 30,
    neighbours: int = 20,
    seed: int = 0,
    batch_size: int = 256,
) -> pd.DataFrame:
    """Measure the flatness of the loss around every image, in every way that is asked for.

    Args:
        classifier: images `(n, c, h, w)` in [0, 1] to logits `(n, k)`; frozen, in eval mode.
        images: `(n, c, h, w)`; a row that is not finite gets a row of NaN (if none is finite, there
            are no columns but id and label).
        labels: true labels `(n,)`.
        measures: names of `MEASURES` or of their families, or `lid:` with a layer of the
            references; None for all that can be had. Settings are needed only by measures that
            have them.
        radii: l2 lengths of the noise.
        worst_case_l2: l2 radii of the worst-case rise.
        worst_case_linf: linf radii of the worst-case rise and of the linearity gap.
        ids: names of the examples, by default their positions.
        loss: `cross_entropy`, `margin` or `log_probability`.
        reference: label of the loss: `predicted` (at the image itself), `true` or `target`.
        references: genuine images, for the standardised log-odds shift and the local intrinsic
            dimensions. An example is never its own reference.
        made_from: of each example the id of the genuine image that it was made from, where that is
            not its own; that image is no reference of it, either.
        worst_case_steps: gradients per radius.
        draws: noise draws per radius, in antithetic pairs; and independent ones for persistence.
        gradient_draws: noise draws per radius at which gradients are taken.
        curvature_step: l2 length of the step along which the gradient's change is measured; None:
            0.0125 in every pixel.
        gamma: probability with which persistent labels are kept.
        boundary_norm: of the distance to the boundary, `l2` or `linf`.
        boundary_steps: points tried in search of the boundary.
        neighbours: of the local intrinsic dimension.
        seed: with an example's id, names its streams of random numbers.
        batch_size: rows per forward pass.

    Returns:
        One row per example: id, label, reference_label, prediction, confidence, loss (at the
        image), cross_entropy (of the reference label, whatever the loss), and the measures, with
        `@radius` where there are several, standard errors under `_se`.

    Raises:
        InputError: an unknown measure, or one whose radii, step or references are missing or cannot
            be used.

    Cost: `2 draws |radii|` forward passes for the noise, `8 draws` for persistence;
    `worst_case_steps (|worst_case_l2| + 2 |worst_case_linf|)` forward and backward passes for what
    is worst, `gradient_draws |radii|` for coherence, `boundary_steps` for the boundary; one forward
    and `k` backward passes for the curvature. Each is spent only where it is wanted.
    """
    layers = () if references is None else tuple(references.layers)
    shifted = references is not None and references.shift is not None
    wanted = frozenset(chosen_measures(measures, layers, referenced=shifted))
    names = example_ids(ids, len(images))
    usable = images.flatten(1).isfinite().all(1)
    known = pd.DataFrame({"id": names, "label": labels.cpu().numpy()})
    if not usable.any():
        return known
    places = usable.nonzero().squeeze(1).tolist()
    finite, kept = images[usable], [names[i] for i in places]
    sources = None if made_from is None else [str(made_from[i]) for i in places]
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
        predicted=logits.argmax(1),
        ids=kept,
        made_from=sources,
        wanted=wanted,
        references=references,
        radii=radii,
        worst_case_l2=worst_case_l2,
        worst_case_linf=worst_case_linf,
        worst_case_steps=worst_case_steps,
        draws=draws,
        gradient_draws=gradient_draws,
        curvature_step=curvature_step,
        gamma=gamma,
        boundary_norm=boundary_norm,
        boundary_steps=boundary_steps,
        neighbours=neighbours,
        seed=seed,
        batch_size=batch_size,
    )
    columns |= columns_of(examples)
    table = pd.DataFrame(
        {k: v.cpu().numpy() if isinstance(v, Tensor) else v for k, v in columns.items()}
    ).astype(_WHOLE)
    if len(kept) == len(names):
        return table
    return known.merge(table.drop(columns="label"), on="id", how="left", validate="one_to_one")
