"""Augmentation at a layer, as the training loop takes it: whom it moves, and how."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from attacks.norms import lengths
from autoencoders.augment.moves import Move
from core.errors import InputError
from core.layers import replacing
from core.models import Classifier, evaluating
from core.training import Draws


def checked_probability(probability: float) -> float:
    """Return the probability.

    Raises:
        InputError: it is not from 0 to below 1.
    """
    if isinstance(probability, bool) or not 0 <= probability < 1:
        raise InputError(
            f"--probability: expected a number from 0 to below 1, found {probability!r}: a "
            "classifier has to see its images themselves, too."
        )
    return float(probability)


class LayerAugmentation:
    """Moves a layer's outputs in training steps, for some of the examples that are right.

    Each example is drawn with a probability, anew in each epoch. Of those drawn, the ones whose
    image the classifier, as it is at this step and in eval mode, classifies correctly are moved:
    what it gets wrong is to be learnt first, and a move from there has no label to keep. The step
    taken is a constant to the gradient, `h + step(h)`: what comes after the layer is trained on the
    moved output, and what comes before it gets the gradient at the moved output as if it were its
    own. So a move through an autoencoder and noise differ in where they go, and in nothing else.

    Cost of a step: a forward pass without gradient for the examples drawn, and the move for those
    that are moved. With probability 0 there is none, and the weights are those of a training
    without augmentation, bit for bit.

    Args:
        layer: its name; `input` is the image itself.
        move: what is done to its outputs.
        probability: of an example being drawn in an epoch, from 0 to below 1.

    Raises:
        InputError: a probability that is none of these.
    """

    def __init__(self, layer: str, move: Move, probability: float = 0.5) -> None:
        self.layer, self.move = layer, move
        self.probability = checked_probability(probability)
        self._begin()

    def identity(self) -> dict[str, Any]:
        """Return the settings and the move's own identity."""
        return {
            "layer": self.layer,
            "probability": self.probability,
            "move": self.move.identity(),
        }

    def numbers(self) -> dict[str, float]:
        """Return means since the last call, and begin anew.

        `drawn`: share of the examples that the probability has chosen; `augmented`: share that was
        moved; `length`: mean l2 length of the steps; `relative_length`: mean of it over that of the
        output; NaN where nothing was moved.
        """
        seen, moved = max(self._seen, 1), self._moved or float("nan")
        found = {
            "drawn": self._drawn / seen,
            "augmented": self._moved / seen,
            "length": self._length / moved,
            "relative_length": self._relative / moved,
        }
        self._begin()
        return found

    @contextmanager
    def __call__(
        self, classifier: Classifier, images: Tensor, labels: Tensor, draws: Draws
    ) -> Iterator[None]:
        """Move outputs of the layer in forward passes of these images inside the block."""
        rows = self.chosen(classifier, images, labels, draws)
        if not len(rows):
            yield
            return
        numbers = rows.tolist()

        def moved(output: Tensor) -> Tensor:
            with torch.no_grad(), torch.autocast(output.device.type, enabled=False):
                own = output.detach()[rows].float()
                steps = self.move(own, lambda purpose: draws.streams(purpose, numbers))
                self._note(own, steps)
                added = torch.zeros_like(output).index_copy(0, rows, steps.to(output.dtype))
            return output + added

        with replacing(classifier, self.layer, moved):
            yield

    def chosen(
        self, classifier: Classifier, images: Tensor, labels: Tensor, draws: Draws
    ) -> Tensor:
        """Return the rows of the batch that are moved: drawn, and classified correctly as yet."""
        self._seen += len(images)
        drawn = torch.from_numpy((draws.uniform("augmented") < self.probability).nonzero()[0])
        self._drawn += len(drawn)
        drawn = drawn.to(images.device)
        if not len(drawn):
            return drawn
        with torch.no_grad(), evaluating(classifier):
            right = classifier(images[drawn]).argmax(1) == labels[drawn]
        return drawn[right]

    def _note(self, outputs: Tensor, steps: Tensor) -> None:
        long = lengths(steps, "l2").double()
        whole = lengths(outputs, "l2").double().clamp_min(1e-30)
        self._moved += len(steps)
        self._length += float(long.sum())
        self._relative += float((long / whole).sum())

    def _begin(self) -> None:
        self._seen = self._drawn = self._moved = 0
        self._length = self._relative = 0.0
