"""`python -m landscape.curvature` from start to end, and on a user's own model."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from core.errors import InputError
from landscape.curvature.command import run

QUICK = (
    "--examples", "24", "--matching_pool", "8", "--boundary_steps", "5", "--draws", "2",
    "--probes", "2",
)  # fmt: skip


def test_the_default_study_writes_all_that_a_run_directory_holds(command, tmp_path):
    ended = command("landscape.curvature", *QUICK, "--out", "run", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip().endswith("report.html")
    assert "Warning" not in ended.stderr
    run = tmp_path / "run"
    results = pd.read_parquet(run / "results.parquet")
    assert results.groupby("group").size()["genuine"] == 32
    right = results[(results["group"] == "genuine") & results["clean_correct"]]
    assert right[["hessian_top", "relative_twin", "boundary_distance"]].notna().all().all()
    assert results["hessian_method"].dropna().eq("exact (piecewise linear)").all()
    summary = json.loads((run / "summary.json").read_text())
    assert summary["findings"]
    drawn = {p.stem for p in (run / "figures").glob("*.png")}
    assert {h["figure"] for h in summary["headline"]} <= drawn
    assert {"spectra", "eigenvectors", "ways", "boundary", "discrimination"} <= drawn
    page = (run / "report.html").read_text()
    assert "exact (piecewise linear)" in page
    assert 'src="http' not in page


def test_a_smooth_network_has_a_density_and_negative_curvature(command, tmp_path):
    ended = command(
        "landscape.curvature", *QUICK, "--model", "digits_residual", "--controls", "none",
        "--attacks", "pgd(eps=0.2, steps=5)", "--boundary_steps", "0", "--out", "run",
        cwd=tmp_path,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    results = pd.read_parquet(tmp_path / "run" / "results.parquet")
    assert results["hessian_method"].eq("Lanczos").all()
    assert results["negative_share"].between(0, 1).all()
    assert not [name for name in results if name.startswith("boundary")]
    assert (tmp_path / "run" / "figures" / "densities.png").exists()


def test_a_users_own_model_and_images_need_no_line_of_code(command, own_folder):
    ended = command(
        "landscape.curvature", *QUICK, "--model", "mynets:make_net", "--checkpoint", "net.pt",
        "--data", "images", "--attacks", "fgsm(eps=8/255)", "--spectrum", "2", "--out", "run",
        cwd=own_folder,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    results = pd.read_parquet(own_folder / "run" / "results.parquet")
    assert "eigenvalue@2" in results
    assert "eigenvalue@3" not in results


def test_a_bad_option_is_told_in_one_sentence(command, tmp_path):
    ended = command("landscape.curvature", "--method", "exakt", cwd=tmp_path)
    assert ended.returncode == 2
    assert "did you mean 'exact'" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "exact", "model": "digits_patches"}, "needs a piecewise-linear network"),
        ({"boundary_radii": "0,1"}, "--boundary_radii"),
        ({"probes": 1}, "--probes"),
        ({"boundary_steps": 1}, "--boundary_steps"),
        ({"spectrum": 0}, "--spectrum"),
    ],
)
def test_options_that_do_not_fit_are_refused_before_anything_is_computed(tmp_path, options, said):
    with pytest.raises(InputError, match=said):
        run(**options, out=str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_tiny_imagenet_and_a_trained_resnet(command, tiny_imagenet, trained_classifiers, tmp_path):
    ended = command(
        "landscape.curvature", "--model", "resnet18", "--data", str(tiny_imagenet), "--checkpoint",
        str(trained_classifiers / "resnet18.safetensors"), "--normalisation", "imagenet",
        *QUICK, "--attacks", "fgsm(eps=2/255)", "--out", "run", cwd=tmp_path,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    results = pd.read_parquet(tmp_path / "run" / "results.parquet")
    assert results["hessian_method"].dropna().eq("exact (piecewise linear)").all()
    assert (results["eigenvalue@1"].dropna() > 0).all()
