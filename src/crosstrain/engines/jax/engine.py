"""JAX: one compiled, donating function for a training step, in the forms that suit XLA and the device."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from functools import cache
from typing import Any

import jax
import numpy as np

from crosstrain.engines.checks import check_inputs, check_weights, checked_options
from crosstrain.engines.contract import Arrays, Description, Option, Setting, State
from crosstrain.engines.jax.ops import canonical, operations
from crosstrain.engines.jax.windows import COMPILER
from crosstrain.errors import CrosstrainError
from crosstrain.graph.evaluate import compiled
from crosstrain.graph.graph import Graph
from crosstrain.graph.program import Program
from crosstrain.training.optimizers import apply

Array = Any
Tree = dict[str, Any]

OPTIONS = {
    "convolution": Option(
        "auto", ("auto", "native", "cpu"),
        "convolutions, poolings and BatchNorm: lax's own, or forms for XLA's CPU compiler (auto: by device)",
    ),
    "compiler": Option("auto", ("auto", "default"), "XLA's settings: the fastest for the device, or its own"),
    "donate": Option(True, (True, False), "let a step write the new weights over the old ones"),
    "unroll": Option(
        "auto", ("auto", 1, 2, 4, 8, 16),
        "time steps of a recurrent layer in one turn of the compiled loop (auto: 1 on a CPU, 8 on a GPU)",
    ),
    "deterministic": Option(False, (False, True), "only algorithms that repeat bit for bit (on a GPU)"),
    "arithmetic": Option(
        "full", ("full", "tf32", "bfloat16"),
        "full: as the precision says; tf32: products of 10-bit mantissas on a GPU; bfloat16: products in it",
        "open",
    ),
}  # fmt: skip

PRECISIONS = ("float32", "float64")

_log = logging.getLogger(__name__)


def devices() -> dict[str, Any]:
    """JAX's devices by crosstrain's names. The first call starts XLA."""
    by_name = {"cpu": jax.devices("cpu")[0]}
    try:
        by_name.update({f"cuda:{i}": device for i, device in enumerate(jax.devices("gpu"))})
    except RuntimeError:
        _log.debug("this JAX has no GPU", exc_info=True)
    return by_name


class JaxEngine:
    """JAX."""

    name = "jax"

    def __init__(self) -> None:
        self._threads: int | None = None

    def describe(self) -> Description:
        return Description(jax.__version__, tuple(self._start(None)), PRECISIONS, OPTIONS)

    def build(self, program: Program, weights: Arrays, setting: Setting) -> JaxNetwork:
        available = self._start(setting.threads)
        options = checked_options(self.name, self.describe(), setting)
        return JaxNetwork(program, weights, available[setting.device], setting.precision, options)

    def _start(self, threads: int | None) -> dict[str, Any]:
        """Start XLA, whose CPU client takes its number of threads from the environment once and for all."""
        if self._threads is None:
            # A supervisor has said it before the start; then describing the engine settles nothing else.
            self._threads = threads or int(os.environ.get("NPROC") or 0)
            if threads:
                os.environ["NPROC"] = str(threads)
        elif threads and threads != self._threads:
            running = f"{self._threads} threads" if self._threads else "threads of its own choice"
            raise CrosstrainError(
                f"JAX has already started in this process with {running} and cannot take {threads} threads "
                "any more; build the network in a process of its own"
            )
        return devices()


def compiler_settings(device: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """The compiler options for the device, without those that this version of XLA does not know."""
    settings: dict[str, Any] = {}
    if device.platform == "cpu" and options["compiler"] == "auto":
        settings.update(COMPILER)
    if device.platform == "gpu" and options["deterministic"]:
        settings["xla_gpu_deterministic_ops"] = True
    return {key: value for key, value in settings.items() if _is_supported(device, key, value)}


@cache
def _is_supported(device: Any, key: str, value: Any) -> bool:
    """Whether XLA knows the setting: these are not its stable interface, and another version may not."""
    try:
        with jax.default_device(device):
            jax.jit(lambda x: x + 1, compiler_options={key: value}).lower(np.float32(0)).compile()
    except jax.errors.JaxRuntimeError as error:
        _log.warning("XLA does not take the setting %s=%s and runs without it: %s", key, value, error)
        return False
    return True


def _unroll(device: Any, options: Mapping[str, Any]) -> int:
    """On a GPU every turn of the loop waits for its kernels to start; on a CPU unrolling only compiles."""
    chosen = options["unroll"]
    return int(chosen if chosen != "auto" else 1 if device.platform == "cpu" else 8)


class JaxNetwork:
    """A program on JAX, with its weights and the optimizer's slots on the device."""

    def __init__(
        self, program: Program, weights: Arrays, device: Any, precision: str, options: Mapping[str, Any]
    ) -> None:
        self._program, self._device, self._precision = program, device, precision
        self._step = 0
        # On a CPU products are exact without asking; on a GPU JAX's default rounds float32 to TF32.
        exact = None if device.platform == "cpu" else "highest"
        self._products = {"full": exact, "tf32": "tensorfloat32", "bfloat16": None}[options["arithmetic"]]
        forms = options["convolution"]
        cpu_forms = forms == "cpu" or (forms == "auto" and device.platform == "cpu")
        self._ops = operations(cpu_forms, _unroll(device, options), options["arithmetic"] == "bfloat16")
        self._compiler = compiler_settings(device, options)

        self._training = program.training
        self._specs = self._training.weights
        self._moving = tuple(self._training.updates)
        self._weights: Tree
        self._slots: dict[str, Tree]
        self._moved: Tree
        self._frozen: Tree
        self._run = self._graph(self._training)
        self._train = self._jit(self._train_step, donate=(0, 1, 2) if options["donate"] else ())
        self._differentiate = self._jit(self._loss_and_gradients)
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
            return float(loss), _to_host(gradients)

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

    def wait(self) -> None:
        jax.block_until_ready((self._weights, self._slots, self._moved))

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

        return jax.value_and_grad(loss, has_aux=True)(weights)

    def _predictor(self, graph: Graph) -> tuple[Graph, Callable[..., Tree]]:
        run = self._graph(graph)

        def outputs(weights: Tree, inputs: Tree) -> Tree:
            return run(weights, inputs)[0]

        return graph, self._jit(outputs)

    def _graph(self, graph: Graph) -> Callable[..., tuple[Tree, Tree]]:
        """The graph as a function to be traced; inputs arrive in the dtypes that the host has."""
        run = compiled(graph, self._ops, self._precision)

        def traced(weights: Tree, inputs: Tree) -> tuple[Tree, Tree]:
            dtypes = {name: self._dtype(spec.dtype) for name, spec in graph.inputs.items()}
            with jax.default_matmul_precision(self._products):
                return run(weights, {name: value.astype(dtypes[name]) for name, value in inputs.items()})

        return traced

    def _jit(self, function: Callable[..., Any], donate: tuple[int, ...] = ()) -> Callable[..., Any]:
        jitted: Callable[..., Any]
        jitted = jax.jit(function, donate_argnums=donate, compiler_options=self._compiler or None)
        return jitted

    def _mode(self) -> AbstractContextManager[Any]:
        """JAX's 64-bit types exactly where the run has them, on the run's device."""
        stack = ExitStack()
        stack.enter_context(jax.enable_x64(self._precision == "float64"))
        stack.enter_context(jax.default_device(self._device))
        return stack

    # -- arrays in and out -------------------------------------------------------------------------
    def _dtype(self, dtype: str) -> Any:
        return canonical(self._precision if dtype == "float32" else dtype)

    def _number(self, value: float) -> Any:
        return np.dtype(self._precision).type(value)

    def _prepare_inputs(self, graph: Graph, inputs: Arrays) -> Tree:
        """The inputs of a graph, copied: a step may still read them when the caller writes the next batch."""
        check_inputs(graph.name, graph.inputs, inputs)
        return {name: np.array(inputs[name]) for name in graph.inputs}

    def _to_device(self, value: Any, dtype: str) -> Array:
        return jax.device_put(np.array(value, self._dtype(dtype)), self._device)

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
    return {name: np.array(value) for name, value in values.items()}


ENGINE = JaxEngine()
