"""From examples to rows and comparisons: who is looked at, who is paired with whom."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from autoencoders.manifold import groups
from autoencoders.manifold.analysis import comparisons, looked_at, outcomes


def examples(group: str, z: float, residual: float, fooled: int, n: int = 40) -> pd.DataFrame:
    """A group whose first examples fool; the values of each example differ a little."""
    tilt = np.linspace(-0.1, 0.1, n)
    return pd.DataFrame({
        "id": [f"i{i}" for i in range(n)], "group": group, "number": 0, "clean_correct": True,
        "status": np.where(np.arange(n) < fooled, "success", "not fooled"),
        "z": z + tilt, "own_z": z + tilt, "residual": residual * np.exp(tilt), "latent_l2": 1.0,
        "l2": 1.0, "linf": 0.1,
    })  # fmt: skip


def test_groups_are_compared_paired_over_what_both_fooled():
    equal = list(groups.EQUAL.values())
    table = pd.concat([
        examples(groups.RECONSTRUCTION, -1, 0.8, 3), examples(groups.SEARCH, 0, 1.0, 36),
        examples(groups.CONTROL, 3, 2.0, 0), examples(equal[0], 2, 1.5, 38),
    ])  # fmt: skip
    names = [groups.RECONSTRUCTION, groups.SEARCH, groups.CONTROL, equal[0]]
    rows = outcomes(table, names, [0]).set_index("group")
    assert rows.loc[groups.SEARCH, ["right", "fooled", "lost", "n"]].tolist() == [40, 36, 3, 36]
    assert rows.loc[groups.SEARCH, "success"] == 0.9
    assert rows.loc[groups.SEARCH, "success_low"] < 0.9 < rows.loc[groups.SEARCH, "success_high"]
    assert rows.loc[groups.SEARCH, "typical"] == 1
    assert rows.loc[groups.CONTROL, "typical"] == 0
    assert len(looked_at(table, groups.CONTROL, 0)) == 36
    found = comparisons(table, names, [0]).set_index("group")
    assert found.loc[equal[0], "n"] == 36
    assert found.loc[equal[0], "z"] == pytest.approx(-2)
    assert found.loc[equal[0], "residual"] == pytest.approx(1 / 1.5)
    assert found.loc[equal[0], "z_holm"] < 1e-6
    assert groups.SEARCH not in found.index
