"""`python -m attacks.transfer`, run in this process."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from attacks import load_adversarial, parse, transfer
from attacks.transfer import run
from attacks.transfer.command import run as command_run
from attacks.transfer.findings import FEW
from attacks.transfer.landscapes import PREFIXES
from attacks.transfer.study import TransferStudy, plan
from core import load_classifier, load_images
from core.cli import command
from core.models import fingerprint, save_checkpoint

NETS = ("digits_convnet", "digits_mlp", "digits_patches")
ATTACKS = [
    "noise(like=pgd(eps=0.2, stop=false))",
    "fgsm(eps=0.2)",
    "pgd(eps=0.2, stop=false)",
    "pgd(norm=l2, eps=1, stop=false)",
]
EXAMPLES = 60
OPTIONS = {
    "classifiers": ",".join(NETS),
    "attacks": ATTACKS,
    "examples": EXAMPLES,
    "gradients": 4,
    "noise_scales": [0.1, 0.3],
}
PGD = "pgd(norm=linf, eps=0.2, steps=4, stop=false)"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return run(**OPTIONS, out=str(tmp_path_factory.mktemp("transfer") / "run"))


def test_the_results_are_those_of_the_function(made):
    images = load_images("digits").subset(EXAMPLES)
    x, labels = images.tensors()
    nets = {name: load_classifier(name) for name in NETS}
    recipes = list(made.results()["recipe"].unique())
    ids = [str(i) for i in images.ids]
    expected = transfer(nets, x, labels, recipes, ids=ids, gradients=4)
    found = made.results()
    keys = ["recipe", "source", "victim", "id"]
    pd.testing.assert_frame_equal(
        found.sort_values(keys, ignore_index=True),
        expected.sort_values(keys, ignore_index=True),
        rtol=1e-4,
        atol=1e-5,
        check_dtype=False,
    )


def test_recipes_have_the_steps_that_the_budget_allows_and_the_curve_is_added(made):
    assert list(made.results()["recipe"].unique()) == [
        "noise(like=pgd(norm=linf, eps=0.2, steps=4, stop=false))",
        "fgsm(norm=linf, eps=0.2)",
        PGD,
        "pgd(norm=l2, eps=1, steps=4, stop=false)",
        "pgd(norm=linf, eps=0.2, steps=4, noisy=gaussian, noise_scale=0.1)",
        "pgd(norm=linf, eps=0.2, steps=4, noisy=gaussian, noise_scale=0.3)",
    ]
    assert made.results()["backwards"].max() == 4


def test_the_summary_counts_what_the_table_holds(made):
    table, summary = made.results(), made.summary()
    assert summary["examples"] == table["id"].nunique()
    rates = pd.DataFrame(summary["rates"])
    own = table[(table["recipe"] == PGD) & (table["source"] != table["victim"])]
    over_all = rates[(rates["recipe"] == PGD) & (rates["source"] == "all")].iloc[0]
    assert over_all["rate"] == pytest.approx(own["fooled"].mean())
    assert over_all["low"] < over_all["rate"] < over_all["high"]
    # The l2 recipe is alone in its ball, so nothing is compared with it.
    gains = pd.DataFrame(summary["gains"])
    assert set(gains["reference"]) == {PGD}
    assert "pgd(norm=l2, eps=1, steps=4, stop=false)" not in set(gains["recipe"])
    assert summary["findings"][0]["text"].startswith("Of the examples that PGD linf 0.2 makes")


def test_the_report_answers_first_and_shows_figures_and_examples(made):
    page = made.report.read_text()
    for title in (
        "How many transfer",
        "Which recipe transfers better",
        "How noisy a classifier helps",
        "Are the same examples shared?",
        "Are they fooled into the same class?",
        "What goes with transfer",
        "Examples",
        "How it was measured",
    ):
        assert title in page
    assert page.index("Of the examples that") < page.index("How many transfer</h2>")
    assert "recipes of different kinds are not rivals" in page
    assert {p.stem for p in made.figures.glob("*.png")} == {
        "rates", "matrices", "gains", "scales", "sharing", "wrong_classes", "relations",
        "alignment",
    }  # fmt: skip
    drawn = pd.read_csv(made.figures / "matrices.csv")
    assert len(drawn[(drawn["recipe"] == PGD) & drawn["source"].isin(NETS)]) == 9 + 3


def test_the_files_are_the_examples_of_each_source(made):
    for name in NETS:
        files = sorted((made.adversarial / name).glob("*.safetensors"))
        found = {str(a.recipe): a for a in map(load_adversarial, files)}
        assert len(found) == 6
        for artifact in found.values():
            artifact.check_against(load_images("digits"))
            assert artifact.classifier == fingerprint(load_classifier(name))
            assert len(artifact) == made.summary()["examples"]


@pytest.mark.slow
def test_two_processes_and_another_batch_size_find_the_same(made, tmp_path):
    again = run(**OPTIONS, batch_size=17, launch="processes", out=str(tmp_path / "again"))
    columns = ["id", "recipe", "source", "victim", "prediction", "fooled"]
    pd.testing.assert_frame_equal(made.results()[columns], again.results()[columns])


@pytest.mark.slow
def test_a_run_continues_where_it_was_stopped(made, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(made.path, out)
    for shard in [*(out / "shards" / "judge").rglob("*.parquet")][:2]:
        shard.unlink()
    (out / "results.parquet").unlink()
    again = run(**OPTIONS, out=str(out))
    pd.testing.assert_frame_equal(made.results(), again.results())


def test_the_study_travels_to_another_process_as_its_settings(made):
    settings = made.settings()
    planned = plan(**settings, eps=None)
    assert isinstance(planned, TransferStudy)
    planned.loaded  # noqa: B018, what is loaded stays behind
    copy = pickle.loads(pickle.dumps(planned))
    assert "loaded" not in vars(copy)
    assert copy.settings() == settings == json.loads(json.dumps(settings))


def test_checkpoints_come_from_a_folder_and_from_files_by_name(tmp_path):
    folder = tmp_path / "nets"
    for name in NETS[:2]:
        net = load_classifier(name)
        save_checkpoint(
            folder / f"{name}.safetensors", net.network, spec=name, num_classes=10, in_channels=1
        )
    plain = tmp_path / "other.pt"
    torch.save(load_classifier("digits_patches").network.state_dict(), plain)
    done = run(
        classifiers=f"{folder},mine=digits_patches@{plain}",
        attacks="fgsm(eps=0.2)",
        examples=20,
        out=str(tmp_path / "run"),
    )
    assert list(done.results()["source"].unique()) == ["digits_convnet", "digits_mlp", "mine"]
    assert done.results()["id"].nunique() < FEW
    assert "too few for a claim" in done.report.read_text()


def test_flatness_is_joined_by_classifier_recipe_and_id(made, tmp_path):
    ids = [str(i) for i in load_images("digits").ids]
    rows = [
        {
            "id": i,
            "group": group,
            "gradient_l2": k + 1000 * j,
            "hessian_trace": 1.0,
            "hessian_trace_se": 0.1,
            "persistence": 0.5,
            "persistence_low": 0.1,
            "lid:input": 7.0,
            "lid:layer1": 9.0,
            "loss": 0.0,
        }
        for j, group in enumerate(("genuine", PGD, "fgsm(norm=linf, eps=0.7)"))
        for k, i in enumerate(ids)
    ]
    flat = tmp_path / "flat"
    flat.mkdir()
    pd.DataFrame(rows).to_parquet(flat / "results.parquet")
    identity = {
        "classifier": fingerprint(load_classifier("digits_mlp")),
        "images": load_images("digits").fingerprint,
    }
    about = {"command": "landscape.flatness", "identity": identity}
    (flat / "environment.json").write_text(json.dumps(about))
    done = run(
        classifiers="digits_mlp,digits_convnet",
        attacks=[PGD, "fgsm(eps=0.2)"],
        gradients=4,
        examples=40,
        flatness=str(flat),
        out=str(tmp_path / "run"),
    )
    table = done.results()
    around, at = (f"{PREFIXES[k]}gradient_l2" for k in ("genuine", "adversarial"))
    place = {name: k for k, name in enumerate(ids)}
    own = table[table["source"] == "digits_mlp"]
    assert (own[around] == own["id"].map(place)).all()
    pgd = own[own["recipe"] == PGD]
    assert (pgd[at] == pgd["id"].map(place) + 1000).all()
    assert own[own["recipe"] != PGD][at].isna().all()
    assert table[table["source"] == "digits_convnet"][[around, at]].isna().all(axis=None)
    assert "gradient norm, l2, genuine" in done.report.read_text()
    measured = {name.partition(":")[2] for name in table if name.startswith("flatness_")}
    # Neither a standard error nor a bound is a measure; layers differ between classifiers.
    assert measured == {"gradient_l2", "hessian_trace", "persistence", "lid:input"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"command": "attacks.craft"}, "expected landscape.flatness"),
        ({"identity": {"classifier": "f" * 64}}, "about other images"),
        ({"identity": "mine"}, "none of digits_mlp"),
        (None, "is not a run directory"),
    ],
)
def test_a_run_that_is_not_about_this_is_refused(change, expected, tmp_path, monkeypatch):
    flat = tmp_path / "flat"
    flat.mkdir()
    if change is not None:
        images = load_images("digits").fingerprint
        about = {"command": "landscape.flatness", "identity": {"images": "?"}} | change
        if about["identity"] == "mine":
            about["identity"] = {"classifier": "f" * 64, "images": images}
        (flat / "environment.json").write_text(json.dumps(about))
        pd.DataFrame({"id": []}).to_parquet(flat / "results.parquet")
    options = ["--classifiers", "digits_mlp,digits_convnet", "--flatness", str(flat)]
    error = ended(options, tmp_path, monkeypatch)
    assert "--flatness" in error
    assert expected in error


def test_where_no_image_is_right_everywhere_the_report_says_so(tmp_path, monkeypatch):
    (tmp_path / "wrongnets.py").write_text(
        "import torch\n"
        "class One(torch.nn.Module):\n"
        "    sign = 9\n"
        "    def forward(self, x):\n"
        "        s = x.flatten(1).sum(1)\n"
        "        return torch.stack([s * 0 - self.sign * k for k in (1, 0)], 1) + s[:, None]\n"
        "class Two(One):\n"
        "    sign = 8\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    np.savez(
        tmp_path / "set.npz",
        images=np.random.default_rng(0).integers(0, 255, (6, 1, 4, 4)).astype(np.uint8),
        labels=np.zeros(6, np.int64),
        class_names=np.array(["a", "b"]),
    )
    done = run(
        classifiers="wrongnets:One,wrongnets:Two",
        data=str(tmp_path / "set.npz"),
        attacks="fgsm(eps=0.1)",
        out=str(tmp_path / "run"),
    )
    assert len(done.results()) == 0
    assert "nothing to attack" in done.summary()["findings"][0]["text"]
    assert "nothing to attack" in done.report.read_text()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--classifiers", "digits_mlp"], ["--classifiers", "at least 2"]),
        (["--classifiers", "digits_mlp,digits_mlp"], ["same classifier", "digits_mlp-2"]),
        (["--classifiers", "a=digits_mlp,a=digits_convnet"], ["--classifiers", "'a'"]),
        (["--classifiers", "digits_mlp,digit_convnet"], ["digit_convnet", "did you mean"]),
        (["--classifiers", "digits_mlp,digits_convnet@gone.pt"], ["digits_convnet", "gone.pt"]),
        (["--classifiers", "digits_mlp,@x.pt"], ["--classifiers", "@x.pt", "SPEC"]),
        (["--attacks", "pdg(eps=0.1)"], ["--attacks", "pgd"]),
        (["--attacks", "pgd(eps=0.1, steps=40)"], ["--gradients", "40", "10"]),
        (["--attacks", "fgsm(eps=0.1)", "--eps", "0.2"], ["--eps"]),
        (["--eps", "-1"], ["--eps"]),
        (["--gradients", "0"], ["--gradients"]),
        (["--noise_scales", "0.1", "--noisy", "gausian"], ["--noisy", "gaussian"]),
        (["--noise_scales", "1.5", "--noisy", "dropout"], ["--noise_scales", "below 1"]),
        (["--attacks", "square(eps=0.1)", "--noise_scales", "0.1"], ["--noise_scales", "pgd"]),
        (["--flatness", "nowhere"], ["--flatness", "nowhere"]),
        (["--examples", "0"], ["--examples"]),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(options, expected, tmp_path, monkeypatch):
    error = ended(options, tmp_path, monkeypatch)
    for part in expected:
        assert part in error


def ended(options: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the command, which ends with exit code 2, and return its one error."""
    monkeypatch.setattr(sys, "argv", ["transfer", "--out", str(folder / "run"), *options])
    said = io.StringIO()
    with contextlib.redirect_stderr(said), pytest.raises(SystemExit) as ending:
        command(command_run, prog="python -m attacks.transfer")
    assert ending.value.code == 2, said.getvalue()
    (error,) = (line for line in said.getvalue().splitlines() if line.startswith("error: "))
    return error


def test_a_recipe_string_of_the_settings_reads_back_as_itself(made):
    for text in made.settings()["attacks"]:
        assert str(parse(text)) == text
