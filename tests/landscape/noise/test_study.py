"""The study as a whole, on real digits with tiny settings: what it plans, finds and repeats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from attacks import craft
from core import load_classifier, load_images
from core.errors import InputError
from landscape import noise
from landscape.loss import Loss
from landscape.noise.following import followed
from landscape.noise.study import plan

REFERENCE = "pgd(norm=linf, eps=0.2, steps=5, stop=false)"
CONTROL = "noise(like=pgd(norm=linf, eps=0.2, steps=5, stop=false))"
MOMENTUM = "pgd(norm=linf, eps=0.2, steps=5, momentum=1, stop=false)"
NOISY = "pgd(norm=linf, eps=0.2, steps=5, noisy=gaussian, noise_scale=0.1)"
MINNORM = "minnorm(norm=linf, steps=5)"
ATTACKS = ",".join([CONTROL, REFERENCE, MOMENTUM, NOISY, MINNORM])
QUICK = {
    "attacks": ATTACKS, "examples": 60, "matching_pool": 30, "gradients": 5, "draws": 4,
    "worst_case_steps": 2, "noise_scales": "0.1,0.3", "path_examples": 55, "path_points": 9,
    "followed_examples": 50, "drawn_examples": 2, "others": "digits_mlp",
}  # fmt: skip
WHERE = {
    "model": "digits_convnet", "checkpoint": None, "normalisation": None, "stem": None,
    "data": "digits", "split": None, "size": None, "skip_unreadable": False, "batch_size": 256,
    "device": "cpu", "threads": 1, "seed": 0,
}  # fmt: skip
OPTIONS = {
    **QUICK, **WHERE, "eps": None, "noisy": "gaussian", "controls": None, "radii": None,
    "worst_case_linf": None,
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory):
    return noise.run(**QUICK, out=str(tmp_path_factory.mktemp("noise") / "run"))


def test_every_group_is_measured_connected_and_shown_to_the_others(made):
    results = made.results()
    counts = results.groupby("group").size()
    assert counts["genuine"] == 90
    scaled = "pgd(norm=linf, eps=0.2, steps=5, noisy=gaussian, noise_scale=0.3)"
    assert set(counts.index) == {"genuine", CONTROL, REFERENCE, MOMENTUM, NOISY, MINNORM, scaled}
    assert (counts.drop("genuine") == 60).all()
    fooled = results[results["status"] == "success"]
    assert fooled[["gaussian_rise@0.2", "hessian_top", "says@digits_mlp"]].notna().all(axis=None)
    order = {name: i for i, name in enumerate(results[results["group"] == REFERENCE]["id"])}
    near = fooled["id"].map(order) < 55
    assert fooled[near]["twin_barrier"].notna().all()
    assert fooled[~near]["twin_barrier"].isna().all()
    assert (fooled["class_left"].dropna() < 0.1).all()
    assert (results["backwards"].dropna() <= 5).all()


def test_the_followed_ways_are_those_of_the_examples(made):
    table = made.read("follow/")
    assert set(table["recipe"]) == {REFERENCE, MOMENTUM, NOISY, MINNORM}
    images = load_images("digits").subset(60)
    x, labels = images.tensors(range(50))
    ids = [str(i) for i in images.ids[:50]]
    net = load_classifier("digits_convnet")
    way = craft(net, x, labels, NOISY, ids=ids, record=True).trajectories
    expected = followed(Loss(net, labels), x, way, ids=ids)
    own = table[table["recipe"] == NOISY].reset_index(drop=True)
    pd.testing.assert_frame_equal(own.drop(columns="recipe"), expected)
    last = own[own["spent"] == 5].set_index("id")["loss"]
    crafted = made.results().query("group == @NOISY").set_index("id")["true_loss"]
    np.testing.assert_allclose(last, crafted[last.index], rtol=1e-5)


def test_the_plane_is_drawn_of_the_first_right_images(made):
    drawn = made.read("planes")
    assert drawn["id"].nunique() == 2
    assert set(drawn["kind"]) == {"way", "grid"}
    assert drawn[["explained_x", "explained_y"]].sum(axis=1).between(0, 1).all()


def test_the_report_answers_before_it_explains(made):
    page = made.report.read_text()
    assert 'src="http' not in page
    order = ["What every recipe finds", "Dose and response", "The optimisations themselves",
             "The ways, in their common plane", "Flatness against genuine images", "Examples",
             "How it was measured", "Repeat it"]  # fmt: skip
    places = [page.rindex(title) for title in order]
    assert places == sorted(places)
    summary = made.summary()
    assert [shown["figure"] for shown in summary["headline"]] == ["against", "scales", "planes"]
    for shown in summary["headline"]:
        assert (made.figures / f"{shown['figure']}.png").is_file()
        assert shown["caption"]
    assert {"text", "significant", "verdict", "group"} == set(summary["findings"][0])
    assert summary["reference"] == REFERENCE
    assert "discrimination" not in summary, "these are not comparisons of the default recipes"


def test_the_config_is_what_the_command_takes_and_plans_the_same_study(made):
    settings = made.settings()
    again = plan(**OPTIONS | settings | {"eps": None})
    assert again.settings() == settings
    assert "adversarial" not in settings


@pytest.mark.slow
def test_two_processes_compute_the_same_bits(made, tmp_path: Path):
    again = noise.run(**QUICK, launch="processes", workers=2, out=str(tmp_path / "again"))
    pd.testing.assert_frame_equal(again.results(), made.results())
    pd.testing.assert_frame_equal(again.read("follow/"), made.read("follow/"))
    pd.testing.assert_frame_equal(again.read("planes"), made.read("planes"))


def test_the_default_recipes_follow_the_classifier():
    study = plan(**OPTIONS | {"attacks": None, "gradients": 20, "others": None})
    assert len(study.attacks) == 16
    assert study.others == ("digits_mlp", "digits_residual", "digits_patches")
    plain = next(r for r in study.recipes.values() if r.get("optimiser") == "plain")
    x, labels = load_images("digits").subset(50).tensors()
    net = load_classifier("digits_convnet")
    points = x.requires_grad_()
    loss = Loss(net, labels)(points)
    (gradient,) = torch.autograd.grad(loss.sum(), points)
    slope = float(gradient.flatten(1).double().norm(dim=1).quantile(0.5))
    assert plain["step_size"] * slope == pytest.approx(0.4, rel=0.05)
    assert study.first_phase == 1
    controlled = plan(**OPTIONS | {"controls": "all"})
    assert controlled.first_phase == 3


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"gradients": 0}, "--gradients"), ({"draws": 5}, "--draws: expected an even number"),
        ({"worst_case_steps": 1}, "--worst_case_steps"), ({"path_points": 2}, "--path_points"),
        ({"path_examples": -1}, "--path_examples"), ({"drawn_examples": -1}, "--drawn_examples"),
        ({"eps": "0.1"}, "--eps: is the radius of the default recipes"),
        ({"attacks": None, "eps": "big"}, "--eps: found 'big'"),
        ({"noisy": "gaussian,gaussian"}, "--noisy: the same kind is given twice"),
        ({"noisy": "gauss"}, "--noisy"), ({"noise_scales": "x"}, "--noise_scales"),
        ({"radii": "0"}, "--radii: expected lengths above 0"),
        ({"worst_case_linf": "-1"}, "--worst_case_linf: expected lengths above 0"),
        ({"examples": 0}, "--examples"), ({"others": "digits_mlp,digits_mlp"}, "--others"),
        ({"attacks": "pgd(eps=0.1, steps=9)"}, "may spend 9 gradients"),
        ({"attacks": "pgd(eps=0.1),pgd(eps=0.2, momentum=1)"}, "need the same one"),
        ({"attacks": "minnorm()"}, "expected at least one attack inside a ball"),
    ],
)  # fmt: skip
def test_options_that_cannot_be_used_are_named(changed, message):
    with pytest.raises(InputError, match=message):
        plan(**OPTIONS | changed)


def test_no_followed_drawn_connected_or_other_is_a_study_too(tmp_path: Path):
    run = noise.run(
        attacks=f"{REFERENCE},{MOMENTUM}", examples=30, matching_pool=10, gradients=5, draws=4,
        worst_case_steps=2, noise_scales="", path_examples=0, followed_examples=0,
        drawn_examples=0, others="", out=str(tmp_path / "run"),
    )  # fmt: skip
    names = {p.stem for p in run.figures.glob("*.png")}
    assert "against" in names
    assert not names & {"scales", "planes", "losses", "fooled", "turns", "relations"}
    assert not any(c.startswith(("twin_", "class_", "says@")) for c in run.results())
