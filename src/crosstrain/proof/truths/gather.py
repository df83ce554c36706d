"""Gathers the truths of a case, holds them against each other, and keeps them for the next engine."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from crosstrain.environments.environments import keras_python
from crosstrain.proof.arrays import Arrays, read_arrays, write_arrays
from crosstrain.proof.case import Case
from crosstrain.proof.certificate import BOUNDS
from crosstrain.proof.compare import errors, group
from crosstrain.proof.truths import by_differences as differences
from crosstrain.proof.truths import by_numpy as reference
from crosstrain.proof.truths.by_torch import eager_of
from crosstrain.runs.definition import Definition, unneeded
from crosstrain.system.turns import turn

BACKENDS = ("tensorflow", "torch", "jax")
"""Keras's backends by preference: JAX compiles a deep network for longer than the others take to run it. The
engine's own framework is asked last: two that share a kernel would share its faults."""


CLOSE = 3e-12
"""Where Keras agrees with NumPy as well as this (a deep network's rounding), no other backend is asked."""

FORMAT = 7
"""Of the truths on disk."""

PLACE = "truth"
"""Their folder in a proof's."""


@dataclass(frozen=True)
class Truth:
    """What an engine is held against.

    ``values`` has the keys of an engine's evidence, ``states`` is the file of the states after each step.
    ``provenance`` says where they come from and how far the truths agree. ``reason`` is not empty where they
    do not, or where there is no truth.
    """

    values: Arrays
    states: Path | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""

    @property
    def error(self) -> float:
        """How far Keras's outputs and loss are off the NumPy meaning: about as far as its gradients."""
        agreement = self.provenance.get("agreement", {})
        return max((agreement[k] for k in ("inference", "training", "loss") if k in agreement), default=0.0)


def truth_of(
    case: Case,
    definition: Definition,
    folder: Path,
    engine: str,
    *,
    launch: Callable[..., Any],
    timeout: float | None = None,
    on_event: Callable[[dict[str, Any]], None] | None = None,
) -> Truth:
    """The truth for an engine: NumPy's forward, and Keras in float64 on another framework.

    A Keras backend that fails, or that does not agree with NumPy, is set aside and the next one is asked;
    the truth's record says so. Of several that agree less than closely, the closest is taken. Where none
    agrees there is no truth, and ``reason`` says how they differ. Threads that need the same part of it take
    turns: what the first computes serves the others.
    """
    place = folder / PLACE
    place.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(
        f"{FORMAT} {case.hash} {definition.data.get('graph_hash')} {_versions()}".encode()
    ).hexdigest()[:16]
    numpy = _cached(place / f"{key}-numpy.npz", lambda: reference.evidence(case))
    eager = None
    if definition.data.get("language") == "torch":
        eager = eager_of(
            saved(case, folder), definition, folder, place / f"{key}-eager", launch, timeout, on_event
        )
        if why := eager.apart(case, numpy):
            return Truth(numpy, provenance={"eager": eager.agreement}, reason=f"there is no truth: {why}")
    set_aside: dict[str, str] = {}
    agreeing: list[Truth] = []
    for backend, python in homes(engine).items():
        out = place / f"{key}-{backend}.npz"
        states = place / f"{key}-{backend}-states.npz"
        report = place / f"{key}-{backend}.json"
        with turn(report):
            if not report.exists():
                job = {
                    **beginning(backend, str(definition.data["source"])),
                    "definition": str(definition.folder),
                    "case": str(saved(case, folder)),
                    "out": str(out),
                    "states": str(states),
                }
                outcome = launch(
                    job, folder=folder / "logs", timeout=timeout, on_event=on_event, python=python
                )
                report.write_text(json.dumps({"error": _sentence(outcome), **(outcome.result or {})}))
        answer = json.loads(report.read_text())
        if answer["error"]:
            set_aside[backend] = answer["error"]
            continue
        keras = read_arrays(out)
        apart, agreement = compare(
            case, numpy, keras, place / f"{key}-{backend}-slopes.json", place / f"{key}-differences.json"
        )
        if eager:
            apart = apart or eager.gradients_apart(keras)
            agreement |= eager.agreement
        if apart:
            set_aside[backend] = apart
            continue
        basis = {
            "outputs": "NumPy meaning of the graph, float64" + (eager.said if eager else ""),
            "gradients and steps": f"Keras {answer['keras']} on {backend} {answer['version']}, float64",
            "agreement": agreement,
            "remarks": answer.get("remarks", []),
        }
        agreeing.append(Truth({**keras, **numpy}, states, basis))
        if agreeing[-1].error <= CLOSE:
            break
    if not agreeing:
        return Truth(
            numpy,
            provenance={"set_aside": once(set_aside)},
            reason="there is no truth to hold the engine against: " + "; ".join(once(set_aside)),
        )
    best = min(agreeing, key=lambda truth: truth.error)
    others = {t.provenance["gradients and steps"]: t.error for t in agreeing if t is not best}
    return replace(best, provenance={**best.provenance, "set_aside": once(set_aside), "less exact": others})


def compare(
    case: Case, numpy: Arrays, keras: Arrays, cached: Path, computed: Path
) -> tuple[str, dict[str, Any]]:
    """How two truths differ (a sentence, empty where they agree), and the numbers. ``cached`` keeps how far
    these gradients are off finite differences, ``computed`` the differences, for other gradients too."""
    bound = BOUNDS["float64"].values
    agreement: dict[str, Any] = {}
    for name in ("inference", "training"):
        agreement[name] = errors(group(keras, name), group(numpy, name)).worst
    agreement["loss"] = errors({"loss": keras["loss"]}, {"loss": numpy["loss"]}).worst
    for name, error in agreement.items():
        if not error <= bound:
            return f"its {name} is {error:.2g} off the NumPy meaning of the graph", agreement
    gradients = group(keras, "gradient")
    if gradients:
        with turn(computed):
            if not cached.exists():
                known = json.loads(computed.read_text()) if computed.exists() else {}
                slopes = differences.slopes(case, gradients, computed=known)
                computed.write_text(json.dumps(known))
                cached.write_text(json.dumps([slope.error for slope in slopes]))
        agreement["finite_differences"] = max(json.loads(cached.read_text()))
        if not agreement["finite_differences"] <= differences.AGREE:
            return (
                f"its gradients are {agreement['finite_differences']:.2g} off finite differences",
                agreement,
            )
    return "", agreement


def saved(case: Case, folder: Path) -> Path:
    """Where a case lies under the work folder, written there if it was not."""
    place = folder / "cases" / case.hash[:16]
    with turn(folder / "cases"):
        if not (place / "case.json").exists():
            case.save(place)
    return place


def _cached(path: Path, make: Callable[[], Arrays]) -> Arrays:
    """Arrays from a file, which is written first where it does not exist."""
    with turn(path):
        if not path.exists():
            unfinished = path.with_suffix(".part.npz")
            write_arrays(unfinished, make())
            unfinished.replace(path)
    return read_arrays(path)


def once(errors: Mapping[str, str]) -> list[str]:
    """What each backend was set aside for; one sentence where several say the same."""
    by_error: dict[str, list[str]] = {}
    for backend, error in errors.items():
        by_error.setdefault(error, []).append(backend)
    return [f"Keras on {' and '.join(backends)}: {error}" for error, backends in by_error.items()]


def _sentence(outcome: Any) -> str | None:
    return None if outcome.status == "done" else f"{outcome.status}: {outcome.error}"


def beginning(backend: str, source: str) -> dict[str, Any]:
    """What the job of a truth begins with, whatever the case; ``source`` is the network's."""
    return {
        "task": "truth", "id": f"truth-{backend}", "keras_backend": backend, "device": "cpu",
        "unneeded": unneeded(source, backend),
    }  # fmt: skip


def homes(engine: str = "") -> dict[str, str]:
    """Keras's available backends, each with a Python that has it, in the order in which they are asked about
    an engine."""
    pythons = {name: keras_python(name) for name in BACKENDS}
    # An engine keras-torch is Keras on PyTorch: its own framework is torch.
    framework = engine.partition("@")[0].removeprefix("keras-")
    order = sorted(BACKENDS, key=lambda name: name == framework)
    return {name: python for name in order if (python := pythons[name])}


def _versions() -> str:
    from importlib.metadata import PackageNotFoundError, version

    parts = [python for python in homes().values() if python != sys.executable]
    for name in ("keras", *BACKENDS):
        try:
            parts.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return " ".join(parts)
