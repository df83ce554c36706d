"""The worker's task: one engine, op by op, each told as soon as it is known."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from crosstrain.conformance.cases import OP_CASES, OpCase
from crosstrain.conformance.findings import Example, OpResult
from crosstrain.conformance.holding.judging import Departure, Held, held, rounded
from crosstrain.conformance.holding.shrinking import smallest
from crosstrain.engines.contract import Engine, Setting
from crosstrain.errors import CrosstrainError
from crosstrain.graph.evaluate import UnsupportedOp
from crosstrain.proof.certificate import number
from crosstrain.runs.tasks.describe import load_engine
from crosstrain.runs.worker import explained

Emit = Callable[[dict[str, Any]], None]
TASK = "crosstrain.conformance.holding.task:run"


def run(job: Mapping[str, Any], emit: Emit) -> dict[str, Any]:
    """Try ``job["ops"]`` on ``job["engine"]`` in ``job["precision"]`` (None: the finest that it has).

    Events: ``engine`` with ``version`` and ``precision``; for each op ``op`` before it is tried, so that a
    crash has a name, and ``held`` with its ``OpResult`` after.
    """
    engine = load_engine(job["engine"])
    description = engine.describe()
    has = description.precisions
    precision = job["precision"] or ("float64" if "float64" in has else "float32")
    if precision not in has:
        raise CrosstrainError(f"the engine {job['engine']} has no {precision}, only {', '.join(has)}")
    emit({"event": "engine", "version": description.version, "precision": precision})
    setting = Setting(job["device"], precision)
    for op in job["ops"]:
        emit({"event": "op", "op": op})
        emit({"event": "held", "result": tried(engine, op, setting, description.unsupported).to_json()})
    return {}


def tried(engine: Engine, op: str, setting: Setting, unsupported: Mapping[str, str]) -> OpResult:
    """What comes of all cases of an op. What the engine raises is a result too."""
    cases = [case for case in OP_CASES.values() if case.op == op]
    if op in unsupported:
        return OpResult(op, "unsupported", len(cases), reason=unsupported[op])
    try:
        results = held(engine, cases, setting)
    except UnsupportedOp as error:
        return OpResult(op, "unsupported", len(cases), reason=str(error))
    except Exception:
        return _alone(engine, op, cases, setting)
    return _result(engine, op, cases, results, setting)


def _alone(engine: Engine, op: str, cases: Sequence[OpCase], setting: Setting) -> OpResult:
    """Which of several cases it is that an engine cannot do, each tried alone."""
    results: dict[str, Held] = {}
    failures: dict[str, str] = {}
    for case in cases:
        try:
            results |= held(engine, [case], setting)
        except Exception as error:
            traceback.print_exc()
            failures[case.name] = explained(error)[1]
    found = _result(engine, op, [case for case in cases if case.name in results], results, setting)
    if not failures:
        return found
    name, reason = next(iter(failures.items()))
    sentence = f"{len(failures)} of {len(cases)} cases, {name} first: {reason}"
    return OpResult(
        op, "failed", len(cases), found.value_error, found.gradient_error, sentence, found.example
    )


def _result(
    engine: Engine, op: str, cases: Sequence[OpCase], results: Mapping[str, Held], setting: Setting
) -> OpResult:
    values = [each.value_error for each in results.values()]
    gradients = [each.gradient_error for each in results.values() if each.gradient_error is not None]
    departing = [case for case in cases if results[case.name].departure]
    worst = lambda errors: number(max(errors)) if errors else None
    if not departing:
        return OpResult(op, "passed", len(cases), worst(values), worst(gradients))

    def departs(case: OpCase) -> Departure | None:
        try:
            return held(engine, [case], setting)[case.name].departure
        except Exception:  # NumPy or the engine does not take this input: it shows nothing
            return None

    first = departing[0]
    departure = results[first.name].departure
    assert departure is not None
    least, shown = smallest(rounded(first, setting.precision), departure, departs)
    reason = f"{len(departing)} of {len(cases)} cases: {', '.join(case.name for case in departing)}"
    return OpResult(op, "departs", len(cases), worst(values), worst(gradients), reason, example(least, shown))


def example(case: OpCase, departure: Departure) -> Example:
    """A case and its departure as JSON has them."""
    return Example(
        case.op,
        departure.what,
        None if np.isinf(departure.error) else departure.error,
        tuple(None if array is None else listed(array) for array in case.inputs),
        case.attributes,
        listed(departure.expected),
        listed(departure.got),
    )


def listed(array: np.ndarray) -> Any:
    """An array as nested lists, infinity and NaN as words."""

    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [plain(each) for each in value]
        return number(value) if isinstance(value, float) else value

    return plain(np.asarray(array).tolist())
