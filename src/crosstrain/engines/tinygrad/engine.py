"""tinygrad: one captured list of kernels for a training step, which writes weights and slots in place."""

from __future__ import annotations

import ctypes.util
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.engines.checks import check_inputs, check_weights, checked_options
from crosstrain.engines.contract import Arrays, Description, Option, Setting, State
from crosstrain.engines.tinygrad import compiler as tinygrad_compiler

tinygrad_compiler.start()  # before tinygrad, which reads its settings when it is imported

# isort: split
from tinygrad import Tensor, TinyJit  # noqa: E402
from tinygrad.device import Device  # noqa: E402
from tinygrad.helpers import NUM_CPU_THREADS, Context  # noqa: E402

from crosstrain.engines.tinygrad.ops import DTYPES, operations  # noqa: E402
from crosstrain.graph.evaluate import compiled  # noqa: E402
from crosstrain.graph.graph import Graph  # noqa: E402
from crosstrain.graph.program import Program  # noqa: E402
from crosstrain.training.optimizers import apply  # noqa: E402

Tree = dict[str, Tensor]

OPTIONS = {
    "beam": Option(
        0, (0, 1, 2, 4), "time this many forms of each kernel and keep the fastest; 0: rules alone"
    ),
    "jit": Option(True, (True, False), "capture a step's kernels once, or schedule them anew each time"),
}

PRECISIONS = ("float32", "float64")


@cache
def devices() -> dict[str, str]:
    """tinygrad's devices by crosstrain's names. Found without starting them."""
    by_name = {"cpu": "CPU"}
    if ctypes.util.find_library("cuda") and ctypes.util.find_library("nvrtc"):
        cards = sorted(int(path.name[6:]) for path in Path("/dev").glob("nvidia[0-9]*"))
        by_name |= {f"cuda:{i}": f"CUDA:{i}" if i else "CUDA" for i in cards}
    return by_name


class TinygradEngine:
    """tinygrad."""

    name = "tinygrad"

    def describe(self) -> Description:
        return Description(version("tinygrad"), tuple(devices()), PRECISIONS, OPTIONS)

    def build(self, program: Program, weights: Arrays, setting: Setting) -> TinygradNetwork:
        options = checked_options(self.name, self.describe(), setting)
        if setting.threads is not None:
            NUM_CPU_THREADS.value = setting.threads
        return TinygradNetwork(program, weights, devices()[setting.device], setting.precision, options)


class Loss:
    """A step's loss, in memory of its own: the next step writes over the captured one."""

    def __init__(self, value: Tensor) -> None:
        self._value = value

    def __float__(self) -> float:
        return float(self._value.item())


class TinygradNetwork:
    """A program on tinygrad, with its weights and the optimizer's slots, in Keras's layouts."""

    def __init__(
        self, program: Program, weights: Arrays, device: str, precision: str, options: Mapping[str, Any]
    ) -> None:
        self._program, self._device, self._precision = program, device, precision
        self._beam, self._captures = options["beam"], options["jit"]
        self._ops = operations(device)
        self._step = 0
        self._training = program.training
        self._specs = self._training.weights
        self._captured: dict[Any, Callable[..., Any]] = {}
        self._values: Tree = {
            name: self._to_device(np.zeros(spec.shape), spec.dtype) for name, spec in self._specs.items()
        }
        self._slots: dict[str, Tree] = {
            name: {
                slot: self._to_device(np.zeros(() if kind.scalar else self._specs[name].shape), "float32")
                for slot, kind in program.optimizer.slots().items()
            }
            for name in self._training.trainable
        }
        self._run = self._graph(self._training)
        self._predict = {phase: self._predictor(program.network.phase(phase)) for phase in (False, True)}
        self.load(State(weights))

    # -- the calls of the contract ----------------------------------------------------------------
    def train(self, inputs: Arrays, learning_rate: float) -> Loss:
        self._step += 1
        batch = self._prepare_inputs(self._training, inputs)
        numbers = {"rate": self._number(learning_rate), "step": self._number(self._step)}
        loss = self._number(0.0)
        self._call("train", self._train_step, batch, numbers, loss)
        return Loss(loss)

    def predict(self, inputs: Arrays, training: bool = False) -> dict[str, np.ndarray]:
        graph, outputs = self._predict[training]
        return _to_host(self._call(f"predict {training}", outputs, self._prepare_inputs(graph, inputs)))

    def gradients(self, inputs: Arrays) -> tuple[float, dict[str, np.ndarray]]:
        batch = self._prepare_inputs(self._training, inputs)
        results = _to_host(self._call("gradients", self._loss_and_gradients, batch))
        return float(results.pop("loss")), {name[1:]: value for name, value in results.items()}

    def read(self) -> State:
        slots = {name: _to_host(slots) for name, slots in self._slots.items()}
        return State(_to_host(self._values), slots, self._step)

    def load(self, state: State) -> None:
        check_weights(self._program.network.name, self._specs, state.weights)
        for name, value in self._values.items():
            _write(value, state.weights[name])
        saved = state.slots or {}
        for name, slots in self._slots.items():
            for slot, kind in self._program.optimizer.slots().items():
                fresh = np.full(slots[slot].shape, kind.initial)
                _write(slots[slot], (saved.get(name) or {}).get(slot, fresh))
        self._step = 0 if state.slots is None else state.step

    def wait(self) -> None:
        Device[self._device].synchronize()

    # -- what is captured ---------------------------------------------------------------------------
    def _train_step(self, inputs: Tree, numbers: Tree, loss: Tensor) -> None:
        outputs, updates = self._run(self._values, inputs)
        weights = {name: self._values[name] for name in self._training.trainable}
        rate, step = numbers["rate"].reshape(()), numbers["step"].reshape(())
        new, slots = apply(
            self._ops, self._program.optimizer, weights, _gradients(outputs["loss"], weights),
            self._slots, rate, step,
        )  # fmt: skip
        changed = [(self._values[name], value) for name, value in {**new, **updates}.items()]
        changed += [
            (old, slots[name][slot]) for name, olds in self._slots.items() for slot, old in olds.items()
        ]
        changed.append((loss, outputs["loss"].reshape(1)))
        for old, value in changed:
            old.assign(value.cast(old.dtype))
        Tensor.realize(*(old for old, _ in changed))

    def _loss_and_gradients(self, inputs: Tree) -> Tree:
        outputs, _ = self._run(self._values, inputs)
        weights = {name: self._values[name] for name in self._training.trainable}
        gradients = _gradients(outputs["loss"], weights)
        return {
            "loss": outputs["loss"].contiguous(),
            **{f"/{k}": g.contiguous() for k, g in gradients.items()},
        }

    def _predictor(self, graph: Graph) -> tuple[Graph, Callable[..., Tree]]:
        run = self._graph(graph)

        def outputs(inputs: Tree) -> Tree:
            values = {name: self._values[name] for name in graph.weights}
            return {name: value.contiguous() for name, value in run(values, inputs)[0].items()}

        return graph, outputs

    def _graph(self, graph: Graph) -> Callable[..., tuple[Tree, Tree]]:
        """The graph as a function to be captured; inputs arrive in the dtypes that the host has."""
        for node in graph.nodes:
            if node.op == "constant":  # now: in a capture it would be copied again in every step
                dtype = node.attributes["dtype"]
                self._ops.constant(
                    value=node.attributes["value"], dtype=self._precision if dtype == "float32" else dtype
                )
        run = compiled(graph, self._ops, self._precision)

        def captured(weights: Tree, inputs: Tree) -> tuple[Tree, Tree]:
            kinds = {name: self._dtype(spec.dtype) for name, spec in graph.inputs.items()}
            return run(weights, {k: v.reshape(()) if not graph.inputs[k].shape else v for k, v in
                                 ((k, v.cast(kinds[k])) for k, v in inputs.items())})  # fmt: skip

        return captured

    def _call(self, name: str, function: Callable[..., Any], inputs: Tree, *more: Any) -> Any:
        """By the kernels captured for inputs of these shapes and dtypes."""
        key = (name, *((k, v.shape, v.dtype) for k, v in inputs.items()))
        with Context(BEAM=self._beam):
            if not self._captures:
                result = function(inputs, *more)
                if result:
                    Tensor.realize(*result.values())
                return result
            if key not in self._captured:
                self._captured[key] = jit = TinyJit(function)
                jit.cnt = 1  # capture at the first call: it has nothing to warm up
            return self._captured[key](inputs, *more)

    # -- arrays in and out -------------------------------------------------------------------------
    def _dtype(self, dtype: str) -> Any:
        return DTYPES[self._precision if dtype == "float32" else dtype]

    def _number(self, value: float) -> Tensor:
        return Tensor(np.array([value], self._precision), device=self._device).realize()

    def _prepare_inputs(self, graph: Graph, inputs: Arrays) -> Tree:
        """The inputs of a graph, copied: a step may still read them when the caller writes the next batch."""
        check_inputs(graph.name, graph.inputs, inputs)
        prepared = {}
        for name in graph.inputs:
            value = np.asarray(inputs[name])
            kind = self._precision if value.dtype.kind == "f" else value.dtype.name
            value = np.array(np.atleast_1d(value), kind, order="C")
            prepared[name] = Tensor(value, device=self._device)
        Tensor.realize(*prepared.values())
        return prepared

    def _to_device(self, value: np.ndarray, dtype: str) -> Tensor:
        kind = self._precision if dtype == "float32" else dtype
        tensor = Tensor(np.array(value, kind).reshape(value.shape or 1), device=self._device).realize()
        return tensor.reshape(value.shape)


def _gradients(loss: Tensor, weights: Tree) -> Tree:
    return dict(zip(weights, loss.gradient(*weights.values()), strict=True)) if weights else {}


def _write(target: Tensor, value: Any) -> None:
    """An array into a tensor's own memory, which captured steps use."""
    array = np.array(value, order="C").reshape(target.shape or 1)
    tensor = Tensor(array, device=str(target.device)).cast(target.dtype).reshape(target.shape)
    target.assign(tensor).realize()


def _to_host(values: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """Copies in host memory."""
    return {name: np.array(value.numpy()) for name, value in values.items()}


ENGINE = TinygradEngine()
