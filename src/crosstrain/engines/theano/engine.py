"""Theano: one compiled function for a training step, its weights shared variables that the function updates.

Theano 1.0.5, the last release, on the CPU. Convolutions are GEMM-based (CorrMM), over SciPy's OpenBLAS;
elementwise chains are fused into C++ loops, which are compiled once and kept on the disk.
"""

from __future__ import annotations

import ctypes
import logging
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from crosstrain.engines.checks import check_inputs, check_weights, checked_options
from crosstrain.engines.contract import Arrays, Description, Option, Setting, State
from crosstrain.engines.theano.start import start
from crosstrain.graph.evaluate import compiled
from crosstrain.graph.graph import Graph, TensorSpec
from crosstrain.graph.program import Program
from crosstrain.training.optimizers import apply

start()

import theano  # noqa: E402 - as ``start`` made it
import theano.tensor as T  # noqa: E402
from theano.scalar.basic import autocast_float_as  # noqa: E402

from crosstrain.engines.theano.ops import operations  # noqa: E402
from crosstrain.engines.theano.values import Value  # noqa: E402

Variable = Any

OPTIONS = {
    "compile": Option(
        "fast_run", ("fast_run", "fast_compile"),
        "fast_run: all of Theano's rewritings, fused C++ loops; fast_compile: few of them, starts sooner",
    ),
    "gc": Option(False, (True, False), "give the memory of intermediate values back after every step"),
}  # fmt: skip

PRECISIONS = ("float32", "float64")

_log = logging.getLogger(__name__)


class TheanoEngine:
    """Theano."""

    name = "theano"

    def describe(self) -> Description:
        return Description(theano.__version__, ("cpu",), PRECISIONS, OPTIONS)

    def build(self, program: Program, weights: Arrays, setting: Setting) -> TheanoNetwork:
        options = checked_options(self.name, self.describe(), setting)
        if setting.threads:
            use_threads(setting.threads)
        return TheanoNetwork(program, weights, setting.precision, options)


def use_threads(threads: int) -> None:
    """So many threads in Theano's own loops (OpenMP); those of BLAS were settled by the environment."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    try:
        ctypes.CDLL("libgomp.so.1").omp_set_num_threads(threads)
    except OSError:
        _log.warning("OpenMP's library is not to be found; its number of threads stays as it is")


def _mode(compile: str) -> Any:
    """Theano's mode of that name. Linker and optimizer are those of its settings, so that a user's
    ``THEANO_FLAGS`` (no compiler, fewer rewritings) hold here too."""
    # Theano's own FAST_COMPILE would run every op in Python, where convolutions have no form.
    optimizer = "fast_compile" if compile == "fast_compile" else theano.config.optimizer
    return theano.compile.mode.Mode(theano.config.linker, optimizer)


class TheanoNetwork:
    """A program on Theano. Functions are compiled when they are first called."""

    def __init__(self, program: Program, weights: Arrays, precision: str, options: Mapping[str, Any]) -> None:
        self._program, self._precision, self._options = program, precision, options
        self._mode = _mode(options["compile"])
        self._training = program.training
        self._step = 0
        check_weights(program.network.name, self._training.weights, weights)
        self._weights = {
            name: self._shared(name, weights[name], spec.dtype, spec.shape)
            for name, spec in self._training.weights.items()
        }
        self._slots = {name: self._initial_slots(name) for name in self._training.trainable}
        self._inputs = {name: self._input(name, spec) for name, spec in self._training.inputs.items()}
        # Written down at once, so that an op without a form is refused here; compiled when first called.
        outputs, updates, self._gradients = self._training_expressions()
        self._loss = outputs["loss"].variable
        self._updates = {name: value.variable for name, value in updates.items()}
        self._functions: dict[str, Callable[..., Any]] = {}

    # -- the calls of the contract --------------------------------------------------------------------
    def train(self, inputs: Arrays, learning_rate: float) -> float:
        self._step += 1
        arguments = [
            *self._prepare_inputs(self._training, inputs),
            self._number(learning_rate),
            self._number(self._step),
        ]
        loss: float = self._function("train", self._training_step)(*arguments)
        return loss

    def predict(self, inputs: Arrays, training: bool = False) -> dict[str, np.ndarray]:
        graph = self._program.network.phase(training)

        def make() -> Callable[..., Any]:
            return self._compiled(graph, [value.variable for value in self._run(graph)[0].values()])

        values = self._function(f"predict {training}", make)(*self._prepare_inputs(graph, inputs))
        return {name: np.array(value) for name, value in zip(graph.outputs, values, strict=True)}

    def gradients(self, inputs: Arrays) -> tuple[float, dict[str, np.ndarray]]:
        def make() -> Callable[..., Any]:
            return self._compiled(self._training, [self._loss, *self._gradients.values()])

        loss, *values = self._function("gradients", make)(*self._prepare_inputs(self._training, inputs))
        return float(loss), {n: np.array(v) for n, v in zip(self._gradients, values, strict=True)}

    def read(self) -> State:
        weights = {name: np.array(shared.get_value()) for name, shared in self._weights.items()}
        slots = {
            name: {slot: np.array(shared.get_value()) for slot, shared in slots.items()}
            for name, slots in self._slots.items()
        }
        return State(weights, slots, self._step)

    def load(self, state: State) -> None:
        check_weights(self._program.network.name, self._training.weights, state.weights)
        for name, shared in self._weights.items():
            shared.set_value(np.array(state.weights[name], shared.dtype))
        kinds = self._program.optimizer.slots()
        for name, slots in self._slots.items():
            saved = (state.slots or {}).get(name) or {}
            for slot, shared in slots.items():
                initial = np.full_like(shared.get_value(), kinds[slot].initial)
                shared.set_value(np.array(saved.get(slot, initial), shared.dtype))
        self._step = 0 if state.slots is None else state.step

    def wait(self) -> None:
        """Theano returns when its work is done."""

    # -- writing it down ------------------------------------------------------------------------------
    def _training_expressions(self) -> tuple[dict[str, Value], dict[str, Value], dict[str, Variable]]:
        outputs, updates = self._run(self._training)
        names = self._training.trainable
        gradients = T.grad(
            outputs["loss"].variable, [self._weights[n] for n in names], disconnected_inputs="ignore"
        )
        return outputs, updates, dict(zip(names, gradients, strict=True))

    def _run(self, graph: Graph) -> tuple[dict[str, Value], dict[str, Value]]:
        run = compiled(graph, operations(), self._precision)
        specs = self._training.weights
        weights = {n: Value(self._weights[n], specs[n].shape) for n in graph.weights}
        inputs = {n: Value(self._inputs[n], spec.shape) for n, spec in graph.inputs.items()}
        with autocast_float_as(self._precision):
            return run(weights, inputs)

    def _training_step(self) -> Callable[..., Any]:
        rate, step = T.scalar("learning_rate", self._precision), T.scalar("step", self._precision)
        names = self._training.trainable
        values = {n: Value(self._weights[n], self._weights[n].get_value().shape) for n in names}
        with autocast_float_as(self._precision):
            weights, slots = apply(
                operations(), self._program.optimizer, values,
                {n: Value(self._gradients[n], values[n].shape) for n in names},
                {n: {k: Value(v, v.get_value().shape) for k, v in self._slots[n].items()} for n in names},
                Value(rate, ()), Value(step, ()),
            )  # fmt: skip
        updates = [
            (self._weights[n], self._as(self._weights[n], value)) for n, value in self._updates.items()
        ]
        updates += [(self._weights[n], self._as(self._weights[n], v.variable)) for n, v in weights.items()]
        updates += [
            (self._slots[n][k], self._as(self._slots[n][k], v.variable))
            for n, new_slots in slots.items()
            for k, v in new_slots.items()
        ]
        return self._compiled(self._training, self._loss, updates, (rate, step))

    @staticmethod
    def _as(shared: Variable, value: Variable) -> Variable:
        """The value in the type of the shared variable that takes it."""
        return T.patternbroadcast(value.astype(shared.dtype), shared.broadcastable)

    def _compiled(
        self, graph: Graph, outputs: Any, updates: Any = (), more: tuple[Variable, ...] = ()
    ) -> Callable[..., Any]:
        inputs = [self._inputs[name] for name in graph.inputs]
        function = theano.function(
            [*inputs, *more], outputs, updates=list(updates), mode=self._mode, on_unused_input="ignore",
            allow_input_downcast=False,
        )  # fmt: skip
        function.fn.allow_gc = self._options["gc"]
        run: Callable[..., Any] = function
        return run

    def _function(self, name: str, make: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
        if name not in self._functions:
            self._functions[name] = make()
        return self._functions[name]

    # -- arrays in and out ----------------------------------------------------------------------------
    def _dtype(self, dtype: str) -> str:
        return self._precision if dtype == "float32" else dtype

    def _number(self, value: float) -> np.ndarray:
        return np.asarray(value, self._precision)

    def _input(self, name: str, spec: TensorSpec) -> Variable:
        return T.TensorType(self._dtype(spec.dtype), [s == 1 for s in spec.shape])(name)

    def _shared(self, name: str, value: Any, dtype: str, shape: tuple[int, ...]) -> Variable:
        array = np.array(value, self._dtype(dtype))
        return theano.shared(array, name=name, broadcastable=tuple(s == 1 for s in shape))

    def _initial_slots(self, name: str) -> dict[str, Variable]:
        shape = self._training.weights[name].shape
        slots = {}
        for slot, kind in self._program.optimizer.slots().items():
            own = () if kind.scalar else shape
            slots[slot] = self._shared(f"{name}:{slot}", np.full(own, kind.initial), "float32", own)
        return slots

    def _prepare_inputs(self, graph: Graph, inputs: Arrays) -> list[np.ndarray]:
        check_inputs(graph.name, graph.inputs, inputs)
        return [np.asarray(inputs[n], self._dtype(spec.dtype)) for n, spec in graph.inputs.items()]


ENGINE = TheanoEngine()
