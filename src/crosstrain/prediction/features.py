"""What comes out of a layer in the middle of a trained network, as arrays to train something else on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from crosstrain.data.inputs import InputSource, read_inputs
from crosstrain.data.prepared import SPLITS, Arrays
from crosstrain.data.registry import options_of, parse
from crosstrain.data.source import Request
from crosstrain.errors import CrosstrainError
from crosstrain.graph.tapping import tapped
from crosstrain.prediction.network import TrainedNetwork
from crosstrain.prediction.predict import unlike
from crosstrain.prediction.settings import Asking, Tell, asking, run_at
from crosstrain.system.files import write_arrays


@dataclass(frozen=True)
class Features:
    """What was written to ``path``: the shapes of its ``arrays`` by name; ``damaged`` names what was left
    out, ``notes`` say what does not look like the training's data."""

    network: str
    layer: str
    engine: str
    engine_version: str | None
    device: str
    path: str
    arrays: dict[str, list[int]]
    damaged: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


def features(
    run: str | Path,
    inputs: Sequence[InputSource],
    data: str | None,
    *,
    layer: str,
    out: Path,
    cell: str | None,
    weights: str,
    arguments: dict[str, Any],
    tell: Tell,
    note: Tell,
) -> Features:
    """Write the features of ``inputs``, or of a whole data set (``data``; None: the training's), to ``out``.

    Of a data set the file has ``x_train``, ``y_train``, ``x_validation``, … as ``arrays:FILE.npz`` takes
    them; of inputs ``x`` and ``names``. ``CrosstrainError`` for a layer that there is not.
    """
    if out.suffix != ".npz" or not out.absolute().parent.is_dir():
        raise CrosstrainError(f"features cannot be written to {out}: name a .npz in a folder that exists")
    if inputs and data:
        raise CrosstrainError("features are of inputs or of a data set, not of both")
    trained = run_at(run, cell, weights)
    request = asking(trained, arguments, note)
    network = TrainedNetwork.of(trained, tell)
    _, output = tapped(network.definition.graph, layer)
    with TemporaryDirectory(prefix="crosstrain-features-") as work:
        extractor = _Extractor(network, request, layer, output, Path(work), tell)
        if inputs:
            extractor.of_inputs(inputs)
        else:
            spec = data or trained.data
            if not spec:
                raise CrosstrainError(f"{run} does not record its training data; name the data with --data")
            same = spec == trained.data
            asked = network.preparation.request(
                trained.split if same else "", trained.limit if same else None, options_of(spec)
            )
            extractor.of_data(spec, asked, own=not data)
    write_arrays(out, extractor.arrays)
    shapes = {name: list(array.shape) for name, array in extractor.arrays.items()}
    return Features(
        network.name, layer, request.engine, extractor.version, request.device, str(out), shapes,
        tuple(extractor.damaged), tuple(extractor.notes),
    )  # fmt: skip


class _Extractor:
    """Asks for one layer of a network, part by part."""

    def __init__(
        self, network: TrainedNetwork, request: Asking, layer: str, output: str, work: Path, tell: Tell
    ) -> None:
        self.network, self.request, self.layer, self.output = network, request, layer, output
        self.work, self.tell = work, tell
        self.arrays: Arrays = {}
        self.damaged: list[str] = []
        self.notes: list[str] = []
        self.version: str | None = None

    def of_inputs(self, inputs: Sequence[InputSource]) -> None:
        with ExitStack() as stack:
            source = read_inputs(inputs, self.network.preparation, stack)
            self.notes += source.notes
            applied = self.network.preparation.apply(self.work, source.table)
            self.damaged += applied.damaged
            if not len(applied.kept):
                raise CrosstrainError(f"nothing can be read: {applied.damaged[0]}")
            self.notes += unlike(self.network.preparation, source.table, applied.inputs)
            self.arrays["x"] = self._asked(applied.inputs, self.work)
            self.arrays["names"] = np.array([source.labels[row] for row in applied.kept])

    def of_data(self, spec: str, asked: Request, *, own: bool) -> None:
        """Every part of a data set, with its targets; texts where these are classes with names."""
        row, location = parse(spec)
        self.tell(f"Preparing {spec}")
        with closing(row.read(location, asked)) as source:
            for part in SPLITS:
                folder = self.work / part
                folder.mkdir()
                if not len(source.splits[part]):
                    continue
                applied = self.network.preparation.apply(folder, source.splits[part])
                self.damaged += applied.damaged
                if not len(applied.kept):
                    continue
                if part == "train" and not own:
                    self.notes += unlike(self.network.preparation, source.splits[part], applied.inputs)
                self.arrays[f"x_{part}"] = self._asked(applied.inputs, folder)
                for name, target in applied.targets.items():
                    key = f"y_{part}/{name}" if name else f"y_{part}"
                    names = source.classes.get(name)
                    whole = names is not None and target.dtype.kind == "i" and target.ndim == 1
                    self.arrays[key] = np.asarray(names)[target] if whole else np.asarray(target)

    def _asked(self, inputs: Arrays, folder: Path) -> np.ndarray:
        self.tell(f"Asking {self.network.name} on {self.request.engine}")
        answered = self.network.answer(inputs, self.request, folder, layer=self.layer, wanted=[self.output])
        self.version = answered.version
        return answered.outputs[self.output]
