"""A comparison's folder, made without training anything: several networks, sizes and entrants, failures,
certificates that depart, and names that would do harm in a page that trusted them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from crosstrain import data
from crosstrain.advice.recommendation import recommend
from crosstrain.data.prepared import Prepared
from crosstrain.results.rows import rows
from crosstrain.results.schema import CellResult, CertificateResult, ComparisonResult, Epoch
from crosstrain.runs.tasks.predictions import predictions_file
from crosstrain.system.files import write_arrays, write_json

SCRIPT = "<script>alert(1)</script>"
IMAGE = "<img src=x onerror=alert(1)>"
CLASSES = (SCRIPT, "stop", '"quoted" & <b>bold</b>', "ÄÖ – 限速")
NETWORKS = ("lenet5", "resnet20")
SIZES = (32, 48)
SECONDS = {"torch": 1.0, "torch@tuned": 0.7, "tensorflow": 1.6, "jax": 1.3}
REPEATS = 3
EXAMPLES = 80


def prepared(folder: Path, size: int | None = None, steps: str | None = None) -> Prepared:
    """Noise pictures, 8×8 RGB, of four classes with the names above, each class of another brightness."""
    random = np.random.default_rng(0)
    codes = np.arange(400) % len(CLASSES)
    pictures = random.integers(0, 60, (400, 8, 8, 3)) + 60 * codes[:, None, None, None]
    file = folder / "signs.npz"
    if not file.exists():
        x, y = pictures.astype(np.uint8), np.array(CLASSES)[codes]
        np.savez(file, x_train=x[:320], y_train=y[:320], x_test=x[320:], y_test=y[320:])
    return data.prepare(f"arrays:{file}", size=size, steps=steps)


def comparison(folder: Path) -> ComparisonResult:
    """The result, whole, and its folder (``plan.json``, ``result.json``, predictions) at ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    dataset = prepared(folder.parent)
    cells = [
        cell(network, size, engine, repeat, dataset.hash)
        for repeat in range(REPEATS)
        for network in NETWORKS
        for size in SIZES
        for engine in SECONDS
    ]
    failed = [
        CellResult(
            id=f"lenet5-{size}-mxnet-s0-r0",
            network="lenet5",
            engine="mxnet",
            input_size=size,
            status="crashed",
            error=f"the process died: {IMAGE} {SCRIPT}",
        )
        for size in SIZES
    ]
    (folder / "cells").mkdir(exist_ok=True)
    for result_cell in cells:
        write_arrays(predictions_file(folder / "cells", result_cell.id), answers(dataset, result_cell))
    summary = rows([*cells, *failed])
    result = ComparisonResult(
        crosstrain="0.1.0",
        folder=str(folder),
        cells=[*cells, *failed],
        certificates=certificates(),
        rows=[row.to_json() for row in summary],
        recommendation=recommend(summary),
        machine={
            "processor": f"a processor {SCRIPT}",
            "cores": 2,
            "memory_bytes": 2**33,
            "load": 0.1,
            "system": "Linux",
            "python": "3.11",
            "versions": {"torch": "2.13.0", "keras": "3.15"},
        },
        data=dict(dataset.manifest),
        settings={
            "networks": list(NETWORKS),
            "data": dataset.manifest["spec"],
            "engines": list(SECONDS),
            "sizes": list(SIZES),
            "epochs": 3,
        },
        wall={"total": 100.0, "training": 60.0, "rest": 5.0, "own_share": 0.05},
        notes=[f"a note {IMAGE}", "</script><script>alert(2)</script>", "<!-- <script>"],
        **extras(),
    )
    write_json(folder / "plan.json", {"format": 1, "kind": "comparison", "identity": {}})
    write_json(folder / "result.json", result.model_dump())
    return result


def cell(network: str, size: int, engine: str, repeat: int, data_hash: str) -> CellResult:
    base = SECONDS[engine] * (size / 32) ** 2 * (3 if network == "resnet20" else 1) * (1 + 0.01 * repeat)
    random = np.random.default_rng((repeat, size, len(network), len(engine)))
    epochs = [
        Epoch(
            train_seconds=float(base * t),
            images_per_second=float(320 / (base * t)),
            train_loss=1.5 / number,
            validation_accuracy=0.6 + 0.1 * number,
        )
        for number, t in enumerate(random.normal(1, 0.01, 3), 1)
    ]
    return CellResult(
        id=f"{network}-{size}-{engine.replace('@', '-')}-s0-r{repeat}",
        network=network,
        engine=engine,
        engine_version="1.0",
        input_size=size,
        repeat=repeat,
        status="done",
        epochs=epochs,
        certificate="departs" if engine == "jax" and network == "resnet20" else "proved",
        test_accuracy=0.9 if network == "lenet5" else 0.95,
        test_examples=EXAMPLES,
        test_metrics={"loss": 0.2},
        peak_memory_bytes=3 * 2**28,
        compile_seconds=1.5,
        wall_seconds=9.0,
        import_seconds=1.0,
        evaluate_seconds=0.2,
        train_seconds=3 * base,
        parameters=60_000,
        batch_size=64,
        data_hash=data_hash,
    )


def answers(dataset: Prepared, of: CellResult) -> dict[str, np.ndarray]:
    """Predictions with a tenth of them wrong; ``jax`` errs on other examples than the rest."""
    true = np.asarray(dataset.arrays("test")[1][""]).astype(np.int32)
    wrong = np.arange(len(true)) % 10 == (3 if of.engine == "jax" else 2)
    predicted = np.where(wrong, (true + 1) % len(CLASSES), true).astype(np.int32)
    probability = np.linspace(0.5, 0.99, len(true)).astype(np.float32)
    return {
        "predicted": predicted,
        "true": true,
        "probability": probability,
        "true_probability": np.where(wrong, 1 - probability, probability).astype(np.float32),
    }


def certificates() -> list[CertificateResult]:
    results = []
    for network in NETWORKS:
        for size in SIZES:
            for engine in SECONDS:
                departs = engine == "jax" and network == "resnet20"
                first = {
                    "stage": "forward",
                    "node": f"conv2d {SCRIPT}",
                    "op": "conv2d",
                    "layer": IMAGE,
                    "tensor": "y",
                    "error": 0.02,
                    "expected": {"norm": 1.0, "shape": [2], "entries": [1.0, "nan"]},
                    "got": {"norm": 1.02, "shape": [2], "entries": [1.02, 0.0]},
                    "cause": f"another padding {IMAGE}",
                }
                results.append(
                    CertificateResult(
                        network=network,
                        input_size=size,
                        engine=engine,
                        precision="float64",
                        status="departs" if departs else "proved",
                        outputs=2e-2 if departs else 1e-15,
                        loss="nan" if departs else 0.0,
                        gradients=3e-15,
                        weights_after_steps="inf" if departs else 1e-15,
                        first_departure=first if departs else None,
                        reason=f"departs at {SCRIPT}" if departs else "",
                    )
                )
    return results


def extras() -> dict[str, Any]:
    """What tuning, the criteria and the statistics add to a result."""

    def about(value: float) -> dict[str, Any]:
        return {
            "value": value,
            "low": 0.95 * value,
            "high": 1.05 * value,
            "samples": 9,
            "method": "bootstrap",
        }

    at = [(n, s, e) for n in NETWORKS for s in SIZES for e in SECONDS]
    return {
        "stability": [
            {
                "kind": "drift",
                "network": "lenet5",
                "input_size": 32,
                "engine": "torch",
                "text": f"it slowed by 4 % {IMAGE}",
            },
            {"kind": "load", "text": "another load of 1.2"},
        ],
        "growth": [
            {
                "by": "input size",
                "network": n,
                "engine": e,
                "exponent": about(1.0),
                "text": f"{n} on {e}",
                "points": [[s * s, SECONDS[e] * (s / 32) ** 2] for s in SIZES],
            }
            for n in NETWORKS
            for e in SECONDS
        ],
        "criteria": [
            {
                "network": n,
                "input_size": s,
                "engine": e,
                "repeatable": e != "jax",
                "peak_share": 0.4,
                "latency_p50": 0.001,
                "latency_p95": 0.002,
                "latency_p99": 0.004,
                "throughput": {"1": 900.0, "64": 4000.0},
                "export_bytes": 250_000,
                "install_bytes": 2**30,
                "install_seconds": 60.0,
                "lines_of_source": 140,
                "energy_joules_per_epoch": None,
                "why_not": {"energy_joules_per_epoch": f"no RAPL {IMAGE}"},
            }
            for n, s, e in at
        ],
        "tuning": [
            {
                "network": n,
                "input_size": s,
                "engine": "torch",
                "default": about(1.0),
                "tuned": about(0.7),
                "factor": about(1.43),
                "options": {"compile": "default"},
                "threads": 2,
            }
            for n in NETWORKS
            for s in SIZES
        ],
        "front": [
            {"network": "lenet5", "input_size": 32, "engine": "torch@tuned", "seconds": 0.7, "accuracy": 0.9}
        ],
    }
