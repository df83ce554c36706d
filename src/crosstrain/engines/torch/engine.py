"""The engine for PyTorch: its options, the training step, and arrays in and out."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from crosstrain.engines.checks import check_inputs, check_weights, checked_options
from crosstrain.engines.contract import Arrays, Description, Option, Setting, State
from crosstrain.engines.memory import keep_freed_memory
from crosstrain.engines.resident import OPTION as DATA
from crosstrain.engines.resident import Rows, worth_keeping
from crosstrain.engines.torch.capture import WARM_UP, CapturedStep, CudaRecorder, Recorder
from crosstrain.engines.torch.device import free_bytes
from crosstrain.engines.torch.fusion import fused, with_statistics_in_place
from crosstrain.engines.torch.gates import exchanged, marked, reset_first
from crosstrain.engines.torch.ops import DTYPES, operations
from crosstrain.engines.torch.rates import RatesOnDevice, rates_of
from crosstrain.engines.torch.staging import moved
from crosstrain.engines.torch.statistics import MovingStatistics
from crosstrain.engines.torch.weights import JointWeights
from crosstrain.errors import CrosstrainError
from crosstrain.graph.evaluate import Ops, compiled
from crosstrain.graph.graph import SEED, Graph
from crosstrain.graph.program import Program

Run = Callable[..., tuple[dict, dict]]

LOWER = {"bfloat16": torch.bfloat16, "float16": torch.float16}
"""What autocast rounds to, by the option ``arithmetic``."""

OPTIONS = {
    "compile": Option(
        "off", ("off", "default", "reduce-overhead", "max-autotune"),
        "torch.compile of the forward and backward passes, in this mode (needs a C++ compiler on a CPU)",
    ),
    "layout": Option(
        "channels_last", ("channels_last", "channels_first"), "how images and kernels lie in memory"
    ),
    "memory": Option(
        "keep", ("keep", "return"), "whether freed memory stays or goes back to the system (on a CPU)",
    ),
    "capture": Option(
        True, (True, False),
        "a training step as one CUDA graph, for shapes of batch that come again (on CUDA)",
    ),
    "data": DATA,
    "autotune": Option(True, (True, False), "let cuDNN time its algorithms and keep the fastest"),
    "deterministic": Option(False, (False, True), "only algorithms that repeat bit for bit"),
    "arithmetic": Option(
        "full", ("full", "tf32", "bfloat16", "float16"),
        "full: as the precision says; tf32: products of 10-bit mantissas (GPU); bfloat16, float16: autocast, "
        "float16 with a scaled loss",
        "open",
    ),
    "flush_denormals": Option(False, (False, True), "take numbers below about 1e-38 as 0 (CPU)", "open"),
}  # fmt: skip

with warnings.catch_warnings():
    # Batches may be read-only views of a mapped file. PyTorch warns of that once in a process; here it is
    # known and right, since no op writes into its inputs.
    warnings.simplefilter("ignore")
    torch.from_numpy(np.broadcast_to(np.float32(0), 1))


class TorchEngine:
    """PyTorch."""

    name = "torch"

    def describe(self) -> Description:
        devices = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        if torch.backends.mps.is_available():
            devices.append("mps")
        return Description(torch.__version__, tuple(devices), ("float32", "float64"), OPTIONS)

    def build(self, program: Program, weights: Arrays, setting: Setting) -> TorchNetwork:
        options = self._checked(setting)
        if setting.threads is not None:
            torch.set_num_threads(setting.threads)
        if setting.device == "cpu" and options["memory"] == "keep":
            keep_freed_memory()
        tf32 = options["arithmetic"] == "tf32"
        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.allow_tf32 = tf32
        torch.backends.cudnn.benchmark = options["autotune"] and not options["deterministic"]
        if options["deterministic"]:
            # cuBLAS repeats itself only with a workspace of fixed size, which it reads when it starts.
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        # Asked for what already holds, PyTorch would import its compiler (1 s) to tell it so too.
        if options["deterministic"] != torch.are_deterministic_algorithms_enabled():
            torch.use_deterministic_algorithms(options["deterministic"])
        torch.set_flush_denormal(options["flush_denormals"])
        device = torch.device(setting.device)
        recorder = CudaRecorder(device) if _captures(device, options) else None
        return TorchNetwork(program, weights, device, setting.precision, options, recorder)

    def _checked(self, setting: Setting) -> dict[str, Any]:
        if setting.device == "mps" and setting.precision == "float64":
            raise CrosstrainError(
                "PyTorch has no float64 on the device 'mps'; take float32 or the device 'cpu'"
            )
        return checked_options(self.name, self.describe(), setting)


def _captures(device: torch.device, options: Mapping[str, Any]) -> bool:
    """Inductor's modes with CUDA graphs of their own do not go into another one."""
    own = options["compile"] in ("reduce-overhead", "max-autotune")
    return device.type == "cuda" and options["capture"] and not own


def _ready_to_compile(ops: Ops) -> None:
    """Recurrent layers stay eager: Inductor (2.13, CPU) gives a GRU of which only the last state is read a
    wrong gradient for its recurrent kernel. And PyTorch compiles one function, here the one that runs a
    graph, only eight times before it silently gives up: here every phase and batch length is one."""
    for name in ("lstm", "gru", "simple_rnn"):
        setattr(ops, name, torch.compiler.disable(getattr(ops, name)))
    torch._dynamo.config.recompile_limit = 64


class TorchNetwork:
    """A program on PyTorch, with its weights and the optimizer's slots."""

    def __init__(
        self,
        program: Program,
        weights: Arrays,
        device: torch.device,
        precision: str,
        options: Mapping[str, Any],
        recorder: Recorder | None = None,
    ) -> None:
        """``recorder`` captures whole steps; None runs them op by op."""
        self._program, self._device, self._options = program, device, options
        self._dtype = DTYPES[precision]
        self._precision = precision
        self._statistics = MovingStatistics()
        self._ops = operations(device, self._statistics)
        if options["compile"] != "off":
            _ready_to_compile(self._ops)
        self._step = 0
        self._seed = torch.zeros((), device=device)

        training = program.training
        self._specs = training.weights
        channels_last = options["layout"] == "channels_last"
        self._joint = JointWeights(
            training, program.optimizer, self._ops, self._dtype, device, channels_last,
            scaled=options["arithmetic"] == "float16",
        )  # fmt: skip
        self._values: dict[str, Tensor] = dict(self._joint.leaves)
        self._reset_first = reset_first(training, program.inference)

        loss_only = replace(training, outputs={"loss": training.outputs["loss"]}).pruned()
        outputs_only = replace(program.network.phase(training=True), updates={}, penalties=()).pruned()
        self._run_loss = self._compiled(loss_only)
        self._run_inference = self._compiled(program.inference)
        self._run_training = self._compiled(outputs_only)
        self._run_step = self._compiled(with_statistics_in_place(loss_only)) if recorder else self._run_loss
        self._rates = RatesOnDevice(program.optimizer, self._dtype, device) if recorder else None
        self._captured = CapturedStep(self._step_in_place, recorder, device) if recorder else None
        self.warm_up_steps = WARM_UP + 1 if recorder else 2
        self.load(State(weights))

    def _compiled(self, graph: Graph) -> tuple[Graph, Run]:
        # The backward pass of PyTorch's own attention need not repeat itself.
        attend = not self._options["deterministic"]
        own = fused(marked(graph, self._reset_first), attend)
        run = compiled(own, self._ops, self._precision)
        if self._options["compile"] != "off":
            run = torch.compile(run, mode=self._options["compile"], dynamic=False)
        return graph, run

    # -- the calls of the contract ----------------------------------------------------------------
    def train(self, inputs: Arrays, learning_rate: float) -> Tensor:
        graph, run = self._run_loss
        self._step += 1
        if self._captured is not None:
            assert self._rates is not None
            self._rates.set(learning_rate, self._step)
            return self._captured.run(self._on_host(graph, inputs))
        loss, gradients, updates = self._loss_and_gradients(run, self._prepare_inputs(graph, inputs))
        self._joint.step(gradients, rates_of(self._program.optimizer, learning_rate, self._step))
        self._values.update(updates)
        return loss

    def predict(self, inputs: Arrays, training: bool = False) -> dict[str, np.ndarray]:
        graph, run = self._run_training if training else self._run_inference
        with torch.inference_mode(), self._arithmetic():
            outputs, _ = run(self._values, self._prepare_inputs(graph, inputs))
        return {name: self._to_host(value) for name, value in outputs.items()}

    def gradients(self, inputs: Arrays) -> tuple[float, dict[str, np.ndarray]]:
        graph, run = self._run_loss
        loss, gradients, _ = self._loss_and_gradients(run, self._prepare_inputs(graph, inputs))
        if self._joint.scaling:
            gradients = tuple(g / self._joint.scaling["scale"] for g in gradients)
        named = zip(self._joint.leaves, gradients, strict=True)
        return float(loss), {name: self._exchanged(name, self._to_host(g)) for name, g in named}

    def contribution(self, inputs: Arrays) -> np.ndarray:
        graph, run = self._run_loss
        loss, gradients, updates = self._loss_and_gradients(run, self._prepare_inputs(graph, inputs))
        parts = [loss, self._joint.flat(gradients), *(updates[name] for name in graph.updates)]
        return self._to_host(torch.cat([part.to(self._dtype).reshape(-1) for part in parts]))

    def update(self, mean: np.ndarray, learning_rate: float) -> None:
        vector = torch.tensor(mean[1:], device=self._device)
        self._step += 1
        rates = rates_of(self._program.optimizer, learning_rate, self._step)
        self._joint.step(self._joint.parts(vector), rates)
        graph, start = self._run_loss[0], self._joint.size
        for name in graph.updates:
            place = self._values[name]
            place.copy_(vector[start : start + place.numel()].reshape(place.shape))
            start += place.numel()

    def read(self) -> State:
        weights = {name: self._exchanged(name, self._to_host(self._values[name])) for name in self._specs}
        slots = {
            name: {slot: self._exchanged(name, self._to_host(value)) for slot, value in each.items()}
            for name, each in self._joint.slots().items()
        }
        scaling = {name: float(scalar) for name, scalar in self._joint.scaling.items()}
        return State(weights, slots, self._step, scaling or None)

    def load(self, state: State) -> None:
        check_weights(self._program.network.name, self._specs, state.weights)
        for name, spec in self._specs.items():
            value = self._to_device(self._exchanged(name, np.array(state.weights[name])), spec.dtype)
            if name in self._values:  # overwritten: a captured step knows their place
                with torch.no_grad():
                    self._values[name].copy_(value)
            else:
                self._values[name] = value
        self._joint.restart()
        self._step = 0
        if state.slots is not None:
            self._step = state.step
            places = self._joint.slots()
            for name, slots in state.slots.items():
                for slot, array in slots.items():
                    value = torch.from_numpy(self._exchanged(name, np.array(array)))
                    places[name][slot].copy_(value)
            if state.scaling:
                self._joint.rescale(state.scaling)

    def _exchanged(self, name: str, array: np.ndarray) -> np.ndarray:
        """A weight or slot on its way in or out. (A slot that is one number has no gates.)"""
        return exchanged(array) if name in self._reset_first and array.ndim else array

    def keep(self, parts: Mapping[str, Arrays]) -> dict[str, dict[str, Rows]] | None:
        if not worth_keeping(self._options["data"], parts, free_bytes(str(self._device))):
            return None
        specs = self._program.training.inputs
        return {
            part: {
                name: Rows.all(self._to_fetch(array, specs[name].dtype).to(self._device))
                for name, array in arrays.items()
            }
            for part, arrays in parts.items()
        }

    def wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        elif self._device.type == "mps":
            torch.mps.synchronize()

    # -- a step ------------------------------------------------------------------------------------
    def _step_in_place(self, inputs: dict[str, Tensor]) -> Tensor:
        """The whole step on tensors that lie on the device; it changes nothing but what they hold."""
        assert self._rates is not None
        graph, run = self._run_step
        self._statistics.begin()
        loss, gradients, updates = self._loss_and_gradients(run, self._as_specified(graph, inputs))
        self._statistics.settle()
        self._joint.step(gradients, self._rates.scalars)
        for name, value in updates.items():
            if value is not self._values[name]:
                self._values[name].copy_(value)
        return loss

    def _loss_and_gradients(
        self, run: Run, inputs: dict[str, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, ...], dict[str, Tensor]]:
        """Loss, gradients in the order of the leaves (of the scaled loss, where it is scaled), and the next
        moving statistics."""
        with self._arithmetic():
            outputs, updates = run(self._values, inputs)
        loss = outputs["loss"]
        leaves = tuple(self._joint.leaves.values())
        scale = self._joint.scaling.get("scale")
        if loss.requires_grad:
            whole = loss if scale is None else loss * scale
            gradients = torch.autograd.grad(whole, leaves, materialize_grads=True)
        else:  # no trainable weight is on the way to the loss
            gradients = tuple(map(torch.zeros_like, leaves))
        loss = loss.detach()
        if self._options["compile"] in ("reduce-overhead", "max-autotune"):
            # Their CUDA graphs give the same memory at every step; what outlives the step has its own.
            loss, updates = loss.clone(), {name: value.clone() for name, value in updates.items()}
        return loss, gradients, updates

    def _arithmetic(self) -> AbstractContextManager[Any]:
        lower = LOWER.get(self._options["arithmetic"])
        context: AbstractContextManager[Any] = (
            nullcontext() if lower is None else torch.autocast(self._device.type, lower)
        )
        return context

    # -- arrays in and out -------------------------------------------------------------------------
    def _on_host(self, graph: Graph, inputs: Arrays) -> dict[str, Tensor]:
        """The inputs of a graph as tensors that the device can fetch or has; a seed goes to PyTorch's
        generators."""
        check_inputs(graph.name, graph.inputs, inputs)
        if SEED in graph.inputs:
            torch.manual_seed(int(inputs[SEED]))
        return {
            name: self._fetched(inputs[name], spec.dtype)
            for name, spec in graph.inputs.items()
            if name != SEED
        }

    def _as_specified(self, graph: Graph, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Tensors on the device in the dtypes that the graph takes. What stands for a seed is not read:
        the generators have it."""
        tensors = {name: self._as_dtype(value, graph.inputs[name].dtype) for name, value in inputs.items()}
        return {**tensors, SEED: self._seed} if SEED in graph.inputs else tensors

    def _prepare_inputs(self, graph: Graph, inputs: Arrays) -> dict[str, Tensor]:
        host = self._on_host(graph, inputs)
        return self._as_specified(graph, {name: moved(value, self._device) for name, value in host.items()})

    def _to_device(self, array: np.ndarray, dtype: str) -> Tensor:
        return self._as_dtype(moved(self._to_fetch(array, dtype), self._device), dtype)

    def _fetched(self, value: np.ndarray | Rows, dtype: str) -> Tensor:
        if not isinstance(value, Rows):
            return self._to_fetch(value, dtype)
        gathered: Tensor = value.array.index_select(0, moved(torch.from_numpy(value.index), self._device))
        return gathered

    def _to_fetch(self, array: np.ndarray, dtype: str) -> Tensor:
        """In host memory, for the device to fetch, in the fewer bytes."""
        tensor = torch.from_numpy(np.asarray(array))
        if self._options["layout"] == "channels_first" and tensor.ndim in (4, 5):
            tensor = tensor.movedim(-1, 1).contiguous().movedim(1, -1)
        if self._device.type == "cpu":
            return tensor
        if dtype == "float32" and tensor.element_size() > self._dtype.itemsize:
            tensor = tensor.to(self._dtype)
        return tensor

    def _as_dtype(self, tensor: Tensor, dtype: str) -> Tensor:
        """Numbers for a float tensor in the run's precision, whole numbers as they are."""
        return tensor.to(self._dtype) if dtype == "float32" else tensor

    def _to_host(self, value: Tensor) -> np.ndarray:
        """A copy in host memory, in the run's precision, in Keras's order of axes."""
        value = value.detach()
        if value.is_floating_point():
            value = value.to(self._dtype)
        return np.array(value.cpu().numpy(), order="C")


ENGINE = TorchEngine()
