"""Opens HDF5 files that are not to be trusted."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

import h5py

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


def open_hdf5(path: Path) -> h5py.File:
    """The file, for reading. Raises ``OSError`` where it is damaged.

    The HDF5 library (1.14) never returns from a global heap in which an object is nothing long, and a thread
    that waits for it cannot be stopped; so heaps are walked here first. Their format is section III.E of the
    HDF5 File Format Specification 3.0.
    """
    with path.open("rb") as file:
        if file.read(len(SIGNATURE)) == SIGNATURE:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                for start in _heaps(data):
                    _walk(data, start)
    return h5py.File(path, "r")


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
