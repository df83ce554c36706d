"""A film and a camera, asked about frame by frame."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

import crosstrain
from crosstrain.cli import app
from crosstrain.data.images import moving
from crosstrain.errors import CrosstrainError
from crosstrain.prediction.seen import Region, Seen, seen_of, wanted
from crosstrain.reporting.frames import draw_seen
from crosstrain.runs.tasks.streaming import packed, unpacked
from crosstrain.training.metrics import Reading
from tests.prediction.conftest import NAMES, digits

KEYWORDS: dict[str, Any] = {"threads": 1, "device": "cpu", "progress": False}
FRAMES = 6


def written(path: Path, pictures: np.ndarray, rate: float = 10.0) -> Path:
    """A film of pictures, uint8 RGB (N, H, W, 3)."""
    writer = moving.Writer(path, rate)
    for picture in pictures:
        writer.add(picture)
    writer.close()
    return path


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    images, _ = digits()
    large = [cv2.resize(image, (96, 96), interpolation=cv2.INTER_NEAREST) for image in images[:FRAMES]]
    rgb = np.repeat(np.stack(large)[..., None], 3, axis=3)
    return written(tmp_path_factory.mktemp("films") / "digits.mp4", rgb)


def frames_of(path: Path) -> np.ndarray:
    with moving.moving(path) as source:
        return np.stack([frame.picture for frame in source])


def test_frames_get_the_answers_that_they_get_as_pictures(run: Path, film: Path, tmp_path: Path) -> None:
    filmed: Any = crosstrain.predict(run, film, top=2, pictures=tmp_path, **KEYWORDS)
    expected: Any = crosstrain.predict(run, frames_of(film), top=2, **KEYWORDS)
    lines = [json.loads(line) for line in filmed.lines.read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(FRAMES)) == list(range(filmed.frames))
    assert [line["seconds"] for line in lines] == pytest.approx([n / 10 for n in range(FRAMES)])
    for line, answer in zip(lines, expected.answers, strict=True):
        assert [c["class"] for c in line["classes"]] == [c.label for c in answer.choices]
        probabilities = [c.probability for c in answer.choices]
        assert [c["probability"] for c in line["classes"]] == pytest.approx(probabilities, rel=1e-4)
    drawn = frames_of(filmed.film)
    assert drawn.shape == (FRAMES, 96, 96, 3)
    assert drawn[:, :14, :30].mean() > 150  # white paper under the class in the corner
    assert filmed.dropped == 0
    assert set(filmed.seconds) == {"decoding", "preparing", "network", "reading", "drawing"}
    assert filmed.rate() < filmed.rate("network")


def test_the_command_writes_films_and_says_how_fast(run: Path, film: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["predict", str(run), str(film), "--frames", "2", "--threads", "1", "--device", "cpu",
              "--pictures", str(tmp_path), "--json", str(tmp_path / "film.json")],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    told = json.loads((tmp_path / "film.json").read_text())
    assert (told["frames"], told["size"], told["live"]) == (2, [96, 96], False)
    assert told["frames_a_second"]["all"] > 0
    assert len((tmp_path / "digits.jsonl").read_text().splitlines()) == 2
    assert "2 frames of digits.mp4 (96×96), 0 dropped" in result.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nothing.mp4"], "there is no file nothing.mp4"),
        (["broken.mp4"], "broken.mp4 cannot be read as a film"),
        (["broken.mp4", "other.png"], "ask about one film at a time"),
        (["broken.mp4", "--camera", "0"], "inputs and a camera cannot be asked about at once"),
        (["--camera", "77"], "there is no camera 77"),
        (["broken.mp4", "--frames", "0"], "frames must be at least 1, not 0"),
        (["picture.png", "--frames", "3"], "frames are of a film or of a camera"),
        ([], "name at least one input"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_ends_in_a_sentence(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken.mp4").write_bytes(b"no film at all")
    result = CliRunner().invoke(app, ["predict", str(run), *arguments, "--device", "cpu"])
    assert result.exit_code == 2
    assert sentence in " ".join(result.output.split())


class Capture:
    """Stands for a camera that gives ``count`` frames, each filled with its number, as fast as it is
    asked."""

    def __init__(self, count: int) -> None:
        self.count, self.given = count, 0

    def get(self, key: int) -> float:
        return 30.0 if key == cv2.CAP_PROP_FPS else 0.0

    def read(self) -> tuple[bool, np.ndarray | None]:
        if self.given == self.count:
            return False, None
        self.given += 1
        return True, np.full((48, 64, 3), self.given - 1, np.uint8)

    def release(self) -> None:
        pass


def test_of_a_camera_whoever_asks_gets_the_latest_frame_and_the_others_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(moving, "_opened", lambda source, problem: Capture(50))
    with moving.moving(0) as camera:
        frames = list(camera)
        assert len(frames) + camera.dropped == 50
    assert frames[-1].number == 49
    assert all(frame.picture[0, 0, 0] == frame.number for frame in frames)
    assert [frame.number for frame in frames] == sorted({frame.number for frame in frames})


def test_a_camera_s_frames_are_answered(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "_opened", lambda source, problem: Capture(3))
    filmed: Any = crosstrain.predict(run, camera=0, pictures=tmp_path, **KEYWORDS)
    assert filmed.live
    assert filmed.frames + filmed.dropped == 3
    assert filmed.film == tmp_path / "camera-0.drawn.mp4"
    (first, *_) = (json.loads(line) for line in filmed.lines.read_text().splitlines())
    assert first["classes"][0]["class"] in NAMES


def test_messages_carry_arrays_of_any_shape() -> None:
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(1, 2, 3), "b": np.array(7), "c": np.zeros((0, 4))}
    back, more = unpacked(packed(arrays, seconds=0.5))
    assert more == {"seconds": 0.5}
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        assert np.array_equal(back[name], array)
        assert back[name].flags.writeable


def test_a_network_without_pictures_is_refused(tmp_path: Path, film: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(40, 5)), np.arange(40) % 2
    trained = crosstrain.train("mlp", (x, y), engine="torch", epochs=1, out=tmp_path / "run", **KEYWORDS)
    assert trained.ok
    with pytest.raises(CrosstrainError, match="does not take a picture, so it cannot be asked about a film"):
        crosstrain.predict(tmp_path / "run", film, **KEYWORDS)


def test_what_was_seen_in_a_part_lies_there_in_the_whole() -> None:
    picture = np.full((20, 40, 3), 100, np.uint8)
    seen = Seen(Region(0, 10, 20, 20), labels=np.ones((5, 5), np.int64))
    drawn = draw_seen(picture, seen, ("one", "two"))
    assert drawn.shape == picture.shape
    assert np.array_equal(drawn[19, :10], picture[19, :10])
    assert not np.array_equal(drawn[19, 10:30], picture[19, 10:30])
    assert (picture == 100).all()


def test_boxes_are_in_pixels_of_the_film_and_drawn_there() -> None:
    reading = Reading(2, head="ssd", settings={"height": 30, "width": 40, "classes": 2})
    preparation = SimpleNamespace(
        classes=["disk", "square"], manifest={"inputs": {"": {}}}, picture=lambda name: (30, 40, 3)
    )
    network: Any = SimpleNamespace(readings={"ssd": reading}, preparation=preparation)
    logits = np.full((1, 2, 3), -9.0)
    logits[0, 0, 1], logits[0, 1, 2] = 9.0, 9.0  # a square, and background
    boxes = np.array([[[3.0, 4, 13, 24], [1, 1, 9, 9]]])
    outputs = {"ssd": np.concatenate([boxes, logits, np.zeros((1, 2, 4))], axis=2)}
    assert wanted(network) == ["ssd"]
    seen = seen_of(network, outputs, Region(10, 20, 60, 120), 3)
    (found,) = seen.to_json()["boxes"]
    assert (found["class"], found["box"]) == ("square", [16, 32, 36, 92])
    assert found["score"] > 0.99
    picture = np.zeros((80, 160, 3), np.uint8)
    drawn = draw_seen(picture, seen, ("disk", "square"))
    assert drawn.shape == picture.shape
    edges = np.argwhere(drawn.any(axis=2))
    assert edges[:, 0].max() == 35
    assert drawn[35, 32:92].any(axis=1).all()
    assert not drawn[35, 92:].any()  # the label above may be wider than the box
    assert not drawn[33:35, 34:90].any()
    assert drawn[26, 32].any()
    assert not picture.any()
