"""The worker's task that lets an engine testify: one case, run on it, every number written to one file."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.engines.contract import Engine, Network, Setting, State
from crosstrain.engines.devices import arithmetic
from crosstrain.engines.registry import engine_row
from crosstrain.errors import CrosstrainError
from crosstrain.proof.arrays import Arrays, write_arrays
from crosstrain.proof.case import Case, fed
from crosstrain.proof.certificate import BOUNDS
from crosstrain.proof.states import at_precision, in_precision, read_state, slot_errors, weight_errors
from crosstrain.runs.worker import explained

Emit = Callable[[dict[str, Any]], None]

SAMPLE = 4096
"""So many entries of each tensor are kept of a trajectory; update rules work entry by entry."""

SMALL = 1_000_000
"""Parameters up to which a trajectory is kept whole."""


def sampled(array: np.ndarray) -> np.ndarray:
    """At most ``SAMPLE`` entries, evenly spread, as a vector."""
    flat = np.asarray(array).reshape(-1)
    return flat[:: max(1, -(-flat.size // SAMPLE))].copy()


def run(job: Mapping[str, Any], emit: Emit) -> dict[str, Any]:
    """Task ``evidence``: build the case of ``job["case"]`` on ``job["engine"]``, once for each of
    ``job["precisions"]``, and write its evidence to ``job["out"]``/PRECISION.npz.

    ``job["measure"]`` is a name of ``MEASURES``; ``job["states"]`` is the file of the truth's states, if
    there is one. A precision that fails costs only itself: the result's
    ``errors`` gives the sentence (None where all went well) by precision.
    """
    row, case = engine_row(job["engine"]), Case.load(Path(job["case"]))
    emit({"event": "phase", "name": "import"})
    engine: Engine = row.load()
    errors: dict[str, str | None] = {}
    for precision in job["precisions"]:
        emit({"event": "phase", "name": "evidence", "precision": precision})
        try:
            arrays = of_one_precision(engine, case, precision, job)
            write_arrays(Path(job["out"]) / f"{precision}.npz", arrays)
            errors[precision] = None
        except Exception as error:  # whatever a framework raises: the other precisions go on
            traceback.print_exc()
            errors[precision] = explained(error)[1]
    here = engine.describe()
    ran = {
        precision: arithmetic(
            row, job.get("device", "cpu"), precision, job.get("options") or {}, here.options
        )
        for precision in job["precisions"]
    }
    return {"engine_version": here.version, "arithmetic": ran, "errors": errors}


def of_one_precision(engine: Engine, case: Case, precision: str, job: Mapping[str, Any]) -> Arrays:
    """An engine's evidence in one precision; ``CrosstrainError`` where it lacks that precision."""
    has = engine.describe().precisions
    if precision not in has:
        raise CrosstrainError(f"the engine {engine.name} has no {precision}, only {', '.join(has)}")
    setting = Setting(job.get("device", "cpu"), precision, job.get("threads"), job.get("options") or {})
    network = engine.build(case.program, at_precision(case.weights, precision), setting)
    arrays = MEASURES[job["measure"]](network, case, precision)
    if job["measure"] == "all" and case.steps and job.get("states"):
        arrays |= stepping(network, case, precision, Path(job["states"]))
    return arrays


def values(network: Network, case: Case) -> Arrays:
    """``initial/WEIGHT`` as read back, then ``inference/OUT``, ``training/OUT``, ``loss`` and
    ``gradient/WEIGHT`` of the first batch."""
    arrays = {f"initial/{name}": value for name, value in network.read().weights.items()}
    batch = case.first()
    inference, training = case.program.inference.inputs, case.program.training.inputs
    for name, value in network.predict(fed(inference, batch)).items():
        arrays[f"inference/{name}"] = value
    features = case.program.network.phase(training=True).inputs
    for name, value in network.predict(fed(features, batch), training=True).items():
        arrays[f"training/{name}"] = value
    loss, gradients = network.gradients(fed(training, batch))
    arrays["loss"] = np.asarray(loss)
    arrays.update({f"gradient/{name}": value for name, value in gradients.items()})
    return arrays


def stepping(network: Network, case: Case, precision: str, states: Path) -> Arrays:
    """How far the engine's steps are from the truth's, as errors, since whole states would fill the disk.

    ``weight/T/WEIGHT`` and ``slot/T/WEIGHT/SLOT``: after one step out of the truth's own state T, for every
    T. ``free/WEIGHT``: after all steps without the truth's help. ``carried/WEIGHT``: the second of these
    steps against the same step out of the state that the engine gave after the first, so that what it keeps
    elsewhere shows.
    """
    run = _Run(network, case)
    arrays: Arrays = {}
    after = [run.step(0)]
    after += [run.step(1)] if case.steps > 1 else []
    for step in range(2, case.steps):
        run.train(step)
    last = network.read() if case.steps > 2 else after[-1]
    free = weight_errors(case, last, read_state(states, case, case.steps))
    arrays.update({f"free/{name}": np.asarray(error) for name, error in free.by_name.items()})
    if case.steps > 1:
        network.load(after[0])
        carried = weight_errors(case, run.step(1), after[1])
        arrays.update({f"carried/{name}": np.asarray(error) for name, error in carried.by_name.items()})
    true = read_state(states, case, 0)
    for step in range(case.steps):
        network.load(in_precision(true, precision))
        got, true = run.step(step), read_state(states, case, step + 1)
        for kind, errors in (("weight", weight_errors(case, got, true)), ("slot", slot_errors(got, true))):
            arrays.update({f"{kind}/{step}/{name}": np.asarray(e) for name, e in errors.by_name.items()})
    return arrays


class _Run:
    """Takes the case's steps."""

    def __init__(self, network: Network, case: Case) -> None:
        self._network, self._rates = network, case.rates()
        inputs = case.program.training.inputs
        self._batches = [fed(inputs, batch) for batch in case.batches()]

    def train(self, step: int) -> None:
        self._network.train(self._batches[step], self._rates[step])

    def step(self, step: int) -> State:
        """The state after one step more."""
        self.train(step)
        self._network.wait()
        return self._network.read()


def trajectory(network: Network, case: Case, precision: str) -> Arrays:
    """The steps one by one, so that an update rule can be tried on them.

    ``step/T/weight/NAME`` before step T (and after the last), ``step/T/gradient/NAME`` and
    ``step/T/norm/NAME`` (the gradient's) there, ``step/T/loss`` as ``train`` gave it; tensors are
    ``sampled``, unless the network is small. Where that is not the loss of the step's own batch, there is
    ``step/T/loss_of/B``, the engine's loss of each batch B before the step. Then ``trained/WEIGHT``, whole,
    and ``after/OUT``: inference outputs at those weights.
    """
    arrays: Arrays = {}
    batches = [fed(case.program.training.inputs, batch) for batch in case.batches()]
    keep = np.array if case.network.parameters <= SMALL else sampled
    for step, (batch, rate) in enumerate(zip(batches, case.rates(), strict=True)):
        before = network.read()
        _keep(arrays, f"step/{step}/weight", before.weights, keep)
        loss, gradients = network.gradients(batch)
        _keep(arrays, f"step/{step}/gradient", gradients, keep)
        arrays.update({f"step/{step}/norm/{k}": np.asarray(np.linalg.norm(g)) for k, g in gradients.items()})
        trained = float(network.train(batch, rate))
        arrays[f"step/{step}/loss"] = np.asarray(trained)
        if not np.isclose(trained, loss, rtol=BOUNDS[precision].values, atol=0):
            after = network.read()
            network.load(before)
            losses = [network.gradients(other)[0] for other in batches]
            arrays.update({f"step/{step}/loss_of/{b}": np.asarray(value) for b, value in enumerate(losses)})
            network.load(after)
    last = network.read().weights
    _keep(arrays, f"step/{case.steps}/weight", last, keep)
    arrays.update({f"trained/{name}": value for name, value in last.items()})
    for name, value in network.predict(fed(case.program.inference.inputs, case.first())).items():
        arrays[f"after/{name}"] = value
    return arrays


def _keep(
    into: Arrays, prefix: str, arrays: Mapping[str, np.ndarray], keep: Callable[[np.ndarray], np.ndarray]
) -> None:
    into.update({f"{prefix}/{name}": keep(value) for name, value in arrays.items()})


MEASURES: dict[str, Callable[[Network, Case, str], Arrays]] = {
    "all": lambda network, case, precision: values(network, case),
    "values": lambda network, case, precision: values(network, case),
    "trajectory": trajectory,
}
