"""Certificates of the networks of ``keras.applications`` at their smallest input, with the seconds of each.

Weights are random, the numbers float64, the engines torch, tensorflow and jax. A row is appended to ``--out``
as soon as it is known; the same command goes on after an interruption.

    python benchmarks/applications.py [NAME …] [--engines torch,jax] [--steps 2] [--out FILE] [--list]
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

SIZES = {
    "VGG16": 32, "VGG19": 32, "ResNet50": 32, "ResNet101": 32, "ResNet152": 32, "ResNet50V2": 32,
    "ResNet101V2": 32, "ResNet152V2": 32, "InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 71,
    "MobileNet": 32, "MobileNetV2": 32, "MobileNetV3Small": 32, "MobileNetV3Large": 32, "DenseNet121": 32,
    "DenseNet169": 32, "DenseNet201": 32, "NASNetMobile": 32, "EfficientNetB0": 32, "EfficientNetV2B0": 32,
    "ConvNeXtTiny": 32, "NASNetLarge": 32, "ConvNeXtLarge": 32,
}  # fmt: skip
"""The side of the smallest picture that Keras lets in."""

CLASSES = 10


def _maker(name: str) -> Callable[..., Any]:
    def make(input_shape: tuple[int, ...] = (SIZES[name], SIZES[name], 3)) -> Any:
        import keras

        create = getattr(keras.applications, name)
        return create(input_shape=input_shape, weights=None, classes=CLASSES, classifier_activation=None)

    return make


# Workers take a network as ``file.py:function``: this file, and the name of the network.
globals().update({name: _maker(name) for name in SIZES})


def main() -> int:
    arguments = _arguments()
    if arguments.list:
        print("\n".join(SIZES))
        return 0
    lines = arguments.out.read_text().splitlines() if arguments.out.exists() else []
    rows = {row["network"]: row for row in map(json.loads, lines)}
    for name in arguments.networks or SIZES:
        if name not in rows:
            rows[name] = _row(name, arguments)
            with arguments.out.open("a") as file:
                file.write(json.dumps(rows[name]) + "\n")
    _show(rows.values())
    return 0 if all(c["status"] == "proved" for row in rows.values() for c in row["certificates"]) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="*", choices=[*SIZES, []], metavar="NAME")
    parser.add_argument("--engines", default="torch,tensorflow,jax")
    parser.add_argument("--steps", type=int, help="of training (usual: what `crosstrain prove` takes)")
    parser.add_argument("--out", type=Path, default=Path("applications.jsonl"))
    parser.add_argument("--list", action="store_true", help="the names, and nothing else")
    return parser.parse_args()


def _row(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """A network defined and proved on every engine, in processes of its own."""
    from crosstrain.proof.prove import prove
    from crosstrain.runs.definition import define

    with tempfile.TemporaryDirectory(prefix="crosstrain-") as folder:
        started = time.monotonic()
        definition = define(f"{Path(__file__).resolve()}:{name}", folder=Path(folder) / "network")
        defined = time.monotonic()
        proof = prove(
            definition, arguments.engines.split(","), ["float64"], work=Path(folder), steps=arguments.steps
        )
        row: dict[str, Any] = {
            "network": name,
            "input": SIZES[name],
            "parameters": definition.graph.parameters,
            "nodes": len(definition.graph.nodes),
            "define_seconds": round(defined - started, 1),
            "prove_seconds": round(time.monotonic() - defined, 1),
            "largest_process_bytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,
            "certificates": [_certificate(c) for c in proof],
        }
    statuses = ", ".join(c["status"] for c in row["certificates"])
    print(f"{name}: {row['prove_seconds']} s, {statuses}", flush=True)
    return row


def _certificate(certificate: Any) -> dict[str, Any]:
    return {
        "engine": certificate.engine,
        "status": certificate.status,
        "gradients": certificate.gradients,
        "what": str(certificate.first_departure or certificate.reason or ""),
    }


def _show(rows: Any) -> None:
    table = Table(title="float64, random weights, smallest input")
    for column in ("network", "input", "parameters", "nodes", "define s", "prove s", "engines proved"):
        table.add_column(column, justify="left" if column.startswith(("net", "eng")) else "right")
    table.add_column("worst gradient", justify="right")
    for row in rows:
        proved = [c["engine"] for c in row["certificates"] if c["status"] == "proved"]
        worst = max((c["gradients"] or 0.0 for c in row["certificates"]), default=0.0)
        table.add_row(
            row["network"], str(row["input"]), f"{row['parameters']:,}", str(row["nodes"]),
            f"{row['define_seconds']:.1f}", f"{row['prove_seconds']:.1f}", ", ".join(proved), f"{worst:.1e}",
        )  # fmt: skip
    Console(width=100).print(table)
    for row in rows:
        for c in row["certificates"]:
            if c["status"] != "proved":
                print(f"{row['network']} on {c['engine']}: {c['status']}. {c['what']}")


if __name__ == "__main__":
    raise SystemExit(main())
