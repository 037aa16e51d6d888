"""The sentence about detectors: what counts is beyond the loss, beyond noise, and no tautology."""

from __future__ import annotations

import numpy as np
import pandas as pd

from landscape.comparison import Comparison, compare
from landscape.findings import findings
from landscape.flatness.catalogue import LABEL
from landscape.flatness.detectors import detectors, on_the_boundary
from landscape.measures import Measure, by_name

NOISE, PGD, NEAREST = "noise(eps=0.1)", "pgd(eps=0.1)", "minnorm(steps=20)"
LABELS = {NOISE: "noise", PGD: "PGD", NEAREST: "nearest"}
MEASURES = by_name(
    [
        Measure("odd", "oddness", "nats"),
        Measure("wide", "width", "nats"),
        Measure("boundary_distance", "distance", "input units", logarithmic=False, family=LABEL),
    ]
)
# How many times larger each measure is than the loss explains.
EXCESS = {
    "genuine": (1, 1, 1), NOISE: (1, 9, 1), PGD: (4, 9, 1), NEAREST: (2, 1, 1e-3),
}  # fmt: skip


def compared(excess: dict[str, tuple[float, ...]]) -> Comparison:
    generator = np.random.default_rng(0)
    loss = np.exp(generator.normal(size=150))
    parts = []
    for group, factors in excess.items():
        values = {
            name: factor * loss * np.exp(0.3 * generator.normal(size=150))
            for name, factor in zip(MEASURES, factors, strict=True)
        }
        parts.append(
            pd.DataFrame(
                {"id": [f"x{i}" for i in range(150)], "group": group, "loss": loss, **values,
                 "status": "" if group == "genuine" else "success", "pool": False,
                 "prediction": 0, "label": 0, "clean_correct": True, "label_changed": True,
                 "confidence": 0.5, "l2": 1.0, "linf": 0.1}
            )
        )  # fmt: skip
    return compare(pd.concat(parts, ignore_index=True), MEASURES)


def test_the_best_is_named_that_noise_does_not_show_beside_the_loss_alone() -> None:
    found = detectors(compared(EXCESS), LABELS)
    assert found.significant
    assert "PGD: oddness, AUC 0." in found.text
    assert "width" not in found.text
    assert "(the loss alone: 0.5" in found.text
    assert "the best of 3 measures, chosen on these examples" in found.text


def test_of_examples_on_the_boundary_it_is_no_measure_of_that() -> None:
    comparison = compared(EXCESS)
    assert on_the_boundary(comparison, NEAREST)
    assert not on_the_boundary(comparison, PGD)
    found = detectors(comparison, LABELS)
    assert "nearest, those of the label aside, which lie at the boundary" in found.text
    assert "construction: oddness" in found.text


def test_what_noise_shows_is_counted_as_no_mark_of_an_attack() -> None:
    answer = findings(compared(EXCESS), LABELS, "odd")[0]
    assert "1 of them are no mark of an attack" in answer.text


def test_where_nothing_is_left_that_is_said() -> None:
    found = detectors(compared({"genuine": (1, 1, 1), NOISE: (1, 9, 1), PGD: (1, 9, 1)}), LABELS)
    assert found.significant is False
    assert found.text.startswith("None of 3 measures")
