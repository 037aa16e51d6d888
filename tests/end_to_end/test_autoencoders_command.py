"""`python -m autoencoders.train` from start to end, on the digits and on a user's own model."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from autoencoders.artifact import load_autoencoder
from core.data import load_images
from core.layers import capture
from core.models import load_classifier
from tests.end_to_end.conftest import jpegs

QUICK = (
    "--examples", "150", "--epochs", "2", "--width", "16", "--codes", "32", "--active", "8",
)  # fmt: skip
KINDS = ("ae", "dae", "vae", "vqvae", "fsq", "sae")
BASELINES = ("mean", "pca", "nearest")


def test_every_kind_at_two_layers_is_trained_judged_and_kept(command, tmp_path):
    ended = command(
        "autoencoders.train", *QUICK, "--kinds", ",".join(KINDS), "--layers", "input,10",
        "--out", "run", cwd=tmp_path,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip().endswith("report.html")
    assert "Warning" not in ended.stderr
    run = tmp_path / "run"
    table = pd.read_parquet(run / "results.parquet").set_index(["layer", "kind"])
    assert set(table.index) == {(layer, k) for layer in ("input", "10") for k in KINDS + BASELINES}
    assert table.xs("mean", level="kind")["explained_variance"].abs().max() < 1e-3
    assert (table.xs("nearest", level="kind")["error_of_same_class"] > 0).all()
    assert table["accuracy_whole"].nunique() == 1
    assert (table["accuracy"] <= 1).all()
    for kind in ("vqvae", "fsq"):
        assert table.xs(kind, level="kind")["codes_used"].between(0, 1, inclusive="right").all()
    classifier = load_classifier("digits_convnet")
    images, _ = load_images("digits").subset(5).tensors()
    autoencoder, origin = load_autoencoder(run / "models" / "10-ae-0" / "model.safetensors")
    assert origin.layer == "10"
    hidden = capture(classifier, ["10"], images)["10"]
    assert autoencoder(hidden).shape == hidden.shape
    summary = json.loads((run / "summary.json").read_text())
    assert len(summary["findings"]) >= 2
    page = (run / "report.html").read_text()
    assert 'src="http' not in page
    assert "nearest after FSQ" in page
    assert {p.stem for p in (run / "figures").glob("*.png")} == {"quality", "errors", "curves"}


def test_neither_launcher_nor_streaming_changes_a_weight(command, tmp_path):
    options = (*QUICK, "--kinds", "ae,vqvae", "--layers", "10", "--examples", "60")
    runs = {
        "alone": options,
        "many": (*options, "--launch", "processes", "--workers", "2", "--stream", "true"),
    }
    for name, given in runs.items():
        ended = command("autoencoders.train", *given, "--out", name, cwd=tmp_path)
        assert ended.returncode == 0, ended.stderr
    for kind in ("ae", "vqvae"):
        files = [tmp_path / n / "models" / f"10-{kind}-0" / "model.safetensors" for n in runs]
        first, *others = (load_autoencoder(file)[0].state_dict() for file in files)
        for other in others:
            for name, value in first.items():
                np.testing.assert_array_equal(value.numpy(), other[name].numpy(), err_msg=name)


def test_the_smallest_latent_that_explains_enough_is_found(command, tmp_path):
    ended = command(
        "autoencoders.train", *QUICK, "--kinds", "ae", "--layers", "10", "--explained_variance",
        "0.3", "--epochs", "8", "--train_batch", "16", "--out", "run", cwd=tmp_path,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    fitted = pd.read_parquet(next((tmp_path / "run" / "shards" / "fit").rglob("*.parquet")))
    assert fitted["reached"].all()
    tried = [int(size) for size in fitted["tried"].iloc[0].split(", ")]
    latent = int(fitted["latent"].iloc[0])
    assert fitted["explained_variance"].iloc[-1] >= 0.3
    assert latent == 1 or latent // 2 in tried, "one half as large was tried, and was not enough"


def test_an_own_model_and_own_images(command, own_folder):
    jpegs(own_folder / "images", {"train": ["ant", "bee", "cat"]}, count=20)
    ended = command(
        "autoencoders.train", "--model", "mynets:make_net", "--checkpoint", "net.pt",
        "--normalisation", "imagenet", "--data", "images", "--kinds", "ae,vqvae", "--epochs", "1",
        "--width", "8", "--codes", "8", "--out", "run", cwd=own_folder,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    table = pd.read_parquet(own_folder / "run" / "results.parquet")
    assert table["explained_variance"].notna().all()
