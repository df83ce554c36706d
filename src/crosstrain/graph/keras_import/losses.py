"""Keras losses → one loss graph, with a choice that fits where none is given."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras.src.losses.losses import LossFunctionWrapper

from crosstrain.errors import CrosstrainError
from crosstrain.graph.builder import Builder, ShapeError, run_dtype
from crosstrain.graph.graph import SEED, Graph, TensorSpec, Weights
from crosstrain.graph.keras_import import tables  # noqa: F401  (fills the tables of the importer)
from crosstrain.graph.keras_import.causes import cause
from crosstrain.graph.keras_import.detection import BOX_LOSSES
from crosstrain.graph.keras_import.detection.fitting import box_loss, box_target, check_boxes, for_boxes
from crosstrain.graph.keras_import.loss_fit import IGNORING, SPARSE, check_fit, check_steps
from crosstrain.graph.keras_import.own_losses import OWN, SPARSE_DICE, smoothed_sparse
from crosstrain.graph.keras_import.tensors import Traced
from crosstrain.graph.keras_import.trace import Tracer
from crosstrain.training.recipe import Loss

MEAN_REDUCTIONS = ("sum_over_batch_size", "mean", "mean_with_sample_weight")
KEEPS_INTEGERS = (SPARSE, SPARSE_DICE, "ctc")
"""Losses whose targets are class indices; Keras passes floats to all others."""

SMOOTHED = (SPARSE, "categorical_crossentropy", "binary_crossentropy", "categorical_focal_crossentropy",
            "binary_focal_crossentropy")  # fmt: skip
"""Losses that have label smoothing: Keras's, and the sparse one, whose targets become one-hot rows first."""

Targets = Mapping[str, Mapping[str, Any]]
Chosen = dict[str, Loss]


def import_loss(
    losses: Mapping[str, Loss] | None,
    graph: Graph,
    targets: Targets | None,
    load: Callable[[str], Any] | None = None,
    masks: Mapping[str, Graph] | None = None,
    loss_weights: Mapping[str, float] | None = None,
    label_smoothing: float = 0.0,
    class_weight: Mapping[str, float] | None = None,
) -> tuple[Graph, Weights, Chosen, dict[str, dict[str, Any]]]:
    """The loss of a network as a graph, its constants, the losses used and the specs of their targets.

    ``targets`` maps output names (any name where there is one of each) to ``{"shape", "dtype",
    "classes"}``, without the batch; None takes what fits the losses. ``load`` finds a user's own loss by
    ``file.py:function``. The result is the mean over the batch (Keras's sum_over_batch_size), summed over
    the outputs with their weights. ``masks`` are those that outputs carry: what is masked does not count, as
    in ``keras.losses.Loss.__call__``; the loss then reads the network's inputs too, and gives the mask as
    ``mask/OUTPUT``. ``loss_weights`` are the factors of the outputs, by name, where ``losses`` names none.
    ``label_smoothing`` is that of every loss that has it, ``class_weight`` that of every output with classes;
    the graph then also gives ``unweighted``, the loss in which all classes count alike.
    Raises ``CrosstrainError`` where a loss does not fit.
    """
    specs = matched(graph, targets, losses)
    chosen = {
        name: requested or default_loss(graph, name, specs[name])
        for name, requested in specs_losses(graph, losses, specs).items()
    }
    if not losses or set(losses) == {""}:
        chosen = {
            name: replace(loss, weight=loss.weight * (loss_weights or {}).get(name, 1.0))
            for name, loss in chosen.items()
        }
    chosen = for_boxes(for_label_maps(chosen, specs), specs, graph)
    chosen = adjusted(chosen, specs, label_smoothing, class_weight or {})
    wanted = {name: specs[name] or fitting_target(graph, name, chosen[name]) for name in chosen}
    for name in chosen:
        check_steps(graph, name, wanted[name])

    builder = Builder("loss", constants="loss/constant_")
    tracer = Tracer(builder)
    results: dict[str, str] = {}
    with tracer.active():
        parts: dict[str, list[Traced]] = {"loss": [], "unweighted": []}
        for name, loss in chosen.items():
            output = tracer.tensor(builder.add_input(f"output/{name}", graph.spec(graph.outputs[name])))
            spec = wanted[name]
            shape = (None, *spec["shape"])
            target = tracer.tensor(
                builder.add_input(f"target/{name}", TensorSpec(shape, run_dtype(spec["dtype"])))
            )
            mask = None
            if masks and name in masks:
                mask = copied_mask(tracer, name, masks[name])
                results[f"mask/{name}"] = mask.reference
            both = one_loss(tracer, name, loss, target, output, spec.get("classes"), load, mask)
            for kind, part in both.items():
                parts[kind].append(part if loss.weight == 1 else tracer.op.multiply(part, float(loss.weight)))
        totals = {
            kind: functools.reduce(tracer.op.add, each)
            for kind, each in parts.items()
            if kind == "loss" or any(loss.class_weight for loss in chosen.values())
        }
    references = {kind: total.reference for kind, total in totals.items()}
    return builder.graph({**references, **results}), builder.arrays, chosen, wanted


def for_label_maps(chosen: Chosen, specs: Mapping[str, Any]) -> Chosen:
    """The losses of label maps: pixels without a class are left out, and Dice's is that of class numbers."""
    result = dict(chosen)
    for name, loss in chosen.items():
        void = (specs.get(name) or {}).get("void")
        if void is None:
            continue
        kind = canonical(loss.name)
        if kind == "dice":
            kind, loss = (
                SPARSE_DICE,
                replace(loss, name=SPARSE_DICE, settings={"from_logits": True, **loss.settings}),
            )
        if kind in IGNORING:
            result[name] = replace(loss, settings={**loss.settings, "ignore_class": void})
        elif ":" not in kind:
            raise CrosstrainError(
                f"the loss {kind!r} does not leave out the pixels of a label map that have no class; "
                f"{SPARSE} and dice do, of a network with a score for each class"
            )
    return result


def adjusted(
    chosen: Chosen, specs: Mapping[str, Any], label_smoothing: float, class_weight: Mapping[str, float]
) -> Chosen:
    """The losses with label smoothing and weights of classes where they have them; ``CrosstrainError`` where
    none has."""
    if label_smoothing:
        smoothed = {
            name: replace(loss, settings={"label_smoothing": label_smoothing, **loss.settings})
            for name, loss in chosen.items()
            if canonical(loss.name) in SMOOTHED
        }
        if not smoothed:
            names = ", ".join(loss.name for loss in chosen.values())
            raise CrosstrainError(f"the loss {names} has no label smoothing; cross-entropies have it")
        chosen = {**chosen, **smoothed}
    if class_weight:
        counts = {name: spec["classes"] for name, spec in specs.items() if spec and spec.get("classes")}
        weighted = {name: replace(loss, class_weight=dict(class_weight)) for name, loss in chosen.items()
                    if name in counts}  # fmt: skip
        if not weighted:
            raise CrosstrainError("classes cannot be weighted: the data has no classes")
        most = max(map(int, class_weight))
        if most >= max(counts[name] for name in weighted):
            raise CrosstrainError(
                f"there is a weight for class {most}, but the data has {max(counts.values())} classes, "
                "counted from 0"
            )
        chosen = {**chosen, **weighted}
    return chosen


def matched(graph: Graph, targets: Targets | None, losses: Mapping[str, Loss] | None) -> dict[str, Any]:
    """Target specs by output name; None if unknown."""
    outputs = list(graph.outputs)
    if not targets:
        return dict.fromkeys(outputs)
    if len(targets) == 1 and (len(outputs) == 1 or set(targets) <= {""}):
        (spec,) = targets.values()
        names = [n for n in (losses or {}) if n in outputs] or outputs
        if spec.get("boxes"):  # each head reads them in its own way
            names = [n for n in names if n in (losses or {}) or n in BOX_LOSSES] or names
            return {name: dict(spec) if name in names else None for name in outputs}
        shapes = {graph.spec(graph.outputs[name]).shape for name in names}
        if len(shapes) != 1:
            raise CrosstrainError(
                f"the network has the outputs {', '.join(outputs)}, of different shapes, and the data one "
                "target: give the losses by output name, one of them, or data with a target for each output"
            )
        return {name: dict(spec) if name in names else None for name in outputs}
    unknown = [name for name in targets if name not in outputs]
    if unknown:
        raise CrosstrainError(
            f"the data has a target {unknown[0]!r}, the network only the outputs {', '.join(outputs)}"
        )
    return {name: dict(targets[name]) if name in targets else None for name in outputs}


def specs_losses(
    graph: Graph, losses: Mapping[str, Loss] | None, specs: Mapping[str, Any]
) -> dict[str, Loss | None]:
    """The requested losses by output name; None if crosstrain is to choose."""
    outputs = list(graph.outputs)
    if losses is None or not losses:
        known = [name for name in outputs if specs[name] is not None]
        return dict.fromkeys(known or outputs)
    if set(losses) == {""}:
        named = [name for name in outputs if specs[name] is not None] or outputs
        first = specs[named[0]]
        if len(named) != 1 and (first is None or any(specs[name] != first for name in named)):
            raise CrosstrainError(
                f"the network has the outputs {', '.join(outputs)}: give a loss for each by its name"
            )
        return dict.fromkeys(named, losses[""])
    unknown = [name for name in losses if name not in outputs]
    if unknown:
        raise CrosstrainError(
            f"there is a loss for {unknown[0]!r}, but the network's outputs are {', '.join(outputs)}"
        )
    return dict(losses)


def last_op(graph: Graph, name: str) -> str:
    """The op that produces an output, looking through changes of shape."""
    nodes = {ref: node for node in graph.nodes for ref in node.references}
    node = nodes.get(graph.outputs[name])
    while node is not None and node.op in ("reshape", "cast", "squeeze", "expand_dims"):
        node = nodes.get(str(node.inputs[0]))
    return "" if node is None else node.op


def default_loss(graph: Graph, name: str, target: Mapping[str, Any] | None) -> Loss:
    """The loss that fits an output's last op and its target."""
    shape, last = graph.spec(graph.outputs[name]).shape, last_op(graph, name)
    if not shape or shape[0] is not None:
        whole = "one number" if not shape else f"shape {shape}"
        raise CrosstrainError(
            f"the output {name!r} ({last or 'an input'}) is {whole} for the whole batch, not one row "
            "for each example, so nothing can be trained by it; give a model that ends one step earlier (in "
            "ONNX: onnx.utils.extract_model, with the node's output that has a row for each example)"
        )
    if (target is None or target.get("boxes")) and (of_boxes := box_loss(name)):
        return of_boxes
    if target is not None and target.get("boxes"):
        raise CrosstrainError(
            f"nothing says how the output {name!r} of shape {shape[1:]} stands for boxes: give a loss of "
            f"boxes ({', '.join(BOX_LOSSES)}), call the last layer so, or take a network such as yolo"
        )
    binary = Loss("binary_crossentropy", {"from_logits": last != "sigmoid"})
    sparse = Loss(SPARSE, {"from_logits": last != "softmax"})
    if target is None:
        if shape[-1] == 1 and last == "sigmoid":
            return binary
        return (
            sparse
            if len(shape) == 2 and (shape[-1] or 0) > 1 and last != "sigmoid"
            else Loss("mean_squared_error")
        )
    target_shape, classes = tuple(target["shape"]), target.get("classes")
    if target.get("blank") is not None:
        return Loss("ctc")
    if "int" in target["dtype"]:
        if target_shape in (shape[1:-1], (*shape[1:-1], 1)) and shape[-1] == 1 and classes in (2, None):
            return binary if classes == 2 or last == "sigmoid" else Loss("mean_squared_error")
        if target_shape == shape[1:-1] or target_shape == (*shape[1:-1], 1):
            return sparse
        if target_shape == shape[1:] and (classes == 2 or target.get("binary") or last == "sigmoid"):
            return binary
    elif target_shape == shape[1:]:
        if last == "softmax":
            return Loss("categorical_crossentropy", {"from_logits": False})
        if last == "sigmoid" and target.get("binary"):
            return binary
        one_hot = classes is not None and len(target_shape) > 0 and target_shape[-1] == classes > 1
        if one_hot and last != "sigmoid":
            return Loss("categorical_crossentropy", {"from_logits": True})
        return Loss("mean_squared_error")
    elif (*target_shape, 1) == shape[1:]:
        return Loss("mean_squared_error")
    raise CrosstrainError(
        f"no loss fits the output {name!r} of shape {shape[1:]} and a target of shape {target_shape} and "
        f"dtype {target['dtype']}; "
        "give one, or change the network's last layer"
    )


def fitting_target(graph: Graph, name: str, loss: Loss) -> dict[str, Any]:
    """The target that fits a loss when there is no data."""
    shape = list(graph.spec(graph.outputs[name]).shape)
    kind = canonical(loss.name)
    if kind in BOX_LOSSES:
        return box_target(graph, name, loss)
    if kind in IGNORING:
        return {"shape": shape[1:-1], "dtype": "int64", "classes": shape[-1]}
    if kind == "ctc":
        return {"shape": [max((shape[1] or 2) // 2, 1)], "dtype": "int64", "classes": shape[-1]}
    if kind in ("binary_crossentropy", "hinge", "squared_hinge", "binary_focal_crossentropy"):
        return {"shape": shape[1:], "dtype": "int64", "classes": 2}
    return {"shape": shape[1:], "dtype": "float32", "classes": None}


def canonical(name: str) -> str:
    """A Keras loss's function name (``MeanSquaredError`` and ``mse`` are ``mean_squared_error``); a user's
    own stays as it is."""
    if ":" in name or name in OWN:
        return name
    try:
        loss = keras.losses.get(name)
    except (ValueError, TypeError) as error:
        raise CrosstrainError(
            f"there is no loss {name!r}; give one of Keras's by name, or file.py:function"
        ) from error
    function = getattr(loss, "fn", loss)
    return str(getattr(function, "__name__", name))


def loss_object(loss: Loss, load: Callable[[str], Any] | None) -> Any:
    """The Keras loss, called with (y_true, y_pred), which returns a value for each example; and its
    reduction."""
    if ":" in loss.name:
        if load is None:
            raise CrosstrainError(f"the loss {loss.name!r} cannot be loaded here")
        implementation = load(loss.name)
    elif loss.name in OWN:
        implementation = OWN[loss.name]
    else:
        canonical(loss.name)
        implementation = keras.losses.get(loss.name)
        implementation = (
            type(implementation) if isinstance(implementation, keras.losses.Loss) else implementation
        )
    settings = dict(loss.settings)
    if settings.get("label_smoothing") and canonical(loss.name) == SPARSE:
        implementation = smoothed_sparse
    reduction = settings.pop("reduction", "sum_over_batch_size")
    if reduction not in (*MEAN_REDUCTIONS, "sum"):
        raise CrosstrainError(
            f"the loss {loss.name!r} has the reduction {reduction!r}; training needs "
            "sum_over_batch_size or sum"
        )
    try:
        if isinstance(implementation, keras.losses.Loss):
            loss_fn, reduction = implementation, implementation.reduction
        elif isinstance(implementation, type):
            loss_fn = implementation(**settings)
        else:
            inspect.signature(implementation).bind("y_true", "y_pred", **settings)
            loss_fn = LossFunctionWrapper(implementation, **settings)
    except TypeError as error:
        raise CrosstrainError(
            f"the loss {loss.name!r} does not take the settings {settings}: {error}"
        ) from error
    return loss_fn, reduction


def class_weights(target: Any, values: Any, loss: Loss, output: Any) -> Any:
    """The weight of each value of a loss by the class of its target (as Keras's ``class_weight``), in the
    shape of ``values``; a tensor of the backend, or what stands for one."""
    ops = keras.ops
    size = max(map(int, loss.class_weight)) + 1
    # One more, of weight 1, stands for all classes without a weight.
    table = np.ones(size + 1)
    for key, weight in loss.class_weight.items():
        table[int(key)] = np.float32(weight)
    one_hot = len(target.shape) == len(output.shape) and (target.shape[-1] or 0) > 1
    index = ops.argmax(target, axis=-1) if one_hot else target
    if len(index.shape) > len(values.shape):
        index = ops.squeeze(index, axis=-1)
    index = ops.cast(index, "int32")
    known = ops.logical_and(ops.greater_equal(index, 0), ops.less(index, size))
    table = ops.cast(ops.convert_to_tensor(table, dtype=values.dtype), values.dtype)
    return ops.take(table, ops.where(known, index, size), axis=0)


def one_loss(
    t: Tracer,
    name: str,
    loss: Loss,
    target: Traced,
    output: Traced,
    classes: int | None,
    load: Callable[[str], Any] | None,
    mask: Traced | None = None,
) -> dict[str, Traced]:
    """A loss of one output, reduced to a number: ``loss``, and ``unweighted`` without the weights of classes;
    ``mask`` is the output's."""
    kind = canonical(loss.name)
    loss_fn, reduction = loss_object(loss, load)
    if kind in BOX_LOSSES:
        check_boxes(name, kind, loss.settings, target, output)
    else:
        check_fit(name, kind, target, output, classes, loss_fn)
    y_true = target if kind in KEEPS_INTEGERS else t.cast(target, "float32")
    try:
        values = loss_fn.call(y_true, t.cast(output, "float32"))
    except ShapeError as error:
        raise CrosstrainError(f"the loss {loss.name!r} does not fit the output {name!r}: {error}") from error
    except CrosstrainError:
        raise
    except Exception as error:
        raise CrosstrainError(
            f"the loss {loss.name!r} cannot be computed from the output {name!r} of shape "
            f"{output.shape[1:]} and its target "
            f"of shape {target.shape[1:]}: {cause(error)}"
        ) from error
    if not isinstance(values, Traced):
        raise CrosstrainError(
            f"the loss {loss.name!r} gives {type(values).__name__}, which does not depend on the output"
        )
    own = keras.src.backend.get_keras_mask(values)
    if mask is not None:
        if tuple(values.shape) == (*mask.shape, 1):
            values = t.op.squeeze(values, axis=(-1,))
        if tuple(values.shape) != tuple(mask.shape):
            raise CrosstrainError(
                f"the loss {loss.name!r} gives {tuple(values.shape)[1:]} for each example, the mask of the "
                f"output {name!r} is {tuple(mask.shape)[1:]}; a masked output needs a value for each step"
            )
        mask = mask if own is None else t.op.logical_and(mask, t.cast(own, "bool"))
    values, mask = t.cast(values, "float32"), own if mask is None else mask
    plain = reduced(t, values, mask, reduction)
    if not loss.class_weight:
        return {"loss": plain, "unweighted": plain}
    if len(values.shape) + 1 < len(output.shape):
        raise CrosstrainError(
            f"the loss {loss.name!r} gives one number for all pixels of a picture, so its classes cannot be "
            "weighted; cross-entropies can"
        )
    weighted = t.op.multiply(values, class_weights(target, values, loss, output))
    return {"loss": reduced(t, weighted, mask, reduction), "unweighted": plain}


def copied_mask(t: Tracer, name: str, mask: Graph) -> Traced:
    """The nodes that compute a mask from the network's inputs, written into the loss. ``CrosstrainError``
    where they read weights or noise: then there is no mask before the network has run."""
    read = {ref for node in mask.nodes for ref in node.inputs if ref} | set(mask.outputs.values())
    if f"%{SEED}" in read or any(ref.startswith("@") for ref in read):
        raise CrosstrainError(
            f"the mask of the output {name!r} depends on weights or on noise; a loss needs one that depends "
            "on the network's inputs alone: put Masking before the first layer that has weights"
        )
    for key, spec in mask.inputs.items():
        if f"%{key}" in read and key not in t.builder.inputs:
            t.builder.add_input(key, spec)
    own = mask.renamed(f"mask/{name}/", {})
    for node in own.nodes:
        t.builder.nodes.append(node)
        t.builder.specs.update(zip(node.references, node.outputs, strict=True))
    return t.tensor(own.outputs["mask"])


def reduced(t: Tracer, values: Traced, mask: Any, reduction: str) -> Traced:
    """The sum or the mean of values; with a mask (``ignore_class``), of the unmasked ones."""
    total: Traced
    if not values.shape:
        return values
    if mask is None:
        total = t.emit("sum" if reduction == "sum" else "mean", values)
        return total
    weights = t.cast(mask, "float32")
    total = t.op.sum(t.op.multiply(values, weights))
    if reduction != "sum":
        total = keras.ops.divide_no_nan(total, t.op.sum(weights))
    return total
