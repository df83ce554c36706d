"""PyTorch modules read as graphs: outputs, statistics and gradients are PyTorch's own, in float64."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import crosstrain
from crosstrain.engines.torch.ops import operations
from crosstrain.engines.torch.statistics import MovingStatistics
from crosstrain.errors import CrosstrainError
from crosstrain.exchange.torch_import.importer import Imported, imported
from crosstrain.exchange.torch_import.layouts import laid, restored
from crosstrain.exchange.torch_import.module import Input, candidates
from crosstrain.exchange.torch_import.program import exported, outputs_of
from crosstrain.exchange.torch_import.witness import without_noise as quiet
from crosstrain.graph.evaluate import compiled
from crosstrain.graph.graph import SEED
from crosstrain.graph.reference import run_numpy
from crosstrain.proof.holding.noise import without_noise
from crosstrain.runs.definition import source
from tests.exchange.torch_modules import MODULES

NEAR = 1e-9


def distance(got: Any, true: Any) -> float:
    got, true = np.asarray(got), np.asarray(true)
    assert got.shape == true.shape
    return float(np.max(np.abs(got - true), initial=0) / max(1.0, np.max(np.abs(true), initial=0)))


class Case:
    """A module, its graph, and random inputs for both."""

    def __init__(self, name: str) -> None:
        torch.manual_seed(0)
        self.module, examples = MODULES[name]()
        examples = [examples] if isinstance(examples, torch.Tensor) else examples
        (self.inputs,) = candidates(self.module, examples, None, name, False)
        programs = exported(self.module, self.inputs, name)
        self.read: Imported = imported(self.module, programs, name)
        self.graph = without_noise(self.read.graph)[0]
        self.outputs = list(outputs_of(programs.training))
        rng = np.random.default_rng(0)
        self.feed = {i.name: self._random(rng, i) for i in self.inputs} | {SEED: np.int32(0)}
        self.module.double()
        self.weights = {
            k: v.astype("float64") if v.dtype.kind == "f" else v for k, v in self.read.weights.items()
        }
        self.tensors = {**dict(self.module.named_parameters()), **dict(self.module.named_buffers())}
        with torch.no_grad():
            for key, (layout, shape) in self.read.layouts.items():
                tensor = self.tensors[key]
                tensor += torch.from_numpy(rng.uniform(0, 0.2, shape))
                self.weights[key] = laid(tensor.detach().numpy().copy(), layout)

    @staticmethod
    def _random(rng: np.random.Generator, entry: Input) -> np.ndarray:
        shape = (4, *entry.data_shape)
        return rng.standard_normal(shape) if entry.dtype == "float32" else rng.integers(0, 9, shape, "int32")

    def eager(self, training: bool) -> list[torch.Tensor]:
        keywords = {}
        for entry in self.inputs:
            array = self.feed[entry.name]
            tensor = torch.from_numpy(np.moveaxis(array, -1, 1).copy() if entry.turned else array)
            keywords[entry.name] = tensor.long() if entry.dtype == "int64" else tensor
        self.module.train(training)
        with quiet(self.module):
            result = self.module(**keywords)
        leaves = torch.utils._pytree.tree_leaves(result)
        return [v.movedim(1, -1) if v.ndim >= 4 else v for v in leaves]

    def gradients(self, cotangents: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Of the graph, by its lowering to PyTorch's autograd."""
        graph = self.graph.phase(training=True)
        leaves = {k: torch.from_numpy(v.copy()).requires_grad_(graph.weights[k].trainable)
                  for k, v in self.weights.items()}  # fmt: skip
        feed = {k: torch.from_numpy(np.asarray(self.feed[k])) for k in graph.inputs}
        run = compiled(graph, operations(torch.device("cpu"), MovingStatistics()), "float64")
        outputs, _ = run(leaves, feed)
        total = sum((outputs[k] * torch.from_numpy(c)).sum() for k, c in cotangents.items())
        trained = list(graph.trainable)
        found = torch.autograd.grad(total, [leaves[k] for k in trained], allow_unused=True)
        return {
            k: np.zeros(leaves[k].shape) if g is None else g.numpy()
            for k, g in zip(trained, found, strict=True)
        }


@pytest.mark.parametrize("name", MODULES)
def test_a_module_s_graph_does_what_the_module_does(name: str) -> None:
    case = Case(name)
    numpy, _ = run_numpy(case.graph, case.weights, case.feed)
    for key, value in zip(case.outputs, case.eager(training=False), strict=True):
        assert distance(numpy[key], value.detach().numpy()) < NEAR, key

    numpy, updates = run_numpy(case.graph, case.weights, case.feed, training=True)
    eager = case.eager(training=True)
    for key, value in zip(case.outputs, eager, strict=True):
        assert distance(numpy[key], value.detach().numpy()) < NEAR, key
    for key, value in updates.items():
        assert distance(value, case.tensors[key].detach().numpy()) < NEAR, key
    still = {key for key, _ in case.module.named_buffers() if key in case.weights} - set(updates)
    for key in still:
        assert np.array_equal(case.tensors[key].detach().numpy(), case.weights[key]), f"{key} was moved"

    rng = np.random.default_rng(1)
    cotangents = {k: rng.standard_normal(numpy[k].shape) for k in case.outputs}
    total = sum((v * torch.from_numpy(cotangents[k])).sum() for k, v in zip(case.outputs, eager, strict=True))
    gradients = case.gradients(cotangents)
    found = torch.autograd.grad(total, [case.tensors[k] for k in gradients], allow_unused=True)
    for (key, value), true in zip(gradients.items(), found, strict=True):
        expected = np.zeros(value.shape) if true is None else laid(true.numpy(), case.read.layouts[key][0])
        assert distance(value, expected) < NEAR, key


def test_every_parameter_keeps_its_name_and_tied_ones_stay_one() -> None:
    case = Case("gpt")
    assert {k for k, s in case.read.graph.weights.items() if s.trainable} == {
        k for k, _ in case.module.named_parameters()
    }


def test_a_residual_network_holds_no_transposes() -> None:
    ops = [node.op for node in Case("resnet").read.graph.nodes]
    assert "transpose" not in ops


@pytest.mark.parametrize("layout", [(("transpose", (2, 0, 1)),), (("reshape", (3, 8)), ("order", (2, 0, 1)))])
def test_a_layout_goes_both_ways(layout: Any) -> None:
    array = np.arange(24.0).reshape(2, 3, 4)
    assert np.array_equal(restored(laid(array, layout), layout, array.shape), array)


# -- refusals ---------------------------------------------------------------------------------------
def refused(module: torch.nn.Module, *shape: int) -> str:
    inputs = (Input("x", shape, "float32", False),)
    with pytest.raises(CrosstrainError) as error:
        imported(module, exported(module, inputs, "net.py:build"), "net")
    return str(error.value)


class Deciding(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.sum() > 0 else -x


class Solving(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.linalg.inv(x)


class Holder(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Solving()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x)


def test_control_flow_that_depends_on_data_is_refused_with_its_line() -> None:
    message = refused(Deciding(), 3)
    assert "control flow that depends on the data" in message
    assert "test_torch_import.py, line" in message


def test_an_unknown_op_is_named_with_its_module_and_line() -> None:
    message = refused(Holder(), 3, 3)
    assert "linalg_inv" in message
    assert "module inner" in message
    assert "test_torch_import.py, line" in message


class Keeping(torch.nn.Module):
    """Keeps something in a buffer, or moves its weight."""

    def __init__(self, what: str, always: bool = False) -> None:
        super().__init__()
        self.what, self.always = what, always
        self.weight = torch.nn.Parameter(torch.ones(3))
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x * self.weight
        if self.training or self.always:
            with torch.no_grad():
                getattr(self, self.what).add_(1)
        return y - self.mean


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (Keeping("mean", always=True), "changes its buffer 'mean' in inference too"),
        (Keeping("steps"), "writes into its buffer of whole numbers 'steps'"),
        (Keeping("weight"), "writes into its weight 'weight'"),
    ],
    ids=["inference", "whole", "weight"],
)
def test_what_a_graph_cannot_keep_is_refused(module: torch.nn.Module, words: str) -> None:
    assert words in refused(module, 3)


def test_a_buffer_moved_in_training_is_the_graph_s_update() -> None:
    inputs = (Input("x", (3,), "float32", False),)
    module = Keeping("mean")
    read = imported(module, exported(module, inputs, "net.py:build"), "net")
    outputs, updates = run_numpy(read.graph, read.weights, {"x": np.ones((2, 3), "float32")}, training=True)
    assert updates["mean"].tolist() == [1, 1, 1]
    assert outputs["output"].tolist() == [[0, 0, 0]] * 2, "read after it was moved, as eager PyTorch does"


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CrosstrainError, match=r"is a pickle.*net\.py:build.*safetensors"):
        source(str(tmp_path / "model.pt"))


FILE = """
from torch import nn


class Net(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(channels, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU())
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.1), nn.Linear(6 * 16, classes))

    def forward(self, x):
        return self.head(self.features(x))


def build(input_shape, classes):
    return Net(input_shape[-1], classes)
"""


def test_a_function_of_a_file_is_trained_on_another_framework(tmp_path: Path) -> None:
    pytest.importorskip("jax")
    (tmp_path / "net.py").write_text(FILE)
    trained = crosstrain.train(
        f"{tmp_path / 'net.py'}:build", "digits", engine="jax", epochs=2, limit=600, batch_size=16,
        optimizer="torch.sgd:lr=0.05,momentum=0.9,nesterov=true,weight-decay=5e-4", out=tmp_path / "run",
        progress=False,
    )  # fmt: skip
    first, last = trained.result.epochs
    assert last.train_loss < first.train_loss
    assert last.validation_accuracy is not None
    assert last.validation_accuracy > 0.5


@pytest.mark.slow("a proof on three engines; each step of it is tried otherwise in every run")
def test_a_function_of_a_file_is_proved_on_every_engine(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(FILE)
    proof = crosstrain.prove(
        f"{tmp_path / 'net.py'}:build", input_shape=(8, 8, 1), classes=10, precisions="float64",
        engines="torch,tensorflow,jax", progress=False,
    )  # fmt: skip
    assert {c.engine: c.status for c in proof.certificates} == dict.fromkeys(
        ("torch", "tensorflow", "jax"), "proved"
    )
