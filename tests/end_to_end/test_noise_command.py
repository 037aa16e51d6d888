"""`python -m landscape.noise` from start to end, and on a user's own model."""

from __future__ import annotations

import json

import pandas as pd
import pytest
import yaml

TINY = (
    "--examples", "24", "--matching_pool", "8", "--gradients", "3", "--draws", "4",
    "--worst_case_steps", "2", "--path_points", "5", "--noise_scales", "0.1",
    "--drawn_examples", "1",
)  # fmt: skip


FEW = (
    "--attacks", "noise(like=pgd(eps=0.2, stop=false)),pgd(eps=0.2, stop=false),"
    "pgd(eps=0.2, optimiser=adam, stop=false),pgd(eps=0.2, langevin=0.05, stop=false),"
    "pgd(eps=0.2, noisy=filter),minnorm(norm=linf)",
)  # fmt: skip
"""One recipe of each family."""


def test_a_recipe_of_each_family_with_tiny_settings(command, tmp_path):
    ended = command("landscape.noise", *TINY, *FEW, "--out", "run", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip().endswith("report.html")
    assert "Warning" not in ended.stderr
    run = tmp_path / "run"
    results = pd.read_parquet(run / "results.parquet")
    assert results["group"].nunique() == 8, "genuine, six recipes, and one of the curve"
    assert results["backwards"].max() == 3
    summary = json.loads((run / "summary.json").read_text())
    assert summary["findings"]
    pngs = {p.stem for p in (run / "figures").glob("*.png")}
    assert pngs == {p.stem for p in (run / "figures").glob("*.svg")}
    assert {"against", "planes", "losses", "fooled", "turns"} <= pngs
    assert len(list((run / "adversarial").glob("*.safetensors"))) == 7


@pytest.mark.slow
def test_the_default_recipes_with_tiny_settings(command, tmp_path):
    ended = command("landscape.noise", *TINY, "--out", "run", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "Warning" not in ended.stderr
    results = pd.read_parquet(tmp_path / "run" / "results.parquet")
    assert results["group"].nunique() == 17
    assert results["backwards"].max() == 3


@pytest.mark.slow
def test_wrong_options_end_in_one_sentence(command, tmp_path):
    attacks = "pgd(eps=0.1),pgd(eps=0.2, momentum=1)"
    wrong = command("landscape.noise", "--attacks", attacks, cwd=tmp_path)
    assert wrong.returncode == 2
    assert "need the same one to be compared" in wrong.stderr
    assert "Traceback" not in wrong.stderr


@pytest.mark.slow
def test_a_users_own_model_needs_no_line_of_code_and_its_config_repeats_the_run(
    command, own_folder
):
    own = (
        "--model", "mynets:make_net", "--checkpoint", "net.pt", "--normalisation", "imagenet",
        "--data", "images", "--noise_scales", "", "--attacks",
        "pgd(eps=8/255, stop=false),pgd(eps=8/255, langevin=2/255, stop=false)",
    )  # fmt: skip
    ended = command("landscape.noise", *TINY, *own, "--out", "run", cwd=own_folder)
    assert ended.returncode == 0, ended.stderr
    config = yaml.safe_load((own_folder / "run" / "config.yaml").read_text())
    assert config["others"] == []
    assert config["attacks"][0] == "pgd(norm=linf, eps=8/255, steps=3, stop=false)"
    again = command(
        "landscape.noise", "--config", "run/config.yaml", "--out", "again", cwd=own_folder
    )
    assert again.returncode == 0, again.stderr
    first, second = (
        pd.read_parquet(own_folder / name / "results.parquet") for name in ("run", "again")
    )
    pd.testing.assert_frame_equal(first, second)


@pytest.mark.slow
def test_tiny_imagenet_and_a_trained_resnet(command, tiny_imagenet, trained_classifiers, tmp_path):
    ended = command(
        "landscape.noise", *TINY, "--model", "resnet18", "--data", str(tiny_imagenet),
        "--checkpoint", str(trained_classifiers / "resnet18.safetensors"),
        "--normalisation", "imagenet",
        "--others", f"mobilenet_v2@{trained_classifiers / 'mobilenet_v2.safetensors'}",
        "--out", "run", cwd=tmp_path,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    results = pd.read_parquet(tmp_path / "run" / "results.parquet")
    assert any(c.startswith("says@") for c in results)
