"""The real sets: official counts, known labels, and tracks that stay whole."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest


def existing(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path


def test_mnist_has_its_official_counts(real_data: Path, prepared: Callable) -> None:
    data = prepared(f"mnist:{existing(real_data, 'mnist')}", size=32)
    assert data.manifest["splits"] == {"train": 54_000, "validation": 6_000, "test": 10_000}
    counts = data.manifest["class_counts"]
    assert counts["test"] == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    official = np.array([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949])
    assert np.array_equal(np.add(counts["train"], counts["validation"]), official)
    assert np.abs(counts["validation"] - official * 0.1).max() <= 1
    pixels = data.arrays("test")[0][""]
    assert pixels.shape == (10_000, 32, 32, 1)
    assert (float(pixels.min()), float(pixels.max())) == (0, 1)
    assert not data.warnings


@pytest.fixture
def signs(real_data: Path) -> Path:
    return existing(real_data / "gtsrb", "gtsrb_native_subset_2150_png.zip")


def rows_of(signs: Path) -> list[dict[str, str]]:
    with zipfile.ZipFile(signs) as archive:
        return list(csv.DictReader(io.StringIO(archive.read("subset.csv").decode()), delimiter=";"))


def cropped(archive: zipfile.ZipFile, row: dict[str, str], size: int) -> np.ndarray:
    """As an independent few lines of OpenCV make it."""
    whole = cv2.imdecode(np.frombuffer(archive.read(row["Filename"]), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    x1, y1, x2, y2 = (int(row[f"Roi.{edge}"]) for edge in ("X1", "Y1", "X2", "Y2"))
    sign = np.ascontiguousarray(whole[y1:y2, x1:x2])
    method = cv2.INTER_AREA if min(sign.shape[:2]) >= size else cv2.INTER_CUBIC
    return cv2.resize(sign, (size, size), interpolation=method).astype(np.float32) / 255


def test_the_gtsrb_subset(signs: Path, prepared: Callable) -> None:
    data = prepared(f"gtsrb:{signs}", size=48)
    splits = data.manifest["splits"]
    assert splits["train"] + splits["validation"] == 1720
    assert splits["test"] == 430
    counts = data.manifest["class_counts"]
    assert counts["test"] == [10] * 43
    assert np.add(counts["train"], counts["validation"]).tolist() == [40] * 43
    assert min(counts["train"]) > 0
    assert min(counts["validation"]) > 0


def test_no_track_of_the_subset_is_on_two_sides(signs: Path, prepared: Callable) -> None:
    data = prepared(f"gtsrb:{signs}", size=24)
    by_bytes: dict[bytes, set[str]] = {}
    with zipfile.ZipFile(signs) as archive:
        for row in rows_of(signs):
            sign = cropped_as_prepared(archive, row, 24)
            by_bytes.setdefault(sign.tobytes(), set()).add(row["Filename"][:-10])
    tracks = [
        {track for x in data.arrays(split)[0][""] for track in by_bytes[np.ascontiguousarray(x).tobytes()]}
        for split in ("train", "validation", "test")
    ]
    assert not tracks[0] & tracks[1]
    assert not tracks[0] & tracks[2]
    assert not tracks[1] & tracks[2]
    assert len(set.union(*tracks)) == len({row["Filename"][:-10] for row in rows_of(signs)})


def cropped_as_prepared(archive: zipfile.ZipFile, row: dict[str, str], size: int) -> np.ndarray:
    from crosstrain.data.images import decoding as images

    x1, y1, x2, y2 = (int(row[f"Roi.{edge}"]) for edge in ("X1", "Y1", "X2", "Y2"))
    whole = images.decode(archive.read(row["Filename"]))
    return images.resize(images.crop(whole, (x1, y1, x2, y2)), (size, size)).astype(np.float32) / 255


def test_signs_are_as_opencv_makes_them(signs: Path, prepared: Callable) -> None:
    inputs, targets = prepared(f"gtsrb:{signs}", size=48).arrays("test")
    rows = [row for row in rows_of(signs) if row["Split"] == "test"]
    compared = 0
    with zipfile.ZipFile(signs) as archive:
        for position, row in enumerate(rows):
            assert targets[""][position] == int(row["ClassId"])
            height = int(row["Roi.Y2"]) - int(row["Roi.Y1"])
            width = int(row["Roi.X2"]) - int(row["Roi.X1"])
            if (height >= 48) == (width >= 48):
                assert np.array_equal(inputs[""][position], cropped(archive, row, 48))
                compared += 1
    assert compared > 350


@pytest.mark.slow("51,839 pictures are prepared; a part of them is, in every run")
def test_all_of_gtsrb_from_one_archive(real_data: Path, prepared: Callable) -> None:
    data = prepared(f"gtsrb:{existing(real_data / 'gtsrb', 'gtsrb32_full.npz')}", size=32)
    splits = data.manifest["splits"]
    assert splits["train"] + splits["validation"] == 39_209
    assert splits["test"] == 12_630
    assert 0.09 < splits["validation"] / 39_209 < 0.12
    assert min(data.manifest["class_counts"]["validation"]) >= 29
