"""Small image folders on disk, and a cache of its own for each test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "the cache"
    monkeypatch.setenv("INPUTSCAPE_CACHE", str(root))
    return root


@pytest.fixture
def save_image() -> Callable[..., np.ndarray]:
    """Save a random smooth image; return its pixels `(3, h, w)` as Pillow reads them back."""

    def save(path: Path, seed: int = 0, size: tuple[int, int] = (12, 12), mode: str = "RGB"):
        path.parent.mkdir(parents=True, exist_ok=True)
        rough = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        image = Image.fromarray(rough).resize(size, Image.Resampling.BICUBIC).convert(mode)
        options = {"quality": 95} if path.suffix.lower() in (".jpg", ".jpeg") else {}
        image.save(path, **options)
        with Image.open(path) as back:
            return np.asarray(back.convert("RGB")).transpose(2, 0, 1)

    return save


@pytest.fixture
def class_folders(tmp_path: Path, save_image: Callable[..., np.ndarray]) -> Path:
    """Two classes, cat and dog, of three JPEGs each."""
    root = tmp_path / "pets"
    for i in range(6):
        save_image(root / ("cat" if i < 3 else "dog") / f"{i}.jpg", seed=i)
    return root


@pytest.fixture
def tiny_folder(tmp_path: Path, save_image: Callable[..., np.ndarray]) -> Path:
    """Three classes in tiny-imagenet's layout: two train images and one val image of each."""
    root = tmp_path / "tiny"
    lines = []
    for k, wnid in enumerate(("n03", "n01", "n02")):
        for i in range(2):
            mode = "L" if i else "RGB"
            save_image(root / f"train/{wnid}/images/{wnid}_{i}.JPEG", seed=3 * k + i, mode=mode)
        (root / "train" / wnid / f"{wnid}_boxes.txt").write_text("")
        save_image(root / f"val/images/val_{k}.JPEG", seed=100 + k)
        lines.append(f"val_{k}.JPEG\t{wnid}\t0\t0\t11\t11\n")
    (root / "val/val_annotations.txt").write_text("".join(lines))
    (root / "words.txt").write_text(
        "n01\tcrane, wading bird\nn02\tcrane\nn03\tking penguin, bird\n"
    )
    return root
