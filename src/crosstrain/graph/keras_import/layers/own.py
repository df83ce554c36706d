"""The project's own Keras layers, imported as the ops that they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crosstrain.graph.keras_import.registry import native
from crosstrain.graph.keras_import.trace import Tracer
from crosstrain.graph.keras_layers import VocabularyOp


@native(VocabularyOp)
def vocabulary_op(t: Tracer, layer: Any, tensors: Sequence[Any], **_: Any) -> list[Any]:
    inputs = [t.builder.seed() if i is layer.seed_generator and i is not None else i
              for i in layer.inputs_of(tensors)]  # fmt: skip
    settings = dict(layer.attributes)
    if "salt" in settings:
        settings["salt"] = t.builder.next_salt()
    result = t.emit(layer.op, *inputs, **settings)
    return list(result) if isinstance(result, tuple | list) else [result]
