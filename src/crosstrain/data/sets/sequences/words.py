"""``rendered-words``: synthetic lines of text, for trials of CTC: made-up words, drawn with OpenCV's fonts.

Words are 3 to ``letters`` random letters, all different; font, size, slant, thickness, place, ink and ground
vary, and there is noise. It is no benchmark: nothing is read here that a person wrote.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from crosstrain.data.images import decoding as images
from crosstrain.data.options import WORDS, completed
from crosstrain.data.sets.sequences import lines
from crosstrain.data.source import Files, Images, Request, Source
from crosstrain.errors import CrosstrainError

ALPHABET = "abcdefghijklmnopqrstuvwxyz"
FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX,
)  # fmt: skip
SHORTEST = 3
"""Letters."""
HEIGHT = 32
_DRAWN = 64
"""Words are drawn so high, then made smaller."""


def files(location: Path) -> Files:
    """None: the same seed draws the same words."""
    return ()


def read(location: Path, request: Request) -> Source:
    """``count`` words of different letters. All are drawn anew each time, from ``request.seed``."""
    options = completed(WORDS, (request.fitted.get(lines.FACTS) or {}).get("options") or {}, request.options)
    texts = words(int(options["count"]), int(options["letters"]), request.seed)
    size = request.size or (HEIGHT, 16 + 16 * int(options["letters"]))
    channels = request.channels or 1
    column = Images(
        lambda row: images.padded(drawn(texts[row], request.seed, row), size, channels),
        "word {}".format, (*size, channels), np.arange(len(texts)),
    )  # fmt: skip
    said = "these words are made up and drawn by a program: results say nothing about writing"
    return lines.of_lines("rendered-words", column, texts, options, request, [said])


def words(count: int, letters: int, seed: int) -> list[str]:
    """``count`` different words of 3 to ``letters`` letters; ``CrosstrainError`` where there are fewer."""
    possible = 0
    for length in range(SHORTEST, letters + 1):
        possible += len(ALPHABET) ** length
        if possible >= count:
            break
    else:
        raise CrosstrainError(
            f"rendered-words: there are {possible:,} words of at most {letters} letters, not {count:,}; "
            "allow more letters"
        )
    random = np.random.default_rng((seed, 0x0C7C))
    chosen: dict[str, None] = {}
    while len(chosen) < count:
        length = int(random.integers(SHORTEST, letters + 1))
        chosen.setdefault("".join(random.choice(list(ALPHABET), length)))
    return list(chosen)


def drawn(text: str, seed: int, number: int) -> np.ndarray:
    """The picture of a word, uint8 (height, width, 3), grey on grey."""
    random = np.random.default_rng((seed, number, 0xF0E7))
    font, thickness = FONTS[random.integers(len(FONTS))], int(random.integers(1, 4))
    scale = float(random.uniform(1.1, 1.5))
    (width, height), below = cv2.getTextSize(text, font, scale, thickness)
    ink, ground = int(random.integers(0, 80)), int(random.integers(170, 256))
    left, right = random.integers(2, 14, 2)
    canvas = np.full((max(_DRAWN, height + below + 8), width + int(left + right), 3), ground, np.uint8)
    base = int((canvas.shape[0] + height - below) / 2 + random.integers(-4, 5))
    cv2.putText(canvas, text, (int(left), base), font, scale, (ink, ink, ink), thickness, cv2.LINE_AA)
    slant = float(random.uniform(-0.2, 0.2))
    turn = np.array([[1, slant, -slant * base], [0, 1, 0]], np.float32)
    canvas = np.asarray(
        cv2.warpAffine(canvas, turn, canvas.shape[1::-1], borderValue=(ground, ground, ground))
    )
    noise = random.normal(0, 8, canvas.shape[:2])[..., None]
    return np.clip(canvas + noise, 0, 255).astype(np.uint8)


__all__ = ["files", "read", "words"]
