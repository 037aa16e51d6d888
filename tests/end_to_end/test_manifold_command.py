"""`python -m autoencoders.manifold`, and its examples as a group of another study."""

from __future__ import annotations

import json

import pandas as pd

from attacks import load_adversarial
from autoencoders.manifold import groups
from autoencoders.manifold import run as manifold
from landscape.flatness import run as flatness


def test_the_command_searches_measures_and_keeps_its_examples(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    manifold(
        examples=30, epochs=2, width=8, latent=24, train_batch=32, steps=20, radius=6.0,
        attacks="fgsm(eps=0.2)", out="run",
    )  # fmt: skip
    run = tmp_path / "run"
    table = pd.read_parquet(run / "results.parquet")
    assert len(table) == 30 * 8
    assert table[["z", "own_z", "residual"]].notna().all().all()
    summary = json.loads((run / "summary.json").read_text())
    rows = pd.DataFrame(summary["groups"]).set_index("group")
    assert rows.loc[groups.SEARCH, "fooled"] >= 15
    for name in groups.EQUAL.values():
        assert rows.loc[name, "reached"]
        assert rows.loc[name, "success"] >= rows.loc[groups.SEARCH, "success"]
    assert rows.loc[groups.SEARCH, "own_z"] < rows.loc[groups.SEARCH, "z"], "its own knows it"
    assert rows.loc[groups.SEARCH, "residual"] < rows.loc[groups.CONTROL, "residual"]
    page = (run / "report.html").read_text()
    assert 'src="http' not in page
    made = load_adversarial(run / "adversarial" / "on-the-manifold-0.safetensors")
    assert made.recipe is not None
    assert made.recipe["autoencoder"] == "run/models/0/model.safetensors"
    assert len(made) == 30

    file = str(run / "adversarial" / "on-the-manifold-0.safetensors")
    flat = flatness(
        adversarial=[file], examples=12, matching_pool=6, measures="gradient_l2",
        controls="none", out=str(tmp_path / "flat"),
    )  # fmt: skip
    measured = flat.results()
    assert set(measured["group"]) == {"genuine", str(made.recipe)}
    assert "on-manifold l2 6" in flat.report.read_text()
