"""Bad input ends in one sentence that names the argument, exit code 2, and loses nothing."""

from __future__ import annotations

import contextlib
import io
import pickle
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from core.cli import command
from landscape.flatness.command import run
from tests.end_to_end.conftest import QUICK, _project, jpegs

Prepare = Callable[[Path], list[str]]


def _model(name: str, *more: str) -> Prepare:
    return lambda folder: ["--model", name, *more]


def _pickle(folder: Path) -> list[str]:
    (folder / "evil.pkl").write_bytes(pickle.dumps({"weight": np.zeros(3)}))
    return ["--checkpoint", str(folder / "evil.pkl")]


def _misfit(folder: Path) -> list[str]:
    save_file({"nothing.weight": torch.zeros(3)}, folder / "other.safetensors")
    return ["--checkpoint", str(folder / "other.safetensors")]


def _weights_not_finite(folder: Path) -> list[str]:
    from core.models import load_classifier

    state = {k: v.clone() for k, v in load_classifier("digits_mlp").network.state_dict().items()}
    next(iter(state.values())).view(-1)[0] = torch.nan
    save_file(state, folder / "nan.safetensors")
    return ["--model", "digits_mlp", "--checkpoint", str(folder / "nan.safetensors")]


def _unknown_layout(folder: Path) -> list[str]:
    (folder / "strange").mkdir()
    (folder / "strange" / "notes.txt").write_text("no images")
    return ["--data", str(folder / "strange")]


def _corrupt_image(folder: Path) -> list[str]:
    jpegs(folder / "pictures", {"val": ["ant", "bee"]}, count=3)
    (folder / "pictures" / "val" / "ant" / "001.jpg").write_bytes(b"\xff\xd8 no image")
    return ["--data", str(folder / "pictures")]


def _labels_outside(folder: Path) -> list[str]:
    images, names = np.zeros((4, 1, 8, 8), np.uint8), np.array(["a", "b"])
    np.savez(folder / "set.npz", images=images, labels=np.array([0, 1, 2, 9]), class_names=names)
    return ["--data", str(folder / "set.npz")]


def _images_not_finite(folder: Path) -> list[str]:
    images = np.zeros((4, 1, 8, 8), np.float32)
    images[2, 0, 3, 3] = np.nan
    np.savez(folder / "set.npz", images=images, labels=np.array([0, 1, 2, 3]))
    return ["--data", str(folder / "set.npz")]


def _another_size(folder: Path) -> list[str]:
    jpegs(folder / "mixed", {"val": ["ant"]}, count=2)
    jpegs(folder / "mixed", {"val": ["bee"]}, count=2, size=24)
    return ["--data", str(folder / "mixed")]


def _does_not_fit_the_network(folder: Path) -> list[str]:
    jpegs(folder / "large", {"val": ["ant", "bee"]}, count=2, size=64)
    return ["--data", str(folder / "large")]


def _results_not_finite(folder: Path) -> list[str]:
    (folder / "overflow.py").write_text(
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    def forward(self, x):\n"
        "        rows = x.flatten(1)[:, :10]\n"
        "        return rows / (rows.sum(1, keepdim=True) * 0)\n"
    )
    return ["--model", "overflow:Net"]


def _foreign_adversarial(folder: Path) -> list[str]:
    save_file({"images": torch.zeros(2, 1, 8, 8)}, folder / "half.safetensors")
    return ["--adversarial", str(folder / "half.safetensors")]


def _foreign_folder(folder: Path) -> list[str]:
    (folder / "full").mkdir()
    (folder / "full" / "thesis.tex").write_text("precious")
    return ["--out", str(folder / "full")]


BAD: dict[str, tuple[Prepare, list[str]]] = {
    "unknown model": (_model("resnet19"), ["--model", "resnet19", "resnet18"]),
    "unknown built-in": (_model("digit_convnet"), ["--model", "digits_convnet"]),
    "untrained model": (_model("resnet18"), ["--checkpoint", "core.train"]),
    "unknown factory": (_model("nowhere.nets:make"), ["--model", "nowhere.nets"]),
    "unknown recipe": (lambda f: ["--attacks", "pdg(eps=0.1)"], ["--attacks", "pdg", "pgd"]),
    "unknown setting": (lambda f: ["--attacks", "pgd(epsilon=0.1)"], ["--attacks", "epsilon"]),
    "setting out of range": (lambda f: ["--attacks", "pgd(eps=-1)"], ["--attacks", "eps", "-1"]),
    "unknown dataset": (lambda f: ["--data", "digit"], ["--data", "digit", "digits"]),
    "unknown layout": (_unknown_layout, ["--data", "strange"]),
    "unknown split": (lambda f: ["--split", "tets"], ["--split", "tets", "test"]),
    "unknown loss": (lambda f: ["--loss", "margn"], ["--loss", "margin"]),
    "unknown reference": (lambda f: ["--reference", "ture"], ["--reference", "true"]),
    "unknown option": (lambda f: ["--modle", "x"], ["--modle", "--model"]),
    "option of another type": (lambda f: ["--examples", "many"], ["--examples", "many"]),
    "no examples": (lambda f: ["--examples", "0"], ["--examples", "0"]),
    "odd draws": (lambda f: ["--draws", "7"], ["--draws", "7", "even"]),
    "unknown launcher": (lambda f: ["--launch", "slrum"], ["--launch", "slurm"]),
    "unknown device": (lambda f: ["--device", "cuda:77"], ["--device", "cuda:77"]),
    "missing checkpoint": (lambda f: ["--checkpoint", "gone.pt"], ["--checkpoint", "gone.pt"]),
    "checkpoint of another model": (_misfit, ["--checkpoint", "nothing.weight", "missing"]),
    "pickle for weights": (_pickle, ["--checkpoint", "evil.pkl", "pickle"]),
    "weights not finite": (_weights_not_finite, ["--checkpoint", "finite"]),
    "images not finite": (_images_not_finite, ["--data", "finite"]),
    "results not finite": (_results_not_finite, ["finite"]),
    "labels outside the classes": (_labels_outside, ["--data", "label"]),
    "images of another size": (_another_size, ["--data", "--size"]),
    "images that do not fit": (_does_not_fit_the_network, ["image"]),
    "corrupt image": (_corrupt_image, ["--data", "001.jpg", "--skip"]),
    "foreign adversarial file": (_foreign_adversarial, ["--adversarial", "labels"]),
    "foreign folder": (_foreign_folder, ["--out", "thesis.tex"]),
    "unknown normalisation": (lambda f: ["--normalisation", "imagnet"], ["imagenet"]),
}


def ended(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """Run the command in this process; return its exit code and what it said on stderr."""
    monkeypatch.setattr(sys, "argv", ["flatness", *arguments])
    said = io.StringIO()
    with contextlib.redirect_stderr(said), pytest.raises(SystemExit) as ending:
        command(run, prog="python -m landscape.flatness")
    return int(ending.value.code or 0), said.getvalue()


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence_and_exit_code_2(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prepare, expected = BAD[case]
    arguments = [*QUICK, "--out", str(tmp_path / "run"), *prepare(tmp_path)]
    code, said = ended(arguments, monkeypatch)
    assert code == 2, said
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "Traceback" not in said
    for part in expected:
        assert part.lower() in errors[0].lower(), errors[0]


def test_another_config_in_the_same_folder_is_refused_and_loses_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = [*QUICK, "--attacks", "fgsm(eps=0.2)", "--out", "run"]
    code, said = ended(options, monkeypatch)
    assert code == 0, said
    before = {p: p.read_bytes() for p in sorted((tmp_path / "run" / "shards").rglob("*.parquet"))}
    code, said = ended([*options, "--seed", "1"], monkeypatch)
    assert code == 2
    assert "seed: 0 -> 1" in said
    after = {p: p.read_bytes() for p in sorted((tmp_path / "run" / "shards").rglob("*.parquet"))}
    assert before == after


def test_a_corrupt_image_is_skipped_only_when_asked(tmp_path, monkeypatch):
    from core import load_images

    _, folder = _corrupt_image(tmp_path)
    images = load_images(folder, skip_unreadable=True)
    assert len(images) == 5
    assert len(images.skipped) == 1


def test_a_full_disk_is_one_sentence_and_keeps_what_is_done(tmp_path):
    options = [*QUICK, "--attacks", "fgsm(eps=0.2)", "--out", "run"]

    def limit() -> None:
        # A file may not grow beyond 20 kB: the shards with images in them do not fit.
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    def start(preexec: Callable[[], None] | None) -> subprocess.CompletedProcess[str]:
        import os

        return subprocess.run(
            [sys.executable, "-m", "landscape.flatness", *options],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": _project()},
            preexec_fn=preexec,
            capture_output=True,
            text=True,
            check=False,
        )

    full = start(limit)
    assert full.returncode == 2, full.stderr
    assert full.stderr.count("error: ") == 1
    assert "Traceback" not in full.stderr
    assert not list((tmp_path / "run").rglob("*.tmp*"))
    roomy = start(None)
    assert roomy.returncode == 0, roomy.stderr
