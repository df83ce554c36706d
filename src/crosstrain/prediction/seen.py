"""What a network sees in one picture: classes, a label map or boxes, in the picture's own pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from crosstrain.detection.detections import Detections
from crosstrain.prediction.network import Answered, TrainedNetwork
from crosstrain.prediction.predict import Answer, answers_of
from crosstrain.training.metrics import Reading

LEAST_SCORE = 0.5
"""Boxes of lower scores are left out."""


@dataclass(frozen=True)
class Region:
    """The part of a picture that the network is given, in pixels."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class Seen:
    """``answers`` by output, ``labels`` the map (H, W) of classes of the ``region``, at the network's size,
    ``boxes`` in pixels of the picture; what the network does not give is empty."""

    region: Region
    answers: tuple[Answer, ...] = ()
    labels: np.ndarray | None = None
    boxes: Detections | None = None
    classes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Classes with probabilities, shares of areas, values, or boxes."""
        if self.boxes is not None:
            return {"boxes": [
                {"class": self.classes[int(label)], "score": round(float(score), 6),
                 "box": [round(float(edge), 2) for edge in box]}
                for box, score, label in zip(
                    self.boxes.boxes, self.boxes.scores, self.boxes.classes, strict=True
                )
            ]}  # fmt: skip
        several = len(self.answers) > 1
        parts = [
            {
                **({"output": answer.output} if several else {}),
                **({"classes": [{"class": c.label, "probability": c.probability} for c in answer.choices]}
                   if answer.choices else {}),
                **({"areas": dict(answer.areas)} if answer.areas else {}),
                **({"values": list(answer.values)} if answer.values else {}),
            }
            for answer in self.answers
        ]  # fmt: skip
        return {"answers": parts} if several else parts[0]


def wanted(network: TrainedNetwork) -> list[str]:
    """The outputs that say something of a picture."""
    return [name for name, reading in network.readings.items() if not reading.head or reading.boxes]


def seen_of(network: TrainedNetwork, outputs: Mapping[str, np.ndarray], region: Region, top: int) -> Seen:
    """What the outputs for one picture say. ``region`` is the part that the network was given, ``top`` how
    many classes are kept."""
    for name, reading in network.readings.items():
        if reading.boxes:
            found = reading.detections(outputs[name])[0].at_least(LEAST_SCORE)
            names = network.classes(name) or []
            return Seen(region, boxes=_enlarged(found, reading, region), classes=tuple(names))
    answered = Answered({name: outputs[name] for name in wanted(network)}, None, 0.0)
    answers = tuple(answers_of(network, answered, [""], top))
    maps = [name for name, reading in network.readings.items() if reading.maps]
    labels = network.readings[maps[0]].answers(outputs[maps[0]])[0] if maps else None
    return Seen(region, answers, labels)


def _enlarged(detections: Detections, reading: Reading, region: Region) -> Detections:
    """In pixels of the picture, those of the prepared one being given."""
    down = region.height / float(reading.settings["height"])
    right = region.width / float(reading.settings["width"])
    scale, start = np.array([down, right] * 2), np.array([region.top, region.left] * 2)
    boxes = (detections.boxes * scale + start).astype(np.float32)
    return Detections(boxes, detections.scores, detections.classes)
