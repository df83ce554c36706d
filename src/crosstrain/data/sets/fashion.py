"""``fashion-mnist:DIR``: Zalando's articles of clothing, in the same four idx files as MNIST.

Source: H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST, 2017 (arXiv:1708.07747), table 2 for the class names.
"""

from __future__ import annotations

from pathlib import Path

from crosstrain.data.sets import idx
from crosstrain.data.source import Request, Source

CLASSES = (
    "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
files = idx.files


def read(location: Path, request: Request) -> Source:
    """Grey pictures with a class each."""
    return idx.read(location, request, CLASSES)
