"""The second truth, as a worker's task: Keras itself, in float64, on a framework other than the engine's."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("JAX_ENABLE_X64", "1")  # before Keras imports JAX; the others need no asking

import keras
from keras.src.layers.preprocessing.image_preprocessing.base_image_preprocessing_layer import (
    BaseImagePreprocessingLayer,
)

from crosstrain.errors import CrosstrainError
from crosstrain.graph.define import build_model, load_object
from crosstrain.graph.foreign import without_keras
from crosstrain.graph.keras_export import export, keras_optimizer
from crosstrain.graph.keras_export.optimizer import SLOTS
from crosstrain.graph.keras_import import weight_names
from crosstrain.graph.keras_import.losses import class_weights, loss_object
from crosstrain.graph.keras_import.network import output_names
from crosstrain.graph.keras_import.randomness import nothing_drawn
from crosstrain.graph.keras_precision import set_precision
from crosstrain.proof.arrays import Arrays, write_arrays
from crosstrain.proof.case import Case, single
from crosstrain.proof.states import StateWriter, writing
from crosstrain.proof.truths.constants import settle, watching_calls
from crosstrain.runs.defined import Definition
from crosstrain.training.recipe import Loss
from crosstrain.training.schedules import Schedule

NOISE = ("rate", "stddev", "dropout", "recurrent_dropout", "_dropout")
"""Attributes by which Keras's layers say how much noise they make."""


def run(job: Mapping[str, Any], emit: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Task ``truth``: write to ``job["out"]`` (.npz) what Keras makes of ``job["case"]``, and to
    ``job["states"]`` the state after each training step.

    The keys are those of an engine's evidence. Raises ``CrosstrainError`` where the network cannot be
    computed in float64 on this backend.
    """
    set_precision("float64")
    definition, case = Definition.load(Path(job["definition"])), Case.load(Path(job["case"]))
    model, variables, remarks = network(definition)
    quiet(model)
    losses = {name: Loss(**loss) for name, loss in definition.data["losses"].items()}
    witness = Witness(model, variables, case, losses)
    emit({"event": "phase", "name": "truth"})
    with nothing_drawn():
        write_arrays(Path(job["out"]), witness.evidence())
        with writing(Path(job["states"])) as states:
            witness.walk(states)
    backend = keras.backend.backend()
    return {"keras": keras.__version__, "backend": backend, "version": _version(backend), "remarks": remarks}


def network(definition: Definition) -> tuple[keras.Model, dict[str, Any], list[str]]:
    """The Keras model of a definition in float64, its variables by the graph's names, and remarks on its
    constants. Where the source is no Keras model, the model is built from the graph."""
    if without_keras(definition.data):
        exported = export(definition.graph, definition.weights())
        return exported.model, exported.variables, []
    with watching_calls() as calls:
        model = build_model(definition.data, floatx="float64")
    differing = settle(model, definition)
    # One sentence for what the author may not know: the layer's, where there is one.
    remarks = [str(call) for call in calls if call.weights] or differing
    return model, dict(zip(weight_names(model), model.weights, strict=True)), remarks


def _version(backend: str) -> str:
    import importlib

    return str(importlib.import_module(backend).__version__)


def inferring(call: Callable[..., Any]) -> Callable[..., Any]:
    """A layer's ``call`` that takes every phase for inference."""
    return lambda inputs, **kwargs: call(inputs, **{**kwargs, "training": False})


def quiet(model: keras.Model) -> None:
    """Every rate of dropout and deviation of noise at 0 in Keras's own layers, nested ones and recurrent
    cells too, and pictures as they are. What a user's layer calls its rate is its own: what it draws is
    held."""
    for layer in model._flatten_layers():
        if isinstance(layer, BaseImagePreprocessingLayer):
            layer.call = inferring(layer.call)
        for name in NOISE if _of_keras(layer) else ():
            # A property (of a recurrent layer) only shows what the layer's cell has.
            shown = isinstance(getattr(type(layer), name, None), property)
            if not shown and isinstance(getattr(layer, name, None), float | int):
                setattr(layer, name, 0.0)


def _of_keras(layer: keras.layers.Layer) -> bool:
    """Whether the layer is one of Keras's, or inherits from one."""
    return any(
        kind.__module__.startswith("keras.src.layers.") and kind is not keras.layers.Layer
        for kind in type(layer).__mro__
    )


def rate(schedule: Schedule, initial: float, step: int) -> float:
    """The learning rate of a step by Keras's own schedule, where Keras has it."""
    make: dict[str, Callable[..., Any]] = {
        "step": lambda *, boundaries, factors: keras.optimizers.schedules.PiecewiseConstantDecay(
            list(boundaries), [initial, *(initial * f for f in factors)]
        ),
        "exponential": lambda **s: keras.optimizers.schedules.ExponentialDecay(initial, **s),
        "inverse_time": lambda **s: keras.optimizers.schedules.InverseTimeDecay(initial, **s),
        "cosine": lambda **s: keras.optimizers.schedules.CosineDecay(initial, **s),
    }
    if schedule.name not in make:
        return schedule.rate(initial, step)
    return float(keras.ops.convert_to_numpy(make[schedule.name](**schedule.settings)(step)))


def _keras_loss(loss: Loss) -> Any:
    """Keras's loss object with the reduction that the definition names."""
    keras_loss, reduction = loss_object(loss, load_object)
    keras_loss.reduction = reduction
    return keras_loss


def _sample_weight(loss: Loss, target: Any, output: Any) -> Any:
    """The weight of each example by its class, which Keras's loss multiplies it by."""
    if not loss.class_weight:
        return None
    rows = output[..., 0] if len(output.shape) > 1 else output
    return class_weights(target, rows, loss, output)


def summed(optimizer: Any) -> None:
    """Have an optimizer on TensorFlow get whole gradients.

    TensorFlow's gradient of an embedding has a slice for each use of a row, and Keras squares slice by slice:
    where a row is used twice, Adam's second moment gets a² + b² in place of (a + b)².
    """
    import tensorflow as tf

    own = optimizer.apply

    def apply(gradients: Any, trainable_variables: Any = None) -> Any:
        whole = [None if g is None else tf.convert_to_tensor(g) for g in gradients]
        return own(whole, trainable_variables)

    optimizer.apply = apply


class Witness:
    """A Keras model with the case's weights, asked for each number by Keras's own means."""

    def __init__(
        self, model: keras.Model, variables: Mapping[str, Any], case: Case, losses: Mapping[str, Loss]
    ) -> None:
        self.model, self.variables, self.case = model, variables, case
        narrow = [n for n, v in self.variables.items() if v.dtype in ("float32", "bfloat16", "float16")]
        if narrow:
            raise CrosstrainError(
                f"the layer of {narrow[0]!r} insists on less than float64, so Keras gives no exact truth"
            )
        unknown = sorted(set(self.variables) - set(case.weights))
        if unknown:
            raise CrosstrainError(
                f"the network has changed since it was defined: it has a weight {unknown[0]!r} now"
            )
        self.losses = {name: (_keras_loss(loss), loss) for name, loss in losses.items()}
        # Keras's trainer calls this wherever it needs the loss; by it outputs of any structure are served.
        model.compute_loss = self.compute_loss
        backend = keras.backend.backend()
        model.compile(
            optimizer=keras_optimizer(case.recipe.optimizer),
            jit_compile=backend == "jax",
            run_eagerly=backend == "tensorflow",
        )
        if backend == "tensorflow":
            summed(model.optimizer)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Keras's losses of all outputs that have one, with their weights, and the regularisers."""
        outputs = output_names(self.model, y_pred)
        targets = dict(zip(self.losses, keras.tree.flatten(y), strict=True))
        parts = [
            keras_loss(targets[name], outputs[name], _sample_weight(loss, targets[name], outputs[name]))
            * loss.weight
            for name, (keras_loss, loss) in self.losses.items()
        ]
        return sum([*parts[1:], *self.model.losses], start=parts[0])

    def evidence(self) -> Arrays:
        """The keys of an engine's evidence, but for ``initial`` and the steps."""
        batch, arrays = self.case.first(), {}
        for mode, training in (("inference", False), ("training", True)):
            with self.fresh():
                outputs = self.model(self.inputs(batch), training=training)
            for name, value in output_names(self.model, outputs).items():
                arrays[f"{mode}/{name}"] = keras.ops.convert_to_numpy(value)
        with self.fresh():
            loss, gradients = GRADIENTS[keras.backend.backend()](
                self.model, self.inputs(batch), self.targets(batch)
            )
        arrays["loss"] = np.asarray(loss, "float64")
        names = {id(v): n for n, v in self.variables.items()}
        for variable, gradient in zip(self.model.trainable_variables, gradients, strict=True):
            zero = np.zeros(variable.shape)
            arrays[f"gradient/{names[id(variable)]}"] = zero if gradient is None else np.asarray(gradient)
        return arrays

    def walk(self, states: StateWriter) -> None:
        """Real training steps with Keras's own optimizer and schedule; the state after each is written."""
        case = self.case
        initial = float(case.recipe.optimizer.learning_rate or 0.0)
        with self.fresh():
            for step, batch in enumerate(case.batches()):
                exact = rate(case.recipe.schedule, initial, step) * case.change(step)
                self.model.optimizer.learning_rate = single(exact)
                self.model.train_on_batch(self.inputs(batch), self.targets(batch))
                weights = {name: self._array(v) for name, v in self.variables.items()}
                states.add(step + 1, weights, self.slots())

    def slots(self) -> dict[str, dict[str, np.ndarray]]:
        """What the optimizer remembers of each trainable weight, by crosstrain's names."""
        optimizer, settings = self.model.optimizer, self.case.recipe.optimizer
        trained = {id(v) for v in self.model.trainable_variables}
        slots: dict[str, dict[str, np.ndarray]] = {}
        for name, variable in self.variables.items():
            if id(variable) not in trained:
                continue
            slots[name] = {}
            for slot, kind in settings.slots().items():
                state = getattr(optimizer, SLOTS[settings.name][slot])
                # NAdam has one product for all weights.
                own = state if kind.scalar else state[optimizer._get_variable_index(variable)]
                slots[name][slot] = self._array(own)
        return slots

    def _array(self, variable: Any) -> np.ndarray:
        return np.array(keras.ops.convert_to_numpy(variable))

    @contextmanager
    def fresh(self) -> Iterator[None]:
        """With the case's weights; whatever changed is forgotten by the next."""
        for name, variable in self.variables.items():
            variable.assign(self.case.weights[name])
        yield

    def inputs(self, batch: Mapping[str, np.ndarray]) -> Any:
        """The batch in the structure that the model is called with."""
        features = {n: batch[n] for n in self.case.network.inputs if n in batch}
        # Converted here: some backends would make float32 of a float64 array.
        arrays = [_tensor(v, self.case.network.inputs[n].dtype) for n, v in features.items()]
        structure = getattr(getattr(self.model, "_functional", None) or self.model, "_inputs_struct", None)
        if structure is not None:
            return keras.tree.pack_sequence_as(structure, arrays)
        return arrays[0] if len(arrays) == 1 else dict(zip(features, arrays, strict=True))

    def targets(self, batch: Mapping[str, np.ndarray]) -> Any:
        """The targets in the order of the outputs that have a loss."""
        specs = self.case.loss.inputs
        return [_tensor(batch[f"target/{name}"], specs[f"target/{name}"].dtype) for name in self.losses]


def _tensor(array: np.ndarray, dtype: str) -> Any:
    return keras.ops.convert_to_tensor(array, dtype="float64" if dtype == "float32" else dtype)


# -- gradients, as each backend gives them --------------------------------------------------------------
def _tensorflow(model: keras.Model, x: Any, y: Any) -> tuple[float, list[Any]]:
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = model.compute_loss(x=x, y=y, y_pred=model(x, training=True), training=True)
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    return float(loss), [None if g is None else tf.convert_to_tensor(g).numpy() for g in gradients]


def _jax(model: keras.Model, x: Any, y: Any) -> tuple[float, list[Any]]:
    import jax

    trainable = [v.value for v in model.trainable_variables]
    others = [v.value for v in model.non_trainable_variables]
    metrics = [v.value for v in model.metrics_variables]
    slots = [v.value for v in model.optimizer.variables]
    run = jax.jit(
        jax.value_and_grad(
            lambda t: model.compute_loss_and_updates(t, others, metrics, x, y, None, True, slots),
            has_aux=True,
        )
    )
    (loss, _), gradients = run(trainable)
    return float(loss), list(gradients)


def _torch(model: keras.Model, x: Any, y: Any) -> tuple[float, list[Any]]:
    model.zero_grad()
    loss = model.compute_loss(x=x, y=y, y_pred=model(x, training=True), training=True)
    loss.backward()
    gradients = [v.value.grad for v in model.trainable_variables]
    return float(loss.detach()), [None if g is None else g.detach().cpu().numpy().copy() for g in gradients]


GRADIENTS: dict[str, Callable[[keras.Model, Any, Any], tuple[float, list[Any]]]] = {
    "tensorflow": _tensorflow,
    "jax": _jax,
    "torch": _torch,
}
