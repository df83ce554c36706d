"""Values of a graph while it is written in Theano: a variable that knows its shape.

Theano's own shapes are symbols, and whether a variable broadcasts along an axis is part of its type. A
``Value`` carries the vocabulary's shape (None for the batch), which tells both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import theano.tensor as T

from crosstrain.graph.graph import TensorSpec
from crosstrain.graph.ops import VOCABULARY

Variable = Any
Shape = tuple[int | None, ...]


class Value:
    """A Theano variable with its shape. Python's operators, which the vocabulary's composites use, are the
    vocabulary's own ops."""

    __slots__ = ("shape", "variable")

    def __init__(self, variable: Variable, shape: Shape) -> None:
        pattern = [own or length == 1 for own, length in zip(variable.broadcastable, shape, strict=True)]
        if pattern != list(variable.broadcastable):
            variable = T.patternbroadcast(variable, pattern)
        self.variable, self.shape = variable, shape

    @property
    def dtype(self) -> str:
        return str(self.variable.dtype)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def spec(self) -> TensorSpec:
        return TensorSpec(self.shape, self.dtype)

    def __getitem__(self, index: Any) -> Value:
        cuts = index if isinstance(index, tuple) else (index,)
        shape: list[int | None] = []
        for length, cut in zip(self.shape, (*cuts, *[slice(None)] * (self.ndim - len(cuts))), strict=True):
            if isinstance(cut, slice):
                whole = cut == slice(None)
                if length is None and not whole:
                    shape.append(None)
                else:
                    shape.append(length if whole or length is None else len(range(*cut.indices(length))))
        return Value(self.variable[index], tuple(shape))

    def __neg__(self) -> Value:
        return Value(-self.variable, self.shape)


def _operator(name: str, swapped: bool) -> Callable[[Value, Any], Value]:
    def operate(self: Value, other: Any) -> Value:
        result: Value = LIFTED[name](*((other, self) if swapped else (self, other)))
        return result

    return operate


LIFTED: dict[str, Callable[..., Any]] = {}
"""The lifted forms of arithmetic and comparison, entered by ``lifted``."""

for _name, _method in {
    "add": "add", "subtract": "sub", "multiply": "mul", "divide": "truediv", "power": "pow",
}.items():  # fmt: skip
    setattr(Value, f"__{_method}__", _operator(_name, False))
    setattr(Value, f"__r{_method}__", _operator(_name, True))
for _name, _method in {"greater": "gt", "greater_equal": "ge", "less": "lt", "less_equal": "le"}.items():
    setattr(Value, f"__{_method}__", _operator(_name, False))


def lifted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function on Theano's variables as one on values; shapes come from the vocabulary's rule."""
    rule = VOCABULARY[name].shape

    def run(*inputs: Any, **attributes: Any) -> Any:
        result = function(*[i.variable if isinstance(i, Value) else i for i in inputs], **attributes)
        several = isinstance(result, tuple | list)
        variables = list(result) if several else [result]
        shapes = _shapes(rule, inputs, attributes, variables)
        values = [Value(v, shape) for v, shape in zip(variables, shapes, strict=True)]
        return tuple(values) if several else values[0]

    LIFTED[name] = run
    return run


def _shapes(
    rule: Callable[..., list[TensorSpec]], inputs: Any, attributes: Any, variables: list[Variable]
) -> list[Shape]:
    """By the rule; where it does not hold inside of a composite (time before the batch), nothing is known
    but what the variable's type says."""
    specs = [i.spec if isinstance(i, Value) else None if i is None else TensorSpec(()) for i in inputs]
    try:
        return [spec.shape for spec in rule(*specs, **attributes)]
    except ValueError:
        return [tuple(1 if one else None for one in v.broadcastable) for v in variables]
