"""A small network, really trained on pictures in folders, and the pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.datasets import load_digits

import crosstrain

NAMES = ("zero", "one", "two", "three", "four")


def picture(image: np.ndarray) -> np.ndarray:
    """A digit of scikit-learn as uint8 (16, 16)."""
    return cv2.resize(np.asarray(image * 255 / 16, np.uint8), (16, 16), interpolation=cv2.INTER_CUBIC)


def digits() -> tuple[list[np.ndarray], list[str]]:
    data = load_digits()
    chosen = [n for n in range(len(data.target)) if data.target[n] < len(NAMES)][:300]
    return [picture(data.images[n]) for n in chosen], [NAMES[data.target[n]] for n in chosen]


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures for each class."""
    folder = tmp_path_factory.mktemp("photos")
    for number, (image, name) in enumerate(zip(*digits(), strict=True)):
        (folder / name).mkdir(exist_ok=True)
        cv2.imwrite(str(folder / name / f"{number:03d}.png"), image)
    return folder


@pytest.fixture(scope="session")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained mlp of 8×8 colour pictures, whose contrast was equalised and whose channels were scaled."""
    folder = tmp_path_factory.mktemp("runs") / "mlp"
    trained = crosstrain.train(
        "mlp", f"folder:{photos}", engine="torch", size=8, epochs=8, threads=1, device="cpu", out=folder,
        prepare="clahe,standardize", learning_rate=0.05, progress=False,
    )  # fmt: skip
    assert trained.ok, trained.result.error
    return folder
