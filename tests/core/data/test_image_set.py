from __future__ import annotations

import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.data import ImageSet, load_images
from core.data.image_set import reopen
from core.errors import InputError


@pytest.fixture
def images(class_folders: Path) -> ImageSet:
    return load_images(class_folders)


def test_digits_are_scikit_learns_in_fixed_disjoint_balanced_splits() -> None:
    from sklearn.datasets import load_digits

    stored = load_digits()
    train, test = load_images("digits", split="train"), load_images()
    assert (len(train), len(test), test.split, test.shape) == (1197, 600, "test", (1, 8, 8))
    assert np.bincount(test.labels).tolist() == [60] * 10
    assert not set(train.ids) & set(test.ids)
    for part in (train, test):
        numbers = [int(name.removeprefix("digits/")) for name in part.ids]
        assert part.labels.tolist() == stored.target[numbers].tolist()
        assert (part.images[:, 0] == np.rint(stored.images[numbers] * 255 / 16)).all()
    assert test.ids[:3].tolist() == ["digits/0000", "digits/0008", "digits/0012"]


@pytest.mark.parametrize(
    ("indices", "rows"),
    [
        (None, [0, 1, 2, 3, 4, 5]),
        (slice(1, 5, 2), [1, 3]),
        ([4, 0, 4], [4, 0, 4]),
        (np.array([-1, 2]), [5, 2]),
        (torch.tensor([3]), [3]),
        (np.arange(6) > 3, [4, 5]),
        ([], []),
    ],
    ids=str,
)
def test_tensors_are_the_pixels_divided_by_255(images: ImageSet, indices, rows: list[int]) -> None:
    pixels = np.stack([*(images.images[row] for row in rows), np.zeros(images.shape, "u1")])[:-1]
    got, labels = images.tensors(indices)
    assert got.dtype == torch.float32
    assert torch.equal(got, torch.from_numpy(pixels.astype(np.float32) / np.float32(255)))
    assert labels.tolist() == [int(images.labels[row]) for row in rows]
    assert torch.equal(images.gather(indices), torch.from_numpy(pixels))


def test_tensors_in_float64_are_exact_and_belong_to_the_caller(images: ImageSet) -> None:
    got, labels = images.tensors(dtype=torch.float64)
    assert (got.numpy() * 255).round().astype(np.uint8).tolist() == images.images.tolist()
    before = images.images.copy(), images.labels.copy()
    got.zero_()
    labels.zero_()
    images.gather().zero_()
    assert (images.images == before[0]).all()
    assert (images.labels == before[1]).all()


def test_positions_outside_the_set_are_refused(images: ImageSet) -> None:
    for bad in ([6], [-7], np.ones(5, bool)):
        with pytest.raises(IndexError):
            images.gather(bad)
    with pytest.raises(TypeError):
        images.gather(np.array([0.5]))


def test_batches_together_are_the_whole(images: ImageSet) -> None:
    batches = list(images.batches(4))
    assert [len(labels) for _, labels in batches] == [4, 2]
    whole, labels = images.tensors()
    assert torch.equal(torch.cat([b[0] for b in batches]), whole)
    assert torch.equal(torch.cat([b[1] for b in batches]), labels)
    with pytest.raises(InputError, match="--batch_size: expected at least 1, found 0"):
        images.batches(0)


def test_cached_pixels_cannot_be_written(images: ImageSet) -> None:
    with pytest.raises(ValueError, match="read-only"):
        images.images[0] = 0


def test_subsets_are_nested_balanced_and_untouched_by_global_seeds() -> None:
    digits = load_images()
    np.random.seed(0)
    small = digits.subset(100)
    np.random.seed(1)
    large = digits.subset(205)
    assert large.ids[:100].tolist() == small.ids.tolist()
    counts = np.bincount(large.labels, minlength=10)
    assert counts.max() - counts.min() == 1
    assert small.ids.tolist() != digits.subset(100, seed=1).ids.tolist()
    rows = [digits.ids.tolist().index(name) for name in small.ids]
    assert (small.images == digits.images[rows]).all()
    assert (small.labels == digits.labels[rows]).all()


@pytest.mark.parametrize("n", [0, -1, 601])
def test_a_subset_of_an_impossible_size_is_refused(n: int) -> None:
    with pytest.raises(InputError, match=f"--examples: expected 1 to 600, .* found {n}"):
        load_images().subset(n)


def test_select_keeps_the_order_asked_for_and_names_near_ids(images: ImageSet) -> None:
    assert images.select(["dog/4.jpg", "cat/0.jpg"]).ids.tolist() == ["dog/4.jpg", "cat/0.jpg"]
    with pytest.raises(InputError, match=r"unknown name 'cat/00.jpg'; did you mean 'cat/0.jpg'"):
        images.select(["cat/00.jpg"])
    with pytest.raises(InputError, match="only once"):
        images.select(["cat/0.jpg", "cat/0.jpg"])


def test_the_fingerprint_is_that_of_the_content_and_of_nothing_else(images: ImageSet) -> None:
    def rebuilt(**changes) -> str:
        parts = {
            "images": np.array(images.images),
            "labels": images.labels,
            "ids": images.ids,
            "class_names": images.class_names,
        }
        return ImageSet("elsewhere", "other", **(parts | changes)).fingerprint

    assert rebuilt() == images.fingerprint
    pixels = np.array(images.images)
    pixels[5, 2, 11, 11] ^= 1
    swapped = images.labels[::-1].copy()
    for change in (
        {"images": pixels},
        {"images": pixels.reshape(6, 3, 6, 24)},
        {"labels": swapped},
        {"ids": images.ids[::-1]},
        {"class_names": ("cat", "cow")},
    ):
        assert rebuilt(**change) != images.fingerprint
    subset = images.subset(3)
    anew = replace(
        subset, images=np.array(subset.images), fingerprint="", digests=None, origin=None
    )
    assert anew.fingerprint == subset.fingerprint != images.fingerprint


def test_a_cached_set_is_pickled_as_its_place_and_reopened_as_a_memory_map(
    class_folders: Path, cache: Path
) -> None:
    images = load_images(class_folders)
    frozen = pickle.dumps(images)
    assert len(frozen) < 600 < images.images.nbytes
    assert isinstance(pickle.loads(frozen).images, np.memmap)
    for one in (images, images.subset(3).take([2, 0])):
        two = pickle.loads(pickle.dumps(one))
        assert (one.spec, one.split, one.fingerprint) == (two.spec, two.split, two.fingerprint)
        assert one.ids.tolist() == two.ids.tolist()
        assert (one.images == two.images).all()
    with pytest.raises(InputError, match="have changed"):
        reopen(images.spec, images.split, images.origin, "another fingerprint")
    shutil.rmtree(cache)
    with pytest.raises(InputError, match="are no longer at"):
        pickle.loads(frozen)


def test_a_set_in_memory_survives_pickling() -> None:
    digits = load_images().subset(7)
    thawed = pickle.loads(pickle.dumps(digits))
    assert (thawed.images == digits.images).all()
    assert thawed.fingerprint == digits.fingerprint
