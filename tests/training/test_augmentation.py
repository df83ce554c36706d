"""How augmentation is spelled, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crosstrain.errors import CrosstrainError
from crosstrain.training.augmentation import SETTINGS, checked, spelled
from crosstrain.training.recipe import Loss
from crosstrain.training.spelling import augmentation, fitting_losses

ALL = "flip,shift=4,rotate=15,zoom=0.1,crop=28,jitter=0.2,pca-colour,cutout=8,mixup=0.2,standardize-sample"


def test_the_spelling_of_the_command_line() -> None:
    settings = augmentation(ALL)
    assert settings == {
        "flip": True, "shift": 4, "rotate": 15, "zoom": 0.1, "crop": 28, "jitter": 0.2, "pca-colour": 0.1,
        "standardize-sample": True, "cutout": 8, "mixup": 0.2,
    }  # fmt: skip
    assert augmentation(ALL.split(",")) == augmentation(settings) == settings
    assert augmentation("pca_color, standardize_sample") == {"pca-colour": 0.1, "standardize-sample": True}
    assert augmentation(None) == augmentation("") == {}


@given(st.sets(st.sampled_from([*SETTINGS]), max_size=6))
def test_what_is_spelled_reads_as_it_was(names: set[str]) -> None:
    values: dict[str, Any] = {"fill": "wrap"}
    given = {name: values.get(name) or SETTINGS[name].alone or _value(name) for name in names}
    if "shift" in given:
        given = {name: value for name, value in given.items() if name not in ("shift-x", "shift-y")}
    settings = checked(given)
    assert augmentation(spelled(settings)) == settings


def _value(name: str) -> Any:
    return next(value for value in (3, 0.25) if SETTINGS[name].kind.fits(value))


def test_settings_that_are_off_are_left_out() -> None:
    assert checked({"flip": False, "shift": 0, "rotate": None, "zoom": 0.0}) == {}


def test_what_others_bring_with_them() -> None:
    assert checked({"zca": 1e-3}) == {"center": True, "zca": 1e-3}
    assert checked({"zca": 1e-3, "standardize": True}) == {"standardize": True, "zca": 1e-3}
    assert checked({"center-sample": True, "standardize-sample": True}) == {"standardize-sample": True}


@pytest.mark.parametrize(
    ("spelling", "sentence"),
    [
        ("flop", "there is no augmentation 'flop'; there are flip, flip-vertical, shift"),
        ("rotate", "the augmentation 'rotate' needs a value, degrees above 0, at most 180: write rotate=…"),
        ("rotate=200", "the augmentation 'rotate' cannot be 200; it is degrees above 0, at most 180"),
        ("flip=3", "the augmentation 'flip' cannot be 3; it is on or off"),
        ("crop=2.5", "the augmentation 'crop' cannot be 2.5; it is a whole number of pixels"),
        ("shift=-1", "the augmentation 'shift' cannot be -1; it is a whole number of pixels, or a share"),
        ("zoom=1", "the augmentation 'zoom' cannot be 1; it is a number above 0, below 1"),
        ("fill=mirror", "the augmentation 'fill' cannot be 'mirror'; it is one of constant, nearest"),
        ("flip,flip", "the augmentation 'flip' is named twice"),
        ("shift=2,shift-x=1", "the augmentation 'shift' is both shift-x and shift-y; give it or them"),
        ("mixup=nan", "the augmentation 'mixup' cannot be 'nan'"),
    ],
)
def test_what_is_wrong_is_named(spelling: str, sentence: str) -> None:
    with pytest.raises(CrosstrainError, match=sentence):
        augmentation(spelling)


def test_the_loss_that_fits_mixed_targets() -> None:
    sparse = {"": Loss("sparse_categorical_crossentropy", {"from_logits": True}, 0.5)}
    assert fitting_losses(sparse, {}) == sparse
    assert fitting_losses(None, {"mixup": 0.2}) is None
    assert fitting_losses(sparse, {"mixup": 0.2}) == {
        "": Loss("categorical_crossentropy", {"from_logits": True}, 0.5)
    }
    focal = {"": Loss("categorical_focal_crossentropy")}
    assert fitting_losses(focal, {"mixup": 0.2}) == focal
    with pytest.raises(CrosstrainError, match="mixup cannot go with ignore_class"):
        fitting_losses({"": Loss("SparseCategoricalCrossentropy", {"ignore_class": 0})}, {"mixup": 0.2})
