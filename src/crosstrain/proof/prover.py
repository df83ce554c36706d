"""Puts one network's case to engines, holds what they say against the truth, and writes certificates."""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.engines.registry import engine_row
from crosstrain.environments.environments import find
from crosstrain.proof.arrays import Arrays
from crosstrain.proof.batch import snake_case
from crosstrain.proof.case import Case
from crosstrain.proof.certificate import BOUNDS, Certificate, Departure, Status
from crosstrain.proof.compare import FLOOR, Errors, errors, group, relative
from crosstrain.proof.flow import Coverage, alternatives, coverage_of
from crosstrain.proof.holding.held import with_branches
from crosstrain.proof.locating import forward as locate
from crosstrain.proof.locating import training as locate_training
from crosstrain.proof.locating.departing import belongs_to, departure
from crosstrain.proof.locating.forward import EngineSilentError, SearchStoppedError
from crosstrain.proof.sensitivity import steps_off
from crosstrain.proof.states import read_state
from crosstrain.proof.truths.gather import BACKENDS, Truth, truth_of
from crosstrain.proof.verdict import COARSER, bound_of, compare, free_run, within, worst_step
from crosstrain.proof.witness import Cannot, Witness
from crosstrain.runs.definition import Definition
from crosstrain.runs.process import Outcome, run_job
from crosstrain.training.recipe import Recipe

OnEvent = Callable[[dict[str, Any]], None]
Launch = Callable[..., Outcome]

NEARLY = 0.1
"""A gradient further off than this is not one that a few units at their kinks have moved."""

NOTHING = "nothing departs, but nothing was tested: every gradient is exactly 0 in every case that was tried"
WHOLE = "the departure shows only when the network runs as a whole"
STATE = "the engine's own steps are right, but not those from a state that it loads"


@dataclass
class Prover:
    """One network's case, put to engines, several at a time if need be; a truth is asked for once."""

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
    examples: Mapping[str, np.ndarray] | None = None
    """Of a data set, under the names of the training graph's inputs; random ones where there is none."""
    remarks: tuple[str, ...] = ()
    """Sentences for every certificate: where the recipe comes from."""

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
            examples_of=self.examples,
        )
        self._settled, self.tested = False, Coverage(0)
        self._lock = threading.Lock()

    def _truth(self, engine: str) -> Truth:
        """The truth for an engine; the first settles the case for all. Meanwhile the others ask theirs about
        the usual case, which is seldom given up: another backend's answer takes as long as the first's."""
        if self._settled:
            return self._truth_of(self.case, engine)
        usual, truth = self.case, None
        if not self._lock.acquire(blocking=False):
            truth = self._truth_of(usual, engine)
            self._lock.acquire()
        try:
            if not self._settled:
                return self._settle(engine)
        finally:
            self._lock.release()
        return truth if truth and self.case is usual else self._truth_of(self.case, engine)

    def _settle(self, engine: str) -> Truth:
        """The first truth. Another case is taken where gradients are exactly 0 in this one and not in the
        other."""
        truth = self._truth_of(self.case, engine)
        if truth.reason:
            return truth
        best = coverage_of(self.case, group(truth.values, "gradient"))
        for other in () if best.whole else alternatives(self.case):
            answer = self._truth_of(other, engine)
            coverage = coverage_of(other, group(answer.values, "gradient"))
            if not answer.reason and coverage.gradients > best.gradients:
                self.case, truth, best = other, answer, coverage
            if best.whole:
                break
        self._settled, self.tested = True, best
        return truth

    def _truth_of(self, case: Case, engine: str) -> Truth:
        return truth_of(
            case, self.definition, self.folder, engine,
            launch=self.launch, timeout=self.timeout, on_event=self.on_event,
        )  # fmt: skip

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
        evidence: Mapping[str, Arrays | Cannot]
        try:
            row = engine_row(engine)
            if not find(row):
                raise Cannot(f"the engine {engine} is not installed; install it with: {row.how_to_install}")
            truth = self._truth(engine)
            if truth.reason:
                raise Cannot(truth.reason)
            evidence = witness.hear(self.case, "all", precisions, truth.states)
        except Cannot as error:
            evidence = dict.fromkeys(precisions, error)
        certificates = []
        rounding: dict[str, float] = {}
        for precision in sorted(precisions, key=["float64", "float32"].index):
            answer = evidence[precision]
            if isinstance(answer, Cannot) or truth is None:
                basis = self._basis(engine, truth, precision)
                certificate = Certificate(
                    engine,
                    precision,
                    "cannot",
                    reason=str(answer),
                    notes=self._notes(witness.options, truth),
                    basis=basis,
                )
            else:
                certificate = self._certificate(witness, precision, answer, truth, rounding)
                if precision == "float64" and certificate.status == "proved":
                    rounding = {k: COARSER * v for k, v in certificate.tensors["gradients"].items()}
            certificates.append(replace(certificate, seconds=time.monotonic() - started))
            started = time.monotonic()
            self._tell(
                {
                    "event": "certificate",
                    "engine": engine,
                    "precision": precision,
                    "status": certificate.status,
                }
            )
        return certificates

    def _certificate(
        self, witness: Witness, precision: str, evidence: Arrays, truth: Truth, rounding: Mapping[str, float]
    ) -> Certificate:
        """``rounding`` is what float64 lets one expect of each gradient in float32, where it is known."""
        compared = compare(self.case, evidence, truth)
        notes = list(self._notes(witness.options, truth))
        free = free_run(evidence)
        cancelling = {name: rounding[name] for name in self.tested.rounding if name in rounding}
        fine = self._fine(compared, truth, precision, cancelling, bool(rounding), notes)
        if fine:
            notes += _sums_that_cancel(compared, cancelling, BOUNDS[precision].values + truth.error)
        else:
            at_kinks = self._at_kinks(compared, evidence, truth, witness, precision, rounding, notes)
            fine = at_kinks is not None
            compared, evidence = at_kinks or (compared, evidence)
        first_departure = None if fine else self._located(compared, evidence, truth, precision, witness)
        if fine and free is not None and free > BOUNDS[precision].weights:
            notes.append(
                f"every step is right by itself; left alone for {self.steps} steps the engine is {free:.2g} "
                "off the truth, since such a network amplifies rounding"
            )
        status: Status = "departs" if not fine else "cannot" if self.tested.nothing else "proved"
        worst = {name: part.worst if part.by_name else None for name, part in compared.items()}
        return Certificate(
            engine=witness.engine,
            precision=precision,
            status=status,
            reason=NOTHING if status == "cannot" else "",
            outputs=worst["outputs"],
            loss=worst["loss"],
            gradients=worst["gradients"],
            weights_after_steps=worst["weights_after_steps"],
            free_run=free,
            first_departure=first_departure,
            worst={name: part.where for name, part in compared.items()},
            tensors={name: dict(part.by_name) for name, part in compared.items()},
            notes=tuple(notes),
            basis=self._basis(witness.engine, truth, precision),
        )

    def _at_kinks(
        self,
        free: dict[str, Errors],
        evidence: Arrays,
        truth: Truth,
        witness: Witness,
        precision: str,
        rounding: Mapping[str, float],
        notes: list[str],
    ) -> tuple[dict[str, Errors], Arrays] | None:
        """Where rounding decides the side of a ReLU, or a comparison: the numbers with the truth's branches.

        Applies only if some unit really is near its kink, and the new numbers are within their bounds;
        otherwise None, and the first evidence counts. Unless the engine is proved in float64 (``rounding``),
        its outputs and loss must be right as they are, and gradients nearly so.
        """
        bounds, exact = BOUNDS[precision], bool(rounding)
        forward = max(free["outputs"].worst, free["loss"].worst)
        if free["initial_weights"].worst > bounds.values:
            return None
        if not exact and (forward > bounds.values or free["gradients"].worst > NEARLY):
            return None
        weights: list[Mapping[str, np.ndarray]] = [self.case.weights]
        if self.steps and truth.states:
            weights = [read_state(truth.states, self.case, step).weights for step in range(self.steps)]
        case, near = with_branches(self.case, weights, precision)
        if not near:
            return None
        prefixes = ("gradient/", "weight/", "slot/", "carried/", *(("training/", "loss") if exact else ()))
        again = {**evidence, **self._heard(witness, case, "all", precision, truth, prefixes)}
        inference = (e for name, e in free["outputs"].by_name.items() if name.startswith("inference/"))
        if max(inference, default=0.0) > bounds.values:
            case, _ = with_branches(self.case, [self.case.weights], precision, training=False)
            again |= self._heard(witness, case, "values", precision, truth, ("inference/",))
        bound = compare(self.case, again, truth)
        of_steps: list[str] = []
        fine = self._fine(bound, truth, precision, rounding, exact, of_steps)
        if not fine and exact and bound["gradients"].worst <= bounds.weights:
            rounding = self._between_truths(witness.engine, truth, rounding)
            fine = self._fine(bound, truth, precision, rounding, exact, of_steps)
        if not fine:
            return None
        without = ", ".join(
            f"{name.replace('_', ' ')} {free[name].worst:.2g}"
            for name in ("outputs", "gradients", "weights_after_steps")
        )
        notes.append(
            f"{near} units lie within {precision}'s rounding of the kink of their ReLU or maximum, or of "
            "another end of a comparison or choice; gradients and steps are those with every branch held to "
            f"the truth's (free: {without})"
        )
        notes += _sums_that_cancel(bound, rounding, bounds.values + truth.error)
        notes += of_steps
        return bound, again

    def _between_truths(
        self, engine: str, truth: Truth, rounding: Mapping[str, float]
    ) -> Mapping[str, float]:
        """``rounding``, at least what two truths are apart, in their outputs or in a gradient: an engine that
        adds in the same order as its truth shows too little of what rounding does to the network."""
        origin = "gradients and steps"
        others = (self._truth_of(self.case, each) for each in BACKENDS if each != engine)
        seconds = (
            t for t in others if not t.reason and t.provenance.get(origin) != truth.provenance.get(origin)
        )
        apart: Mapping[str, float] = {}
        if second := next(seconds, None):
            true = group(truth.values, "gradient")
            apart = errors(group(second.values, "gradient"), true, FLOOR).by_name
        return {
            name: max(error, COARSER * max(truth.error, apart.get(name, 0.0)))
            for name, error in rounding.items()
        }

    def _heard(
        self, witness: Witness, case: Case, measure: str, precision: str, truth: Truth,
        prefixes: tuple[str, ...],
    ) -> Arrays:  # fmt: skip
        """What an engine says of another case, of all that begins with ``prefixes``; nothing if it cannot."""
        answer = witness.hear(case, measure, [precision], truth.states)[precision]
        if isinstance(answer, Cannot):
            return {}
        return {name: value for name, value in answer.items() if name.startswith(prefixes)}

    def _fine(
        self, compared: Mapping[str, Errors], truth: Truth, precision: str, rounding: Mapping[str, float],
        exact: bool, notes: list[str],
    ) -> bool:  # fmt: skip
        """Whether everything is within its bounds. Of an engine that is ``exact`` in float64, a step of an
        adaptive optimizer may be further off, as far as rounding of its gradients explains; ``notes`` then
        say so."""
        bound = BOUNDS[precision].weights + truth.error
        steps, gradients = compared["weights_after_steps"], compared["gradients"].by_name
        stepping: Mapping[str, float] = {}
        if exact and steps.worst > bound and truth.states:
            known = {name: min(error, BOUNDS[precision].values) for name, error in gradients.items()}
            stepping = steps_off(self.case, truth.states, known)
        fine = within(compared, precision, rounding, truth.error, stepping)
        if fine:
            notes += [
                f"{name} is {error:.2g} off after a step: {self.recipe.optimizer.name} divides a gradient by "
                f"its own size, so that entries within rounding of 0 go to either side, of which a gradient "
                f"that is {gradients[name]:.2g} off lets one expect {stepping[name]:.2g}"
                for name, error in steps.by_name.items()
                if error > bound
            ]
        return fine

    def _located(
        self, compared: Mapping[str, Errors], evidence: Arrays, truth: Truth, precision: str, witness: Witness
    ) -> Departure:
        """The first departure; where the search finds none, the worst tensor of the first departing group."""
        bounds = BOUNDS[precision]
        self._tell({"event": "phase", "name": "locate", "engine": witness.engine, "precision": precision})
        testify = witness.testify(precision)
        try:
            first = locate.initial(self.case, evidence, precision)
            if not first and max(compared["outputs"].worst, compared["loss"].worst) > bounds.values:
                first = locate.forward(self.case, precision, testify)
            elif not first and compared["gradients"].worst > bounds.values:
                got = group(evidence, "gradient")
                right = {
                    name
                    for name, true in group(truth.values, "gradient").items()
                    if np.any(true) and name in got and relative(got[name], true) <= bounds.values
                }
                first = locate_training.gradients(self.case, precision, testify, right)
            elif not first:
                first = locate_training.steps(self.case, precision, testify)
            why = WHOLE if compared["gradients"].worst > bounds.values else STATE
        except EngineSilentError as error:
            first, why = None, f"it could not be followed further: {error}"
        except SearchStoppedError as error:
            first, why = None, str(error)
        return first or self._worst(compared, evidence, truth, precision, why)

    def _worst(
        self, compared: Mapping[str, Errors], evidence: Arrays, truth: Truth, precision: str, why: str
    ) -> Departure:
        """The worst tensor of the first group that is out of its bound."""
        keys = {"outputs": "", "loss": "", "gradients": "gradient/"}
        for name, prefix in keys.items():
            if compared[name].worst <= bound_of(name, precision):
                continue
            tensor = str(compared[name].where)
            key = prefix + tensor
            pair = (truth.values[key], evidence[key]) if key in evidence and key in truth.values else None
            if key not in evidence:
                why = f"the engine has no value for {tensor}"
            elif key not in truth.values:
                why = f"the engine has a value of its own, {tensor}"
            return departure(name, belongs_to(self.case.network, tensor), tensor, pair, (why, False))
        for name, kind in (("weights_after_steps", "weight"), ("slots", "slot"), ("carried_over", "carried")):
            if compared[name].worst <= bound_of(name, precision):
                continue
            tensor, error = str(compared[name].where), compared[name].worst
            weight = tensor.rpartition("/")[0] if kind == "slot" else tensor
            step = 1 if kind == "carried" else worst_step(evidence, kind, tensor, self.steps)
            if kind == "carried":
                why = "between steps the engine keeps something that its state does not show"
            return replace(
                departure(
                    "update", belongs_to(self.case.network, weight), f"{tensor} after step {step}", None,
                    (why, False), f"optimizer {self.recipe.optimizer.name}",
                ),
                error=error,
            )  # fmt: skip
        return departure("initial weights", None, str(compared["initial_weights"].where), None, (why, False))

    def _notes(self, options: Mapping[str, Any], truth: Truth | None) -> tuple[str, ...]:
        notes = [*self.remarks, *(truth.provenance.get("remarks", []) if truth else [])]
        if self.case.remark:
            notes.append(self.case.remark)
        if self.examples:
            notes.append("inputs and targets are examples of the data set")
        notes += self.tested.notes()
        if self.case.quiet:
            notes.append(f"dropout and noise are off in this proof (nodes {', '.join(self.case.quiet)})")
        if self.steps > 1:
            notes.append(
                f"the learning rate is divided by 10 after step {self.steps // 2}, to prove momentum's form"
            )
        if self.steps:
            notes.append("every step starts from the truth's own state, so that rounding does not build up")
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
            "truth": truth and truth.provenance,
            "tested": self.tested.to_json(),
        }

    def _tell(self, event: dict[str, Any]) -> None:
        if self.on_event:
            self.on_event(event)


def _sums_that_cancel(
    compared: Mapping[str, Errors], rounding: Mapping[str, float], bound: float
) -> Iterator[str]:
    """Of which gradients beyond their bound float64 lets one expect as much."""
    for name, error in compared["gradients"].by_name.items():
        if error > bound:
            yield (
                f"the gradient of {name} is {error:.2g} off: a sum that cancels, of which float64 (off by "
                f"{rounding[name] / COARSER:.2g}) lets one expect {rounding[name]:.2g} in float32"
            )
