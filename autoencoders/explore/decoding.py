"""Latents decoded, spliced back into the classifier, and shown."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from attacks.tables import IMAGE, with_images
from autoencoders.explore.space import Space
from autoencoders.quality.baselines import NearestExample
from autoencoders.quality.splicing import logits_with
from core.data import ImageSet
from core.layers import INPUT
from core.models import Classifier, evaluating
from core.representations.streamed import StreamedRows


def decoded(
    space: Space,
    classifier: Classifier,
    layer: str,
    latents: Tensor,
    image: Tensor,
    batch_size: int,
) -> pd.DataFrame:
    """Return what the classifier answers to decoded latents, one row each.

    Columns: `prediction`, `confidence` and `log_density` of the latent, in nats.

    Args:
        space: the latent space.
        classifier: whose layer's output they stand in for.
        layer: which all of the classifier goes through.
        latents: `(n, ...)`.
        image: `(c, h, w)`, any one.
        batch_size: latents in one pass.
    """
    parts = []
    with torch.no_grad(), evaluating(classifier):
        for part in latents.split(batch_size):
            rows = space.autoencoder.decode(part)
            images = image.expand(len(part), *image.shape)
            best = logits_with(classifier, layer, rows, images).double().softmax(1).max(1)
            parts.append((best.indices.cpu(), best.values.cpu(), space.log_density(part)))
    columns = (torch.cat(column).numpy() for column in zip(*parts, strict=True))
    return pd.DataFrame(
        dict(zip(("prediction", "confidence", "log_density"), columns, strict=True))
    )


def pictured(
    space: Space, layer: str, table: pd.DataFrame, latents: Tensor, train: StreamedRows
) -> pd.DataFrame:
    """Add to rows about latents what they look like, as `image`, and the class of that as `seen`.

    For the input it is the decoded image, cut to [0, 1] (`seen` is -1). A hidden representation is
    no picture: the training image whose representation is nearest to the decoded one is shown.

    Args:
        space: the latent space.
        layer: of which it is.
        table: `n` rows.
        latents: `(n, ...)`.
        train: the training representations.
    """
    with torch.no_grad():
        rows = torch.cat([space.autoencoder.decode(part).cpu() for part in latents.split(256)])
    if layer == INPUT:
        return with_images(table.assign(seen=-1), rows.clamp(0, 1))
    places = NearestExample(train).nearest(rows.numpy())
    images, labels = train.images.tensors(places)
    return with_images(table.assign(seen=labels.numpy()), images)


def only_shown(table: pd.DataFrame, shown: np.ndarray, pictures: pd.DataFrame) -> pd.DataFrame:
    """Return a table with `image` and `seen` at the rows that are shown, None and -1 elsewhere."""
    images: list[bytes | None] = [None] * len(table)
    seen = np.full(len(table), -1)
    for place, image, own in zip(
        np.flatnonzero(shown), pictures[IMAGE], pictures["seen"], strict=True
    ):
        images[place], seen[place] = image, own
    return table.assign(**{IMAGE: pd.Series(images, table.index, object)}, seen=seen, shown=shown)


def example_latents(
    space: Space, classifier: Classifier, layer: str, images: ImageSet, batch_size: int, device: str
) -> Tensor:
    """Return the latents of images, `(n, ...)`, on the device."""
    rows = StreamedRows(classifier, images, layer, batch_size=batch_size)
    with torch.no_grad():
        return torch.cat(
            [
                space.autoencoder.encode(torch.from_numpy(part).to(device))
                for _, part in rows.batches(batch_size)
            ]
        )
