"""Puts one network's case to engines, holds what they say against the truth, and writes certificates."""

from __future__ import annotations

import platform
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.engines.registry import engine_row
from crosstrain.environments.environments import find
from crosstrain.proof.arrays import Arrays, read_arrays
from crosstrain.proof.batch import snake_case
from crosstrain.proof.case import Case
from crosstrain.proof.certificate import BOUNDS, Certificate, Departure
from crosstrain.proof.compare import FLOOR, Errors, errors, group
from crosstrain.proof.holding.held import held
from crosstrain.proof.locating import forward as locate
from crosstrain.proof.locating import training as locate_training
from crosstrain.proof.locating.departing import belongs_to, departure
from crosstrain.proof.locating.forward import EngineSilentError
from crosstrain.proof.truths.gather import Truth, saved, truth_of
from crosstrain.runs.definition import Definition
from crosstrain.runs.process import Outcome, run_job
from crosstrain.training.recipe import Recipe

OnEvent = Callable[[dict[str, Any]], None]
Launch = Callable[..., Outcome]

NEARLY = 0.1
"""A gradient further off than this is not one that a few units at their kinks have moved."""


COARSER = 2.0**29
"""float32's rounding over float64's."""
LIKELY = 4.0
"""What rounding may come to, over what float64 lets one expect of it."""


def within(
    compared: Mapping[str, Errors], precision: str, rounding: Mapping[str, float] | None = None
) -> bool:
    """Whether every group is within its bound.

    ``rounding`` has errors that rounding alone lets one expect of single gradients: one that sums up much
    that cancels may be off by as much, up to the bound on weights.
    """
    bounds = BOUNDS[precision]
    expected = rounding or {}
    return all(
        error <= max(bounds.values, min(LIKELY * expected.get(tensor, 0.0), bounds.weights))
        for tensor, error in compared["gradients"].by_name.items()
    ) and all(
        part.worst <= (bounds.weights if name == "weights_after_steps" else bounds.values)
        for name, part in compared.items()
        if name != "gradients"
    )


@dataclass
class Prover:
    """One network's case, put to engines one after the other; the truth is asked for once."""

    definition: Definition
    recipe: Recipe
    folder: Path
    steps: int
    batch_size: int
    seed: int
    device: str = "cpu"
    threads: int | None = None
    timeout: float | None = None
    launch: Launch = run_job
    on_event: OnEvent | None = None

    def __post_init__(self) -> None:
        self.arithmetic: dict[tuple[str, str], str] = {}
        """What ran, as the worker says, by engine and precision."""
        self.case = Case.make(
            self.definition.graph,
            self.definition.loss,
            self.definition.weights(),
            self.recipe,
            {name: snake_case(loss["name"]) for name, loss in self.definition.data["losses"].items()},
            steps=self.steps,
            batch_size=self.batch_size,
            seed=self.seed,
        )

    def witness(self, engine: str, options: Mapping[str, Any] | None = None) -> Witness:
        """An engine to ask."""
        return Witness(self, engine, options or {})

    def certificates(
        self, engine: str, precisions: Sequence[str], options: Mapping[str, Any] | None = None
    ) -> list[Certificate]:
        """The certificates of one engine; it runs once for all precisions."""
        started = time.monotonic()
        witness = self.witness(engine, options)
        truth: Truth | None = None
        said: Mapping[str, Arrays | Cannot]
        try:
            row = engine_row(engine)
            if not find(row):
                raise Cannot(f"the engine {engine} is not installed; install it with: {row.how_to_install}")
            truth = truth_of(
                self.case, self.definition, self.folder, engine,
                launch=self.launch, timeout=self.timeout, on_event=self.on_event,
            )  # fmt: skip
            if truth.reason:
                raise Cannot(truth.reason)
            said = witness.hear(self.case, "all", precisions)
        except Cannot as error:
            said = dict.fromkeys(precisions, error)
        made = []
        rounding: dict[str, float] = {}
        for precision in sorted(precisions, key=["float64", "float32"].index):
            told = said[precision]
            if isinstance(told, Cannot) or truth is None:
                basis = self._basis(engine, truth, precision)
                certificate = Certificate(
                    engine,
                    precision,
                    "cannot",
                    reason=str(told),
                    notes=self._notes(witness.options),
                    basis=basis,
                )
            else:
                certificate = self._certificate(witness, precision, told, truth, rounding)
                if precision == "float64" and certificate.status == "proved":
                    rounding = {k: COARSER * v for k, v in certificate.tensors["gradients"].items()}
            made.append(replace(certificate, seconds=time.monotonic() - started))
            started = time.monotonic()
            self._tell(
                {
                    "event": "certificate",
                    "engine": engine,
                    "precision": precision,
                    "status": certificate.status,
                }
            )
        return made

    def _certificate(
        self, witness: Witness, precision: str, said: Arrays, truth: Truth, rounding: Mapping[str, float]
    ) -> Certificate:
        """``rounding`` is what float64 lets one expect of each gradient in float32, where it is known."""
        compared = self._compared(said, truth)
        notes = list(self._notes(witness.options))
        fine = within(compared, precision)
        if precision == "float32" and not fine:
            held_to = self._at_kinks(compared, said, truth, witness, rounding, notes)
            fine = held_to is not None
            compared, said = held_to or (compared, said)
        found = None if fine else self._located(compared, said, truth, precision, witness)
        worst = {name: part.worst if part.by_name else None for name, part in compared.items()}
        return Certificate(
            engine=witness.engine,
            precision=precision,
            status="proved" if fine else "departs",
            outputs=worst["outputs"],
            loss=worst["loss"],
            gradients=worst["gradients"],
            weights_after_steps=worst["weights_after_steps"],
            first_departure=found,
            worst={name: part.where for name, part in compared.items()},
            tensors={name: dict(part.by_name) for name, part in compared.items()},
            notes=tuple(notes),
            basis=self._basis(witness.engine, truth, precision),
        )

    def _at_kinks(
        self,
        free: dict[str, Errors],
        said: Arrays,
        truth: Truth,
        witness: Witness,
        rounding: Mapping[str, float],
        notes: list[str],
    ) -> tuple[dict[str, Errors], Arrays] | None:
        """Where rounding decides the side of a ReLU: gradients and steps with the truth's branches.

        Taken only where outputs and loss are right as they are, gradients nearly, some unit really is near
        its kink, and what comes is within its bounds; else None, and what was said stands.
        """
        bounds = BOUNDS["float32"]
        forward = max(free[name].worst for name in ("initial_weights", "outputs", "loss"))
        if forward > bounds.values or free["gradients"].worst > NEARLY:
            return None
        known = [group(truth.values, f"before/{step}") for step in range(self.steps)]
        weights = [{**self.case.weights, **before} for before in known if before] or [self.case.weights]
        case, near = held(self.case, weights)
        if not near:
            return None
        answer = witness.hear(case, "all" if len(weights) >= self.steps else "values", ["float32"])["float32"]
        if isinstance(answer, Cannot):
            return None
        again = {k: v for k, v in answer.items() if k.startswith(("gradient/", "weight/"))}
        bound = self._compared({**said, **again}, truth)
        if not within(bound, "float32", rounding):
            return None
        notes.append(
            f"{near} units lie within float32's rounding of the kink of their ReLU or maximum; gradients "
            "and steps are those with every branch held to the truth's (free: gradients "
            f"{free['gradients'].worst:.2g}, weights after steps {free['weights_after_steps'].worst:.2g})"
        )
        notes += [
            f"the gradient of {name} is {error:.2g} off: a sum that cancels, of which float64 (off by "
            f"{rounding[name] / COARSER:.2g}) lets one expect {rounding[name]:.2g} in float32"
            for name, error in bound["gradients"].by_name.items()
            if error > bounds.values
        ]
        return bound, {**said, **again}

    def _compared(self, said: Arrays, truth: Truth) -> dict[str, Errors]:
        """Every group of numbers next to its truth."""
        network, true = self.case.network, truth.values
        only = lambda arrays: {k: v for k, v in arrays.items() if k in network.weights}
        # A weight of the engine's own must not go unseen, so only the loss's constants are left out.
        own = lambda arrays: {
            k: v for k, v in arrays.items() if k not in self.case.weights or k in network.weights
        }
        outputs = {f"{m}/{k}": v for m in ("inference", "training") for k, v in group(true, m).items()}
        return {
            "initial_weights": errors(own(group(said, "initial")), only(self.case.weights)),
            "outputs": errors(
                {k: v for k, v in said.items() if k.startswith(("inference/", "training/"))}, outputs
            ),
            "loss": errors({"loss": said["loss"]}, {"loss": true["loss"]}),
            "gradients": errors(group(said, "gradient"), group(true, "gradient"), FLOOR),
            "weights_after_steps": errors(own(group(said, "weight")), group(true, "weight"), FLOOR),
        }

    def _located(
        self, compared: Mapping[str, Errors], said: Arrays, truth: Truth, precision: str, witness: Witness
    ) -> Departure:
        """The first departure; where the search finds none, the worst tensor of the first departing group."""
        bounds = BOUNDS[precision]
        self._tell({"event": "phase", "name": "locate", "engine": witness.engine, "precision": precision})
        testify = witness.testify(precision)
        try:
            found = locate.initial(self.case, said, precision)
            if not found and max(compared["outputs"].worst, compared["loss"].worst) > bounds.values:
                found = locate.forward(self.case, precision, testify)
            elif not found and compared["gradients"].worst > bounds.values:
                found = locate_training.gradients(self.case, precision, testify)
            elif not found:
                found = locate_training.steps(self.case, precision, testify)
            why = "the departure shows only when the network runs as a whole"
        except EngineSilentError as error:
            found, why = None, f"it could not be followed further: {error}"
        return found or self._worst(compared, said, truth, precision, why)

    def _worst(
        self, compared: Mapping[str, Errors], said: Arrays, truth: Truth, precision: str, why: str
    ) -> Departure:
        bounds = BOUNDS[precision]
        keys = {"outputs": "", "loss": "", "gradients": "gradient/", "weights_after_steps": "weight/"}
        for name, prefix in keys.items():
            part = compared[name]
            if part.worst <= (bounds.weights if name == "weights_after_steps" else bounds.values):
                continue
            tensor = str(part.where)
            key = prefix + tensor
            pair = (truth.values[key], said[key]) if key in said and key in truth.values else None
            if key not in said:
                why = f"the engine has no value for {tensor}"
            elif key not in truth.values:
                why = f"the engine has a weight of its own, {tensor}"
            return departure(name, belongs_to(self.case.network, tensor), tensor, pair, (why, False))
        return departure("initial weights", None, str(compared["initial_weights"].where), None, (why, False))

    def _notes(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        notes = []
        if self.case.quiet:
            notes.append(f"dropout and noise are off in this proof (nodes {', '.join(self.case.quiet)})")
        if self.steps > 1:
            notes.append(
                f"the learning rate is divided by 10 after step {self.steps // 2}, to prove momentum's form"
            )
        if not self.steps:
            notes.append("no optimizer steps were taken: weights after steps are not proved")
        notes.append(
            "weights that start constant (biases, scales) were moved by up to a tenth, so that none hides"
        )
        if options:
            notes.append("engine options: " + ", ".join(f"{k}={v}" for k, v in options.items()))
        return tuple(notes)

    def _basis(self, engine: str, truth: Truth | None, precision: str) -> dict[str, Any]:
        return {
            "engine_version": here.version if (here := find(engine_row(engine))) else None,
            "graph_hash": self.definition.graph.hash,
            "case_hash": self.case.hash,
            "optimizer": self.recipe.optimizer.to_json(),
            "schedule": self.recipe.schedule.name,
            "steps": self.steps,
            "batch_size": self.batch_size,
            "seed": self.seed,
            "device": self.device,
            "arithmetic": self.arithmetic.get((engine, precision)),
            "numpy": np.__version__,
            "python": platform.python_version(),
            "truth": truth and truth.told,
        }

    def _tell(self, event: dict[str, Any]) -> None:
        if self.on_event:
            self.on_event(event)


class Cannot(Exception):  # noqa: N818  (a status, not an error of ours)
    """There is no certificate; the message says why."""


@dataclass(frozen=True)
class Witness:
    """One engine, asked again and again, each time in a process of its own."""

    prover: Prover
    engine: str
    options: Mapping[str, Any]

    def hear(self, case: Case, measure: str, precisions: Sequence[str]) -> dict[str, Arrays | Cannot]:
        """What the engine says of a case in each precision, or why it says nothing."""
        prover, folder = self.prover, saved(case, self.prover.folder)
        with tempfile.TemporaryDirectory(prefix=f"{self.engine}-", dir=folder) as out:
            job = {
                "task": "evidence",
                "id": f"evidence-{self.engine}-{measure}",
                "engine": self.engine,
                "precisions": list(precisions),
                "device": prover.device,
                "threads": prover.threads,
                "options": dict(self.options),
                "case": str(folder),
                "measure": measure,
                "out": out,
            }
            outcome = prover.launch(
                job, folder=prover.folder / "logs", timeout=prover.timeout, on_event=prover.on_event
            )
            if outcome.status != "done" or outcome.result is None:
                why = (
                    str(outcome.error) if outcome.status == "cannot" else f"{outcome.status}: {outcome.error}"
                )
                return dict.fromkeys(precisions, Cannot(why))
            errors = outcome.result["errors"]
            ran = outcome.result.get("arithmetic") or {}
            prover.arithmetic.update({(self.engine, p): words for p, words in ran.items()})
            return {
                p: Cannot(errors[p]) if errors[p] else read_arrays(Path(out) / f"{p}.npz") for p in precisions
            }

    def testify(self, precision: str) -> locate.Testify:
        """``hear`` for one precision, raising ``EngineSilentError`` where the engine says nothing."""

        def ask(case: Case, measure: str) -> Arrays:
            said = self.hear(case, measure, [precision])[precision]
            if isinstance(said, Cannot):
                raise EngineSilentError(str(said))
            return said

        return ask
