"""Pictures and lines of text put together into one picture, uint8 RGB; by OpenCV."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

SMALLEST, LARGEST = 96, 192
"""Pixels of a shown picture's longer side: small ones are enlarged by whole factors, large ones reduced."""
GAP, LINE = 4, 16
"""Pixels between pictures, and of a line of text."""
LETTERS = 0.38
"""Of OpenCV's Hershey font: about 7 pixels a letter."""
PAPER, INK = 255, 40


def grid(pictures: Sequence[np.ndarray], labels: Sequence[str]) -> np.ndarray:
    """About as many columns as rows, each picture under its label."""
    side = side_of(pictures[0])
    columns = int(np.ceil(np.sqrt(len(pictures))))
    cells = [
        np.concatenate([text(label, side), fitted(picture, side)])
        for picture, label in zip(pictures, labels, strict=True)
    ]
    return stacked(
        [beside(cells[start : start + columns], side + LINE) for start in range(0, len(cells), columns)]
    )


def side_of(picture: np.ndarray) -> int:
    """The side of the cell for a picture: small ones are enlarged by whole factors, large ones reduced."""
    longer = int(max(picture.shape[:2]))
    return min(LARGEST, longer * -(-SMALLEST // longer))


def fitted(picture: np.ndarray, side: int) -> np.ndarray:
    """The picture in RGB, scaled into the corner of a square of ``side``."""
    colours = np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture
    height, width = colours.shape[:2]
    factor = side / max(height, width)
    factor = np.floor(factor) if factor >= 1 else factor
    size = max(1, round(width * factor)), max(1, round(height * factor))
    how = cv2.INTER_NEAREST if factor >= 1 else cv2.INTER_AREA
    scaled = cv2.resize(colours, size, interpolation=how)
    cell = np.full((side, side, 3), PAPER, np.uint8)
    cell[: size[1], : size[0]] = scaled
    return cell


def text(words: str, width: int) -> np.ndarray:
    """A line of text, as much as fits. The font has no letters beyond ASCII."""
    line = np.full((LINE, width, 3), PAPER, np.uint8)
    plain = words.encode("ascii", "replace").decode()
    cv2.putText(line, plain, (1, LINE - 4), cv2.FONT_HERSHEY_SIMPLEX, LETTERS, (INK,) * 3, 1, cv2.LINE_AA)
    return line


def beside(cells: Sequence[np.ndarray], height: int, *, apart: bool = False) -> np.ndarray:
    """Cells of one height in a row; where the first one is the original of the others, ``apart`` from
    them."""
    gap = np.full((height, GAP, 3), PAPER, np.uint8)
    parts = [gap, cells[0], *([gap] if apart else []), gap]
    parts += [part for cell in cells[1:] for part in (cell, gap)]
    return np.concatenate(parts, axis=1)


def stacked(strips: Sequence[np.ndarray]) -> np.ndarray:
    """Strips below each other; narrow ones are filled up with white."""
    width = max(strip.shape[1] for strip in strips)
    padded = [
        np.pad(strip, ((0, GAP), (0, width - strip.shape[1]), (0, 0)), constant_values=PAPER)
        for strip in strips
    ]
    return np.concatenate(padded)


def png(picture: np.ndarray) -> bytes:
    """A picture as the content of a PNG file."""
    _, encoded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return bytes(encoded.tobytes())
