"""The engine for PyTorch: its options, the training step, and arrays in and out."""

from __future__ import annotations

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
from crosstrain.engines.torch.fusion import fused
from crosstrain.engines.torch.ops import DTYPES, operations
from crosstrain.engines.torch.weights import JointWeights
from crosstrain.errors import CrosstrainError
from crosstrain.graph.evaluate import Ops, compiled
from crosstrain.graph.graph import SEED, Graph
from crosstrain.graph.program import Program

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
    "autotune": Option(True, (True, False), "let cuDNN time its algorithms and keep the fastest"),
    "deterministic": Option(False, (False, True), "only algorithms that repeat bit for bit"),
    "arithmetic": Option(
        "full", ("full", "tf32", "bfloat16"),
        "full: as the precision says; tf32: products of 10-bit mantissas (GPU); bfloat16: autocast", "open",
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
        torch.backends.cudnn.benchmark = options["autotune"]
        torch.use_deterministic_algorithms(options["deterministic"])
        torch.set_flush_denormal(options["flush_denormals"])
        return TorchNetwork(program, weights, torch.device(setting.device), setting.precision, options)

    def _checked(self, setting: Setting) -> dict[str, Any]:
        if setting.device == "mps" and setting.precision == "float64":
            raise CrosstrainError(
                "PyTorch has no float64 on the device 'mps'; take float32 or the device 'cpu'"
            )
        return checked_options(self.name, self.describe(), setting)


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
    ) -> None:
        self._program, self._device, self._options = program, device, options
        self._dtype = DTYPES[precision]
        self._precision = precision
        self._ops = operations(device)
        if options["compile"] != "off":
            _ready_to_compile(self._ops)
        self._step = 0
        self._seed = torch.zeros((), device=device)

        training = program.training
        self._specs = training.weights
        channels_last = options["layout"] == "channels_last"
        self._joint = JointWeights(training, program.optimizer, self._ops, self._dtype, device, channels_last)
        self._values: dict[str, Tensor] = dict(self._joint.leaves)

        loss_only = replace(training, outputs={"loss": training.outputs["loss"]}).pruned()
        outputs_only = replace(program.network.phase(training=True), updates={}, penalties=()).pruned()
        self._run_loss = self._compiled(loss_only)
        self._run_inference = self._compiled(program.inference)
        self._run_training = self._compiled(outputs_only)
        self.load(State(weights))

    def _compiled(self, graph: Graph) -> tuple[Graph, Callable[..., tuple[dict, dict]]]:
        run = compiled(fused(graph), self._ops, self._precision)
        if self._options["compile"] != "off":
            run = torch.compile(run, mode=self._options["compile"], dynamic=False)
        return graph, run

    # -- the calls of the contract ----------------------------------------------------------------
    def train(self, inputs: Arrays, learning_rate: float) -> Tensor:
        loss, gradients, updates = self._loss_and_gradients(inputs)
        self._step += 1
        self._joint.step(gradients, learning_rate, self._step)
        self._values.update(updates)
        return loss

    def predict(self, inputs: Arrays, training: bool = False) -> dict[str, np.ndarray]:
        graph, run = self._run_training if training else self._run_inference
        with torch.inference_mode(), self._arithmetic():
            outputs, _ = run(self._values, self._prepare_inputs(graph, inputs))
        return {name: self._to_host(value) for name, value in outputs.items()}

    def gradients(self, inputs: Arrays) -> tuple[float, dict[str, np.ndarray]]:
        loss, gradients, _ = self._loss_and_gradients(inputs)
        return float(loss), {k: self._to_host(g) for k, g in zip(self._joint.leaves, gradients, strict=True)}

    def read(self) -> State:
        weights = {name: self._to_host(self._values[name]) for name in self._specs}
        slots = {
            name: {slot: self._to_host(value) for slot, value in each.items()}
            for name, each in self._joint.slots().items()
        }
        return State(weights, slots, self._step)

    def load(self, state: State) -> None:
        check_weights(self._program.network.name, self._specs, state.weights)
        for name, spec in self._specs.items():
            value = self._to_device(np.array(state.weights[name]), spec.dtype)
            if name in self._joint.leaves:
                with torch.no_grad():
                    self._joint.leaves[name].copy_(value)
            else:
                self._values[name] = value
        self._joint.restart()
        self._step = 0
        if state.slots is not None:
            self._step = state.step
            places = self._joint.slots()
            for name, slots in state.slots.items():
                for slot, array in slots.items():
                    places[name][slot].copy_(torch.from_numpy(np.array(array)))

    def wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        elif self._device.type == "mps":
            torch.mps.synchronize()

    # -- a step ------------------------------------------------------------------------------------
    def _loss_and_gradients(self, inputs: Arrays) -> tuple[Tensor, tuple[Tensor, ...], dict[str, Tensor]]:
        """Loss, gradients in the order of the leaves, and the next moving statistics."""
        graph, run = self._run_loss
        with self._arithmetic():
            outputs, updates = run(self._values, self._prepare_inputs(graph, inputs))
        loss = outputs["loss"]
        leaves = tuple(self._joint.leaves.values())
        if loss.requires_grad:
            gradients = torch.autograd.grad(loss, leaves, materialize_grads=True)
        else:  # no trainable weight is on the way to the loss
            gradients = tuple(map(torch.zeros_like, leaves))
        loss = loss.detach()
        if self._options["compile"] in ("reduce-overhead", "max-autotune"):
            # Their CUDA graphs give the same memory at every step; what outlives the step has its own.
            loss, updates = loss.clone(), {name: value.clone() for name, value in updates.items()}
        return loss, gradients, updates

    def _arithmetic(self) -> AbstractContextManager[Any]:
        lower = self._options["arithmetic"] == "bfloat16"
        context: AbstractContextManager[Any] = (
            torch.autocast(self._device.type, torch.bfloat16) if lower else nullcontext()
        )
        return context

    # -- arrays in and out -------------------------------------------------------------------------
    def _prepare_inputs(self, graph: Graph, inputs: Arrays) -> dict[str, Tensor]:
        """The inputs of a graph on the device; a seed goes to PyTorch's generators."""
        check_inputs(graph.name, graph.inputs, inputs)
        prepared = {}
        for name, spec in graph.inputs.items():
            if name == SEED:
                torch.manual_seed(int(inputs[name]))
                prepared[name] = self._seed  # stands in its place: the generators have it
            else:
                prepared[name] = self._to_device(inputs[name], spec.dtype)
        return prepared

    def _to_device(self, array: np.ndarray, dtype: str) -> Tensor:
        """On the device: numbers for a float tensor in the run's precision, whole numbers as they are."""
        tensor = torch.from_numpy(np.asarray(array))
        if self._options["layout"] == "channels_first" and tensor.ndim in (4, 5):
            tensor = tensor.movedim(-1, 1).contiguous().movedim(1, -1)
        target = self._dtype if dtype == "float32" else tensor.dtype
        if self._device.type == "cpu":
            return tensor.to(target)
        if tensor.element_size() > target.itemsize:  # the fewer bytes travel
            tensor = tensor.to(target)
        if self._device.type == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self._device, non_blocking=True).to(target)

    def _to_host(self, value: Tensor) -> np.ndarray:
        """A copy in host memory, in the run's precision, in Keras's order of axes."""
        value = value.detach()
        if value.is_floating_point():
            value = value.to(self._dtype)
        return np.array(value.cpu().numpy(), order="C")


ENGINE = TorchEngine()
