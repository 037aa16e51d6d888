"""`python -m landscape.study` from start to end: all parts, one, and one beside its own command."""

from __future__ import annotations

import json

import pandas as pd
import pytest

PGD = "pgd(norm=linf, eps=0.2, steps=5, stop=false)"
NOISE = f"noise(like={PGD})"
SHARED = (
    "--examples", "24", "--matching_pool", "8", "--attacks", f"{NOISE},{PGD}", "--controls", PGD,
)  # fmt: skip
FLATNESS = {
    "draws": 4, "measures": "gaussian_rise,gradient_l2,hessian_top", "radii": [0.1, 0.2],
    "worst_case_steps": 2,
}  # fmt: skip
OWN = {
    "flatness": FLATNESS,
    "curvature": {"boundary_steps": 5, "draws": 2, "probes": 2},
    "connectivity": {"pairs": 6, "partners": 2, "points": 33, "paths": "bypass"},
    "slices": {"points": 9, "resolution": 9, "pictures": 1, "frames": 6},
    "noise": {
        "attacks": "pgd(eps=0.2, stop=false),pgd(eps=0.2, noisy=gaussian)", "gradients": 3,
        "draws": 4, "worst_case_steps": 2, "path_points": 5, "noise_scales": "",
        "drawn_examples": 1,
    },
}  # fmt: skip


def own(*parts: str) -> list[str]:
    return [word for part in parts for word in (f"--{part}", json.dumps(OWN[part]))]


def test_all_parts_make_one_report_that_leads_to_theirs(command, tmp_path):
    ended = command("landscape.study", *SHARED, *own(*OWN), "--out", "run", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip().endswith("report.html")
    assert "Warning" not in ended.stderr
    run = tmp_path / "run"
    summary = json.loads((run / "summary.json").read_text())
    assert set(summary["parts"]) == set(OWN)
    assert len(summary["findings"]) == 1 + len(OWN), "the answer, and the first of each part"
    page = (run / "report.html").read_text()
    for part in OWN:
        assert (run / part / "report.html").is_file()
        assert f'href="{part}/report.html"' in page
    rows = pd.DataFrame(summary["discrimination"])
    assert not rows.duplicated(["group", "measure", "auc", "matched_auc", "control_auc"]).any()
    assert "relative_twin" not in set(rows["measure"]), "it takes the genuine image to measure"
    assert "noise" not in set(rows["part"]), "its recipes are not those of the others"
    # Together they are more comparisons than in any part, so that none gets a smaller p value.
    for part in ("flatness", "curvature", "connectivity", "slices"):
        alone = json.loads((run / part / "summary.json").read_text())["discrimination"]
        both = rows[rows["part"] == part].merge(pd.DataFrame(alone), on=["group", "measure"])
        assert len(both)
        tested = both.dropna(subset=["matched_p_holm_x", "matched_p_holm_y"])
        assert (tested["matched_p_holm_x"] >= tested["matched_p_holm_y"] - 1e-12).all()


# That parts share what they have in common is tested in tests/core/studies/test_parts.py.
@pytest.mark.slow
def test_a_part_gets_the_numbers_that_it_gets_alone(command, tmp_path):
    together = command(
        "landscape.study", *SHARED, "--parts", "flatness,slices", *own("flatness", "slices"),
        "--launch", "processes", "--workers", "2", "--out", "run", cwd=tmp_path,
    )  # fmt: skip
    assert together.returncode == 0, together.stderr
    options = [word for k, v in FLATNESS.items() for word in (f"--{k}", _text(v))]
    alone = command("landscape.flatness", *SHARED, *options, "--out", "alone", cwd=tmp_path)
    assert alone.returncode == 0, alone.stderr
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "run" / "flatness" / "results.parquet"),
        pd.read_parquet(tmp_path / "alone" / "results.parquet"),
    )


@pytest.mark.parametrize("part", [pytest.param("connectivity", marks=pytest.mark.slow), "noise"])
def test_a_part_by_itself_is_a_report_too(part, command, tmp_path):
    ended = command("landscape.study", *SHARED, "--parts", part, *own(part), cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr


def test_where_nothing_can_be_compared_the_report_says_so(command, own_folder):
    ended = command(
        "landscape.study", "--model", "mynets:make_net", "--checkpoint", "net.pt",
        "--normalisation", "imagenet", "--data", "images", "--parts", "flatness,slices",
        "--attacks", "fgsm(eps=1e-6)", *own("flatness", "slices"), "--out", "run", cwd=own_folder,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    summary = json.loads((own_folder / "run" / "summary.json").read_text())
    assert not summary["findings"][0]["significant"]
    assert not (own_folder / "run" / "figures" / "overview.png").exists()


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
