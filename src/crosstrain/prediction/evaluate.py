"""How well a trained network does on data that it was not trained on, prepared as its own was."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from crosstrain.data.options import split_spec
from crosstrain.data.prepared import SPLITS, Arrays, pair
from crosstrain.data.registry import options_of, parse
from crosstrain.data.source import Source, Table
from crosstrain.data.trained_preparation import Applied
from crosstrain.detection.truths import NUMBERS, present, renumbered
from crosstrain.errors import CrosstrainError
from crosstrain.prediction.captions import facts_of, judged
from crosstrain.prediction.labels import matching
from crosstrain.prediction.measures import intervals, measured, metric_names
from crosstrain.prediction.network import TrainedNetwork
from crosstrain.prediction.predict import check_beam, unlike
from crosstrain.prediction.settings import Tell, asking, run_at
from crosstrain.runs.tasks.evaluation import Evaluation
from crosstrain.statistics.ratios import Interval
from crosstrain.training.metrics import Reading

ALL = "all"
PARTS = (*SPLITS, ALL)


@dataclass(frozen=True)
class Evaluated:
    """``metrics`` has the loss and every metric by name (``OUTPUT/metric`` where several outputs have
    targets), ``intervals`` those of single numbers; ``classes`` are the names of the confusion matrix's rows
    and columns. ``damaged`` names what was left out, ``notes`` say what does not look like the training's
    data."""

    network: str
    engine: str
    engine_version: str | None
    device: str
    weights: str
    data: str
    part: str
    examples: int
    metrics: Mapping[str, Any]
    intervals: Mapping[str, Interval]
    classes: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "intervals": {name: each.to_json() for name, each in self.intervals.items()}}


def evaluate(
    run: str | Path,
    data: str | None,
    *,
    part: str | None,
    cell: str | None,
    weights: str,
    beam: int,
    arguments: dict[str, Any],
    tell: Tell,
    note: Tell,
) -> Evaluated:
    """Evaluate the network of ``run`` on ``data`` (None: its training's). ``CrosstrainError`` where the data
    does not fit it."""
    if part is not None and part not in PARTS:
        raise CrosstrainError(f"there is no part {part!r} of data; there are {', '.join(PARTS)}")
    trained = run_at(run, cell, weights)
    spec = data or trained.data
    if not spec:
        raise CrosstrainError(f"{run} does not record its training data; name the data with --data")
    request = asking(trained, arguments, note)
    network = TrainedNetwork.of(trained, tell)
    check_beam(beam, network)
    own = _same(spec, trained.data)
    chosen = part or ("test" if own else ALL)
    with TemporaryDirectory(prefix="crosstrain-evaluate-") as work:
        folder = Path(work)
        row, location = parse(spec)
        tell(f"Preparing {spec}")
        asked = network.preparation.request(
            trained.split if own else "", trained.limit if own else None, options_of(spec)
        )
        with closing(row.read(location, asked)) as source:
            parts = SPLITS if chosen == ALL else (chosen,)
            tables = {name: source.splits[name] for name in parts if len(source.splits[name])}
            if not tables:
                raise CrosstrainError(f"{spec} has no examples for {chosen}")
            applied = {name: _applied(network, folder / name, table) for name, table in tables.items()}
            inputs = _joined([each.inputs for each in applied.values() if len(each.kept)])
            targets = _joined([each.targets for each in applied.values() if len(each.kept)])
            damaged = [sentence for each in applied.values() for sentence in each.damaged]
            if not inputs:
                raise CrosstrainError(f"nothing in {spec} can be read: {damaged[0]}")
            notes = [] if own else unlike(network.preparation, next(iter(tables.values())), inputs)
        rows, fitted, more = _fitting(network, source, targets)
        if own and chosen != "test":
            more = (*more, f"the network was trained on a part of these examples ({chosen})")
        inputs = inputs if rows is None else {name: array[rows] for name, array in inputs.items()}
        tell(f"Asking {network.name} on {request.engine}")
        answered = network.answer(inputs, request, folder, wanted=list(network.readings))
        described: dict[str, Interval] = {}
        if facts_of(network):
            tell(f"Describing pictures on {request.engine}")
            described = judged(
                network, inputs, next(iter(fitted.values())), _owners(source, applied), request, folder, beam
            )
    evaluation = Evaluation(
        {name: _read_by(reading, beam) for name, reading in network.readings.items()},
        metric_names(network.readings), network.definition.loss, network.definition.weights(), 64,
    )  # fmt: skip
    called = {name: inputs[source] for name, source in pair(network.inputs, inputs, "input").items()}
    values = measured(evaluation, called, answered.outputs, fitted)
    limits = intervals(evaluation, values, called, answered.outputs, fitted)
    return Evaluated(
        network.name, request.engine, answered.version, request.device,
        "last" if cell else trained.weights.stem, spec, chosen, len(next(iter(inputs.values()))),
        values | {name: each.value for name, each in described.items()}, limits | described,
        tuple(network.preparation.classes), tuple(damaged), (*notes, *more),
    )  # fmt: skip


def _read_by(reading: Reading, beam: int) -> Reading:
    if reading.transcription is None:
        return reading
    return replace(reading, transcription=replace(reading.transcription, beam=beam))


def _same(spec: str, other: str) -> bool:
    """Whether two specs name the same data: the kind, and the place where it lies."""
    (kind, place, _), (other_kind, other_place, _) = split_spec(spec), split_spec(other)
    return (
        kind == other_kind and Path(place).expanduser().resolve() == Path(other_place).expanduser().resolve()
    )


def _owners(source: Source, applied: Mapping[str, Applied]) -> np.ndarray:
    """The picture that each row is about."""
    return np.concatenate([source.owners[part][each.kept] for part, each in applied.items()])


def _applied(network: TrainedNetwork, folder: Path, table: Table) -> Applied:
    folder.mkdir()
    return network.preparation.apply(folder, table)


def _joined(parts: list[Arrays]) -> Arrays:
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in (parts[0] if parts else ())}


# -- targets ----------------------------------------------------------------------------------------
def _fitting(
    network: TrainedNetwork, source: Source, targets: Arrays
) -> tuple[np.ndarray | None, Arrays, tuple[str, ...]]:
    """The rows that can be judged (None: all), their targets under the names of the network's outputs and in
    the training's form, and sentences on what does not match."""
    specs, trained = network.preparation.targets, network.preparation.classes
    if set(targets) != set(specs):
        here, there = (", ".join(name or "one without a name" for name in each) for each in (targets, specs))
        raise CrosstrainError(f"the data has the targets {here}; the training had {there}")
    rows: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    if len(specs) == 1 and trained:
        (name,) = specs
        if name not in source.classes:
            raise CrosstrainError("the targets of the data are numbers; those of the training were classes")
    if len(specs) == 1 and trained and not _texts(specs):
        void, names, boxes = specs[name].get("void"), source.classes[name], specs[name].get("boxes")
        if boxes:
            own = np.asarray(targets[name])
            counts = np.bincount(present(own.reshape(-1, NUMBERS))[:, 4].astype(int), minlength=len(names))
            match = matching(names, trained, counts)
            targets = {name: renumbered(own, match.numbers)}
            outputs = dict(pair(list(network.readings), targets, "target").items())
            return None, dict.fromkeys(outputs, targets[name]), match.notes
        numbers = _numbers(targets[name]) if void is None else np.asarray(targets[name], np.int64)
        counted = numbers if void is None else numbers[numbers != void]
        match = matching(names, trained, np.bincount(counted, minlength=len(names)))
        notes = match.notes
        if void is None:
            known = match.numbers[numbers]
            judged = np.flatnonzero(known >= 0)
            rows = judged if len(judged) < len(known) else None
            targets = {name: _formed(known[judged], specs[name])}
        else:
            targets = {name: _maps(numbers, match.numbers, void)}
    for name, array in targets.items():
        _check_target(name, array, specs[name])
    outputs = dict(pair(list(network.readings), targets, "target").items())
    return rows, {output: np.asarray(targets[name]) for output, name in outputs.items()}, notes


def _texts(specs: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether targets are tokens under the training's own numbers, which new data is read by."""
    return any(len(spec["shape"]) == 1 and "int" in spec["dtype"] for spec in specs.values())


def _numbers(labels: np.ndarray) -> np.ndarray:
    """Class numbers, from those or from one-hot rows."""
    if labels.ndim == 2 and labels.dtype.kind == "f":
        return np.asarray(labels.argmax(axis=1))
    if labels.ndim != 1:
        raise CrosstrainError(
            f"the data has {labels.shape[1:]} labels for each example; the training had one"
        )
    return np.asarray(labels, np.int64)


def _maps(maps: np.ndarray, numbers: np.ndarray, void: int) -> np.ndarray:
    """Label maps under the training's numbers; classes that it lacks are void."""
    table = np.full(max(void, len(numbers)) + 1, void, np.int32)
    table[: len(numbers)] = np.where(numbers < 0, void, numbers)
    table[void] = void
    return np.asarray(table[maps])


def _formed(numbers: np.ndarray, spec: Mapping[str, Any]) -> np.ndarray:
    """Class numbers in the form in which the training's loss took them."""
    if not spec["shape"]:
        return numbers
    rows: np.ndarray = np.eye(spec["shape"][0], dtype=spec["dtype"])[numbers]
    return rows


def _check_target(name: str, array: np.ndarray, spec: Mapping[str, Any]) -> None:
    if list(array.shape[1:]) != list(spec["shape"]):
        raise CrosstrainError(
            f"a target{f' {name!r}' if name else ''} of the data has the shape {array.shape[1:]}; in the "
            f"training it was {tuple(spec['shape'])}"
        )


__all__ = ["Evaluated", "evaluate"]
