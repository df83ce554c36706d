"""The ONNX project's own backend node tests, through the importer and NumPy.

Of each case: *passed* (the importer read the model and NumPy gives the expected outputs), *out of scope*
(refused, in a sentence) or *wrong*. A case whose shapes, axes or weights are inputs is tried again with those
as constants. ``python -m tests.exchange.node_tests`` prints how many there are of each.
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from crosstrain.errors import CrosstrainError
from crosstrain.exchange.onnx.reading.importer import imported
from crosstrain.graph.reference import run_numpy

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from onnx.backend.test.case.node import collect_testcases

LAYERS = {
    "Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization", "LSTM", "GRU", "RNN", "PRelu",
    "LayerNormalization", "InstanceNormalization", "GroupNormalization", "Gather", "Add", "Mul", "Sub", "Div",
}  # fmt: skip
"""Ops that networks use with weights: their cases run again with all inputs but the first constant."""


@dataclass
class Outcome:
    """How the cases went: names of those passed, reasons of those refused, errors of those wrong."""

    passed: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)


def cases() -> Iterator[Any]:
    """The node cases of the default domain."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        collected = collect_testcases(None)
    for case in collected:
        if all(node.domain in ("", "ai.onnx") for node in case.model.graph.node):
            yield case


def with_constants(model: onnx.ModelProto, arrays: dict[str, np.ndarray]) -> onnx.ModelProto:
    """The model with some of its inputs as initialisers."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    inputs = [i for i in result.graph.input if i.name not in arrays]
    del result.graph.input[:]
    result.graph.input.extend(inputs)
    result.graph.initializer.extend(numpy_helper.from_array(a, n) for n, a in arrays.items())
    return result


def attempts(case: Any, feed: dict[str, Any]) -> Iterator[list[str]]:
    """Which inputs to make constant: none; those that are no floats; all but the first."""
    names = list(feed)
    yield []
    whole = [n for n in names if np.asarray(feed[n]).dtype.kind not in "f" or np.asarray(feed[n]).ndim == 0]
    if whole and len(whole) < len(names):
        yield whole
    if len(names) > 1 and names[1:] != whole:
        yield names[1:]


def check(case: Any, model: onnx.ModelProto, feed: dict[str, np.ndarray], expected: Sequence[Any]) -> str:
    """ "" where the outputs are those expected, else what differs. Raises ``CrosstrainError``."""
    network = imported(model, case.name, free_batch=False)
    names = {key.translate(str.maketrans(":@%", "___")): a for key, a in feed.items()}
    inputs = {k: names[k] if k in names else np.int32(0) for k in network.graph.inputs}
    with np.errstate(all="ignore"):
        got, _ = run_numpy(network.graph, network.weights, inputs, "float32")
    for (name, array), wanted in zip(got.items(), expected, strict=True):
        if tuple(array.shape) != tuple(np.shape(wanted)):
            return f"{name} has the shape {array.shape}, not {np.shape(wanted)}"
        kinds = (
            {"u": "i"}.get(array.dtype.kind, array.dtype.kind),
            {"u": "i"}.get(wanted.dtype.kind, wanted.dtype.kind),
        )
        if kinds[0] != kinds[1]:
            return f"{name} is {array.dtype}, not {wanted.dtype}"
        if not np.allclose(
            array.astype("float64"), wanted.astype("float64"), rtol=case.rtol, atol=case.atol, equal_nan=True
        ):
            return f"{name} is off by {np.nanmax(np.abs(array.astype('float64') - wanted.astype('float64')))}"
    return ""


def run(names: Sequence[str] = ()) -> Outcome:
    """Run all cases, or those named."""
    outcome = Outcome()
    for case in cases():
        if not names or case.name in names:
            _one(case, outcome)
    return outcome


def _one(case: Any, outcome: Outcome) -> None:
    reason, passed = "", False
    op = case.model.graph.node[0].op_type if case.model.graph.node else ""
    for inputs, expected in case.data_sets:
        if not all(
            isinstance(a, np.ndarray | np.generic) and np.asarray(a).dtype.kind in "fiub" for a in inputs
        ):
            outcome.refused[case.name] = "its inputs are no plain arrays"
            return
        feed = {i.name: np.asarray(a) for i, a in zip(case.model.graph.input, inputs, strict=True)}
        for constants in attempts(case, feed):
            try:
                model = with_constants(case.model, {k: feed[k] for k in constants})
                off = check(case, model, {k: a for k, a in feed.items() if k not in constants}, expected)
            except CrosstrainError as error:
                reason = reason or str(error)
                continue
            except Exception as error:  # anything but a sentence is a fault
                off = f"{type(error).__name__}: {error}"
            if off:
                outcome.wrong[case.name] = f"{off} (constant: {constants})"
                return
            passed = True
            if op not in LAYERS:
                break
    if passed:
        outcome.passed.append(case.name)
    else:
        outcome.refused[case.name] = reason


def main() -> None:
    outcome = run(sys.argv[1:])
    for name, what in outcome.wrong.items():
        print(f"wrong: {name}: {what}")
    if sys.argv[1:]:
        print(outcome.refused)
    ops = Counter(reason.partition(" (")[0] for reason in outcome.refused.values())
    for reason, count in ops.most_common():
        print(f"{count:5} refused: {reason}")
    print(f"{len(outcome.passed)} passed, {len(outcome.refused)} out of scope, {len(outcome.wrong)} wrong")


if __name__ == "__main__":
    main()
