"""What may change the forward pass of a training step: the protocol, and its random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from core.data import ImageSet
from core.models import Classifier
from core.randomness import generator, generators


@dataclass(frozen=True)
class Draws:
    """The random numbers of the examples of one step.

    They depend on the seed, the epoch, the example and the purpose alone: neither the batch that an
    example is in nor an interruption changes them.

    Attributes:
        seed: of the training.
        epoch: counted from 0.
        images: the training images.
        places: of the step's examples among them, in the order of the batch.
    """

    seed: int
    epoch: int
    images: ImageSet
    places: np.ndarray

    def uniform(self, purpose: str) -> np.ndarray:
        """Return a number in [0, 1) for each example of the step, `(b,)`, float64."""
        stream = generator(self.seed, f"epoch {self.epoch}", purpose)
        drawn: np.ndarray = stream.random(len(self.images))[self.places]
        return drawn

    def streams(self, purpose: str, rows: Sequence[int]) -> list[np.random.Generator]:
        """Return a generator for each of some examples of the step, given by row of the batch."""
        ids = self.images.ids[self.places[list(rows)]].tolist()
        return generators(self.seed, ids, f"epoch {self.epoch}, {purpose}")


class Perturbation(Protocol):
    """Changes what a classifier computes in the steps of its training, and in them alone."""

    def identity(self) -> dict[str, Any]:
        """Return plain values that tell this perturbation from others."""

    def __call__(
        self, classifier: Classifier, images: Tensor, labels: Tensor, draws: Draws
    ) -> AbstractContextManager[None]:
        """Return a context in which the step's forward pass is made.

        Afterwards the classifier is as it was before. All that is random is to be drawn from
        `draws`, so that a training that is stopped and continued ends with the same weights.

        Args:
            classifier: in training mode.
            images: `(b, c, h, w)` as the step sees them.
            labels: `(b,)`.
            draws: the examples' random numbers.
        """

    def numbers(self) -> dict[str, float]:
        """Return what there is to say of the steps since the last call, for the epoch's record.

        Each name stands in every epoch, or in none.
        """
