"""Latency and throughput of a row's trained network on its own engine, and its size as a file."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.comparison.parameters import BATCH_SIZES
from crosstrain.criteria.case import Case
from crosstrain.criteria.record import FailedError, UnknownError
from crosstrain.engines.registry import engine_row
from crosstrain.environments.environments import find
from crosstrain.exchange.formats import FORMATS, Format
from crosstrain.results.inference import InferenceCell, InferenceRow
from crosstrain.results.schema import finite

REPEATS = 2
"""Processes; every one asks for up to 300 single examples."""
_SET_UP = (
    "engine", "device", "threads", "options", "cores", "environment", "network_folder", "data_folder",
)  # fmt: skip
"""What serving shares with the training of a cell."""

SAVED_LATENCIES = 200
"""So many latencies are kept for a picture of their distribution."""


def latency(case: Case) -> dict[str, Any]:
    """Percentiles (s) of the time for one example and examples a second by batch size, as ``compare --task
    inference`` measures them: medians over processes. ``latencies`` are ``SAVED_LATENCIES`` samples, at even
    distances from the smallest to the largest."""
    base = case.job
    job = {
        "task": "infer", "division": "open", "model": None, "reference": None,
        "weights": str(case.weights.resolve()), "batch_sizes": list(BATCH_SIZES),
        **{key: base[key] for key in _SET_UP if key in base},
    }  # fmt: skip
    cells = []
    for number in range(REPEATS):
        name = f"{case.name}-latency-{number}"
        result = finite(case.run({**job, "id": name}))
        identity = {"id": name, "network": case.row.network, "engine": case.row.engine, "status": "done"}
        cells.append(InferenceCell(**{**result, **identity}))
    row = InferenceRow(cells)
    rates = {str(size): row.throughput(size) for size in BATCH_SIZES}
    pooled = np.array([seconds for run in row.runs for seconds in run])
    shares = np.linspace(0, 1, min(SAVED_LATENCIES, pooled.size))
    return {
        **{f"latency_p{share}": row.percentile(share / 100) for share in (50, 95, 99)},
        "latency": row.latency and row.latency.to_json(),
        "latencies": [float(s) for s in np.quantile(pooled, shares, method="nearest")],
        "throughput": {size: rate.value for size, rate in rates.items() if rate},
    }


def export(case: Case) -> dict[str, Any]:
    """Bytes of the trained network as ONNX, without being verified: ``crosstrain export`` does that. All
    engines' files of one network are equally large, so it is written once."""
    key = ("onnx", case.row.network, str(case.row.input_size))
    if key not in case.shared:
        out = _place(case) / "export.onnx"
        job = {
            "task": "crosstrain.exchange.model_file:run", "id": f"{case.name}-onnx", "device": "cpu",
            "form": "onnx", "network_folder": str(case.definition.folder.resolve()),
            "weights": str(case.weights.resolve()), "out": str(out.resolve()),
        }  # fmt: skip
        try:
            case.shared[key] = case.run(job)["bytes"]
        except FailedError as reason:
            case.shared[key] = FailedError(f"the network cannot be written as ONNX: {reason}")
        finally:
            out.unlink(missing_ok=True)
    size = case.shared[key]
    if isinstance(size, FailedError):
        raise size
    return {"export_bytes": size, "export_format": "onnx"}


def native_export(case: Case) -> dict[str, Any]:
    """Bytes of the trained network in the framework's own format, where crosstrain writes that."""
    form = _own_format(case)
    out = _place(case) / f"native{form.suffix}"
    job = {
        "task": "crosstrain.exchange.tasks:write", "id": f"{case.name}-{form.name}", "device": "cpu",
        "format": form.name, "engine": case.framework, "data_folder": None,
        "network_folder": str(case.definition.folder.resolve()), "weights": str(case.weights.resolve()),
        "out": str(out.resolve()),
    }  # fmt: skip
    try:
        case.run(job)
        files = [out] if out.is_file() else [path for path in out.rglob("*") if path.is_file()]
        return {"native_bytes": sum(path.stat().st_size for path in files), "native_format": form.name}
    finally:
        shutil.rmtree(out, ignore_errors=True)
        out.unlink(missing_ok=True)


def _own_format(case: Case) -> Format:
    form = FORMATS.get(case.engine.imports[0])
    if form is None or case.framework not in form.written_by or not find(engine_row(case.framework)):
        raise UnknownError(f"crosstrain writes no format of {case.framework}'s own")
    return form


def _place(case: Case) -> Path:
    case.folder.mkdir(parents=True, exist_ok=True)
    return case.folder
