"""Networks as .tflite files, made by TensorFlow's converter from crosstrain's own TensorFlow lowering."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from crosstrain.engines.tensorflow.ops import operations
from crosstrain.graph.evaluate import compiled
from crosstrain.graph.graph import Graph, Weights


def to_tflite(graph: Graph, weights: Weights) -> bytes:
    """The inference phase of ``graph``, float32, with a batch of any length. Inputs keep the graph's order
    and names, outputs its order. Raises ``UnsupportedOp`` for an op that has no form on TensorFlow, and the
    converter's own errors for one that LiteRT lacks."""
    inference = graph.phase(training=False)
    run = compiled(inference, operations("float32", inference=True), "float32")
    constants = {name: tf.constant(weights[name]) for name in inference.weights}

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, *spec.shape[1:]), spec.dtype, name=f"input_{index}")
            for index, spec in enumerate(inference.inputs.values())
        ]
    )
    def predict(*inputs: Any) -> Any:
        outputs, _ = run(constants, dict(zip(inference.inputs, inputs, strict=True)))
        return {f"output_{index:03d}": outputs[name] for index, name in enumerate(inference.outputs)}

    converter = tf.lite.TFLiteConverter.from_concrete_functions([predict.get_concrete_function()])
    flatbuffer: bytes = converter.convert()
    return flatbuffer
