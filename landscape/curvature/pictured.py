"""Some examples with their eigenvectors, computed for the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import torch
from torch import Tensor

from attacks.crafted_shards import crafted_shards
from attacks.tables import images_of
from core.report.versions import GENUINE, predicted
from landscape.comparison import SUCCESS
from landscape.curvature.directions import gradient_direction
from landscape.curvature.drawing.eigenvectors import Pictured
from landscape.curvature.hessian import input_hessian
from landscape.curvature.vectors import unit
from landscape.loss import Loss

if TYPE_CHECKING:
    from core.studies import RunDirectory
    from landscape.curvature.study import CurvatureStudy

EXAMPLES = 2
"""How many are shown."""
VERSIONS = 3
"""How many attacks of each."""


def pictured(
    study: CurvatureStudy, run: RunDirectory, table: pd.DataFrame
) -> tuple[list[list[Pictured]], list[str]]:
    """Return the versions of the first examples that every attack fooled, and their names.

    They are of different classes, where there are any.
    """
    attacks = study.attacking
    rows = table[table["group"].isin(attacks) & (table["status"] == SUCCESS)]
    everywhere = rows.groupby("id").size()
    labels = {
        str(i): int(k) for i, k in zip(study.attacked.ids, study.attacked.labels, strict=True)
    }
    fooled = [i for i in labels if everywhere.get(i, 0) == len(attacks)]
    ids = list({labels[i]: i for i in reversed(fooled)}.values())[::-1][:EXAMPLES]
    examples = []
    for name in ids:
        titles, images, says = [], [], []
        for group in [GENUINE, *attacks[:VERSIONS]]:
            titles.append(study.labels.get(group, GENUINE))
            images.append(_image(study, run, group, name))
            row = table[(table["group"] == group) & (table["id"] == name) & ~table["pool"]]
            says += predicted(row["prediction"], row["confidence"], study.all_images.class_names)
        examples.append(_versions(study, titles, says, torch.stack(images)))
    names = study.all_images.class_names
    return examples, [names[labels[i]] for i in ids]


def _image(study: CurvatureStudy, run: RunDirectory, group: str, name: str) -> Tensor:
    if group == GENUINE:
        return study.attacked.select([name]).tensors()[0][0]
    made = run.read(crafted_shards(group)).set_index("id").loc[[name]].reset_index()
    return images_of(made, study.chosen.shape)[0]


def _versions(
    study: CurvatureStudy, titles: list[str], says: list[str], images: Tensor
) -> list[Pictured]:
    """Return versions of one example with gradient and top eigenvectors."""
    images = images.to(study.device)
    with torch.no_grad():
        logits = study.classifier(images)
    loss = Loss(study.classifier, logits.argmax(1))
    count = min(study.vectors, logits.shape[1] - 1, images[0].numel())
    found = input_hessian(
        loss, images, method=study.measured.method, vectors=count, probes=study.probes,
        top=count if study.measured.method == "lanczos" else None, seed=study.seed, ids=titles,
    )  # fmt: skip
    gradient = unit(gradient_direction(loss, images).flatten(1)).reshape(images.shape)
    rises = (found.vectors * gradient.unsqueeze(1)).flatten(2).sum(2)
    signs = torch.where(rises < 0, -1.0, 1.0).reshape(*rises.shape, *[1] * (images.ndim - 1))
    vectors = found.vectors * signs
    size = torch.where(found.trace > 0, found.trace, torch.nan)
    return [
        Pictured(
            titles[i],
            says[i],
            images[i].cpu().numpy(),
            gradient[i].cpu().numpy(),
            vectors[i].cpu().numpy(),
            found.eigenvalues[i, :count].numpy(),
            (found.eigenvalues[i, :count] / size[i]).numpy(),
        )
        for i in range(len(images))
    ]
