"""`python -m attacks.transfer` as a user runs it."""

from __future__ import annotations

import json

import pandas as pd
import pytest
import yaml

QUICK = ("--examples", "24", "--gradients", "3")
RECIPES = ("--attacks", "fgsm(eps=0.2),pgd(eps=0.2, stop=false)")


def test_the_default_study_is_of_the_four_built_in_nets(command, tmp_path):
    ended = command("attacks.transfer", *QUICK, "--out", "run", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip().endswith("report.html")
    assert "Warning" not in ended.stderr
    run = tmp_path / "run"
    results = pd.read_parquet(run / "results.parquet")
    assert set(results["source"]) == set(results["victim"])
    assert len(set(results["source"])) == 4
    assert results["recipe"].nunique() >= 9
    assert results["backwards"].max() <= 3
    page = (run / "report.html").read_text()
    assert 'src="http' not in page
    identity = json.loads((run / "environment.json").read_text())["identity"]
    assert len([key for key in identity if key.startswith("classifier ")]) == 4


@pytest.mark.slow
def test_config_repeats_a_run(command, tmp_path):
    options = (*QUICK, *RECIPES, "--classifiers", "digits_mlp,digits_convnet")
    first = command("attacks.transfer", *options, "--out", "a", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    again = command("attacks.transfer", "--config", "a/config.yaml", "--out", "b", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    one, two = (pd.read_parquet(tmp_path / name / "results.parquet") for name in "ab")
    pd.testing.assert_frame_equal(one, two)


def test_a_users_own_nets_and_images_need_no_line_of_code(command, own_folder):
    nets = "first=mynets:make_net@net.pt,second=mynets:make_net"
    ended = command(
        "attacks.transfer", *QUICK, *RECIPES, "--classifiers", nets, "--normalisation", "imagenet",
        "--data", "images", "--out", "run", cwd=own_folder,
    )  # fmt: skip
    # Both factories start from the same seed, so that these are the very same weights.
    assert ended.returncode == 2
    assert "first and second are one and the same classifier" in ended.stderr
    source = (own_folder / "mynets.py").read_text()
    (own_folder / "mynets.py").write_text(
        source + "\ndef make_wide():\n    return make_net(3)[:]\n"
    )
    ended = command(
        "attacks.transfer", *QUICK, *RECIPES, "--classifiers",
        "first=mynets:make_net@net.pt,mynets:make_wide", "--data", "images", "--out", "run",
        cwd=own_folder,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    config = yaml.safe_load((own_folder / "run" / "config.yaml").read_text())
    assert config["classifiers"] == ["first=mynets:make_net@net.pt", "make_wide=mynets:make_wide"]


@pytest.mark.slow
def test_trained_classifiers_from_a_folder(command, tiny_imagenet, trained_classifiers, tmp_path):
    ended = command(
        "attacks.transfer", *QUICK, "--attacks", "fgsm(eps=8/255),pgd(eps=8/255, stop=false)",
        "--classifiers", str(trained_classifiers), "--normalisation", "imagenet",
        "--data", str(tiny_imagenet), "--out", "run", cwd=tmp_path,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    results = pd.read_parquet(tmp_path / "run" / "results.parquet")
    own = results["source"] == results["victim"]
    assert results[own]["fooled"].mean() > results[~own]["fooled"].mean()
