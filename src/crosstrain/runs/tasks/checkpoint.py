"""A training that can be taken up again: everything it needs in one file, without pickles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.engines.contract import State
from crosstrain.errors import CrosstrainError
from crosstrain.system.files import read_arrays, write_arrays

FORMAT = 1


@dataclass
class Progress:
    """How far a training is. ``history`` holds the record of each epoch done; ``best`` is the best score
    so far (larger is better) and ``best_epoch`` the epoch (from 1) that had it; ``plateau`` is the state
    of that schedule."""

    history: list[dict[str, Any]] = field(default_factory=list)
    best: float | None = None
    best_epoch: int | None = None
    plateau: dict[str, Any] | None = None


def save(path: Path, state: State, progress: Progress, identity: Mapping[str, Any]) -> None:
    """Write the checkpoint whole, or leave the one before. ``identity`` says what training it is of."""
    arrays: dict[str, np.ndarray] = {f"weight/{name}": value for name, value in state.weights.items()}
    slots = {}
    for weight, of_weight in (state.slots or {}).items():
        slots[weight] = list(of_weight)
        arrays.update({f"slot/{slot}/{weight}": value for slot, value in of_weight.items()})
    meta = {
        "format": FORMAT,
        "identity": identity,
        "step": state.step,
        "slots": slots,
        "scaling": state.scaling,
        "progress": vars(progress),
    }
    arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    write_arrays(path, arrays)


def load(path: Path, identity: Mapping[str, Any]) -> tuple[State, Progress]:
    """The state and progress that ``save`` wrote. ``CrosstrainError`` where the file is damaged or of a
    training with another ``identity``."""
    try:
        arrays = read_arrays(path)
        meta = json.loads(bytes(arrays.pop("meta")))
        weights = {k.removeprefix("weight/"): v for k, v in arrays.items() if k.startswith("weight/")}
        slots = {w: {s: arrays[f"slot/{s}/{w}"] for s in names} for w, names in meta["slots"].items()}
        saved, progress = meta["identity"], Progress(**meta["progress"])
    except Exception as error:  # zipfile, NumPy and json each have their own for a damaged file
        raise CrosstrainError(
            f"the checkpoint {path} is damaged ({error}); delete it to start afresh"
        ) from error
    differing = [key for key, value in json.loads(json.dumps(identity)).items() if saved.get(key) != value]
    if meta["format"] != FORMAT or differing:
        what = f"another {' and '.join(differing)}" if differing else "another version of crosstrain"
        raise CrosstrainError(f"the checkpoint {path} is of {what}; delete it, or name another folder")
    return State(weights, slots, meta["step"], meta.get("scaling")), progress
