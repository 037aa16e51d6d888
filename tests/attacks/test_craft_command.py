"""`python -m attacks.craft`, run in this process."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from attacks import craft, load_adversarial, parse
from attacks.craft import findings, report, run
from attacks.craft.command import run as command_run
from attacks.masking import CHECKS
from core import load_classifier, load_images
from core.cli import command
from core.models import fingerprint
from core.statistics import clopper_pearson

# One process takes them all, so that the study most of them read is made once.
pytestmark = pytest.mark.xdist_group("craft command")

CONTROL = "noise(like=pgd(norm=linf, eps=0.1, steps=5))"
PGD = "pgd(norm=linf, eps=0.1, steps=5)"
TARGETED = "pgd(norm=l2, eps=0.8, steps=8, targeted=true)"
MINNORM = "minnorm(norm=l2, steps=20)"
ATTACKS = [CONTROL, PGD, TARGETED, MINNORM]
EXAMPLES = 60


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("craft") / "run"
    return run(examples=EXAMPLES, attacks=ATTACKS, masking_checks=True, out=str(out))


def test_every_recipe_has_one_verified_row_per_image_and_no_pixels(made):
    results = made.results()
    assert results.groupby("recipe").size().to_dict() == {
        str(parse(recipe)): EXAMPLES for recipe in ATTACKS
    }
    assert "image" not in results
    assert results[["inside_box", "inside_ball", "finite"]].all(axis=None)


def test_the_numbers_are_those_of_the_function(made):
    images = load_images("digits").subset(EXAMPLES)
    x, labels = images.tensors()
    ids = [str(i) for i in images.ids]
    expected = craft(load_classifier("digits_convnet"), x, labels, PGD, ids=ids)
    own = made.results().set_index("recipe").loc[str(parse(PGD))]
    assert list(own["id"]) == ids
    fooled = (own["label_changed"] & own["clean_correct"]).to_numpy()
    assert (fooled == expected.success.numpy()).all()
    assert (own["forwards"].to_numpy() == expected.forwards.numpy()).all()
    summary = {row["recipe"]: row for row in made.summary()["recipes"]}[str(parse(PGD))]
    right = int(expected.clean_correct.sum())
    interval = clopper_pearson(int(fooled.sum()), right)
    assert summary["fooled"] == fooled.sum()
    assert summary["clean_correct"] == right
    assert [summary[k] for k in ("success", "low", "high")] == pytest.approx(
        [interval.estimate, interval.low, interval.high]
    )
    step = (expected.images - x).flatten(1)[expected.success].double()
    assert summary["median_l2"] == pytest.approx(
        float(np.median(step.norm(dim=1).numpy())), rel=1e-5
    )
    mean = expected.forwards[expected.clean_correct].double().mean().item()
    assert summary["forwards"] == pytest.approx(mean)


def test_the_files_are_the_examples_with_all_that_is_known_of_them(made):
    files = sorted(made.adversarial.glob("*.safetensors"))
    found = {str(a.recipe): a for a in map(load_adversarial, files)}
    assert set(found) == {str(parse(recipe)) for recipe in ATTACKS}
    images = load_images("digits")
    for artifact in found.values():
        artifact.check_against(images)
        assert artifact.classifier == fingerprint(load_classifier("digits_convnet"))
        assert artifact.data == images.fingerprint
        assert len(artifact) == EXAMPLES
    assert found[str(parse(CONTROL))].radii is not None
    targets = found[str(parse(TARGETED))].targets
    assert targets is not None
    assert bool((targets != found[str(parse(TARGETED))].labels).all())


def test_the_report_answers_first_and_shows_figures_examples_and_checks(made):
    page = made.report.read_text()
    for title in ("How many are fooled", "What it takes", "Examples", "Are gradients masked?"):
        assert title in page
    assert page.index("The classifier is right on") < page.index("Clopper-Pearson")
    assert {p.name for p in made.figures.glob("*.csv")} == {
        "success.csv",
        "passes.csv",
        "distances.csv",
    }
    checks = made.summary()["masking_checks"]
    assert [check["check"] for check in checks] == list(CHECKS)
    assert "digits_mlp" in checks[-1]["explanation"]
    assert all(check["passed"] for check in checks)


def test_the_curve_of_passes_ends_at_the_success(made):
    curve = pd.read_csv(made.figures / "passes.csv").groupby("recipe")["share"]
    for row in made.summary()["recipes"]:
        if not row["control"]:
            assert curve.max()[row["recipe"]] == pytest.approx(row["success"])
            assert curve.apply(lambda share: share.is_monotonic_increasing)[row["recipe"]]


def test_two_processes_and_another_batch_size_find_the_same(made, tmp_path):
    # The control depends on another recipe; that batches change no recipe is tested elsewhere.
    again = run(
        examples=EXAMPLES,
        attacks=[CONTROL, PGD],
        batch_size=17,
        launch="processes",
        out=str(tmp_path / "again"),
    )
    columns = ["id", "recipe", "prediction", "status"]
    results = made.results()
    results = results[results["recipe"].isin(again.results()["recipe"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(results[columns], again.results()[columns])
    pd.testing.assert_series_equal(results["l2"], again.results()["l2"], rtol=1e-4)
    assert again.summary()["masking_checks"] is None


def test_an_invalid_example_is_reported_and_never_counts_as_fooled(made):
    table = made.results()
    table = table[table["recipe"] == str(parse(PGD))].reset_index(drop=True)
    before = findings.outcomes(table, {str(parse(PGD)): "PGD"}).iloc[0]
    victim = findings.fooled(table).idxmax()
    broken = table.assign(status=table["status"].where(table.index != victim, "outside ball"))
    after = findings.outcomes(broken, {str(parse(PGD)): "PGD"})
    assert after["fooled"].iloc[0] == before["fooled"] - 1
    assert after["robust"].iloc[0] == pytest.approx(before["robust"] + 1 / EXAMPLES)
    said = findings.findings(after, None)
    assert [f.verdict for f in said if f.significant is False] == ["invalid examples"]


def test_a_classifier_that_is_always_wrong_leaves_nothing_to_say(tmp_path, monkeypatch):
    (tmp_path / "wrongnet.py").write_text(
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    def forward(self, x):\n"
        "        return torch.stack([x.flatten(1).sum(1) * 0 - 9 * k for k in (1, 0)], 1)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    np.savez(
        tmp_path / "set.npz",
        images=np.random.default_rng(0).integers(0, 255, (6, 1, 4, 4)).astype(np.uint8),
        labels=np.zeros(6, np.int64),
        class_names=np.array(["a", "b"]),
    )
    done = run(
        model="wrongnet:Net",
        data=str(tmp_path / "set.npz"),
        attacks="fgsm(eps=0.1)",
        masking_checks=True,
        out=str(tmp_path / "run"),
    )
    summary = done.summary()
    assert "nothing to attack" in summary["findings"][0]["text"].lower()
    assert summary["recipes"][0]["success"] is None
    assert "No image was fooled" in done.report.read_text()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--attacks", "pdg(eps=0.1)"], ["--attacks", "pgd"]),
        (["--attacks", "fgsm(eps=0.1),fgsm(norm=linf, eps=0.1)"], ["--attacks", "twice"]),
        (["--attacks", ""], ["--attacks", "at least one"]),
        (["--examples", "0"], ["--examples"]),
        (["--masking_checks", "maybe"], ["--masking_checks", "maybe"]),
        (["--others", "digits_mlp"], ["--others", "--masking_checks"]),
        (["--masking_checks", "--others", "digits_mlp@"], ["--others", "SPEC[@CHECKPOINT]"]),
        (["--masking_checks", "--others", "digits_mpl"], ["--others", "digits_mlp"]),
        (["--masking_checks", "--others", "digits_mlp,digits_mlp"], ["--others", "twice"]),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(options, expected, tmp_path, monkeypatch):
    arguments = ["craft", "--out", str(tmp_path / "run"), *options]
    monkeypatch.setattr(sys, "argv", arguments)
    said = io.StringIO()
    with contextlib.redirect_stderr(said), pytest.raises(SystemExit) as ending:
        command(command_run, prog="python -m attacks.craft")
    assert ending.value.code == 2
    (error,) = (line for line in said.getvalue().splitlines() if line.startswith("error: "))
    for part in expected:
        assert part in error


def test_the_name_craft_is_the_function_before_and_after_the_command_is_imported():
    asked = (
        "import attacks, pickle, sys, types\n"
        "from attacks import craft as before\n"
        "assert 'attacks.craft' not in sys.modules\n"
        "import attacks.craft\n"
        "from attacks.craft import run\n"
        "from attacks import craft as after\n"
        "assert before is after is attacks.craft is attacks.crafting.craft\n"
        "assert isinstance(after, types.FunctionType) and isinstance(run, types.FunctionType)\n"
        "assert pickle.loads(pickle.dumps(after)) is after\n"
        "attacks.craft = 7\n"  # whoever replaces it on purpose may
        "assert attacks.craft == 7\n"
    )
    first = "import attacks.craft.command\nfrom attacks import craft\nassert callable(craft)\n"
    for code in (asked, first):
        ended = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            cwd=Path(__file__).resolve().parents[2],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
    assert list(inspect.signature(craft).parameters)[:3] == ["classifier", "images", "labels"]


def test_the_study_travels_to_another_process_as_its_settings(made):
    study = importlib.import_module("attacks.craft.study")
    settings = made.settings()
    planned = study.plan(**settings)
    planned.classifier  # noqa: B018, what is loaded stays behind
    copy = pickle.loads(pickle.dumps(planned))
    assert "classifier" not in vars(copy)
    assert copy.settings() == settings == json.loads(json.dumps(settings))
    assert report.GENUINE == "genuine"


def test_the_results_say_which_part_of_autoattack_fooled_each_image(tmp_path):
    recipe = "autoattack(eps=0.15, steps=4, targets=2, queries=20)"
    results = run(examples=20, attacks=recipe, out=str(tmp_path / "run")).results()
    fooled = results["status"] == "success"
    assert fooled.any()
    assert set(results.loc[fooled, "broken_by"]) <= {"apgd-ce", "apgd-t", "fab-t", "square"}
    assert set(results.loc[~fooled, "broken_by"]) <= {""}
