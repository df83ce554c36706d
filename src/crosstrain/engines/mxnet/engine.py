"""MXNet: graphs as symbols in hybridized functions (``CachedOp``), channels-first with oneDNN on a CPU."""

from __future__ import annotations

import ctypes
import os
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

with warnings.catch_warnings():
    # MXNet 1.9.1 speaks of NumPy's old names when it is imported.
    warnings.simplefilter("ignore", DeprecationWarning)
    import mxnet as mx
    from mxnet.base import _LIB, check_call

from crosstrain.engines.checks import check_inputs, check_weights, checked_options
from crosstrain.engines.contract import Arrays, Description, Option, Setting, State
from crosstrain.engines.leaner import pooled_first
from crosstrain.engines.mxnet.ops import Extra, operations
from crosstrain.engines.mxnet.trace import Compiled, device_array
from crosstrain.engines.mxnet.values import Symbol, Value
from crosstrain.engines.mxnet.weights import JointWeights, orders
from crosstrain.errors import CrosstrainError
from crosstrain.graph.evaluate import compiled
from crosstrain.graph.graph import SEED, Graph
from crosstrain.graph.program import Program

Array = Any

OPTIONS = {
    "static": Option(
        "shape", ("shape", "alloc", "off"),
        "what a compiled graph plans once: memory and order of work (shape), memory alone (alloc), nothing",
    ),
    "bulk": Option(15, (1, 15, 50, 200), "ops that the engine runs as one piece of work"),
}  # fmt: skip

PRECISIONS = ("float32", "float64")

mx.util.set_np_shape(True)  # scalars are arrays without axes, and an axis may be empty


class MxnetEngine:
    """MXNet."""

    name = "mxnet"

    def __init__(self) -> None:
        self._threads: int | None = None

    def describe(self) -> Description:
        devices = ("cpu", *(f"cuda:{i}" for i in range(mx.context.num_gpus())))
        return Description(mx.__version__, devices, PRECISIONS, OPTIONS)

    def build(self, program: Program, weights: Arrays, setting: Setting) -> MxnetNetwork:
        options = checked_options(self.name, self.describe(), setting)
        self._set_threads(setting.threads)
        kind, _, number = setting.device.partition(":")
        context = mx.cpu() if kind == "cpu" else mx.gpu(int(number or 0))
        return MxnetNetwork(program, weights, context, setting.precision, options)

    def _set_threads(self, threads: int | None) -> None:
        """MXNet's workers take over the number when they start, with the first array."""
        if threads is None or threads == self._threads:
            return
        if self._threads is not None:
            raise CrosstrainError(
                f"MXNet has already started in this process with {self._threads} threads and cannot take "
                f"{threads} threads any more; build the network in a process of its own"
            )
        os.environ["OMP_NUM_THREADS"] = str(threads)
        check_call(_LIB.MXSetNumOMPThreads(ctypes.c_int(threads)))
        self._threads = threads


def _flags(options: Mapping[str, Any]) -> dict[str, Any]:
    """The flags of a CachedOp."""
    return {
        "static_alloc": options["static"] != "off",
        "static_shape": options["static"] == "shape",
        "forward_bulk_size": options["bulk"],
        "backward_bulk_size": options["bulk"],
    }


class Loss:
    """The loss of a step that may still be running; ``float`` waits for it."""

    def __init__(self, value: Array) -> None:
        self._value = value

    def __float__(self) -> float:
        return float(self._value.asnumpy())


class MxnetNetwork:
    """A program on MXNet, with its weights and the optimizer's slots on the device."""

    def __init__(
        self, program: Program, weights: Arrays, context: Any, precision: str, options: Mapping[str, Any]
    ) -> None:
        self._program, self._context, self._precision = program, context, precision
        self._flags = _flags(options)
        self._step = 0
        training = program.training
        self._specs = training.weights
        self._orders = orders(training)
        self._joint = JointWeights(training, program.optimizer, precision, context, self._flags)
        self._others: dict[str, Array] = {}
        self._loss_only = replace(training, outputs={"loss": training.outputs["loss"]}).pruned()
        self._outputs_only = replace(program.network.phase(training=True), updates={}, penalties=()).pruned()
        self._compiled: dict[Any, Compiled] = {}
        for graph in (self._loss_only, program.inference):
            compiled(graph, operations(Extra()), precision)  # tells of an op that is missing
        self.load(State(weights))

    # -- the calls of the contract ----------------------------------------------------------------
    def train(self, inputs: Arrays, learning_rate: float) -> Loss:
        loss, updates = self._loss_and_gradients(inputs)
        self._step += 1
        self._joint.step(learning_rate, self._step)
        for name, value in updates.items():
            value.copyto(self._others[name])
        return loss

    def predict(self, inputs: Arrays, training: bool = False) -> dict[str, np.ndarray]:
        graph = self._outputs_only if training else self._program.inference
        with mx.autograd.train_mode() if training else mx.autograd.predict_mode():
            _, results = self._run(graph, inputs)
        return {name: results[f"output/{name}"].asnumpy() for name in graph.outputs}

    def gradients(self, inputs: Arrays) -> tuple[float, dict[str, np.ndarray]]:
        loss, _ = self._loss_and_gradients(inputs)
        return float(loss), self._joint.gradients()

    def read(self) -> State:
        weights = self._joint.weights()
        for name, value in self._others.items():
            weights[name] = np.array(value.asnumpy().transpose(np.argsort(self._orders[name])), order="C")
        return State({name: weights[name] for name in self._specs}, self._joint.slots(), self._step)

    def load(self, state: State) -> None:
        check_weights(self._program.network.name, self._specs, state.weights)
        self._joint.load({name: state.weights[name] for name in self._joint.views})
        for name, spec in self._specs.items():
            if name not in self._joint.views:
                array = np.asarray(state.weights[name]).transpose(self._orders[name])
                self._put(name, self._to_device(array, spec.dtype))
        self._joint.restart()
        self._step = 0
        if state.slots is not None:
            self._step = state.step
            self._joint.load_slots(state.slots)

    def wait(self) -> None:
        mx.nd.waitall()

    # -- a step ------------------------------------------------------------------------------------
    def _loss_and_gradients(self, inputs: Arrays) -> tuple[Loss, dict[str, Array]]:
        """The loss and the next moving statistics; the gradients are left in their vector."""
        with mx.autograd.record():
            run, results = self._run(self._loss_only, inputs)
        loss = results["output/loss"]
        if run.reads(self._joint.views):
            loss.backward()
        return Loss(loss), {name: results[f"update/{name}"] for name in self._loss_only.updates}

    def _run(self, graph: Graph, inputs: Arrays) -> tuple[Compiled, dict[str, Array]]:
        """A graph on a batch, compiled for its shapes."""
        check_inputs(graph.name, graph.inputs, inputs)
        shapes = {name: np.shape(inputs[name]) for name in graph.inputs}
        key = (id(graph), *shapes.values())
        if key not in self._compiled:
            self._compiled[key] = Compiled(self._traced(graph, shapes), self._context, self._flags)
        run = self._compiled[key]
        arguments = {
            f"input/{name}": self._to_device(inputs[name], spec.dtype)
            for name, spec in graph.inputs.items()
            if name != SEED
        }
        seed = int(inputs[SEED]) if SEED in graph.inputs else None
        weights = self._joint.copies() if graph is self._program.inference else self._joint.views
        return run, run({**weights, **self._others, **arguments}, seed)

    def _traced(self, graph: Graph, shapes: Mapping[str, tuple[int, ...]]) -> tuple[dict[str, Symbol], Extra]:
        """Outputs (as ``output/NAME``) and next moving statistics (``update/NAME``) as symbols."""
        extra = Extra()
        ops = operations(extra, training=graph is not self._program.inference)
        weights = {
            name: Value(mx.sym.var(name), spec.shape, self._dtype(spec.dtype), self._orders[name])
            for name, spec in graph.weights.items()
        }
        inputs = {
            name: Value(mx.sym.var(f"input/{name}"), shapes[name], self._dtype(spec.dtype))
            for name, spec in graph.inputs.items()
        }
        outputs, updates = compiled(pooled_first(graph), ops, self._precision)(weights, inputs)
        named = {f"output/{name}": value for name, value in outputs.items()}
        named |= {f"update/{name}": value for name, value in updates.items()}
        return {name: mx.sym.identity(value.symbol) for name, value in named.items()}, extra

    # -- arrays in and out -------------------------------------------------------------------------
    def _dtype(self, dtype: str) -> str:
        return self._precision if dtype == "float32" else dtype

    def _to_device(self, value: Any, dtype: str) -> Array:
        return device_array(np.asarray(value), self._dtype(dtype), self._context)

    def _put(self, name: str, value: Array) -> None:
        """A weight that is not trained keeps its array: compiled graphs know it."""
        if name in self._others:
            value.copyto(self._others[name])
        else:
            self._others[name] = value


ENGINE = MxnetEngine()
