"""The export format ``tensorflow``: a SavedModel for TensorFlow, its runtimes and servers."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.errors import CrosstrainError
from crosstrain.exchange.formats import Arrays, Opened, Source

SIGNATURE = "serving_default"


def argument(name: str) -> str:
    """An input's or output's name as a signature takes it: letters, digits and ``_``."""
    name = re.sub(r"\W", "_", name, flags=re.ASCII)
    return name if re.match(r"[A-Za-z]", name) else f"a{name}"


def arguments(names: list[str], what: str) -> dict[str, str]:
    """The graph's names to the signature's. Raises ``CrosstrainError`` where two become one."""
    arguments = {name: argument(name) for name in names}
    if len(set(arguments.values())) < len(arguments):
        raise CrosstrainError(
            f"the names of the {what} ({', '.join(names)}) are one in a SavedModel; rename them"
        )
    return arguments


def write(source: Source, path: Path) -> None:
    """The inference phase with the signature ``serving_default``, float32, for batches of any length.

    Weights are variables, so that who loads it can train on. Raises ``UnsupportedOp`` for an op that has no
    form on TensorFlow.
    """
    import tensorflow as tf

    from crosstrain.engines.tensorflow.ops import operations
    from crosstrain.graph.evaluate import compiled

    graph = source.graph.phase(training=False)
    run = compiled(graph, operations("float32", inference=True), "float32")
    inputs, outputs = arguments(list(graph.inputs), "inputs"), arguments(list(graph.outputs), "outputs")
    variables = {
        name: tf.Variable(source.weights[name], trainable=spec.trainable, name=argument(name))
        for name, spec in graph.weights.items()
    }
    signature = [
        tf.TensorSpec(spec.shape, spec.dtype, name=inputs[name]) for name, spec in graph.inputs.items()
    ]

    @tf.function(input_signature=signature, autograph=False)
    def predict(*values: Any) -> Any:
        weights = {name: variable.read_value() for name, variable in variables.items()}
        results, _ = run(weights, dict(zip(graph.inputs, values, strict=True)))
        return {outputs[name]: results[name] for name in graph.outputs}

    module = tf.Module()
    # Names of weights have slashes, which attributes cannot have.
    module.weights = {argument(name): variable for name, variable in variables.items()}
    module.predict = predict
    tf.saved_model.save(module, str(path), signatures={SIGNATURE: predict.get_concrete_function()})


def opened(path: Path, source: Source) -> Opened:
    """Loaded by ``tf.saved_model.load``, with Keras out of reach."""
    without = "keras" not in sys.modules
    if without:  # TensorFlow takes Keras along where it can; a SavedModel must not need it
        sys.modules["keras"] = None  # type: ignore[assignment]
    try:
        import tensorflow as tf

        loaded = tf.saved_model.load(str(path))
    finally:
        if without:
            del sys.modules["keras"]
    phase = source.graph.phase(training=False)
    inputs, outputs = arguments(list(phase.inputs), "inputs"), arguments(list(phase.outputs), "outputs")

    def predict(arrays: Arrays) -> Arrays:
        fed = {
            inputs[name]: tf.constant(np.asarray(arrays[name], spec.dtype))
            for name, spec in phase.inputs.items()
        }
        results = loaded.signatures[SIGNATURE](**fed)
        return {name: results[outputs[name]].numpy() for name in outputs}

    return predict
