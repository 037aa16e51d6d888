"""What recorded ways pass through is what the reference classifier finds there."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from attacks import craft
from core.errors import InputError
from core.losses import cross_entropy
from landscape.loss import Loss
from landscape.noise.following import followed
from landscape.noise.ways import turning

RECIPES = (
    "pgd(norm=l2, eps=0.4, steps=5, stop=false)",
    "pgd(eps=0.1, steps=4, noisy=gaussian, noise_scale=0.3)",
    "pgd(eps=0.05, steps=4, restarts=2)",
    "minnorm(norm=l2, steps=22)",
)


def setting(n: int = 7):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.Tanh(), nn.Linear(12, 4)).double()
    model.requires_grad_(False)
    images = torch.rand(n, 1, 4, 4, generator=torch.Generator().manual_seed(1)).double()
    labels = model(images).argmax(1)
    labels[0] = (labels[0] + 1) % 4
    return model, images, labels


@pytest.mark.parametrize("recipe", RECIPES)
def test_loss_and_label_are_those_of_the_reference_at_every_point(recipe):
    model, images, labels = setting()
    ids = [f"x{i}" for i in range(len(images))]
    way = craft(model, images, labels, recipe, ids=ids, record=True).trajectories
    table = followed(Loss(model, labels), images, way, ids=ids)
    assert "x0" not in set(table["id"]), "a wrong image takes no way"
    cosines = turning(way.points, way.run)
    rows = table.set_index(["id", "run", "step"])
    seen = 0
    for i in range(1, len(images)):
        for t in range(len(way.run)):
            if way.length[i, t].isnan():
                continue
            row = rows.loc[(f"x{i}", int(way.run[t]), int(way.step[t]))]
            point = way.points[i, t : t + 1].squeeze(0).unsqueeze(0)
            logits = model(point)
            assert row["loss"] == pytest.approx(float(cross_entropy(logits, labels[i : i + 1])))
            assert row["fooled"] == (int(logits.argmax(1)) != int(labels[i]))
            assert row["l2"] == pytest.approx(float((point - images[i]).norm()))
            assert row["spent"] == int(way.spent[t])
            np.testing.assert_allclose(row["cosine"], cosines[i, t])
            seen += 1
    assert seen == len(table)


def test_the_batch_size_changes_float_rounding_only():
    model, images, labels = setting()
    way = craft(model, images, labels, RECIPES[0], record=True).trajectories
    one, many = (
        followed(Loss(model, labels), images, way, batch_size=size).drop(columns="id")
        for size in (1, 256)
    )
    np.testing.assert_allclose(one.to_numpy(float), many.to_numpy(float), rtol=1e-12, atol=1e-12)


def test_ways_without_points_cannot_be_followed():
    model, images, labels = setting()
    way = craft(model, images, labels, RECIPES[0], record="figures").trajectories
    with pytest.raises(InputError, match="way: its points are needed"):
        followed(Loss(model, labels), images, way)
    nobody = craft(model, images[:0], labels[:0], RECIPES[0], record=True).trajectories
    assert not len(followed(Loss(model, labels[:0]), images[:0], nobody))
