"""What all models of a layer are judged beside: the whole classifier, ablations, an attack."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from attacks import craft
from attacks.defaults import DEFAULT_DIGITS, DEFAULT_PHOTOGRAPHS
from autoencoders.quality.splicing import logits, spliced
from core.data import ImageSet
from core.layers import capture
from core.models import Classifier, evaluating
from core.randomness import generator
from core.representations import Moments

MOVED = 200
"""Examples that are attacked to know how far an attack moves representations."""


@dataclass(frozen=True)
class Reference:
    """What is known of a classifier and one of its layers before any model is judged.

    Attributes:
        logits: of the whole classifier, `(n, k)`.
        accuracy: of the whole classifier.
        cross_entropy: its mean, in nats.
        cross_entropy_zero: with zeros in place of the layer's output.
        cross_entropy_mean: with the training mean there.
        moved: how far PGD moves each example's representation, in l2, `(n,)`; NaN for those that
            were not attacked, were wrong already, or did not move.
    """

    logits: Tensor
    accuracy: float
    cross_entropy: float
    cross_entropy_zero: float
    cross_entropy_mean: float
    moved: np.ndarray

    def of_attack(self, errors: np.ndarray) -> float:
        """Return the median of errors `(n,)` in units of how far the attack moves."""
        known = ~np.isnan(self.moved)
        return float(np.median(errors[known] / self.moved[known])) if known.any() else float("nan")

    def frame(self) -> pd.DataFrame:
        """Return the reference as a table, a row for each example."""
        return pd.DataFrame(
            {
                "logits": self.logits.numpy().tolist(),
                "moved": self.moved,
                "accuracy": self.accuracy,
                "cross_entropy": self.cross_entropy,
                "cross_entropy_zero": self.cross_entropy_zero,
                "cross_entropy_mean": self.cross_entropy_mean,
            }
        )

    @staticmethod
    def of(table: pd.DataFrame) -> Reference:
        """Return the reference of a table."""
        first = table.iloc[0]
        return Reference(
            torch.tensor(np.stack(table["logits"].to_list()), dtype=torch.float32),
            accuracy=float(first["accuracy"]),
            cross_entropy=float(first["cross_entropy"]),
            cross_entropy_zero=float(first["cross_entropy_zero"]),
            cross_entropy_mean=float(first["cross_entropy_mean"]),
            moved=table["moved"].to_numpy(float),
        )


def measured(
    classifier: Classifier,
    images: ImageSet,
    layer: str,
    moments: Moments,
    *,
    data: str,
    seed: int,
    batch_size: int,
) -> Reference:
    """Measure a classifier and one of its layers on the images that models are judged on.

    Cost: three forward passes per image, and PGD on at most `MOVED` of them.
    """
    own = logits(classifier, images, batch_size=batch_size)
    mean = torch.tensor(moments.mean)
    whole, zero, average = (
        spliced(classifier, images, layer, function, whole=own, batch_size=batch_size)
        for function in (
            lambda output: output,
            torch.zeros_like,
            lambda output: mean.to(output).expand_as(output).clone(),
        )
    )
    return Reference(
        own,
        accuracy=float(whole.right.double().mean()),
        cross_entropy=float(whole.cross_entropy.mean()),
        cross_entropy_zero=float(zero.cross_entropy.mean()),
        cross_entropy_mean=float(average.cross_entropy.mean()),
        moved=_moved(classifier, images, layer, data, seed, batch_size),
    )


def _moved(
    classifier: Classifier, images: ImageSet, layer: str, data: str, seed: int, batch_size: int
) -> np.ndarray:
    recipe = (DEFAULT_DIGITS if data == "digits" else DEFAULT_PHOTOGRAPHS)[2]
    count = min(MOVED, len(images))
    chosen = np.sort(generator(seed, "attacked", "judging").permutation(len(images))[:count])
    device = next(classifier.parameters(), torch.empty(0)).device
    x, labels = images.tensors(chosen, device=device)
    ids = [str(images.ids[i]) for i in chosen]
    made = craft(classifier, x, labels, recipe, seed=seed, ids=ids, batch_size=batch_size)
    lengths = np.concatenate(
        [
            _distances(classifier, layer, x[part], made.images[part].to(x))
            for part in torch.arange(count).split(batch_size)
        ]
    )
    right = made.clean_correct.cpu().numpy() & (lengths > 0)
    found = np.full(len(images), np.nan)
    found[chosen[right]] = lengths[right]
    return found


def _distances(classifier: Classifier, layer: str, before: Tensor, after: Tensor) -> np.ndarray:
    with torch.no_grad(), evaluating(classifier):
        first, second = (capture(classifier, [layer], x)[layer] for x in (before, after))
    found: np.ndarray = (first - second).flatten(1).double().norm(dim=1).cpu().numpy()
    return found
