"""Planted differences are found with their sign and size; where there is none, none is claimed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from autoencoders.augment.comparisons import differences, means
from autoencoders.augment.findings import findings

IDS = [f"x{i}" for i in range(80)]


@dataclass
class Settings:
    """The settings of a study that its comparisons look at."""

    layers: tuple[str, ...] = ("input", "4")
    attacks: tuple[str, ...] = ("pgd(eps=0.1)",)
    seed: int = 0

    def start_of(self, layer: str) -> str:
        return "scratch" if layer == "input" else "reference"


@pytest.fixture
def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return judged images and read moves: at the input the autoencoder adds 2 to the slope."""
    rng = np.random.default_rng(0)
    own = rng.normal(5, 1, len(IDS))
    ways = [("none", "", "scratch"), ("none", "", "reference")]
    ways += [(arm, layer, Settings().start_of(layer)) for layer in ("input", "4")
             for arm in ("noise", "autoencoder")]  # fmt: skip
    rows = []
    for arm, layer, start in ways:
        for number in range(4):
            planted = 2.0 * (arm == "autoencoder" and layer == "input")
            noise = rng.normal(0, 0.1) + rng.normal(0, 0.3, len(IDS))
            rows.append(
                pd.DataFrame(
                    {
                        "id": IDS,
                        "right": rng.random(len(IDS)) < 0.9,
                        "robust0": rng.random(len(IDS)) < 0.5,
                        "loss": rng.random(len(IDS)),
                        "gradient": rng.random(len(IDS)),
                        "rise": rng.random(len(IDS)),
                        "slope": own + planted + noise,
                        "arm": arm, "layer": layer, "start": start, "number": number,
                    }
                ).sample(frac=1, random_state=number)
            )  # fmt: skip
    read = [
        pd.DataFrame(
            {"id": IDS, "move": move, "layer": layer, "same": 0.5,
             "class_changed": rng.integers(0, 3, len(IDS)) / 10 + planted}
        )
        for layer in ("input", "4")
        for move, planted in (("autoencoder", 0.4 * (layer == "4")), ("noise", 0.0))
    ]  # fmt: skip
    return pd.concat(rows, ignore_index=True), pd.concat(read, ignore_index=True)


def test_planted_differences_are_shown_and_no_others(tables) -> None:
    found = differences(Settings(), *tables)
    shown = found[found["shown"]].set_index(["layer", "first", "second", "measure"])
    assert set(shown.index) == {
        ("input", "autoencoder", "none", "slope"),
        ("input", "autoencoder", "noise", "slope"),
        ("4", "autoencoder", "noise", "class_changed"),
    }
    slope = shown.loc[("input", "autoencoder", "none", "slope")]
    assert slope["low"] < 2 < slope["high"]
    assert slope["high"] - slope["low"] < 0.8
    assert shown.loc[("4", "autoencoder", "noise", "class_changed")]["estimate"] == pytest.approx(
        40, abs=4
    )


def test_p_values_are_corrected_over_the_whole_study(tables) -> None:
    found = differences(Settings(), *tables)
    assert len(found) == 2 * (3 * 5 + 1)
    smallest = found["p"].idxmin()
    assert found["p_holm"][smallest] == pytest.approx(len(found) * found["p"][smallest])


def test_findings_say_where_no_difference_is_shown(tables) -> None:
    said = findings(Settings(), differences(Settings(), *tables), tables[1])
    texts = {(f.about, f.significant): f.text for f in said}
    assert len(said) == 2 * 4
    assert "slope of the log-odds +" in texts["input", True]
    none = [f for f in said if not f.significant]
    assert none
    assert all(f.verdict == "no difference shown" and "no difference shown" in f.text for f in none)


def test_means_are_those_of_each_way(tables) -> None:
    table = means(Settings(), tables[0])
    judged = tables[0]
    own = judged[(judged["arm"] == "none") & (judged["start"] == "scratch")]
    shown = table[(table["layer"] == "input") & (table["moves"] == "none")]
    said = shown["slope of the log-odds (nats per unit)"].iloc[0]
    assert float(said.split()[0]) == pytest.approx(own["slope"].mean(), abs=0.05)
