"""Defines both sides, each in a process of its own, and compares them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from crosstrain.comparison.subjects import classes_of, vocabulary_of
from crosstrain.data import prepare
from crosstrain.difference.comparing import Comparison, Settings, Tell
from crosstrain.difference.findings import Difference
from crosstrain.difference.gradients import TASK
from crosstrain.difference.recipes import Training
from crosstrain.difference.sides import Side
from crosstrain.environments.environments import default, python_of
from crosstrain.errors import CrosstrainError
from crosstrain.proof.arrays import Arrays, read_arrays
from crosstrain.proof.prove import examples as examples_of
from crosstrain.runs.definition import Definition, define
from crosstrain.runs.definition import source as located
from crosstrain.runs.process import run_job
from crosstrain.runs.trained import find_run

ENGINES = ("torch", "jax", "tensorflow")
"""Engines that give gradients in float64, in the order of preference."""


def diff(
    a: str,
    b: str,
    trainings: tuple[Training, Training],
    settings: Settings,
    *,
    input_shape: Sequence[int] | None = None,
    classes: int | None = None,
    data: str | None = None,
    trust: bool = False,
    timeout: float | None = None,
    tell: Tell = lambda _: None,
) -> Difference:
    """Whether two definitions are the same network.

    ``a`` and ``b`` are names of the zoo, ``file.py:function`` (Keras or PyTorch), files of models, or folders
    of ``crosstrain train``. ``input_shape`` is without the batch, channels last; ``data`` is a data set that
    gives shapes and examples. Raises ``CrosstrainError`` for wrong use, for a side that cannot be defined,
    and for two networks that share nothing.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="crosstrain-diff-")))
        tell(f"Defining {a} and {b}")
        more: dict[str, Any] = {
            "input_shapes": {"": list(input_shape)} if input_shape else None,
            "classes": classes, "trust": trust, "timeout": timeout or 600.0,
        }  # fmt: skip
        prepared = prepare(data) if data else None
        if prepared:
            manifest = prepared.manifest
            more["input_shapes"] = {name: spec["shape"] for name, spec in manifest["inputs"].items()}
            more |= {"classes": classes_of(manifest), "vocabulary": vocabulary_of(manifest)}
            more["targets"] = prepared.target_specs()
        with ThreadPoolExecutor(2) as both:
            waiting = [
                both.submit(side_of, letter, source, training, folder / letter, more)
                for letter, source, training in zip("AB", (a, b), trainings, strict=True)
            ]
            sides = [each.result() for each in waiting]
        examples = examples_of(sides[0].definition, prepared) if prepared else None
        comparison = Comparison(sides[0], sides[1], settings, examples)
        return comparison.run(lambda c: testified(c, folder, timeout), tell)


def side_of(letter: str, source: str, training: Training, folder: Path, more: Mapping[str, Any]) -> Side:
    """One side, defined in a process; a run's with its trained weights."""
    if Path(source).is_dir():
        run = find_run(Path(source))
        return Side(letter, source, Definition.load(run.definition), training, read_arrays(run.weights))
    losses = {name: loss.to_json() for name, loss in (training.losses or {}).items()} or None
    definition = define(located(source), folder=folder, losses=losses, **more)
    return Side(letter, source, definition, training)


def testified(c: Comparison, folder: Path, timeout: float | None) -> tuple[Arrays, dict[str, str]]:
    """Both sides' gradients and steps, from the first engine that is installed here."""
    engine = next((name for name in ENGINES if name in default()), None)
    if engine is None:
        return {}, {"A and B": f"none of {', '.join(ENGINES)} is installed"}
    sides = {}
    for side, case in zip(c.sides, c.cases, strict=True):
        case.save(folder / f"case-{side.letter}")
        sides[side.letter] = {
            "case": str(folder / f"case-{side.letter}"),
            "training": side.training.to_json(),
        }
    out = folder / "gradients.npz"
    job = {"task": TASK, "engine": engine, "sides": sides, "out": str(out), "device": "cpu"}
    outcome = run_job(job, folder=folder / "logs", timeout=timeout or 600.0, python=python_of(engine))
    if outcome.status != "done" or outcome.result is None:
        raise CrosstrainError(f"{engine} could not give the gradients: {outcome.error} (log: {outcome.log})")
    return read_arrays(out), dict(outcome.result["unsupported"])
