"""Crops and flips are those of a literal loop, and drawn for an image, not for a batch."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data import load_images
from core.training import augmentation
from core.training.augmentation import Views, apply, draw, resolve
from core.training.batches import epoch_batches, order, steps_per_epoch


def literal(image: np.ndarray, top: int, left: int, flipped: bool) -> np.ndarray:
    """Pad by reflection, cut the window out, and turn it."""
    h, w = image.shape[1:]
    padded = np.pad(image, ((0, 0), (h // 2, h // 2), (w // 2, w // 2)), mode="reflect")
    rows, columns = h // 2 + top, w // 2 + left
    if flipped:
        return padded[:, rows : rows + h, columns : columns + w][:, :, ::-1]
    return padded[:, rows : rows + h, columns : columns + w]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.sampled_from([(1, 8, 8), (3, 9, 16)]))
def test_views_are_what_a_literal_loop_gives(seed: int, n: int, shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)
    views = draw("crop_flip", n, shape, seed, 0)
    assert views is not None
    found = apply(torch.from_numpy(images), views).numpy()
    for i in range(n):
        expected = literal(images[i], int(views.top[i]), int(views.left[i]), bool(views.flipped[i]))
        np.testing.assert_array_equal(found[i], expected)


def test_windows_move_by_up_to_an_eighth_and_half_are_flipped() -> None:
    views = draw("crop_flip", 5000, (3, 64, 32), 0, 0)
    assert views is not None
    assert (int(views.top.min()), int(views.top.max())) == (-8, 8)
    assert (int(views.left.min()), int(views.left.max())) == (-4, 4)
    assert abs(views.flipped.double().mean() - 0.5) < 0.03


def test_each_epoch_has_its_own_views_and_crop_never_flips() -> None:
    first, again, second = (draw("crop_flip", 50, (3, 32, 32), 0, epoch) for epoch in (0, 0, 1))
    assert first is not None
    assert again is not None
    assert second is not None
    assert torch.equal(first.top, again.top)
    assert not torch.equal(first.top, second.top)
    cropped = draw("crop", 50, (3, 32, 32), 0, 0)
    assert cropped is not None
    assert not cropped.flipped.any()


def test_what_is_seen_of_an_image_does_not_depend_on_the_batch_size() -> None:
    images = load_images("digits").subset(24)
    options = {"views": "crop_flip", "seed": 1, "epoch": 2}
    places = {"device": torch.device("cpu"), "memory_format": torch.contiguous_format}
    whole = next(epoch_batches(images, batch_size=24, **options, **places))
    parts = list(epoch_batches(images, batch_size=8, **options, **places))
    assert torch.equal(torch.cat([part.images for part in parts]), whole.images)
    assert torch.equal(torch.cat([part.labels for part in parts]), whole.labels)


def test_without_views_an_epoch_holds_each_image_once_with_its_label() -> None:
    images = load_images("digits").subset(20)
    batches = list(
        epoch_batches(
            images,
            batch_size=10,
            views="none",
            seed=0,
            epoch=0,
            device=torch.device("cpu"),
            memory_format=torch.contiguous_format,
        )
    )
    pixels, labels = (torch.cat([b[part] for b in batches]) for part in (0, 1))
    rows = order(20, 0, 0)
    assert np.concatenate([b.places for b in batches]).tolist() == rows.tolist()
    expected, known = images.tensors(rows)
    assert sorted(rows) == list(range(20))
    assert torch.equal(pixels, expected)
    assert torch.equal(labels, known)


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    assert (order(100, 0, 3) == order(100, 0, 3)).all()
    assert (order(100, 0, 3) != order(100, 0, 4)).any()
    assert (order(100, 0, 3) != order(100, 1, 3)).any()


@pytest.mark.parametrize(("n", "batch", "steps"), [(10, 3, 3), (2, 8, 1), (8, 8, 1), (16, 8, 2)])
def test_the_incomplete_last_batch_is_left_out_unless_it_is_alone(
    n: int, batch: int, steps: int
) -> None:
    assert steps_per_epoch(n, batch) == steps


def test_auto_flips_photographs_and_leaves_digits_alone() -> None:
    grey = load_images("digits").subset(10)
    colour = dataclasses.replace(grey, spec="photos", images=np.repeat(grey.images, 3, axis=1))
    street_numbers = dataclasses.replace(colour, spec="svhn:data")
    assert resolve("auto", grey) == "none"
    assert resolve("auto", colour) == "crop_flip"
    assert resolve("auto", street_numbers) == "none"
    assert resolve("crop", grey) == "crop"


def test_floats_are_moved_as_bytes_are() -> None:
    images = torch.randint(0, 256, (4, 3, 16, 16), dtype=torch.uint8)
    views = draw("crop_flip", 4, (3, 16, 16), 0, 0)
    assert isinstance(views, Views)
    assert torch.equal(augmentation.apply(images.double(), views), apply(images, views).double())
