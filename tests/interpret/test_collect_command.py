"""`python -m interpret.collect`: several splits, in one pass each, resumed and refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from core.data import load_images
from core.errors import InputError
from core.layers import capture
from core.models import load_classifier
from core.representations import open_collection
from interpret.collect.command import run


def test_all_splits_are_kept_with_ids_and_labels(tmp_path):
    done = run(layers="input,3", examples=60, form="average", dtype="float16", out=str(tmp_path))
    table = done.results()
    assert table.groupby("split")["n"].first().to_dict() == {"test": 60, "train": 60}
    classifier = load_classifier("digits_convnet")
    for split in ("train", "test"):
        images = load_images("digits", split=split).subset(60)
        folder = tmp_path / "representations" / split
        found = open_collection(folder, ["input", "3"], form="average", dtype="float16")
        found.check(classifier, images)
        assert found.ids.tolist() == images.ids.tolist()
        assert found.labels.tolist() == images.labels.tolist()
        with torch.no_grad():
            maps = capture(classifier, ["3"], images.tensors()[0])["3"]
        np.testing.assert_allclose(found["3"][:], maps.flatten(2).mean(2).numpy(), rtol=1e-2)
        for path in folder.rglob("*.npy"):
            np.load(path, allow_pickle=False)
    assert "60" in done.report.read_text()
    assert done.summary()["splits"] == {"train": 60, "test": 60}


def test_a_second_call_computes_nothing_and_another_setting_is_refused(tmp_path):
    options = {"layers": "0", "examples": 40, "splits": "test", "out": str(tmp_path)}
    run(**options)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.npy")}
    run(**options)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.npy")} == before
    with pytest.raises(InputError, match="dtype: float32 -> float16"):
        run(**options, dtype="float16")


def test_images_without_splits_are_divided(tmp_path):
    images = load_images("digits").subset(100)
    np.savez(tmp_path / "own.npz", images=images.images, labels=images.labels)
    done = run(data=str(tmp_path / "own.npz"), layers="0", out=str(tmp_path / "run"))
    counts = done.results().set_index("split")["n"]
    assert counts.sum() == 100
    assert counts["held_out"] == 10
    ids = [
        set(open_collection(tmp_path / "run" / "representations" / s, ["0"]).ids)
        for s in counts.index
    ]
    assert not ids[0] & ids[1]


def test_default_layers_are_the_input_and_stages(tmp_path):
    done = run(examples=20, out=str(tmp_path), logits=False)
    table = done.results()
    assert isinstance(table, pd.DataFrame)
    assert list(table["layer"].unique()) == ["input", "3", "7", "12"]
    assert table["accuracy"].isna().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"form": "averge"}, "--form: unknown name 'averge'; did you mean 'average'"),
        ({"dtype": "float64"}, "--dtype: unknown name 'float64'"),
        ({"splits": "test,test"}, "--splits: expected each split once"),
        ({"splits": "val"}, "val"),
        ({"layers": "nope"}, "--layers: unknown name 'nope'"),
        ({"examples": 0}, "--examples"),
    ],
)
def test_bad_options_are_named(options, message, tmp_path):
    with pytest.raises(InputError, match=message):
        run(**options, out=str(tmp_path / "run"))
