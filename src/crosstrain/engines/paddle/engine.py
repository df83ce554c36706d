"""PaddlePaddle: a dynamic graph on images channels-first, with forms of its own where Paddle's CPU kernels
are slow, and the matrix products of Intel's library at the level that the processor really has."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from crosstrain.engines.checks import check_inputs, check_weights, checked_options
from crosstrain.engines.contract import Arrays, Description, Option, Setting, State
from crosstrain.engines.leaner import pooled_first
from crosstrain.engines.memory import keep_freed_memory
from crosstrain.engines.paddle.products import use_the_processor
from crosstrain.graph.evaluate import compiled
from crosstrain.graph.graph import SEED, Graph
from crosstrain.graph.program import Program

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # that there is no ccache, which nothing here needs
    import paddle
from paddle import Tensor

from crosstrain.engines.paddle.layout import (
    channels_first,
    convolution_kernels,
    keras_kernel_order,
    kernel_order,
)
from crosstrain.engines.paddle.ops import operations
from crosstrain.engines.paddle.updates import updated

OPTIONS = {
    "products": Option(
        "processor", ("processor", "library"),
        "matrix products on a CPU: at the level of its instructions, or as Intel's library picks by maker",
    ),
    "memory": Option(
        "keep", ("keep", "return"), "whether freed memory stays or goes back to the system (on a CPU)"
    ),
    "layout": Option(
        "channels_first", ("channels_first", "channels_last"), "how images lie between their ops"
    ),
}  # fmt: skip

PRECISIONS = ("float32", "float64")


def devices() -> dict[str, str]:
    """Paddle's devices by crosstrain's names."""
    by_name = {"cpu": "cpu"}
    if paddle.is_compiled_with_cuda():
        by_name.update({f"cuda:{i}": f"gpu:{i}" for i in range(paddle.device.cuda.device_count())})
    return by_name


class PaddleEngine:
    """PaddlePaddle."""

    name = "paddle"

    def describe(self) -> Description:
        return Description(paddle.__version__, tuple(devices()), PRECISIONS, OPTIONS)

    def build(self, program: Program, weights: Arrays, setting: Setting) -> PaddleNetwork:
        options = checked_options(self.name, self.describe(), setting)
        if setting.threads is not None:
            paddle.base.core.set_num_threads(setting.threads)
        if setting.device == "cpu":
            if options["products"] == "processor":
                use_the_processor()
            if options["memory"] == "keep":
                keep_freed_memory()
        return PaddleNetwork(program, weights, devices()[setting.device], setting.precision, options)


class PaddleNetwork:
    """A program on Paddle, with its weights and the optimizer's slots on the device."""

    def __init__(
        self, program: Program, weights: Arrays, device: str, precision: str, options: Mapping[str, Any]
    ) -> None:
        self._program, self._device, self._precision = program, device, precision
        self._channels_first = options["layout"] == "channels_first"
        paddle.set_device(device)
        self._ops = operations()
        self._step = 0

        training = program.training
        self._specs = training.weights
        self._kernels = set(convolution_kernels(training)) if self._channels_first else set()
        self._weights: dict[str, Tensor] = {}
        self._state: dict[str, Tensor] = {}
        self._slots: dict[str, dict[str, Tensor]] = {}

        loss_only = replace(training, outputs={"loss": training.outputs["loss"]}).pruned()
        outputs_only = replace(program.network.phase(training=True), updates={}, penalties=()).pruned()
        self._run_loss = self._compiled(loss_only)
        self._predict = {False: self._compiled(program.inference), True: self._compiled(outputs_only)}
        self.load(State(weights))

    def _compiled(self, graph: Graph) -> tuple[Graph, Callable[..., tuple[dict, dict]]]:
        lean = pooled_first(graph)
        if self._channels_first:
            lean = channels_first(lean, self._kernels)
        return graph, compiled(lean, self._ops, self._precision)

    # -- the calls of the contract ----------------------------------------------------------------
    def train(self, inputs: Arrays, learning_rate: float) -> Tensor:
        loss, gradients, updates = self._loss_and_gradients(inputs)
        self._step += 1
        with paddle.no_grad():
            updated(
                self._ops, self._program.optimizer, self._weights, gradients, self._slots,
                float(learning_rate), self._step,
            )  # fmt: skip
        self._state.update(updates)
        return loss

    def predict(self, inputs: Arrays, training: bool = False) -> dict[str, np.ndarray]:
        graph, run = self._predict[training]
        paddle.set_device(self._device)
        with paddle.no_grad():
            outputs, _ = run(self._values, self._prepare_inputs(graph, inputs))
        return {name: _to_host(value) for name, value in outputs.items()}

    def gradients(self, inputs: Arrays) -> tuple[float, dict[str, np.ndarray]]:
        loss, gradients, _ = self._loss_and_gradients(inputs)
        return float(loss), {name: self._to_keras_order(name, g) for name, g in gradients.items()}

    def read(self) -> State:
        values = self._values
        slots = {
            name: {slot: self._to_keras_order(name, value) for slot, value in slots.items()}
            for name, slots in self._slots.items()
        }
        return State(
            {name: self._to_keras_order(name, values[name]) for name in self._specs}, slots, self._step
        )

    def load(self, state: State) -> None:
        check_weights(self._program.network.name, self._specs, state.weights)
        paddle.set_device(self._device)
        for name, spec in self._specs.items():
            value = self._to_device(self._to_device_order(name, state.weights[name]), spec.dtype)
            (self._weights if spec.trainable else self._state)[name] = value
        self._step = 0 if state.slots is None else state.step
        self._slots = {name: self._slots_to_device(name, state.slots or {}) for name in self._weights}

    def wait(self) -> None:
        if self._device != "cpu":
            paddle.device.synchronize(self._device)

    # -- a step ------------------------------------------------------------------------------------
    @property
    def _values(self) -> dict[str, Tensor]:
        return {**self._weights, **self._state}

    def _loss_and_gradients(self, inputs: Arrays) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """Loss, gradients by weight and the next moving statistics."""
        graph, run = self._run_loss
        paddle.set_device(self._device)
        leaves = {name: weight.detach() for name, weight in self._weights.items()}
        for leaf in leaves.values():
            leaf.stop_gradient = False
        outputs, updates = run({**leaves, **self._state}, self._prepare_inputs(graph, inputs))
        loss = outputs["loss"]
        if not loss.stop_gradient:
            loss.backward()
        gradients = {
            # None: the weight is not on the way to the loss.
            name: paddle.zeros_like(leaf) if leaf.grad is None else leaf.grad
            for name, leaf in leaves.items()
        }
        return loss.detach(), gradients, {name: value.detach() for name, value in updates.items()}

    # -- arrays in and out -------------------------------------------------------------------------
    def _prepare_inputs(self, graph: Graph, inputs: Arrays) -> dict[str, Any]:
        """The inputs of a graph on the device, the seed as a number."""
        check_inputs(graph.name, graph.inputs, inputs)
        return {
            name: int(inputs[name]) if name == SEED else self._to_device(inputs[name], spec.dtype, "as given")
            for name, spec in graph.inputs.items()
        }

    def _to_device(self, array: Any, dtype: str, whole: str = "") -> Tensor:
        """On the device: numbers for a float tensor in the run's precision, whole numbers as they are
        given, or in the dtype of a weight."""
        tensor = paddle.to_tensor(np.asarray(array))
        if dtype == "float32":
            return tensor.astype(self._precision)
        return tensor if whole else tensor.astype(dtype)

    def _to_device_order(self, name: str, value: Any) -> np.ndarray:
        """A weight as it lies on the device."""
        array = np.asarray(value)
        return array.transpose(kernel_order(array.ndim)) if name in self._kernels else array

    def _to_keras_order(self, name: str, value: Tensor) -> np.ndarray:
        """A weight, or what is shaped like it, in Keras's order of axes."""
        array = _to_host(value)
        if name not in self._kernels or not array.ndim:
            return array
        return np.ascontiguousarray(array.transpose(keras_kernel_order(array.ndim)))

    def _slots_to_device(self, name: str, slots: Mapping[str, Arrays]) -> dict[str, Tensor]:
        optimizer = self._program.optimizer
        kinds = optimizer.slots()
        values = optimizer.slot_values(self._specs[name].shape, slots.get(name))
        ordered = {k: v if kinds[k].scalar else self._to_device_order(name, v) for k, v in values.items()}
        return {slot: self._to_device(value, "float32") for slot, value in ordered.items()}


def _to_host(value: Tensor) -> np.ndarray:
    """A copy in host memory."""
    return np.array(value.detach().numpy(), order="C")


ENGINE = PaddleEngine()
