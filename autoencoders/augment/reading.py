"""What a move means: the training examples nearest to a representation before and after."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from attacks.norms import lengths
from autoencoders.augment.moves import Move
from autoencoders.quality.baselines import NearestExample, Rows
from core.data import ImageSet
from core.layers import capture, replacing
from core.models import Classifier, evaluating
from core.randomness import generators


def read_moves(
    classifier: Classifier,
    layer: str,
    moves: Mapping[str, Move],
    images: ImageSet,
    known: Rows,
    known_labels: np.ndarray,
    *,
    draws: int,
    seed: int,
    batch_size: int,
) -> pd.DataFrame:
    """Move the representations of images, and look up what they come to lie next to.

    Args:
        classifier: the reference.
        layer: where the moves are made.
        moves: by name; all of them are given the same random numbers.
        images: whose representations are moved.
        known: representations of training examples, `(m, ...)`.
        known_labels: their classes, `(m,)`.
        draws: moves of each image.
        seed: of the moves; with an image's id it names their random numbers.
        batch_size: images in a forward pass.

    Returns:
        A row per image and move: id, label, move, `before` and `after` (places of the nearest
        training examples, after the first draw), and over the draws `same` (share whose nearest
        example stays the same), `class_changed` (share whose nearest example is of another class
        than before), `prediction_changed` (share with another prediction of the classifier when
        what follows the layer is given the moved representation), `length` (mean l2 length),
        `relative_length` (mean of it over that of the representation).

    Cost: `draws` passes of each move and of the classifier, and a search for each.
    """
    nearest = NearestExample(known)
    device = next(classifier.parameters()).device
    tables = []
    with torch.no_grad(), evaluating(classifier):
        for places in np.array_split(np.arange(len(images)), -(-len(images) // batch_size)):
            x, labels = images.tensors(places, device=device)
            ids = [str(images.ids[i]) for i in places]
            rows = capture(classifier, [layer], x)[layer]
            before = nearest.nearest(rows.cpu().numpy())
            predicted = classifier(x).argmax(1)
            for name, move in moves.items():
                found: dict[str, list[np.ndarray]] = {}
                after = []
                for draw in range(draws):
                    steps = move(rows, partial(_streams, seed, ids, draw))
                    place = nearest.nearest((rows + steps).cpu().numpy())
                    after.append(place)
                    with replacing(classifier, layer, partial(_add, steps)):
                        other = classifier(x).argmax(1) != predicted
                    long = lengths(steps, "l2")
                    for column, values in (
                        ("same", place == before),
                        ("class_changed", known_labels[place] != known_labels[before]),
                        ("prediction_changed", other.cpu().numpy()),
                        ("length", long.cpu().numpy()),
                        ("relative_length", (long / lengths(rows, "l2")).cpu().numpy()),
                    ):
                        found.setdefault(column, []).append(values)
                tables.append(
                    pd.DataFrame(
                        {
                            "id": ids,
                            "label": labels.cpu().numpy(),
                            "move": name,
                            "before": before,
                            "after": after[0],
                            **{c: np.mean(v, axis=0, dtype=np.float64) for c, v in found.items()},
                        }
                    )
                )
    return pd.concat(tables, ignore_index=True)


def _streams(seed: int, ids: list[str], draw: int, purpose: str) -> list[np.random.Generator]:
    return generators(seed, ids, f"draw {draw}, {purpose}")


def _add(steps: Tensor, output: Tensor) -> Tensor:
    return output + steps
