"""The example groups: genuine images and what recipes make of them, verified."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from torch import Tensor

from attacks import craft, verify
from attacks.tables import with_images
from core.models import Classifier

SUCCESS = "success"


def crafted(
    classifier: Classifier,
    images: Tensor,
    labels: Tensor,
    ids: Sequence[str],
    recipe: str,
    *,
    seed: int,
    batch_size: int,
) -> pd.DataFrame:
    """Return what a recipe makes of images: one row each, as verified, with its pixels."""
    made = craft(classifier, images, labels, recipe, seed=seed, ids=ids, batch_size=batch_size)
    checked = verify(
        classifier,
        images,
        made.images.to(images),
        labels,
        recipe,
        ids=ids,
        targets=made.targets,
        radii=made.radii,
        batch_size=batch_size,
    )
    passes = {"forwards": made.forwards.cpu().numpy(), "backwards": made.backwards.cpu().numpy()}
    if made.radii is not None:
        passes["radii"] = made.radii.cpu().numpy()
    return with_images(checked.assign(group=recipe, **passes), made.images)
