"""ImageNet's weights, without a network to download them from."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.error import URLError

import keras
import numpy as np
import pytest
from keras.src.utils import file_utils

from crosstrain import zoo
from crosstrain.errors import CrosstrainError
from crosstrain.graph.keras_import.transfer import head_of
from crosstrain.zoo import pretrained
from crosstrain.zoo.pretrained import load_imagenet

SHAPE = (32, 32, 3)


def test_all_but_the_head_are_those_that_keras_has(monkeypatch: pytest.MonkeyPatch) -> None:
    original, asked = keras.applications.MobileNet, []
    offered: list[keras.Model] = []

    def downloaded(**arguments: Any) -> keras.Model:
        asked.append(dict(arguments))
        model = original(**{**arguments, "weights": None})
        random = np.random.default_rng(0)
        for variable in model.weights:
            variable.assign(random.random(variable.shape))
        offered.append(model)
        return model

    model = zoo.build("mobilenet", SHAPE, 5)
    head = head_of(model)
    before = [np.asarray(variable) for variable in head.weights]
    monkeypatch.setattr(keras.applications, "MobileNet", downloaded)
    load_imagenet(model, "mobilenet", [head])
    assert asked == [{"input_shape": SHAPE, "include_top": False, "weights": "imagenet"}]
    loaded = [variable for variable in model.weights if not any(variable is w for w in head.weights)]
    assert len(loaded) == len(offered[0].weights)
    for mine, theirs in zip(loaded, offered[0].weights, strict=True):
        np.testing.assert_array_equal(np.asarray(mine), np.asarray(theirs))
    for variable, array in zip(head.weights, before, strict=True):
        np.testing.assert_array_equal(np.asarray(variable), array)
    with pytest.raises(CrosstrainError, match="has 1000 classes and mobilenet here 5; --replace-head"):
        load_imagenet(model, "mobilenet")


def test_what_cannot_be_downloaded_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**arguments: Any) -> keras.Model:
        raise URLError("no route to host")

    model = zoo.build("mobilenet:tiny")
    monkeypatch.setattr(keras.applications, "MobileNet", refused)
    with pytest.raises(CrosstrainError, match=r"cannot be had \(.*no route.*\); .* --weights FILE"):
        load_imagenet(model, "mobilenet", [head_of(model)])
    with pytest.raises(CrosstrainError, match="no ImageNet weights for lenet5; there are for xception, "):
        load_imagenet(model, "lenet5")


def test_keras_s_own_download_is_checked_and_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Keras's network asks for its file by address and checksum; what comes is held against it."""
    asked: list[tuple[str, Path, str | None]] = []

    def refused(url: str, path: Path, checksum: str | None = None) -> None:
        asked.append((url, path, checksum))
        raise CrosstrainError(f"{url} cannot be downloaded: no route to host")

    monkeypatch.setattr(pretrained, "download", refused)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    original = file_utils.get_file
    model = zoo.build("densenet121", SHAPE, 5)
    with pytest.raises(CrosstrainError, match=r"of densenet121 cannot be had \(https://.*no route to host\)"):
        load_imagenet(model, "densenet121", [head_of(model)])
    ((url, path, checksum),) = asked
    assert url.startswith("https://storage.googleapis.com/tensorflow/keras-applications/densenet/")
    assert path.name == "densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5"
    assert checksum == "30ee3e1110167f948a6b9946edeeb738"
    assert file_utils.get_file is original
