"""What a trained network says of pictures and arrays from elsewhere."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from crosstrain.data.inputs import InputSource, read_inputs
from crosstrain.data.prepared import Arrays
from crosstrain.data.resemblance import Look, differences, original_sizes, size_difference
from crosstrain.data.sets.sequences.tokens import RESERVED
from crosstrain.data.source import Images, Table
from crosstrain.data.trained_preparation import Applied, TrainedPreparation
from crosstrain.errors import CrosstrainError
from crosstrain.prediction.captions import described, facts_of, in_words
from crosstrain.prediction.network import Answered, TrainedNetwork
from crosstrain.prediction.settings import Asking, Tell, asking, run_at
from crosstrain.training.metrics import Reading

Draw = Callable[[Path, "Prediction", Callable[[int], np.ndarray | None]], int]
"""Draws the answers into a folder, given the examples' pictures; how many files it wrote."""


LEAST_SCORE = 0.25
"""Detections below this score are not told."""
InUnits = Callable[[np.ndarray], np.ndarray] | None
"""Makes numbers in the target's own unit of outputs."""
Areas = tuple[tuple[str, float], ...]
Texts = tuple[tuple[str, float | None], ...]
"""What is read, each with its probability; None for the best path's text, whose probability is not known."""


@dataclass(frozen=True)
class Choice:
    """A class with its probability; None where the network's outputs are neither logits nor probabilities."""

    label: str
    number: int
    probability: float | None


@dataclass(frozen=True)
class DetectedBox:
    """A class in a picture, with its score and its ``box``, (ymin, xmin, ymax, xmax) in pixels of the picture
    as it was given."""

    label: str
    number: int
    score: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Answer:
    """What one output says of one input: the likeliest classes, the first one first; where it gives a class
    for every pixel ``areas``, the classes with their share of the pixels, the largest first; of a detector
    ``boxes``, those of a score of at least ``LEAST_SCORE``, the best first; where it spells a text
    ``texts``, the likeliest first; or plain ``values`` (the output, flattened) where it has no class, in the
    target's own unit where files of a series or a table were asked about."""

    input: str
    output: str
    choices: tuple[Choice, ...] = ()
    values: tuple[float, ...] = ()
    areas: Areas = ()
    texts: Texts = ()
    boxes: tuple[DetectedBox, ...] = ()


@dataclass(frozen=True)
class Prediction:
    """The answers in the order of the inputs (of one input for each output); ``damaged`` names what was left
    out, and why; ``notes`` are sentences on what was passed over, and on what does not look like the
    training's data. ``classes`` are the names of all classes, where there are any. ``rows`` are the positions
    of the answered inputs, ``outputs`` what the network gave (N, …), by output; of captions their words as
    numbers, under the name ``""``."""

    network: str
    engine: str
    engine_version: str | None
    device: str
    weights: str
    answers: tuple[Answer, ...]
    damaged: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    pictures: int = 0
    classes: tuple[str, ...] = ()
    rows: np.ndarray = field(default_factory=lambda: np.empty(0, int), repr=False)
    outputs: Arrays = field(default_factory=dict, repr=False)

    def to_json(self) -> dict[str, Any]:
        """All of it but the raw outputs."""
        fields = {k: v for k, v in vars(self).items() if k not in ("answers", "rows", "outputs")}
        return {**fields, "answers": [_plain(answer) for answer in self.answers]}

    def to_csv(self) -> str:
        """A row for each answer: the input, the output where there are several, then class and probability
        of every choice, the boxes, or the values."""
        several = len({answer.output for answer in self.answers}) > 1
        width = max((len(answer.choices) for answer in self.answers), default=0)
        areas = max((len(answer.areas) for answer in self.answers), default=0)
        texts = max((len(answer.texts) for answer in self.answers), default=0)
        boxes = max((len(answer.boxes) for answer in self.answers), default=0)
        values = max((len(answer.values) for answer in self.answers), default=0)
        head = ["input", *(["output"] if several else [])]
        head += [name for n in range(1, width + 1) for name in (f"class_{n}", f"probability_{n}")]
        head += [name for n in range(1, areas + 1) for name in (f"class_{n}", f"share_{n}")]
        head += [name for n in range(1, texts + 1) for name in (f"text_{n}", f"probability_{n}")]
        of_box = ("class", "score", "ymin", "xmin", "ymax", "xmax")
        head += [f"{name}_{n}" for n in range(1, boxes + 1) for name in of_box]
        head += [f"value_{n}" for n in range(1, values + 1)]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(head)
        for answer in self.answers:
            cells: list[Any] = [answer.input, *([answer.output] if several else [])]
            for choice in answer.choices:
                cells += [choice.label, "" if choice.probability is None else f"{choice.probability:.6f}"]
            cells += [""] * (2 * (width - len(answer.choices)))
            for label, part in answer.areas:
                cells += [label, f"{part:.6f}"]
            for words, probability in answer.texts:
                cells += [words, "" if probability is None else f"{probability:.6f}"]
            for box in answer.boxes:
                cells += [box.label, f"{box.score:.6f}", *(f"{edge:.2f}" for edge in box.box)]
            cells += [f"{value:.9g}" for value in answer.values]
            writer.writerow(cells)
        return text.getvalue()


def predict(
    run: str | Path,
    inputs: Sequence[InputSource],
    *,
    top: int,
    beam: int,
    cell: str | None,
    weights: str,
    arguments: dict[str, Any],
    pictures: Path | None,
    draw: Draw,
    tell: Tell,
    note: Tell,
) -> Prediction:
    """Ask the network of ``run`` about ``inputs``. ``CrosstrainError`` where nothing can be answered."""
    if top < 1:
        raise CrosstrainError(f"top must be at least 1, not {top}")
    trained = run_at(run, cell, weights)
    request = asking(trained, arguments, note)
    network = TrainedNetwork.of(trained, tell)
    check_beam(beam, network)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="crosstrain-predict-")))
        source = read_inputs(inputs, network.preparation, stack)
        tell(f"Preparing {len(source.labels):,} inputs")
        applied = network.preparation.apply(folder, source.table)
        if not len(applied.kept):
            raise CrosstrainError(f"nothing can be read: {applied.damaged[0]}")
        notes = [*source.notes, *unlike(network.preparation, source.table, applied.inputs)]
        tell(f"Asking {network.name} on {request.engine}")
        labels = [source.labels[row] for row in applied.kept]
        chosen = "last" if cell else trained.weights.stem
        if facts_of(network):
            answered, answers = _captions(network, applied, labels, request, folder, beam)
        else:
            wanted = [name for name, reading in network.readings.items() if reading.boxes or not reading.head]
            answered = network.answer(applied.inputs, request, folder, wanted=wanted or None)
            shown = _in_units(network, answered, source.in_units)
            originals = _originals(network, source.table, applied.kept)
            answers = answers_of(network, shown, labels, top, originals, beam)
        prediction = Prediction(
            network.name, request.engine, answered.version, request.device, chosen, tuple(answers),
            applied.damaged, tuple(notes), classes=tuple(network.preparation.classes), rows=applied.kept,
            outputs=answered.outputs,
        )  # fmt: skip
        if pictures is not None:
            tell(f"Drawing answers into {pictures}")
            count = draw(pictures, prediction, source.picture)
            prediction = Prediction(**{**vars(prediction), "pictures": count})
    return prediction


def _in_units(network: TrainedNetwork, answered: Answered, in_units: InUnits) -> Answered:
    """Outputs that are no classes in the target's own unit."""
    if in_units is None:
        return answered
    values = {
        name: in_units(outputs) if network.classes(name) is None else outputs
        for name, outputs in answered.outputs.items()
    }
    return replace(answered, outputs=values)


def _captions(
    network: TrainedNetwork, applied: Applied, labels: Sequence[str], request: Asking, folder: Path, beam: int
) -> tuple[Answered, list[Answer]]:
    """A caption of each picture, and its words as numbers."""
    said, version = described(network, applied.inputs, request, folder, beam)
    texts = in_words(network, said)
    answers = [Answer(label, "", texts=((text, None),)) for label, text in zip(labels, texts, strict=True)]
    return Answered({"": said}, version), answers


def unlike(preparation: TrainedPreparation, table: Table, inputs: Arrays) -> list[str]:
    """Sentences on how prepared inputs do not look like those of the training."""
    sentences = []
    specs = preparation.manifest["inputs"]
    for name, array in inputs.items():
        if name in preparation.looks and not specs[name].get("vocabulary"):  # tokens are names, not numbers
            sentences += differences(preparation.looks[name], Look.of(array), name)
    known = preparation.manifest.get("original_sizes") or {}
    for name, sizes in original_sizes(table).items():
        if shape := preparation.picture(name):
            sentences += filter(None, [size_difference(known.get(name), sizes, shape)])
    return sentences


def check_beam(beam: int, network: TrainedNetwork) -> None:
    """``CrosstrainError`` for a width that is none, and where there is nothing to look for."""
    if beam < 0:
        raise CrosstrainError(f"a beam keeps at least 1 text (0: the best path alone), not {beam}")
    spells = any(reading.transcription for reading in network.readings.values()) or facts_of(network)
    if beam and not spells:
        raise CrosstrainError(f"{network.name} spells no texts, so a beam has nothing to look for")


def _originals(network: TrainedNetwork, table: Table, rows: np.ndarray) -> list[Any]:
    """The size, (height, width, …), of each input as it was given where boxes are told in its pixels; None
    where it is not known."""
    column = next(iter(table.inputs.values()))
    if not any(reading.boxes for reading in network.readings.values()) or not isinstance(column, Images):
        return [None] * len(rows)
    return [column.original(int(column.rows[row])) for row in rows]


def answers_of(
    network: TrainedNetwork,
    answered: Answered,
    labels: Sequence[str],
    top: int,
    originals: Sequence[Any],
    beam: int = 0,
) -> list[Answer]:
    """What each output says of each input, in the order of ``labels``, which name the inputs; ``originals``
    are their sizes, (height, width, …), in whose pixels boxes are told, None for those of the prepared
    picture; ``beam`` is the width of the search for texts."""
    boxes = {
        name: _detected(network, reading, answered.outputs[name], originals)
        for name, reading in network.readings.items()
        if reading.boxes
    }
    if boxes:
        return [
            Answer(label, output, boxes=own[position])
            for position, label in enumerate(labels)
            for output, own in boxes.items()
        ]
    ranked = {name: _ranked(network, name, outputs, top, beam) for name, outputs in answered.outputs.items()}
    return [
        Answer(label, output, *rows[position])
        for position, label in enumerate(labels)
        for output, rows in ranked.items()
    ]


def _detected(
    network: TrainedNetwork, reading: Reading, outputs: np.ndarray, originals: Sequence[Any]
) -> list[tuple[DetectedBox, ...]]:
    """The detections of each example in pixels of the input as it was given."""
    seen = np.asarray([reading.settings["height"], reading.settings["width"]], np.float64)
    shapes = (network.preparation.picture(name) for name in network.preparation.manifest["inputs"])
    prepared = np.asarray(next(filter(None, shapes), seen)[:2], np.float64)
    corner = np.tile((prepared - seen) // 2, 2)  # of the part that evaluation takes
    classes = network.preparation.classes
    result = []
    for detections, original in zip(reading.detections(outputs), originals, strict=True):
        factor = np.ones(2) if original is None else np.asarray(original[:2]) / prepared
        own = detections.at_least(LEAST_SCORE)
        edges = (own.boxes + corner) * np.tile(factor, 2)
        result.append(
            tuple(
                DetectedBox(classes[n], int(n), float(s), tuple(map(float, box)))  # type: ignore[arg-type]
                for n, s, box in zip(own.classes, own.scores, edges, strict=True)
            )
        )
    return result


def _ranked(
    network: TrainedNetwork, output: str, outputs: np.ndarray, top: int, beam: int
) -> list[tuple[tuple[Choice, ...], tuple[float, ...], Areas, Texts]]:
    """For each example its choices, its values, its areas or its texts."""
    classes, reading = network.classes(output), network.readings.get(output)
    if classes is not None and reading is not None and reading.transcription is not None:
        return [((), (), (), texts) for texts in _texts(reading, outputs, classes, top, beam)]
    if classes is not None and reading is not None and reading.maps:
        return [((), (), _areas(answer, classes, top), ()) for answer in reading.answers(outputs)]
    single = outputs.ndim == 1 or (outputs.ndim == 2 and (reading is None or _one_class(reading, outputs)))
    if classes is None or reading is None or not single:
        return [((), tuple(map(float, np.ravel(row))), (), ()) for row in outputs]
    probabilities = reading.probabilities(outputs)
    if reading.threshold is None:
        scores = outputs
    else:
        above = _flat(outputs) - reading.threshold
        scores = np.stack([-above, above], axis=-1)
    # By the outputs themselves, which keep an order where probabilities round to 0 or 1.
    order = np.argsort(-scores, axis=-1, kind="stable")[:, :top]
    return [
        (
            tuple(Choice(classes[n], int(n), None if np.isnan(row[n]) else float(row[n])) for n in ranking),
            (),
            (),
            (),
        )
        for row, ranking in zip(probabilities, order, strict=True)
    ]


def _areas(answer: np.ndarray, classes: Sequence[str], top: int) -> Areas:
    """The largest classes of a label map with their share of its pixels."""
    shares = np.bincount(answer.reshape(-1), minlength=len(classes)) / answer.size
    order = np.argsort(-shares, kind="stable")[:top]
    return tuple((classes[number], float(shares[number])) for number in order.tolist() if shares[number])


def _texts(reading: Reading, outputs: np.ndarray, classes: Sequence[str], top: int, beam: int) -> list[Texts]:
    """Of each output the text of its best path, or the ``top`` likeliest that a ``beam`` finds."""
    assert reading.transcription is not None
    between = "" if all(len(name) == 1 for name in classes[len(RESERVED) :]) else " "
    spelt = lambda labels: between.join(classes[label] for label in labels)
    if not beam:
        return [((spelt(labels), None),) for labels in reading.transcription.texts(reading, outputs)]
    wide = replace(reading.transcription, beam=max(beam, top))
    return [
        tuple((spelt(labels), float(np.exp(log_p))) for labels, log_p in found[:top])
        for found in wide.likeliest(reading, outputs)
    ]


def _one_class(reading: Any, outputs: np.ndarray) -> bool:
    """Whether a row of outputs means one class, rather than a yes or no for each of several."""
    return reading.threshold is None or outputs.shape[-1] == 1


def _flat(outputs: np.ndarray) -> np.ndarray:
    return outputs.reshape(len(outputs)).astype(np.float64)


def _plain(answer: Answer) -> dict[str, Any]:
    """Of an answer what it has: choices, areas, boxes or values."""
    return {key: value for key, value in asdict(answer).items() if value or key in ("input", "output")}


__all__ = ["Answer", "Asking", "Choice", "Draw", "Prediction", "answers_of", "predict", "unlike"]
