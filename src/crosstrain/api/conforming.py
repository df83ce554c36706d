"""The public function that holds engines' operations against NumPy, one by one."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

from crosstrain.api.progress import Progress, watching
from crosstrain.comparison.declaring import declared
from crosstrain.conformance import parameters
from crosstrain.engines.registry import engine_row
from crosstrain.engines.registry import engines as registry
from crosstrain.environments.environments import find
from crosstrain.errors import CrosstrainError
from crosstrain.training import spelling

if TYPE_CHECKING:
    from crosstrain.conformance.faults import Fault
    from crosstrain.conformance.findings import Conformance

PRECISIONS = ("float64", "float32")


@declared("a check of operations")
def ops(*, progress: Progress = True, **arguments: Unpack[parameters.Ops]) -> Conformance:
    """Every operation of the vocabulary on engines, held against its NumPy meaning, gradients against finite
    differences, each engine in a process of its own.

    The result has ``well``, ``engines`` (each with ``ops``: ``op``, ``status``, ``value_error``,
    ``gradient_error``, ``reason`` and, of what departs, the smallest ``example`` found) and ``to_json()``.
    ``status`` is passed, departs, unsupported, failed (the engine raised) or crashed (its process ended).
    Raises ``CrosstrainError`` for wrong use; an engine that is missing has an ``error``.
    """
    from crosstrain.conformance.run import OPS, tried

    given: dict[str, Any] = dict(arguments)
    precision = given["precision"]
    if precision is not None and precision not in PRECISIONS:
        raise CrosstrainError(f"precision is {' or '.join(PRECISIONS)}, not {precision!r}")
    engines = _engines(given["engines"])
    wanted = spelling.several(given["ops"]) if given["ops"] else list(OPS)
    for name in wanted:
        if name not in OPS:
            near = difflib.get_close_matches(name, OPS, 3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(sorted(OPS))}"
            raise CrosstrainError(f"there is no operation {name!r} to try; {hint}")
    with watching(progress) as watch:
        return tried(
            engines, list(dict.fromkeys(wanted)), precision=precision, device=given["device"],
            patience=spelling.seconds(given["timeout"]), tell=watch.stage,
        )  # fmt: skip


def known_faults(engines: str | Sequence[str] | None = None) -> tuple[Fault, ...]:
    """What frameworks are known to do wrong, by engine; ``None`` or ``"all"`` is of all."""
    from crosstrain.conformance.faults import faults

    return faults(_rows(engines) if engines and engines != "all" else ())


def _engines(names: str | Sequence[str] | None) -> list[str]:
    """Engines that train, by name: all that are installed, or by default the native ones of the user's own
    Python."""
    if names == "all" or names == ["all"]:
        chosen = [name for name, row in registry().items() if row.trains and find(row)]
    elif names is None:
        chosen = [n for n, row in registry().items() if row.trains and row.native and row.importable]
    else:
        chosen = _rows(names)
    if not chosen:
        raise CrosstrainError("no engine is installed; crosstrain engines install torch installs one")
    for name in chosen:
        if not engine_row(name).trains:
            raise CrosstrainError(f"{name} runs files alone; name an engine that trains (crosstrain engines)")
    return chosen


def _rows(names: str | Sequence[str]) -> list[str]:
    rows, wanted = registry(), spelling.several(names)
    for name in wanted:
        if name not in rows:
            raise CrosstrainError(f"there is no engine {name!r}; there are {', '.join(rows)}")
    return list(dict.fromkeys(wanted))
