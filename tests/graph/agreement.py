"""Compares imported networks with Keras itself, in a process whose Keras runs on TensorFlow in float64.

``python -m tests.graph.agreement OUT.json [NAME…]`` runs the cases and writes, for each, the norm-wise
relative errors of outputs (both phases) and of updated state, or what went wrong.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """``build()`` gives a Keras model. Inputs are drawn by its own specs; integers lie below ``classes``."""

    build: Callable[[], Any]
    tolerance: float = 1e-12
    floatx: str = "float64"
    classes: int = 5
    batch: int = 3


def relative_error(actual: np.ndarray, expected: np.ndarray) -> float:
    assert actual.shape == expected.shape, (actual.shape, expected.shape)
    if expected.size == 0:
        return 0.0
    expected = expected.astype("float64")
    return float(np.linalg.norm(actual - expected) / max(float(np.linalg.norm(expected)), 1e-30))


def drawn(model: Any, case: Case, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Inputs by the names that the graph gives them; state and weights away from their initial values."""
    for variable in model.weights:
        if "int" in variable.dtype:
            continue
        values = rng.normal(size=variable.shape) * 0.5
        variable.assign(np.abs(values) + 0.1 if "variance" in variable.path else values)
    for layer in model.layers:
        if hasattr(layer, "finalize_state"):  # Normalization, which loading does likewise
            layer.finalize_state()
    inputs = {}
    for tensor in model.inputs:
        shape = (case.batch, *[7 if s is None else s for s in tensor.shape[1:]])
        integers = "int" in tensor.dtype
        inputs[tensor._keras_history.operation.name] = (
            rng.integers(0, case.classes, shape) if integers else rng.normal(size=shape)
        )
    return inputs


def errors_of(case: Case) -> dict[str, float]:
    """Relative errors of everything that the graph and Keras both compute."""
    import keras

    from crosstrain.graph.keras_import import import_model, weight_names
    from crosstrain.graph.keras_import.network import output_names
    from crosstrain.graph.reference import run_numpy

    keras.backend.clear_session()
    keras.config.set_floatx(case.floatx)
    keras.config.set_dtype_policy(case.floatx)
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    model = case.build()
    inputs = drawn(model, case, rng)
    graph, weights = import_model(model)
    noisy = {"seed": np.asarray(0)} if "seed" in graph.inputs else {}

    errors: dict[str, float] = {}
    for training in (False, True):
        if training and noisy:
            continue
        outputs, updates = run_numpy(graph, weights, {**inputs, **noisy}, training=training)
        expected = output_names(
            model, model([inputs[t._keras_history.operation.name] for t in model.inputs], training=training)
        )
        for name, value in outputs.items():
            errors[f"{'training' if training else 'inference'}/{name}"] = relative_error(
                value, np.asarray(expected[name])
            )
        after = dict(zip(weight_names(model), model.get_weights(), strict=True))
        for name, value in updates.items():
            errors[f"update/{name}"] = relative_error(value, after[name])
    return errors


def loss_error(name: str, settings: dict[str, Any], output: np.ndarray, target: np.ndarray) -> float:
    """Relative error of a loss graph."""
    import keras

    from crosstrain.graph.graph import Graph, TensorSpec
    from crosstrain.graph.keras_import import import_loss
    from crosstrain.graph.reference import run_numpy
    from crosstrain.training.recipe import Loss

    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    network = Graph("any", {"y": TensorSpec((None, *output.shape[1:]))}, {"y": "%y"}, ())
    spec = {"shape": target.shape[1:], "dtype": target.dtype.name, "classes": None}
    graph, constants, _, _ = import_loss({"": Loss(name, settings)}, network, {"": spec})
    outputs, _ = run_numpy(graph, constants, {"output/y": output, "target/y": target})
    expected = float(getattr(keras.losses, name)(**settings)(target, output))
    return abs(float(outputs["loss"]) - expected) / max(abs(expected), 1e-30)


def main(out: str, names: list[str]) -> None:
    from tests.graph.loss_cases import CASES as LOSSES
    from tests.graph.networks import CASES

    warnings.simplefilter("ignore")
    results: dict[str, Any] = {}
    for name in names or CASES:
        try:
            results[name] = errors_of(CASES[name])
        except Exception as error:
            results[name] = f"{type(error).__name__}: {error}"
    for i, case in enumerate(LOSSES if not names else []):
        try:
            results[f"loss {i} {case[0]}"] = {"loss": loss_error(*case)}
        except Exception as error:
            results[f"loss {i} {case[0]}"] = f"{type(error).__name__}: {error}"
    Path(out).write_text(json.dumps(results))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
