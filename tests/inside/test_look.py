"""``crosstrain look RUN``: a run on real digits, in processes of its own; what is written, and refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import crosstrain
from crosstrain.data import prepare
from tests.cli.test_commands import crosstrain as run
from tests.cli.test_commands import refused

pytest.importorskip("torch")

NETWORK = """
import keras
from keras import layers


def small(input_shape=(8, 8, 1), classes=10):
    return keras.Sequential([
        keras.Input(input_shape),
        layers.Conv2D(6, 3, padding="same", activation="relu", name="conv"),
        layers.MaxPooling2D(2, name="pool"),
        layers.Conv2D(8, 3, padding="same", activation="relu", name="conv2"),
        layers.Flatten(),
        layers.Dense(16, activation="relu", name="features"),
        layers.Dense(classes, name="logits"),
    ])
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run, a network's file, and pictures."""
    folder = tmp_path_factory.mktemp("look")
    (folder / "small.py").write_text(NETWORK)
    own = Path.cwd()
    os.chdir(folder)
    try:
        crosstrain.train(
            "small.py:small", "digits", engine="torch", epochs=4, optimizer="adam", prepare="standardize",
            threads=1, out="trained", progress=False,
        )  # fmt: skip
    finally:
        os.chdir(own)
    digit = np.rint(np.asarray(prepare("digits").arrays("test")[0][""][3]) * 255).astype(np.uint8)
    cv2.imwrite(str(folder / "<b>digit.png"), digit)
    cv2.imwrite(str(folder / "colour.png"), np.repeat(digit, 3, axis=2))
    cv2.imwrite(str(folder / "clear.png"), np.repeat(digit, 4, axis=2))
    (folder / "damaged.png").write_bytes((folder / "colour.png").read_bytes()[:60])
    return folder


@pytest.fixture(autouse=True)
def here(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)


@pytest.fixture(scope="module")
def looked(place: Path) -> dict[str, Any]:
    """Everything, of a picture's file."""
    result = run("look", place / "trained", "--image", place / "<b>digit.png", "--units", "4", "--json", "-")
    assert result.exit_code == 0, result.output
    shown: dict[str, Any] = json.loads(result.stdout)
    return shown


def test_all_views_are_written(looked: dict[str, Any], place: Path) -> None:
    names = [view["name"] for view in looked["views"]]
    assert names == [
        "filters", "maps", "projection", "saliency", "guided", "grad-cam", "occlusion", "exciting",
        "features",
    ]  # fmt: skip
    folder = Path(looked["folder"])
    assert folder == place / "trained" / "inside"
    for view in looked["views"]:
        picture = cv2.imread(str(folder / view["file"]))
        assert picture.std() > 5, view["name"]
    assert looked["layer"] == "conv2"
    assert looked["likeliest"][0][0] == looked["target"]
    assert sum(p for _, p in looked["likeliest"]) == pytest.approx(1, abs=0.2)


def test_arrays_are_those_of_the_trained_weights(looked: dict[str, Any], place: Path) -> None:
    arrays = np.load(looked["arrays"])
    with np.load(place / "trained" / "best.npz") as weights:
        kernel = next(weights[name] for name in weights.files if name.endswith("conv/kernel"))
    np.testing.assert_allclose(arrays["filters"], np.moveaxis(kernel, -1, 0), rtol=1e-6)
    model = crosstrain.load(place / "trained")
    data = prepare("digits", steps="standardize").arrays("test")[0][""]
    scores = np.asarray(model(data[3:4]))[0]
    expected = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
    # The file went through the run's own preparation, and so is the example that it was made of, but for the
    # rounding of its 17 levels of grey to 8 bits.
    np.testing.assert_allclose(arrays["probabilities"], expected, rtol=1e-2, atol=1e-3)
    assert arrays["maps"].shape == (4, 4, 4)
    assert arrays["projection"].shape == arrays["guided"].shape == (8, 8, 1)
    assert arrays["features"].shape == (len(data), 16)
    assert arrays["embedding"].shape == (len(data), 2)
    assert arrays["exciting"].shape == (4, 9)
    assert (np.diff(arrays["strengths"]) <= 0).all()


def test_the_page_escapes_what_it_shows(looked: dict[str, Any]) -> None:
    page = Path(looked["page"]).read_text()
    assert "&lt;b&gt;digit.png" in page
    assert "<b>digit" not in page
    assert page.count("data:image/png;base64,") == len(looked["views"])
    assert "script-src &#x27;none&#x27;" in page


def test_pca_of_the_features_is_scikit_learn_s(place: Path) -> None:
    from sklearn.decomposition import PCA

    inside = crosstrain.look(
        place / "trained", views=["features"], embedding="pca", examples=40, out=place / "pca", progress=False
    )
    arrays = np.load(inside.arrays)
    expected = PCA(2).fit_transform(arrays["features"])
    assert arrays["embedding"].shape == (40, 2)
    np.testing.assert_allclose(np.abs(arrays["embedding"]), np.abs(expected), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--image", "colour.png"],
            "colour.png has 3 channels (red, green, blue), but the network takes 1 cha",
        ),
        (
            ["--image", "clear.png"],
            "clear.png has 4 channels (red, green, blue, alpha), but the network takes",
        ),
        (["--image", "damaged.png"], "damaged.png is no whole picture: "),
        (["--image", "small.py"], "small.py is no whole picture: OpenCV cannot decode it"),
        (["--image", "none.png"], "the picture none.png cannot be read (No such file or directory)"),
        (["--layer", "conv9"], "the network has no layer 'conv9'; there are conv, pool, conv2, "),
        (["--target", "eleven"], "there is no class 'eleven'; there are 0, 1, 2"),
        (["--views", "filters,dreams"], "there is no view 'dreams'; there are filters, maps, "),
        (["--embedding", "umap"], "there is no embedding 'umap'; there are t-sne, pca"),
        (["--units", "0"], "units must be from 1 to 100000, not 0"),
        (["--augment", "flip"], "trained is not a data set; --augment belongs to a data set"),
        (["--out", "a.png"], "the pictures of a network cannot go to a.png: name a folder"),
        (["--weights", "first"], "the weights of a training are best or last, not 'first'"),
    ],
)
def test_wrong_use_is_a_sentence(arguments: list[str], sentence: str) -> None:
    assert sentence in refused(run("look", "trained", *arguments))


def test_a_network_without_a_picture_is_a_sentence() -> None:
    sentence = refused(run("look", "small.py:small"))
    assert "name a picture to show to" in sentence
    assert "with --image, or its data with --data" in sentence
