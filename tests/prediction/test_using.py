"""Predict, evaluate and features, on a network that was really trained."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from typer.testing import CliRunner

import crosstrain
from crosstrain.cli import app
from crosstrain.errors import CrosstrainError
from crosstrain.prediction.network import TrainedNetwork
from crosstrain.prediction.settings import run_at
from tests.foreign import needed, users_cache
from tests.prediction.conftest import NAMES, digits
from tests.prediction.test_elsewhere import RUNTIMES

KEYWORDS = {"threads": 1, "device": "cpu", "progress": False}


def said(run: Path, photos: Path) -> tuple[np.ndarray, np.ndarray]:
    """The test examples as the network sees them, and what the Keras model says of them."""
    trained = run_at(run, None, "best")
    network = TrainedNetwork.of(trained, lambda text: None)
    data = crosstrain.prepare(f"folder:{photos}", size=8, steps="clahe,standardize")
    inputs = data.arrays("test")[0][""]
    logits = np.asarray(crosstrain.load(run)(np.asarray(inputs)))
    assert network.classes(next(iter(network.readings))) == sorted(NAMES)
    return np.asarray(inputs), np.asarray(keras.ops.softmax(logits))


def test_pictures_folders_and_zips_get_the_answers_of_the_keras_model(
    run: Path, photos: Path, tmp_path: Path
) -> None:
    """Whatever they come in, with a damaged one among them, which is named."""
    shutil.copytree(photos / "zero", tmp_path / "more" / "deep")
    whole = (photos / "zero" / sorted(p.name for p in (photos / "zero").iterdir())[0]).read_bytes()
    (tmp_path / "more" / "broken.png").write_bytes(whole[:60])
    (tmp_path / "more" / "notes.txt").write_text("no picture")
    with zipfile.ZipFile(tmp_path / "ones.zip", "w") as archive:
        for path in sorted((photos / "one").iterdir()):
            archive.write(path, f"inside/{path.name}")
    single = next((photos / "two").iterdir())
    result = CliRunner().invoke(
        app,
        ["predict", str(run), str(tmp_path / "more"), str(tmp_path / "ones.zip"), str(single), "--top", "2",
         "--threads", "1", "--device", "cpu", "--csv", str(tmp_path / "a.csv"), "--pictures",
         str(tmp_path / "drawn"), "--json", "-"],
    )  # fmt: skip
    assert result.exit_code == 1, result.output  # one is damaged
    answers = json.loads(result.stdout)
    (damaged,) = answers["damaged"]
    assert "broken.png (the PNG is cut short)" in damaged
    assert any("1 file is no picture" in note and "notes.txt" in note for note in answers["notes"])
    zeros, ones = len(list((photos / "zero").iterdir())), len(list((photos / "one").iterdir()))
    assert len(answers["answers"]) == zeros + ones + 1
    first = [answer["choices"][0]["label"] for answer in answers["answers"]]
    assert np.mean([label == "zero" for label in first[:zeros]]) > 0.9
    assert np.mean([label == "one" for label in first[zeros:-1]]) > 0.8
    assert all(len(answer["choices"]) == 2 for answer in answers["answers"])
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[0] == "input,class_1,probability_1,class_2,probability_2"
    assert len(lines) == 1 + len(first)
    drawn = sorted((tmp_path / "drawn").iterdir())
    assert len(drawn) == answers["pictures"] == len(first)
    assert cv2.imread(str(drawn[0])).shape == (192 + 2 * 20, 192, 3)  # the picture and two lines


def test_probabilities_are_the_keras_model_s(run: Path, photos: Path) -> None:
    inputs, expected = said(run, photos)
    del inputs
    # The test part of the folder, by name: the same pictures from elsewhere.
    data = crosstrain.prepare(f"folder:{photos}", size=8, steps="clahe,standardize")
    images, names = digits()
    answers = crosstrain.predict(run, [np.stack(images)], top=5, **KEYWORDS)
    assert not answers.damaged
    numbers = {name: number for number, name in enumerate(sorted(NAMES))}
    whole = np.zeros((len(images), 5))
    for row, answer in enumerate(answers.answers):
        assert len(answer.choices) == 5
        for choice in answer.choices:
            whole[row, choice.number] = choice.probability
    np.testing.assert_allclose(whole.sum(axis=1), 1, atol=1e-6)
    # Every row of the test part is among them, with its own label.
    labels = np.array([numbers[name] for name in names])
    for row, label in zip(expected, data.arrays("test")[1][""], strict=True):
        distances = np.abs(whole[labels == label] - row).max(axis=1)
        assert distances.min() < 1e-5


def test_evaluation_of_its_own_data_is_what_the_training_measured(run: Path) -> None:
    measured = json.loads((run / "result.json").read_text())
    evaluated = crosstrain.evaluate(run, weights="last", **KEYWORDS)  # what a training tests
    assert evaluated.part == "test"
    assert evaluated.notes == ()
    assert evaluated.metrics["accuracy"] == pytest.approx(measured["test_accuracy"], abs=1e-12)
    assert evaluated.metrics["loss"] == pytest.approx(measured["test_metrics"]["loss"], rel=1e-6)
    for name in ("accuracy", "loss"):
        interval = evaluated.intervals[name]
        assert interval.low < interval.value < interval.high or interval.value in (0, 1)


def test_a_limited_training_is_evaluated_on_the_examples_that_it_tested(tmp_path: Path) -> None:
    trained = crosstrain.train(
        "mlp", "digits", engine="torch", limit=7, epochs=2, out=tmp_path / "run", **KEYWORDS
    )
    evaluated = crosstrain.evaluate(tmp_path / "run", weights="last", **KEYWORDS)
    assert evaluated.examples == 70
    assert evaluated.metrics["loss"] == pytest.approx(trained.result.test_metrics["loss"], rel=1e-6)
    features = crosstrain.features(tmp_path / "run", layer="dense", out=tmp_path / "f.npz", **KEYWORDS)
    assert [features.arrays[f"x_{part}"][0] for part in ("train", "validation", "test")] == [70, 70, 70]


def test_labels_in_another_order_and_strange_classes(run: Path, tmp_path: Path) -> None:
    """Classes are matched by name; a class that the training lacks is left out and told."""
    images, names = digits()
    called = ["nine" if number % 10 == 0 else name for number, name in enumerate(names)]
    kept = [(image, name) for image, name in zip(images, called, strict=True) if name != "zero"]
    x, y = np.stack([image for image, _ in kept]), np.array([name for _, name in kept])
    np.savez(tmp_path / "new.npz", x=x, y=y)
    evaluated = crosstrain.evaluate(run, f"arrays:{tmp_path / 'new.npz'}", **KEYWORDS)
    assert evaluated.part == "all"
    assert evaluated.examples == int((y != "nine").sum())
    answers = crosstrain.predict(run, x[y != "nine"], top=1, **KEYWORDS)
    right = np.mean([a.choices[0].label for a in answers.answers] == y[y != "nine"])
    assert evaluated.metrics["accuracy"] == pytest.approx(right, abs=1e-12)
    notes = " ".join(evaluated.notes)
    assert "classes that the training lacks, and are left out: nine" in notes
    assert "another order" in notes
    assert "1 of the training's 5 classes has no example: zero" in notes


def test_data_that_looks_otherwise_is_told(run: Path, tmp_path: Path) -> None:
    images, names = digits()
    large = np.stack([np.kron(image, np.ones((6, 6))) for image in images]).astype(np.float32)
    np.savez(tmp_path / "new.npz", x=large[..., None], y=np.array(names))
    evaluated = crosstrain.evaluate(run, f"arrays:{tmp_path / 'new.npz'}", **KEYWORDS)
    notes = " ".join(evaluated.notes)
    assert "96 pixels on their longer side; the training's had 16 pixels" in notes


def test_features_are_the_keras_layer_s_and_can_be_trained_on(
    run: Path, photos: Path, tmp_path: Path
) -> None:
    model = crosstrain.load(run)
    hidden = next(layer for layer in model.layers if isinstance(layer, keras.layers.Dense))
    written = crosstrain.features(run, layer=hidden.name, out=tmp_path / "f.npz", **KEYWORDS)
    with np.load(tmp_path / "f.npz") as arrays:
        assert written.arrays == {name: list(arrays[name].shape) for name in arrays.files}
        assert set(arrays.files) == {f"{k}_{s}" for k in "xy" for s in ("train", "validation", "test")}
        inputs, _ = said(run, photos)
        expected = np.asarray(keras.Model(model.inputs, hidden.output)(inputs))
        np.testing.assert_allclose(arrays["x_test"], expected, atol=1e-5)
        assert set(arrays["y_test"]) <= set(NAMES)
    data = crosstrain.prepare(f"arrays:{tmp_path / 'f.npz'}")
    assert data.manifest["classes"] == sorted(NAMES)


@pytest.mark.parametrize("engine", RUNTIMES)
def test_an_engine_for_inference_says_the_same(run: Path, engine: str) -> None:
    needed(engine)
    images, _ = digits()
    inputs = np.stack(images[:20])
    with users_cache():
        here, there = (crosstrain.predict(run, inputs, engine=e, **KEYWORDS) for e in ("torch", engine))
    assert there.engine == engine
    np.testing.assert_allclose(*(next(iter(p.outputs.values())) for p in (here, there)), atol=1e-4)


WRONG = {
    "no run": (["nowhere", "a.png"], "there is no folder nowhere"),
    "no file": (["RUN", "gone.png"], "there is no file or folder gone.png"),
    "no picture": (["RUN", "TEXT"], "is neither a picture"),
    "empty": (["RUN", "EMPTY"], "there are no pictures in"),
    "channels": (["RUN", "TWO"], "has pictures with 2 channels, and the network takes 3"),
    "all damaged": (["RUN", "BROKEN"], "nothing can be read: .*broken.png"),
    "top": (["RUN", "BROKEN", "--top", "0"], "top must be at least 1"),
    "engine": (["RUN", "BROKEN", "--engine", "torsch"], "there is no engine 'torsch'"),
    "weights": (["RUN", "BROKEN", "--weights", "worst"], "best or last"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_is_one_sentence(run: Path, tmp_path: Path, case: str) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    np.save(tmp_path / "two.npy", np.zeros((3, 8, 8, 2), np.uint8))
    places = {
        "RUN": run, "TEXT": tmp_path / "notes.txt", "EMPTY": tmp_path / "empty", "TWO": tmp_path / "two.npy",
        "BROKEN": tmp_path / "broken.png",
    }  # fmt: skip
    arguments, sentence = WRONG[case]
    result = CliRunner().invoke(app, ["predict", *(str(places.get(a, a)) for a in arguments)])
    assert result.exit_code == 2, result.output

    assert re.search(sentence, result.output.replace("\n", " "))


def test_a_run_whose_preparation_was_not_kept_learns_it_anew(run: Path, tmp_path: Path) -> None:
    """Of a training by an earlier version, as long as its data is there."""
    shutil.copytree(run, tmp_path / "old")
    (kept,) = (tmp_path / "old").glob("networks/*/preparation.json")
    kept.unlink()
    images, _ = digits()
    first, second = (
        crosstrain.predict(folder, images[0][None], **KEYWORDS) for folder in (run, tmp_path / "old")
    )
    assert first.answers == second.answers
    kept.write_text("{")
    with pytest.raises(CrosstrainError, match="is damaged"):
        crosstrain.predict(tmp_path / "old", images[0][None], **KEYWORDS)
