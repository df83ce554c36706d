"""Cases run on an engine and held against NumPy: how far values and gradients are off."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crosstrain.conformance.cases import OpCase
from crosstrain.conformance.holding.sheet import BATCH, meaning, sheet, slopes
from crosstrain.engines.contract import Engine, Setting
from crosstrain.proof.certificate import BOUNDS

GRADIENTS = {"float64": 1e-6, "float32": 1e-3}
"""How far a gradient may be from the finite differences, of the largest number or of 1. In float64 it is
these that are inexact."""
SMALLEST_NORM = 1e-3
"""Values are held relative to at least this much, so that what cancels is not taken for a departure."""


@dataclass(frozen=True)
class Departure:
    """The first output or gradient of a case that is off: ``what`` it is, by how much, and both arrays."""

    what: str
    error: float
    expected: np.ndarray
    got: np.ndarray


@dataclass(frozen=True)
class Held:
    """A case on an engine: the largest errors (``gradient_error`` None where it has no gradient)."""

    value_error: float
    gradient_error: float | None
    departure: Departure | None


def held(engine: Engine, cases: Sequence[OpCase], setting: Setting) -> dict[str, Held]:
    """Run cases in one program; by name, how far each is off. Raises whatever the engine raises."""
    cases = [rounded(case, setting.precision) for case in cases]
    whole = sheet(cases)
    network = engine.build(whole.program, whole.weights, setting)
    values = network.predict(BATCH, training=True)
    # A gradient of every case, also of those whose part of the loss is constant: engines give none for these.
    wanted = any(spec.trainable for spec in whole.program.network.weights.values())
    gradients = network.gradients(BATCH)[1] if wanted else {}
    return {case.name: _judged(case, whole.probes, values, gradients, setting.precision) for case in cases}


def rounded(case: OpCase, precision: str) -> OpCase:
    """The case with floats that the precision holds exactly: rounded inputs are no fault of an op."""
    if precision == "float64":
        return case
    inputs = tuple(
        a if a is None or a.dtype.kind != "f" else a.astype(precision).astype("float64") for a in case.inputs
    )
    return OpCase(case.op, inputs, case.attributes, case.label, case.constant)


def _judged(
    case: OpCase,
    probes: Mapping[str, np.ndarray],
    values: Mapping[str, Any],
    gradients: Mapping[str, Any],
    precision: str,
) -> Held:
    found, bound = [], BOUNDS[precision].values
    for index, expected in enumerate(meaning(case)):
        got = np.asarray(values[f"{case.name}/{index}"])
        off = value_error(got, expected)
        limit = bound if expected.dtype.kind == "f" else 0.0
        found.append((off, limit, Departure(f"output {index}", off, expected, got)))
    slants = []
    for index, expected in slopes(case, probes).items():
        got = np.asarray(gradients[f"{case.name}/{index}"])
        off = gradient_error(got, expected)
        what = f"the gradient of input {index}"
        slants.append((off, GRADIENTS[precision], Departure(what, off, expected, got)))
    departure = next((each for off, limit, each in (*found, *slants) if not off <= limit), None)
    worst = max((off for off, *_ in slants), default=None)
    return Held(max(off for off, *_ in found), worst, departure)


def value_error(got: np.ndarray, expected: np.ndarray) -> float:
    """The norm of the difference relative to that of what is expected; infinite for another shape, another
    kind of number, or infinities and NaN elsewhere."""
    if got.shape != expected.shape or got.dtype.kind != expected.dtype.kind:
        return math.inf
    a, b = got.astype("float64").reshape(-1), expected.astype("float64").reshape(-1)
    finite = np.isfinite(b)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True) or not np.isfinite(a[finite]).all():
        return math.inf
    off = float(np.linalg.norm(a[finite] - b[finite]))
    return off / max(float(np.linalg.norm(b[finite])), SMALLEST_NORM)


def gradient_error(got: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference relative to the largest number, or to 1."""
    if got.shape != expected.shape or not np.isfinite(got).all():
        return math.inf
    largest = max(1.0, float(np.abs(expected).max(initial=0.0)))
    return float(np.abs(got.astype("float64") - expected).max(initial=0.0)) / largest
