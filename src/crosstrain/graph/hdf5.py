"""What can be seen of an HDF5 file, and must be, before the library opens it."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

SIGNATURE = b"\x89HDF\r\n\x1a\n"
HEAP = b"GCOL\x01\x00\x00\x00"
"""Begins a global heap, which holds the texts of attributes."""
ALIGNMENT = 8
LENGTHS_AT = {0: 14, 1: 14, 2: 10, 3: 10}
"""Where a superblock says how many bytes a length has, by its version."""


def is_hdf5(path: Path) -> bool:
    """Whether the file begins as HDF5 files do, whatever its name ends in."""
    with path.open("rb") as file:
        return file.read(len(SIGNATURE)) == SIGNATURE


def check_hdf5(path: Path) -> None:
    """Raise ``OSError`` for a file that the HDF5 library would never come back from.

    It (1.14) goes round for ever in a global heap in which an object is nothing long, and a thread that waits
    for it cannot be stopped; so heaps are walked here before it opens the file. Their format is section III.E
    of the HDF5 File Format Specification 3.0. Of other damage the library says itself.
    """
    if is_hdf5(path):
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for start in _heaps(data):
                _walk(data, start)


def _heaps(data: mmap.mmap) -> Iterator[int]:
    start = data.find(HEAP)
    while start >= 0:
        if not start % ALIGNMENT:
            yield start
        start = data.find(HEAP, start + 1)


def _walk(data: mmap.mmap, start: int) -> None:
    """Raise ``OSError`` where the objects of the heap at ``start`` do not go forward to its end."""
    version = data[len(SIGNATURE)]
    length = data[LENGTHS_AT[version]] if version in LENGTHS_AT else 0
    if length not in (2, 4, 8):
        return  # the library refuses such a file
    header = 8 + length
    size = int.from_bytes(data[start + 8 : start + header], "little")
    place, end = start + header, start + size
    while place + header <= min(end, len(data)):
        number = int.from_bytes(data[place : place + 2], "little")
        own = int.from_bytes(data[place + 8 : place + header], "little")
        # What is free has the number 0, and a size that includes its header.
        step = header + -(-own // ALIGNMENT) * ALIGNMENT if number else own
        if not step:
            raise OSError(f"the global heap at byte {start} has an object that is nothing long")
        place += step
