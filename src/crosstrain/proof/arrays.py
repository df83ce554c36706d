"""Named arrays in one ``.npz``. Unlike ``numpy.savez`` it takes any name (``file`` too)."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays (or numbers) to ``path``; nothing is pickled."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            write_array(archive, name, array)


def write_array(archive: zipfile.ZipFile, name: str, array: Any) -> None:
    """Add an array (or number) to an archive that ``numpy.load`` reads."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)


def read_arrays(path: Path) -> Arrays:
    """All arrays of a file."""
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
