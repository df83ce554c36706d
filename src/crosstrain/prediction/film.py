"""What a trained network says of a film or a camera's pictures, frame by frame as they come."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from crosstrain.data.images import decoding as images
from crosstrain.data.images.moving import SUFFIXES, Camera, Film, Frame, Writer, moving
from crosstrain.data.inputs import fit_of, read_inputs
from crosstrain.data.prepared import Arrays
from crosstrain.data.trained_preparation import TrainedPreparation
from crosstrain.errors import CrosstrainError
from crosstrain.prediction.network import TrainedNetwork
from crosstrain.prediction.predict import check_beam
from crosstrain.prediction.seen import Region, Seen, seen_of, wanted
from crosstrain.prediction.settings import Tell, asking, run_at
from crosstrain.prediction.stream import stream
from crosstrain.system.files import slug, storage_errors

DrawFrame = Callable[[np.ndarray, Seen, tuple[str, ...]], np.ndarray]
"""Draws what was seen, with the names of all classes, on a frame (uint8 RGB, H, W, 3)."""
STAGES = ("decoding", "preparing", "network", "reading", "drawing")
"""In which the time of a frame is spent: out of the film; into what the network takes; in the network; from
its outputs to classes, maps or boxes; onto the frame, into the film and the lines that are written."""


@dataclass(frozen=True)
class Filmed:
    """What came of a film. ``frames`` were answered, ``dropped`` were not: of a camera those that came while
    the network was at work, of a film those that cannot be decoded. ``seconds`` has the time by stage of all
    frames but the first, which starts and compiles. ``film`` and ``lines`` are the files that were
    written."""

    network: str
    engine: str
    device: str
    source: str
    live: bool
    frames: int
    dropped: int
    size: tuple[int, int]
    seconds: dict[str, float]
    film: Path
    lines: Path

    def rate(self, *stages: str) -> float | None:
        """Frames a second of these stages alone, of all together without any; None where one frame was
        answered."""
        total = sum(self.seconds[stage] for stage in stages or STAGES)
        return (self.frames - 1) / total if self.frames > 1 and total else None

    def to_json(self) -> dict[str, Any]:
        return {
            **{k: v for k, v in vars(self).items() if k not in ("film", "lines")},
            "film": str(self.film), "lines": str(self.lines),
            "frames_a_second": {"all": self.rate(), **{stage: self.rate(stage) for stage in STAGES}},
        }  # fmt: skip


@dataclass
class _Clock:
    """Adds up the seconds of stages."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[stage] += time.perf_counter() - started


def film_among(inputs: list[Any]) -> Path | None:
    """The film that inputs are; None where they are none. ``CrosstrainError`` where it is one of several."""
    films = [
        each for each in inputs if isinstance(each, str | Path) and Path(each).suffix.lower() in SUFFIXES
    ]
    if films and len(inputs) > 1:
        raise CrosstrainError(f"{films[0]} is a film; ask about one film at a time, and nothing beside it")
    return Path(films[0]).expanduser() if films else None


def predict_film(
    run: str | Path,
    source: Path | int,
    *,
    top: int,
    beam: int,
    cell: str | None,
    weights: str,
    arguments: dict[str, Any],
    folder: Path,
    most: int | None,
    draw: DrawFrame,
    tell: Tell,
    note: Tell,
) -> Filmed:
    """Ask the network of ``run`` about a film or, by its number, a camera, at most ``most`` frames; a camera
    until Ctrl-C. Writes ``SOURCE.drawn.mp4`` and ``SOURCE.jsonl``, a line for each frame, into ``folder``.
    ``CrosstrainError`` where nothing can be answered."""
    if most is not None and most < 1:
        raise CrosstrainError(f"frames must be at least 1, not {most}")
    trained = run_at(run, cell, weights)
    request = asking(trained, arguments, note)
    network = TrainedNetwork.of(trained, tell)
    _check(network)
    check_beam(beam, network)
    clock, count, size, first = _Clock(), 0, (0, 0), 0.0
    dropped, spent = 0, [0.0]
    with ExitStack() as stack:
        film = stack.enter_context(moving(source))
        place = Path(stack.enter_context(TemporaryDirectory(prefix="crosstrain-film-")))
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            stem = slug(Path(film.name).stem)
            lines = folder / f"{stem}.jsonl"
            written = stack.enter_context(lines.open("w"))
        writer = Writer(folder / f"{stem}.drawn.mp4", film.rate)
        stack.callback(writer.close)
        tell(f"Asking {network.name} on {request.engine}")
        opened = stack.enter_context(stream(network, request, place, wanted(network)))
        try:
            for frame in itertools.islice(film, most):
                with clock.of("preparing"):
                    inputs, region = prepared(network.preparation, frame.picture, place)
                outputs = opened.ask(inputs)
                with clock.of("reading"):
                    seen = seen_of(network, outputs, region, top, beam)
                with clock.of("drawing"):
                    writer.add(draw(frame.picture, seen, tuple(network.preparation.classes)))
                    written.write(_line(frame, seen))
                count, size = count + 1, (frame.picture.shape[0], frame.picture.shape[1])
                if count == 1:
                    clock.seconds.update(dict.fromkeys(STAGES, 0.0))
                    first = film.decoding
        except KeyboardInterrupt:
            if not film.live:
                raise
            note("interrupted; what was filmed until then is written")
        dropped, spent = film.dropped, list(opened.seconds)
    if not count:
        raise CrosstrainError(f"{_name(film)} has no frame that can be decoded")
    seconds = {**clock.seconds, "decoding": film.decoding - first, "network": sum(spent[1:])}
    return Filmed(
        network.name, request.engine, request.device, _name(film), film.live, count, dropped, size, seconds,
        writer.path, lines,
    )  # fmt: skip


def prepared(preparation: TrainedPreparation, picture: np.ndarray, folder: Path) -> tuple[Arrays, Region]:
    """One frame, uint8 RGB (H, W, 3), as the training's pictures were prepared, (1, …) by the data's names;
    and the part of it that was."""
    (name,) = preparation.given
    shape = preparation.picture(name)
    assert shape is not None
    fit = fit_of(preparation)
    part = images.centre_crop(picture, shape[:2]) if fit == "cropped" else picture
    height, width = part.shape[:2]
    region = Region((picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2, height, width)
    with ExitStack() as stack:
        fitted = images.FITS[fit](part, shape[:2], shape[2])
        source = read_inputs([fitted[None]], preparation, stack)
        inputs = preparation.apply(folder, source.table).inputs
        return {key: np.array(array) for key, array in inputs.items()}, region


def _check(network: TrainedNetwork) -> None:
    inputs = network.preparation.given
    if len(inputs) != 1 or (shape := network.preparation.picture(inputs[0])) is None:
        raise CrosstrainError(f"{network.name} does not take a picture, so it cannot be asked about a film")
    if shape[2] not in (1, 3):
        raise CrosstrainError(f"{network.name} takes pictures of {shape[2]} channels; a film has 3")


def _line(frame: Frame, seen: Seen) -> str:
    return json.dumps({"frame": frame.number, "seconds": round(frame.at, 6), **seen.to_json()}) + "\n"


def _name(film: Film | Camera) -> str:
    return film.name
