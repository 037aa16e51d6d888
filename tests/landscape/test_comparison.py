"""Matching on the loss: what is only confidence vanishes, what is planted is found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from attacks import craft, verify
from landscape.comparison import compare
from landscape.findings import findings
from landscape.flatness.catalogue import MEASURES
from landscape.flatness.measures import measure, reference_labels
from landscape.groups.same_class import donors, same_class_controls
from landscape.loss import Loss
from landscape.measures import Measure, by_name, title
from landscape.sides import LEAST_PAIRS, covariate, twins

ATTACK = "pgd(norm=l2, eps=0.6, steps=10, stop=false)"
CONSTANT = ("stability", "certified", "gradient_coherence", "log_odds")
"""Of a linear classifier: labels kept, one direction of the gradient, no shift but rounding."""
RADII = {"radii": (0.05, 0.1), "worst_case_l2": (0.1,), "worst_case_linf": (0.02,)}


class LinearSoftmax(nn.Module):
    """Two classes: every flatness measure is a function of the loss at the centre."""

    def __init__(self, pixels: int = 16) -> None:
        super().__init__()
        weight = torch.randn(2, pixels, generator=torch.Generator().manual_seed(1))
        weight = torch.stack([weight[0] - weight[0].mean(), -(weight[0] - weight[0].mean())])
        self.register_buffer("weight", 3 * weight.double())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1) @ self.weight.T.to(images)


class PlantedCurvature(nn.Module):
    """Two classes; the second half of the pixels bends the landscape where the first pixel is 1.

    At grey (0.5) the bending term and its gradient are 0: nothing but the curvature differs.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flat = LinearSoftmax(8)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        rows = images.flatten(1)
        logits = self.flat(rows[:, :8])
        bent = (rows[:, 8] > 0.5).to(rows) * (rows[:, 9:] - 0.5).square().sum(1)
        own = logits.argmax(1, keepdim=True)
        return logits.scatter_add(1, own, -40 * bent[:, None])


def table_of(
    classifier: nn.Module, groups: dict[str, torch.Tensor], labels: torch.Tensor, **options: Any
) -> pd.DataFrame:
    """Measure groups of the same examples as the study does."""
    ids = [f"x{i}" for i in range(len(labels))]
    tables = []
    for group, images in groups.items():
        rows = measure(classifier, images, labels, ids=ids, draws=16, **RADII, **options)
        rows = rows.assign(group=group, pool=False, clean_correct=True, label_changed=True)
        step = (images - groups["genuine"]).flatten(1)
        rows["l2"], rows["linf"] = step.norm(dim=1).numpy(), step.abs().amax(1).numpy()
        tables.append(rows.assign(status="" if group == "genuine" else "success"))
    return pd.concat(tables, ignore_index=True)


def test_on_a_linear_softmax_model_matched_aucs_contain_one_half():
    classifier = LinearSoftmax()
    drawn = torch.rand(300, 1, 4, 4, generator=torch.Generator().manual_seed(2)).double()
    labels = classifier(drawn).argmax(1)
    crafted = craft(classifier, drawn, labels, ATTACK)
    table = table_of(classifier, {"genuine": drawn, ATTACK: crafted.images}, labels)
    checked = verify(classifier, drawn, crafted.images, labels, ATTACK)
    table.loc[table["group"] == ATTACK, "status"] = checked["status"].to_numpy()
    found = compare(table, MEASURES).discrimination.set_index("measure")
    raw_differs = (found["auc_low"] > 0.5) | (found["auc_high"] < 0.5)
    constant = found.index.str.startswith(CONSTANT)
    assert raw_differs[~constant].all(), "nothing there to be matched away"
    assert (found["matched_n"] >= LEAST_PAIRS).all()
    inside = (found["matched_low"] <= 0.5) & (found["matched_high"] >= 0.5)
    assert inside[~found.index.str.startswith("log_odds")].all(), found[~inside]
    assert set(found["verdict"][~constant]) == {"not significant", "baseline"}


def controls_of(
    classifier: nn.Module, genuine: torch.Tensor, adversarial: torch.Tensor, seed: int = 0
) -> tuple[torch.Tensor, list[str], np.ndarray]:
    """Return same-class controls, their donors' ids, and which are fine, as a study makes them."""
    ids = [f"x{i}" for i in range(len(genuine))]
    classes, taken = classifier(genuine).argmax(1), classifier(adversarial).argmax(1)
    places = donors(taken.tolist(), ids, classes.tolist(), ids, seed=seed)
    made = same_class_controls(Loss(classifier, taken), genuine[places], adversarial)
    return made.images, [ids[p] for p in places], made.reached.numpy()


@pytest.mark.parametrize("repeats", [12, pytest.param(60, marks=pytest.mark.slow)])
def test_on_a_linear_softmax_model_the_control_leaves_nothing(repeats):
    """Every measure is a function of the loss, so at equal loss intervals have to contain .5."""
    classifier = LinearSoftmax()
    control = f"same_class(like={ATTACK})"
    measures = ["gradient_l2", "hessian_trace", "linearity_gap", "boundary_distance",
                "gaussian_rise"]  # fmt: skip
    missed = pd.Series(0.0, index=["loss", *measures])
    for seed in range(repeats):
        # Far from the box, which the nearest boundary point is not to meet.
        drawn = torch.rand(80, 1, 4, 4, generator=torch.Generator().manual_seed(seed)).double()
        drawn = 0.4 + 0.2 * drawn
        labels = classifier(drawn).argmax(1)
        crafted = craft(classifier, drawn, labels, ATTACK)
        images, donor, reached = controls_of(classifier, drawn, crafted.images, seed)
        groups = {"genuine": drawn, ATTACK: crafted.images, control: images}
        table = table_of(classifier, groups, labels, measures=measures, seed=seed)
        fooled = crafted.success.numpy()
        table.loc[table["group"] == ATTACK, "status"] = np.where(fooled, "success", "not fooled")
        table.loc[table["group"] == control, "status"] = np.where(
            fooled & reached, "success", "loss not reached"
        )
        table.loc[table["group"] == control, "donor"] = donor
        found = compare(table, MEASURES).discrimination
        found["measure"] = found["measure"].str.partition("@")[0]
        found = found.set_index("measure")
        assert (found["control_n"] >= LEAST_PAIRS).all()
        missed += (found["control_low"] > 0.5) | (found["control_high"] < 0.5)
        assert (found["beyond"].fillna(0) == 0).all()
    # Two standard deviations of a proportion of 5 %.
    assert (missed / repeats <= 0.05 + 2 * (0.05 * 0.95 / repeats) ** 0.5).all(), missed


@pytest.mark.parametrize("repeats", [60, pytest.param(300, marks=pytest.mark.slow)])
def test_what_depends_on_loss_and_image_alone_is_claimed_no_more_often_than_stated(repeats):
    """Images have a value of their own, their versions share it, and some give several controls."""
    generator = np.random.default_rng(1)
    missed = claimed = 0
    for _ in range(repeats):
        loss, own = np.exp(2 * generator.normal(size=60)), generator.normal(size=60)
        donor = generator.integers(0, 20, 60)
        values = [
            level * np.exp(effect + 0.3 * generator.normal(size=60))
            for level, effect in ((loss, own), (loss, own[donor]), (loss / 1000, own))
        ]
        table = controlled_table(values[0], values[1], values[2], loss)
        table.loc[table["group"].str.startswith("same_class"), "donor"] = [f"x{d}" for d in donor]
        row = compare(table, RISE).discrimination.set_index("measure").loc["rise"]
        missed += not row["control_low"] <= 0.5 <= row["control_high"]
        claimed += row["beyond"] != 0
    assert missed / repeats <= 0.05 + 2 * (0.05 * 0.95 / repeats) ** 0.5
    assert claimed <= missed


def test_a_measure_that_some_images_lack_is_compared_among_those_that_have_it():
    generator = np.random.default_rng(0)
    loss = np.exp(generator.normal(size=100))
    noise = np.exp(0.3 * generator.normal(size=(3, 100)))
    table = controlled_table(3 * loss * noise[0], loss * noise[2], loss * noise[1], loss)
    table["loss"] = np.tile(loss, 3)
    gone = (table["id"].isin(["x1", "x2"]) & (table["group"] == "genuine")) | (
        table["id"].isin(["x2", "x3", "x4"]) & (table["group"] == "pgd(eps=0.1)")
    )
    table.loc[gone, "rise"] = [np.nan, np.inf, np.nan, np.nan, np.inf]
    found = compare(table, RISE)
    row = found.discrimination.set_index("measure").loc["rise"]
    assert found.paired["n"].tolist() == [96]
    assert row["n"] == 96
    assert row["control_n"] == 97
    assert 90 <= row["matched_n"] <= 97
    kept = table[~table["id"].isin(["x1", "x2", "x3", "x4"])]
    same = compare(kept, RISE).discrimination.set_index("measure").loc["rise"]
    assert row["auc"] == same["auc"]
    assert row["verdict"] == "survives"
    few = table.assign(rise=table["rise"].where(table["id"].str.len() < 3))
    row = compare(few, RISE).discrimination.set_index("measure").loc["rise"]
    assert np.isnan(row["auc"])
    assert row["verdict"] == "too few"


def test_planted_curvature_is_found_with_auc_of_at_least_nine_tenths():
    classifier = PlantedCurvature()
    images = torch.full((200, 1, 1, 24), 0.5, dtype=torch.float64)
    images[..., :8] = torch.rand(200, 1, 1, 8, generator=torch.Generator().manual_seed(3))
    bent = images.clone()
    images[..., 8], bent[..., 8] = 0.0, 1.0
    labels = classifier(images).argmax(1)
    table = table_of(classifier, {"genuine": images, "planted": bent}, labels)
    found = compare(table, MEASURES).discrimination.set_index("measure")
    rise = found.loc["gaussian_rise@0.1"]
    assert rise["auc"] >= 0.9
    assert rise["matched_auc"] >= 0.9
    assert rise["matched_low"] > 0.5
    assert rise["verdict"] == "survives"
    assert found.loc["loss", "auc"] == pytest.approx(0.5, abs=0.01)


def controlled_table(
    ours: np.ndarray, control: np.ndarray, genuine: np.ndarray, loss: np.ndarray
) -> pd.DataFrame:
    """Return a table of one measure; the genuine losses are far from those of the group."""
    n = len(ours)
    parts = {
        "genuine": (genuine, loss / 1000, ""),
        "pgd(eps=0.1)": (ours, loss, "success"),
        "same_class(like=pgd(eps=0.1))": (control, loss, "success"),
    }
    rows = [
        pd.DataFrame(
            {"id": [f"x{i}" for i in range(n)], "group": group, "loss": own, "rise": values,
             "status": status, "pool": False, "prediction": 0, "label": 0, "clean_correct": True,
             "label_changed": True, "confidence": 0.5, "l2": 1.0, "linf": 0.1}
        )
        for group, (values, own, status) in parts.items()
    ]  # fmt: skip
    return pd.concat(rows, ignore_index=True)


RISE = by_name([Measure("rise", "rise", "nats")])


def test_what_the_same_class_control_shares_is_no_finding_and_what_it_lacks_is_one():
    generator = np.random.default_rng(0)
    loss = np.exp(generator.normal(size=200))
    noise = np.exp(0.3 * generator.normal(size=(3, 200)))
    ours, genuine = loss * noise[0], loss / 1000 * noise[1]
    shared = compare(controlled_table(ours, loss * noise[2], genuine, loss), RISE)
    lacking = compare(controlled_table(3 * ours, loss * noise[2], genuine, loss), RISE)
    for found, verdict, beyond in (
        (shared, "not significant", 0),
        (lacking, "survives", 1),
    ):
        row = found.discrimination.set_index("measure").loc["rise"]
        assert row["control_n"] == 200
        assert row["verdict"] == "no overlap"
        assert row["control_verdict"] == verdict
        assert row["beyond"] == beyond
    row = lacking.discrimination.set_index("measure").loc["rise"]
    assert row["control_effect_low"] < 3 < row["control_effect_high"]
    text = findings(lacking, {"pgd(eps=0.1)": "PGD"}, "rise")[1].text
    assert "Against the same-class control: the difference stays" in text


def test_a_difference_that_only_one_comparison_at_equal_loss_shows_is_not_claimed():
    generator = np.random.default_rng(0)
    loss = np.exp(generator.normal(size=200))
    noise = np.exp(0.3 * generator.normal(size=(3, 200)))
    table = controlled_table(3 * loss * noise[0], 3 * loss * noise[2], loss * noise[1], loss)
    table["loss"] = np.tile(loss, 3)
    row = compare(table, RISE).discrimination.set_index("measure").loc["rise"]
    assert row["verdict"] == "survives"
    assert row["control_verdict"] == "not significant"
    assert row["beyond"] == 0


def test_no_control_is_claimed_too_often_where_there_is_nothing():
    """Values that depend on the loss alone, and a control whose loss is a little off, one way."""
    generator = np.random.default_rng(0)
    wrong = 0
    for _ in range(60):
        loss = np.exp(2 * generator.normal(size=60))
        table = controlled_table(loss, loss * 1.001, loss / 1000, loss)
        wrong += compare(table, RISE).discrimination.set_index("measure").loc["rise", "beyond"] != 0
    assert wrong == 0


def test_the_findings_name_the_number_of_pairs_and_do_not_claim_what_they_cannot():
    classifier = LinearSoftmax()
    drawn = torch.rand(12, 1, 4, 4, generator=torch.Generator().manual_seed(2)).double()
    labels = classifier(drawn).argmax(1)
    table = table_of(classifier, {"genuine": drawn, "pgd(eps=0.1)": drawn * 0.9}, labels)
    found = findings(compare(table, MEASURES), {"pgd(eps=0.1)": "PGD"}, "gaussian_rise")
    assert all(f.significant is None for f in found)
    assert "12 usable pairs are too few" in found[1].text


def test_only_successes_and_their_own_twins_are_paired():
    rows = pd.DataFrame(
        {
            "id": ["a", "b", "c", "b", "a", "c"],
            "group": ["genuine"] * 3 + ["pgd()"] * 3,
            "pool": False,
            "status": ["", "", "", "success", "outside ball", "success"],
            "loss": [1.0, 2.0, 3.0, 20.0, 10.0, np.nan],
        }
    )
    ours, genuine = twins(rows, "pgd()")
    assert list(ours.index) == ["b"]
    assert genuine["loss"].tolist() == [2.0]


def test_without_a_measure_the_loss_is_the_only_row():
    one = {"pool": False, "clean_correct": True, "label_changed": True, "confidence": 0.9}
    rows = {"id": list("abc"), "loss": [0.1, 0.2, 0.3], "label": 0, "l2": 0.1, "linf": 0.1, **one}
    genuine = pd.DataFrame(rows).assign(group="genuine", status="", prediction=0)
    ours = pd.DataFrame(rows).assign(group="fgsm", status="success", prediction=1)
    found = compare(pd.concat([genuine, ours], ignore_index=True), {})
    assert found.paired.empty
    assert found.discrimination["measure"].tolist() == ["loss"]
    assert found.groups["compared"].tolist() == [3]


@pytest.mark.parametrize("loss", ["cross_entropy", "log_probability", "margin"])
def test_examples_are_matched_on_the_log_loss_where_it_has_one(loss):
    values = pd.DataFrame({"loss": [1e-9, 1e-3] if loss != "log_probability" else [-1e-9, -1e-3]})
    expected = values["loss"] if loss == "margin" else np.log(np.abs(values["loss"]))
    np.testing.assert_allclose(covariate(values, loss), expected)


def test_reference_labels_are_the_predicted_the_true_and_the_runner_up():
    logits = torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    labels = torch.tensor([0, 1])
    assert reference_labels(logits, labels, "predicted").tolist() == [0, 0]
    assert reference_labels(logits, labels, "true").tolist() == [0, 1]
    assert reference_labels(logits, labels, "target").tolist() == [1, 0]


@pytest.mark.parametrize("batch_size", [1, 7])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_measures_of_given_images_do_not_depend_on_the_batch_size(dtype, tolerance, batch_size):
    torch_generator = torch.Generator().manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3)).to(dtype)
    for parameter in net.parameters():
        parameter.requires_grad_(False).copy_(
            torch.randn(parameter.shape, generator=torch_generator) / 4
        )
    images = torch.rand(9, 1, 8, 8, generator=torch_generator).to(dtype)
    labels = torch.zeros(9, dtype=torch.long)
    small, large = (
        measure(net, images, labels, draws=8, batch_size=b, **RADII) for b in (batch_size, 256)
    )
    numbers = large.select_dtypes("number").columns
    # A rise is a difference of losses of order 1, each rounded: that is all it can be off by.
    rounding = 8 * torch.finfo(dtype).eps * max(1.0, float(large["loss"].max()))
    allowed = tolerance * large[numbers].abs() + rounding
    excess = ((small[numbers] - large[numbers]).abs() / allowed).max()
    assert (excess <= 1).all(), excess[excess > 1]


def test_a_row_that_is_not_finite_is_kept_as_missing():
    images = torch.rand(3, 1, 4, 4).double()
    images[1, 0, 0, 0] = torch.nan
    rows = measure(LinearSoftmax(), images, torch.zeros(3, dtype=torch.long), draws=4, **RADII)
    assert rows["id"].tolist() == ["0", "1", "2"]
    assert rows["loss"].isna().tolist() == [False, True, False]


def test_every_measure_has_a_title():
    for name in MEASURES:
        assert title(name, MEASURES, short=True)
        assert title(f"{name}@0.5", MEASURES).startswith(MEASURES[name].title)
