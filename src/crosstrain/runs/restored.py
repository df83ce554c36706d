"""Trained networks as Keras models again."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from crosstrain.errors import CrosstrainError
from crosstrain.graph.foreign import without_keras
from crosstrain.runs.trained import find_run

if TYPE_CHECKING:
    import keras

_BACKENDS = ("tensorflow", "torch", "jax")


def load(
    folder: str | Path, *, cell: str | None = None, weights: Literal["best", "last"] = "best"
) -> keras.Model:
    """The Keras model with the weights that were trained in ``folder``.

    ``folder`` is what ``crosstrain train`` or ``crosstrain compare`` made; of a comparison, ``cell`` says
    which (the ``id`` of a cell; its weights are those of the last epoch). ``weights`` chooses between the
    epoch that validated best and the last one. The network's own file must still be there where it was
    one. Raises ``CrosstrainError`` where something is missing or does not fit.
    """
    folder = Path(folder)
    run = find_run(folder, cell, weights)
    file = run.weights
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            values = {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise CrosstrainError(f"{folder} has no trained weights yet ({file.name} is missing)") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise CrosstrainError(f"the weights {file} are damaged ({error})") from error
    return restored(run.definition, values, str(file))


def restored(definition: Path, values: Mapping[str, np.ndarray], file: str) -> keras.Model:
    """The model of a definition's folder with ``values`` by weight name; ``file`` is where they are from."""
    data = json.loads((definition / "definition.json").read_text())
    choose_backend()
    if without_keras(data):
        return _of_graph(definition, values, file)
    with _own_settings():
        model = _built(data)
    names: list[str] = data["weights"]
    missing = [name for name in names if name not in values]
    if missing or len(names) != len(model.weights):
        raise CrosstrainError(
            f"the weights in {file} are not those of {data['source']}: it has changed since"
        )
    for variable, name in zip(model.weights, names, strict=True):
        if tuple(variable.shape) != values[name].shape:
            raise CrosstrainError(
                f"the weight {name} in {file} does not fit {data['source']}: it has changed since"
            )
        variable.assign(values[name])
    return model


def _of_graph(definition: Path, values: Mapping[str, np.ndarray], file: str) -> keras.Model:
    """The model of a network that no Keras model defined."""
    from crosstrain.graph.graph import Graph
    from crosstrain.graph.keras_export import keras_model

    graph = Graph.load(definition / "network.json")[0]
    missing = [name for name in graph.weights if name not in values]
    if missing:
        raise CrosstrainError(f"the weights in {file} are not those of {graph.name}: {missing[0]} is missing")
    return keras_model(graph, dict(values))


def choose_backend() -> None:
    """Where nothing is chosen and Keras's default is missing, take a framework that is there."""
    if "keras" in sys.modules or "KERAS_BACKEND" in os.environ:
        return
    installed = [name for name in _BACKENDS if importlib.util.find_spec(name) is not None]
    if installed and "tensorflow" not in installed:
        os.environ["KERAS_BACKEND"] = installed[0]


@contextlib.contextmanager
def _own_settings() -> Iterator[None]:
    """Building sets Keras's precision; the caller gets theirs back."""
    import keras

    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    try:
        yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)


def _built(data: Any) -> keras.Model:
    from crosstrain.graph.define import build_model

    return build_model(data)
