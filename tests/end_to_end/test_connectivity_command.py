"""`python -m landscape.connectivity` from start to end, on the digits and on a user's own model."""

from __future__ import annotations

import json

import pandas as pd
import pytest
import yaml

QUICK = (
    "--examples", "24", "--matching_pool", "12", "--pairs", "6", "--partners", "2",
    "--points", "33", "--attacks", "noise(eps=0.1),pgd(eps=0.2, steps=5, stop=false)",
)  # fmt: skip


def test_the_study_writes_all_that_a_run_directory_holds(command, tmp_path):
    ended = command(
        "landscape.connectivity", *QUICK, "--paths", "bypass,level_set", "--out", "run",
        cwd=tmp_path,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip().endswith("report.html")
    assert "Warning" not in ended.stderr
    run = tmp_path / "run"
    results = pd.read_parquet(run / "results.parquet")
    assert set(results["path"]) == {"straight_line", "bypass", "level_set"}
    assert (results["outside"] == 0).all()
    assert (results["barrier"] <= results["straight_barrier"] + 1e-6).mean() > 0.9
    summary = json.loads((run / "summary.json").read_text())
    assert summary["findings"]
    assert summary["headline"]
    figures = {p.stem for p in (run / "figures").glob("*.png")}
    assert {"connected", "detector", "strip", "spread", "effort_bypass", "effort_level_set"} <= (
        figures
    )
    page = (run / "report.html").read_text()
    assert 'src="http' not in page
    assert "<script src" not in page


@pytest.mark.slow
def test_a_users_own_model_and_images_need_no_line_of_code(command, own_folder):
    ended = command(
        "landscape.connectivity", *QUICK, "--model", "mynets:make_net", "--checkpoint", "net.pt",
        "--normalisation", "imagenet", "--data", "images", "--out", "run", cwd=own_folder,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    config = yaml.safe_load((own_folder / "run" / "config.yaml").read_text())
    assert config["paths"] == ["straight_line", "bypass"]
    assert (own_folder / "run" / "report.html").exists()


@pytest.mark.slow
def test_tiny_imagenet_and_a_trained_resnet(command, tiny_imagenet, trained_classifiers, tmp_path):
    ended = command(
        "landscape.connectivity", "--model", "resnet18", "--data", str(tiny_imagenet),
        "--checkpoint", str(trained_classifiers / "resnet18.safetensors"),
        "--normalisation", "imagenet", *QUICK[:-1], "pgd(eps=4/255, steps=5)", "--out", "run",
        cwd=tmp_path,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    results = pd.read_parquet(tmp_path / "run" / "results.parquet")
    assert (results["outside"] == 0).all()
    bent = results[results["path"] == "bypass"]
    assert (bent["barrier"] < 0.15).all()
