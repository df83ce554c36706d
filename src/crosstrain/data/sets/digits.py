"""``digits``: 1,797 real handwritten digits of 8x8 pixels, which scikit-learn carries. Needs no download.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI repository, 1998 (its test
set). There is no official split: 70 % train, 15 % validation and 15 % test, stratified.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from crosstrain.data.images.pictures import in_memory
from crosstrain.data.source import Files, Request, Source, labelled
from crosstrain.data.split import three_ways
from crosstrain.errors import CrosstrainError

CONTENT = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"
"""SHA-256 over pixels and labels as uint8: stands for the files in the content hash, checked on reading."""
GREYS = 16
CLASSES = tuple("0123456789")


def files(location: Path) -> Files:
    """None: the data are part of scikit-learn, always the same, and checked by ``read``."""
    return ()


def read(location: Path, request: Request) -> Source:
    """Grey pictures whose 17 levels become 0 to 1."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    content = hashlib.sha256(
        pixels.astype(np.uint8).tobytes() + labels.astype(np.uint8).tobytes()
    ).hexdigest()
    if content != CONTENT:
        raise CrosstrainError(
            "the digits of the installed scikit-learn are not the known ones; install 1.5 or later"
        )
    pictures = (pixels / GREYS).astype(np.float32).reshape(-1, 8, 8)
    table = labelled(in_memory(pictures, request, "digit {}".format), labels)
    parts = three_ways(labels, validation=0.15, test=0.15, seed=request.seed)
    return Source({split: table.take(rows) for split, rows in parts.items()}, {"": CLASSES})
