"""Which trained network is asked, on what engine, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crosstrain.comparison.devices import settled
from crosstrain.engines.registry import engines as engine_rows
from crosstrain.environments.environments import default, find, ready
from crosstrain.errors import CrosstrainError
from crosstrain.runs.trained import Run, find_run
from crosstrain.system.machine import usable_cores
from crosstrain.training import spelling

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Asking:
    """``engines`` is the one that runs the network (a tuple, for ``comparison.devices``); ``options`` are its
    own, ``timeout`` seconds."""

    engines: tuple[str, ...]
    device: str = "cpu"
    threads: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)
    timeout: float | None = None

    @property
    def engine(self) -> str:
        return self.engines[0]


def run_at(run: str | Path, cell: str | None, weights: str) -> Run:
    """The trained run that ``run`` names: a folder of ``train``, one of ``compare`` with its ``cell``, or
    ``FOLDER:CELL``. ``CrosstrainError`` where it is none, or has no weights yet."""
    if weights not in ("best", "last"):
        raise CrosstrainError(f"the weights of a training are best or last, not {weights!r}")
    folder, colon, last = str(run).rpartition(":")
    if not Path(run).is_dir():
        if not colon or not Path(folder).is_dir():
            raise CrosstrainError(f"there is no folder {run}; name one of crosstrain train or compare")
        run, cell = folder, last
    trained = find_run(Path(run), cell, weights)
    if not trained.weights.exists():
        raise CrosstrainError(f"{run} has no trained weights yet ({trained.weights.name} is missing)")
    return trained


def asking(run: Run, arguments: Mapping[str, Any], tell: Tell) -> Asking:
    """How ``run`` is asked, from the parameters of a public function. Without an engine: what trained it,
    where that is here, else the first that is. ``CrosstrainError`` names what is wrong."""
    threads = arguments["threads"]
    if threads is not None and threads < 1:
        raise CrosstrainError(f"threads must be at least 1, not {threads}")
    names = spelling.several(arguments["engine"] or ())
    engine = _checked(names[0]) if names else _usual(run)
    options = spelling.by_engine(arguments["options"])
    strays = sorted(set(options) - {engine})
    if strays:
        raise CrosstrainError(f"there are options for {strays[0]}, but the engine is {engine}")
    request = Asking(
        (engine,), arguments["device"], threads or usable_cores(), dict(options.get(engine, {})),
        spelling.seconds(arguments["timeout"]),
    )  # fmt: skip
    return settled(request, tell)


def _checked(name: str) -> str:
    rows = engine_rows()
    if name not in rows:
        raise CrosstrainError(f"there is no engine {name!r}; there are {', '.join(rows)}")
    if find(rows[name]) is None:
        raise CrosstrainError(
            f"the engine {name!r} is not installed; install it with: {rows[name].how_to_install}"
        )
    return name


def _usual(run: Run) -> str:
    rows = engine_rows()
    if run.engine in rows and find(rows[run.engine]):
        return run.engine
    others = (*default(), *ready())
    if not others:
        raise CrosstrainError(
            f"no engine is installed; one comes with: {next(iter(rows.values())).how_to_install}"
        )
    return others[0]
