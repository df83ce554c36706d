"""Keras model → graph and initial weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras.src.backend.common.masking import get_keras_mask
from keras.src.models.functional import Functional

from crosstrain.errors import CrosstrainError
from crosstrain.graph.builder import Builder, run_dtype
from crosstrain.graph.graph import Graph, TensorSpec, Weights
from crosstrain.graph.keras_import import tables  # noqa: F401  (fills the tables of the importer)
from crosstrain.graph.keras_import.tensors import Traced
from crosstrain.graph.keras_import.trace import PHASE, Tracer


def weight_names(model: keras.Model) -> list[str]:
    """The graph's name of each of ``model.weights``, in their order: Keras's paths, numbered where two
    variables have the same one."""
    counts: dict[str, int] = {}
    names = []
    for variable in model.weights:
        count = counts.get(variable.path, 0)
        counts[variable.path] = count + 1
        names.append(variable.path if count == 0 else f"{variable.path}_{count}")
    if len(set(names)) != len(names):
        raise CrosstrainError(
            f"{model.name} has weights whose paths cannot be told apart; give its layers names of their own"
        )
    return names


def input_structure(model: keras.Model, inputs: Mapping[str, TensorSpec] | None) -> Any:
    """The structure of named specs (``(name, spec)`` leaves) that the model is called with. Lengths that a
    functional model leaves open are those of ``inputs``."""
    functional: Any = model if isinstance(model, Functional) else getattr(model, "_functional", None)

    def named(tensor: Any) -> Any:
        name = tensor._keras_history.operation.name
        single = len(keras.tree.flatten(functional._inputs_struct)) == len(inputs or ()) == 1
        spec = next(iter((inputs or {}).values())) if single else (inputs or {}).get(name)
        shape = tuple(tensor.shape)
        if spec is not None and len(spec.shape) == len(shape):
            shape = (
                shape[0],
                *(g if s is None else s for s, g in zip(shape[1:], spec.shape[1:], strict=True)),
            )
        return Leaf(name, TensorSpec(shape, input_dtype(name, tensor.dtype)))

    if functional is not None:
        return keras.tree.map_structure(named, functional._inputs_struct)
    if inputs:
        leaves = {name: Leaf(name or "input", spec) for name, spec in inputs.items()}
        return next(iter(leaves.values())) if len(leaves) == 1 else leaves
    shapes = getattr(model, "_build_shapes_dict", None)
    if shapes and len(shapes) == 1:
        (shape,) = shapes.values()
        if isinstance(shape, tuple | list) and all(isinstance(s, int | None) for s in shape):
            return Leaf("input", TensorSpec((None, *shape[1:])))
    raise CrosstrainError(
        f"{model.name} is not built: give its input shapes, or call it once on keras.Input tensors"
    )


def input_dtype(name: str, dtype: str) -> str:
    """An input's dtype in the graph."""
    if dtype == "string":
        raise CrosstrainError(
            f"the input {name!r} takes text, and engines take numbers; call the layers that turn text into "
            "numbers (TextVectorization, StringLookup, Hashing) on the data, and begin the network behind "
            "them with keras.Input(shape, dtype='int32')"
        )
    return run_dtype(dtype)


def check_training(model: keras.Model) -> None:
    """Refuse a model that says itself how it is trained: an engine would train something else."""
    for method in ("train_step", "compute_loss"):
        if getattr(type(model), method, None) is not getattr(keras.Model, method, None):
            raise CrosstrainError(
                f"{model.name} ({type(model).__name__}) has a {method} of its own, which crosstrain does not "
                "run; write its losses as a loss function of target and output, or as add_loss in a layer's "
                "call, and give networks that train in turns (a GAN's) one by one"
            )


@contextmanager
def without_metrics(model: keras.Model) -> Iterator[None]:
    """Leave out the metrics that layers keep: they watch a network and have no part in its training."""
    metrics = [metric for layer in model._flatten_layers() for metric in layer._metrics]
    for metric in metrics:
        vars(metric)["update_state"] = lambda *_, **__: None
    try:
        yield
    finally:
        for metric in metrics:
            vars(metric).pop("update_state", None)


class Leaf:
    """One named input (a class, so that Keras's tree functions do not look inside)."""

    def __init__(self, name: str, spec: TensorSpec) -> None:
        self.name = name
        self.spec = spec


def output_names(model: keras.Model, outputs: Any) -> dict[str, Any]:
    """Outputs by name: a dictionary's keys, the names of a functional model's last layers, or output_N."""
    if isinstance(outputs, dict):
        return dict(outputs)
    flat = keras.tree.flatten(outputs)
    names = list(getattr(model, "output_names", None) or [])
    if len(names) != len(flat):
        names = ["output"] if len(flat) == 1 else [f"output_{i}" for i in range(len(flat))]
    by_name: dict[str, Any] = {}
    for name, tensor in zip(names, flat, strict=True):
        unique, count = name, 0
        while unique in by_name:
            count += 1
            unique = f"{name}_{count}"
        by_name[unique] = tensor
    return by_name


def import_model(model: keras.Model, inputs: Mapping[str, TensorSpec] | None = None) -> tuple[Graph, Weights]:
    """The model as a graph, and its weights as they are now. See ``import_with_masks``."""
    return import_with_masks(model, inputs)[:2]


def import_with_masks(
    model: keras.Model, inputs: Mapping[str, TensorSpec] | None = None
) -> tuple[Graph, Weights, dict[str, Graph]]:
    """The model as a graph, its weights as they are now, and the masks that its outputs carry: by output
    name, each a graph whose output is ``mask``.

    ``inputs`` gives the input specs of a subclassed model (functional ones know theirs). Raises
    ``CrosstrainError`` for a layer or operation that crosstrain does not support; the sentence names it.
    """
    check_training(model)
    for variable in model.trainable_variables:
        if variable.constraint is not None:
            raise CrosstrainError(
                f"the weight {variable.path!r} has a constraint, which crosstrain does not support; "
                "build the layer without it"
            )
    structure = input_structure(model, inputs)
    builder = Builder(model.name)
    trainable = {id(v) for v in model.trainable_variables}
    named = list(zip(weight_names(model), model.weights, strict=True))
    for name, variable in named:
        array = np.asarray(keras.ops.convert_to_numpy(variable))
        builder.add_weight(name, array, id(variable) in trainable)

    tracer = Tracer(builder, named)
    with tracer.active(), without_metrics(model):
        tensors = keras.tree.map_structure(
            lambda leaf: tracer.tensor(builder.add_input(leaf.name, leaf.spec)), structure
        )
        outputs = model(tensors, training=PHASE)
        named_outputs = output_names(model, outputs)
        results = {name: result(tensor, name) for name, tensor in named_outputs.items()}
        for variable in model.trainable_variables:
            if variable.regularizer is not None:
                tracer.add_penalty(variable.regularizer(variable))
        # The mask of causal attention is an array, which attention scores carry as theirs.
        masks = {
            name: builder.graph({"mask": mask})
            for name, tensor in named_outputs.items()
            if (mask := tracer.ref(get_keras_mask(tensor), "bool")) is not None
        }
        updates = tracer.updates
    return builder.graph(results, updates, tuple(tracer.penalties)), builder.arrays, masks


def result(tensor: Any, name: str) -> str:
    if not isinstance(tensor, Traced):
        raise CrosstrainError(f"the output {name!r} is {type(tensor).__name__}, not a tensor of the network")
    return tensor.reference
