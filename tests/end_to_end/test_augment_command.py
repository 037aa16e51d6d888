"""`python -m autoencoders.augment` from start to end, on a few digits."""

from __future__ import annotations

import json

import pandas as pd

from core.data import load_images
from core.models import load_classifier
from core.training import evaluate


def test_three_ways_are_trained_judged_kept_and_read(command, tmp_path):
    ended = command(
        "autoencoders.augment", "--layers", "10", "--seeds", "2", "--examples", "150", "--judged",
        "30", "--epochs", "1", "--autoencoder_epochs", "1", "--draws", "2", "--scale", "2",
        "--attacks", "pgd(eps=0.05, steps=3)", "--out", "run", cwd=tmp_path,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip().endswith("report.html")
    assert "Warning" not in ended.stderr
    run = tmp_path / "run"
    table = pd.read_parquet(run / "results.parquet")
    assert table.groupby(["arm", "number"]).size().to_dict() == {
        (arm, number): 30 for arm in ("none", "noise", "autoencoder") for number in (0, 1)
    }
    assert (table["robust0"] <= table["right"]).all()
    judged = load_images("digits").subset(30)
    kept = load_classifier(
        "digits_convnet",
        checkpoint=str(run / "classifiers" / "autoencoder-10-1" / "model.safetensors"),
    )
    own = table[(table["arm"] == "autoencoder") & (table["number"] == 1)]
    assert evaluate(kept, judged).accuracy == own["right"].mean()
    summary = json.loads((run / "summary.json").read_text())
    assert len(summary["findings"]) == 4
    assert {row["first"] for row in summary["differences"]} == {"autoencoder", "noise"}
    moved = {row["moves"]: row for row in summary["trainings"]}
    assert moved["none"]["augmented"] is None
    assert 0.3 < moved["autoencoder"]["augmented"] < 0.7
    page = (run / "report.html").read_text()
    assert 'src="http' not in page
    assert "nearest after noise" in page
    assert {p.stem for p in (run / "figures").glob("*.png")} == {"differences", "moves"}
