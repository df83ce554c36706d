"""Small sources on disk for the tests: idx files, trees of signs, folders of images."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

HEAD = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"


def idx_bytes(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def mnist_folder(folder: Path, train: int = 60, test: int = 20, *, zipped: bool = True) -> Path:
    """Four idx files of 28x28 noise; labels go round 0..9."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, count in (("train", train), ("t10k", test)):
        pixels = np.random.default_rng(count).integers(0, 256, (count, 28, 28), np.uint8)
        write_idx(folder / f"{part}-images-idx3-ubyte", pixels, zipped=zipped)
        write_idx(
            folder / f"{part}-labels-idx1-ubyte", (np.arange(count) % 10).astype(np.uint8), zipped=zipped
        )
    return folder


def write_idx(path: Path, array: np.ndarray, *, zipped: bool = True) -> None:
    data = idx_bytes(array)
    if zipped:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(data, mtime=0))
    else:
        path.write_bytes(data)


def picture(seed: int, height: int = 24, width: int = 20) -> np.ndarray:
    """Noise as RGB, uint8."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def write_picture(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    done, data = cv2.imencode(path.suffix, np.ascontiguousarray(pixels[..., ::-1]))
    assert done
    path.write_bytes(data.tobytes())


def sign_tree(
    root: Path,
    classes: Sequence[int] = (0, 1),
    tracks: int = 4,
    frames: int = 5,
    suffix: str = ".ppm",
    test: Iterable[int] = (),
) -> Path:
    """An official tree: 20x24 pixels, region 5,6,15,18. ``test`` are the labels of the test images."""
    seed = 0
    for label in classes:
        folder = root / "Final_Training" / "Images" / f"{label:05d}"
        rows = [HEAD]
        for track in range(tracks):
            for frame in range(frames):
                name = f"{track:05d}_{frame:05d}"
                write_picture(folder / f"{name}{suffix}", picture(seed))
                rows.append(f"{name}.ppm;20;24;5;6;15;18;{label}")
                seed += 1
        (folder / f"GT-{label:05d}.csv").write_text("\r\n".join(rows) + "\r\n")
    rows = [HEAD]
    for number, label in enumerate(test):
        write_picture(root / "Final_Test" / "Images" / f"{number:05d}{suffix}", picture(1000 + number))
        rows.append(f"{number:05d}.ppm;20;24;5;6;15;18;{label}")
    if len(rows) > 1:
        (root / "Final_Test" / "Images" / "GT-final_test.csv").write_text("\n".join(rows))
    return root


def class_folders(
    root: Path, classes: Sequence[str] = ("cat", "dog"), each: int = 20, suffix: str = ".png"
) -> Path:
    """A folder for each class with pictures of noise."""
    for number, name in enumerate(classes):
        for index in range(each):
            write_picture(root / name / f"{index:03d}{suffix}", picture(1000 * number + index))
    return root
