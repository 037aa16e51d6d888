"""Tables of examples, one row each: made, verified from outside, with their pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from attacks import verify
from attacks.tables import with_images
from attacks.verified_rows import SUCCESS, crafted_rows
from autoencoders.manifold.equal_success import ladder, smallest
from autoencoders.manifold.groups import equal_recipe
from autoencoders.model import Autoencoder
from core.models import Classifier


def reconstructed(
    autoencoder: Autoencoder,
    classifier: Classifier,
    images: Tensor,
    labels: Tensor,
    ids: Sequence[str],
    *,
    batch_size: int,
) -> pd.DataFrame:
    """Return the reconstructions of genuine images, in the box, as if they were an attack's."""
    with torch.no_grad():
        made = torch.cat([autoencoder(x).clamp(0, 1) for x in images.split(batch_size)])
    checked = verify(classifier, images, made, labels, None, ids=ids, batch_size=batch_size)
    return with_images(checked, made)


def equal_success(
    norm: str,
    wanted: float,
    classifier: Classifier,
    images: Tensor,
    labels: Tensor,
    ids: Sequence[str],
    *,
    seed: int,
    batch_size: int,
) -> pd.DataFrame:
    """Return PGD's examples at the smallest radius at which it succeeds often enough.

    Args:
        norm: of PGD's ball.
        wanted: the share of the correctly classified images that is to be fooled.
        classifier, images, labels, ids, seed, batch_size: as `attacks.craft` takes them.

    Returns:
        What `crafted_rows` returns, with the recipe, its radius as `eps`, and as `reached` whether
        that is enough.
    """
    tried: dict[float, pd.DataFrame] = {}

    def success(eps: float) -> float:
        recipe = equal_recipe(norm, eps)
        tried[eps] = crafted_rows(
            classifier, images, labels, recipe, ids=ids, seed=seed, batch_size=batch_size
        )
        return success_of(tried[eps])

    eps, reached = smallest(ladder(norm, images[0].numel()), success, wanted)
    return tried[eps].assign(eps=eps, reached=reached, recipe=equal_recipe(norm, eps))


def fooled(table: pd.DataFrame) -> np.ndarray:
    """Say which rows are valid examples that fool, `(n,)`."""
    found: np.ndarray = (table["status"] == SUCCESS).to_numpy(bool)
    return found


def success_of(table: pd.DataFrame) -> float:
    """Return the share of the correctly classified images that are fooled; NaN without any."""
    right = int(table["clean_correct"].sum())
    return float(fooled(table).sum()) / right if right else float("nan")
