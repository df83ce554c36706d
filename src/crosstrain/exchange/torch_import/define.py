"""The define task for a PyTorch module: its function is called here, in a worker, and never elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from crosstrain.errors import CrosstrainError
from crosstrain.exchange.torch_import.archive import HOW, Archived
from crosstrain.exchange.torch_import.importer import Imported, imported
from crosstrain.exchange.torch_import.layouts import laid, to_json
from crosstrain.exchange.torch_import.module import Input, candidates, taken_apart
from crosstrain.exchange.torch_import.program import NotExportable, Programs, exported, outputs_of
from crosstrain.graph import define as keras_define
from crosstrain.graph.foreign import EXPORTED
from crosstrain.graph.graph import Weights
from crosstrain.graph.keras_import.causes import recording
from crosstrain.graph.keras_import.files.weights_alone import ARRAYS, arrays_of
from crosstrain.graph.keras_import.output import check_rows
from crosstrain.graph.keras_initial import set_seed

LANGUAGE = "torch"
UNFIT = ("freeze_until", "replace_head", "output")
"""Options that name layers of a Keras model."""


@dataclass(frozen=True)
class Built:
    """What a function of the user's returned."""

    module: torch.nn.Module
    examples: Any
    place: str


def run(job: Mapping[str, Any], emit: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Call the function of ``job``, or read its ``.pt2`` file, and write what ``graph.define.run`` writes. A
    function of such a file that returns a Keras model is left to ``graph.define``."""
    emit({"event": "phase", "name": "define"})
    with recording(torch.nn.Module, "__init__") as made:
        result, place = called(job)
    if not _of_torch(result):
        return keras_define.run(job, emit)
    for option in UNFIT:
        if job.get(option):
            flag = option.replace("_", "-")
            raise CrosstrainError(f"--{flag} belongs to Keras networks; {place} is a PyTorch module")
    if job.get("kernel_initializer"):
        raise CrosstrainError(
            f"a recipe's kernel initializer belongs to Keras networks; {place} returns a PyTorch module, "
            "whose function may initialise it"
        )
    built = Built(*taken_apart(result, place), place)
    programs = traced(built, job)
    name = _named(str(job["source"]))
    network = imported(built.module, programs, name)
    check_rows(network.graph, ())
    weights = {**network.weights, **_of_file(job, network)}
    more: dict[str, Any] = {
        "language": LANGUAGE,
        "torch": {
            "version": torch.__version__,
            "inputs": [asdict(entry) for entry in programs.inputs],
            "outputs": list(outputs_of(programs.training)),
            "layouts": to_json(network.layouts),
        },
        "notes": list(network.notes),
        "lines": lines_of(built.module, network, made),
    }
    names = list(network.graph.weights)
    return keras_define.record(job, name, network.graph, weights, names, **more)


def _named(source: str) -> str:
    """What the network is called: its function, or its file."""
    return source.rpartition(":")[2] if ".py:" in source else Path(source).stem


def lines_of(module: torch.nn.Module, network: Imported, made: Mapping[int, str]) -> dict[str, str]:
    """For each node the line of the user's source that made its layer; of what the user's own ``forward``
    computes, the line there."""
    parts = dict(module.named_modules())
    lines = {}
    for node, (path, line) in network.places.items():
        part = parts.get(path)
        library = part is not None and type(part).__module__.startswith("torch.")
        file, _, number = line.rpartition(", line ")
        called = f"{Path(file).name}:{number}" if file else ""
        lines[node] = (made.get(id(part), "") if library else "") or called
    return {node: line for node, line in lines.items() if line}


def _of_torch(result: Any) -> bool:
    first = result[0] if isinstance(result, tuple) and result else result
    return isinstance(first, torch.nn.Module) and not type(first).__module__.startswith("keras.")


def called(definition: Mapping[str, Any]) -> tuple[Any, str]:
    """What the function of a definition returns, called with the definition's seed, or the module of its
    ``.pt2`` file; and its place."""
    source = str(definition["source"])
    if source.endswith(EXPORTED):
        file = keras_define.located(definition)
        return Archived(file), str(file)
    place = f"{keras_define.located(definition)}:{source.rpartition(':')[2]}"
    function = keras_define.load_object(place)
    seed = int(definition.get("seed") or 0)
    set_seed(seed)
    torch.manual_seed(seed)
    shapes, classes = definition.get("input_shapes"), definition.get("classes")
    return keras_define.called(place, function, shapes, classes, definition.get("vocabulary")), place


def traced(built: Built, job: Mapping[str, Any]) -> Programs:
    """The programs of both phases, by the first way of giving the inputs that the module takes."""
    if isinstance(built.module, Archived):
        try:
            return exported(built.module, built.module.inputs(job.get("input_shapes")), built.place)
        except NotExportable as error:
            if not built.module.fixed:
                raise
            raise CrosstrainError(
                f"{built.place} was exported for batches of {built.module.fixed} alone; {HOW}"
            ) from error
    first: NotExportable | None = None
    tokens = job.get("vocabulary") is not None
    for inputs in candidates(built.module, built.examples, job.get("input_shapes"), built.place, tokens):
        try:
            return exported(built.module, inputs, built.place)
        except NotExportable as error:
            first = first or error
    assert first is not None
    raise first


def inputs_of(definition: Mapping[str, Any]) -> list[Input]:
    """The inputs that a definition was exported with."""
    return [
        Input(e["name"], tuple(e["lengths"]), e["dtype"], e["turned"]) for e in definition["torch"]["inputs"]
    ]


def _of_file(job: Mapping[str, Any], network: Imported) -> Weights:
    """The weights of a file, by the names of the state dict, in the module's shapes or the graph's."""
    if not job.get("weights"):
        return {}
    path = Path(str(job["weights"]))
    if path.suffix not in ARRAYS:
        raise CrosstrainError(
            f"a PyTorch module takes weights from {' or '.join(ARRAYS)}, not from {path.name}"
        )
    arrays = arrays_of(path)
    weights: dict[str, np.ndarray] = {}
    for name, (layout, shape) in network.layouts.items():
        if name not in arrays:
            raise CrosstrainError(f"{path} has no weight {name!r}, which the module has")
        array = np.asarray(arrays[name])
        if array.shape == shape:
            weights[name] = laid(array, layout)
        elif array.shape == network.weights[name].shape:
            weights[name] = array
        else:
            raise CrosstrainError(f"{path}: {name!r} has the shape {array.shape}; the module's has {shape}")
    return {name: array.astype(network.weights[name].dtype) for name, array in weights.items()}
