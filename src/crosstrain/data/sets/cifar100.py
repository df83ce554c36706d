"""``cifar100:PATH``: CIFAR-100 with its 100 fine classes, in the same forms as CIFAR-10 (``cifar``)."""

from __future__ import annotations

from pathlib import Path

from crosstrain.data.sets.cifar import CIFAR100, files_of, read_version
from crosstrain.data.source import Files, Request, Source


def files(location: Path) -> Files:
    """The archive, or the files in the folder."""
    return files_of(location, CIFAR100)


def read(location: Path, request: Request) -> Source:
    """Colour pictures with a fine class each."""
    return read_version(location, request, CIFAR100)
