"""``drawn-shapes``: synthetic pictures with captions, for trials: two shapes, and how they stand.

Two captions describe each, "a red circle above a blue square" and "there is a blue square below a red
circle". It is no benchmark: nobody took or described these pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from crosstrain.data.images import decoding as images
from crosstrain.data.options import SHAPES, completed
from crosstrain.data.sets.sequences import captions
from crosstrain.data.source import Files, Images, Request, Source

COLOURS = {
    "red": (214, 40, 40), "green": (44, 160, 60), "blue": (40, 80, 220), "yellow": (240, 200, 30),
    "black": (20, 20, 20),
}  # fmt: skip
FORMS = ("circle", "square", "triangle", "cross")
PLACES = {"above": "below", "below": "above", "left of": "right of", "right of": "left of"}
"""Where the first stands of the second, and the second of the first."""
SIZE = 48


@dataclass(frozen=True)
class Scene:
    """Two shapes, each a colour and a form, and where the first stands."""

    first: tuple[str, str]
    second: tuple[str, str]
    place: str

    @property
    def captions(self) -> tuple[str, str]:
        one, other = (f"a {colour} {form}" for colour, form in (self.first, self.second))
        return f"{one} {self.place} {other}", f"there is {other} {PLACES[self.place]} {one}"


def files(location: Path) -> Files:
    """None: the same seed draws the same pictures."""
    return ()


def read(location: Path, request: Request) -> Source:
    """``count`` pictures of 48×48 pixels in colour, each with two captions."""
    options = completed(
        SHAPES, (request.fitted.get(captions.FACTS) or {}).get("options") or {}, request.options
    )
    seen = scenes(int(options["count"]), request.seed)
    size, channels = request.size or (SIZE, SIZE), request.channels or 3
    column = Images(
        lambda row: images.fitted(drawn(seen[row], request.seed, row), size, channels), "picture {}".format,
        (*size, channels), np.arange(len(seen)),
    )  # fmt: skip
    owners = np.repeat(np.arange(len(seen)), 2)
    texts = [text for scene in seen for text in scene.captions]
    said = "these pictures and captions are made by a program: results say nothing about photographs"
    return captions.of_captions("drawn-shapes", column, owners, texts, options, request, [said])


def scenes(count: int, seed: int) -> list[Scene]:
    random = np.random.default_rng((seed, 0x5CE7E))

    def one(names: Sequence[str]) -> str:
        return names[int(random.integers(len(names)))]

    return [
        Scene((one([*COLOURS]), one(FORMS)), (one([*COLOURS]), one(FORMS)), one([*PLACES]))
        for _ in range(count)
    ]


def drawn(scene: Scene, seed: int, number: int) -> np.ndarray:
    """The picture of a scene, uint8 RGB (48, 48, 3)."""
    random = np.random.default_rng((seed, number, 0xD4A3))
    canvas = np.full((SIZE, SIZE, 3), random.integers(215, 256, 3), np.uint8)
    across, before = scene.place in ("left of", "right of"), scene.place in ("above", "left of")
    along = (12, 36) if before else (36, 12)
    for (colour, form), place in zip((scene.first, scene.second), along, strict=True):
        middle = np.array([place, 24] if across else [24, place]) + random.integers(-3, 4, 2)
        _draw(canvas, form, middle.tolist(), int(random.integers(6, 9)), COLOURS[colour])
    noise = random.normal(0, 5, canvas.shape)
    return np.clip(canvas + noise, 0, 255).astype(np.uint8)


def _draw(
    canvas: np.ndarray, form: str, middle: list[int], radius: int, colour: tuple[int, int, int]
) -> None:
    x, y = middle
    if form == "circle":
        cv2.circle(canvas, (x, y), radius, colour, -1, cv2.LINE_AA)
    elif form == "square":
        cv2.rectangle(canvas, (x - radius, y - radius), (x + radius, y + radius), colour, -1)
    elif form == "triangle":
        corners = np.array([[x, y - radius], [x - radius, y + radius], [x + radius, y + radius]], np.int32)
        cv2.fillPoly(canvas, [corners], colour, cv2.LINE_AA)
    else:
        for dx, dy in ((radius, 0), (0, radius)):
            cv2.line(canvas, (x - dx, y - dy), (x + dx, y + dy), colour, 3, cv2.LINE_AA)


__all__ = ["Scene", "drawn", "files", "read", "scenes"]
