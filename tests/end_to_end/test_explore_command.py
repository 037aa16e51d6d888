"""A whole study of latent spaces on the digits, as `python -m autoencoders.explore` runs it."""

from __future__ import annotations

import json
import warnings

import numpy as np

from autoencoders import load_autoencoder
from autoencoders.explore import run


def test_latent_spaces_are_trained_measured_and_walked_through(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("error", UserWarning)
        found = run(
            model="digits_mlp", examples=40, train_examples=150, epochs=1, width=8,
            layers="input", kinds="ae,fsq", attacks="noise(like=fgsm(eps=0.2)),fgsm(eps=0.2)",
            draws=16, warmup=8, classes=2, scales="0.5,2", out=str(tmp_path / "run"),
        )  # fmt: skip
    table = found.results()
    assert table.groupby(["name", "group"]).size().tolist() == [40] * 6
    assert np.isfinite(table[["error", "surprise", "change", "uncertainty"]]).all(axis=None)
    summary = found.summary()
    texts = " ".join(finding["text"] for finding in summary["findings"])
    assert "No chains in input-fsq" in texts
    assert "this is a measurement, not a defence" in texts
    assert {row["name"] for row in summary["latents"]} == {"input-ae", "input-fsq"}
    assert json.loads((found.path / "summary.json").read_text()) == summary
    page = found.report.read_text()
    assert 'src="http' not in page
    assert "guided to 1" in page
    assert len(list(found.adversarial.iterdir())) == 2
    autoencoder, origin = load_autoencoder(found.path / "models/input-ae/model.safetensors")
    assert (autoencoder.kind, origin.layer) == ("ae", "input")
