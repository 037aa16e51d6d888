from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from core.data import load_images
from core.errors import InputError


def test_tiny_imagenet_has_sorted_wnids_names_from_words_and_short_ids(tiny_folder: Path) -> None:
    train = load_images(tiny_folder, split="train")
    assert train.class_names == ("crane (n01)", "crane (n02)", "king penguin")
    assert train.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert train.ids.tolist()[:2] == ["train/n01/n01_0.JPEG", "train/n01/n01_1.JPEG"]
    val = load_images(tiny_folder)
    assert (val.split, val.ids.tolist()) == ("val", [f"val/val_{i}.JPEG" for i in range(3)])
    assert val.labels.tolist() == [2, 0, 1]
    assert val.class_names == train.class_names


def test_val_images_of_classes_that_train_lacks_are_left_out_and_that_is_said(
    tiny_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.rmtree(tiny_folder / "train" / "n01")
    val = load_images(tiny_folder)
    assert val.ids.tolist() == ["val/val_0.JPEG", "val/val_2.JPEG"]
    assert val.labels.tolist() == [1, 0]
    assert "left out 1 val images: their class is not in train" in caplog.text


def test_val_of_tiny_imagenet_without_its_train_takes_the_classes_of_wnids_txt(
    tiny_folder: Path,
) -> None:
    shutil.rmtree(tiny_folder / "train")
    with pytest.raises(InputError, match=r"neither train/<wnid> folders nor a wnids\.txt"):
        load_images(tiny_folder)
    (tiny_folder / "wnids.txt").write_text("n03\nn02\nn01\n")
    assert load_images(tiny_folder).labels.tolist() == [2, 0, 1]


def test_annotations_of_missing_val_images_are_refused(tiny_folder: Path) -> None:
    (tiny_folder / "val/images/val_1.JPEG").unlink()
    with pytest.raises(InputError, match=r"names 1 files that are not there, such as val_1\.JPEG"):
        load_images(tiny_folder)


def test_class_folders_are_read_as_torchvisions_image_folder_reads_them(
    class_folders: Path, save_image
) -> None:
    from core.vision import torchvision

    save_image(class_folders / "cat" / "deeper" / "x.PNG", seed=9)
    (class_folders / "cat" / "notes.txt").write_text("no image")
    save_image(class_folders / "cat" / "._0.png")
    (class_folders / "cat" / "._0.png").rename(class_folders / "cat" / ".hidden.png")
    ours = load_images(class_folders)
    theirs = torchvision().datasets.ImageFolder(class_folders)
    rows = [i for i, (path, _) in enumerate(theirs.samples) if "hidden" not in path]
    assert ours.split == "all"
    assert sorted(ours.ids) == sorted(
        Path(theirs.samples[i][0]).relative_to(class_folders).as_posix() for i in rows
    )
    assert ours.class_names == tuple(theirs.classes)
    by_id = dict(zip(ours.ids.tolist(), range(len(ours)), strict=True))
    for i in rows:
        image, label = theirs[i]
        row = by_id[Path(theirs.samples[i][0]).relative_to(class_folders).as_posix()]
        assert ours.labels[row] == label
        assert (ours.images[row] == np.asarray(image).transpose(2, 0, 1)).all()


def test_splits_of_class_folders_share_the_classes_of_train(tmp_path: Path, save_image) -> None:
    root = tmp_path / "set"
    for name in ("train/ant/1.jpg", "train/bee/1.jpg", "train/wasp/1.jpg", "test/wasp/2.jpg"):
        save_image(root / name)
    test = load_images(root)
    assert (test.split, test.labels.tolist()) == ("test", [2])
    assert test.class_names == ("ant", "bee", "wasp")
    save_image(root / "test" / "Wasp" / "3.jpg")
    with pytest.raises(InputError, match="has the class 'Wasp', which is not among the 3 classes"):
        load_images(root)


def test_a_class_without_images_is_refused(class_folders: Path) -> None:
    (class_folders / "eel").mkdir()
    with pytest.raises(InputError, match="class 'eel' has no image"):
        load_images(class_folders)


def _labels_csv(root: Path, save_image, text: str) -> Path:
    for i in range(3):
        save_image(root / f"{i}.png", seed=i)
    (root / "labels.csv").write_text(text)
    return root


def test_labels_csv_takes_names_and_says_what_it_leaves_out(
    tmp_path: Path, save_image, caplog: pytest.LogCaptureFixture
) -> None:
    root = _labels_csv(tmp_path / "flat", save_image, "label, filename\nzebra, 2.png\nape, 0.png\n")
    images = load_images(root)
    assert images.ids.tolist() == ["2.png", "0.png"]
    assert [images.class_names[k] for k in images.labels] == ["zebra", "ape"]
    assert "left out 1 images: labels.csv does not name them" in caplog.text


def test_labels_csv_takes_integers_as_they_are_and_a_split_column(
    tmp_path: Path, save_image
) -> None:
    text = "filename,label,split\n0.png,10,train\n1.png,2,val\n2.png,3,train\n"
    root = _labels_csv(tmp_path / "flat", save_image, text)
    assert load_images(root).labels.tolist() == [2]
    train = load_images(root, split="train")
    assert train.labels.tolist() == [10, 3]
    assert train.class_names == tuple(map(str, range(11)))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("file,label\n0.png,1\n", "must have the columns filename,label .* found file,label"),
        ("", "found an empty file"),
        ("filename,label\n", "names no file"),
        ("filename,label\n0.png\n", "line 2: expected a file"),
        ("filename,label\n0.png,1\n0.png,2\n", "line 3: expected a file"),
        ("filename,label\n../0.png,1\n", "line 2: expected a file inside the folder"),
        ("filename,label\n0.png,-1\n", "labels must be 0 to classes - 1, found -1"),
        ("filename,label\n9.png,1\n", r"names 1 files that are not there, such as 9\.png"),
    ],
)
def test_a_bad_labels_csv_is_refused(tmp_path: Path, save_image, text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        load_images(_labels_csv(tmp_path / "flat", save_image, text))


def test_folders_of_no_known_layout_are_refused_with_those_known(
    tmp_path: Path, save_image
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"it is empty\); recognised are tiny-imagenet"):
        load_images(tmp_path / "empty")
    save_image(tmp_path / "flat" / "0.png")
    with pytest.raises(InputError, match=r"it holds 0\.png\); recognised are .*labels\.csv"):
        load_images(tmp_path / "flat")


def test_an_unknown_split_is_refused_with_those_there_are(tiny_folder: Path) -> None:
    with pytest.raises(InputError, match=r"--split: unknown name 'test'.* Valid: train, val\."):
        load_images(tiny_folder, split="test")


def test_the_real_tiny_imagenet_equals_what_pillow_and_image_folder_give(
    tiny_imagenet: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from core.vision import torchvision

    caplog.set_level(logging.WARNING)
    train, val = load_images(tiny_imagenet, split="train"), load_images(tiny_imagenet)
    assert (len(train), len(val), train.shape) == (10_000, 1_000, (3, 64, 64))
    assert np.bincount(val.labels).tolist() == [50] * 20
    assert train.class_names[:3] == ("goldfish", "koala", "king penguin")
    assert not caplog.records
    theirs = torchvision().datasets.ImageFolder(tiny_imagenet / "train")
    assert [s[1] for s in theirs.samples] == train.labels.tolist()
    grey = 0
    for row in range(0, 10_000, 23):
        expected = np.asarray(theirs[row][0]).transpose(2, 0, 1)
        assert (train.images[row] == expected).all()
        grey += bool((expected == expected[0]).all())
    assert grey > 0
