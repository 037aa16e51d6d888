"""Small tables of transfer for the tests."""

from __future__ import annotations

import numpy as np
import pandas as pd

NAMES = ("a", "b", "c")


def random_table(
    n: int = 30,
    recipes: tuple[str, ...] = ("pgd", "noisy"),
    names: tuple[str, ...] = NAMES,
    classes: int = 5,
    seed: int = 0,
) -> pd.DataFrame:
    """Outcomes of n images that differ in how easily they fool, in a row order of no meaning."""
    rng = np.random.default_rng(seed)
    label, ease = rng.integers(0, classes, n), rng.random(n)
    frames = []
    for i, recipe in enumerate(recipes):
        for source in names:
            for victim in names:
                chance = 0.9 if source == victim else 0.15 + 0.5 * ease + 0.1 * i
                fooled = rng.random(n) < chance
                wrong = (label + rng.integers(1, classes, n)) % classes
                columns = {
                    "id": [f"val/{j}" for j in range(n)],
                    "label": label,
                    "recipe": recipe,
                    "source": source,
                    "victim": victim,
                    "fooled": fooled,
                    "prediction": np.where(fooled, wrong, label),
                }
                frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def renamed(table: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    return table.assign(source=table["source"].map(names), victim=table["victim"].map(names))


def pick(frame: pd.DataFrame, **values: str) -> pd.Series:
    """Return the one row with these values."""
    chosen = frame[np.logical_and.reduce([frame[k] == v for k, v in values.items()])]
    assert len(chosen) == 1
    return chosen.iloc[0]


def fooled_ids(table: pd.DataFrame, recipe: str, source: str, victim: str) -> set[str]:
    rows = table[
        (table["recipe"] == recipe) & (table["source"] == source) & (table["victim"] == victim)
    ]
    return set(rows.loc[rows["fooled"], "id"])
