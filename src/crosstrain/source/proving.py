"""Proves that a source is equal to its graph: runs it in its framework's Python, beside an engine."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from crosstrain.engines.registry import engines, installable
from crosstrain.environments.environments import find
from crosstrain.errors import CrosstrainError
from crosstrain.graph.graph import Graph, Weights
from crosstrain.proof.arrays import Arrays, read_arrays
from crosstrain.proof.case import Case, single
from crosstrain.proof.compare import FLOOR, errors, group
from crosstrain.runs.process import run_job
from crosstrain.source.generate import Written, source_of, target_of
from crosstrain.source.target import Target
from crosstrain.training.recipe import Loss, Recipe

STEPS, BATCH = 4, 8
SOURCES_OF_TRUTH = ("torch", "jax", "tensorflow")

PRECISION = "float64"

BOUNDS = {
    "inference": 1e-9, "training": 1e-9, "loss": 1e-9, "gradient": 1e-8, "step_loss": 1e-8, "weight": 1e-8,
}  # fmt: skip
"""The largest relative error allowed in each group of arrays, as ``proof.compare`` measures it."""

SINGLE_GRADIENTS = {"gradient": 1e-7, "step_loss": 1e-7, "weight": 1e-7}
"""Bounds that replace those where a target has an op's gradient with a factor in float32."""

SINGLE_KERNELS = dict.fromkeys(BOUNDS, 1e-6)
"""Bounds where a target's kernel holds a constant in float32, as gelu on TensorFlow."""

FLOORS = {"gradient": FLOOR, "weight": FLOOR}
"""Where a tensor may vanish (the gradient of a bias in front of BatchNorm), as in ``crosstrain prove``."""


@dataclass(frozen=True)
class Subject:
    """A network with what its source is written from. ``losses`` are by output."""

    name: str
    graph: Graph
    loss: Graph
    weights: Weights
    losses: Mapping[str, Loss]
    recipe: Recipe


@dataclass(frozen=True)
class Check:
    """How a source compares with its graph: the largest relative error of each group of arrays; ``error``
    says what kept it from running, ``bounds`` are the errors allowed."""

    target: str
    engine: str
    precision: str
    truth: str
    steps: int
    errors: Mapping[str, float]
    error: str | None = None
    bounds: Mapping[str, float] = field(default_factory=lambda: BOUNDS)

    @property
    def proved(self) -> bool:
        return self.error is None and all(
            self.errors.get(group, math.inf) <= bound for group, bound in self.bounds.items()
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "target": self.target, "engine": self.engine, "precision": self.precision, "truth": self.truth,
            "steps": self.steps, "proved": self.proved, "errors": dict(self.errors), "error": self.error,
            "bounds": dict(self.bounds),
        }  # fmt: skip


def engine_for(target: str) -> str | None:
    """The engine, or library on top of one, in whose Python a target's sources run; None where none is
    installed."""
    rows = installable()
    for name in target_of(target).engines:
        if name in rows and find(rows[name]):
            return name
    return None


def check(
    subjects: Sequence[Subject], target: str, *, seed: int = 0, timeout: float | None = None
) -> list[Check]:
    """Prove the sources of networks for one target, all in one process.

    Noise is left out on both sides. Raises ``CrosstrainError`` where the target's framework, or any float64
    engine for the truth, is not installed, or a network has no source.
    """
    engine = engine_for(target)
    if engine is None:
        needed = target_of(target).engines[0]
        raise CrosstrainError(
            f"the source for {target} cannot be checked: its framework is not installed; "
            f"{installable()[needed].how_to_install}, or use --no-check"
        )
    own = {target, *target_of(target).packages}
    others = [name for name in SOURCES_OF_TRUTH if name not in own and engines()[name].importable]
    if not others:
        raise CrosstrainError(
            f"nothing to check against: install one of {', '.join(SOURCES_OF_TRUTH)}, or use --no-check"
        )
    with tempfile.TemporaryDirectory(prefix="crosstrain-code-") as work:
        folder = Path(work)
        items = [_item(subject, target, folder / str(i), seed) for i, subject in enumerate(subjects)]
        truth_items = [{**item, "case": item["true_case"], "out": item["truth"]} for item in items]
        job = {
            "task": "crosstrain.source.check:truth", "engine": others[0], "items": truth_items,
            "threads": 1, "device": "cpu",
        }  # fmt: skip
        outcome = run_job(job, folder=folder / "logs", timeout=timeout)
        if outcome.status != "done":
            raise CrosstrainError(f"the engine {others[0]} could not compute the reference: {outcome.error}")
        job = {
            "task": "crosstrain.source.check:run", "engine": engine, "target": target, "items": items,
            "precision": PRECISION, "threads": 1, "device": "cpu",
        }  # fmt: skip
        home = find(installable()[engine])
        outcome = run_job(job, folder=folder / "logs", timeout=timeout, python=home.python if home else None)
        failed = (outcome.result or {}).get("errors") or [outcome.error] * len(items)
        checks = []
        for subject, item, error in zip(subjects, items, failed, strict=True):
            arrays = None if error else (read_arrays(Path(item["out"])), read_arrays(Path(item["truth"])))
            differences = _compared(*arrays, item["weights"]) if arrays else {}
            bounds = _bounds(subject.graph, target_of(target))
            checks.append(Check(target, engine, PRECISION, others[0], STEPS, differences, error, bounds))
        return checks


def _item(subject: Subject, target: str, folder: Path, seed: int) -> dict[str, Any]:
    names = {output: loss.name for output, loss in subject.losses.items()}
    case = Case.make(
        subject.graph, subject.loss, subject.weights, subject.recipe, names, steps=STEPS, batch_size=BATCH,
        seed=seed,
    )  # fmt: skip
    row = target_of(target)
    case.save(folder / "case")
    replace(case, network=_as_supported(case.network, row)).save(folder / "true")
    written: Written = source_of(case.network, subject.losses, case.recipe, target, subject.name)
    (folder / "source.py").write_text(written.text)
    return {
        "source": str(folder / "source.py"), "case": str(folder / "case"),
        "true_case": str(folder / "true"), "rates": _rates(case, row.single_settings),
        "out": str(folder / "out.npz"), "truth": str(folder / "truth.npz"),
        "model": written.model, "inputs": written.inputs,
        "outputs": written.outputs, "losses": list(subject.losses), "phases": written.phases,
        "prefix": written.prefix, "penalty": written.penalty,
        "classes": written.classes, "weights": written.weights,
    }  # fmt: skip


def _bounds(graph: Graph, target: Target) -> dict[str, float]:
    if target.single_kernels.intersection(node.op for node in graph.nodes):
        return SINGLE_KERNELS
    return {**BOUNDS, **(SINGLE_GRADIENTS if any(map(target.single_gradient, graph.nodes)) else {})}


def _rates(case: Case, in_single: bool) -> list[float]:
    """The recipe's learning rate of every step."""
    initial = float(case.recipe.optimizer.learning_rate or 0.0)
    rates = [case.recipe.schedule.rate(initial, step) for step in range(case.steps)]
    return [single(rate) for rate in rates] if in_single else rates


def _as_supported(graph: Graph, target: Target) -> Graph:
    """The graph with settings as the target's kernels take them: of an epsilon of 0.001 float32 makes
    0.0010000000475."""
    if not target.single_settings:
        return graph

    def supported(op: str, key: str, value: Any) -> Any:
        return (
            single(value) if isinstance(value, float) and (op, key) not in target.double_settings else value
        )

    nodes = [
        replace(n, attributes={k: supported(n.op, k, v) for k, v in n.attributes.items()})
        for n in graph.nodes
    ]
    return replace(graph, nodes=tuple(nodes))


def _compared(arrays: Arrays, true: Arrays, weights: Sequence[str]) -> dict[str, float]:
    """The largest relative error of each group; infinite if an array is missing or has another shape.
    ``weights`` are those that the source has; the graph may have more, which nothing reads."""
    kept = {f"{what}/{name}" for what in ("gradient", "weight") for name in weights}
    true = {k: v for k, v in true.items() if k in kept or not k.startswith(("gradient/", "weight/"))}
    return {
        name: errors(_part(arrays, name), _part(true, name), FLOORS.get(name, 0.0)).worst for name in BOUNDS
    }


def _part(arrays: Arrays, name: str) -> Arrays:
    return {name: arrays[name]} if name in arrays else group(arrays, name)
