"""Reads the recipe of a compiled Keras model out of its file, without Keras and without running anything."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py

from crosstrain.graph.hdf5 import check_hdf5, is_hdf5
from crosstrain.training.compiled import Compiled, read_compiled

ENDINGS = (".keras", ".h5", ".hdf5")
_DAMAGED = (
    OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError, EOFError, RecursionError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What h5py, zipfile and JSON raise on files that are not whole."""


def compiled_of(source: str) -> Compiled | None:
    """The recipe in a file of Keras; None where it is no such file, or has none. A damaged file has none
    here: what is wrong with it shows when the network is defined."""
    path = Path(source).expanduser()
    if not source.endswith(ENDINGS) or not path.is_file():
        return None
    try:
        model, config = _configurations(path)
        if not isinstance(config, Mapping) or not config:
            return None
        return read_compiled(config, output_names(model))
    except _DAMAGED:
        return None


def _configurations(path: Path) -> tuple[Any, Any]:
    """What describes the model, and what describes its training."""
    if is_hdf5(path):
        check_hdf5(path)
        with h5py.File(path, "r") as file:
            training = file.attrs.get("training_config")
            return json.loads(file.attrs["model_config"]), None if training is None else json.loads(training)
    with zipfile.ZipFile(path) as archive:
        model = json.loads(archive.read("config.json"))
    return model, model.get("compile_config")


def output_names(model: Mapping[str, Any]) -> list[str]:
    """The outputs of a functional model by the layers that make them; one without a name for any other."""
    config = model.get("config")
    layers = config.get("output_layers") if isinstance(config, Mapping) else None
    if not layers:
        return [""]
    if isinstance(layers, Mapping):
        return [str(name) for name in layers]
    if isinstance(layers[0], str):
        return [layers[0]]
    return [str(layer[0]) for layer in layers]


def recipe_of(networks: Sequence[str], output: str = "") -> tuple[Compiled, tuple[str, ...]]:
    """The recipe that all of ``networks`` were compiled with (an empty one where they were not, or
    differ), and sentences that say so. Another ``output`` than the model's own has no loss in it."""
    recipes = {network: compiled_of(network) for network in networks}
    compiled = {network: recipe for network, recipe in recipes.items() if recipe is not None}
    if not compiled:
        return Compiled(), ()
    first = next(iter(compiled.values()))
    if len(compiled) < len(networks) or any(recipe != first for recipe in compiled.values()):
        return Compiled(), (
            f"{' and '.join(compiled)} were compiled, but not all networks with one recipe: the optimizer is "
            "crosstrain's default; --optimizer names another for all",
        )
    first = replace(first, losses={}) if output else first
    remarks = [
        f"{network} was compiled: its own recipe is the default ({first.summary() or 'none of it'})"
        for network in compiled
    ]
    remarks += [f"crosstrain lacks {what}, and takes its own default" for what in first.lacking]
    return first, tuple(remarks)
