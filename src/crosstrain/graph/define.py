"""The define task: a Keras model from its source, written down as graph, weights and loss."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import json
import re
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from crosstrain import zoo
from crosstrain.errors import CrosstrainError
from crosstrain.graph.cost import cost
from crosstrain.graph.foreign import OF_TORCH, is_foreign
from crosstrain.graph.graph import SEED, Graph, TensorSpec, Weights
from crosstrain.graph.keras_import import import_loss, import_with_masks, transfer, weight_names
from crosstrain.graph.keras_import.causes import cause, recording
from crosstrain.graph.keras_import.files.weights_alone import load_into
from crosstrain.graph.keras_import.keras_file import load_keras_file
from crosstrain.graph.keras_import.loss_fit import SPARSE
from crosstrain.graph.keras_import.output import check_rows, layers_with_rows, with_output
from crosstrain.graph.keras_initial import numpy_initial, set_seed
from crosstrain.graph.keras_kernels import draw_kernels
from crosstrain.system.recursion import deep_recursion
from crosstrain.training.recipe import Loss
from crosstrain.zoo.catalogue.segmentation import TASK as SEGMENTATION
from crosstrain.zoo.catalogue.sequences import CAPTIONING, TRANSCRIPTION
from crosstrain.zoo.pretrained import IMAGENET, load_imagenet

Definition = Mapping[str, Any]
AUTOMATIC = re.compile(r"(functional|sequential|model)(_\d+)?")
"""Names that Keras gives to models of its own accord."""

WITHOUT_DATA = {
    SEGMENTATION: Loss(SPARSE, {"from_logits": True}),
    TRANSCRIPTION: Loss("ctc"),
    CAPTIONING: Loss(SPARSE, {"from_logits": True}),
}
"""The losses of tasks of the catalogue, where no data says what outputs mean."""


class TorchModule(CrosstrainError):  # noqa: N818 (nothing is wrong: another task takes it)
    """A user's function returned a PyTorch module."""


KEPT = (
    "source", "input_shapes", "classes", "vocabulary", "seed", "trust", "output", "freeze_until",
    "replace_head",
)  # fmt: skip
"""What of a job builds the model again."""


def run(job: Mapping[str, Any], emit: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Build the model of ``job``, write ``network.json``, ``loss.json`` (each with its ``.npz``) and
    ``definition.json`` to its folder; returns the last one's content."""
    emit({"event": "phase", "name": "define"})
    try:
        with recording(keras.layers.Layer, "__new__") as made:
            model = build_model(job)
    except TorchModule:
        return dict(OF_TORCH)
    remarks = [drawn_kernels(model, job)] if job.get("kernel_initializer") else []
    if job.get("weights"):
        load_weights(model, job)
    remarks += [transfer.remark(model, job["freeze_until"])] if job.get("freeze_until") else []
    graph, weights, masks = import_with_masks(model, input_specs(job))
    check_rows(graph, layers_with_rows(graph))
    name = name_of(model, str(job["source"]))
    graph = replace(graph, name=name)
    said = list(filter(None, remarks))
    return record(job, name, graph, weights, weight_names(model), masks, said, lines=lines_of(model, made))


def lines_of(model: keras.Model, made: Mapping[int, str]) -> dict[str, str]:
    """The line of the user's source that made each layer, by its name."""
    layers = model._flatten_layers(include_self=False)
    return {layer.name: made[id(layer)] for layer in layers if id(layer) in made}


def name_of(model: keras.Model, source: str) -> str:
    """The model's name; where Keras has chosen it (``functional_3``), that of its function or file."""
    if not AUTOMATIC.fullmatch(model.name) or not is_file(source):
        return str(model.name)
    return source.rpartition(":")[2] if ".py:" in source else Path(source).stem


def drawn_kernels(model: keras.Model, job: Mapping[str, Any]) -> str:
    """Draw the model's kernels as the job says; only a new head's where the rest has weights of a file."""
    layers = [model]
    if job.get("weights"):
        layers = [transfer.head_of(model)] if job.get("replace_head") and not job.get("whole") else []
    with numpy_initial(drawn=job.get("drawn", True)):
        return draw_kernels(layers, job["kernel_initializer"], int(job.get("seed") or 0))


def load_weights(model: keras.Model, job: Mapping[str, Any]) -> None:
    """Give ``model`` the weights that the job names: a file's, those of another training, or ``imagenet``.
    Where the head is replaced, it keeps its own, unless the file is of this very network (``whole``)."""
    fresh = bool(job.get("replace_head")) and not job.get("whole")
    skipped = [transfer.head_of(model)] if fresh else []
    if job["weights"] == IMAGENET:
        load_imagenet(model, str(job["source"]), skipped)
        return
    try:
        load_into(model, Path(job["weights"]), skipped)
    except CrosstrainError as error:
        if skipped or not _in_head(model, str(error)):
            raise
        raise CrosstrainError(f"{error}; --replace-head gives the last layer new weights") from error


def _in_head(model: keras.Model, message: str) -> bool:
    """Whether a message names a weight of the model's last layer."""
    weighted = [layer for layer in model.layers if layer.weights]
    return bool(weighted) and any(variable.path in message for variable in weighted[-1].weights)


def record(
    job: Mapping[str, Any],
    name: str,
    graph: Graph,
    weights: Weights,
    names: Sequence[str],
    masks: Mapping[str, Graph] | None = None,
    said: Sequence[str] = (),
    **more: Any,
) -> dict[str, Any]:
    """Choose the loss of a network and write all of its definition; ``names`` are its weights' in the order
    of its maker, ``masks`` those that its outputs carry, ``said`` are remarks to keep, ``more`` is kept
    beside. Returns the content of ``definition.json``."""
    folder = Path(job["folder"])
    check_inputs(graph, job)
    source = str(job["source"])
    (loss, constants, chosen, targets), remarks = chosen_loss(job, graph, masks)

    counted = cost(graph)
    data = {
        "format": 1,
        **{key: job.get(key) for key in KEPT},
        "remarks": [*said, *remarks],
        "floatx": job.get("floatx") or "float32",
        "file": str(source_file(source).resolve()) if is_file(source) else None,
        "file_hash": hashlib.sha256(source_file(source).read_bytes()).hexdigest()
        if is_file(source)
        else None,
        "name": name,
        "inputs": {
            k: {"shape": list(v.shape[1:]), "dtype": v.dtype} for k, v in graph.inputs.items() if k != SEED
        },
        "outputs": {k: list(graph.spec(ref).shape[1:]) for k, ref in graph.outputs.items()},
        "targets": {k: {**v, "shape": list(v["shape"])} for k, v in targets.items()},
        "losses": {k: v.to_json() for k, v in chosen.items()},
        "weights": list(names),
        "parameters": graph.parameters,
        "macs": counted.macs,
        "activation_bytes": counted.activation_bytes,
        "nodes": len(graph.nodes),
        "graph_hash": graph.hash,
        "keras_version": keras.__version__,
        "keras_backend": keras.backend.backend(),
        **more,
    }
    folder.mkdir(parents=True, exist_ok=True)
    graph.save(folder / "network.json", weights if job.get("drawn", True) else None)
    loss.save(folder / "loss.json", constants or None)
    (folder / "definition.json").write_text(json.dumps(data, indent=1))
    return data


def chosen_loss(
    job: Mapping[str, Any], graph: Graph, masks: Mapping[str, Graph] | None
) -> tuple[Any, list[str]]:
    """What ``import_loss`` makes of the losses asked for, else of a compiled model's own where they fit, else
    of those that crosstrain chooses; and sentences on what did not fit."""
    losses, own = (
        entries and {output: Loss(**loss) for output, loss in entries.items()}
        for entries in (job.get("losses"), job.get("own_losses"))
    )
    targets, source = job.get("targets"), str(job["source"])
    asked = None if is_file(source) else zoo.variant(source)
    more = {key: job[key] for key in ("label_smoothing", "class_weight") if job.get(key)}
    if not (losses or own or targets) and asked and asked.row.task in WITHOUT_DATA:
        losses = {"": WITHOUT_DATA[asked.row.task]}
    if losses or not own:
        loss_weights = asked.row.loss_weights if asked else {}
        return import_loss(losses, graph, targets, load_object, masks, loss_weights, **more), []
    try:
        return import_loss(own, graph, targets, load_object, masks, **more), []
    except CrosstrainError as error:
        chosen = import_loss(None, graph, targets, load_object, masks, **more)
        names = ", ".join(loss.name for loss in chosen[2].values())
        return chosen, [f"the model's own loss is not taken but {names}: {error}"]


# -- building -----------------------------------------------------------------------------------
def build_model(definition: Definition, floatx: str | None = None) -> keras.Model:
    """The Keras model of a definition (a define job, or the content of ``definition.json``).

    ``floatx`` (``float32`` or ``float64``) overrides the definition's. Weights are initialised from the
    definition's seed. Raises ``CrosstrainError`` where the source cannot be built.
    """
    floatx = floatx or definition.get("floatx") or "float32"
    keras.backend.clear_session()
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(floatx)
    set_seed(int(definition.get("seed") or 0))
    # Without JAX, Keras's NumPy backend learns shapes by running layers on arrays that nothing has filled.
    quiet = np.errstate(all="ignore")
    with numpy_initial(drawn=definition.get("drawn", True)), deep_recursion(), quiet:
        return load_model(definition, floatx)


def load_model(definition: Definition, floatx: str) -> keras.Model:
    """The model of a definition, with its weights built."""
    source = str(definition["source"])
    shapes, classes = definition.get("input_shapes"), definition.get("classes")
    vocabulary = definition.get("vocabulary")
    if is_saved(source):
        model = load_keras_file(located(definition), trust=bool(definition.get("trust")), floatx=floatx)
    elif is_file(source):
        place = f"{located(definition)}:{source.rpartition(':')[2]}"
        function = load_object(place)
        set_seed(int(definition.get("seed") or 0))  # again: loading may have drawn, or brought in TensorFlow
        model = called(place, function, shapes, classes, vocabulary)
    else:
        model = guarded(source, lambda: of_catalogue(source, shapes, classes, vocabulary))
    if not isinstance(model, keras.Model):
        if _is_module(model):
            raise TorchModule(f"{source} returned a PyTorch module")
        raise CrosstrainError(f"{source} returned {type(model).__name__}; it has to return a keras.Model")
    model = built(model, input_specs(definition), source)
    if definition.get("output"):
        model = with_output(model, str(definition["output"]))
    if definition.get("replace_head") and (is_saved(source) or not transfer.has_classes(model, classes)):
        model = transfer.with_new_head(model, classes)
    if definition.get("freeze_until"):
        transfer.freeze_until(model, str(definition["freeze_until"]))
    return model


def _is_module(result: Any) -> bool:
    """Whether a function returned a PyTorch module, or one and example inputs. Asks without importing it."""
    torch = sys.modules.get("torch")
    first = result[0] if isinstance(result, tuple) and result else result
    return torch is not None and isinstance(first, torch.nn.Module)


def of_catalogue(source: str, shapes: Any, classes: int | None, vocabulary: int | None) -> keras.Model:
    """A network of the zoo for these shapes."""
    asked = zoo.variant(source)
    names = asked.row.inputs if asked else ()
    if not asked or not names or shapes is None:
        return zoo.build(source, single(shapes, source), classes, vocabulary)
    if set(shapes) != set(names):
        raise CrosstrainError(
            f"{source} has the inputs {', '.join(names)}; the data has "
            f"{', '.join(name or 'one without a name' for name in shapes)}; {asked.row.note}"
        )
    picture, rows = (tuple(shapes[name]) for name in names)
    return zoo.build(source, picture, classes, vocabulary, rows[0])


def is_file(source: str) -> bool:
    """Whether the source is a user's file (rather than a network of the zoo)."""
    return is_saved(source) or is_foreign(source) or ".py:" in source


def is_saved(source: str) -> bool:
    """Whether the source is a saved model, which has weights of its own."""
    return source.endswith((".keras", ".h5", ".hdf5"))


def source_file(source: str) -> Path:
    return Path(source.rpartition(":")[0] if ".py:" in source else source).expanduser()


def located(definition: Definition) -> Path:
    """The source's file: where it was, or where it is now relative to the working folder."""
    path = source_file(str(definition["source"]))
    known = definition.get("file")
    return Path(known) if known and Path(known).exists() else path


def load_object(place: str) -> Any:
    """The object that ``file.py:name`` names. The file runs with its own folder on the path."""
    file, _, name = place.rpartition(":")
    path = Path(file).expanduser()
    if not path.is_file():
        raise CrosstrainError(f"there is no file {file}")
    module_name = f"crosstrain_user_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    module = sys.modules.get(module_name)
    if module is None:
        spec = importlib.util.spec_from_file_location(module_name, path)
        if spec is None or spec.loader is None:
            raise CrosstrainError(f"{file} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        folder = str(path.resolve().parent)
        if folder not in sys.path:
            sys.path.insert(0, folder)
        try:
            guarded(file, lambda: spec.loader.exec_module(module))  # type: ignore[union-attr]
        except CrosstrainError:
            del sys.modules[module_name]
            raise
    if not hasattr(module, name):
        own = [k for k, v in vars(module).items() if inspect.isfunction(v) and v.__module__ == module_name]
        raise CrosstrainError(f"{file} has no {name!r}; it has {', '.join(own) or 'no functions'}")
    return getattr(module, name)


def called(place: str, function: Any, shapes: Any, classes: int | None, vocabulary: int | None = None) -> Any:
    """Call the user's function with those of input_shape, input_shapes, classes and vocabulary that it
    takes."""
    if not callable(function):
        return function
    parameters = inspect.signature(function).parameters
    arguments: dict[str, Any] = {}
    if shapes is not None:
        arguments["input_shapes"] = {name: tuple(shape) for name, shape in shapes.items()}
    if shapes is not None and len(shapes) == 1:
        arguments["input_shape"] = tuple(next(iter(shapes.values())))
    if classes is not None:
        arguments["classes"] = classes
    if vocabulary is not None:
        arguments["vocabulary"] = vocabulary
    accepted = {name: value for name, value in arguments.items() if name in parameters}
    required = [
        name
        for name, p in parameters.items()
        if p.default is p.empty
        and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        and name not in accepted
    ]
    if required:
        raise CrosstrainError(
            f"{place} needs {', '.join(required)}; crosstrain gives input_shape, input_shapes, classes "
            "and vocabulary where the data has them: take those, or have defaults"
        )
    return guarded(place, lambda: function(**accepted))


def guarded(place: str, build: Callable[[], Any]) -> Any:
    """Run the user's code. Errors are raised as ``CrosstrainError`` in a sentence (the traceback goes to the
    log)."""
    try:
        return build()
    except CrosstrainError:
        raise
    except Exception as error:
        traceback.print_exc()
        raise CrosstrainError(f"{place} failed: {cause(error)}") from error


def single(shapes: Any, source: str) -> tuple[int, ...] | None:
    if shapes is None:
        return None
    if len(shapes) != 1:
        raise CrosstrainError(f"{source} has one input; the data has {len(shapes)}")
    return tuple(next(iter(shapes.values())))


def built(model: keras.Model, specs: Mapping[str, TensorSpec] | None, source: str) -> keras.Model:
    """The model with its weights: a subclassed model is called once on symbolic inputs."""
    if model.built and getattr(model, "inputs", None) is not None:
        return model
    if getattr(model, "inputs", None) is not None or (model.built and model.weights and not specs):
        return model
    if not specs:
        raise CrosstrainError(
            f"{source} is not built, and no data gives its input shapes; give it keras.Input layers"
        )
    tensors = {name: keras.Input(spec.shape[1:], name=name or "input") for name, spec in specs.items()}
    guarded(source, lambda: model(next(iter(tensors.values())) if len(tensors) == 1 else tensors))
    return model


# -- fitting ------------------------------------------------------------------------------------
def input_specs(definition: Definition) -> dict[str, TensorSpec] | None:
    shapes = definition.get("input_shapes")
    return shapes and {name: TensorSpec((None, *shape)) for name, shape in shapes.items()}


def check_inputs(graph: Graph, job: Mapping[str, Any]) -> None:
    """Check that the network's inputs match the data's."""
    shapes = job.get("input_shapes")
    if not shapes:
        return
    inputs = {name: spec for name, spec in graph.inputs.items() if name != SEED}
    if len(shapes) == len(inputs) == 1:
        shapes = {next(iter(inputs)): next(iter(shapes.values()))}
    if set(shapes) != set(inputs):
        raise CrosstrainError(
            f"{job['source']} has the inputs {', '.join(inputs)}, the data "
            f"{', '.join(repr(s) for s in shapes)}; give them the same names"
        )
    for name, spec in inputs.items():
        expected, actual = spec.shape[1:], tuple(shapes[name])
        if len(expected) != len(actual) or any(
            None not in pair and pair[0] != pair[1] for pair in zip(expected, actual, strict=True)
        ):
            raise CrosstrainError(
                f"{job['source']} takes {sized(expected)}, the data is {sized(actual)}; prepare the data "
                "at that size, "
                "or have the function take input_shape"
            )


def sized(shape: tuple[Any, ...]) -> str:
    return "×".join("any" if s is None else str(s) for s in shape) or "a number"
