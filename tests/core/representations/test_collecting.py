"""Representations are collected once, in one pass, whole, and refused where they do not belong."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from core.data import ImageSet, load_images
from core.errors import InputError
from core.layers import capture
from core.models import Classifier, load_classifier
from core.representations import collect, open_collection
from core.representations.collecting import Writer
from core.representations.sharded import ShardedArray

LAYERS = ["input", "0", "3"]


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return load_classifier("digits_convnet")


@pytest.fixture(scope="module")
def images() -> ImageSet:
    return load_images("digits").subset(90)


def small_files(monkeypatch: pytest.MonkeyPatch, rows: int = 16) -> None:
    """Let a file have few rows, so that a small set has many files."""
    monkeypatch.setattr("core.representations.collection.rows_of_shard", lambda _: rows)


@pytest.mark.parametrize("batch_size", [7, 32, 256])
def test_what_is_collected_is_what_a_forward_pass_gives(
    classifier, images, tmp_path, monkeypatch, batch_size
):
    small_files(monkeypatch)
    found = collect(classifier, images, LAYERS, folder=tmp_path, batch_size=batch_size)
    x, labels = images.tensors()
    with torch.no_grad():
        expected = capture(classifier, LAYERS, x)
        logits = classifier(x)
    assert list(found) == LAYERS
    for name in LAYERS:
        np.testing.assert_allclose(found[name][:], expected[name].numpy(), atol=1e-5)
    np.testing.assert_allclose(found.logits[:], logits.numpy(), atol=1e-4)
    assert found.labels.tolist() == labels.tolist()
    assert found.ids.tolist() == [str(i) for i in images.ids]
    assert found.predictions.tolist() == logits.argmax(1).tolist()


def test_rows_are_read_across_files_in_the_order_asked_for(
    classifier, images, tmp_path, monkeypatch
):
    small_files(monkeypatch)
    array = collect(classifier, images, ["0"], folder=tmp_path)["0"]
    whole = array[:]
    assert len(list(array.folder.glob("*.npy"))) == 6
    for indices in ([80, 3, 3, 17], slice(10, 40, 7), np.arange(90) % 16 == 0, -1, []):
        np.testing.assert_array_equal(array[indices], whole[indices])
    with pytest.raises(IndexError):
        array[[90]]
    again = pickle.loads(pickle.dumps(array))
    np.testing.assert_array_equal(again[[5, 70]], whole[[5, 70]])
    assert array.tensors([4]).dtype == torch.float32


def test_a_pass_ends_at_the_deepest_layer_where_no_logits_are_wanted(images, tmp_path):
    class Counting(nn.Module):
        calls = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            Counting.calls += 1
            return x

    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.ReLU(), Counting(), nn.Linear(5, 10))
    classifier = Classifier(net, spec="mine", num_classes=10).eval()
    collect(classifier, images, ["1", "2"], folder=tmp_path / "a", logits=False)
    assert Counting.calls == 0
    assert open_collection(tmp_path / "a", ["1"]).logits is None
    collect(classifier, images, ["1", "2"], folder=tmp_path / "b", batch_size=45)
    assert Counting.calls == 1 + 2  # one image tells the shapes


def test_what_is_finished_is_not_computed_again_and_further_layers_join(
    classifier, images, tmp_path, monkeypatch
):
    small_files(monkeypatch)
    collect(classifier, images, ["0"], folder=tmp_path, batch_size=16)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.npy")}
    shown = []
    hook = classifier.register_forward_pre_hook(lambda _, given: shown.append(len(given[0])))
    collect(classifier, images, ["0"], folder=tmp_path, batch_size=16)
    assert shown == [1]
    collect(classifier, images, ["0", "3"], folder=tmp_path, batch_size=16)
    hook.remove()
    assert sum(shown) == 1 + 1 + 90
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_a_call_that_was_killed_is_continued_with_the_same_bits(
    classifier, images, tmp_path, monkeypatch
):
    small_files(monkeypatch)
    whole = collect(classifier, images, LAYERS, folder=tmp_path / "whole", batch_size=10)
    write, calls = Writer.write, []

    def dies(self, start, output):
        calls.append(start)
        if len(calls) == 15:
            raise KeyboardInterrupt
        write(self, start, output)

    monkeypatch.setattr(Writer, "write", dies)
    with pytest.raises(KeyboardInterrupt):
        collect(classifier, images, LAYERS, folder=tmp_path / "part", batch_size=10)
    assert not list((tmp_path / "part").rglob(".*.tmp"))
    assert any((tmp_path / "part").rglob("000000.npy"))
    with pytest.raises(InputError, match="not a whole file"):
        open_collection(tmp_path / "part", LAYERS)["3"][:]
    monkeypatch.setattr(Writer, "write", write)
    again = collect(classifier, images, LAYERS, folder=tmp_path / "part", batch_size=10)
    for name in LAYERS:
        np.testing.assert_array_equal(again[name][:], whole[name][:])


def test_a_damaged_file_is_made_anew(classifier, images, tmp_path, monkeypatch):
    small_files(monkeypatch)
    found = collect(classifier, images, ["0"], folder=tmp_path)
    before = found["0"][:]
    path = found["0"].folder / "000002.npy"
    path.write_bytes(path.read_bytes()[:200])
    again = collect(classifier, images, ["0"], folder=tmp_path)
    np.testing.assert_array_equal(again["0"][:], before)


def test_representations_of_others_are_refused(classifier, images, tmp_path):
    found = collect(classifier, images, ["0"], folder=tmp_path)
    other = load_classifier("digits_mlp")
    with pytest.raises(InputError, match="another classifier"):
        found.check(other)
    with pytest.raises(InputError, match="other images"):
        found.check(images=images.subset(20))
    found.check(classifier, images)
    with pytest.raises(InputError, match="another classifier"):
        collect(other, images, ["input"], folder=tmp_path)
    with pytest.raises(InputError, match="another image"):
        collect(classifier, images.subset(20), ["input"], folder=tmp_path)
    with pytest.raises(InputError, match="has no representations at 3"):
        open_collection(tmp_path, ["3"])
    with pytest.raises(InputError, match="unknown name 'feature'"):
        found["feature"]


@pytest.mark.parametrize(
    ("form", "shape"),
    [("whole", (16, 8, 8)), ("positions", (64, 16)), ("average", (16,)), ("maximum", (16,))],
)
def test_forms_keep_what_their_names_say(classifier, images, tmp_path, form, shape):
    found = collect(classifier, images, ["0"], folder=tmp_path, form=form)["0"]
    assert found.shape == (90, *shape)
    with torch.no_grad():
        maps = capture(classifier, ["0"], images.tensors()[0])["0"].numpy()
    expected = {
        "whole": maps,
        "positions": np.moveaxis(maps.reshape(90, 16, 64), 1, 2),
        "average": maps.mean((2, 3)),
        "maximum": maps.max((2, 3)),
    }[form]
    np.testing.assert_allclose(found[:], expected, atol=1e-5)


def test_what_float16_cannot_hold_is_said(images, tmp_path):
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    nn.init.constant_(net[1].weight, 1e4)
    classifier = Classifier(net, spec="mine", num_classes=10).eval()
    with pytest.raises(InputError, match="more than float16 can hold"):
        collect(classifier, images, ["1"], folder=tmp_path / "a", dtype="float16")
    half = collect(load_classifier(), images, ["input"], folder=tmp_path / "b", dtype="float16")
    assert half["input"].dtype == np.float16
    nn.init.constant_(net[1].weight, torch.inf)
    with pytest.raises(InputError, match="not finite"):
        collect(classifier, images, ["1"], folder=tmp_path / "c")


def test_bad_arguments_are_named(classifier, images, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="--layers: unknown name '00'"):
        collect(classifier, images, ["00"], folder=tmp_path)
    with pytest.raises(InputError, match="--layers: give at least one"):
        collect(classifier, images, [], folder=tmp_path)
    with pytest.raises(InputError, match="--dtype: unknown name 'float64'"):
        collect(classifier, images, ["input"], folder=tmp_path, dtype="float64")
    with pytest.raises(InputError, match="--form: 'average' pools over positions"):
        collect(load_classifier("digits_mlp"), images, ["1"], folder=tmp_path / "m", form="average")
    with pytest.raises(InputError, match="--form: unknown name 'averge'"):
        collect(classifier, images, ["input"], folder=tmp_path, form="averge")
    usage = type("usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(InputError, match="GiB are needed"):
        collect(classifier, images, ["input"], folder=tmp_path / "n")


def test_the_classifier_is_given_back_as_it_was(images, tmp_path):
    classifier = load_classifier("digits_convnet")
    classifier.train()
    collect(classifier, images, LAYERS, folder=tmp_path)
    assert classifier.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in classifier.modules())


def test_memory_maps_are_read_only(tmp_path: Path):
    np.save(tmp_path / "000000.npy", np.zeros((3, 2), np.float32))
    array = ShardedArray(tmp_path, (3, 2), np.dtype("float32"), 8)
    with pytest.raises(ValueError, match="read-only"):
        array.shard(0)[0] = 1
