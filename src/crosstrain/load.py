"""Trained networks as Keras models again."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from crosstrain.errors import CrosstrainError

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
    definition, file = _found(folder, cell, weights)
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            values = {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise CrosstrainError(f"{folder} has no trained weights yet ({file.name} is missing)") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise CrosstrainError(f"the weights {file} are damaged ({error})") from error
    data = json.loads((definition / "definition.json").read_text())
    _choose_backend()
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


def _found(folder: Path, cell: str | None, weights: str) -> tuple[Path, Path]:
    """The definition's folder and the weights' file."""
    try:
        plan = json.loads((folder / "plan.json").read_text())
        kind = plan["kind"]
    except (OSError, ValueError, KeyError) as error:
        raise CrosstrainError(f"{folder} is no folder of crosstrain's (it has no sound plan.json)") from error
    if kind == "training":
        if "definition" not in plan:
            raise CrosstrainError(f"the training in {folder} has not begun yet")
        return folder / plan["definition"], folder / f"{weights}.npz"
    record = _record(folder, cell, plan.get("cells") or [])
    return folder / record["definition"], folder / "cells" / f"{cell}.npz"


def _record(folder: Path, cell: str | None, cells: list[str]) -> Any:
    if cell not in cells:
        known = ", ".join(cells) or "none yet"
        asked = f"has no cell {cell!r}" if cell else "is a comparison: name one of its cells"
        raise CrosstrainError(f"{folder} {asked}; there are {known}")
    try:
        return json.loads((folder / "cells" / f"{cell}.json").read_text())
    except (OSError, ValueError) as error:
        raise CrosstrainError(f"the cell {cell!r} in {folder} is not finished") from error


def _choose_backend() -> None:
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
