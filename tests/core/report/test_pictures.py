from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from core.errors import InputError
from core.report import pictures


@pytest.mark.parametrize("channels", [1, 3])
def test_a_png_holds_the_pixels_exactly(channels):
    pixels = np.random.default_rng(0).integers(0, 256, (channels, 5, 7)).astype(np.uint8)
    read = np.asarray(Image.open(io.BytesIO(pictures.png(pixels / 255))))
    assert np.array_equal(np.moveaxis(read.reshape(5, 7, channels), -1, 0), pixels)


def test_values_outside_the_box_are_clipped_and_not_wrapped():
    assert pictures.to_uint8(np.array([[[-0.2, 1.3]]])).tolist() == [[0, 255]]


def test_no_difference_is_mid_grey_and_the_gain_is_kept():
    image = np.full((1, 1, 3), 0.3)
    changed = image + np.array([0.0, 0.01, -0.2])
    assert pictures.difference(changed, image) == pytest.approx(np.array([[[0.5, 0.6, 0.0]]]))


def test_a_data_uri_holds_the_bytes_of_an_array_and_of_a_file(tmp_path):
    image = np.zeros((1, 2, 2))
    (tmp_path / "a.png").write_bytes(pictures.png(image))
    uri = pictures.data_uri(image)
    assert uri == pictures.data_uri(tmp_path / "a.png") == pictures.data_uri(pictures.png(image))
    assert base64.b64decode(uri.split(",")[1]) == pictures.png(image)


def test_a_grid_puts_images_in_reading_order():
    images = np.arange(5)[:, None, None, None] / 10 * np.ones((5, 1, 2, 3))
    sheet = pictures.grid(images, columns=2)
    assert sheet.shape == (1, 8, 7)
    assert sheet[0, ::3, ::4].tolist() == [[0.0, 0.1], [0.2, 0.3], [0.4, 1.0]]
    assert (sheet[0, 2] == 1).all()


@pytest.mark.parametrize(
    "image", [np.zeros((2, 4, 4)), np.zeros((4, 4)), np.full((1, 1, 1), np.nan)]
)
def test_what_is_not_an_image_is_refused(image):
    with pytest.raises(InputError, match="image"):
        pictures.png(image)
