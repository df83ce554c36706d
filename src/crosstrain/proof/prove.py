"""Proves that engines do the same work as a definition, and where one does not, says where and why."""

from __future__ import annotations

import hashlib
import json
import platform
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.engines.registry import engine_row, engines as engine_rows
from crosstrain.errors import CrosstrainError
from crosstrain.proof import locate, locate_training, reference
from crosstrain.proof.batch import snake_case
from crosstrain.proof.case import Case
from crosstrain.proof.certificate import BOUNDS, Certificate, Departure, Proof
from crosstrain.proof.compare import FLOOR, Errors, errors, group
from crosstrain.proof.departing import belongs_to, departure
from crosstrain.proof.locate import EngineSilent
from crosstrain.proof.truth import Truth, truth_of
from crosstrain.runs.definition import Definition, define
from crosstrain.runs.process import Outcome, run_job
from crosstrain.training.recipe import Recipe

Arrays = dict[str, np.ndarray]
OnEvent = Callable[[dict[str, Any]], None]
Launch = Callable[..., Outcome]

STEPS = 10
BATCH = 8


def prove(
    source: str | Definition,
    engines: Sequence[str] | None = None,
    precisions: Sequence[str] = ("float64", "float32"),
    *,
    recipe: Recipe | None = None,
    input_shape: Sequence[int] | Mapping[str, Sequence[int]] | None = None,
    classes: int | None = None,
    work: Path | None = None,
    on_event: OnEvent | None = None,
    timeout: float | None = None,
    steps: int = STEPS,
    batch_size: int = BATCH,
    seed: int = 0,
    device: str = "cpu",
    threads: int | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    trust: bool = False,
    launch: Launch = run_job,
) -> Proof:
    """Certificates of a network, one for each engine and precision.

    ``source`` is a zoo name, ``file.py:function``, ``model.keras`` or a definition that is there already;
    ``engines`` are names (all installed ones, if left out). ``input_shape`` is without the batch, or one
    for each input by name. ``work`` keeps the definition, the case and the truths, which are used again;
    without it a temporary folder does. ``timeout`` (seconds) is for each process. ``options`` are engine
    options by engine. ``steps`` 0 leaves the optimizer out.

    An engine that is missing, crashes or lacks an op gets a certificate with the status ``cannot`` and
    the reason; the others go on. Raises ``CrosstrainError`` for wrong use and for a network that cannot be
    defined.
    """
    recipe = recipe or Recipe()
    _checked(engines, precisions, steps, batch_size)
    names = list(engines) if engines is not None else [n for n, row in engine_rows().items() if row.installed]
    with ExitStack() as stack:
        folder = work or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="crosstrain-proof-")))
        folder.mkdir(parents=True, exist_ok=True)
        definition = source if isinstance(source, Definition) else _defined(
            source, recipe, input_shape, classes, seed, trust, folder / "definition", timeout
        )  # fmt: skip
        prover = Prover(definition, recipe, folder, steps, batch_size, seed, device, threads, timeout, launch, on_event)
        certificates = [
            prover.certificate(name, precision, (options or {}).get(name, {}))
            for name in names
            for precision in precisions
        ]
        return Proof(definition.graph.name, tuple(certificates))


def _checked(engines: Sequence[str] | None, precisions: Sequence[str], steps: int, batch_size: int) -> None:
    try:
        for name in engines or ():
            engine_row(name)
    except CrosstrainError:
        raise
    except ValueError as error:
        raise CrosstrainError(str(error)) from error
    for precision in precisions:
        if precision not in BOUNDS:
            raise CrosstrainError(f"there is no proof in {precision!r}; there are {', '.join(BOUNDS)}")
    if steps < 0 or batch_size < 2:
        raise CrosstrainError("a proof needs steps of 0 or more and a batch of at least 2 examples")


def _defined(
    source: str,
    recipe: Recipe,
    input_shape: Sequence[int] | Mapping[str, Sequence[int]] | None,
    classes: int | None,
    seed: int,
    trust: bool,
    folder: Path,
    timeout: float | None,
) -> Definition:
    shapes = input_shape if isinstance(input_shape, Mapping) or input_shape is None else {"": input_shape}
    return define(
        source,
        folder=folder,
        input_shapes=shapes,
        classes=classes,
        losses=recipe.to_json()["losses"],
        seed=seed,
        trust=trust,
        timeout=timeout or 600.0,
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
    _cases: dict[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
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

    def certificate(self, engine: str, precision: str, options: Mapping[str, Any] | None = None) -> Certificate:
        """The certificate of one engine in one precision."""
        started = time.monotonic()
        self._tell({"event": "proof", "engine": engine, "precision": precision, "state": "started"})
        try:
            made = self._certificate(engine, precision, options or {})
        except Cannot as error:
            made = Certificate(engine, precision, "cannot", reason=str(error), basis=self._basis(engine, None))
        made = replace(made, seconds=time.monotonic() - started)
        self._tell({
            "event": "proof", "engine": engine, "precision": precision, "state": "finished", "status": made.status,
        })  # fmt: skip
        return made

    def _certificate(self, engine: str, precision: str, options: Mapping[str, Any]) -> Certificate:
        row = engine_row(engine)
        if not row.installed:
            raise Cannot(f"the engine {engine} is not installed; install it with: {row.how_to_install}")
        witness = Witness(self, engine, precision, options)
        truth = truth_of(
            self.case, self.definition, self.folder, engine,
            launch=self.launch, timeout=self.timeout, on_event=self.on_event,
        )  # fmt: skip
        if truth.reason:
            raise Cannot(truth.reason)
        said = witness.testify(self.case, "all")
        compared = self._compared(said, truth)
        bounds = BOUNDS[precision]
        fine = all(
            part.worst <= (bounds.weights if name == "weights_after_steps" else bounds.values)
            for name, part in compared.items()
        )
        found = None if fine else self._located(compared, said, truth, precision, witness)
        worst = {name: part.worst if part.by_name else None for name, part in compared.items()}
        return Certificate(
            engine=engine,
            precision=precision,
            status="proved" if fine else "departs",
            outputs=worst["outputs"],
            loss=worst["loss"],
            gradients=worst["gradients"],
            weights_after_steps=worst["weights_after_steps"],
            first_departure=found,
            worst={name: part.where for name, part in compared.items()},
            tensors={name: dict(part.by_name) for name, part in compared.items()},
            notes=self._notes(options),
            basis=self._basis(engine, truth),
        )

    def _compared(self, said: Arrays, truth: Truth) -> dict[str, Errors]:
        """Every group of numbers next to its truth."""
        network, true = self.case.network, truth.values
        only = lambda arrays: {k: v for k, v in arrays.items() if k in network.weights}  # noqa: E731
        # A weight of the engine's own must not go unseen, so only the loss's constants are left out.
        own = lambda arrays: {k: v for k, v in arrays.items() if k not in self.case.weights or k in network.weights}  # noqa: E731
        outputs = {f"{m}/{k}": v for m in ("inference", "training") for k, v in group(true, m).items()}
        return {
            "initial_weights": errors(own(group(said, "initial")), only(self.case.weights)),
            "outputs": errors({k: v for k, v in said.items() if k.startswith(("inference/", "training/"))}, outputs),
            "loss": errors({"loss": said["loss"]}, {"loss": true["loss"]}),
            "gradients": errors(group(said, "gradient"), group(true, "gradient"), FLOOR),
            "weights_after_steps": errors(own(group(said, "weight")), group(true, "weight"), FLOOR),
        }

    def _located(
        self, compared: Mapping[str, Errors], said: Arrays, truth: Truth, precision: str, witness: Witness
    ) -> Departure:
        """The first departure; where the search finds none, the worst tensor of the first group that departs."""
        bounds = BOUNDS[precision]
        self._tell({"event": "proof", "engine": witness.engine, "precision": precision, "state": "locating"})
        try:
            found = locate.initial(self.case, said, precision)
            if not found and max(compared["outputs"].worst, compared["loss"].worst) > bounds.values:
                found = locate.forward(self.case, precision, witness.testify)
            elif not found and compared["gradients"].worst > bounds.values:
                found = locate_training.gradients(self.case, precision, witness.testify)
            elif not found:
                found = locate_training.steps(self.case, precision, witness.testify)
            why = "the departure shows only when the network runs as a whole"
        except (Cannot, EngineSilent) as error:
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
            notes.append(f"the learning rate is divided by 10 after step {self.steps // 2}, to prove momentum's form")
        if not self.steps:
            notes.append("no optimizer steps were taken: weights after steps are not proved")
        notes.append("weights that start constant (biases, scales) were moved by up to a tenth, so that none hides")
        if options:
            notes.append("engine options: " + ", ".join(f"{k}={v}" for k, v in options.items()))
        return tuple(notes)

    def _basis(self, engine: str, truth: Truth | None) -> dict[str, Any]:
        return {
            "engine_version": engine_row(engine).version,
            "graph_hash": self.definition.graph.hash,
            "case_hash": self.case.hash,
            "optimizer": self.recipe.optimizer.to_json(),
            "schedule": self.recipe.schedule.name,
            "steps": self.steps,
            "batch_size": self.batch_size,
            "seed": self.seed,
            "device": self.device,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "truth": truth and truth.told,
        }

    def _tell(self, event: dict[str, Any]) -> None:
        if self.on_event:
            self.on_event(event)


class Cannot(Exception):  # noqa: N818  (a status, not an error of ours)
    """There is no certificate; the message says why."""


@dataclass
class Witness:
    """One engine in one precision, asked again and again, each time in a process of its own."""

    prover: Prover
    engine: str
    precision: str
    options: Mapping[str, Any]

    def testify(self, case: Case, measure: str) -> Arrays:
        """What the engine says of a case; ``Cannot`` where it says nothing."""
        folder = self.prover.folder / "cases" / case.hash[:16]
        if not (folder / "case.json").exists():
            case.save(folder)
        slug = hashlib.sha256(json.dumps([self.engine, self.precision, measure, dict(self.options)]).encode())
        out = folder / f"{self.engine}-{self.precision}-{measure}-{slug.hexdigest()[:8]}.npz"
        job = {
            "task": "evidence",
            "id": f"evidence-{self.engine}-{self.precision}-{measure}",
            "engine": self.engine,
            "precision": self.precision,
            "device": self.prover.device,
            "threads": self.prover.threads,
            "options": dict(self.options),
            "case": str(folder),
            "measure": measure,
            "out": str(out),
        }
        outcome = self.prover.launch(
            job, folder=self.prover.folder / "logs", timeout=self.prover.timeout, on_event=self.prover.on_event
        )
        if outcome.status != "done":
            raise Cannot(f"{self.engine} {outcome.status}: {outcome.error}" if outcome.status != "cannot" else str(outcome.error))
        with np.load(out, allow_pickle=False) as archive:
            said = {key: archive[key] for key in archive.files}
        out.unlink()
        return said


__all__ = ["Prover", "prove", "reference"]
