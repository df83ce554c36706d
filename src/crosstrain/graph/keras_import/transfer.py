"""A network that was trained elsewhere, made ready to learn something else: a new head, frozen layers."""

from __future__ import annotations

import difflib
import math

import keras

from crosstrain.errors import CrosstrainError
from crosstrain.graph.keras_import.output import listed

WIDTH = ("units", "filters")
"""Settings of layers that say how many numbers come out."""


def head_of(model: keras.Model) -> keras.layers.Layer:
    """The last layer with weights: what turns features into classes. ``CrosstrainError`` where it is no layer
    with a number of outputs, or where the model has several outputs."""
    if len(getattr(model, "outputs", None) or [None]) != 1:
        raise CrosstrainError(
            f"{model.name} has {len(model.outputs)} outputs; only the head of a single one can be replaced"
        )
    weighted = [layer for layer in model.layers if layer.weights]
    if not weighted:
        raise CrosstrainError(f"{model.name} has no layer with weights, so no head to replace")
    head = weighted[-1]
    if not any(hasattr(head, name) for name in WIDTH):
        raise CrosstrainError(
            f"the last layer with weights of {model.name} is {head.name!r} ({type(head).__name__}), which "
            "has no number of outputs to change; end the network with a dense layer"
        )
    return head


def has_classes(model: keras.Model, classes: int | None) -> bool:
    """Whether the head has as many outputs as ``classes`` take."""
    head = head_of(model)
    width = next(int(getattr(head, name)) for name in WIDTH if hasattr(head, name))
    return classes is None or width == classes or (width == 1 and classes == 2)


def with_new_head(model: keras.Model, classes: int | None) -> keras.Model:
    """A copy of a functional or sequential model whose head has new weights, and ``classes`` outputs (None:
    as many as it had); all other weights are the model's."""
    head = head_of(model)

    def copied(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        if layer is head and classes is not None:
            # A yes or no takes one output; of two classes a network with one has it right already.
            width = next(name for name in WIDTH if name in config)
            config[width] = 1 if config[width] == 1 and classes == 2 else classes
        return type(layer).from_config(config)

    try:
        copy = keras.models.clone_model(model, clone_function=copied)
    except ValueError as error:
        raise CrosstrainError(
            f"the head of {model.name} cannot be replaced: it is a subclassed model; build it with another "
            "number of classes"
        ) from error
    for old, new in zip(model.layers, copy.layers, strict=True):
        if old is not head and old.weights:
            new.set_weights(old.get_weights())
    return copy


def freeze_until(model: keras.Model, name: str) -> None:
    """Make the layers up to and including ``name``, in the model's order, untrainable, as Keras means it:
    their weights stay as they are, and BatchNormalization among them runs in inference mode.

    ``CrosstrainError`` for a layer that there is not, and where nothing would be left to train.
    """
    layers = list(model.layers)
    names = [layer.name for layer in layers]
    if name not in names:
        near = difflib.get_close_matches(name, names, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"the last of them are {listed(names[::-1])}"
        raise CrosstrainError(f"{model.name} has no layer {name!r}; {hint}")
    for layer in layers[: names.index(name) + 1]:
        layer.trainable = False
    if not model.trainable_weights:
        raise CrosstrainError(
            f"with {model.name} frozen until {name!r} nothing is left to train; name an earlier layer"
        )


def frozen_layers(model: keras.Model) -> list[str]:
    """The layers with weights that are not trained."""
    return [layer.name for layer in model.layers if layer.weights and not layer.trainable]


def remark(model: keras.Model, name: str) -> str:
    """A sentence on what ``freeze_until`` did."""
    count = lambda weights: sum(math.prod(weight.shape) for weight in weights)
    trained = count(model.trainable_weights)
    frozen = frozen_layers(model)
    return (
        f"frozen until {name!r}: {len(frozen)} layers with {count(model.weights) - trained:,} numbers are "
        f"not trained (BatchNormalization among them runs in inference mode); {trained:,} are"
    )
