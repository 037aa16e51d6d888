"""`python -m landscape.flatness` from start to end, killed, resumed, and on a user's own model."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml
from safetensors.numpy import load_file

from tests.end_to_end.conftest import QUICK, _project

FEW = ("--measures", "gaussian_rise,log_odds_shift,worst_linf_rise,hessian_top")
"""Measures of every way of computing them, for tests of something else."""
REFERRING = (*FEW[:1], f"{FEW[1]},log_odds_score")
"""One more, which genuine images are referred to for."""
ATTACKS = ("--attacks", "noise(like=pgd(eps=0.2)),fgsm(eps=0.2),pgd(eps=0.2, steps=5)")


def digest(run: Path) -> str:
    """Return a hash of everything that was computed."""
    files = sorted((run / "shards").rglob("*.parquet"))
    parts = [p.relative_to(run).as_posix().encode() + p.read_bytes() for p in files]
    whole = b"".join([*parts, (run / "results.parquet").read_bytes()])
    return hashlib.sha256(whole).hexdigest()


def test_the_default_study_writes_all_that_a_run_directory_holds(command, tmp_path):
    ended = command("landscape.flatness", *QUICK, "--out", "run", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip().endswith("report.html")
    assert "Warning" not in ended.stderr
    run = tmp_path / "run"
    results = pd.read_parquet(run / "results.parquet")
    counts = results.groupby("group").size()
    assert counts["genuine"] == 32
    assert (counts.drop("genuine") == 24).all()
    assert len(counts) == 10  # genuine, five recipes, and a control of each of the four attacks
    summary = json.loads((run / "summary.json").read_text())
    assert summary["findings"]
    environment = json.loads((run / "environment.json").read_text())
    assert environment["identity"]["classifier"]
    page = (run / "report.html").read_text()
    assert 'src="http' not in page
    assert "<script src" not in page
    assert {p.stem for p in (run / "figures").glob("*.png")} == {
        p.stem for p in (run / "figures").glob("*.svg")
    }
    for group in results["group"].unique():
        rows = results[(results["group"] == group) & (results["status"] != "no donor")]
        if group != "genuine":
            assert rows["inside_box"].all()


def test_config_repeats_a_run_and_its_adversarial_files_are_taken_by_the_next(command, tmp_path):
    first = command("landscape.flatness", *QUICK, *ATTACKS, *FEW, "--out", "a", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    again = command("landscape.flatness", "--config", "a/config.yaml", "--out", "b", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    files = sorted((tmp_path / "a" / "adversarial").glob("pgd*.safetensors"))
    assert len(files) == 1
    taken = command(
        "landscape.flatness", *QUICK, *FEW, "--adversarial", str(files[0]), "--out", "c",
        cwd=tmp_path,
    )  # fmt: skip
    assert taken.returncode == 0, taken.stderr
    before = pd.read_parquet(tmp_path / "a" / "results.parquet").set_index(["group", "id"])
    after = pd.read_parquet(tmp_path / "c" / "results.parquet").set_index(["group", "id"])
    group = "pgd(norm=linf, eps=0.2, steps=5)"
    pd.testing.assert_series_equal(before.loc[group, "loss"], after.loc[group, "loss"])
    assert load_file(files[0])["images"].shape == (24, 1, 8, 8)


def test_measures_and_layers_are_chosen_by_name(command, tmp_path):
    options = (*QUICK, *ATTACKS, "--matching_pool", "40", "--neighbours", "8")
    ended = command(
        "landscape.flatness", *options, "--measures", "label,log_odds_score,dimension", "--layers",
        "input,7", "--out", "run", cwd=tmp_path,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    results = pd.read_parquet(tmp_path / "run" / "results.parquet")
    known = {"stability", "certified_radius", "persistence", "boundary_distance",
             "log_odds_score", "lid:input", "lid:7"}  # fmt: skip
    assert known <= {c.partition("@")[0] for c in results}
    assert not {"gradient_l2", "hessian_top", "lid:12"} & set(results)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert {f["figure"] for f in summary["headline"]} <= {
        p.stem for p in (tmp_path / "run" / "figures").glob("*.png")
    }
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert config["layers"] == ["input", "7"]
    wrong = command("landscape.flatness", *options, "--measures", "curvatur", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "--measures: unknown name 'curvatur'" in wrong.stderr
    wrong = command(
        "landscape.flatness", *options, "--matching_pool", "9", "--measures", "log_odds_score",
        cwd=tmp_path,
    )  # fmt: skip
    assert wrong.returncode == 2
    assert "log_odds_score compares with genuine reference images" in wrong.stderr


def test_a_users_own_model_and_images_need_no_line_of_code(command, own_folder):
    ended = command(
        "landscape.flatness", *QUICK, "--model", "mynets:make_net", "--checkpoint", "net.pt",
        "--normalisation", "imagenet", "--data", "images", "--out", "run", cwd=own_folder,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "module." in ended.stderr + (own_folder / "run" / "log.txt").read_text()
    results = pd.read_parquet(own_folder / "run" / "results.parquet")
    # Some examples are taken for a class of which there is no other image: they have no control.
    assert results["hessian_method"].dropna().eq("exact (piecewise linear)").all()
    config = yaml.safe_load((own_folder / "run" / "config.yaml").read_text())
    assert config["model"] == "mynets:make_net"
    assert config["attacks"][1] == "fgsm(norm=linf, eps=2/255)"


# Ten kills of a toy study, which cost less, are in tests/core/studies/test_kills.py.
@pytest.mark.parametrize("times", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_one_process_two_processes_and_kills_give_the_same_bits(command, tmp_path, times):
    options = (*QUICK, *ATTACKS, *REFERRING, "--examples", "150", "--matching_pool", "50")
    one = command("landscape.flatness", *options, "--out", "one", cwd=tmp_path)
    assert one.returncode == 0, one.stderr
    two = command(
        "landscape.flatness", *options, "--launch", "processes", "--out", "two", cwd=tmp_path
    )
    assert two.returncode == 0, two.stderr
    shards = len(list((tmp_path / "one" / "shards").rglob("*.parquet")))
    chance = random.Random(0)
    kills = 0
    for _ in range(times):
        process = subprocess.Popen(
            [sys.executable, "-m", "landscape.flatness", *options, "--out", "killed",
             "--launch", chance.choice(["inline", "processes"])],
            cwd=tmp_path, env=os.environ | {"PYTHONPATH": _project()},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        _wait_for_more(tmp_path / "killed" / "shards", process, chance.uniform(0, 0.5))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills >= times / 2, "the study ended before it could be killed"
    last = command("landscape.flatness", *options, "--out", "killed", cwd=tmp_path)
    assert last.returncode == 0, last.stderr
    assert len(list((tmp_path / "killed" / "shards").rglob("*.parquet"))) == shards
    assert digest(tmp_path / "one") == digest(tmp_path / "two") == digest(tmp_path / "killed")


def _wait_for_more(folder: Path, process: subprocess.Popen, beyond: float) -> None:
    """Wait until the process has added a shard, and a random moment more."""

    def count() -> int:
        return len(list(folder.rglob("*.parquet"))) if folder.exists() else 0

    before, limit = count(), time.monotonic() + 60
    while count() == before and process.poll() is None and time.monotonic() < limit:
        time.sleep(0.02)
    time.sleep(beyond)


@pytest.mark.slow
def test_tiny_imagenet_and_a_trained_resnet(command, tiny_imagenet, trained_classifiers, tmp_path):
    ended = command(
        "landscape.flatness", "--model", "resnet18", "--data", str(tiny_imagenet), "--checkpoint",
        str(trained_classifiers / "resnet18.safetensors"), "--normalisation", "imagenet",
        *QUICK, "--out", "run", cwd=tmp_path,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    results = pd.read_parquet(tmp_path / "run" / "results.parquet")
    assert results["hessian_method"].dropna().eq("exact (piecewise linear)").all()
