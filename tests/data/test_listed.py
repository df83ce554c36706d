"""Validation pictures in one folder with a list of their classes, as ImageNet has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crosstrain.data import prepare
from crosstrain.errors import CrosstrainError
from tests.data.making import picture, write_picture

CLASSES = ("n01440764", "n01443537", "n02084071")


@pytest.fixture
def imagenet(tmp_path: Path) -> Path:
    """Three classes of six pictures, six for validation that are known by their grey value."""
    for number, name in enumerate(CLASSES):
        for each in range(6):
            write_picture(
                tmp_path / "train" / name / "images" / f"{name}_{each}.png", picture(10 * number + each)
            )
    for each in range(6):
        grey = np.full((8, 8, 3), 40 * each, np.uint8)
        write_picture(tmp_path / "val" / f"val_{each}.png", grey)
    return tmp_path


def labels_by_picture(folder: Path) -> dict[int, int]:
    inputs, targets = prepare(f"folder:{folder}", size=8).arrays("validation")
    greys = np.rint(inputs[""][:, 0, 0, 0] * 255 / 40).astype(int)
    return dict(zip(greys.tolist(), targets[""].tolist(), strict=True))


@pytest.mark.parametrize("by", ["name", "number"])
@pytest.mark.parametrize("place", ["val.txt", "val/val_annotations.txt"])
def test_classes_come_from_the_list(imagenet: Path, by: str, place: str) -> None:
    classes = [2, 0, 1, 1, 0, 2]
    lines = [f"val_{i}.png\t{CLASSES[c] if by == 'name' else c}\t0\t0\t8\t8" for i, c in enumerate(classes)]
    (imagenet / place).write_text("\n".join(lines) + "\n")
    assert labels_by_picture(imagenet) == dict(enumerate(classes))


def test_another_list_is_another_data_set(imagenet: Path) -> None:
    for classes in ([0, 0, 1, 1, 2, 2], [1, 0, 1, 1, 2, 2]):
        (imagenet / "val.txt").write_text("".join(f"val_{i}.png {c}\n" for i, c in enumerate(classes)))
        assert labels_by_picture(imagenet) == dict(enumerate(classes))


def test_pictures_that_are_not_listed_are_left_out(imagenet: Path) -> None:
    (imagenet / "val.txt").write_text("val_1.png 0\nval_4.png 2\n")
    assert labels_by_picture(imagenet) == {1: 0, 4: 2}
    assert "4 files are not images in a class folder: val/val_0.png" in " ".join(
        prepare(f"folder:{imagenet}", size=8).warnings
    )


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("val_0.png n09", "val.txt, line 2: 'n09' is neither a class of training nor a number from 0 to 2"),
        ("val_0.png 3", "line 2: '3' is neither a class"),
        ("val_0.png", "line 2: '' is neither a class"),
        ("val_9.png 1", "line 2: there is no picture val_9.png"),
    ],
)
def test_a_line_that_cannot_be_used_is_a_sentence(imagenet: Path, line: str, sentence: str) -> None:
    (imagenet / "val.txt").write_text(f"val_1.png 0\n{line}\n")
    with pytest.raises(CrosstrainError, match=sentence):
        prepare(f"folder:{imagenet}", size=8)
