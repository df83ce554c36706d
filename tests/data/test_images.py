"""Decoding, cropping, channels and resizing, against OpenCV and by hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from crosstrain.data.images import decoding as images
from crosstrain.data.source import DamagedImage
from crosstrain.errors import CrosstrainError
from tests.data.making import picture


def encoded(suffix: str, pixels: np.ndarray) -> bytes:
    return bytes(cv2.imencode(suffix, np.ascontiguousarray(pixels[..., ::-1]))[1])


@pytest.mark.parametrize("suffix", [".png", ".ppm", ".bmp", ".tiff"])
def test_lossless_formats_come_back_as_rgb(suffix: str) -> None:
    assert np.array_equal(images.decode(encoded(suffix, picture(1))), picture(1))


@pytest.mark.parametrize("suffix", [".png", ".ppm", ".jpg", ".bmp", ".webp"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.98])
def test_a_truncated_picture_is_damaged(suffix: str, share: float) -> None:
    data = encoded(suffix, picture(1, 64, 64))
    with images.one_by_one(), pytest.raises(DamagedImage):
        images.decode(data[: int(share * len(data))])


def test_a_flipped_bit_in_a_png_is_damage() -> None:
    data = bytearray(encoded(".png", picture(1)))
    data[len(data) // 2] ^= 1
    with pytest.raises(DamagedImage, match="checksum"):
        images.decode(bytes(data))


def test_text_is_no_picture() -> None:
    with images.one_by_one(), pytest.raises(DamagedImage, match="cannot decode"):
        images.decode(b"hello, I am a text file\n" * 10)


@pytest.mark.parametrize(
    ("size", "method"), [((12, 10), cv2.INTER_AREA), ((48, 40), cv2.INTER_CUBIC), ((24, 20), None)]
)
def test_resize_is_opencv_s(size: tuple[int, int], method: int | None) -> None:
    expected = picture(2) if method is None else cv2.resize(picture(2), size[::-1], interpolation=method)
    assert np.array_equal(images.resize(picture(2), size), expected)


def test_an_axis_that_shrinks_is_averaged_though_the_other_grows() -> None:
    columns = np.zeros((4, 8, 1), np.uint8)
    columns[:, ::2] = 100
    assert np.array_equal(images.resize(columns, (8, 4)), np.full((8, 4, 1), 50, np.uint8))


def test_cubic_curves_stay_within_the_picture_s_range() -> None:
    step = np.zeros((8, 8, 1), np.float32)
    step[:, 4:] = 1
    grown = images.resize(step, (32, 32))
    assert grown.shape == (32, 32, 1)
    assert grown.min() == 0
    assert grown.max() == 1


def test_regions_are_half_open() -> None:
    assert np.array_equal(images.crop(picture(3), (5, 6, 15, 18)), picture(3)[6:18, 5:15])
    assert images.crop(picture(3), (0, 0, 20, 24)).shape == (24, 20, 3)


@pytest.mark.parametrize("box", [(5, 6, 21, 18), (5, 6, 15, 25), (-1, 0, 5, 5), (5, 5, 5, 9), (9, 5, 5, 9)])
def test_a_region_outside_the_picture_is_damage(box: images.Box) -> None:
    with pytest.raises(DamagedImage, match="does not lie within its 20x24 pixels"):
        images.crop(picture(3), box)


def test_centre_crop_keeps_the_requested_shape() -> None:
    wide = np.arange(6 * 10).reshape(6, 10, 1)
    assert np.array_equal(images.centre_crop(wide, (32, 32)), wide[:, 2:8])
    assert np.array_equal(images.centre_crop(wide, (6, 10)), wide)
    assert images.centre_crop(wide, (10, 1)).shape == (6, 1, 1)


def test_channels() -> None:
    grey = images.with_channels(picture(4), 1)
    assert grey.shape == (24, 20, 1)
    luma = picture(4) @ [0.299, 0.587, 0.114]
    assert np.abs(grey[..., 0] - luma).max() <= 1
    assert np.array_equal(images.with_channels(grey, 3), np.repeat(grey, 3, axis=2))
    with pytest.raises(CrosstrainError, match="5 channels"):
        images.with_channels(np.zeros((2, 2, 5), np.uint8), 3)
