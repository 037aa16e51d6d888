"""What is measured of every example in every group, and what these measures are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from core.losses import cross_entropy
from landscape.columns import column
from landscape.curvature import input_hessian
from landscape.flatness.catalogue import MEASURES as FLATNESS
from landscape.flatness.gradients import gradient_norm
from landscape.flatness.noise import noise_rise
from landscape.flatness.worst_case import worst_case_rise
from landscape.loss import Loss
from landscape.measures import Measure, by_name

DISTANCE, CONNECTION, TRANSFER = "distance", "connection", "transfer"

SHAPE = by_name(
    FLATNESS[name]
    for name in ("gaussian_rise", "worst_linf_rise", "gradient_l2", "hessian_trace", "hessian_top")
)
"""Of the landscape around an image, as `landscape.flatness` has them."""

REACHED = by_name(
    [
        Measure(
            "l2", "length of the step, l2", "input units", short="step, l2", family=DISTANCE,
        ),
        Measure(
            "true_loss", "loss of the true class", "nats", logarithmic=False,
            short="true-class loss", family=DISTANCE,
        ),
    ]
)  # fmt: skip

CONNECTED = by_name(
    [
        Measure(
            "twin_barrier", "barrier of the straight line to its genuine twin", "nats",
            logarithmic=False, short="barrier to its twin", family=CONNECTION,
        ),
        Measure(
            "class_barrier", "barrier of the straight line to a genuine image of its class", "nats",
            logarithmic=False, short="barrier to its class", family=CONNECTION,
        ),
        Measure(
            "class_deviation", "deviation of the bypass over the length of the chord", "share",
            logarithmic=False, short="deviation of the bypass", family=CONNECTION,
        ),
        Measure(
            "class_effort", "gradients spent on the bypass", "gradients", logarithmic=False,
            short="effort of the bypass", family=CONNECTION,
        ),
    ]
)  # fmt: skip

TRANSFERRED = by_name(
    [
        Measure(
            "transfer", "share of the other classifiers that it fools", "share", logarithmic=False,
            short="transfer", family=TRANSFER,
        )
    ]
)  # fmt: skip

ALL = {**SHAPE, **REACHED, **CONNECTED, **TRANSFERRED}


def measured(
    classifier: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    radii: Sequence[float],
    worst_case_linf: Sequence[float],
    ids: Sequence[str],
    worst_case_steps: int = 10,
    draws: int = 32,
    seed: int = 0,
    batch_size: int = 256,
) -> pd.DataFrame:
    """Measure the landscape around every image: the loss there, and how it bends.

    Args:
        classifier: images `(n, c, h, w)` in [0, 1] to logits `(n, k)`; frozen, in eval mode.
        images: `(n, c, h, w)`; a row that is not finite gets a row of NaN.
        labels: `(n,)` the true classes.
        radii: l2 lengths of the noise.
        worst_case_linf: linf radii of the worst case.
        ids: names of the examples.
        worst_case_steps: gradients per radius.
        draws: noise draws per radius, in antithetic pairs.
        seed: with an example's id, names its stream of random numbers.
        batch_size: rows per forward pass.

    Returns:
        One row per example: id, label, prediction, confidence, loss (cross-entropy of the class
        predicted there), true_loss (of the true class), and `SHAPE`, all of the predicted class.

    Cost: `draws |radii| + 2` forward passes, `worst_case_steps |worst_case_linf| + 2` gradients,
    and the input Hessian (one forward and `k` backward passes for piecewise-linear networks).
    """
    usable = images.flatten(1).isfinite().all(1).cpu()
    known = pd.DataFrame({"id": list(ids), "label": labels.cpu().numpy()})
    if not bool(usable.any()):
        return known.assign(prediction=-1)
    x, own_labels = images[usable], labels[usable]
    names = [name for name, fine in zip(ids, usable.tolist(), strict=True) if fine]
    with torch.no_grad():
        logits = torch.cat([classifier(part) for part in x.split(batch_size)])
    predicted = logits.argmax(1)
    loss = Loss(classifier, predicted)
    common: dict[str, Any] = {"seed": seed, "ids": names, "batch_size": batch_size}
    columns: dict[str, Any] = {
        "id": names,
        "prediction": predicted,
        "confidence": logits.double().softmax(1).amax(1),
        "loss": loss.of_logits(logits.double()),
        "true_loss": cross_entropy(logits.double(), own_labels),
    }
    noise = noise_rise(loss, x, radii, draws=draws, **common)
    for i, radius in enumerate(radii):
        columns[column("gaussian_rise", radius)] = noise.mean[:, i]
        columns[column("gaussian_rise_se", radius)] = noise.standard_error[:, i]
    worst = worst_case_rise(loss, x, worst_case_linf, norm="linf", steps=worst_case_steps, **common)
    for i, radius in enumerate(worst_case_linf):
        columns[column("worst_linf_rise", radius)] = worst.rise[:, i]
    columns["gradient_l2"] = gradient_norm(loss, x, ("l2",), batch_size=batch_size)["l2"]
    hessian = input_hessian(loss, x, **common)
    columns["hessian_trace"], columns["hessian_top"] = hessian.trace, hessian.top
    columns["hessian_method"] = hessian.method
    table = pd.DataFrame(
        {k: v.cpu().numpy() if isinstance(v, Tensor) else v for k, v in columns.items()}
    )
    return (
        known.merge(table, on="id", how="left", validate="one_to_one")
        .fillna({"prediction": -1})
        .astype({"prediction": "int64"})
    )


def said_by(
    others: Mapping[str, nn.Module], images: Tensor, *, batch_size: int = 256
) -> dict[str, Any]:
    """Return what other classifiers predict, `(n,)` for each, in columns `says@NAME`.

    -1 for an image that is not finite. One forward pass per image and classifier.
    """
    usable = images.flatten(1).isfinite().all(1)
    found = {}
    for name, other in others.items():
        predictions = torch.full((len(images),), -1)
        with torch.no_grad():
            for rows in usable.nonzero().squeeze(1).split(batch_size):
                predictions[rows.cpu()] = other(images[rows]).argmax(1).cpu()
        found[f"{SAYS}{name}"] = predictions.numpy()
    return found


SAYS = "says@"
"""Of columns with another classifier's prediction."""
