"""Steps of preparation after cropping and resizing, against OpenCV's own functions and plain NumPy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from crosstrain.data.images import decoding as images
from crosstrain.data.images.steps import PICTURE_STEPS, Step, parse_steps
from crosstrain.errors import CrosstrainError
from tests.data.making import picture, sign_tree

SIZE = 40


@pytest.fixture
def signs(tmp_path: Path) -> Path:
    return sign_tree(tmp_path / "signs", classes=(0, 7), test=(7, 0))


def cropped(seed: int) -> np.ndarray:
    """The picture as it is before any step: cropped and resized."""
    return images.resize(picture(seed)[6:18, 5:15], (SIZE, SIZE))


def clahe_by_hand(rgb: np.ndarray) -> np.ndarray:
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)
    light, a, b = cv2.split(lab)
    light = cv2.createCLAHE(2.0, (8, 8)).apply(light)
    return np.asarray(cv2.cvtColor(cv2.merge((light, a, b)), cv2.COLOR_LAB2RGB))


def equalized_by_hand(rgb: np.ndarray) -> np.ndarray:
    light, a, b = cv2.split(cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB))
    return np.asarray(cv2.cvtColor(cv2.merge((cv2.equalizeHist(light), a, b)), cv2.COLOR_LAB2RGB))


BY_HAND = {
    "clahe": clahe_by_hand,
    "equalize": equalized_by_hand,
    "hsv": lambda rgb: cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV_FULL),
    "bgr": lambda rgb: cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR),
}


@pytest.mark.parametrize("step", BY_HAND)
def test_pictures_are_opencvs_to_the_bit(signs: Path, prepared: Callable, step: str) -> None:
    data = prepared(f"gtsrb:{signs}", size=SIZE, steps=step)
    inputs, _ = data.arrays("test")
    for number in range(2):
        expected = BY_HAND[step](cropped(1000 + number)).astype(np.float32) / 255
        np.testing.assert_array_equal(inputs[""][number], expected)
    assert data.manifest["steps"] == [str(s) for s in parse_steps(step)]


def test_hog_has_the_release_s_1568_features(signs: Path, prepared: Callable) -> None:
    data = prepared(f"gtsrb:{signs}", size=SIZE, steps="hog")
    assert data.manifest["inputs"][""] == {"shape": [1568], "dtype": "float32"}
    descriptor = cv2.HOGDescriptor((40, 40), (10, 10), (5, 5), (5, 5), 8)
    expected = np.asarray(descriptor.compute(cropped(1000))).ravel()
    np.testing.assert_array_equal(data.arrays("test")[0][""][0], expected)


def test_steps_follow_each_other(signs: Path, prepared: Callable) -> None:
    data = prepared(f"gtsrb:{signs}", size=SIZE, steps="clahe, bgr")
    expected = BY_HAND["bgr"](clahe_by_hand(cropped(1000))).astype(np.float32) / 255
    np.testing.assert_array_equal(data.arrays("test")[0][""][0], expected)


def test_standardized_by_the_training_part_alone(signs: Path, prepared: Callable) -> None:
    plain = prepared(f"gtsrb:{signs}", size=SIZE)
    data = prepared(f"gtsrb:{signs}", size=SIZE, steps="standardize")
    train = np.asarray(plain.arrays("train")[0][""], np.float64)
    mean, deviation = train.mean((0, 1, 2)), train.std((0, 1, 2))
    for split in ("train", "validation", "test"):
        expected = (plain.arrays(split)[0][""] - mean) / deviation
        np.testing.assert_allclose(data.arrays(split)[0][""], expected, atol=2e-6)
    statistics = data.manifest["standardized"][""]
    np.testing.assert_allclose(statistics["mean"], mean, rtol=1e-6)
    np.testing.assert_allclose(statistics["deviation"], deviation, rtol=1e-6)


def test_plain_arrays_can_be_standardized_too(tmp_path: Path, prepared: Callable) -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(5, 3, (60, 4)).astype(np.float32)
    x[:, 3] = 7  # constant: only shifted
    np.savez(
        tmp_path / "a.npz", x_train=x, y_train=np.arange(60) % 2, x_test=x[:10], y_test=np.arange(10) % 2
    )
    data = prepared(f"arrays:{tmp_path / 'a.npz'}", steps="standardize")
    train = data.arrays("train")[0][""]
    np.testing.assert_allclose(train.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(train.std(0), [1, 1, 1, 0], atol=1e-5)


def test_other_steps_are_other_data(signs: Path, prepared: Callable) -> None:
    requests = (None, "clahe", "clahe:clip=3", "clahe:tiles=4", "standardize")
    hashes = {prepared(f"gtsrb:{signs}", size=SIZE, steps=steps).hash for steps in requests}
    assert len(hashes) == len(requests)
    again = prepared(f"gtsrb:{signs}", size=SIZE, steps="clahe:clip=2:tiles=8")
    assert again.hash in hashes, "the defaults, spelled out, are the same preparation"
    assert again.cached


@pytest.mark.parametrize(
    ("steps", "word"),
    [
        ("sharpen", "no preparation 'sharpen'; there are clahe"),
        ("clahe:gain=2", "no setting 'gain'; it has clip, tiles"),
        ("clahe:clip=much", "clahe:clip must be a number"),
        ("clahe:clip=0", "more than 0"),
        ("standardize,clahe", "standardize must come last"),
        ("hog,clahe", "hog must come last"),
    ],
)
def test_wrong_steps_are_one_sentence(signs: Path, prepared: Callable, steps: str, word: str) -> None:
    with pytest.raises(CrosstrainError, match=word):
        prepared(f"gtsrb:{signs}", size=SIZE, steps=steps)


def test_steps_that_do_not_fit_the_data(tmp_path: Path, signs: Path, prepared: Callable) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((40, 4), np.float32), y=np.arange(40) % 2)
    with pytest.raises(CrosstrainError, match="works on pictures"):
        prepared(f"arrays:{tmp_path / 'a.npz'}", steps="clahe")
    with pytest.raises(CrosstrainError, match="colour pictures"):
        prepared(f"gtsrb:{signs}", size=SIZE, channels=1, steps="hsv")
    with pytest.raises(CrosstrainError, match="multiples of 5"):
        prepared(f"gtsrb:{signs}", size=32, steps="hog")


def test_a_random_split_says_that_it_leaks(signs: Path, prepared: Callable) -> None:
    data = prepared(f"gtsrb:{signs}", size=SIZE, split="random")
    splits = data.manifest["splits"]
    assert splits["validation"] == round(0.2 * (splits["validation"] + splits["train"]))
    assert any("at random" in sentence for sentence in data.warnings)
    assert not any("at random" in sentence for sentence in prepared(f"gtsrb:{signs}", size=SIZE).warnings)
    with pytest.raises(CrosstrainError, match="no split 'odd'"):
        prepared(f"gtsrb:{signs}", size=SIZE, split="odd")
    with pytest.raises(CrosstrainError, match="digits has no split"):
        prepared("digits", split="random")


@given(
    hnp.arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(8, 24), st.integers(8, 24), st.just(3))),
    st.sampled_from([name for name in PICTURE_STEPS if name != "hog"]),
)
def test_steps_keep_shape_and_never_write_to_what_they_get(pixels: np.ndarray, name: str) -> None:
    before = pixels.copy()
    row = PICTURE_STEPS[name]
    result = row.apply(pixels, **row.settings)
    np.testing.assert_array_equal(pixels, before)
    assert result.shape == pixels.shape
    assert result.dtype == np.uint8


def test_spelling_goes_there_and_back() -> None:
    steps = parse_steps("clahe:clip=3,standardize")
    assert steps == (Step("clahe", {"clip": 3.0, "tiles": 8}), Step("standardize"))
    assert parse_steps(",".join(map(str, steps))) == steps
    assert parse_steps(None) == parse_steps("") == ()
