"""Tables of measures in which everything that differs was put there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

REFERENCE = "pgd(norm=linf, eps=0.1, steps=10, stop=false)"
OTHER = "pgd(norm=linf, eps=0.1, steps=10, momentum=1, stop=false)"
THIRD = "pgd(norm=linf, eps=0.1, steps=10, langevin=0.05, stop=false)"


def planted(
    effects: Mapping[str, Mapping[str, float]],
    n: int = 120,
    *,
    seed: int = 0,
    fooled: Mapping[str, float] | None = None,
    others: Sequence[str] = ("a", "b"),
    transfer: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Return a table of genuine rows and of one group for each recipe.

    Losses vary by orders of magnitude between images and by a factor of two or so between recipes;
    the flatness is the loss times a noise of its own, times what is planted.

    Args:
        effects: recipe -> `flat` (factor of the rise), `loss` (factor of the loss), `l2` (factor).
        n: images.
        seed: of all of it.
        fooled: recipe -> chance that an example fools its own classifier; 0.95 where not given.
        others: names of other classifiers.
        transfer: recipe -> chance that an example fools another one; 0.4 where not given.
    """
    rng = np.random.default_rng(seed)
    ids = np.array([f"x{i:03d}" for i in range(n)], dtype=object)
    base = rng.normal(-6, 2.5, n)
    ease = rng.uniform(size=n)
    # The classifiers' own whims at each image, which all recipes share.
    whims = {name: rng.uniform(size=n) for name in others}
    tables = []
    for group in ["genuine", *effects]:
        genuine = group == "genuine"
        own = effects.get(group, {})
        log_loss = base + np.log(own.get("loss", 1.0)) + rng.normal(0, 0.4, n)
        loss = np.exp(np.minimum(log_loss, np.log(0.6)))
        rise = loss * np.exp(rng.normal(0, 0.3, n)) * own.get("flat", 1.0)
        wins = ease < (fooled or {}).get(group, 0.95)
        table = pd.DataFrame(
            {
                "id": ids, "group": group, "pool": False, "label": 0,
                "prediction": 0 if genuine else np.where(wins, 1, 0), "confidence": np.exp(-loss),
                "loss": loss, "true_loss": -np.log1p(-np.exp(-loss)),
                "gaussian_rise@0.1": rise, "gradient_l2": 3 * loss * np.exp(rng.normal(0, 0.1, n)),
                "l2": 1.0 * own.get("l2", 1.0) * np.exp(rng.normal(0, 0.02, n)), "linf": 0.1,
                "clean_correct": True, "label_changed": False if genuine else wins,
                "status": np.nan if genuine else np.where(wins, "success", "not fooled"),
                "backwards": np.nan if genuine else 10, "hessian_method": "exact",
            }
        )  # fmt: skip
        chance = (transfer or {}).get(group, 0.4)
        for name in others:
            mixed = 0.7 * whims[name] + 0.3 * rng.uniform(size=n)
            table[f"says@{name}"] = 0 if genuine else (mixed < chance).astype(int)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)
