"""Pictures as they come from elsewhere: other files, sizes, channels and turns; many, with damaged ones."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

import crosstrain
from crosstrain.data.images.decoding import decode
from tests.foreign import needed, users_cache
from tests.prediction.conftest import NAMES, digits

KEYWORDS = {"threads": 1, "device": "cpu", "progress": False}
RUNTIMES = (
    "onnxruntime",
    pytest.param("openvino", marks=pytest.mark.slow("OpenVINO's environment is 280 MB")),
)


def written(path: Path, pixels: np.ndarray, *settings: int) -> Path:
    assert cv2.imwrite(str(path), pixels, list(settings))
    return path


def palette_png(path: Path, grey: np.ndarray) -> Path:
    """A PNG of 256 colours by hand: OpenCV writes none."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = grey.shape
    rows = b"".join(b"\0" + row.tobytes() for row in grey)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0))
        + chunk(b"PLTE", bytes(value for value in range(256) for _ in range(3)))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    return path


def turned_jpeg(jpeg: bytes, orientation: int) -> bytes:
    """A JPEG that says how it is to be turned (EXIF, tag 0x0112)."""
    tiff = b"II*\0" + struct.pack("<IHHHII", 8, 1, 0x0112, 3, 1, orientation) + b"\0\0\0\0"
    content = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content + jpeg[2:]


def beside(grey: np.ndarray) -> np.ndarray:
    """A wide picture, of which the centre is taken."""
    wide = np.random.default_rng(0).integers(0, 256, (16, 40), np.uint8)
    wide[:, 12:28] = grey
    return wide


def colours(grey: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)


def with_alpha(grey: np.ndarray) -> np.ndarray:
    return np.dstack([colours(grey), np.full_like(grey, 255)])


SAME: dict[str, Callable[[Path, np.ndarray], Path]] = {
    "grey png": lambda f, g: written(f / "a.png", g),
    "colour png": lambda f, g: written(f / "a.png", colours(g)),
    "png with alpha": lambda f, g: written(f / "a.png", with_alpha(g)),
    "16-bit png": lambda f, g: written(f / "a.png", g.astype(np.uint16) * 257),
    "palette png": lambda f, g: palette_png(f / "a.png", g),
    "bmp": lambda f, g: written(f / "a.bmp", g),
    "pgm": lambda f, g: written(f / "a.pgm", g),
    "ppm": lambda f, g: written(f / "a.ppm", colours(g)),
    "tiff": lambda f, g: written(f / "a.tiff", colours(g)),
    "lossless webp": lambda f, g: written(f / "a.webp", colours(g), cv2.IMWRITE_WEBP_QUALITY, 101),
    "capitals": lambda f, g: written(f / "a.png", g).rename(f / "A.PNG"),
    "wide": lambda f, g: written(f / "a.png", beside(g)),
    "four times as large": lambda f, g: written(f / "a.png", np.kron(g, np.ones((4, 4), np.uint8))),
}


def test_a_picture_is_the_same_whatever_file_it_comes_in(run: Path, tmp_path: Path) -> None:
    images, _ = digits()
    paths = []
    for number, (name, write) in enumerate(SAME.items()):
        (tmp_path / str(number)).mkdir()
        paths.append(write(tmp_path / str(number), images[7]))
        assert paths[-1].is_file(), name
    expected = crosstrain.predict(run, images[7][None], **KEYWORDS).answers[0]
    answers = crosstrain.predict(run, paths, **KEYWORDS).answers
    for name, answer in zip(SAME, answers, strict=True):
        for one, other in zip(answer.choices, expected.choices, strict=True):
            assert one.label == other.label, name
            # An average of 16 grey values is rounded; all else is the same to the bit.
            rounded = 1e-3 if name == "four times as large" else 1e-6
            assert one.probability == pytest.approx(other.probability, abs=rounded), name


TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.swapaxes(0, 1),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: p.swapaxes(0, 1)[::-1, ::-1],
    8: lambda p: np.rot90(p),
}


@pytest.mark.parametrize("orientation", TURNS)
def test_a_camera_s_turn_is_undone(orientation: int) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (24, 40, 3), np.uint8)
    jpeg = cv2.imencode(".jpg", cv2.GaussianBlur(pixels, (5, 5), 2))[1].tobytes()
    upright = TURNS[orientation](decode(jpeg))
    np.testing.assert_array_equal(decode(turned_jpeg(jpeg, orientation)), upright)


def test_a_thousand_pictures_with_damaged_ones_among_them(run: Path, tmp_path: Path) -> None:
    images, names = digits()
    whole = [cv2.imencode(".png", image)[1].tobytes() for image in images]
    for number in range(1000):
        (tmp_path / f"{number:04d}.png").write_bytes(whole[number % len(whole)])
    flipped = bytearray(whole[0])
    flipped[len(flipped) // 2] ^= 0xFF
    damaged = {"0000": b"", "0499": whole[1][:-20], "0500": bytes(flipped), "0999": b"a text, no picture"}
    for name, data in damaged.items():
        (tmp_path / f"{name}.png").write_bytes(data)
    answers = crosstrain.predict(run, tmp_path, top=1, **KEYWORDS)
    assert len(answers.damaged) == len(damaged)
    assert all(any(f"{name}.png (" in sentence for sentence in answers.damaged) for name in damaged)
    stems = [f"{number:04d}" for number in range(1000) if f"{number:04d}" not in damaged]
    assert [Path(answer.input).stem for answer in answers.answers] == stems
    alone = crosstrain.predict(run, np.stack(images), top=1, **KEYWORDS).answers
    expected = [alone[int(stem) % len(images)].choices[0].label for stem in stems]
    assert [answer.choices[0].label for answer in answers.answers] == expected
    assert len(names) == len(images)


@pytest.mark.parametrize("engine", RUNTIMES)
def test_a_runtime_reads_and_evaluates_the_same(run: Path, tmp_path: Path, engine: str) -> None:
    """Damaged pictures, labels in another order and a class that the training lacks: as on a framework."""
    needed(engine)
    images, names = digits()
    for number in range(40):
        written(tmp_path / f"{number:02d}.png", images[number])
    (tmp_path / "07.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    other = {
        name: f"{len(NAMES) - place}-{name}" if name == "four" else name for place, name in enumerate(NAMES)
    }
    np.savez(tmp_path / "new.npz", x=np.stack(images), y=np.array([other[name] for name in names]))
    with users_cache():
        told = [crosstrain.predict(run, tmp_path, engine=e, **KEYWORDS) for e in ("torch", engine)]
        judged = [
            crosstrain.evaluate(run, f"arrays:{tmp_path / 'new.npz'}", engine=e, **KEYWORDS)
            for e in ("torch", engine)
        ]
    assert told[0].damaged == told[1].damaged
    assert len(told[1].answers) == 39
    for here, there in zip(*(prediction.answers for prediction in told), strict=True):
        assert here.input == there.input
        assert here.choices[0].label == there.choices[0].label
        assert here.choices[0].probability == pytest.approx(there.choices[0].probability, abs=1e-4)
    assert judged[1].engine == engine
    assert judged[0].notes == judged[1].notes
    assert judged[0].examples == judged[1].examples == sum(name != "four" for name in names)
    assert judged[0].metrics["accuracy"] == judged[1].metrics["accuracy"]
    assert judged[0].metrics["loss"] == pytest.approx(judged[1].metrics["loss"], abs=1e-4)
