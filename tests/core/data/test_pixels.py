from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data.pixels import decode, fit, fit_array, to_rgb

RAMP = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20


def test_greyscale_is_repeated_in_the_three_channels(tmp_path: Path) -> None:
    Image.fromarray(RAMP).save(tmp_path / "grey.png")
    assert (decode(str(tmp_path / "grey.png")) == RAMP).all()


def test_16_bit_greyscale_is_scaled_and_not_clipped(tmp_path: Path) -> None:
    deep = np.array([[0, 257, 32768, 65535]], np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert decode(str(tmp_path / "deep.png"))[0].tolist() == [[0, 1, 128, 255]]


def test_a_palette_is_looked_up_and_transparency_dropped(tmp_path: Path) -> None:
    colours = np.zeros((2, 2, 4), np.uint8)
    colours[..., 0], colours[..., 3] = 200, [[0, 255], [128, 7]]
    Image.fromarray(colours).save(tmp_path / "rgba.png")
    palette = Image.fromarray(colours[..., :3]).convert("P", palette=Image.Palette.ADAPTIVE)
    palette.save(tmp_path / "palette.png", transparency=0)
    for name in ("rgba.png", "palette.png"):
        assert decode(str(tmp_path / name)).transpose(1, 2, 0).tolist() == [[[200, 0, 0]] * 2] * 2


def test_cmyk_becomes_rgb() -> None:
    assert to_rgb(Image.new("CMYK", (1, 1), (0, 255, 255, 0))).getpixel((0, 0)) == (255, 0, 0)


def test_pixels_without_an_agreed_range_are_refused() -> None:
    with pytest.raises(ValueError, match="no agreed range"):
        to_rgb(Image.new("F", (2, 2)))


@pytest.mark.parametrize("shape", [(40, 30), (30, 40), (33, 32), (64, 64), (5, 9), (32, 47)])
def test_fit_is_torchvisions_resize_and_centre_crop(shape: tuple[int, int]) -> None:
    from core.vision import torchvision

    transforms = torchvision().transforms
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8))
    twin = transforms.CenterCrop(32)(transforms.Resize(32)(image))
    assert (np.asarray(fit(image, 32)) == np.asarray(twin)).all()


def test_arrays_are_fitted_as_image_files_are() -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 28, 3), dtype=np.uint8)
    fitted = np.asarray(fit(Image.fromarray(image), 9)).transpose(2, 0, 1)
    assert (fit_array(image.transpose(2, 0, 1)[None], 9)[0] == fitted).all()
