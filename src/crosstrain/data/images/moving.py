"""Moving pictures, frame by frame: films, and cameras as they run."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from crosstrain.errors import CrosstrainError

SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg"})
USUAL_RATE = 25.0
"""Frames a second where a film or a camera does not say."""
PATIENCE = 10.0
"""Seconds in which a camera has to give its next frame."""


@dataclass(frozen=True)
class Frame:
    """``number`` from 0 as they were filmed, ``at`` in seconds from the beginning, ``picture`` uint8 RGB (H,
    W, 3)."""

    number: int
    at: float
    picture: np.ndarray


class Film:
    """The frames of a file, in order. ``decoding`` are the seconds that decoding has taken, ``dropped``
    counts the frames that the file announces and that cannot be decoded (known at the end)."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise CrosstrainError(f"there is no file {path}")
        self._capture = _opened(str(path), f"{path} cannot be read as a film; OpenCV reads MP4 and AVI")
        self.name, self.live, self.decoding, self.dropped = path.name, False, 0.0, 0
        self.rate = _rate(self._capture)

    def __iter__(self) -> Iterator[Frame]:
        announced, number = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0
        while True:
            started = time.perf_counter()
            read, picture = self._capture.read()
            if not read:
                break
            rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
            self.decoding += time.perf_counter() - started
            yield Frame(number, number / self.rate, rgb)
            number += 1
        self.dropped = max(announced - number, 0)

    def close(self) -> None:
        self._capture.release()


class Camera:
    """The frames of a camera as they come. A thread of its own reads them, and whoever asks gets the latest;
    ``dropped`` counts those that came and went meanwhile."""

    def __init__(self, number: int) -> None:
        self._capture = _opened(number, f"there is no camera {number}, or it is in use")
        self.name, self.live, self.decoding, self.dropped = f"camera-{number}", True, 0.0, 0
        self.rate = _rate(self._capture)
        self._latest: Frame | None = None
        self._news, self._ended = threading.Condition(), False
        self._thread = threading.Thread(target=self._watch, name="camera", daemon=True)

    def __iter__(self) -> Iterator[Frame]:
        self._thread.start()
        while True:
            with self._news:
                self._news.wait_for(lambda: self._latest is not None or self._ended, PATIENCE)
                frame, self._latest = self._latest, None
            if frame is None:
                return
            yield frame

    def _watch(self) -> None:
        beginning, number = time.perf_counter(), 0
        while not self._ended:
            started = time.perf_counter()
            read, picture = self._capture.read()
            if not read:
                break
            rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
            with self._news:
                self.decoding += time.perf_counter() - started
                self.dropped += self._latest is not None
                self._latest = Frame(number, started - beginning, rgb)
                self._news.notify()
            number += 1
        with self._news:
            self._ended = True
            self._news.notify()

    def close(self) -> None:
        self._ended = True
        if self._thread.is_alive():
            self._thread.join(PATIENCE)
        self._capture.release()


@contextlib.contextmanager
def moving(source: Path | int) -> Iterator[Film | Camera]:
    """A film by its path, or a camera by its number. ``CrosstrainError`` where there is none."""
    film = Camera(source) if isinstance(source, int) else Film(source)
    try:
        yield film
    finally:
        film.close()


class Writer:
    """Writes frames of one size as an MP4 file. ``CrosstrainError`` where it cannot."""

    def __init__(self, path: Path, rate: float) -> None:
        self.path, self.rate = path, rate
        self._writer: Any = None

    def add(self, picture: np.ndarray) -> None:
        """``picture`` uint8 RGB (H, W, 3); the first decides the size."""
        if self._writer is None:
            size = picture.shape[1], picture.shape[0]
            writer = cv2.VideoWriter(str(self.path), cv2.VideoWriter.fourcc(*"mp4v"), self.rate, size)
            if not writer.isOpened():
                raise CrosstrainError(
                    f"{self.path} cannot be written as a film of {size[0]}×{size[1]} pixels"
                )
            self._writer = writer
        self._writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.release()


def _opened(source: Any, problem: str) -> Any:
    capture = cv2.VideoCapture(source)
    if not capture.isOpened():
        capture.release()
        raise CrosstrainError(problem)
    return capture


def _rate(capture: Any) -> float:
    rate = float(capture.get(cv2.CAP_PROP_FPS))
    return rate if 1 <= rate <= 1000 else USUAL_RATE
