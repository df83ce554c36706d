"""Keras on one of its backends: what a user gets who stays inside Keras.

The network is a functional model of Keras's own layers, compiled by ``Model.compile`` with Keras's own
optimizer and trained by the train function that ``fit`` makes, driven step by step as ``fit`` drives it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import keras
import numpy as np

from crosstrain.engines.checks import check_inputs, check_weights, checked_options
from crosstrain.engines.contract import Arrays, Description, Option, Setting, State
from crosstrain.engines.devices import free_bytes
from crosstrain.engines.keras.backends import Backend, Seeds, backend
from crosstrain.engines.registry import engine_row
from crosstrain.engines.resident import OPTION as DATA
from crosstrain.engines.resident import Rows, worth_keeping
from crosstrain.engines.sharing import pieces, shapes
from crosstrain.errors import CrosstrainError
from crosstrain.graph.evaluate import compiled
from crosstrain.graph.graph import SEED, Graph
from crosstrain.graph.keras_export import export, keras_optimizer
from crosstrain.graph.keras_export.model import drawn_as
from crosstrain.graph.keras_export.optimizer import SLOTS
from crosstrain.graph.keras_ops import OPS
from crosstrain.graph.program import Program
from crosstrain.training.scaling import first_scaling

Tensor = Any

OPTIONS = {
    "jit_compile": Option(
        "auto", ("auto", True, False),
        "compile the step: as Keras chooses (XLA on JAX, and on TensorFlow with a GPU), always, or not",
    ),
    "data": DATA,
    "arithmetic": Option(
        "full", ("full", "tf32", "bfloat16", "float16"),
        "full: as the precision says; tf32: products of 10-bit mantissas on a GPU; bfloat16, float16: "
        "Keras's policies mixed_bfloat16 and mixed_float16, the latter with a scaled loss",
        "open",
    ),
}  # fmt: skip

PRECISIONS = ("float32", "float64")
MIXED = {"bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}
"""Keras's dtype policies by the option ``arithmetic``."""


class Latest(keras.metrics.Metric):
    """The loss of the last step, where Keras would show the mean since the epoch began."""

    def __init__(self) -> None:
        super().__init__(name="loss", dtype=keras.config.floatx())
        self.latest = self.add_variable((), "zeros", name="latest")

    def update_state(self, values: Tensor, sample_weight: Any = None) -> None:
        self.latest.assign(keras.ops.stop_gradient(keras.ops.cast(values, self.dtype)))

    def result(self) -> Tensor:
        # A value of its own: the variable will hold the next step's.
        return keras.ops.multiply(self.latest, 1.0)


class KerasEngine:
    """Keras on the backend that the process was started with."""

    def __init__(self) -> None:
        self.name = f"keras-{keras.backend.backend()}"
        self._backend: Backend = backend()

    def describe(self) -> Description:
        return Description(keras.__version__, self._backend.devices(), PRECISIONS, OPTIONS)

    def build(self, program: Program, weights: Arrays, setting: Setting) -> KerasNetwork:
        self._backend.start(setting.threads, setting.options.get("arithmetic") == "tf32")
        options = checked_options(self.name, self.describe(), setting)
        if options["arithmetic"] != "full" and setting.precision != "float32":
            raise CrosstrainError(
                f"the engine {self.name} has the arithmetic {options['arithmetic']!r} only at the precision "
                f"'float32', not at {setting.precision!r}"
            )
        return KerasNetwork(program, weights, self._backend, setting, options)


class KerasNetwork:
    """A program as a compiled Keras model."""

    def __init__(
        self, program: Program, weights: Arrays, on: Backend, setting: Setting, options: Mapping[str, Any]
    ) -> None:
        self._program, self._backend, self._setting = program, on, setting
        self._tf32, self._data = options["arithmetic"] == "tf32", options["data"]
        self._step = 0
        self._training = program.training
        self._specs = self._training.weights
        check_weights(program.network.name, self._specs, weights)
        with self._mode():
            # Layers and model keep the policy that they are made under.
            keras.config.set_dtype_policy(MIXED.get(options["arithmetic"], setting.precision))
            exported = export(program.network, dict(weights))
            keras.config.set_dtype_policy(setting.precision)
            self._model, self._variables, self._noise = exported.model, exported.variables, exported.noise
            self._idle = {
                name: self._array(weights[name], spec.dtype)
                for name, spec in self._specs.items()
                if name not in self._variables
            }
            self._optimizer = keras_optimizer(program.optimizer)
            self._compile(options["jit_compile"])
            self._trainer = on.trainer(self._model)
        self._shown = {id(v): name for name, v in self._variables.items()}
        self.load(State(weights))

    def _compile(self, jit_compile: Any) -> None:
        model, loss = self._model, self._program.loss
        run = compiled(loss, OPS, self._setting.precision)
        constants = {name: self._idle[name] for name in loss.weights}

        def compute_loss(
            x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
        ) -> Tensor:
            """The program's loss, where Keras would combine the losses that it was compiled with."""
            outputs = {f"output/{name}": _widened(value) for name, value in self._named(y_pred).items()}
            tensors = {name: keras.ops.convert_to_tensor(value) for name, value in constants.items()}
            targets = {name: _narrowed(value, loss.inputs[name].dtype) for name, value in y.items()}
            total = run(tensors, {**outputs, **targets})[0]["loss"]
            for penalty in model.losses:
                total = total + penalty
            return total

        model.compute_loss = compute_loss
        model.compile(optimizer=self._optimizer, jit_compile=jit_compile)
        model._loss_tracker = Latest()
        model.optimizer.build(model.trainable_variables)  # under mixed_float16 Keras's scaling wraps it

    # -- the calls of the contract ----------------------------------------------------------------
    def train(self, inputs: Arrays, learning_rate: float) -> Tensor:
        with self._mode():
            self._step += 1
            x, y = self._features(inputs), self._targets(inputs)
            return self._trainer.train(x, y, learning_rate, self._seeds(inputs))

    def predict(self, inputs: Arrays, training: bool = False) -> dict[str, np.ndarray]:
        with self._mode():
            x = self._features(inputs)
            outputs = self._trainer.forward(x, self._seeds(inputs)) if training else self._trainer.predict(x)
            return {k: _array(_widened(v)) for k, v in self._named(outputs).items()}

    def gradients(self, inputs: Arrays) -> tuple[float, dict[str, np.ndarray]]:
        loss, slopes, _ = self._slopes(inputs)
        return loss, slopes

    def contribution(self, inputs: Arrays) -> np.ndarray:
        loss, slopes, moved = self._slopes(inputs)
        parts = {**slopes, **moved}
        joined = [np.ravel(parts[name]) for name in shapes(self._program)]
        return np.concatenate([[loss], *joined], dtype=self._setting.precision)

    def update(self, mean: np.ndarray, learning_rate: float) -> None:
        self._step += 1
        taken = pieces(mean, shapes(self._program))
        with self._mode():
            names = [self._shown[id(v)] for v in self._model.trainable_variables]
            self._trainer.apply([taken[name] for name in names], learning_rate)
            for name in self._training.updates:
                self._variables[name].assign(taken[name])

    def _slopes(self, inputs: Arrays) -> tuple[float, dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Loss, gradients and next moving statistics by name."""
        with self._mode():
            x, y = self._features(inputs), self._targets(inputs)
            loss, gradients, moved = self._trainer.gradients(x, y, self._seeds(inputs))
        slopes = {
            n: np.zeros(self._specs[n].shape, self._setting.precision) for n in self._training.trainable
        }
        for variable, slope in zip(self._model.trainable_variables, gradients, strict=True):
            if slope is not None:
                slopes[self._shown[id(variable)]] = slope
        others = zip(self._model.non_trainable_variables, moved, strict=True)
        return loss, slopes, {self._shown[id(v)]: next_ for v, next_ in others if id(v) in self._shown}

    def read(self) -> State:
        with self._mode():
            self._trainer.sync()
            weights = {name: _array(self._variables.get(name, self._idle.get(name))) for name in self._specs}
            slots = {
                name: {key: _array(slot) for key, slot in self._slots_of(name).items()}
                for name in self._training.trainable
            }
            # Keras counts the steps that were taken, not those that its loss scaling left out.
            taken = int(keras.ops.convert_to_numpy(self._optimizer._iterations))
            scaling = {name: float(_array(variable)) for name, variable in self._scaling().items()}
            if not scaling:
                return State(weights, slots, taken)
            return State(weights, slots, self._step, {**scaling, "skipped": float(self._step - taken)})

    def load(self, state: State) -> None:
        check_weights(self._program.network.name, self._specs, state.weights)
        with self._mode():
            self._trainer.sync()
            for name, spec in self._specs.items():
                value = self._array(state.weights[name], spec.dtype)
                if name in self._variables:
                    self._variables[name].assign(value)
                else:
                    self._idle[name][...] = value
            kinds = self._program.optimizer.slots()
            for name in self._training.trainable:
                slots = (state.slots or {}).get(name) or {}
                for key, slot in self._slots_of(name).items():
                    if isinstance(slot, keras.Variable):
                        value = np.broadcast_to(slots.get(key, kinds[key].initial), slot.shape)
                        slot.assign(self._array(value, "float32"))
            kept = (state.scaling if state.slots is not None else None) or first_scaling()
            for name, variable in self._scaling().items():
                variable.assign(kept[name])
            skipped = int(kept["skipped"]) if self._scaling() else 0
            self._step = 0 if state.slots is None else state.step
            self._optimizer._iterations.assign(self._step - skipped)

    def keep(self, parts: Mapping[str, Arrays]) -> dict[str, dict[str, Rows]] | None:
        device = self._setting.device
        free = free_bytes(engine_row(f"keras-{keras.backend.backend()}"), device)
        if not worth_keeping(self._data, parts, free):
            return None
        network, loss = self._program.network, self._program.loss
        with self._mode():
            return {
                part: {
                    name: Rows.all(self._backend.kept(
                        self._as_read(network if name in network.inputs else loss, name, array), device
                    ))
                    for name, array in arrays.items()
                }
                for part, arrays in parts.items()
            }  # fmt: skip

    def wait(self) -> None:
        with self._mode():
            self._trainer.wait()

    # -- between crosstrain's names and Keras's -----------------------------------------------------
    def _slots_of(self, name: str) -> dict[str, Any]:
        """A weight's slots: Keras's variables (NAdam has one product for all weights); first values where
        nothing reads the weight, so that Keras does not train it."""
        optimizer = self._program.optimizer
        slots: dict[str, Any] = {}
        for key, kind in optimizer.slots().items():
            variables = getattr(self._optimizer, SLOTS[optimizer.name][key])
            if name not in self._variables:
                slots[key] = np.full(
                    () if kind.scalar else self._specs[name].shape, kind.initial, self._setting.precision
                )
            elif kind.scalar:
                slots[key] = variables
            else:
                slots[key] = variables[self._optimizer._get_variable_index(self._variables[name])]
        return slots

    def _scaling(self) -> dict[str, Any]:
        """The variables of the loss's scaling, where Keras scales it."""
        outer = self._model.optimizer
        if not isinstance(outer, keras.optimizers.LossScaleOptimizer):
            return {}
        return {"scale": outer.dynamic_scale, "good": outer.step_counter}

    def _named(self, outputs: Any) -> dict[str, Tensor]:
        if isinstance(outputs, dict):
            return outputs
        (name,) = self._program.network.outputs
        return {name: outputs}

    def _features(self, inputs: Arrays) -> Any:
        tensors = [self._to_tensor(self._program.network, name, inputs)
                for name in self._program.network.inputs if name != SEED]  # fmt: skip
        return tensors[0] if len(tensors) == 1 else tensors

    def _targets(self, inputs: Arrays) -> dict[str, Tensor]:
        loss = self._program.loss
        return {n: self._to_tensor(loss, n, inputs) for n in loss.inputs if not n.startswith("output/")}

    def _seeds(self, inputs: Arrays) -> Seeds:
        if not self._noise or SEED not in inputs:
            return []
        return [(noise.state, drawn_as(int(inputs[SEED]), salt).astype(noise.state.dtype))
                for noise, salt in self._noise]  # fmt: skip

    # -- arrays -------------------------------------------------------------------------------------
    def _to_tensor(self, graph: Graph, name: str, inputs: Arrays) -> Tensor:
        """An input as Keras's data iterators yield it."""
        check_inputs(graph.name, (name,), inputs)
        value: Any = inputs[name]
        if isinstance(value, Rows):
            return self._backend.gathered(value.array, value.index)
        return self._backend.tensor(self._as_read(graph, name, np.asarray(value)))

    def _as_read(self, graph: Graph, name: str, array: np.ndarray) -> np.ndarray:
        """In the graph's dtype; bytes stay bytes, and become floats on the device."""
        dtype = graph.inputs[name].dtype
        features = graph is self._program.network
        if features and dtype == "float32" and array.dtype == np.uint8:
            return array
        return np.asarray(array, self._setting.precision if dtype == "float32" else dtype)

    def _array(self, value: Any, dtype: str) -> np.ndarray:
        return np.array(value, self._setting.precision if dtype == "float32" else dtype)

    def _mode(self) -> AbstractContextManager[Any]:
        return self._backend.scope(self._setting.device, self._setting.precision, self._tf32)


def _narrowed(value: Tensor, dtype: str) -> Tensor:
    """Whole numbers in the graph's dtype; on a device they may lie in a wider one."""
    wider = dtype == "int32" and keras.backend.standardize_dtype(value.dtype) == "int64"
    return keras.ops.cast(value, dtype) if wider else value


def _widened(value: Tensor) -> Tensor:
    """In the run's precision, where a mixed policy made it lower."""
    lower = keras.backend.standardize_dtype(value.dtype) in MIXED
    return keras.ops.cast(value, keras.config.floatx()) if lower else value


def _array(variable: Any) -> np.ndarray:
    """A copy in host memory of a variable or an array."""
    return np.array(keras.ops.convert_to_numpy(variable))


ENGINE = KerasEngine()
