"""Pictures: decode, crop, change channels, resize. By OpenCV, on 8-bit values where the source has them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cv2
import numpy as np

from crosstrain.data.source import DamagedImage, Size
from crosstrain.errors import CrosstrainError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".ppm", ".pgm", ".bmp", ".webp", ".tif", ".tiff"})
Box = tuple[int, int, int, int]
"""``x1, y1, x2, y2`` in pixels: columns ``x1`` to ``x2 - 1``, rows ``y1`` to ``y2 - 1``."""


def decode(data: bytes) -> np.ndarray:
    """The picture in ``data`` as RGB, uint8 (H, W, 3). Raises ``DamagedImage`` unless it is whole."""
    if not data:
        raise DamagedImage("it is empty")
    for magic, check in _CHECKS.items():
        if data.startswith(magic):
            check(data)
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:
        raise DamagedImage("OpenCV cannot decode it") from error
    if picture is None:
        raise DamagedImage("OpenCV cannot decode it")
    return np.asarray(picture)


@contextmanager
def one_by_one() -> Iterator[None]:
    """OpenCV for many small pictures on threads of ours: without threads of its own, which would wait for
    each other over every picture, and without messages, since damaged pictures are told as warnings."""
    logging = cv2.utils.logging
    level, threads = logging.getLogLevel(), cv2.getNumThreads()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        logging.setLogLevel(level)
        cv2.setNumThreads(threads)


def crop(picture: np.ndarray, box: Box) -> np.ndarray:
    """The part of ``picture`` in ``box``; ``DamagedImage`` where the box is empty or leaves it."""
    x1, y1, x2, y2 = box
    height, width = picture.shape[:2]
    if not (0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height):
        raise DamagedImage(f"its region {x1},{y1},{x2},{y2} does not lie within its {width}x{height} pixels")
    return picture[y1:y2, x1:x2]


def centre_crop(picture: np.ndarray, size: Size) -> np.ndarray:
    """The largest part around the centre that has the aspect ratio of ``size``."""
    height, width = picture.shape[:2]
    wanted_height, wanted_width = size
    new_width = min(width, max(1, round(height * wanted_width / wanted_height)))
    new_height = min(height, max(1, round(width * wanted_height / wanted_width)))
    top, left = (height - new_height) // 2, (width - new_width) // 2
    return picture[top : top + new_height, left : left + new_width]


def with_channels(picture: np.ndarray, channels: int) -> np.ndarray:
    """(H, W) or (H, W, C) as (H, W, ``channels``), 1 being grey (Rec. 601) and 3 RGB; alpha is dropped."""
    if picture.ndim == 2:
        picture = picture[..., None]
    current = picture.shape[-1]
    if current == channels:
        return picture
    if (current, channels) not in CHANNEL_CHANGES:
        raise CrosstrainError(
            f"pictures with {current} channels cannot be converted to {channels}; 1 and 3 are possible"
        )
    code = CHANNEL_CHANGES[current, channels]
    changed = np.asarray(cv2.cvtColor(np.ascontiguousarray(picture), code))
    return changed if changed.ndim == 3 else changed[..., None]


CHANNEL_CHANGES = {
    (1, 3): cv2.COLOR_GRAY2RGB,
    (3, 1): cv2.COLOR_RGB2GRAY,
    (4, 1): cv2.COLOR_RGBA2GRAY,
    (4, 3): cv2.COLOR_RGBA2RGB,
}


def resize(picture: np.ndarray, size: Size) -> np.ndarray:
    """(H, W, C) at ``size``: area-averaged along the axes that shrink, cubic along those that grow.

    uint8 stays uint8. Float pictures are clipped to their own range, which cubic curves overshoot.
    """
    height, width = picture.shape[:2]
    smaller = min(height, size[0]), min(width, size[1])
    resized = picture
    if smaller != (height, width):
        resized = cv2.resize(resized, smaller[::-1], interpolation=cv2.INTER_AREA)
    if smaller != size:
        resized = cv2.resize(resized, size[::-1], interpolation=cv2.INTER_CUBIC)
        if picture.dtype != np.uint8:
            resized = np.clip(resized, picture.min(), picture.max())
    return resized if resized.ndim == 3 else resized[..., None]


def fitted(picture: np.ndarray, size: Size, channels: int) -> np.ndarray:
    """``picture`` with so many channels at ``size``; colours go before the resizing, or come after it."""
    if picture.ndim == 3 and channels < picture.shape[-1]:
        picture = with_channels(picture, channels)
    return with_channels(resize(picture, size), channels)


def cropped(picture: np.ndarray, size: Size, channels: int) -> np.ndarray:
    """``fitted``, of the largest part around the centre that has the aspect ratio of ``size``."""
    return fitted(centre_crop(picture, size), size, channels)


def padded(picture: np.ndarray, size: Size, channels: int) -> np.ndarray:
    """A line of text at the height of ``size``: its aspect ratio is kept unless it would be wider than
    ``size``, and what is left on the right has the picture's own ground, the median of its border."""
    height, width = picture.shape[:2]
    own = fitted(picture, (size[0], min(size[1], max(1, round(width * size[0] / height)))), channels)
    border = np.concatenate([own[0], own[-1], own[:, 0], own[:, -1]])
    whole = np.empty((*size, channels), own.dtype)
    whole[:] = np.median(border, axis=0).astype(own.dtype)
    whole[:, : own.shape[1]] = own
    return whole


FITS: dict[str, Callable[[np.ndarray, Size, int], np.ndarray]] = {
    "stretched": fitted,
    "cropped": cropped,
    "padded": padded,
}
"""How pictures of another shape become those of a size."""


def _check_png(data: bytes) -> None:
    """Walk the chunks and compare their checksums, up to the one that ends the file."""
    position = 8
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 8 + length
        if end + 4 > len(data):
            break
        if zlib.crc32(memoryview(data)[position + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            raise DamagedImage("a checksum in the PNG is wrong")
        if kind == b"IEND":
            return
        position = end + 4
    raise DamagedImage("the PNG is cut short")


def _check_jpeg(data: bytes) -> None:
    if b"\xff\xd9" not in data[-4096:]:
        raise DamagedImage("the JPEG is cut short")


_CHECKS: dict[bytes, Callable[[bytes], None]] = {b"\x89PNG\r\n\x1a\n": _check_png, b"\xff\xd8": _check_jpeg}
"""Checks before decoding, by a file's first bytes: some decoders fill what is missing with grey."""
