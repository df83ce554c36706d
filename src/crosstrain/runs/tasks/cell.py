"""The task ``train``: one cell, measured alike for all engines.

The clock of an epoch covers what users call training: batches out of host memory (or gathered on a GPU, from
data that lie there), augmentation, forward, backward, update, and the wait for all of it at the end of the
epoch. Importing, preparing, compiling with warming up (and taking data to a GPU), evaluating and saving are
timed apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.engines.contract import Description, Engine, Network, Setting, State
from crosstrain.engines.devices import device_module
from crosstrain.engines.registry import engine_row, engines
from crosstrain.errors import CrosstrainError
from crosstrain.runs.tasks.describe import load_engine
from crosstrain.runs.tasks.evaluation import main_metric
from crosstrain.runs.tasks.feed import launch_of
from crosstrain.runs.tasks.material import Material
from crosstrain.runs.tasks.predictions import Predictions
from crosstrain.runs.tasks.training import Training
from crosstrain.runs.tasks.workers.communication import Communication
from crosstrain.runs.tasks.workers.network import SharedNetwork, apart, check_parts, order
from crosstrain.runs.tasks.workers.team import team
from crosstrain.runs.worker import peak_memory
from crosstrain.system.clocks import Clocks
from crosstrain.system.files import read_arrays, write_arrays
from crosstrain.training.recipe import Recipe
from crosstrain.training.tasks import DETECTION, SEGMENTATION, measure_of, task_of

CLOSED_PRECISIONS = ("float32", "float64")
WARM_UP_STEPS = 2
"""So many steps at each batch size, or the network's own ``warm_up_steps``: a framework may compile again
when it first meets its own results, and an engine may run otherwise once a batch size has come again."""


def run(job: Mapping[str, Any], emit: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Train one cell and give its record.

    The job has ``engine``, ``device``, ``precision``, ``threads``, ``options``, ``division``,
    ``network_folder`` (of the define task), ``data_folder``, ``recipe`` and, where it differs from the
    recipe's, ``seed``; ``workers``, how many processes train together (default 1); ``twin``, the number of a
    rounding twin, or none; ``evaluate`` (default true); ``weights_out`` and ``best_out``, paths for the last
    and the best epoch's weights (``.npz``), or None;
    ``predictions_out``, one for the answers on the test set (``runs/tasks/predictions.py``), or None;
    ``feeder``, how the processes that augment are started (``runs/feeding.py``); ``checkpoint``, a path, or
    None, and ``resume``: take it up where it is there. Events: ``phase``, ``progress`` (at most four a
    second), ``epoch``.

    Times in the record are seconds, memory bytes; ``device_allocated_bytes`` is the peak of the framework's
    own allocator on a GPU. ``diverged`` is a sentence where the loss became no number, else None.
    """
    clocks = Clocks(emit)
    evaluate = job.get("evaluate", True)
    recipe = recipe_of(job)
    with team(job) as workers:
        version, network, material = set_up(job, recipe, clocks, evaluate=evaluate, communication=workers)
        with closing(material):
            return _trained(job, recipe, clocks, emit, version, network, material, workers)


def recipe_of(job: Mapping[str, Any]) -> Recipe:
    """A cell's recipe, with its own seed."""
    return Recipe.from_json({**job["recipe"], **({"seed": job["seed"]} if "seed" in job else {})})


def _trained(
    job: Mapping[str, Any],
    recipe: Recipe,
    clocks: Clocks,
    emit: Callable[[dict[str, Any]], None],
    version: str,
    network: Network,
    material: Material,
    workers: Communication | None,
) -> dict[str, Any]:
    """Train, test, keep what is asked for; the record."""
    device, evaluate = job.get("device", "cpu"), job.get("evaluate", True)
    training = Training(
        network, material, clocks, emit,
        show_loss=device == "cpu",
        validate=evaluate,
        identity=identity(job, material),
        best_path=_path(job.get("best_out")),
        checkpoint_path=_path(job.get("checkpoint")),
        announce=partial(order, workers) if workers else None,
    )  # fmt: skip
    if job.get("resume") and training.checkpoint_path and training.checkpoint_path.exists():
        training.resume()
    training.run()
    shared = shared_part(workers, material) if workers else {}
    tested: dict[str, Any] = {}
    learnt: dict[str, Any] = {}
    predictions = Predictions()
    test = material.splits["test"]
    if evaluate and test.examples:
        with clocks.phase("evaluate"):
            learnt = learnt_part(network, material)
            tested = tested_by(network, material, predictions)
    with clocks.phase("save"):
        if job.get("weights_out"):
            write_arrays(Path(job["weights_out"]), material.own_weights(network.read().weights))
        if job.get("predictions_out") and (answered := predictions.arrays()):
            write_arrays(Path(job["predictions_out"]), answered)
    best = best_tested(network, material, training, clocks) if tested else {}
    return {
        "engine_version": version,
        "epochs": training.progress.history,
        "best_epoch": training.progress.best_epoch,
        "stopped": training.stopped,
        "diverged": training.diverged,
        "steps": training.step,
        **{f"{phase}_seconds": clocks.seconds.get(phase, 0.0) for phase in PHASES},
        "test_accuracy": main_metric(tested, "accuracy"),
        "measure": measure_of(tested),
        "classes": list(material.classes) if task_of(tested) in (SEGMENTATION, DETECTION) else [],
        "test_metrics": tested,
        "best_test_accuracy": main_metric(best, "accuracy"),
        "best_test_metrics": best,
        "train_accuracy": main_metric(learnt, "accuracy"),
        "examples": {name: split.examples for name, split in material.splits.items()},
        "test_examples": test.examples if tested else 0,
        "batch_size": recipe.batch_size,
        "parameters": material.program.network.parameters,
        "graph_hash": material.program.network.hash,
        "data_hash": material.data_hash,
        "peak_memory_bytes": peak_memory(),
        "device_allocated_bytes": allocated(job["engine"], device),
        "compilations_reused": reused_compilations(job["engine"]),
        **shared,
    }


def shared_part(workers: Communication, material: Material) -> dict[str, Any]:
    """What a record has more where several workers have trained. Their memory is the whole process tree's,
    which the supervisor samples."""
    return {
        "workers": workers.workers,
        "communication_seconds": workers.seconds,
        "waiting_seconds": workers.waiting,
        "apart": apart(material.program, workers.workers),
        "peak_memory_bytes": None,
    }


def best_tested(network: Network, material: Material, training: Training, clocks: Clocks) -> dict[str, Any]:
    """The test metrics of the best epoch's weights, where they are kept; the network has them afterwards."""
    path = training.best_path
    if path is None or training.progress.best_epoch is None or not path.exists():
        return {}
    with clocks.phase("evaluate"):
        state = network.read()
        network.load(State({**state.weights, **read_arrays(path)}))
        return tested_by(network, material, None)


def tested_by(network: Network, material: Material, predictions: Predictions | None) -> dict[str, Any]:
    """The metrics of the test part; ``predictions`` collects the answers."""
    test = material.splits["test"]
    tested = material.evaluation.run(
        network, test.inputs, test.targets, predictions, final=True, resident=test.kept
    )
    if material.describing:
        metrics, said = material.describing.tested(network, test.inputs, test.targets)
        tested |= metrics
        if predictions is not None:
            predictions.add(said)
    return tested


def learnt_part(network: Network, material: Material) -> dict[str, Any]:
    """The metrics on examples of the training part, as many as are validated on, to see whether it over-fits.
    Empty where there are none, or where the training's pictures are made otherwise than the test's."""
    train, count = material.splits["train"], material.splits["validation"].examples
    if material.feed or not count:
        return {}
    index = np.linspace(0, train.examples - 1, min(count, train.examples)).astype(int)
    inputs, targets = (
        {name: array[index] for name, array in each.items()} for each in (train.inputs, train.targets)
    )
    kept = {name: rows[index] for name, rows in train.kept.items()}
    return material.evaluation.run(network, inputs, targets, resident=kept)


def allocated(engine: str, device: str) -> int | None:
    """The most that the framework's allocator has given out on a GPU; None where it is none, or it does not
    count. What the driver holds for the process besides (context, kernels, what the allocator keeps) is not
    in it."""
    module = device_module(engine_row(engine)) if device.startswith("cuda") else None
    return module.peak_bytes(device) if module else None


def reused_compilations(engine: str) -> int:
    """How many compilations this process has taken from a cache on disk instead of doing them."""
    row = engines().get(engine)
    count: Callable[[], int] = getattr(device_module(row) if row else None, "reused", int)
    return count()


PHASES = ("import", "prepare", "compile", "train", "evaluate", "save")


def set_up(
    job: Mapping[str, Any],
    recipe: Recipe,
    clocks: Clocks,
    *,
    evaluate: bool,
    communication: Communication | None = None,
) -> tuple[str, Network, Material]:
    """The engine's version, the network ready to be trained, and what it is trained on: with
    ``communication`` by several workers, of which this is one. Importing, preparing and compiling (with
    warming up) are timed apart."""
    with clocks.phase("import"):
        engine = load_engine(job["engine"])
        description = engine.describe()
        setting = setting_of(job, description)
        reused_compilations(job["engine"])  # counts from here on
    with clocks.phase("prepare"):
        folders = Path(job["network_folder"]), Path(job["data_folder"])
        material = Material.load(*folders, recipe, setting.precision, launch_of(job), twin=job.get("twin", 0))
        if communication:
            material = replace(material, share=(communication.rank, communication.workers))
    with clocks.phase("compile"):
        network = built(engine, material, setting)
        if communication:
            check_parts(network, material)
            network = SharedNetwork(network, material.program, setting.precision, communication)
        material = material.kept_on(network, evaluate)
        warm_up(network, material, evaluate)
        if material.feed:
            material.feed.wait()
        if communication:
            communication.seconds = communication.waiting = 0.0  # what warming up took is no training's
    return description.version, network, material


def setting_of(job: Mapping[str, Any], description: Description) -> Setting:
    """The job's setting. ``CrosstrainError`` where it belongs to the open division and the job does not;
    whether the engine has it at all, the engine says."""
    precision, options = job.get("precision", "float32"), dict(job.get("options") or {})
    if job.get("division", "closed") == "closed":
        rows = description.options
        strays = [f"{k}={v}" for k, v in options.items() if k in rows and v != rows[k].default
                  and rows[k].division == "open"]  # fmt: skip
        strays += [precision] if precision not in CLOSED_PRECISIONS else []
        if strays:
            raise CrosstrainError(
                f"{' and '.join(strays)} on the engine {job['engine']!r} may change the arithmetic: that "
                "belongs to the open division, not to the closed one"
            )
    return Setting(job.get("device", "cpu"), precision, job.get("threads"), options)


def built(engine: Engine, material: Material, setting: Setting) -> Network:
    """The network on its engine; what the engine does not have becomes a ``CrosstrainError``."""
    try:
        return engine.build(material.program, material.weights, setting)
    except ValueError as error:
        if type(error) is not ValueError:  # a sentence of its own already, or a framework's fault
            raise
        raise CrosstrainError(f"{engine.name} cannot build this network: {error}") from error


def warm_up(network: Network, material: Material, evaluate: bool) -> None:
    """Let everything be compiled that training and evaluation will use, at every batch size that they
    will use, then set the network back to its beginning."""
    rate = material.schedule.rate(float(material.recipe.optimizer.learning_rate or 0.0), 0)
    for size in material.batch_sizes:
        for _ in range(getattr(network, "warm_up_steps", WARM_UP_STEPS)):
            network.train(material.first(size), rate)
    network.wait()
    network.load(State(material.weights))
    if not evaluate:
        return
    parts = (material.splits["validation"], material.splits["test"])
    for size in sorted({n for part in parts for n in material.evaluation.shapes(part.examples)}):
        part = max(parts, key=lambda split: split.examples)
        kept: dict[str, Any] = {name: rows for name, rows in part.kept.items() if name in part.inputs}
        network.predict({name: array[:size] for name, array in {**part.inputs, **kept}.items()})


def identity(job: Mapping[str, Any], material: Material) -> dict[str, Any]:
    """What must be equal for a checkpoint to be taken up. More epochs may be asked for, unless the schedule
    is relative to their number."""
    recipe = material.recipe.to_json()
    open_ended = {"metrics", "early_stopping", *(() if material.recipe.schedule.relative else ("epochs",))}
    return {
        "network": material.program.network.hash,
        "loss": material.program.loss.hash,
        "data": material.data_hash,
        "recipe": {k: v for k, v in recipe.items() if k not in open_ended},
        "engine": job["engine"],
        "precision": job.get("precision", "float32"),
    }


def _path(path: str | None) -> Path | None:
    return Path(path) if path else None
