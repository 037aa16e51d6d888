"""`python -m landscape.slices` from start to end: digits, a user's own model, bad options."""

from __future__ import annotations

import contextlib
import io
import json
import sys

import pandas as pd
import pytest
from PIL import Image

from core.cli import command as entry
from landscape.slices.command import run

QUICK = (
    "--examples", "24", "--matching_pool", "6", "--points", "9", "--resolution", "9",
    "--pictures", "1", "--frames", "6",
)  # fmt: skip
OWN = (
    "--model", "mynets:make_net", "--checkpoint", "net.pt", "--normalisation", "imagenet",
    "--data", "images", "--out", "run",
)  # fmt: skip
PGD = "pgd(norm=linf, eps=0.2, steps=5, stop=false)"


def test_the_study_of_digits_writes_figures_findings_and_an_animation(command, tmp_path):
    options = (*QUICK, "--attacks", f"noise(like={PGD}),{PGD}", "--out", "run")
    ended = command("landscape.slices", *options, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "Warning" not in ended.stderr
    run_path = tmp_path / "run"
    results = pd.read_parquet(run_path / "results.parquet")
    assert results.groupby("group").size().to_dict() == {
        "genuine": 30, f"noise(like={PGD})": 24, PGD: 24,
    }  # fmt: skip
    summary = json.loads((run_path / "summary.json").read_text())
    assert summary["twins"] == PGD
    assert "first changes after a median l2 distance" in summary["findings"][0]["text"]
    figures = {path.stem for path in (run_path / "figures").glob("*.png")}
    assert {row["figure"] for row in summary["headline"]} <= figures
    assert {"distances", "lasting", "lines", "relief", "label_sheet", "loss_sheet"} <= figures
    assert {"three_inputs_1", "local_lines", "moving_planes"} <= figures
    with Image.open(run_path / "figures" / "moving_planes.gif") as gif:
        assert gif.n_frames > 1
    page = (run_path / "report.html").read_text()
    assert "data:image/gif;base64," in page
    assert page.count("<details") == 1
    assert 'src="http' not in page
    # The first example that is drawn is one that the attack fooled.
    fooled = results[(results["group"] == PGD) & (results["status"] == "success")]
    assert set(summary["pictured"]) <= set(fooled["id"])
    plane = pd.read_parquet(run_path / "shards" / "planes" / "example" / "000000.parquet")
    assert set(plane["kind"]) >= {"random", "gradient", "eigenvector", "twin", "three_inputs"}


@pytest.mark.slow
def test_a_lost_shard_is_made_again_to_the_last_bit(command, tmp_path):
    options = (*QUICK, "--attacks", PGD, "--out", "run")
    first = command("landscape.slices", *options, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    shards = sorted((tmp_path / "run" / "shards").rglob("*.parquet"))
    kept = {path: path.read_bytes() for path in shards}
    for path in shards[::2]:
        path.unlink()
    again = command("landscape.slices", *options, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert {path: path.read_bytes() for path in shards} == kept


def test_an_own_model_an_attack_that_never_succeeds_and_a_report_that_says_so(command, own_folder):
    ended = command(
        "landscape.slices", *QUICK, *OWN, "--attacks", "fgsm(eps=1e-6)", "--slices",
        "gradient,three_inputs", "--radius", "1", "--reach", "2", "--box", "clip", cwd=own_folder,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    results = pd.read_parquet(own_folder / "run" / "results.parquet")
    assert "gradient_change" in results
    assert not [c for c in results if c.startswith(("random_", "twin_"))]
    summary = json.loads((own_folder / "run" / "summary.json").read_text())
    said = [f["text"] for f in summary["findings"] if f["verdict"] == "no success"]
    assert len(said) == 1
    assert "fooled the classifier on none of the" in said[0]
    page = (own_folder / "run" / "report.html").read_text()
    assert "planes through genuine images alone" in page
    assert "clipped to it" in page
    figures = {path.stem for path in (own_folder / "run" / "figures").glob("*.png")}
    assert {"plane_1", "label_sheet", "local_lines", "distances"} <= figures
    assert "moving_planes" not in figures
    assert not [name for name in figures if name.startswith("three_inputs")]


@pytest.mark.slow
def test_a_users_own_model_and_images_have_every_slice(command, own_folder):
    ended = command(
        "landscape.slices", *QUICK, *OWN, "--attacks", "fgsm(eps=40/255)", cwd=own_folder
    )
    assert ended.returncode == 0, ended.stderr
    figures = {path.stem for path in (own_folder / "run" / "figures").glob("*.png")}
    assert {"three_inputs_1", "moving_planes"} <= figures


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--slices", "randm"], ["--slices", "randm", "random"]),
        (["--radius", "0"], ["--radius", "0", "above 0"]),
        (["--radius", "-1"], ["--radius", "-1.0"]),
        (["--twins", "nobody"], ["--twins", "nobody"]),
        (["--resolution", "10"], ["--resolution", "odd", "10"]),
        (["--slice", "random"], ["--slice", "--slices"]),
        (["--pictures", "many"], ["--pictures", "many"]),
        (["--attacks", ""], ["--attacks", "at least one recipe"]),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(options, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["slices", *QUICK, "--out", "run", *options])
    said = io.StringIO()
    with contextlib.redirect_stderr(said), pytest.raises(SystemExit) as ending:
        entry(run, prog="python -m landscape.slices")
    assert ending.value.code == 2, said.getvalue()
    (error,) = (x for x in said.getvalue().splitlines() if x.startswith("error: "))
    for part in expected:
        assert part in error
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_tiny_imagenet_and_a_trained_resnet(command, tiny_imagenet, trained_classifiers, tmp_path):
    ended = command(
        "landscape.slices", "--model", "resnet18", "--data", str(tiny_imagenet), "--checkpoint",
        str(trained_classifiers / "resnet18.safetensors"), "--normalisation", "imagenet", *QUICK,
        "--attacks", "pgd(norm=linf, eps=2/255, steps=5, stop=false)", "--out", "run",
        cwd=tmp_path,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    results = pd.read_parquet(tmp_path / "run" / "results.parquet")
    genuine = results[(results["group"] == "genuine") & results["clean_correct"]]
    assert genuine["gradient_change"].median() < genuine["random_change"].median() / 5
