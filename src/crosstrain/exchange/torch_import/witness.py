"""PyTorch itself, eager and in float64, as the truth of a network that it defined."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import torch.utils._pytree as pytree

from crosstrain.engines.torch.ops import operations
from crosstrain.engines.torch.statistics import MovingStatistics
from crosstrain.exchange.torch_import.archive import Archived
from crosstrain.exchange.torch_import.define import called, inputs_of
from crosstrain.exchange.torch_import.layouts import from_json, laid, restored
from crosstrain.exchange.torch_import.module import PICTURE, taken_apart
from crosstrain.graph.evaluate import compiled
from crosstrain.proof.arrays import Arrays, write_arrays
from crosstrain.proof.case import Case
from crosstrain.runs.defined import Definition

QUIET = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout")


def run(job: Mapping[str, Any], emit: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Task ``truth-torch``: write to ``job["out"]`` (.npz) what the module computes of ``job["case"]``:
    ``inference/OUT``, ``training/OUT``, ``loss``, ``gradient/WEIGHT`` and ``update/STATISTIC``."""
    definition, case = Definition.load(Path(job["definition"])), Case.load(Path(job["case"]))
    emit({"event": "phase", "name": "truth"})
    witness = Witness(definition, case)
    with without_noise(witness.module):
        write_arrays(Path(job["out"]), witness.evidence())
    return {"version": torch.__version__}


@contextmanager
def without_noise(module: torch.nn.Module) -> Iterator[None]:
    """With every dropout of the module passing its input on."""
    kept = {name: getattr(F, name) for name in QUIET}
    attention = F.scaled_dot_product_attention
    if isinstance(module, Archived):
        module.archive_noise = False
    for layer in module.modules():
        if isinstance(layer, torch.nn.RNNBase | torch.nn.MultiheadAttention):
            layer.dropout = 0.0
    try:
        for name in QUIET:
            setattr(F, name, lambda input, *_, **__: input)

        def quiet(query: Any, key: Any, value: Any, *rest: Any, **more: Any) -> Any:
            bound = dict(zip(("attn_mask", "dropout_p", "is_causal"), rest, strict=False))
            return attention(query, key, value, **{**bound, **more, "dropout_p": 0.0})

        F.scaled_dot_product_attention = quiet  # type: ignore[assignment]
        yield
    finally:
        F.scaled_dot_product_attention = attention
        for name, function in kept.items():
            setattr(F, name, function)


class Witness:
    """The module of a definition with a case's weights."""

    def __init__(self, definition: Definition, case: Case) -> None:
        self.case, self.data = case, definition.data
        module, _ = taken_apart(*called(definition.data))
        self.module = module.double()
        self.layouts = from_json(self.data["torch"]["layouts"])
        self.tensors = {
            **dict(module.named_parameters(remove_duplicate=False)),
            **dict(module.named_buffers(remove_duplicate=False)),
        }

    def load(self) -> None:
        """Give the module the case's weights."""
        with torch.no_grad():
            for name, (layout, shape) in self.layouts.items():
                array = restored(self.case.weights[name], layout, shape)
                self.tensors[name].copy_(torch.from_numpy(array))

    def evidence(self) -> Arrays:
        arrays: dict[str, np.ndarray] = {}
        batch = self.case.first()
        for mode, training in (("inference", False), ("training", True)):
            self.load()
            self.module.train(training)
            outputs = self.outputs(batch)
            arrays |= {f"{mode}/{name}": value.detach().numpy() for name, value in outputs.items()}
        loss = self.loss(outputs, batch)
        arrays["loss"] = np.asarray(loss.detach().numpy(), "float64")
        trainable = [name for name in self.case.network.trainable if name in self.layouts]
        gradients = torch.autograd.grad(loss, [self.tensors[n] for n in trainable], allow_unused=True)
        for name, gradient in zip(trainable, gradients, strict=True):
            layout, shape = self.layouts[name]
            array = np.zeros(shape) if gradient is None else gradient.numpy()
            arrays[f"gradient/{name}"] = laid(array, layout)
        for name in self.case.network.updates:
            arrays[f"update/{name}"] = laid(self.tensors[name].detach().numpy(), self.layouts[name][0])
        return arrays

    def outputs(self, batch: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
        """The module's outputs by the graph's names, with the channels of pictures last."""
        keywords = {}
        for entry in inputs_of(self.data):
            array = np.asarray(batch[entry.name])
            array = np.moveaxis(array, -1, 1) if entry.turned else array
            dtype = torch.float64 if entry.dtype.startswith("float") else getattr(torch, entry.dtype)
            keywords[entry.name] = torch.from_numpy(np.ascontiguousarray(array)).to(dtype)
        leaves, _ = pytree.tree_flatten(self.module(**keywords))
        named = zip(self.data["torch"]["outputs"], leaves, strict=True)
        return {
            name: leaf.movedim(1, -1) if leaf.ndim >= PICTURE and leaf.is_floating_point() else leaf
            for name, leaf in named
        }

    def loss(self, outputs: Mapping[str, torch.Tensor], batch: Mapping[str, np.ndarray]) -> torch.Tensor:
        """The definition's loss, by its meaning."""
        graph = self.case.loss
        ops = operations(torch.device("cpu"), MovingStatistics())
        feed: dict[str, torch.Tensor] = {}
        for name, spec in graph.inputs.items():
            kind, _, key = name.partition("/")
            if kind == "output":
                feed[name] = outputs[key]
            else:
                array = np.asarray(batch[name])
                feed[name] = torch.from_numpy(
                    array.astype("float64" if spec.dtype == "float32" else spec.dtype)
                )
        weights = {name: torch.from_numpy(np.asarray(self.case.weights[name])) for name in graph.weights}
        results, _ = compiled(graph, ops, "float64")(weights, feed)
        loss: torch.Tensor = results["loss"]
        return loss
