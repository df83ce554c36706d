"""Values and gradients inside a network, on PyTorch; rectifiers may pass gradients by other rules.

The rules are those of Springenberg, Dosovitskiy, Brox and Riedmiller, Striving for Simplicity, 2014, figure
1: ``gradient`` (backpropagation), ``deconvnet`` (Zeiler and Fergus 2014) and ``guided``. All else has its
gradient, which is what a deconvnet does there: a convolution's is the convolution with the transposed
filters, that of max-pooling puts values where the maximum was (the switches).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from crosstrain.engines.torch.ops import DTYPES, operations
from crosstrain.engines.torch.statistics import MovingStatistics
from crosstrain.errors import CrosstrainError
from crosstrain.graph.evaluate import Ops, compiled
from crosstrain.graph.graph import Graph

Arrays = Mapping[str, np.ndarray]
CPU = torch.device("cpu")


def _guided(gradient: Tensor, passes: Tensor) -> Tensor:
    return gradient.clamp(min=0) * passes


def _deconvolved(gradient: Tensor, passes: Tensor) -> Tensor:
    return gradient.clamp(min=0)


_RULES: dict[str, Callable[[Tensor, Tensor], Tensor] | None] = {
    "gradient": None,
    "guided": _guided,
    "deconvnet": _deconvolved,
}
"""What a rectifier hands down of a gradient; ``passes`` is 1 where its input lay between its limits."""
_LIMITS = {"relu": float("inf"), "relu6": 6.0}
"""The rectifiers: from 0 to so much."""


class _Rectifier(torch.autograd.Function):
    """min(max(x, 0), limit), handing down its gradient by a rule."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, limit: float, rule: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        ctx.save_for_backward((x > 0) & (x < limit))
        ctx.rule = rule
        return x.clamp(0, limit)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        (passes,) = ctx.saved_tensors
        return ctx.rule(gradient, passes), None, None


class Inspector:
    """A network in inference, of which every value can be read, on the CPU.

    ``weights`` are by Keras path; floats are computed in ``precision``. Values are named by references of
    the graph (``%node``, ``@weight``), arrays are in Keras's layout, batch first.
    """

    def __init__(self, graph: Graph, weights: Arrays, precision: str = "float64") -> None:
        self._graph, self._precision = graph.phase(training=False), precision
        self._weights = {n: self._tensor(weights[n], spec.dtype) for n, spec in graph.weights.items()}
        self._ops = {rule: _operations(rule) for rule in _RULES}

    def values(self, inputs: Arrays, references: Sequence[str]) -> dict[str, np.ndarray]:
        """The values of ``references`` for a batch."""
        with torch.no_grad():
            values = self._run(references, "gradient", self._tensors(inputs))
        return {reference: _array(value) for reference, value in values.items()}

    def gradients(
        self, inputs: Arrays, seeds: Arrays, to: Sequence[str], rule: str = "gradient"
    ) -> dict[str, np.ndarray]:
        """The gradient of Σ seed · value over ``seeds`` (arrays by reference, each of its value's shape) with
        regard to the values of ``to``, handed down by ``rule``."""
        if rule not in _RULES:
            raise CrosstrainError(f"there is no rule {rule!r}; there are {', '.join(_RULES)}")
        tensors = self._tensors(inputs)
        for tensor in tensors.values():
            if tensor.is_floating_point():
                tensor.requires_grad_(True)
        values = self._run([*seeds, *to], rule, tensors)
        gradients = torch.autograd.grad(
            [values[reference] for reference in seeds],
            [values[reference] for reference in to],
            [self._tensor(seed, "float32") for seed in seeds.values()],
            materialize_grads=True,
            allow_unused=True,
        )
        return {reference: _array(gradient) for reference, gradient in zip(to, gradients, strict=True)}

    def _run(self, references: Sequence[str], rule: str, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        wanted = {reference: reference for reference in references}
        graph = replace(self._graph, outputs=wanted).pruned()
        outputs, _ = compiled(graph, self._ops[rule], self._precision)(self._weights, inputs)
        return outputs

    def _tensors(self, inputs: Arrays) -> dict[str, Tensor]:
        return {name: self._tensor(array, self._graph.inputs[name].dtype) for name, array in inputs.items()}

    def _tensor(self, array: np.ndarray, dtype: str) -> Tensor:
        tensor = torch.from_numpy(np.array(array))
        return tensor.to(DTYPES[self._precision]) if dtype == "float32" else tensor


def _operations(rule: str) -> Ops:
    ops = operations(CPU, MovingStatistics())
    hand_down = _RULES[rule]
    if hand_down is not None:
        for name, limit in _LIMITS.items():
            setattr(ops, name, lambda x, limit=limit: _Rectifier.apply(x, limit, hand_down))
    return ops


def _array(value: Tensor) -> np.ndarray:
    return np.array(value.detach().numpy(), order="C")
