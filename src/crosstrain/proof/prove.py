"""Proves that engines do the same work as a definition, and where one does not, says where and why."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.data.prepared import TARGET, Prepared, feed
from crosstrain.engines.registry import engine_row
from crosstrain.environments.environments import default
from crosstrain.errors import CrosstrainError
from crosstrain.graph.graph import SEED
from crosstrain.proof.ahead import expected, in_order, started
from crosstrain.proof.certificate import BOUNDS, Certificate, Proof
from crosstrain.proof.prover import Prover
from crosstrain.proof.states import usual_steps
from crosstrain.runs.at_once import MEMORY_EACH, Task, at_once, slots
from crosstrain.runs.definition import Definition, define
from crosstrain.runs.process import Outcome, run_job
from crosstrain.runs.spares import Spares
from crosstrain.system.gpus import free_memory
from crosstrain.training.recipe import Recipe

OnEvent = Callable[[dict[str, Any]], None]
Launch = Callable[..., Outcome]

BATCH = 8

WEIGHTS_HELD = 18
"""So many times a network's weights in float64 does the proof of one engine hold at its largest, in its
worker and in this process together (AlexNet, of 61 million parameters: 15 in the worker)."""


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
    steps: int | None = None,
    batch_size: int = BATCH,
    seed: int = 0,
    device: str = "cpu",
    threads: int | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    trust: bool = False,
    data: Prepared | None = None,
    output: str = "",
    weights: str = "",
    replace_head: bool = False,
    freeze_until: str = "",
    remarks: Sequence[str] = (),
    launch: Launch = run_job,
    start_ahead: bool = True,
) -> Proof:
    """Certificates of a network, one for each engine and precision.

    ``source`` is a zoo name, ``file.py:function``, ``model.keras`` or a definition that is there already;
    ``engines`` are names (all installed ones, if left out). ``input_shape`` is without the batch, or one
    for each input by name. ``work`` keeps the definition, the case and the truths, which are used again;
    without it a temporary folder does. ``timeout`` (seconds) is for each process. ``options`` are engine
    options by engine. ``steps`` 0 leaves the optimizer out; left out, it is 10, or fewer for a large network.
    ``data`` gives inputs and targets in place of random ones. ``output``, ``weights``,
    ``replace_head`` and ``freeze_until`` are those of ``define``; ``remarks`` are sentences for every
    certificate. ``start_ahead`` starts workers before there is work for them: they import their frameworks
    in the meantime, on cores that are idle then.

    An engine that is missing, crashes or lacks an op gets a certificate with the status ``cannot`` and
    the reason; the others go on. Raises ``CrosstrainError`` for wrong use and for a network that cannot be
    defined.
    """
    recipe, stop = recipe or Recipe(), threading.Event()
    _checked(engines, precisions, steps, batch_size)
    names = list(engines) if engines is not None else list(default())
    with ExitStack() as stack:
        folder = work or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="crosstrain-proof-")))
        folder.mkdir(parents=True, exist_ok=True)
        chosen = {
            "output": output,
            "weights": weights,
            "replace_head": replace_head,
            "freeze_until": freeze_until,
        }
        spares = stack.enter_context(Spares(folder / "logs"))
        order = in_order(names)
        jobs = expected(_name(source), order, folder, device, threads, options or {}) if start_ahead else ()
        with started(spares, jobs):
            definition = source if isinstance(source, Definition) else _defined(
                source, recipe, input_shape, classes, seed, trust, folder / "definition", timeout, chosen
            )  # fmt: skip
        step_count = usual_steps(definition.graph.parameters) if steps is None else steps
        prover = Prover(
            definition,
            recipe,
            folder,
            step_count,
            batch_size,
            seed,
            device,
            threads,
            timeout,
            partial(launch, waiting=spares.take, **({"stop": stop} if len(names) > 1 else {})),
            on_event and _in_turn(on_event),
            None if data is None else examples(definition, data),
            (*remarks, *definition.remarks),
        )
        certificates = _of_all(prover, order, precisions, options or {}, stop)
        return Proof(definition.graph.name, tuple(c for name in names for c in certificates[name]))


def _name(source: str | Definition) -> str:
    return source if isinstance(source, str) else str(source.data["source"])


def _of_all(
    prover: Prover,
    names: Sequence[str],
    precisions: Sequence[str],
    options: Mapping[str, Mapping[str, Any]],
    stop: threading.Event,
) -> dict[str, list[Certificate]]:
    """The certificates by engine. Several engines at a time, since much of what they do keeps one core busy:
    importing, tracing, compiling."""

    def task(name: str) -> Task[list[Certificate]]:
        return lambda _: prover.certificates(name, precisions, options.get(name, {}))

    each = MEMORY_EACH + WEIGHTS_HELD * 8 * prover.definition.graph.parameters
    most = slots(len(names), each=each, on_device=free_memory(prover.device))
    with closing(at_once([task(name) for name in names], most, stop)) as finished:
        return {names[number]: certificates for number, certificates in finished}


def _in_turn(on_event: OnEvent) -> OnEvent:
    """``on_event`` for several threads: called by one at a time."""
    lock = threading.Lock()

    def tell(event: dict[str, Any]) -> None:
        with lock:
            on_event(event)

    return tell


def examples(definition: Definition, data: Prepared, split: str = "train") -> dict[str, np.ndarray]:
    """The examples of a data set's split under the names that the network's training graph has for them."""
    inputs = [name for name in definition.graph.inputs if name != SEED]
    wanted = [name for name in definition.loss.inputs if name.startswith(TARGET)]
    features, targets = feed(inputs, wanted, *data.arrays(split))
    return {**features, **targets}


def _checked(
    engines: Sequence[str] | None, precisions: Sequence[str], steps: int | None, batch_size: int
) -> None:
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
    if (steps or 0) < 0 or batch_size < 2:
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
    chosen: Mapping[str, Any],
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
        **chosen,
    )
