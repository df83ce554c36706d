"""Label maps: pictures whose pixels are class numbers, as PNG, grey or with a palette."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping

import cv2
import numpy as np

from crosstrain.data.images.decoding import decode
from crosstrain.data.prepared import VOID
from crosstrain.data.source import DamagedImage, Size

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, PALETTE = 0, 3
"""Colour types of PNG (ISO/IEC 15948, table 11.1)."""
DTYPE = "int32"
"""Of prepared label maps: the smallest integer that every framework takes for class numbers."""


def png_size(data: bytes) -> Size:
    """(height, width) from the header of a PNG. ``DamagedImage`` where there is none."""
    width, height = _header(data)[:2]
    return height, width


def values(data: bytes) -> np.ndarray:
    """The numbers in the pixels of a grey PNG, or the palette's indices, uint8 (H, W). ``DamagedImage``
    unless it is whole and of one of these kinds."""
    _, _, depth, colour = _header(data)
    if colour not in (GREY, PALETTE) or depth > 8:
        raise DamagedImage("a label map is a PNG in grey or with a palette, of up to 8 bits, not in colours")
    decode(data)  # its checks: whole, and every checksum right
    picture = cv2.imdecode(np.frombuffer(_as_grey(data, colour), np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None or picture.ndim != 2:
        raise DamagedImage("OpenCV cannot decode it")
    # Grey of fewer bits is spread over 0..255.
    return np.asarray(picture // (255 // (2**depth - 1)), np.uint8)


def resized(labels: np.ndarray, size: Size) -> np.ndarray:
    """A label map (H, W) at ``size``, each pixel the one nearest to its centre: no class arises between
    two."""
    if labels.shape == size:
        return labels
    return np.asarray(cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT))


def table(numbers: Mapping[int, int]) -> np.ndarray:
    """What each value of a map becomes, int32 (256,): the class of ``numbers``, -1 where it is unknown."""
    classes = np.full(256, -1, DTYPE)
    for value, number in numbers.items():
        classes[value] = number
    return classes


def counts(maps: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of each class in label maps (N, H, W), and all labelled pixels of the maps in which the class
    occurs: int64 (classes,) each."""
    own, of_maps = np.zeros(classes, np.int64), np.zeros(classes, np.int64)
    for labels in maps:
        here = np.bincount(labels[labels != VOID], minlength=classes)
        own += here
        of_maps += np.where(here > 0, here.sum(), 0)
    return own, of_maps


def _header(data: bytes) -> tuple[int, int, int, int]:
    """Width, height, bits of a value and colour type."""
    if not data.startswith(SIGNATURE) or len(data) < 29 or data[12:16] != b"IHDR":
        raise DamagedImage("it is no PNG")
    width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
    return int(width), int(height), int(depth), int(colour)


def _as_grey(data: bytes, colour: int) -> bytes:
    """The same PNG without its palette: indices and greys are stored alike."""
    if colour == GREY:
        return data
    grey = bytearray(SIGNATURE)
    for kind, content in _chunks(data):
        if kind in (b"PLTE", b"tRNS"):
            continue
        if kind == b"IHDR":
            content = content[:9] + bytes([GREY]) + content[10:]
        grey += struct.pack(">I", len(content)) + kind + content
        grey += struct.pack(">I", zlib.crc32(kind + content))
    return bytes(grey)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = len(SIGNATURE)
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        yield kind, data[position + 8 : position + 8 + length]
        position += length + 12
