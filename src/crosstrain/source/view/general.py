"""Any node as the operation that it is: weights and constants are values like others."""

from __future__ import annotations

import inspect
from dataclasses import replace
from functools import cache
from typing import Any

from crosstrain.graph.builder import FLOATS
from crosstrain.graph.graph import SEED, Node
from crosstrain.graph.ops import VOCABULARY
from crosstrain.source.view.step import ARITHMETIC, CHOICES, ELEMENTWISE, PAIRED, Step
from crosstrain.source.view.values import Values

GENERAL = frozenset(VOCABULARY) - {"constant", "scan", "ctc_loss"}
"""What graphs are made of. Constants are written where they are read."""

NUMBERS = {
    *ARITHMETIC, "equal", "not_equal", "greater", "greater_equal", "less", "less_equal",
}  # fmt: skip
"""Operations whose operator takes a plain number on one side."""

WIDTH = ("bool", "uint8", "int8", "int16", "int32", "int64", *reversed(FLOATS))


@cache
def _defaults(op: str) -> dict[str, Any]:
    row = VOCABULARY[op]
    parameters = inspect.signature(row.numpy or row.meaning or (lambda: None)).parameters.values()
    return {
        p.name: p.default
        for p in parameters
        if p.kind is p.KEYWORD_ONLY and p.default is not p.empty and not p.name.startswith("_")
    }


def complete(node: Node) -> Node:
    """The node with the attributes that it leaves to the vocabulary."""
    return replace(node, attributes={**_defaults(node.op), **node.attributes})


def general(view: Values, node: Node) -> list[Step]:
    """The node's own step, after those of the weights and constants that it reads, before those that take its
    outputs apart."""
    atoms: list[Step] = []
    inputs = [ref for ref in node.inputs if ref != f"%{SEED}"]
    dtypes = [view.dtype(ref) for ref in inputs if ref]
    widest = max(dtypes, key=WIDTH.index) if dtypes and all(d in WIDTH for d in dtypes) else "float32"
    plain = [view.constant(ref) is not None and view.shape(ref) == () for ref in inputs]
    values = []
    for index, ref in enumerate(inputs):
        as_number = plain[index] and node.op in NUMBERS and not all(plain)
        value, step = _read(view, node, ref, index, as_number)
        atoms += [step] if step else []
        two = node.op in PAIRED or (node.op == "where" and index)
        if two and ref and not as_number and view.dtype(ref) != widest and not node.op.startswith("logical"):
            atoms.append(_cast(view, value, ref, widest))
            value = atoms[-1].output
        values.append(value)
    kind = (
        node.op if node.op in ELEMENTWISE and node.op not in ("softmax", "log_softmax") else f"op_{node.op}"
    )
    if node.op in CHOICES:
        kind = node.op
    shape = view.shape(node.references[0])
    settings: dict[str, Any] = dict(node.attributes)
    if not kind.startswith("op_"):
        settings["rank"] = len(shape)
    else:
        settings["ranks"] = tuple(len(view.shape(ref)) if ref else 0 for ref in inputs)
        settings["lengths"] = view.shape(inputs[0]) if inputs and inputs[0] else ()
        settings["dtype_in"] = dtypes[0] if dtypes else "float32"
    step = Step(kind, tuple(values), node.references[0], shape[1:], settings)
    if len(node.outputs) == 1:
        return [*atoms, step]
    whole = f"{node.references[0]}*"
    parts = [
        Step("item", (whole,), ref, view.shape(ref)[1:], {"index": index})
        for index, ref in enumerate(node.references)
        if ref in view.read
    ]
    return [*atoms, replace(step, output=whole), *parts]


def _read(view: Values, node: Node, ref: str | None, index: int, as_number: bool) -> tuple[str, Step | None]:
    """The value of an input, and the step that makes it where it is none of the network's."""
    if ref is None:
        return (output := f"%none/{node.name}/{index}"), Step("none", (), output, ())
    if ref.startswith("@"):
        spec = view.graph.weights[ref[1:]]
        output = f"{ref}#{node.name}/{index}"
        settings = {"shape": spec.shape, "trainable": spec.trainable, "dtype": spec.dtype}
        return output, Step("weight", (), output, spec.shape[1:], settings, ref[1:], ("weight",))
    constant = view.constant(ref)
    if constant is not None:
        output = f"{ref}#{node.name}/{index}"
        a = constant.attributes
        kind = "number" if as_number else "constant"
        return output, Step(kind, (), output, view.shape(ref)[1:], {"value": a["value"], "dtype": a["dtype"]})
    return view.alias.get(ref, ref), None


def _cast(view: Values, value: str, ref: str, dtype: str) -> Step:
    shape = view.shape(ref)
    settings = {"dtype": dtype, "ranks": (len(shape),), "lengths": shape, "dtype_in": view.dtype(ref)}
    return Step("op_cast", (value,), f"{value}>{dtype}", shape[1:], settings)
