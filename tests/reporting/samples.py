"""Small results that were never measured, with every section that a report can have."""

from __future__ import annotations

from typing import Any

from crosstrain.advice.recommendation import recommend
from crosstrain.results.rows import rows
from crosstrain.results.schema import (
    CellResult,
    CertificateResult,
    ComparisonResult,
    Epoch,
    SearchResult,
)

EVIL = "</script><script>window.hurt = 1</script><img src=x onerror='window.hurt = 1'>"
"""Does harm wherever it is taken for markup."""


def cell(network: str, size: int | None, engine: str, seconds: float, **fields: Any) -> CellResult:
    """A finished cell of three epochs."""
    repeat = fields.get("repeat", 0)
    epochs = [
        Epoch.model_validate(
            {
                "train_seconds": seconds * (1 + 0.01 * k), "images_per_second": 1000 / max(seconds, 1e-9),
                "train_loss": 2.0 / (k + 1), "validation_loss": 2.2 / (k + 1),
                "validation_accuracy": 0.5 + 0.1 * k,
            }
        )
        for k in range(3)
    ]  # fmt: skip
    defaults: dict[str, Any] = {
        "id": f"{network}-{size}-{engine}-s0-r{repeat}", "network": network, "engine": engine,
        "engine_version": "1.0", "input_size": size, "status": "done", "certificate": "proved",
        "epochs": epochs, "test_accuracy": 0.9, "test_examples": 1000, "peak_memory_bytes": 300 * 2**20,
        "compile_seconds": 1.5, "import_seconds": 0.7, "train_seconds": 3 * seconds,
    }  # fmt: skip
    return CellResult(**{**defaults, **fields})


def interval(value: float) -> dict[str, Any]:
    return {"value": value, "low": 0.9 * value, "high": 1.1 * value, "samples": 9, "method": "bootstrap"}


def result(cells: list[CellResult], **fields: Any) -> ComparisonResult:
    """A result of these cells."""
    defaults: dict[str, Any] = {
        "crosstrain": "0.1.0", "folder": "runs/sample", "cells": cells,
        "recommendation": recommend(rows(cells)),
    }  # fmt: skip
    return ComparisonResult(**{**defaults, **fields})


def small() -> ComparisonResult:
    """Two networks, two sizes, two engines, three processes each; torch is the faster one at every size."""
    pace = {"torch": 1.0, "jax@tuned": 1.3}
    return result(
        [
            cell(network, size, engine, pace[engine] * size / 16 * (1 + 0.002 * repeat), repeat=repeat)
            for network in ("lenet5", "resnet20")
            for size in (16, 32)
            for engine in pace
            for repeat in range(3)
        ],
        settings=settings(),
        machine={
            "processor": "A processor",
            "cores": 2,
            "memory_bytes": 2**33,
            "versions": {"torch": "2.13"},
        },
    )


def settings(**options: Any) -> dict[str, Any]:
    """As ``Settings.identity`` has them."""
    from crosstrain.comparison.settings import settings as made

    return made(
        "lenet5,resnet20", "digits", **{"engines": "torch,jax", "sizes": [16, 32], **options}
    ).identity()


def full(evil: str = "") -> ComparisonResult:
    """Everything that a result can hold; ``evil`` stands in every text that comes from elsewhere."""
    base = small()
    cells = base.cells
    network, engine, classes = (
        f"net{evil}",
        f"torch@{evil}" if evil else "torch@new",
        [f"class {evil}", "two"],
    )
    bad: dict[str, Any] = {"network": network, "engine": engine, "input_size": 32}
    certificates = [
        CertificateResult(
            network=c.network, input_size=c.input_size, engine=c.engine, precision="float64", status="proved",
            outputs=1e-15, loss=0.0, gradients=2e-15, weights_after_steps=3e-15,
        )
        for c in cells if not c.repeat
    ]  # fmt: skip
    certificates += [
        CertificateResult(
            **bad, precision="float64", status="departs", outputs=1e-2, loss="inf", gradients="nan",
            first_departure={
                "stage": "inference", "node": f"node{evil}", "op": "batch_norm", "layer": f"layer{evil}",
                "tensor": f"tensor{evil}", "error": 0.01, "cause": f"cause{evil}",
                "expected": {"entries": [1.0, 2.5], "norm": 3.25},
                "got": {"entries": [1.1, "nan"], "norm": 3.5},
            },
        ),
        CertificateResult(**bad, precision="float32", status="cannot", reason=f"reason{evil}"),
    ]  # fmt: skip
    where = [
        {"network": n, "input_size": s, "engine": "torch"} for n in ("lenet5", "resnet20") for s in (16, 32)
    ]
    return base.model_copy(
        update={
            "cells": [
                *cells,
                cell("resnet20", 32, "mxnet", 1.0, status="crashed", error=f"it fell{evil}", epochs=[],
                     certificate="none"),
                cell(network, 32, engine, 2.0, certificate="departs"),
                cell("lenet5", None, "paddle", 1.0, status="missing", error="not installed", epochs=[]),
            ],
            "certificates": certificates,
            "stability": [{"kind": "drift", **where[0], "text": f"slower{evil}"},
                          {"kind": "load", "text": f"another load{evil}"}],
            "growth": [
                {"by": "input size", "network": "lenet5", "input_size": None, "engine": "torch",
                 "exponent": interval(0.5), "points": [[256.0, 1.0], [1024.0, 2.0]], "text": f"grows{evil}"},
                {"by": "depth", "network": "resnet", "input_size": 32, "engine": "torch",
                 "exponent": interval(1.0), "points": [[4e6, 1.0], [9e6, 2.0]], "text": f"deeper{evil}"},
            ],
            "criteria": [
                {**each, "repeatable": False, "largest_difference": 2e-7,
                 "deterministic": {"option": f"switch{evil}", "repeatable": True, "cost": interval(1.25)},
                 "reliability": {"cells": 3, "ended_well": 2}, "peak_share": 0.31,
                 "latency_p50": 0.001, "latency_p95": 0.002,
                 "latency_p99": 0.004, "latencies": [0.001, 0.0011, 0.002, 0.004], "throughput": {"1": 700.5},
                 "export_bytes": 248_000, "lines_of_source": 77, "energy_joules_per_epoch": None,
                 "why_not": {"energy_joules_per_epoch": f"no counter{evil}"}}
                for each in where
            ],
            "tuning": [
                {**each, "default": interval(2.0), "tuned": interval(1.0), "factor": interval(2.0),
                 "options": {"compile": f"default{evil}"}, "threads": 2}
                for each in where
            ],
            "front": where[:2],
            "search": SearchResult(
                engine="torch", measure=f"validation accuracy{evil}", best=1, folder="runs/sample-search",
                space={"learning_rate": "0.0001..0.1", "optimizer": f"sgd|adam{evil}"},
                trials=[
                    {"values": {"learning_rate": 0.00123456, "optimizer": "sgd"}, "state": "done",
                     "score": 0.71, "seconds": 12.5},
                    {"values": {"learning_rate": 0.01, "optimizer": f"adam{evil}"}, "state": "done",
                     "score": 0.9234, "seconds": 13.0},
                    {"values": {"learning_rate": 0.099, "optimizer": "sgd"}, "state": "diverged",
                     "error": f"the loss was nan{evil}", "seconds": 4.0},
                ],
            ),
            "ratios": [{**where[0], "other": f"jax{evil}", "ratio": interval(0.77), "tie": False,
                        "p_holm": 0.001, "detectable": 1.05}],
            "data": {
                "spec": f"folder:{evil}", "hash": "0123abcd", "classes": classes,
                "task": "classification",
                "splits": {"train": 80, "validation": 10, "test": 10}, "split": "random",
                "steps": [f"clahe{evil}"],
                "class_counts": {"train": [40, 40], "test": [5, 5]},
                "warnings": [f"the random split leaks{evil}"],
                "inputs": {"": {"shape": [32, 32, 3], "dtype": "float32"}},
            },
            "settings": {**base.settings, "data": f"folder:{evil}"},
            "machine": {**base.machine, "processor": f"A processor{evil}",
                        "versions": {f"torch{evil}": "2.13"}},
            "wall": {"total": 100.0, "training": 80.0, "compiling": 5.0},
            "notes": [f"a note{evil}"],
        }
    )  # fmt: skip
