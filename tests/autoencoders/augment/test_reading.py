"""A move is read as what it is: planted moves to another class, none, and half of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from autoencoders.augment.reading import read_moves
from core.data import ImageSet, load_images
from core.models import Classifier


@dataclass(frozen=True)
class Planted:
    """To the middle of the next class, where a stream says so."""

    middles: Tensor
    share: float

    def identity(self) -> dict[str, Any]:
        return {"share": self.share}

    def __call__(self, rows: Tensor, streams: Callable) -> Tensor:
        own = torch.cdist(rows.flatten(1), self.middles.flatten(1)).argmin(1)
        towards = self.middles[(own + 1) % len(self.middles)] - rows
        taken = torch.tensor([g.random() < self.share for g in streams("planted")])
        return torch.where(taken.view(-1, 1, 1, 1), towards, 0)


def test_planted_moves_change_the_class_of_the_nearest_and_those_of_no_length_nothing() -> None:
    whole = load_images("digits", split="train")
    known: ImageSet = whole.take(whole.labels < 3).subset(90)
    images = load_images("digits")
    images = images.take(images.labels < 3).subset(30)
    rows, labels = known.tensors()
    middles = torch.stack([rows[labels == k].mean(0) for k in range(3)])
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    with torch.no_grad():  # the class whose middle is the nearest
        network[1].weight.zero_()
        network[1].weight[:3] = 2 * middles.flatten(1)
        network[1].bias.fill_(-1e3)
        network[1].bias[:3] = -middles.flatten(1).square().sum(1)
    classifier = Classifier(network, spec="test", num_classes=10, in_channels=1).eval()
    moves = {name: Planted(middles, share) for name, share in
             (("all", 1.0), ("none", 0.0), ("half", 0.5))}  # fmt: skip
    read = read_moves(
        classifier, "input", moves, images, rows.numpy(), known.labels, draws=40, seed=0,
        batch_size=11,
    ).set_index("move")  # fmt: skip
    x, _ = images.tensors()
    known_classes = torch.from_numpy(known.labels)

    def nearest(points: Tensor) -> Tensor:
        return torch.cdist(points.flatten(1), rows.flatten(1)).argmin(1)

    own = torch.cdist(x.flatten(1), middles.flatten(1)).argmin(1)
    before, after = nearest(x), nearest(middles[(own + 1) % 3])
    changed = (known_classes[before] != known_classes[after]).double().numpy()
    assert changed.mean() > 0.9
    everything = read.loc["all"].set_index("id").loc[[str(i) for i in images.ids]]
    assert everything["before"].tolist() == before.tolist()
    assert everything["after"].tolist() == after.tolist()
    assert everything["class_changed"].tolist() == changed.tolist()
    assert (everything["prediction_changed"] == 1).all()
    assert (read.loc["none", ["class_changed", "prediction_changed", "length"]] == 0).all(axis=None)
    assert (read.loc["none", "same"] == 1).all()
    half = read.loc["half", "prediction_changed"]
    assert abs(half.mean() - 0.5) < 4 * 0.5 / np.sqrt(30 * 40)
