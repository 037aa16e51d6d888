from __future__ import annotations

import errno
import shutil
from pathlib import Path

import numpy as np
import pytest

from core.data import decoding, load_images
from core.errors import InputError


def test_the_number_of_processes_changes_nothing(tmp_path: Path, save_image) -> None:
    root = tmp_path / "set"
    save_image(root / "a" / "000.jpg")
    for i in range(1, 150):
        shutil.copy(root / "a" / "000.jpg", root / "a" / f"{i:03}.jpg")
    expected = save_image(root / "a" / "149.jpg", seed=5)
    sets = [load_images(root, workers=w, cache=tmp_path / f"cache{w}") for w in (1, 2, 3)]
    assert len({s.fingerprint for s in sets}) == 1
    for images in sets:
        assert (images.images[149] == expected).all()
        assert (images.images[:149] == images.images[0]).all()


@pytest.mark.parametrize("workers", [1, 2])
def test_images_of_different_sizes_are_refused_with_two_examples_and_a_way_out(
    tmp_path: Path, save_image, cache: Path, workers: int
) -> None:
    root = tmp_path / "set"
    for i in range(130):
        save_image(root / "a" / f"{i:03}.png", size=(20, 16) if i < 129 else (24, 18))
    with pytest.raises(InputError) as caught:
        load_images(root, workers=workers)
    for part in ("a/000.png is 20 x 16", "a/129.png is 24 x 18", "--size 16"):
        assert part in str(caught.value)
    assert not list((cache / "images").iterdir())
    assert load_images(root, size=16, workers=workers).shape == (3, 16, 16)


@pytest.mark.parametrize("workers", [1, 2])
def test_unreadable_files_are_named_and_counted_and_left_out_only_when_asked(
    tmp_path: Path, save_image, cache: Path, caplog: pytest.LogCaptureFixture, workers: int
) -> None:
    root = tmp_path / "set"
    kept = [save_image(root / "a" / f"{i:03}.jpg", seed=i) for i in range(130)]
    (root / "a" / "000.jpg").write_bytes(b"")
    (root / "a" / "064.jpg").write_bytes(b"this is no image")
    whole = (root / "a" / "129.jpg").read_bytes()
    (root / "a" / "129.jpg").write_bytes(whole[: len(whole) // 2])
    (root / "a" / "130.jpg").symlink_to(root / "nowhere")
    for entries in (0, 1):
        with pytest.raises(InputError) as caught:
            load_images(root, workers=workers)
        said = str(caught.value)
        assert "4 of 131 images cannot be read" in said
        for name in (
            "a/000.jpg (the file is empty)",
            "a/064.jpg (not an image",
            "129.jpg (",
            "130",
        ):
            assert name in said
        assert len(list((cache / "images").iterdir())) == entries
        # A cache made while skipping must not hide the files from those who do not skip.
        images = load_images(root, workers=workers, skip_unreadable=True)
        assert images.skipped == ("a/000.jpg", "a/064.jpg", "a/129.jpg", "a/130.jpg")
        assert "4 of 131 images cannot be read: a/000.jpg" in caplog.text
        assert len(images) == 127
        numbers = [int(name[2:5]) for name in images.ids]
        assert numbers == [i for i in range(129) if i not in (0, 64)]
        assert (images.images == np.stack([kept[i] for i in numbers])).all()
        caplog.clear()


def test_a_folder_of_which_nothing_can_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set" / "a").mkdir(parents=True)
    (tmp_path / "set" / "a" / "1.png").write_bytes(b"x")
    with pytest.raises(InputError, match=r"1 of 1 images cannot be read: a/1\.png"):
        load_images(tmp_path / "set", skip_unreadable=True)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_in_a_decoding_process_reaches_the_parent(class_folders: Path) -> None:
    paths = sorted(str(path) for path in class_folders.rglob("*.jpg"))
    job = decoding.Job("/dev/full", 0, (3, 12, 12), None)
    with pytest.raises(OSError, match="No space left") as caught:
        list(decoding._decode_in_processes(job, paths, [0, 3], 2))
    assert caught.value.errno == errno.ENOSPC


def test_a_decoding_process_that_dies_is_an_error_and_not_a_hang(
    class_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [str(path) for path in class_folders.rglob("*.jpg")]
    job = decoding.Job(str(class_folders / "x"), 0, (3, 12, 12), None)
    monkeypatch.setattr(decoding.sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="a decoding process ended unexpectedly, with code 1"):
        list(decoding._decode_in_processes(job, paths, [0], 1))
