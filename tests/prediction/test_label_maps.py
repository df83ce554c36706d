"""A network that gives every pixel a class: trained, judged, asked and looked at, end to end."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

import crosstrain
from crosstrain.data import prepare
from crosstrain.reporting.label_maps import coloured, palette
from crosstrain.training.metrics import Reading
from crosstrain.training.scores.pixels import mean_iou, picture_counts
from tests.cli.test_commands import crosstrain as crosstrain_cli
from tests.cli.test_commands import refused

CLASSES = ["ground", "ball", "box"]
SIZE = (24, 32)


def scene(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture of a bright disk and a dark square on grey noise, and its label map, with a void rim."""
    random = np.random.default_rng(seed)
    labels = np.zeros(SIZE, np.uint8)
    picture = random.integers(100, 140, (*SIZE, 3), np.uint8)
    for number, colour in ((1, (230, 80, 60)), (2, (30, 40, 200))):
        row, column, radius = random.integers(5, 19), random.integers(6, 26), int(random.integers(3, 6))
        shape = np.zeros(SIZE, np.uint8)
        if number == 1:
            cv2.circle(shape, (int(column), int(row)), radius, 1, -1)
        else:
            cv2.rectangle(
                shape,
                (int(column - radius), int(row - radius)),
                (int(column + radius), int(row + radius)),
                1,
                -1,
            )
        picture[shape > 0] = colour
        labels[shape > 0] = number
    labels[0] = 255
    return picture, labels


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    for name in ("images", "masks"):
        (folder / name).mkdir()
    for number in range(60):
        picture, labels = scene(number)
        cv2.imwrite(str(folder / "images" / f"{number:02d}.png"), picture[..., ::-1])
        cv2.imwrite(str(folder / "masks" / f"{number:02d}.png"), labels)
    (folder / "classes.txt").write_text("\n".join(CLASSES))
    return folder


@pytest.fixture(scope="session")
def segmenter(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "unet"
    trained = crosstrain.train(
        "unet:width=0.125:depth=2", f"segmentation:{scenes}", engine="torch", size="24x32", epochs=8,
        threads=1, device="cpu", batch_size=6, optimizer="adam", learning_rate=0.01, augment="flip,shift=2",
        class_weight="median-frequency", out=folder, progress=False,
    )  # fmt: skip
    assert trained.ok, trained.result.error
    return folder


def test_the_result_has_the_metrics_of_label_maps(segmenter: Path, scenes: Path) -> None:
    result = json.loads((segmenter / "result.json").read_text())
    metrics = result["test_metrics"]
    assert result["input_size"] == [24, 32]
    assert result["classes"] == CLASSES
    assert result["measure"]["name"] == "mean_iou"
    assert result["measure"]["value"] == metrics["mean_iou"] > 0.5
    assert result["measure"]["low"] < metrics["mean_iou"] < result["measure"]["high"]
    assert metrics["mean_iou"] == pytest.approx(np.mean(metrics["class_iou"]))
    # The best epoch is the one with the best mean IoU in validation.
    validated = [epoch["validation_mean_iou"] for epoch in result["epochs"]]
    assert result["best_epoch"] == 1 + int(np.argmax(validated))
    assert 0 < metrics["boundary_f1"] < 1


def test_evaluating_the_same_data_says_the_same(segmenter: Path) -> None:
    result = json.loads((segmenter / "result.json").read_text())
    evaluated = crosstrain.evaluate(segmenter, weights="last", threads=1, progress=False)
    for name in ("mean_iou", "class_iou", "class_accuracy", "boundary_f1", "accuracy"):
        assert evaluated.metrics[name] == pytest.approx(result["test_metrics"][name], abs=1e-6)
    assert set(evaluated.intervals) == {"loss", "mean_iou"}


def test_predictions_are_label_maps(segmenter: Path, scenes: Path, tmp_path: Path) -> None:
    data = prepare(f"segmentation:{scenes}", size=SIZE)
    files = [str(scenes / "images" / f"{number:02d}.png") for number in range(3)]
    prediction = crosstrain.predict(segmenter, files, pictures=tmp_path / "drawn", threads=1, progress=False)
    assert prediction.pictures == 3
    reading = Reading(3, void=255, maps=True)
    for number, answer in enumerate(prediction.answers):
        labels = cv2.imread(str(tmp_path / "drawn" / f"{number + 1}-{number:02d}.labels.png"), -1)
        assert labels.shape == SIZE
        shares = dict(answer.areas)
        for label, name in enumerate(CLASSES):
            assert shares.get(name, 0) == pytest.approx((labels == label).mean())
        _, truth = scene(number)
        assert mean_iou(picture_counts(reading, labels.astype(int), truth.astype(int))) > 0.4  # type: ignore[operator]
        drawn = cv2.imread(str(tmp_path / "drawn" / f"{number + 1}-{number:02d}.png"))
        assert drawn.shape[1] == 2 * 6 * SIZE[1]  # beside each other, six times enlarged
    assert prediction.to_csv().splitlines()[0].startswith("input,class_1,share_1")
    assert data.manifest["classes"] == CLASSES


def test_look_writes_maps_beside_the_truth(segmenter: Path, tmp_path: Path) -> None:
    sheet = crosstrain.look(segmenter, examples=4, out=tmp_path / "look", progress=False)
    assert len(sheet.examples) == len(sheet.scores) == 4  # type: ignore[union-attr]
    picture = cv2.imread(str(tmp_path / "look" / "label-maps.png"))[..., ::-1]
    colours = {tuple(row) for row in picture.reshape(-1, 3).tolist()}
    assert {tuple(colour) for colour in palette(3).tolist()} <= colours
    assert json.loads((tmp_path / "look" / "inside.json").read_text())["views"][0]["file"] == "label-maps.png"
    assert "gives every pixel a class; --layer belongs to" in refused(
        crosstrain_cli("look", str(segmenter), "--layer", "logits")
    )


def test_colours_are_far_apart_and_void_is_black() -> None:
    colours = palette(254).astype(int)
    assert len({tuple(row) for row in colours.tolist()}) == 254
    assert (colours.sum(1) > 0).all()
    assert np.array_equal(coloured(np.array([[0, 255]]), 3)[0], [palette(3)[0], [0, 0, 0]])


def test_a_wrong_file_is_one_sentence(scenes: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), scene(0)[0])
    said = refused(
        crosstrain_cli("train", "unet:tiny", "--data", f"segmentation:{tmp_path}", "--engine", "torch")
    )
    assert "1 picture has no label map of the same name (.png) in masks/: images/a.png" in said
