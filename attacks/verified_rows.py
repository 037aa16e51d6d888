"""Examples as a study keeps them: a row each, verified from outside, with their pixels."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from torch import Tensor

from attacks.artifacts import AdversarialSet
from attacks.crafting import Crafted, craft
from attacks.tables import with_images
from attacks.verification import verify
from core.models import Classifier

SUCCESS = "success"
"""The status of valid examples that fool."""


def crafted_rows(
    classifier: Classifier,
    images: Tensor,
    labels: Tensor,
    recipe: str,
    *,
    ids: Sequence[str],
    seed: int,
    batch_size: int,
) -> pd.DataFrame:
    """Return a recipe's examples as `verified_rows` does; the arguments are those of `craft`."""
    made = craft(classifier, images, labels, recipe, seed=seed, ids=ids, batch_size=batch_size)
    return verified_rows(classifier, images, labels, made, ids=ids, batch_size=batch_size)


def verified_rows(
    classifier: Classifier,
    images: Tensor,
    labels: Tensor,
    made: Crafted | AdversarialSet,
    *,
    ids: Sequence[str],
    batch_size: int,
) -> pd.DataFrame:
    """Return what `attacks.verify` says of examples, what they cost, and their pixels.

    Args:
        classifier: images in `[0, 1]` to logits.
        images: the genuine ones, `(n, ...)`.
        labels: `(n,)` the true classes.
        made: the examples, in the same order.
        ids: of the examples.
        batch_size: images in one forward pass.

    Returns:
        The columns of `verify`; `forwards` and `backwards` of what was crafted here; `radii` of a
        noise control; the image, see `attacks.tables`.
    """
    checked = verify(
        classifier,
        images,
        made.images.to(images),
        labels,
        made.recipe,
        ids=ids,
        targets=made.targets,
        radii=made.radii,
        batch_size=batch_size,
    )
    known = {
        name: getattr(made, name).cpu().numpy()
        for name in ("forwards", "backwards", "radii")
        if getattr(made, name, None) is not None
    }
    return with_images(checked.assign(**known), made.images)
