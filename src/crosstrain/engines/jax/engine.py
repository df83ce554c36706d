"""JAX: one compiled, donating function for a training step, in the forms that suit XLA and the device."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import cache
from typing import Any

import jax
import numpy as np

from crosstrain.engines.checks import check_inputs, check_weights, checked_options
from crosstrain.engines.contract import Arrays, Description, Option, Setting, State
from crosstrain.engines.jax.device import bytes_left
from crosstrain.engines.jax.ops import canonical, operations
from crosstrain.engines.jax.several import Step, Together, batch_of, stacked
from crosstrain.engines.jax.windows import COMPILER
from crosstrain.engines.resident import OPTION as DATA
from crosstrain.engines.resident import Rows, worth_keeping
from crosstrain.engines.sharing import pieces, shapes
from crosstrain.errors import CrosstrainError
from crosstrain.graph.evaluate import compiled
from crosstrain.graph.graph import Graph
from crosstrain.graph.program import Program
from crosstrain.training.optimizers import apply
from crosstrain.training.scaling import apply_scaled, first_scaling

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
    "data": DATA,
    "steps_at_once": Option(
        1, (1, 2, 4, 8, 16, 32), "training steps in one call of a compiled loop, for small networks on a GPU"
    ),
    "deterministic": Option(False, (False, True), "only algorithms that repeat bit for bit (on a GPU)"),
    "arithmetic": Option(
        "full", ("full", "tf32", "bfloat16", "float16"),
        "full: as the precision says; tf32: products of 10-bit mantissas on a GPU; bfloat16, float16: "
        "products in it, float16 with a scaled loss",
        "open",
    ),
}  # fmt: skip

PRECISIONS = ("float32", "float64")

_log = logging.getLogger(__name__)

jax.tree_util.register_dataclass(Rows, data_fields=["array", "index"], meta_fields=[])


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


def sends(platform: str, steps_at_once: int) -> bool:
    """Whether each batch is sent by itself, ahead of its step: it travels while the steps before it compute,
    for neither call waits. Batches of several steps are joined on the host first; a CPU need not send."""
    return platform != "cpu" and steps_at_once == 1


class JaxNetwork:
    """A program on JAX, with its weights and the optimizer's slots on the device."""

    def __init__(
        self, program: Program, weights: Arrays, device: Any, precision: str, options: Mapping[str, Any]
    ) -> None:
        self._program, self._device, self._precision = program, device, precision
        self._step = 0
        # On a CPU products are exact without asking; on a GPU JAX's default rounds float32 to TF32.
        exact = None if device.platform == "cpu" else "highest"
        arithmetic = options["arithmetic"]
        self._products = {"full": exact, "tf32": "tensorfloat32"}.get(arithmetic)
        forms = options["convolution"]
        cpu_forms = forms == "cpu" or (forms == "auto" and device.platform == "cpu")
        self._ops = operations(cpu_forms, _unroll(device, options), arithmetic)
        self._compiler = compiler_settings(device, options)

        self._training = program.training
        self._specs = self._training.weights
        self._moving = tuple(self._training.updates)
        self._weights: Tree
        self._slots: dict[str, Tree]
        self._moved: Tree
        self._frozen: Tree
        self._scaled = arithmetic == "float16"
        self._scaling: Tree = {}
        self._run = self._graph(self._training)
        donated = (0, 1, 2, 3) if options["donate"] else ()
        self._train = self._jit(self._train_step, donate=donated)
        self._train_together = self._jit(self._train_steps, donate=donated)
        self._data, many = options["data"], options["steps_at_once"]
        self._together = Together(many, self._take_one, self._take_together) if many > 1 else None
        self._sends = sends(device.platform, many)
        self.warm_up_steps = 2 if many == 1 else 2 * many + 2
        self._differentiate = self._jit(self._unscaled_gradients)
        self._contribute = self._jit(self._joined)
        self._take_mean = self._jit(self._mean_step, donate=donated[:3])
        self._predict = {phase: self._predictor(program.network.phase(phase)) for phase in (False, True)}
        self.load(State(weights))

    # -- the calls of the contract ----------------------------------------------------------------
    def train(self, inputs: Arrays, learning_rate: float) -> Array:
        self._step += 1
        batch = self._prepare_inputs(self._training, inputs)
        if self._sends:
            with self._mode():
                batch = jax.device_put(batch, self._device)
        step = Step(batch, self._number(learning_rate), self._number(self._step))
        return self._take_one(step) if self._together is None else self._together.add(step)

    def predict(self, inputs: Arrays, training: bool = False) -> dict[str, np.ndarray]:
        graph, run = self._predict[training]
        self._settle()
        with self._mode():
            values = {**self._weights, **self._moved, **self._frozen}
            weights = {name: values[name] for name in graph.weights}
            return _to_host(run(weights, self._prepare_inputs(graph, inputs)))

    def gradients(self, inputs: Arrays) -> tuple[float, dict[str, np.ndarray]]:
        self._settle()
        with self._mode():
            state = {**self._moved, **self._frozen}
            batch = self._prepare_inputs(self._training, inputs)
            loss, gradients = self._differentiate(self._weights, state, batch, self._scaling)
            return float(loss), _to_host(gradients)

    def contribution(self, inputs: Arrays) -> np.ndarray:
        self._settle()
        with self._mode():
            batch = self._prepare_inputs(self._training, inputs)
            return np.asarray(self._contribute(self._weights, {**self._moved, **self._frozen}, batch))

    def update(self, mean: np.ndarray, learning_rate: float) -> None:
        self._step += 1
        numbers = self._number(learning_rate), self._number(self._step)
        with self._mode():
            self._weights, self._slots, self._moved = self._take_mean(
                self._weights, self._slots, self._moved, np.array(mean), *numbers
            )

    def read(self) -> State:
        self._settle()
        weights = _to_host({**self._weights, **self._moved, **self._frozen})
        slots = {name: _to_host(slots) for name, slots in self._slots.items()}
        scaling = {name: float(value) for name, value in self._scaling.items()} or None
        return State({name: weights[name] for name in self._specs}, slots, self._step, scaling)

    def load(self, state: State) -> None:
        self._settle()
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
            if self._scaled:
                kept = state.scaling if state.slots is not None else None
                self._scaling = {
                    name: self._to_device(value, "float32")
                    for name, value in (kept or first_scaling()).items()
                }

    def keep(self, parts: Mapping[str, Arrays]) -> dict[str, dict[str, Rows]] | None:
        if not worth_keeping(self._data, parts, bytes_left(self._device)):
            return None
        with self._mode():
            return {
                part: {name: Rows.all(jax.device_put(array, self._device)) for name, array in arrays.items()}
                for part, arrays in parts.items()
            }

    def wait(self) -> None:
        self._settle()
        jax.block_until_ready((self._weights, self._slots, self._moved))

    # -- steps ----------------------------------------------------------------------------------------
    def _take_one(self, step: Step) -> Array:
        with self._mode():
            self._weights, self._slots, self._moved, self._scaling, loss = self._train(
                self._weights, self._slots, self._moved, self._scaling, self._frozen,
                step.batch, step.rate, step.number,
            )  # fmt: skip
            return loss

    def _take_together(self, steps: Sequence[Step]) -> Array:
        with self._mode():
            self._weights, self._slots, self._moved, self._scaling, losses = self._train_together(
                self._weights, self._slots, self._moved, self._scaling, self._frozen, *stacked(steps)
            )
            return losses

    def _settle(self) -> None:
        """Take the steps that wait for others."""
        if self._together is not None:
            self._together.take()

    # -- what is compiled ---------------------------------------------------------------------------
    def _train_step(
        self, weights: Tree, slots: Tree, moved: Tree, scaling: Tree, frozen: Tree, inputs: Tree,
        rate: Array, step: Array,
    ) -> tuple[Tree, Tree, Tree, Tree, Array]:  # fmt: skip
        state, scale = {**moved, **frozen}, scaling.get("scale")
        loss, updates, gradients = self._loss_and_gradients(weights, state, inputs, scale)
        rule = self._ops, self._program.optimizer, weights, gradients, slots, rate, step
        if scaling:
            weights, slots, scaling = apply_scaled(*rule, scaling)
        else:
            weights, slots = apply(*rule)
        moved = {name: updates[name].astype(old.dtype) for name, old in moved.items()}
        return weights, slots, moved, scaling, loss

    def _joined(self, weights: Tree, state: Tree, inputs: Tree) -> Array:
        """Loss, gradients and next moving statistics as one vector."""
        loss, updates, gradients = self._loss_and_gradients(weights, state, inputs)
        parts = [loss, *({**gradients, **updates}[name] for name in shapes(self._program))]
        return jax.numpy.concatenate([part.astype(self._precision).reshape(-1) for part in parts])

    def _mean_step(
        self, weights: Tree, slots: Tree, moved: Tree, mean: Array, rate: Array, step: Array
    ) -> tuple[Tree, Tree, Tree]:
        """A step with such a vector."""
        taken = pieces(mean, shapes(self._program), jax.numpy.reshape)
        gradients = {name: taken[name] for name in weights}
        weights, slots = apply(self._ops, self._program.optimizer, weights, gradients, slots, rate, step)
        return weights, slots, {name: taken[name].astype(old.dtype) for name, old in moved.items()}

    def _train_steps(
        self, weights: Tree, slots: Tree, moved: Tree, scaling: Tree, frozen: Tree, arrays: Tree,
        own: Tree, rates: Array, numbers: Array,
    ) -> tuple[Tree, Tree, Tree, Tree, Array]:  # fmt: skip
        """Steps in succession: ``own`` (steps, …) are their batches, or the rows of ``arrays`` in them."""

        def step(state: tuple[Tree, Tree, Tree, Tree], each: Any) -> tuple[tuple[Tree, ...], Array]:
            own, rate, number = each
            *after, loss = self._train_step(*state, frozen, batch_of(arrays, own), rate, number)
            return tuple(after), loss

        state, losses = jax.lax.scan(step, (weights, slots, moved, scaling), (own, rates, numbers))
        return *state, losses

    def _loss_and_gradients(
        self, weights: Tree, state: Tree, inputs: Tree, scale: Array | None = None
    ) -> tuple[Array, Tree, Tree]:
        """Loss, next moving statistics, and the gradients of the loss times ``scale``."""

        def loss(weights: Tree) -> tuple[Array, tuple[Array, Tree]]:
            outputs, updates = self._run({**weights, **state}, inputs)
            plain = outputs["loss"]
            return plain if scale is None else plain * scale, (plain, updates)

        (_, (plain, updates)), gradients = jax.value_and_grad(loss, has_aux=True)(weights)
        return plain, updates, gradients

    def _unscaled_gradients(
        self, weights: Tree, state: Tree, inputs: Tree, scaling: Tree
    ) -> tuple[Array, Tree]:
        scale = scaling.get("scale")
        loss, _, gradients = self._loss_and_gradients(weights, state, inputs, scale)
        return loss, gradients if scale is None else {name: g / scale for name, g in gradients.items()}

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
                values = {name: _gathered(value) for name, value in inputs.items()}
                return run(weights, {name: value.astype(dtypes[name]) for name, value in values.items()})

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
        return {
            name: value if isinstance(value := inputs[name], Rows) else np.array(value)
            for name in graph.inputs
        }

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


def _gathered(value: Any) -> Array:
    """A batch's array; of rows that lie on the device, those that are in it."""
    if not isinstance(value, Rows):
        return value
    return value.array.at[value.index].get(mode="promise_in_bounds")


def _to_host(values: Mapping[str, Array]) -> dict[str, np.ndarray]:
    """Copies in host memory."""
    return {name: np.array(value) for name, value in values.items()}


ENGINE = JaxEngine()
