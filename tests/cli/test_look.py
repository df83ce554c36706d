"""``crosstrain look``: the sheet holds what training will see; what cannot be is a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from crosstrain.data import prepare
from crosstrain.data.augmentation.augmenter import Augmenter
from tests.cli.test_commands import crosstrain, own_folder, refused

__all__ = ["own_folder"]


def holds(sheet: np.ndarray, picture: np.ndarray) -> bool:
    """Whether a grey picture (8, 8) with values 0..1 stands in the sheet, twelve times enlarged."""
    large = np.kron(np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8), np.ones((12, 12), np.uint8))
    colours = np.repeat(large[..., None], 3, axis=2)
    return bool(cv2.minMaxLoc(cv2.matchTemplate(sheet, colours, cv2.TM_SQDIFF))[0] < 1)


def test_a_sheet_of_originals(tmp_path: Path) -> None:
    result = crosstrain("look", "digits", "--examples", "12", "--out", "all.png")
    assert result.exit_code == 0, result.output
    assert "12 training examples of 8×8×1" in result.stdout
    sheet = cv2.imread(str(tmp_path / "all.png"))
    images = prepare("digits").arrays("train")[0][""]
    shown = json.loads(crosstrain("look", "digits", "--examples", "12", "--json", "-").stdout)
    assert sorted(shown["labels"]) == sorted("0123456789" + "01")
    assert all(holds(sheet, images[example][..., 0]) for example in shown["examples"])
    assert (tmp_path / "contact-sheet.png").exists()


def test_columns_are_the_epochs_of_a_training(tmp_path: Path) -> None:
    arguments = ["look", "digits", "--examples", "3", "--draws", "2", "--seed", "4"]
    result = crosstrain(*arguments, "--augment", "shift=2,contrast=0.5,standardize", "--json", "-")
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)
    assert (shown["draws"], shown["augmentation"]) == (2, "shift=2,contrast=0.5,standardize")
    sheet = cv2.imread(str(tmp_path / "contact-sheet.png"))
    images = prepare("digits").arrays("train")[0][""]
    augmenter = Augmenter({"shift": 2, "contrast": 0.5}, {}, seed=4)
    for epoch in (0, 1):
        seen, _ = augmenter.batch({"": images}, {}, epoch, np.asarray(shown["examples"]))
        assert all(holds(sheet, picture[..., 0]) for picture in seen[""])
    beyond, _ = augmenter.batch({"": images}, {}, 2, np.asarray(shown["examples"]))
    assert not all(holds(sheet, picture[..., 0]) for picture in beyond[""])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["digits", "--augment", "flop"], "there is no augmentation 'flop'"),
        (["digits", "--augment", "crop=28"], "crop=28 is larger than the pictures of digits, which are 8×8"),
        (["digits", "--out", "sheet.jpg"], "name a .png in a folder that exists"),
        (["digits", "--out", "nowhere/sheet.png"], "name a .png in a folder that exists"),
        (["digits", "--examples", "0"], "examples must be from 1 to 1000, not 0"),
        (["digits", "--seed=-1"], "a seed must be at least 0"),
        (
            ["nonsense"],
            "'nonsense' is no data set (crosstrain datasets), no folder of train or compare and",
        ),
        (["digitz"], "did you mean digits?"),
        (["digits", "--image", "a.png"], "digits is a data set; --image belongs to a run or a network"),
        (["lenet5", "--augment", "flip"], "lenet5 is not a data set; --augment belongs to a data set"),
        (["."], "to look at the pictures in it, write folder:."),
    ],
)
def test_what_cannot_be_shown_is_a_sentence(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    assert sentence in refused(crosstrain("look", *arguments))
    assert not list(tmp_path.glob("*.png"))


def test_data_without_pictures(tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", x=np.random.default_rng(0).random((40, 5)), y=np.arange(40) % 2)
    assert "no single input of grey or colour pictures" in refused(crosstrain("look", "arrays:rows.npz"))
