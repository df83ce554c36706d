"""Small networks, built by hand, that every engine is tried on; and what NumPy makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from crosstrain.engines.contract import Engine, Setting
from crosstrain.graph.builder import Builder
from crosstrain.graph.evaluate import Ops, compiled
from crosstrain.graph.graph import Graph, TensorSpec, Weights
from crosstrain.graph.ops import NUMPY
from crosstrain.graph.program import Program
from crosstrain.training.optimizers import Optimizer

BATCH = 6
REFERENCE = Ops(NUMPY, "NumPy")


@dataclass(frozen=True)
class Case:
    """A program with weights and one batch (features, targets and, where there is noise, ``seed``)."""

    program: Program
    weights: Weights
    batch: Mapping[str, np.ndarray]

    def with_optimizer(self, optimizer: Optimizer) -> Case:
        return replace(self, program=replace(self.program, optimizer=optimizer))

    def rows(self, start: int, stop: int) -> dict[str, np.ndarray]:
        """Part of the batch."""
        return {k: v if v.ndim == 0 else v[start:stop] for k, v in self.batch.items()}

    def reference(self, graph: Graph, weights: Weights | None = None, batch: Any = None) -> tuple[dict, dict]:
        """(outputs, updates) of a graph of the program, in NumPy's float64."""
        as64 = lambda a: a.astype("float64") if a.dtype.kind == "f" else a
        run = compiled(graph, REFERENCE, "float64")
        return run(
            {k: as64(v) for k, v in (weights or self.weights).items()},
            {k: as64(np.asarray(v)) for k, v in (batch or self.batch).items()},
        )

    def loss(self, weights: Weights | None = None) -> float:
        return float(self.reference(self.program.training, weights)[0]["loss"])


class Net(Builder):
    """A builder that draws its own weights: ``net.dense(x, 5)`` gives the reference of the output."""

    def __init__(self, name: str, seed: int = 0) -> None:
        super().__init__(name)
        self.random = np.random.default_rng(seed)
        self.updates: dict[str, str] = {}

    def feature(self, name: str, *shape: int, dtype: str = "float32") -> str:
        return self.add_input(name, TensorSpec((None, *shape), dtype))

    def drawn(
        self, name: str, *shape: int, scale: float = 0.5, shift: float = 0.0, trainable: bool = True
    ) -> str:
        return self.add_weight(name, shift + scale * self.random.standard_normal(shape), trainable)

    def op(self, op: str, *inputs: str | None, **attributes: Any) -> str:
        return self.emit(op, *inputs, **attributes)[0]

    def width(self, x: str) -> int:
        size = self.specs[x].shape[-1]
        assert size is not None
        return size

    def dense(self, name: str, x: str, units: int, bias: bool = True) -> str:
        kernel = self.drawn(f"{name}/kernel", self.width(x), units)
        return self.op("dense", x, kernel, self.drawn(f"{name}/bias", units) if bias else None)

    def conv(
        self, name: str, x: str, filters: int, size: int, stride: int = 1, padding: Any = ((1, 1), (1, 1)),
        bias: bool = True,
    ) -> str:  # fmt: skip
        kernel = self.drawn(f"{name}/kernel", size, size, self.width(x), filters)
        shift = self.drawn(f"{name}/bias", filters) if bias else None
        return self.op(
            "conv", x, kernel, shift, strides=(stride,) * 2, padding=padding, dilation=(1, 1), groups=1
        )

    def batch_norm(self, name: str, x: str) -> str:
        n = self.width(x)
        mean = self.drawn(f"{name}/moving_mean", n, trainable=False)
        variance = self.drawn(f"{name}/moving_variance", n, scale=0.1, shift=1.0, trainable=False)
        y, new_mean, new_variance = self.emit(
            "batch_norm", x, self.drawn(f"{name}/gamma", n, shift=1.0), self.drawn(f"{name}/beta", n),
            mean, variance, axis=-1, momentum=0.9, epsilon=1e-3,
        )  # fmt: skip
        self.updates |= {mean[1:]: new_mean, variance[1:]: new_variance}
        return y

    def flatten(self, x: str) -> str:
        shape = self.specs[x].shape[1:]
        return self.op("reshape", x, shape=(-1, int(np.prod(shape))))  # type: ignore[arg-type]

    def case(
        self,
        outputs: Mapping[str, str],
        loss: Loss,
        batch: Mapping[str, Any],
        penalties: tuple[str, ...] = (),
    ) -> Case:
        network = self.graph(outputs, self.updates, penalties)
        return Case(
            Program(network, loss(self, outputs), Optimizer()),
            self.arrays,
            {k: np.asarray(v) for k, v in batch.items()},
        )


Loss = Callable[[Net, Mapping[str, str]], Graph]


def cross_entropy(net: Net, outputs: Mapping[str, str]) -> Graph:
    """Mean sparse cross-entropy of the logits of every output, summed over the outputs."""
    builder = Builder("loss", "loss/constant/")
    total = ""
    for name, ref in outputs.items():
        output = builder.add_input(f"output/{name}", net.specs[ref])
        target = builder.add_input(f"target/{name}", TensorSpec((None,), "int64"))
        (each,) = builder.emit("sparse_categorical_crossentropy", target, output, from_logits=True)
        (mean,) = builder.emit("mean", each)
        total = builder.emit("add", total, mean)[0] if total else mean
    return builder.graph({"loss": total})


def squared_error(net: Net, outputs: Mapping[str, str]) -> Graph:
    """Mean squared error of every output, summed over the outputs."""
    builder = Builder("loss", "loss/constant/")
    total = ""
    for name, ref in outputs.items():
        output = builder.add_input(f"output/{name}", net.specs[ref])
        target = builder.add_input(f"target/{name}", net.specs[ref])
        (mean,) = builder.emit("mean", *builder.emit("squared_difference", output, target))
        total = builder.emit("add", total, mean)[0] if total else mean
    return builder.graph({"loss": total})


def perceptron() -> Case:
    """Two dense layers and a penalty on the first kernel."""
    net = Net("perceptron")
    hidden = net.op("tanh", net.dense("hidden", net.feature("x", 4), 5))
    y = net.dense("logits", hidden, 3)
    penalty = net.op(
        "multiply", net.constant(0.1, "float32"), net.op("sum", net.op("square", "@hidden/kernel"))
    )
    batch = {"x": net.random.standard_normal((BATCH, 4)), "target/y": net.random.integers(0, 3, BATCH)}
    return net.case({"y": y}, cross_entropy, batch, (penalty,))


def convolutional() -> Case:
    """Uneven padding with a stride, BatchNorm after a convolution and after a dense layer, both poolings.

    No bias stands before a BatchNorm: its gradient would be nothing but rounding.
    """
    net = Net("convolutional")
    x = net.feature("image", 9, 8, 3)
    y = net.op("relu", net.batch_norm("norm", net.conv("first", x, 4, 3, 2, ((1, 1), (0, 1)), bias=False)))
    y = net.op("max_pool", y, window=(2, 2), strides=(1, 1), padding=((0, 1), (0, 1)))
    y = net.op("relu", net.op("add", y, net.conv("second", y, 4, 3)))
    y = net.op("average_pool", y, window=(2, 2), strides=(2, 2), padding=((0, 1), (0, 0)))
    y = net.batch_norm("last_norm", net.dense("hidden", net.flatten(y), 5, bias=False))
    y = net.dense("logits", y, 3)
    batch = {
        "image": net.random.standard_normal((BATCH, 9, 8, 3)),
        "target/y": net.random.integers(0, 3, BATCH),
    }
    return net.case({"y": y}, cross_entropy, batch)


def recurrent() -> Case:
    """LSTM, then GRU backwards, then a simple layer, with the activations that frameworks have natively."""
    net = Net("recurrent")
    x = net.feature("series", 5, 3)
    lstm = [net.drawn("lstm/kernel", 3, 16), net.drawn("lstm/recurrent", 4, 16), net.drawn("lstm/bias", 16)]
    y, *_ = net.emit("lstm", x, *lstm, None, None, activation="tanh", recurrent_activation="sigmoid")
    gru = [net.drawn("gru/kernel", 4, 9), net.drawn("gru/recurrent", 3, 9), net.drawn("gru/bias", 2, 9)]
    y, last = net.emit(
        "gru",
        y,
        *gru,
        None,
        activation="tanh",
        recurrent_activation="sigmoid",
        reset_after=True,
        backwards=True,
    )
    rnn = [net.drawn("rnn/kernel", 3, 2), net.drawn("rnn/recurrent", 2, 2), net.drawn("rnn/bias", 2)]
    _, end = net.emit("simple_rnn", y, *rnn, None, activation="tanh")
    y = net.dense("out", net.op("concatenate", last, end, axis=-1), 2)
    batch = {
        "series": net.random.standard_normal((BATCH, 5, 3)),
        "target/y": net.random.standard_normal((BATCH, 2)),
    }
    return net.case({"y": y}, squared_error, batch)


def branched() -> Case:
    """Three inputs (words, bytes, numbers), one of them shared by two outputs, and a frozen layer."""
    net = Net("branched")
    words, pixels, numbers = (
        net.feature("words", 4, dtype="int32"), net.feature("pixels", 6), net.feature("numbers", 3),
    )  # fmt: skip
    read = net.op("mean", net.op("take", net.drawn("words/table", 7, 5), words, axis=0), axis=1)
    seen = net.op("matmul", pixels, net.drawn("frozen/kernel", 6, 5, scale=0.01, trainable=False))
    shared = net.op("tanh", net.op("add", read, seen))
    first = net.dense("first", shared, 3)
    second = net.dense("second", net.op("concatenate", shared, numbers, axis=-1), 4)
    batch = {
        "words": net.random.integers(0, 7, (BATCH, 4)).astype("int32"),
        "pixels": net.random.integers(0, 256, (BATCH, 6)).astype("uint8"),
        "numbers": net.random.standard_normal((BATCH, 3)).astype("float32"),
        "target/a": net.random.integers(0, 3, BATCH),
        "target/b": net.random.integers(0, 4, BATCH),
    }
    return net.case({"a": first, "b": second}, cross_entropy, batch)


def noisy(rate: float = 0.25, width: int = 4000) -> Case:
    """Two dropouts of one input, with an output each (to look at them) and a weight in front."""
    net = Net("noisy")
    x = net.op("multiply", net.feature("x", width), net.add_weight("scale", np.ones(width), True))
    a, b = (net.op("dropout", x, net.seed(), rate=rate, salt=net.next_salt()) for _ in range(2))
    noise = net.op("gaussian_noise", x, net.seed(), stddev=0.5, salt=net.next_salt())
    batch = {"x": np.ones((2, width)), "seed": np.int32(5)}
    batch |= {f"target/{name}": np.zeros((2, width)) for name in ("a", "b", "noise")}
    return net.case({"a": a, "b": b, "noise": noise}, squared_error, batch)


CASES = {f.__name__: f for f in (perceptron, convolutional, recurrent, branched)}
"""The networks without noise, whose every number is certain."""


def distance(value: Any, reference: Any) -> float:
    """Norm-wise relative error."""
    value, reference = np.asarray(value, "float64"), np.asarray(reference, "float64")
    assert value.shape == reference.shape, f"shape {value.shape}, not {reference.shape}"
    return float(np.linalg.norm(value - reference) / max(float(np.linalg.norm(reference)), 1e-12))


def finest(engine: Engine) -> Setting:
    """The most exact precision that an engine has."""
    return Setting(precision="float64" if "float64" in engine.describe().precisions else "float32")


def bound(engine: Engine, in_float64: float) -> float:
    """How far off an engine may be in its ``finest`` precision."""
    return in_float64 if finest(engine).precision == "float64" else max(in_float64, 5e-4)


def finite_differences(
    loss: Callable[[Weights], float], weights: Weights, name: str, h: float = 1e-5
) -> np.ndarray:
    """Central differences of ``loss`` for every number of one weight."""
    base = np.asarray(weights[name], "float64")
    slope = np.zeros_like(base)
    for index in np.ndindex(base.shape):
        ends = []
        for sign in (1, -1):
            moved = base.copy()
            moved[index] += sign * h
            ends.append(loss({**weights, name: moved}))
        slope[index] = (ends[0] - ends[1]) / (2 * h)
    return slope
