"""What a study makes of the measures that need references, on real digits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from landscape import flatness

OPTIONS = {
    "examples": 30, "matching_pool": 60, "attacks": "noise(eps=0.1),pgd(eps=0.2, steps=5)",
    "measures": "log_odds_score,dimension,boundary_distance,persistence", "draws": 4,
    "radii": [0.1, 0.2], "boundary_steps": 10,
}  # fmt: skip
NUMBERS = ["log_odds_score@0.1", "log_odds_score@0.2", "lid:input", "lid:3", "lid:7", "lid:12",
           "boundary_distance", "persistence"]  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("run")
    return flatness.run(**OPTIONS, out=str(folder / "run")).results()


def test_every_example_has_every_measure(
    results: pd.DataFrame,
) -> None:
    there = results[results["loss"].notna()]
    assert there[NUMBERS].notna().all(axis=None)
    assert (there["lid:input"] > 1).all()
    assert (there["boundary_distance"] > 0).all()


def test_references_do_not_depend_on_the_batch_size(results: pd.DataFrame, tmp_path: Path) -> None:
    small = flatness.run(**OPTIONS, batch_size=7, out=str(tmp_path / "small")).results()
    assert (small["id"] == results["id"]).all()
    same = results["group"].isin(["genuine", "noise(norm=linf, eps=0.1)"])
    for name in NUMBERS:
        ours, theirs = (t.loc[same, name].to_numpy(float) for t in (results, small))
        np.testing.assert_allclose(theirs, ours, rtol=2e-3, atol=1e-4, err_msg=name)
