"""Other data is prepared to the bit as the training's was, by the training's own numbers."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from crosstrain.data.inputs import read_inputs
from crosstrain.data.preparation import prepare
from crosstrain.data.registry import parse
from crosstrain.data.resemblance import Look, differences, size_difference
from crosstrain.data.trained_preparation import TrainedPreparation
from crosstrain.errors import CrosstrainError
from crosstrain.training.augmentation import checked

STEPS: dict[str, tuple[str, dict[str, Any], Any]] = {
    "plain": ("", {}, 12),
    "steps": ("clahe,hsv,standardize", {}, (12, 16)),
    "hog": ("hog,standardize", {}, 20),
    "crop": ("", {"crop": 8, "flip": True, "center": True}, 12),
    "standardize twice": ("standardize", {"crop": 8, "standardize": True}, 12),
    "zca": ("", {"zca": 1e-3}, 6),
    "mixup": ("standardize", {"mixup": 0.2}, 12),
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, random = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for name in ("left", "right"):
        (folder / name).mkdir()
        for number in range(20):
            shape = (*random.integers(14, 30, 2), 3)
            cv2.imwrite(str(folder / name / f"{number}.png"), random.integers(0, 255, shape, np.uint8))
    return folder


@pytest.mark.parametrize("case", STEPS)
def test_the_test_part_comes_out_to_the_bit(photos: Path, tmp_path: Path, case: str) -> None:
    steps, augmentation, size = STEPS[case]
    data = prepare(f"folder:{photos}", size=size, steps=steps, augmentation=checked(augmentation))
    TrainedPreparation.of(data, checked(augmentation)).save(tmp_path)
    kept = TrainedPreparation.load(tmp_path)
    assert kept is not None
    row, location = parse(f"folder:{photos}")
    with closing(row.reader().read(location, kept.request())) as source:
        applied = kept.apply(tmp_path, source.splits["test"])
    np.testing.assert_array_equal(applied.inputs[""], data.arrays("test")[0][""])
    assert len(applied.targets[""]) == data.examples("test")
    assert applied.damaged == ()


def test_nothing_kept_and_what_is_damaged(tmp_path: Path) -> None:
    assert TrainedPreparation.load(tmp_path) is None
    (tmp_path / "preparation.json").write_text('{"manifest": {}}')
    with pytest.raises(CrosstrainError, match="damaged"):
        TrainedPreparation.load(tmp_path)


def test_arrays_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    """A network of plain arrays: other shapes, other names, text."""
    random = np.random.default_rng(0)
    np.savez(tmp_path / "a.npz", x=random.random((40, 5)), y=np.arange(40) % 2)
    data = prepare(f"arrays:{tmp_path / 'a.npz'}", steps="standardize")
    kept = TrainedPreparation.of(data, {})
    with ExitStack() as stack:
        given = read_inputs([random.random((3, 5)), random.random(5)], kept, stack)
        assert len(given.labels) == 4
        applied = kept.apply(tmp_path, given.table)
        assert applied.inputs[""].shape == (4, 5)
        with pytest.raises(CrosstrainError, match=r"has the shape 4; the network takes 5"):
            read_inputs([random.random((3, 4))], kept, stack)
        path = tmp_path / "p.png"
        path.write_bytes(b"")
        with pytest.raises(CrosstrainError, match="does not take a picture but an array of 5"):
            read_inputs([path], kept, stack)
        np.savez(tmp_path / "b.npz", first=np.zeros(5), second=np.zeros(5))
        with pytest.raises(CrosstrainError, match=r"has no array 'x' .* it has first, second"):
            read_inputs([tmp_path / "b.npz"], kept, stack)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda x: x * 255, "values of the input run from"),
        (lambda x: x * 0 + 0.5, "run only from 0.5 to 0.5"),
        (lambda x: np.repeat(x[..., :1], 3, -1), "the pictures are grey"),
        (lambda x: np.clip(1 - x / 20, 0, 1), "the mean of the input is"),
        (lambda x: x[:40], ""),
    ],
)
def test_differences_in_words(change: Any, sentence: str) -> None:
    x = np.random.default_rng(1).random((200, 6, 6, 3), np.float32) ** 3
    told = differences(Look.of(x), Look.of(np.asarray(change(x), np.float32)))
    assert (sentence in " ".join(told)) if sentence else not told


def test_sizes_in_words() -> None:
    assert size_difference([15, 250], [20, 300], [32, 32, 3]) == ""
    assert "have 500 to 900 pixels" in size_difference([15, 250], [500, 900], [32, 32, 3])
    assert "the network sees 32×32" in size_difference(None, [8, 8], [32, 32, 3])
