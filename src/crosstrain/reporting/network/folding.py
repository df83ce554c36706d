"""An outline made short enough to read: layers joined in boxes, and blocks that repeat drawn once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from crosstrain.reporting.network.outline import Layer, Outline

HEAVY = (
    "Conv",
    "Depthwise",
    "Transposed",
    "Dense",
    "Max pool",
    "Average pool",
    "Global average",
    "Attention",
    "Concat",
    "Input",
)
"""Beginnings of the titles of layers that begin a box of their own."""
ACTIVATIONS = ("ReLU", "GELU", "SiLU", "ELU", "SELU", "Tanh", "Sigmoid", "Softmax")
"""Beginnings of the titles of the only layers that are joined to one of several inputs."""


class Box(Layer):
    """Some layers in a row, as one. ``inputs`` are positions in the list of boxes, ``output`` is the last
    layer's shape; ``parameters`` and ``macs`` are of all repeats."""


@dataclass(frozen=True)
class Frame:
    """The boxes from ``first`` up to ``stop`` stand for ``count`` repeats of themselves."""

    first: int
    stop: int
    count: int


@dataclass(frozen=True)
class Folded:
    """What is drawn: boxes in an order in which each comes after its inputs, and the frames around them."""

    boxes: tuple[Box, ...]
    frames: tuple[Frame, ...]
    outputs: dict[str, int]


def folded(outline: Outline) -> Folded:
    """The boxes of a network, each run of equal blocks as its first one in a frame."""
    boxes, outputs = _boxes(outline)
    main = next(iter(outputs.values()))
    needed = _needed(boxes, main)
    sources = {place for number, box in enumerate(boxes) if number not in needed for place in box.inputs}
    segments = _segments(boxes, sorted(needed))
    runs = _runs([_signature(boxes, segment, sources) for segment in segments])
    return _drawn(boxes, outputs, segments, runs)


# -- boxes ------------------------------------------------------------------------------------------
def _boxes(outline: Outline) -> tuple[list[Box], dict[str, int]]:
    """Layers joined to the one before where that feeds nothing else and they are light. After a layer of
    several inputs only activations are: what follows a block is no part of it."""
    readers = [0] * len(outline.layers)
    for layer in outline.layers:
        for place in layer.inputs:
            readers[place] += 1
    for place in outline.outputs.values():
        readers[place] += 1
    boxes: list[Box] = []
    home: list[int] = []
    for layer in outline.layers:
        before = layer.inputs[0] if len(layer.inputs) == 1 else None
        if before is not None and readers[before] == 1 and _joins(layer, boxes[home[before]]):
            home.append(home[before])
            box = boxes[home[-1]]
            boxes[home[-1]] = replace(
                box,
                title=f"{box.title} · {layer.title}",
                output=layer.output,
                parameters=box.parameters + layer.parameters,
                macs=box.macs + layer.macs,
            )
        else:
            home.append(len(boxes))
            inputs = tuple(dict.fromkeys(home[place] for place in layer.inputs))
            boxes.append(Box(layer.name, layer.title, inputs, layer.output, layer.parameters, layer.macs))
    return boxes, {name: home[place] for name, place in outline.outputs.items()}


def _joins(layer: Layer, box: Box) -> bool:
    if len(box.inputs) > 1:
        return layer.title.startswith(ACTIVATIONS)
    return bool(box.inputs) and not layer.title.startswith(HEAVY)


# -- blocks that repeat -------------------------------------------------------------------------------
def _needed(boxes: Sequence[Box], main: int) -> set[int]:
    """The boxes that ``main`` depends on, and itself."""
    needed = {main}
    for place in range(main, -1, -1):
        if place in needed:
            needed.update(boxes[place].inputs)
    return needed


def _segments(boxes: Sequence[Box], places: Sequence[int]) -> list[list[int]]:
    """The boxes at ``places``, cut after each one through which everything passes."""
    last_reader = {source: place for place in places for source in boxes[place].inputs}
    segments: list[list[int]] = [[]]
    reach = -1
    for place in places:
        segments[-1].append(place)
        if reach <= place:
            segments.append([])
        reach = max(reach, last_reader.get(place, place))
    return [segment for segment in segments if segment]


def _signature(boxes: Sequence[Box], segment: Sequence[int], sources: set[int]) -> tuple[object, ...]:
    """What segments have in common that do the same: titles, and inputs by their place in the segment. A
    segment that another output hangs on is like no other."""
    places = {place: number for number, place in enumerate(segment)}
    same = [(boxes[p].title, tuple(places.get(i, -1) for i in boxes[p].inputs)) for p in segment]
    return (*same, segment[0]) if sources.intersection(segment) else tuple(same)


@dataclass(frozen=True)
class _Run:
    """``count`` times the segments from ``first`` on, ``period`` of them."""

    first: int
    period: int
    count: int


def _runs(signatures: Sequence[tuple[object, ...]]) -> list[_Run]:
    """Repeats that follow upon each other; where several begin at one segment, that which folds away most."""
    numbers: dict[tuple[object, ...], int] = {}
    marks = [numbers.setdefault(signature, len(numbers)) for signature in signatures]
    runs: list[_Run] = []
    first = 0
    while first < len(marks):
        best = _Run(first, 1, 1)
        for period in range(1, (len(marks) - first) // 2 + 1):
            count = 1
            while (
                marks[first : first + period] == marks[first + count * period : first + (count + 1) * period]
            ):
                count += 1
            if period * (count - 1) > best.period * (best.count - 1):
                best = _Run(first, period, count)
        if best.count > 1:
            runs.append(best)
        first += best.period * best.count
    return runs


def _drawn(
    boxes: Sequence[Box], outputs: dict[str, int], segments: Sequence[Sequence[int]], runs: Sequence[_Run]
) -> Folded:
    """The boxes without the later repeats; what reads a later repeat reads the first."""
    stands_for: dict[int, int] = {}
    framed: list[tuple[list[int], int]] = []
    for run in runs:
        block = [p for segment in segments[run.first : run.first + run.period] for p in segment]
        framed.append((block, run.count))
        for number in range(1, run.count):
            start = run.first + number * run.period
            copy = [p for segment in segments[start : start + run.period] for p in segment]
            stands_for.update(zip(copy, block, strict=True))
    kept = [place for place in range(len(boxes)) if place not in stands_for]
    new = {place: number for number, place in enumerate(kept)}
    new.update({place: new[first] for place, first in stands_for.items()})
    sums = {place: [boxes[place].parameters, boxes[place].macs] for place in kept}
    for place, first in stands_for.items():
        sums[first][0] += boxes[place].parameters
        sums[first][1] += boxes[place].macs
    drawn = [
        replace(
            boxes[place],
            inputs=tuple(dict.fromkeys(new[i] for i in boxes[place].inputs)),
            parameters=sums[place][0],
            macs=sums[place][1],
        )
        for place in kept
    ]
    frames = [Frame(new[block[0]], new[block[-1]] + 1, count) for block, count in framed]
    return Folded(tuple(drawn), tuple(frames), {name: new[place] for name, place in outputs.items()})
