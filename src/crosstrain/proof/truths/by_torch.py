"""The truth of a network that PyTorch defined: its own module, eager and in float64."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crosstrain.environments.environments import keras_python
from crosstrain.errors import CrosstrainError
from crosstrain.proof.arrays import Arrays, read_arrays
from crosstrain.proof.case import Case
from crosstrain.proof.certificate import BOUNDS
from crosstrain.proof.compare import FLOOR, errors, group
from crosstrain.proof.truths import by_numpy
from crosstrain.runs.definition import Definition
from crosstrain.system.turns import turn


@dataclass
class Eager:
    """What the module itself computes, and how far it is from the other truths."""

    values: Arrays
    version: str
    agreement: dict[str, float] = field(default_factory=dict)

    @property
    def said(self) -> str:
        return f"; PyTorch {self.version}, the module itself, float64"

    def apart(self, case: Case, numpy: Arrays) -> str:
        """How the module differs from the NumPy meaning of its graph; empty where it does not."""
        _, updates = by_numpy.evaluate(case.program.training, case.weights, case.first())
        pairs = {
            **{name: (group(self.values, name), group(numpy, name)) for name in ("inference", "training")},
            "loss": ({"loss": self.values["loss"]}, {"loss": numpy["loss"]}),
            "statistics": (group(self.values, "update"), updates),
        }
        for name, (own, other) in pairs.items():
            error = errors(own, other).worst if other else 0.0
            self.agreement[f"PyTorch {name}"] = error
            if not error <= BOUNDS["float64"].values:
                return f"PyTorch's own {name} is {error:.2g} off the NumPy meaning of the graph"
        return ""

    def gradients_apart(self, truth: Arrays) -> str:
        """How the module's gradients differ from another truth's; empty where they do not."""
        own, other = group(self.values, "gradient"), group(truth, "gradient")
        error = errors(own, {name: other[name] for name in own}, FLOOR).worst if own else 0.0
        self.agreement["PyTorch gradients"] = error
        return "" if error <= BOUNDS["float64"].values else f"its gradients are {error:.2g} off PyTorch's own"


def eager_of(
    case: Path,
    definition: Definition,
    folder: Path,
    place: Path,
    launch: Callable[..., Any],
    timeout: float | None,
    on_event: Callable[[dict[str, Any]], None] | None,
) -> Eager:
    """The module's evidence of a saved case, computed once in a worker and kept at ``place``.
    ``CrosstrainError`` where the module fails."""
    out, report = place.with_suffix(".npz"), place.with_suffix(".json")
    with turn(report):
        if not report.exists():
            job = {
                "task": "truth-torch", "id": "truth-eager", "keras_backend": "torch", "device": "cpu",
                "definition": str(definition.folder), "case": str(case), "out": str(out),
            }  # fmt: skip
            outcome = launch(
                job, folder=folder / "logs", timeout=timeout, on_event=on_event, python=keras_python("torch")
            )
            if outcome.status != "done":
                raise CrosstrainError(f"PyTorch cannot run the module in float64: {outcome.error}")
            report.write_text(json.dumps(outcome.result))
    return Eager(read_arrays(out), json.loads(report.read_text())["version"])
