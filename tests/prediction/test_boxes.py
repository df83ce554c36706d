"""A network that says where things are: trained, judged, asked and looked at, end to end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import crosstrain
from crosstrain.detection.detections import Detections
from crosstrain.reporting.boxes import drawn_boxes
from tests.data.test_boxes import xml

SIZE = (32, 48)
NETWORK = "yolo-tiny:dense=false:poolings=3:width=0.25:predictors=1"
"""With a sixteenth of its maps the first convolution has a single one, which cannot tell colours; and of two
predictors each learns from half of the boxes."""


def scene(seed: int) -> tuple[np.ndarray, list[tuple[str, float, float, float, float]]]:
    """A bright disk on the left and a dark square on the right of grey noise, and their boxes."""
    random = np.random.default_rng(seed)
    picture = random.integers(100, 140, (*SIZE, 3), np.uint8)
    boxes = []
    for name, colour, start in (("ball", (230, 80, 60), 0), ("box", (30, 40, 200), 24)):
        radius = int(random.integers(4, 8))
        y = int(random.integers(radius, SIZE[0] - radius))
        x = start + int(random.integers(radius, 24 - radius))
        if name == "ball":
            cv2.circle(picture, (x, y), radius, colour, -1)
        else:
            cv2.rectangle(picture, (x - radius, y - radius), (x + radius - 1, y + radius - 1), colour, -1)
        boxes.append((name, x - radius + 1, y - radius + 1, x + radius, y + radius))
    return picture, boxes


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    for name in ("JPEGImages", "Annotations"):
        (folder / name).mkdir()
    for number in range(120):
        picture, boxes = scene(number)
        cv2.imwrite(str(folder / "JPEGImages" / f"{number:03d}.png"), picture[..., ::-1])
        (folder / "Annotations" / f"{number:03d}.xml").write_text(xml(boxes, SIZE))
    return folder


@pytest.fixture(scope="session")
def compared(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison of one cell."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("runs") / "boxes"
    crosstrain.compare(
        NETWORK, f"voc:{scenes}", engines="torch", size="32x48", epochs=24, batch_size=8, optimizer="adam",
        learning_rate=5e-3, schedule="cosine:decay_share=1", augment="flip-vertical", proof=False,
        device="cpu", threads=1, out=folder, progress=False,
    )  # fmt: skip
    return folder


def cell_of(folder: Path) -> dict[str, Any]:
    (cell,) = json.loads((folder / "result.json").read_text())["cells"]
    return dict(cell)


def test_it_learns_and_is_judged_by_mean_average_precision(compared: Path) -> None:
    cell = cell_of(compared)
    metrics, measure = cell["test_metrics"], cell["measure"]
    assert cell["classes"] == ["ball", "box"]
    assert measure["name"] == "map_50"
    assert measure["value"] == metrics["map_50"] > 0.5
    assert measure["low"] < metrics["map_50"] <= measure["high"]
    assert metrics["map_50"] == pytest.approx(np.mean(metrics["class_ap_50"]))
    assert len(metrics["precision_recall"]) == 2
    assert cell["epochs"][-1]["validation_map_50"] > cell["epochs"][0]["validation_map_50"]


def test_it_is_looked_at(compared: Path, tmp_path: Path) -> None:
    cell = cell_of(compared)["id"]
    sheet = crosstrain.look(compared, cell=cell, examples=3, out=tmp_path / "look", progress=False)
    assert sheet.measure == "mAP@0.5"  # type: ignore[union-attr]
    assert cv2.imread(str(tmp_path / "look" / "boxes.png")) is not None


def test_it_tells_boxes_in_pixels_of_the_picture(compared: Path, tmp_path: Path) -> None:
    picture, boxes = scene(1)
    large = cv2.resize(picture, (96, 96), interpolation=cv2.INTER_NEAREST)  # stretched: 2 across, 3 down
    cv2.imwrite(str(tmp_path / "one.png"), large[..., ::-1])
    asked = crosstrain.predict(
        compared, tmp_path / "one.png", cell=cell_of(compared)["id"], pictures=tmp_path / "drawn", threads=1,
        progress=False,
    )  # fmt: skip
    (answer,) = asked.answers
    best = {found.label: found for found in reversed(answer.boxes)}
    for name, left, top, right, bottom in boxes:
        true = np.asarray([(top - 1) * 3, (left - 1) * 2, bottom * 3, right * 2])
        assert np.abs(np.asarray(best[name].box) - true).max() < 20
    assert asked.pictures == 1
    assert asked.to_csv().startswith("input,class_1,score_1,ymin_1,xmin_1,ymax_1,xmax_1")
    assert json.loads(json.dumps(asked.to_json()))["answers"][0]["boxes"]


def test_evaluating_the_same_data_says_the_same(compared: Path) -> None:
    cell = cell_of(compared)
    judged = crosstrain.evaluate(compared, cell=cell["id"], threads=1, progress=False)
    for name in ("map_50", "map", "class_ap_50"):
        assert judged.metrics[name] == pytest.approx(cell["test_metrics"][name], abs=1e-6)
    assert set(judged.intervals) == {"loss", "map_50"}


def test_the_page_shows_boxes_and_curves(compared: Path) -> None:
    page = (compared / "report.html").read_text()
    for words in ("Class by class, box by box", "Precision and recall", "Boxes beside the truth"):
        assert words in page


def test_boxes_are_drawn_where_they_are() -> None:
    picture = np.full((40, 60, 3), 128, np.uint8)
    found = Detections(
        np.asarray([[10, 20, 30, 50]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int32)
    )
    drawn = drawn_boxes(picture, found, ["thing"])
    factor = drawn.shape[0] // 40
    changed = (drawn != 128).any(axis=2)
    assert changed[30 * factor - 1, 20 * factor : 50 * factor].all()
    assert not changed[15 * factor + 10 : 29 * factor, 22 * factor : 48 * factor].any()


def test_given_regions_are_looked_for_in_other_pictures_too(scenes: Path, tmp_path: Path) -> None:
    """Fast R-CNN: proposals come with the data, with a picture that is asked about, and with other data."""
    pytest.importorskip("torch")
    trained = crosstrain.train(
        "fast-rcnn:backbone=small:stride=8:width=0.25:hidden=64", f"voc:{scenes}:proposals=24",
        engine="torch", size="32x48", epochs=8, batch_size=8, optimizer="adam", learning_rate=3e-3,
        augment="flip-vertical", device="cpu", threads=1, out=tmp_path / "run", progress=False,
    )  # fmt: skip
    (answer,) = crosstrain.predict(trained.folder, scenes / "JPEGImages" / "003.png", progress=False).answers
    assert answer.boxes
    picture = cv2.imread(str(scenes / "JPEGImages" / "003.png"))[..., ::-1] / np.float32(255)
    (same,) = crosstrain.predict(trained.folder, picture[None], progress=False).answers
    assert [found.label for found in same.boxes] == [found.label for found in answer.boxes]
    own = crosstrain.evaluate(trained.folder, progress=False)
    other = crosstrain.evaluate(trained.folder, f"voc:{scenes}", progress=False)
    assert own.metrics["map_50"] > 0.2
    assert other.metrics["map_50"] == pytest.approx(own.metrics["map_50"])
