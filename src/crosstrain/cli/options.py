"""Options that several commands share, and how a command writes its JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from crosstrain.errors import CrosstrainError, StorageError
from crosstrain.reporting.terminal.tables import console
from crosstrain.system.files import write_bytes
from crosstrain.training import spelling
from crosstrain.training.recipe import Loss

TRAINING, RUNNING, OUTPUT = "Training", "Running", "Output"

Data = Annotated[
    str,
    typer.Option(
        "--data",
        "-d",
        metavar="DATA",
        help="digits, mnist:DIR, gtsrb:DIR-or-zip, arrays:FILE.npz, folder:DIR, …",
    ),
]
OptionalData = Annotated[
    str | None,
    typer.Option(
        "--data", "-d", metavar="DATA",
        help="digits, mnist:DIR, gtsrb:DIR-or-zip, arrays:FILE.npz, folder:DIR, …; for inference, what the "
        "run was trained on where nothing is said.",
    ),
]  # fmt: skip
Prepare = Annotated[
    str | None,
    typer.Option(
        "--prepare", metavar="STEPS",
        help="Steps after cropping and resizing, as clahe,standardize: clahe[:clip=2:tiles=8], equalize, "
        "hsv, bgr, hog, standardize.",
    ),
]  # fmt: skip
Split = Annotated[
    str | None,
    typer.Option("--split", metavar="HOW", help="gtsrb: random (validation without regard to tracks)."),
]
Epochs = Annotated[
    int | None, typer.Option("--epochs", "-e", metavar="N", help="Epochs of training (default 5).")
]
BatchSize = Annotated[int, typer.Option("--batch-size", metavar="B", help="Examples in a batch.")]
LossOption = Annotated[
    list[str] | None,
    typer.Option(
        "--loss",
        metavar="LOSS",
        help="Keras's name, as huber:delta=2, or file.py:function; OUTPUT=LOSS for one of several outputs, "
        "given again for the next. Default: the cross-entropy that fits.",
    ),
]
Optimizer = Annotated[
    str,
    typer.Option("--optimizer", metavar="NAME", help="sgd, adam, adamw, rmsprop, …; as adam:beta_1=0.8."),
]
LearningRate = Annotated[
    float | None,
    typer.Option("--learning-rate", "--lr", metavar="RATE", help="Default: the optimizer's (Keras's)."),
]
Momentum = Annotated[
    float | None,
    typer.Option("--momentum", metavar="MU", help="Of sgd (default 0.9) and rmsprop (default 0)."),
]
WeightDecay = Annotated[
    float | None, typer.Option("--weight-decay", metavar="DECAY", help="Decoupled, as in Keras and AdamW.")
]
Schedule = Annotated[
    str,
    typer.Option(
        "--schedule",
        metavar="NAME",
        help="constant, step:boundaries=[500],factors=[0.1], cosine:decay_steps=1000, warmup, plateau, …",
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="DEVICE",
        help="cpu, cuda:0, … (crosstrain engines); auto: the first GPU that all engines share, else cpu.",
    ),
]
Precision = Annotated[str, typer.Option("--precision", metavar="P", help="float32 or float64.")]
Threads = Annotated[
    int | None,
    typer.Option("--threads", metavar="N", help="For every engine alike (default: all usable cores)."),
]
EngineOption = Annotated[
    list[str] | None,
    typer.Option(
        "--option", metavar="ENGINE.OPTION=VALUE", help="As torch.compile=default; may be given again."
    ),
]
Timeout = Annotated[
    str | None, typer.Option("--timeout", metavar="TIME", help="Stop a cell after this long: 90s, 10m, 1.5h.")
]
MemoryLimit = Annotated[
    str | None, typer.Option("--memory-limit", metavar="SIZE", help="Stop a cell that holds more: 512M, 4G.")
]
Trust = Annotated[
    bool,
    typer.Option("--trust", help="Run code that a .keras file carries (lambda layers). Only for your own."),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="DIR", help="The folder for results (default: one in crosstrain-runs)."
    ),
]
Json = Annotated[
    Path | None,
    typer.Option(
        "--json", metavar="FILE", help="Write the result as JSON; - is standard output, then alone there."
    ),
]


def losses(given: list[str] | None) -> dict[str, Loss] | None:
    """``LOSS`` for the only output, ``OUTPUT=LOSS`` for one of several."""
    if not given:
        return None
    found: dict[str, Loss] = {}
    for text in given:
        output, equals, rest = text.partition("=")
        # "huber:delta=2" has its = behind a colon: then all of it is the loss.
        named = bool(equals) and ":" not in output
        name = output.strip() if named else ""
        if name in found:
            raise CrosstrainError(
                f"there are two losses for {f'output {name!r}' if name else 'the only output'}"
            )
        found[name] = spelling.loss(rest if named else text)
    return found


def by_engine(given: list[str] | None) -> dict[str, dict[str, Any]] | None:
    """``ENGINE.OPTION=VALUE`` strings as options by engine."""
    return spelling.engine_options(given) if given else None


def listed(text: str | None) -> list[str] | None:
    """``a,b`` as a list; None stays None, and an empty list stays one (it is refused later)."""
    return None if text is None else spelling.items(text)


def screen(json_file: Path | None) -> Console | None:
    """Where tables go: standard output, or nowhere when the JSON goes there."""
    return None if json_file == Path("-") else console()


def write(data: Any, json_file: Path | None) -> None:
    """The result as JSON, where it was asked for."""
    if json_file is None:
        return
    text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    if json_file == Path("-"):
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        write_bytes(json_file, text.encode())
    except FileNotFoundError as error:
        raise StorageError(f"cannot write {json_file}: there is no folder {json_file.parent}") from error


def check_json(json_file: Path | None) -> None:
    """Refuse a file that cannot be written before hours are spent on what it is for."""
    if json_file is None or json_file == Path("-"):
        return
    if json_file.is_dir() or not json_file.absolute().parent.is_dir():
        raise CrosstrainError(f"cannot write {json_file}: name a file in a folder that is there")
