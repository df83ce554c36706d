"""MindSpore: one compiled graph for a training step, on oneDNN's kernels; PyNative as an option."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Read when MindSpore's libraries load. As MindSpore calls oneDNN (images and kernels in plain order), oneDNN
# 3.10 answers with its reference convolution on AVX-512, 60 times slower than its AVX2 one. What fails is
# raised and needs no log, and dumps of graphs that fail to compile must not lie in the user's folder.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
os.environ.setdefault("GLOG_v", "4")
os.environ.setdefault("MS_OM_PATH", str(Path(tempfile.gettempdir()) / "crosstrain-mindspore"))

import mindspore as ms
import numpy as np

from crosstrain.engines.checks import check_inputs, check_weights, checked_options
from crosstrain.engines.contract import Arrays, Description, Option, Setting, State
from crosstrain.engines.mindspore.ops import operations
from crosstrain.engines.mindspore.source import (
    ASSIGN,
    Compiled,
    Forward,
    Variable,
    gradients_of,
    outputs_of,
    training_of,
)
from crosstrain.engines.mindspore.trace import DTYPES, Axes, Tape, Value, noise
from crosstrain.engines.mindspore.windows import KERNEL
from crosstrain.errors import CrosstrainError
from crosstrain.graph.evaluate import compiled
from crosstrain.graph.graph import SEED, Graph
from crosstrain.graph.program import Program
from crosstrain.training.optimizers import apply

OPTIONS = {
    "compile": Option(True, (True, False), "one compiled graph for each step, or op by op (PyNative)"),
}

PRECISIONS = ("float32", "float64")


class MindSporeEngine:
    """MindSpore."""

    name = "mindspore"

    def __init__(self) -> None:
        self._threads: int | None = None

    def describe(self) -> Description:
        return Description(ms.__version__, ("cpu",), PRECISIONS, OPTIONS)

    def build(self, program: Program, weights: Arrays, setting: Setting) -> MindSporeNetwork:
        options = checked_options(self.name, self.describe(), setting)
        self._set_threads(setting.threads)
        return MindSporeNetwork(program, weights, setting.precision, options["compile"])

    def _set_threads(self, threads: int | None) -> None:
        """MindSpore takes its number of threads once in a process: what the run says, else OpenMP's variable
        (it does not read that itself), else its own choice, which is many."""
        variable = os.environ.get("OMP_NUM_THREADS", "")
        if threads is None and self._threads is None and variable.isdecimal():
            threads = int(variable)
        if not threads or threads == self._threads:
            return
        if self._threads is not None:
            raise CrosstrainError(
                f"MindSpore has already started in this process with {self._threads} threads and cannot take "
                f"{threads} threads any more; build the network in a process of its own"
            )
        ms.device_context.cpu.op_tuning.threads_num(threads)
        ms.runtime.dispatch_threads_num(threads)
        self._threads = threads


class MindSporeNetwork:
    """A program on MindSpore, with its weights and the optimizer's slots as parameters."""

    def __init__(self, program: Program, weights: Arrays, precision: str, compile: bool) -> None:
        self._program, self._precision, self._compile = program, precision, compile
        self._step = 0
        self._training = program.training
        self._specs = self._training.weights
        self._trainable = tuple(self._training.trainable)
        self._ops = operations()
        graphs = {"training": self._training}
        graphs |= {f"predict {phase}": program.network.phase(phase) for phase in (False, True)}
        self._graphs = {key: (graph, compiled(graph, self._ops, precision)) for key, graph in graphs.items()}
        check_weights(program.network.name, self._specs, weights)
        self._weights = self._parameters(weights)
        self._slots = self._slot_parameters()
        self._compiled: dict[Any, Compiled] = {}
        self._eager = Tape(precision, writing=False)

    # -- the calls of the contract ----------------------------------------------------------------
    def train(self, inputs: Arrays, learning_rate: float) -> ms.Tensor:
        self._step += 1
        numbers = self._number(learning_rate), self._number(self._step)
        if not self._compile:
            return self._train_eagerly(inputs, *numbers)
        code, tensors = self._code("training", "training", inputs)
        loss: ms.Tensor = code.call(*tensors, *numbers)
        return loss

    def predict(self, inputs: Arrays, training: bool = False) -> dict[str, np.ndarray]:
        graph, run = self._graphs[key := f"predict {training}"]
        if self._compile:
            code, tensors = self._code("outputs", key, inputs)
            computed = [name for name in graph.outputs if name not in code.direct]
            results = code.call(*tensors) if computed else ()
            outputs = {name: _to_host(t, None) for name, t in zip(computed, results, strict=True)}
            direct = ((name, self._weights[weight]) for name, weight in code.direct.items())
            outputs |= {name: _to_host(variable.parameter, variable.axes) for name, variable in direct}
            return {name: outputs[name] for name in graph.outputs}
        with self._eagerly(inputs):
            weights = {name: self._weights[name].value() for name in graph.weights}
            values, _ = run(weights, self._values(graph, self._prepare_inputs(graph, inputs)))
            return {name: _to_host(value.to_layout(None).tensor, None) for name, value in values.items()}

    def gradients(self, inputs: Arrays) -> tuple[float, dict[str, np.ndarray]]:
        if self._compile:
            code, tensors = self._code("gradients", "training", inputs)
            loss, *gradients = code.call(*tensors, self._number(0.0))
        else:
            loss, _, gradients = self._loss_and_gradients_eagerly(inputs)
        pairs = zip(self._trainable, gradients, strict=True)
        return float(loss), {name: _to_host(g, self._weights[name].axes) for name, g in pairs}

    def read(self) -> State:
        weights = {name: _to_host(h.parameter, h.axes) for name, h in self._weights.items()}
        slots = {
            name: {slot: _to_host(h.parameter, h.axes) for slot, h in each.items()}
            for name, each in self._slots.items()
        }
        return State(weights, slots, self._step)

    def load(self, state: State) -> None:
        check_weights(self._program.network.name, self._specs, state.weights)
        for name, variable in self._weights.items():
            self._write(variable, state.weights[name])
        kinds = self._program.optimizer.slots()
        for name, each in self._slots.items():
            for slot, variable in each.items():
                shape = variable.parameter.shape
                value = ((state.slots or {}).get(name) or {}).get(slot)
                if value is None:
                    ASSIGN(variable.parameter, self._tensor(np.full(shape, kinds[slot].initial), "float32"))
                else:
                    self._write(variable, value)
        self._step = 0 if state.slots is None else state.step

    def wait(self) -> None:
        ms.runtime.synchronize()

    # -- compiled -----------------------------------------------------------------------------------
    def _code(self, what: str, key: str, inputs: Arrays) -> tuple[Compiled, list[ms.Tensor]]:
        """The code for a batch of this shape, and the batch (with noise, if it wants any)."""
        graph, run = self._graphs[key]
        tensors = self._prepare_inputs(graph, inputs)
        signature = (what, key, tuple(tuple(t.shape) for t in tensors.values()))
        if signature not in self._compiled:
            self._compiled[signature] = self._generate(what, graph, run, tensors)
        code = self._compiled[signature]
        seed = int(inputs[SEED]) if code.noise else 0
        noises = [
            ms.Tensor.from_numpy(noise(kind, seed, salt, shape, self._precision))
            for _, kind, salt, shape in code.noise
        ]
        return code, [*tensors.values(), *noises]

    def _generate(self, what: str, graph: Graph, run: Any, tensors: Mapping[str, ms.Tensor]) -> Compiled:
        forward = Forward(graph, run, self._precision, self._weights, tensors)
        if what == "outputs":
            return outputs_of(forward)
        if what == "gradients":
            return gradients_of(forward, self._trainable)
        return training_of(
            forward, self._trainable, self._ops, self._program.optimizer, self._slots, self._number
        )

    # -- op by op -----------------------------------------------------------------------------------
    def _eagerly(self, inputs: Arrays) -> Any:
        self._eager.seed = int(inputs.get(SEED, 0))
        return self._eager.running()

    def _loss_and_gradients_eagerly(self, inputs: Arrays) -> tuple[Any, list[Any], tuple[Any, ...]]:
        """Loss, the next moving statistics, and the gradients in the order of the trainable weights."""
        graph, run = self._graphs["training"]
        tensors = self._prepare_inputs(graph, inputs)

        def forward(*trainable: Any) -> Any:
            weights = {name: variable.value() for name, variable in self._weights.items()}
            for name, tensor in zip(self._trainable, trainable, strict=True):
                weights[name] = Value(tensor, axes=self._weights[name].axes)
            outputs, updates = run(weights, self._values(graph, tensors))
            stored_updates = [
                value.to_layout(self._weights[name].axes).tensor for name, value in updates.items()
            ]
            return outputs["loss"].to_layout(None).tensor, *(stored_updates or [outputs["loss"].tensor])

        with self._eagerly(inputs):
            positions = tuple(range(len(self._trainable)))
            weights = [self._weights[name].parameter for name in self._trainable]
            if not weights:
                loss, *updates = forward()
                return loss, updates, ()
            (loss, *updates), gradients = ms.value_and_grad(forward, positions, None, True)(*weights)
            return loss, updates, gradients if isinstance(gradients, tuple) else (gradients,)

    def _train_eagerly(self, inputs: Arrays, rate: ms.Tensor, step: ms.Tensor) -> ms.Tensor:
        loss, updates, gradients = self._loss_and_gradients_eagerly(inputs)
        with self._eagerly(inputs):
            weights = {name: self._weights[name].value() for name in self._trainable}
            slots = {
                name: {slot: variable.value() for slot, variable in self._slots[name].items()}
                for name in weights
            }
            pairs = zip(self._trainable, gradients, strict=True)
            by_weight = {name: Value(g, axes=self._weights[name].axes) for name, g in pairs}
            new_weights, new_slots = apply(
                self._ops, self._program.optimizer, weights, by_weight, slots, Value(rate), Value(step)
            )
            for name, value in new_weights.items():
                ASSIGN(self._weights[name].parameter, value.to_layout(self._weights[name].axes).tensor)
                for slot, new in new_slots[name].items():
                    ASSIGN(
                        self._slots[name][slot].parameter, new.to_layout(self._slots[name][slot].axes).tensor
                    )
            for name, tensor in zip(self._training.updates, updates, strict=False):
                ASSIGN(self._weights[name].parameter, tensor)
        return loss

    # -- arrays in and out -------------------------------------------------------------------------
    def _parameters(self, weights: Arrays) -> dict[str, Variable]:
        kernels = self._kernels()
        variables = {}
        for i, (name, spec) in enumerate(self._specs.items()):
            axes = kernels.get(name)
            tensor = self._tensor(_stored(weights[name], axes), spec.dtype)
            trains = name in self._trainable
            variables[name] = Variable(
                f"w{i}", ms.Parameter(tensor, name=f"w{i}", requires_grad=trains), axes
            )
        return variables

    def _slot_parameters(self) -> dict[str, dict[str, Variable]]:
        slots: dict[str, dict[str, Variable]] = {}
        for name in self._trainable:
            weight, slots[name] = self._weights[name], {}
            for slot, kind in self._program.optimizer.slots().items():
                start = np.full(() if kind.scalar else weight.parameter.shape, kind.initial)
                key = f"{weight.key}_{slot}"
                parameter = ms.Parameter(self._tensor(start, "float32"), name=key, requires_grad=False)
                slots[name][slot] = Variable(key, parameter, None if kind.scalar else weight.axes)
        return slots

    def _kernels(self) -> dict[str, Axes]:
        """The order of axes of every weight that only convolutions read, as MindSpore's kernel has it."""
        if self._precision != "float32":
            return {}
        readers: dict[str, set[bool]] = {}
        for node in self._training.nodes:
            for i, ref in enumerate(node.inputs):
                if ref and ref.startswith("@"):
                    readers.setdefault(ref[1:], set()).add(node.op == "conv" and i == 1)
        four = {name for name, spec in self._specs.items() if len(spec.shape) == 4}
        return {name: KERNEL for name in four if readers.get(name) == {True}}

    def _prepare_inputs(self, graph: Graph, inputs: Arrays) -> dict[str, ms.Tensor]:
        """The inputs of a graph, copied; the seed stays with the host."""
        check_inputs(graph.name, graph.inputs, inputs)
        return {
            name: self._tensor(inputs[name], spec.dtype)
            for name, spec in graph.inputs.items()
            if name != SEED
        }

    def _values(self, graph: Graph, tensors: Mapping[str, ms.Tensor]) -> dict[str, Value]:
        values = {name: Value(tensor) for name, tensor in tensors.items()}
        return values | ({SEED: Value(None)} if SEED in graph.inputs else {})

    def _tensor(self, array: Any, dtype: str) -> ms.Tensor:
        numpy_dtype = self._precision if dtype == "float32" else dtype
        return ms.Tensor.from_numpy(np.array(array, numpy_dtype, order="C"))

    def _number(self, value: float) -> ms.Tensor:
        return ms.Tensor(value, DTYPES[self._precision])

    def _write(self, variable: Variable, array: np.ndarray) -> None:
        dtype = str(variable.parameter.dtype).lower()
        ASSIGN(variable.parameter, self._tensor(_stored(array, variable.axes), dtype))


def _stored(array: Any, axes: Axes) -> np.ndarray:
    """As the device has it."""
    return np.asarray(array) if axes is None else np.transpose(array, axes)


def _to_host(tensor: Any, axes: Axes) -> np.ndarray:
    """A copy in host memory, in the graph's order of axes."""
    array = tensor.asnumpy()
    return np.array(array if axes is None else np.transpose(array, np.argsort(axes)), order="C")


ENGINE = MindSporeEngine()
