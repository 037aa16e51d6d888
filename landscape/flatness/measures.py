"""All flatness measures of a batch of images in one table, one row per example."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from core.losses import cross_entropy
from landscape.columns import column
from landscape.curvature import input_hessian
from landscape.flatness.gradients import gradient_norm
from landscape.flatness.noise import noise_rise
from landscape.flatness.stability import noise_and_stability
from landscape.flatness.worst_case import worst_case_rise
from landscape.loss import Loss
from landscape.measures import Measure, by_name

NOISE, WORST, LOCAL = "noise", "worst case", "gradient and curvature"
"""Families of measures: each has its panel."""

MEASURES = by_name(
    [
        Measure(
            "gaussian_rise", "rise under Gaussian noise", "nats", "l2 radius",
            short="Gaussian rise", family=NOISE,
        ),
        Measure(
            "sphere_rise", "rise under noise on the sphere", "nats", "l2 radius",
            short="sphere rise", family=NOISE,
        ),
        Measure(
            "worst_l2_rise", "worst-case rise in the l2 ball", "nats", "l2 radius",
            short="worst rise, l2", family=WORST,
        ),
        Measure(
            "worst_linf_rise", "worst-case rise in the linf ball", "nats", "linf radius",
            short="worst rise, linf", family=WORST,
        ),
        Measure(
            "stability", "share of noise that keeps the label", "share", "sigma",
            logarithmic=False, short="label kept", family=NOISE, symbol="σ",
        ),
        Measure(
            "certified_radius", "certified l2 radius", "input units",
            logarithmic=False, short="certified radius", family=NOISE,
        ),
        Measure(
            "gradient_l2", "gradient norm, l2", "nats per input unit",
            short="gradient, l2", family=LOCAL,
        ),
        Measure(
            "gradient_l1", "gradient norm, l1", "nats per input unit",
            short="gradient, l1", family=LOCAL,
        ),
        Measure(
            "hessian_trace", "trace of the input Hessian", "nats per squared input unit",
            short="Hessian trace", family=LOCAL,
        ),
        Measure(
            "hessian_top", "top eigenvalue of the input Hessian", "nats per squared input unit",
            short="top eigenvalue", family=LOCAL,
        ),
    ]
)  # fmt: skip


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
    radii: Sequence[float],
    worst_case_l2: Sequence[float],
    worst_case_linf: Sequence[float],
    ids: Sequence[str] | None = None,
    loss: str = "cross_entropy",
    reference: str = "predicted",
    worst_case_steps: int = 10,
    draws: int = 32,
    seed: int = 0,
    batch_size: int = 256,
) -> pd.DataFrame:
    """Measure the flatness of the loss around every image, in every way this package knows.

    Args:
        classifier: images `(n, c, h, w)` in [0, 1] to logits `(n, k)`; frozen, in eval mode.
        images: `(n, c, h, w)`; a row that is not finite gets a row of NaN.
        labels: true labels `(n,)`.
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
        image), cross_entropy (of the reference label, whatever the loss), and the `MEASURES`, with
        `@radius` where there are several, standard errors under `_se`.

    Cost: `2 draws |radii|` forward passes, `worst_case_steps (|worst_case_l2| + |worst_case_linf|)`
    forward and backward passes, and one forward and `k` backward passes for the curvature.
    """
    names = [str(i) for i in range(len(images))] if ids is None else [str(i) for i in ids]
    usable = images.flatten(1).isfinite().all(1)
    if not usable.all():
        kept = measure(
            classifier,
            images[usable],
            labels[usable],
            radii=radii,
            worst_case_l2=worst_case_l2,
            worst_case_linf=worst_case_linf,
            ids=[name for name, fine in zip(names, usable.tolist(), strict=True) if fine],
            loss=loss,
            reference=reference,
            worst_case_steps=worst_case_steps,
            draws=draws,
            seed=seed,
            batch_size=batch_size,
        )
        known = pd.DataFrame({"id": names, "label": labels.cpu().numpy()})
        return known.merge(kept.drop(columns="label"), on="id", how="left", validate="one_to_one")

    with torch.no_grad():
        logits = torch.cat([classifier(part) for part in images.split(batch_size)])
    own = reference_labels(logits, labels, reference)
    landscape = Loss(classifier, own, loss)
    common: dict[str, Any] = {"seed": seed, "ids": names, "batch_size": batch_size}

    columns: dict[str, object] = {
        "id": names,
        "label": labels,
        "reference_label": own,
        "prediction": logits.argmax(1),
        "confidence": logits.double().softmax(1).amax(1),
        "loss": landscape.of_logits(logits.double()),
        "cross_entropy": cross_entropy(logits.double(), own),
    }
    gaussian, stability = noise_and_stability(landscape, images, radii, draws=draws, **common)
    sphere = noise_rise(landscape, images, radii, kind="sphere", draws=draws, **common)
    for name, found in (("gaussian_rise", gaussian), ("sphere_rise", sphere)):
        for i, radius in enumerate(radii):
            columns[column(name, radius)] = found.mean[:, i]
            columns[column(f"{name}_se", radius)] = found.standard_error[:, i]
    for i, sigma in enumerate(stability.sigmas):
        columns[column("stability", sigma)] = stability.share[:, i]
        columns[column("stability_low", sigma)] = stability.lower[:, i]
        columns[column("certified", sigma)] = stability.radius[:, i]
    columns["certified_radius"] = stability.radius.amax(1)
    for norm, lengths in (("l2", worst_case_l2), ("linf", worst_case_linf)):
        worst = worst_case_rise(
            landscape, images, lengths, norm=norm, steps=worst_case_steps, **common
        )
        for i, radius in enumerate(lengths):
            columns[column(f"worst_{norm}_rise", radius)] = worst.rise[:, i]
    for norm, values in gradient_norm(
        landscape, images, ("l2", "l1"), batch_size=batch_size
    ).items():
        columns[f"gradient_{norm}"] = values
    hessian = input_hessian(landscape, images, batch_size=batch_size, seed=seed, ids=names)
    columns["hessian_trace"] = hessian.trace
    columns["hessian_trace_se"] = hessian.trace_standard_error
    columns["hessian_top"] = hessian.top
    columns["hessian_method"] = hessian.method
    return pd.DataFrame(
        {k: v.cpu().numpy() if isinstance(v, Tensor) else v for k, v in columns.items()}
    ).astype({"label": np.int64, "reference_label": np.int64, "prediction": np.int64})
