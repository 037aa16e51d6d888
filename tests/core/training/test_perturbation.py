"""A perturbation is in the steps alone, and its random numbers belong to examples."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.layers import replacing
from core.training import Draws, TrainingSettings, train
from core.training.epochs import METRICS


class Shut:
    """Puts zeros in place of the image, and says how often."""

    def __init__(self) -> None:
        self.steps = 0
        self.modes: list[bool] = []

    def identity(self) -> dict[str, Any]:
        return {"kind": "shut"}

    def numbers(self) -> dict[str, float]:
        found, self.steps = self.steps, 0
        return {"shut": float(found)}

    @contextmanager
    def __call__(self, classifier, images, labels, draws) -> Iterator[None]:
        self.steps += 1
        self.modes.append(classifier.network.training)
        assert np.array_equal(draws.images.labels[draws.places], labels.numpy())
        with replacing(classifier, "input", torch.zeros_like):
            yield


def test_it_changes_the_steps_and_not_what_is_looked_at(tmp_path: Path, digits, untrained) -> None:
    settings = TrainingSettings(epochs=2, batch_size=32)
    shut, classifier = Shut(), untrained()
    filters = classifier.network[0].weight.detach().clone()
    result = train(classifier, *digits(64, 20), settings, tmp_path, perturb=shut)
    assert [record.numbers for record in result.history] == [{"shut": 2.0}] * 2
    assert all(shut.modes)
    # A filter that has seen nothing but zeros is only made smaller, by weight decay.
    after = classifier.network[0].weight.detach()
    ratio = after / filters
    torch.testing.assert_close(ratio, ratio.mean().expand_as(ratio))
    header = (tmp_path / METRICS).read_text().splitlines()[0]
    assert header.endswith("seconds,shut")
    again = train(untrained(), *digits(64, 20), settings, tmp_path, perturb=Shut())
    assert again.trained == 0
    assert again.history == result.history


def test_an_examples_numbers_depend_on_seed_epoch_and_purpose_not_on_its_batch(digits) -> None:
    images = digits(40, 20)[0]
    whole = Draws(0, 1, images, np.arange(40))
    part = Draws(0, 1, images, np.array([30, 7]))
    assert part.uniform("a").tolist() == whole.uniform("a")[[30, 7]].tolist()
    drawn = [g.random() for g in part.streams("a", [1])]
    assert drawn == [g.random() for g in whole.streams("a", [7])]
    others = [
        Draws(1, 1, images, np.arange(40)), Draws(0, 2, images, np.arange(40)),
    ]  # fmt: skip
    for other in others:
        assert other.uniform("a").tolist() != whole.uniform("a").tolist()
        assert drawn != [g.random() for g in other.streams("a", [7])]
    assert whole.uniform("b").tolist() != whole.uniform("a").tolist()
