"""Where things go: flips, shifts, turns, shears, zooms and crops as one map of the plane for each example,
which moves pictures, label maps, boxes and points alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from crosstrain.data.augmentation.draws import Draws
from crosstrain.data.source import Size

BORDERS = {
    "constant": cv2.BORDER_CONSTANT,
    "nearest": cv2.BORDER_REPLICATE,
    "reflect": cv2.BORDER_REFLECT,
    "wrap": cv2.BORDER_WRAP,
}
MOVES = ("flip", "flip-vertical", "shift", "shift-x", "shift-y", "rotate", "shear", "zoom", "stretch", "crop")
RESAMPLES = ("rotate", "shear", "zoom", "stretch")
"""Those that read between pixels; all others move whole pixels and lose nothing."""


@dataclass(frozen=True)
class Placement:
    """How N examples of one size are placed in the result of ``size`` (height, width).

    ``matrices``, float64 (N, 2, 3), take a result's pixel (x, y, 1) to the place in the source where it comes
    from. ``exact`` says that those places are pixels.
    """

    matrices: np.ndarray
    source: Size
    size: Size
    exact: bool
    fill: str = "constant"

    def picture(self, row: int, picture: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """The picture (H, W, C), float32 or uint8, read bilinearly; ``out`` may take the result."""
        how = cv2.INTER_NEAREST if self.exact else cv2.INTER_LINEAR
        return self._warped(row, picture, how, BORDERS[self.fill], 0, out)

    def label_map(self, row: int, labels: np.ndarray, outside: int = 0) -> np.ndarray:
        """A map of class numbers, (H, W) or (H, W, 1), of an integer dtype up to 16 bits, read at the nearest
        pixel: no class arises between two. What comes from beyond the edge is ``outside`` (an ignored class),
        whatever the picture is filled with."""
        if labels.dtype not in (np.uint8, np.int16, np.uint16):
            raise ValueError(f"a label map is uint8, int16 or uint16, not {labels.dtype}")
        return self._warped(row, labels, cv2.INTER_NEAREST, cv2.BORDER_CONSTANT, outside, None)

    def points(self, row: int, points: np.ndarray) -> np.ndarray:
        """Points (N, 2) as x, y, pixel centres being whole numbers, where the result has them; float64."""
        matrix = self.matrices[row]
        return np.asarray((points - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T)

    def boxes(
        self, row: int, boxes: np.ndarray, *, least_visible: float = 0.1
    ) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (N, 4) as x1, y1, x2, y2 (edges, half-open: a pixel at column 3 spans 3 to 4), where the
        result has them, and which are kept (bool, (N,)).

        A turned box becomes the smallest upright one around its corners, clipped to the picture. One of whose
        area less than ``least_visible`` remains is not kept.
        """
        x1, y1, x2, y2 = np.moveaxis(np.asarray(boxes, np.float64).reshape(-1, 4), 1, 0) - 0.5
        corners = np.stack([x1, y1, x2, y1, x2, y2, x1, y2], axis=1).reshape(-1, 2)
        moved = self.points(row, corners).reshape(-1, 4, 2) + 0.5
        whole = np.concatenate([moved.min(axis=1), moved.max(axis=1)], axis=1)
        height, width = self.size
        clipped = np.clip(whole, 0, (width, height, width, height))
        kept = _areas(clipped) > np.maximum(least_visible * _areas(whole), 0)
        return clipped, kept

    def _warped(
        self, row: int, array: np.ndarray, how: int, border: int, value: float, out: np.ndarray | None
    ) -> np.ndarray:
        height, width = self.size
        result: np.ndarray = cv2.warpAffine(
            array, self.matrices[row], (width, height), out, how | cv2.WARP_INVERSE_MAP, border,
            (value, value, value, value),
        )  # fmt: skip
        if out is not None and result is out:
            return out
        result = result.reshape(height, width, *array.shape[2:])  # OpenCV may drop a single channel
        if out is None:
            return result
        out[...] = result
        return out


def moves(settings: Mapping[str, Any]) -> bool:
    """Whether anything is moved at all."""
    return any(name in settings for name in MOVES)


def placed(settings: Mapping[str, Any], draws: Draws, source: Size) -> Placement:
    """Where the examples go in training. The parts follow each other as in Keras's ``ImageDataGenerator``:
    the map from the result to the source is turn · shift · shear · zoom about the picture's centre, after the
    flips; the crop is cut out of that."""
    size = result_size(settings, source)
    height, width = source
    linear, shift = _identities(len(draws)), np.zeros((len(draws), 2))
    if "rotate" in settings:
        linear = linear @ _turn(np.deg2rad(draws.between("rotate", settings["rotate"])))
    for axis, (name, side) in enumerate((("shift-x", width), ("shift-y", height))):
        reach = settings.get(name, settings.get("shift"))
        if reach is not None:
            shift[:, axis] = _shifts(draws, name, reach, side)
    shift = (linear @ shift[..., None])[..., 0]
    if "shear" in settings:
        linear = linear @ _shear(np.deg2rad(draws.between("shear", settings["shear"])))
    scale = np.ones((len(draws), 2))
    if "zoom" in settings:
        scale *= 1 + draws.between("zoom", settings["zoom"])[:, None]
    for axis, name in enumerate(("stretch-x", "stretch-y")):
        if "stretch" in settings:
            scale[:, axis] *= 1 + draws.between(name, settings["stretch"])
    for axis, name in enumerate(("flip", "flip-vertical")):
        if name in settings:
            scale[:, axis] *= np.where(draws.uniform(name) < 0.5, -1, 1)
    linear = linear * scale[:, None, :]
    corner = np.stack(
        [draws.whole("crop-x", width - size[1] + 1), draws.whole("crop-y", height - size[0] + 1)], axis=1
    )
    matrices = _about_the_centre(linear, shift, corner, source)
    exact = not any(name in settings for name in RESAMPLES) and not _shared(settings)
    return Placement(matrices, source, size, exact, settings.get("fill", "constant"))


def centred(settings: Mapping[str, Any], count: int, source: Size) -> Placement:
    """Where ``count`` examples go in evaluation: as they are, or the centre of them."""
    size = result_size(settings, source)
    corner = np.tile([(source[1] - size[1]) // 2, (source[0] - size[0]) // 2], (count, 1))
    matrices = _about_the_centre(_identities(count), np.zeros((count, 2)), corner, source)
    return Placement(matrices, source, size, exact=True)


def result_size(settings: Mapping[str, Any], source: Size) -> Size:
    """(height, width) of the result."""
    crop = settings.get("crop")
    return source if crop is None else (int(crop), int(crop))


def _about_the_centre(linear: np.ndarray, shift: np.ndarray, corner: np.ndarray, source: Size) -> np.ndarray:
    centre = np.asarray([(source[1] - 1) / 2, (source[0] - 1) / 2])
    offset = centre + shift + (linear @ (corner - centre)[..., None])[..., 0]
    return np.concatenate([linear, offset[..., None]], axis=2)


def _shifts(draws: Draws, name: str, reach: float, side: int) -> np.ndarray:
    if isinstance(reach, int):
        return draws.whole(name, 2 * reach + 1) - reach
    return draws.between(name, reach * side)


def _shared(settings: Mapping[str, Any]) -> bool:
    """Whether a shift is a share of the side, and so no whole number of pixels."""
    return any(isinstance(settings.get(name), float) for name in ("shift", "shift-x", "shift-y"))


def _identities(count: int) -> np.ndarray:
    return np.tile(np.eye(2), (count, 1, 1))


def _turn(angles: np.ndarray) -> np.ndarray:
    cosine, sine = np.cos(angles), np.sin(angles)
    return np.stack([cosine, -sine, sine, cosine], axis=1).reshape(-1, 2, 2)


def _shear(angles: np.ndarray) -> np.ndarray:
    ones, zeros = np.ones_like(angles), np.zeros_like(angles)
    return np.stack([ones, -np.sin(angles), zeros, np.cos(angles)], axis=1).reshape(-1, 2, 2)


def _areas(boxes: np.ndarray) -> np.ndarray:
    return np.asarray((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
