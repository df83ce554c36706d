"""Another output of a Keras model than its own."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from crosstrain.errors import CrosstrainError
from crosstrain.graph.graph import Graph

SHOWN = 8
"""Names in a message."""


def with_output(model: keras.Model, name: str) -> keras.Model:
    """The part of a functional model that leads to the output of the layer ``name``, or to its own output of
    that name. ``CrosstrainError`` where there is none, or not a single one."""
    if not getattr(model, "inputs", None):
        raise CrosstrainError(
            f"{model.name} is a subclassed model, whose layers have no outputs of their own; "
            "--output takes one of a functional model"
        )
    own = dict(zip(getattr(model, "output_names", None) or (), model.outputs, strict=False))
    layers = {layer.name: layer for layer in model.layers}
    if name in own:
        tensor = own[name]
    elif name in layers:
        try:
            tensor = layers[name].output
        except (AttributeError, ValueError) as error:
            raise CrosstrainError(f"the layer {name!r} of {model.name} has no single output") from error
    else:
        raise CrosstrainError(
            f"{model.name} has no layer {name!r}; the last of them are {listed([*layers][::-1])}"
        )
    if not isinstance(tensor, keras.KerasTensor):
        raise CrosstrainError(f"the layer {name!r} of {model.name} has several outputs")
    return keras.Model(model.inputs, tensor, name=model.name)


def layers_with_rows(graph: Graph) -> list[str]:
    """The layers whose output has a row for each example, the last first."""
    names = [
        node.layer.split("/")[0]
        for node in reversed(graph.nodes)
        if node.layer and len(node.outputs[0].shape) > 1 and node.outputs[0].shape[0] is None
    ]
    return list(dict.fromkeys(names))


def listed(names: Sequence[str]) -> str:
    """The first of many names."""
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")


def check_rows(graph: Graph, candidates: Sequence[str]) -> None:
    """Refuse a network none of whose outputs has a row for each example, and propose ``candidates``."""
    shapes = {name: graph.spec(ref).shape for name, ref in graph.outputs.items()}
    if any(shape and shape[0] is None for shape in shapes.values()):
        return
    name, shape = next(iter(shapes.items()))
    whole = "one number" if not shape else f"of shape {shape}"
    hint = f"; take another with --output: {listed(candidates)}" if candidates else ""
    raise CrosstrainError(
        f"the output {name!r} is {whole} for the whole batch (as an accuracy or a loss is), not one row for "
        f"each example, so nothing can be trained by it{hint}"
    )
