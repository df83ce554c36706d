"""What a network sees in one picture: classes, a label map or boxes, in the picture's own pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from crosstrain.prediction.network import Answered, TrainedNetwork
from crosstrain.prediction.predict import Answer, DetectedBox, answers_of


@dataclass(frozen=True)
class Region:
    """The part of a picture that the network is given, in pixels."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class Seen:
    """``answers`` by output, their boxes in pixels of the picture; ``labels`` the map (H, W) of classes of
    the ``region``, at the network's size, None where there is none. ``detects`` says that answers are boxes,
    though there may be none."""

    region: Region
    answers: tuple[Answer, ...] = ()
    labels: np.ndarray | None = None
    detects: bool = False

    @property
    def boxes(self) -> tuple[DetectedBox, ...]:
        return tuple(box for answer in self.answers for box in answer.boxes)

    def to_json(self) -> dict[str, Any]:
        """Classes with probabilities, shares of areas, texts, values, or boxes."""
        parts = [_plain(answer, len(self.answers) > 1) for answer in self.answers]
        if self.detects:
            return {"boxes": [_box(detected) for detected in self.boxes]}
        return {"answers": parts} if len(parts) > 1 else parts[0]


def _box(detected: DetectedBox) -> dict[str, Any]:
    edges = [round(edge, 2) for edge in detected.box]
    return {"class": detected.label, "score": round(detected.score, 6), "box": edges}


def _plain(answer: Answer, several: bool) -> dict[str, Any]:
    plain: dict[str, Any] = {"output": answer.output} if several else {}
    if answer.choices:
        plain["classes"] = [{"class": c.label, "probability": c.probability} for c in answer.choices]
    if answer.areas:
        plain["areas"] = dict(answer.areas)
    if answer.texts:
        plain["texts"] = [{"text": words, "probability": p} for words, p in answer.texts]
    if answer.values:
        plain["values"] = list(answer.values)
    return plain


def wanted(network: TrainedNetwork) -> list[str]:
    """The outputs that say something of a picture."""
    return [name for name, reading in network.readings.items() if not reading.head or reading.boxes]


def seen_of(
    network: TrainedNetwork, outputs: Mapping[str, np.ndarray], region: Region, top: int, beam: int = 0
) -> Seen:
    """What the outputs for one picture say. ``region`` is the part that the network was given, ``top`` how
    many classes are kept, ``beam`` the width of the search for texts."""
    answered = Answered({name: outputs[name] for name in wanted(network)}, None)
    answers = answers_of(network, answered, [""], top, [(region.height, region.width)], beam)
    moved = tuple(replace(a, boxes=tuple(_moved(box, region) for box in a.boxes)) for a in answers)
    maps = [name for name, reading in network.readings.items() if reading.maps]
    labels = network.readings[maps[0]].answers(outputs[maps[0]])[0] if maps else None
    return Seen(region, moved, labels, any(reading.boxes for reading in network.readings.values()))


def _moved(box: DetectedBox, region: Region) -> DetectedBox:
    top, left, bottom, right = box.box
    edges = (top + region.top, left + region.left, bottom + region.top, right + region.left)
    return replace(box, box=edges)
