"""MLX: one compiled function for a training step, started without waiting for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from crosstrain.engines.mlx import blas  # before MLX, which binds its products when it is loaded

# isort: split
import mlx.core as mx
import numpy as np

from crosstrain.engines.checks import check_inputs, check_weights, checked_options
from crosstrain.engines.contract import Arrays, Description, Option, Setting, State
from crosstrain.engines.mlx.ops import DTYPES, operations
from crosstrain.errors import CrosstrainError
from crosstrain.graph.evaluate import compiled
from crosstrain.graph.graph import Graph
from crosstrain.graph.program import Program
from crosstrain.training.optimizers import apply

Array = Any
Tree = dict[str, Any]

OPTIONS = {
    "compile": Option(
        "auto", ("auto", True, False),
        "fuse elementwise work with mx.compile, which on a CPU needs g++ (auto: where there is one)",
    ),
}  # fmt: skip

PRECISIONS = ("float32", "float64")


def devices() -> dict[str, Any]:
    """MLX's devices by crosstrain's names."""
    by_name = {"cpu": mx.Device(mx.cpu, 0)}
    if mx.is_available(mx.gpu):
        kind = "metal" if mx.metal.is_available() else "cuda"
        for i in range(mx.device_count(mx.gpu)):
            by_name["metal" if kind == "metal" else f"cuda:{i}"] = mx.Device(mx.gpu, i)
    return by_name


class MlxEngine:
    """MLX."""

    name = "mlx"

    def describe(self) -> Description:
        version = f"{mx.__version__}+{blas.NAME}" if blas.NAME else mx.__version__
        return Description(version, tuple(devices()), PRECISIONS, OPTIONS)

    def build(self, program: Program, weights: Arrays, setting: Setting) -> MlxNetwork:
        options = checked_options(self.name, self.describe(), setting)
        if setting.precision == "float64" and setting.device != "cpu":
            raise CrosstrainError(f"MLX has float64 on the cpu only, not on {setting.device!r}")
        if options["compile"] == "auto":
            options["compile"] = setting.device != "cpu" or shutil.which("g++") is not None
        if setting.threads is not None:
            blas.set_threads(setting.threads)
        return MlxNetwork(program, weights, devices()[setting.device], setting.precision, options)


class MlxNetwork:
    """A program on MLX, with its weights and the optimizer's slots, in Keras's layouts, on the device."""

    def __init__(
        self, program: Program, weights: Arrays, device: Any, precision: str, options: Mapping[str, Any]
    ) -> None:
        self._program, self._device, self._precision = program, device, precision
        self._compiles = options["compile"]
        self._ops = operations(precision)
        self._step = 0
        self._training = program.training
        self._specs = self._training.weights
        self._moving = tuple(self._training.updates)
        self._weights: Tree
        self._slots: dict[str, Tree]
        self._moved: Tree
        self._frozen: Tree
        with self._mode():
            self._run = self._graph(self._training)
            self._train = self._compiled(self._train_step)
            self._differentiate = self._compiled(self._loss_and_gradients)
            self._predict = {phase: self._predictor(program.network.phase(phase)) for phase in (False, True)}
        self.load(State(weights))

    # -- the calls of the contract ----------------------------------------------------------------
    def train(self, inputs: Arrays, learning_rate: float) -> Array:
        with self._mode():
            self._step += 1
            self._weights, self._slots, self._moved, loss = self._train(
                self._weights, self._slots, self._moved, self._frozen,
                self._prepare_inputs(self._training, inputs),
                self._number(learning_rate), self._number(self._step),
            )  # fmt: skip
            mx.async_eval(loss, self._weights, self._slots, self._moved)
            return loss

    def predict(self, inputs: Arrays, training: bool = False) -> dict[str, np.ndarray]:
        graph, run = self._predict[training]
        with self._mode():
            values = {**self._weights, **self._moved, **self._frozen}
            weights = {name: values[name] for name in graph.weights}
            return _to_host(run(weights, self._prepare_inputs(graph, inputs)))

    def gradients(self, inputs: Arrays) -> tuple[float, dict[str, np.ndarray]]:
        with self._mode():
            state = {**self._moved, **self._frozen}
            batch = self._prepare_inputs(self._training, inputs)
            (loss, _), gradients = self._differentiate(self._weights, state, batch)
            return loss.item(), _to_host(gradients)

    def read(self) -> State:
        weights = _to_host({**self._weights, **self._moved, **self._frozen})
        slots = {name: _to_host(slots) for name, slots in self._slots.items()}
        return State({name: weights[name] for name in self._specs}, slots, self._step)

    def load(self, state: State) -> None:
        with self._mode():
            check_weights(self._program.network.name, self._specs, state.weights)
            values = {
                name: self._to_device(state.weights[name], spec.dtype) for name, spec in self._specs.items()
            }
            self._weights = {name: values.pop(name) for name in self._training.trainable}
            self._moved = {name: values.pop(name) for name in self._moving}
            self._frozen = values
            self._step = 0 if state.slots is None else state.step
            self._slots = self._slots_to_device(state.slots)
            mx.eval(self._weights, self._moved, self._frozen, self._slots)

    def wait(self) -> None:
        mx.eval(self._weights, self._slots, self._moved)

    # -- what is compiled ---------------------------------------------------------------------------
    def _train_step(
        self, weights: Tree, slots: Tree, moved: Tree, frozen: Tree, inputs: Tree, rate: Array, step: Array
    ) -> tuple[Tree, Tree, Tree, Array]:
        (loss, updates), gradients = self._loss_and_gradients(weights, {**moved, **frozen}, inputs)
        weights, slots = apply(self._ops, self._program.optimizer, weights, gradients, slots, rate, step)
        return weights, slots, {name: updates[name].astype(old.dtype) for name, old in moved.items()}, loss

    def _loss_and_gradients(self, weights: Tree, state: Tree, inputs: Tree) -> Any:
        def loss(weights: Tree) -> tuple[Array, Tree]:
            outputs, updates = self._run({**weights, **state}, inputs)
            return outputs["loss"], updates

        if not weights:  # MLX differentiates with respect to something
            return loss(weights), {}
        return mx.value_and_grad(loss)(weights)

    def _predictor(self, graph: Graph) -> tuple[Graph, Callable[..., Tree]]:
        run = self._graph(graph)

        def outputs(weights: Tree, inputs: Tree) -> Tree:
            return run(weights, inputs)[0]

        return graph, self._compiled(outputs)

    def _graph(self, graph: Graph) -> Callable[..., tuple[Tree, Tree]]:
        """The graph as a function to be traced; inputs arrive in the dtypes that the host has."""
        run = compiled(graph, self._ops, self._precision)
        dtypes = {name: self._dtype(spec.dtype) for name, spec in graph.inputs.items()}

        def traced(weights: Tree, inputs: Tree) -> tuple[Tree, Tree]:
            return run(weights, {name: value.astype(dtypes[name]) for name, value in inputs.items()})

        return traced

    def _compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Traced and fused, anew for each batch length."""
        compiled_function: Callable[..., Any] = mx.compile(function) if self._compiles else function
        return compiled_function

    def _mode(self) -> AbstractContextManager[Any]:
        context: AbstractContextManager[Any] = mx.stream(self._device)
        return context

    # -- arrays in and out -------------------------------------------------------------------------
    def _dtype(self, dtype: str) -> Any:
        return DTYPES[self._precision if dtype == "float32" else dtype]

    def _number(self, value: float) -> Array:
        return mx.array(value, DTYPES[self._precision])

    def _prepare_inputs(self, graph: Graph, inputs: Arrays) -> Tree:
        """The inputs of a graph, copied: a step may still read them when the caller writes the next batch."""
        check_inputs(graph.name, graph.inputs, inputs)
        prepared = {}
        for name in graph.inputs:
            value = np.asarray(inputs[name])
            kind = self._precision if value.dtype.kind == "f" else value.dtype.name
            prepared[name] = mx.array(value, DTYPES[kind])
        return prepared

    def _to_device(self, value: Any, dtype: str) -> Array:
        return mx.array(np.asarray(value), self._dtype(dtype))

    def _slots_to_device(self, slots: Mapping[str, Arrays] | None) -> dict[str, Tree]:
        optimizer = self._program.optimizer
        return {
            name: {
                slot: self._to_device(value, "float32")
                for slot, value in optimizer.slot_values(weight.shape, (slots or {}).get(name)).items()
            }
            for name, weight in self._weights.items()
        }


def _to_host(values: Mapping[str, Array]) -> dict[str, np.ndarray]:
    """Copies in host memory."""
    mx.eval(list(values.values()))
    return {name: np.array(value) for name, value in values.items()}


ENGINE = MlxEngine()
