from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch

from core.data import load_images
from core.errors import InputError

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 3, 6, 5), dtype=np.uint8)
LABELS = np.array([0, 2, 1, 2])


def npz(tmp_path: Path, **arrays) -> Path:
    path = tmp_path / "set.npz"
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    "images", [PIXELS, PIXELS.transpose(0, 2, 3, 1), PIXELS / 255, (PIXELS / 255).astype("f4")]
)
def test_npz_in_any_order_of_axes_and_as_floats_is_the_same_set(tmp_path: Path, images) -> None:
    loaded = load_images(npz(tmp_path, images=images, labels=LABELS))
    assert (loaded.images == PIXELS).all()
    assert loaded.labels.tolist() == LABELS.tolist()
    assert loaded.ids.tolist() == [f"all/{i:06d}" for i in range(4)]
    assert (loaded.split, loaded.class_names) == ("all", ("0", "1", "2"))


def test_safetensors_carry_names_and_ids_in_the_metadata(tmp_path: Path) -> None:
    texts = {"class_names": json.dumps(["a", "b", "c"]), "ids": json.dumps(list("wxyz"))}
    save_file({"images": PIXELS, "labels": LABELS}, tmp_path / "s.safetensors", texts)
    loaded = load_images(tmp_path / "s.safetensors")
    named = npz(tmp_path, images=PIXELS, labels=LABELS, class_names=list("abc"), ids=list("wxyz"))
    assert loaded.class_names == ("a", "b", "c")
    assert loaded.ids.tolist() == list("wxyz")
    assert loaded.fingerprint == load_images(named).fingerprint


def test_splits_of_one_file_and_greyscale_and_column_labels(tmp_path: Path) -> None:
    path = npz(
        tmp_path, train_images=PIXELS[:3, 0], train_labels=LABELS[:3, None],
        test_images=PIXELS[3:, 0], test_labels=LABELS[3:],
    )  # fmt: skip
    assert load_images(path).ids.tolist() == ["test/000000"]
    train = load_images(path, split="train")
    assert train.shape == (1, 6, 5)
    assert (train.images[:, 0] == PIXELS[:3, 0]).all()
    with pytest.raises(InputError, match=r"unknown name 'val'.* Valid: train, test\."):
        load_images(path, split="val")


def test_bfloat16_tensors_are_read(tmp_path: Path) -> None:
    images = torch.tensor([0.0, 0.5, 1.0]).reshape(1, 3, 1, 1).expand(1, 3, 2, 2).bfloat16()
    tensors = {"images": images.contiguous(), "labels": torch.tensor([0])}
    save_torch(tensors, tmp_path / "s.safetensors")
    assert load_images(tmp_path / "s.safetensors").images[0, :, 0, 0].tolist() == [0, 128, 255]


def test_rounding_to_8_bits_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    load_images(npz(tmp_path, images=PIXELS / 255, labels=LABELS))
    assert not caplog.records
    load_images(npz(tmp_path, images=PIXELS / 255 * 0.999, labels=LABELS))
    assert "images rounded to 8 bits" in caplog.text


def test_a_shape_that_does_not_tell_is_refused_until_the_layout_is_given(tmp_path: Path) -> None:
    square = PIXELS[:, :, :3, :3]
    with pytest.raises(InputError, match=r"does not tell where the channels .* both"):
        load_images(npz(tmp_path, images=square, labels=LABELS))
    with pytest.raises(InputError, match=r"does not tell where the channels .* neither"):
        load_images(npz(tmp_path, images=PIXELS[:, :2], labels=LABELS))
    nchw = load_images(npz(tmp_path, images=square, labels=LABELS, layout="NCHW"))
    nhwc = load_images(npz(tmp_path, images=square, labels=LABELS, layout="NHWC"))
    assert (nchw.images == nhwc.images.transpose(0, 2, 3, 1)).all()


NAN = np.where(np.arange(4).reshape(4, 1, 1, 1) == 2, np.nan, PIXELS / 255)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"images": NAN}, "image 2 has values that are not finite"),
        ({"images": PIXELS.astype("f4")}, r"must lie in \[0, 1\], image 0 goes from"),
        ({"images": PIXELS.astype("i8")}, "must be uint8, or floats in .* found int64"),
        ({"images": PIXELS[0, 0]}, r"must have the shape .* found \(6, 5\)"),
        ({"labels": LABELS[:3]}, r"one label for each of the 4 images, found .* \(3,\)"),
        ({"labels": LABELS / 2}, "labels must be integers, found float64"),
        ({"labels": LABELS - 1}, "labels must be 0 to classes - 1, found -1"),
        ({"class_names": ["a", "b"]}, r"labels must be 0 to 1 \(2 class names\), found 2"),
        ({"class_names": ["a", "b", "a"]}, "class_names must be unique, 'a' occurs twice"),
        ({"class_names": [1, 2, 3]}, "class_names must be a list of strings"),
        ({"ids": ["a", "b", "c", "b"]}, "ids must be unique, 'b' occurs twice"),
        ({"ids": ["a", "b"]}, "2 ids for 4 images"),
        ({"images": np.array([{}] * 4)}, "holds Python objects"),
        ({"layout": "CHWN"}, "layout must be NHWC or NCHW, found 'CHWN'"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, changes, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        load_images(npz(tmp_path, **({"images": PIXELS, "labels": LABELS} | changes)))


def test_files_without_images_or_that_are_damaged_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no array 'images' .* it holds x"):
        load_images(npz(tmp_path, x=PIXELS))
    with pytest.raises(InputError, match="has no array 'labels'"):
        load_images(npz(tmp_path, images=PIXELS))
    for name in ("broken.npz", "broken.safetensors"):
        (tmp_path / name).write_bytes(b"PK\x03\x04" + bytes(100))
        with pytest.raises(InputError, match=f"{name} cannot be read as"):
            load_images(tmp_path / name)


def test_arrays_are_resized_only_when_asked(tmp_path: Path) -> None:
    path = npz(tmp_path, images=PIXELS, labels=LABELS)
    assert load_images(path).shape == (3, 6, 5)
    assert load_images(path, size=4).shape == (3, 4, 4)
    assert load_images("digits", size=12).shape == (1, 12, 12)
