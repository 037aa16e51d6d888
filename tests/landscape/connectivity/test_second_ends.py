"""Is an image adversarial? What is planted is found, what the loss alone explains is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from attacks import craft
from landscape.comparison import LEAST_PAIRS, compare
from landscape.connectivity import barrier, bypass, straight_line
from landscape.connectivity.second_ends import MEASURES, partners, second_ends
from landscape.loss import Loss
from tests.landscape.connectivity.test_scan import network

PIXELS = 9


class Walled(nn.Module):
    """Two classes, linear in the first pixels; a wall where the last pixel is about one half."""

    def __init__(self, height: float) -> None:
        super().__init__()
        weight = torch.randn(PIXELS - 1, generator=torch.Generator().manual_seed(1)).double()
        self.register_buffer("weight", 8 * (weight - weight.mean()))
        self.height = height

    def forward(self, images: Tensor) -> Tensor:
        rows = images.flatten(1)
        margin = rows[:, :-1] @ self.weight
        wall = (1 - 4 * (rows[:, -1] - 0.5).abs()).clamp_min(0)
        margin = margin - self.height * wall * margin.sign()
        return torch.stack([margin, -margin], 1) / 2


def table_of(classifier: nn.Module, groups: dict[str, Tensor], labels: Tensor) -> pd.DataFrame:
    """Measure groups of the same examples as the study does."""
    ids = [f"x{i:03d}" for i in range(len(labels))]
    genuine = groups["genuine"]
    known = list(zip(ids, labels.tolist(), strict=True))
    tables = []
    for group, images in groups.items():
        classes = classifier(images).argmax(1)
        chosen = partners(list(zip(ids, classes.tolist(), strict=True)), known, 4)
        rows = second_ends(classifier, images, classes, genuine, chosen)
        step = (images - genuine).flatten(1)
        rows = rows.assign(
            id=ids, group=group, pool=False, label=labels.numpy(), prediction=classes.numpy(),
            loss=Loss(classifier, classes)(images).numpy(), confidence=0.5, clean_correct=True,
            label_changed=True, l2=step.norm(dim=1).numpy(), linf=step.abs().amax(1).numpy(),
            status="" if group == "genuine" else "success",
        )  # fmt: skip
        tables.append(rows)
    return pd.concat(tables, ignore_index=True)


def images_of(n: int, classifier: nn.Module) -> tuple[Tensor, Tensor]:
    images = torch.rand(n, 1, 1, PIXELS, generator=torch.Generator().manual_seed(2)).double()
    images[..., -1] = 0
    return images, classifier(images).argmax(1)


def test_ends_planted_behind_a_wall_are_told_apart_at_equal_loss() -> None:
    classifier = Walled(height=20.0)
    images, labels = images_of(160, classifier)
    planted = images.clone()
    planted[..., -1] = 1  # same loss, same class, on the other side of the wall
    table = table_of(classifier, {"genuine": images, "planted": planted}, labels)
    found = compare(table, MEASURES).discrimination.set_index("measure")
    assert found.loc["loss", "auc_low"] <= 0.5 <= found.loc["loss", "auc_high"]
    for name in ("straight_barrier", "bypass_gradients", "straight_area"):
        assert found.loc[name, "matched_auc"] >= 0.9, name
        assert found.loc[name, "beyond"] == 1
    assert found.loc["straight_kept", "matched_auc"] <= 0.1


def test_of_a_linear_classifier_s_adversarial_images_nothing_is_left_beyond_the_loss() -> None:
    classifier = Walled(height=0.0)
    images, labels = images_of(240, classifier)
    attack = "pgd(norm=l2, eps=0.4, steps=10, stop=false)"
    crafted = craft(classifier, images, labels, attack)
    table = table_of(classifier, {"genuine": images, attack: crafted.images}, labels)
    fooled = crafted.success.numpy()
    assert fooled.mean() > 0.7
    table.loc[table["group"] == attack, "status"] = np.where(fooled, "success", "not fooled")
    found = compare(table, MEASURES).discrimination.set_index("measure")
    assert (found["matched_n"] >= LEAST_PAIRS).all()
    assert (table["straight_barrier"] < 1e-9).all()  # the class of a linear classifier is convex
    assert (found["beyond"].drop("loss") == 0).all(), found[["matched_low", "matched_high"]]


def test_means_and_errors_are_those_of_a_search_for_each_line() -> None:
    loss, images, genuine = network()
    label = int(loss.labels[0])
    images, genuine = images[:12], genuine[:30]
    chosen = [[i, i + 1, i + 5][: i % 4] for i in range(12)]
    classes = torch.full((12,), label)
    found = second_ends(loss.classifier, images, classes, genuine, chosen, points=33)
    assert found["partners"].tolist() == [i % 4 for i in range(12)]
    for i, some in enumerate(chosen):
        rows = []
        for j in some:
            one, first, second = Loss(loss.classifier, classes[:1]), genuine[[j]], images[[i]]
            line = barrier(one, straight_line(first, second), 33)
            path = bypass(one, first, second)
            rows.append(
                [line.barrier, line.mean - (line.first + line.second) / 2, line.kept,
                 barrier(one, path, 1001).deviation, path.gradients, path.chords()]
            )  # fmt: skip
        values = np.array([[float(v) for v in row] for row in rows])
        for k, name in enumerate(MEASURES):
            if not some:
                assert np.isnan(found[name][i])
                continue
            # A node may lie between two of the 1,001 points.
            np.testing.assert_allclose(found[name][i], values[:, k].mean(), rtol=2e-3, atol=1e-9)
            if len(some) > 1:
                error = values[:, k].std(ddof=1) / len(some) ** 0.5
                np.testing.assert_allclose(found[f"{name}_se"][i], error, rtol=1e-2, atol=1e-4)


GENUINE = [(f"g{i:02d}", i % 3) for i in range(30)]


def test_partners_are_of_the_class_and_neither_the_image_itself_nor_the_excluded_one() -> None:
    ends = [*GENUINE, ("g00", 2)]
    excluded = ["g06", *[""] * 29, "g05"]
    for (name, own), other, some in zip(
        ends, excluded, partners(ends, GENUINE, 4, excluded=excluded), strict=True
    ):
        assert len(some) == len(set(some)) == 4
        assert all(GENUINE[j][1] == own and GENUINE[j][0] not in (name, other) for j in some)


def test_the_choice_depends_on_the_end_and_the_seed_alone() -> None:
    back = GENUINE[::-1]
    one = partners([("a", 0), ("b", 0)], GENUINE, 5)
    two = partners([("b", 0)], back, 5)
    assert [GENUINE[j] for j in one[1]] == [back[j] for j in two[0]]
    assert one[0] != one[1]
    assert partners([("a", 0)], GENUINE, 5, seed=1) != one[:1]
    assert [len(some) for some in partners([("a", 7), ("g00", 0)], GENUINE, 50)] == [0, 9]
