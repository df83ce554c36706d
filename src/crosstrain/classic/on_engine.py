"""A Keras model trained on an engine of crosstrain, natively and in a process of its own: weights in, weights
out, for estimators that fine-tune there."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.data.prepared import FORMAT, MANIFEST, SPLITS, Prepared, array_file
from crosstrain.engines.registry import engine_row
from crosstrain.environments.environments import find
from crosstrain.errors import CrosstrainError, EngineMissingError
from crosstrain.runs.definition import define
from crosstrain.runs.process import run_job
from crosstrain.system.files import read_arrays, write_json
from crosstrain.training.recipe import Recipe


def train(
    model: Any,
    X: np.ndarray,
    labels: np.ndarray,
    classes: int,
    *,
    engine: str,
    recipe: Recipe,
    device: str = "cpu",
) -> tuple[list[np.ndarray], list[float]]:
    """Train ``model``, a Keras classifier that gives logits, from the weights that it has, in float64.

    ``X`` is (examples, features), ``labels`` (examples,) are numbers below ``classes``. Returns the trained
    weights in Keras's order and the mean loss of each epoch. Every engine sees the same batches.

    :raises ValueError: the engine does not exist.
    :raises CrosstrainError: the engine is not installed, cannot train the model, or the loss
        became no number.
    """
    row = engine_row(engine)
    if not row.trains:
        raise CrosstrainError(f"the engine {engine} serves trained networks; it does not train")
    if not find(row):
        raise EngineMissingError(f"{engine} is not installed; install it with: {row.how_to_install}")
    with tempfile.TemporaryDirectory(prefix="crosstrain-classic-") as work:
        folder = Path(work)
        model.save(folder / "model.keras")
        data = _prepared(folder / "data", X, labels, classes)
        definition = define(
            str(folder / "model.keras"),
            folder=folder / "definition",
            input_shapes={"": X.shape[1:]},
            classes=classes,
            targets=data.target_specs(),
            floatx="float64",
        )
        outcome = run_job(
            {
                "task": "train", "engine": engine, "device": device, "precision": "float64",
                "network_folder": str(definition.folder), "data_folder": str(data.folder),
                "recipe": recipe.to_json(), "evaluate": False, "weights_out": str(folder / "trained.npz"),
            },
            folder=folder / "logs",
        )  # fmt: skip
        if outcome.result is None:
            raise CrosstrainError(f"{engine} could not train the network: {outcome.error}")
        if outcome.result["diverged"]:
            raise CrosstrainError(f"{engine}: {outcome.result['diverged']}")
        trained = read_arrays(folder / "trained.npz")
        weights = [trained[name] for name in definition.data["weights"]]
        return weights, [float(epoch["train_loss"]) for epoch in outcome.result["epochs"]]


def _prepared(folder: Path, X: np.ndarray, labels: np.ndarray, classes: int) -> Prepared:
    """The examples as a prepared data set, all of them for training."""
    folder.mkdir()
    arrays = {"input": np.ascontiguousarray(X, np.float64), "target": np.ascontiguousarray(labels, np.int64)}
    digest = hashlib.sha256()
    for array in arrays.values():
        digest.update(array.tobytes())
    for split in SPLITS:
        for kind, array in arrays.items():
            kept = array if split == "train" else array[:0]
            np.save(folder / array_file(split, kind, ""), kept, allow_pickle=False)  # type: ignore[arg-type]
    write_json(
        folder / MANIFEST,
        {
            "format": FORMAT,
            "spec": "an estimator's arrays",
            "hash": digest.hexdigest(),
            "task": "classification",
            "classes": [str(number) for number in range(classes)],
            "inputs": {"": {"shape": list(X.shape[1:]), "dtype": "float64"}},
            "targets": {"": {"shape": [], "dtype": "int64", "classes": classes}},
            "splits": {split: len(X) if split == "train" else 0 for split in SPLITS},
            "class_counts": {},
            "prepare_seconds": 0.0,
            "warnings": [],
        },
    )
    return Prepared.load(folder)
