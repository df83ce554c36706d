"""The public functions about engines: what there is, install, remove, examine, which networks they train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from crosstrain.api.doctor import Finding, examine
from crosstrain.comparison.pairs import pairs
from crosstrain.engines.registry import COMPANIONS, EngineRow
from crosstrain.engines.registry import engines as registry
from crosstrain.environments.cuda import cuda_row, has_cuda_build
from crosstrain.environments.environments import find
from crosstrain.environments.installing import install, remove, sweep
from crosstrain.errors import CrosstrainError, StorageError
from crosstrain.reporting.terminal.installing import Installing
from crosstrain.runs.descriptions import described, forget
from crosstrain.training import spelling
from crosstrain.zoo import networks as zoo


def describe_engines(*, look: bool | None = None) -> list[dict[str, Any]]:
    """Every engine with ``name``, ``version``, ``status`` (``ready``, ``missing`` or ``broken``), ``trains``,
    ``environment`` (``own``, ``made`` or None), ``python``, ``bytes`` (of a made environment), ``devices``,
    ``hardware`` (device to ``name`` and ``memory_bytes``), ``cuda`` (the version that the framework was built
    with, "" without), ``precisions``, ``options``, ``unsupported`` (op to reason), ``install`` (a command)
    and ``error``.

    What an engine can do it is asked in a process of its own, which imports its framework; the answer is
    remembered. ``look`` True asks anew; False asks none, and ``status`` says only whether it is installed.
    """
    sweep()
    rows = registry()
    descriptions = {} if look is False else described(rows, anew=look is True)
    return [_engine(row) | descriptions.get(name, {}) for name, row in rows.items()]


def _engine(row: EngineRow) -> dict[str, Any]:
    """The part of an engine's description that needs no process."""
    here = find(row)
    return {
        "name": row.name, "version": here.version if here else None,
        "status": "ready" if here else "missing", "trains": row.trains,
        "environment": None if here is None else "own" if here.own else "made",
        "python": here.python if here else None, "bytes": here.manifest.get("bytes") if here else None,
        "devices": [], "hardware": {}, "cuda": None, "precisions": [], "options": {}, "unsupported": {},
        "install": row.how_to_install, "error": None,
    }  # fmt: skip


def install_engines(
    names: str | Sequence[str] = "all", *, cuda: bool = False, progress: bool = True
) -> list[dict[str, Any]]:
    """Make the environments of engines; ``"all"`` is of all that the user's own Python does not have.
    ``flax`` is no engine and none of these; sources for it are checked in such an environment too.

    With ``cuda``, environments with builds for NVIDIA's GPUs, of the CUDA that the driver runs; ``"all"`` is
    then of all engines that have such builds. They are used in place of the user's own Python.

    For each: ``engine``, ``status`` (``made``, ``there``, ``own`` for one that the user's own Python has,
    ``failed``), ``version``, ``seconds``, ``bytes`` and ``error``. Raises ``CrosstrainError`` for an
    unknown name; an installation that fails does not stop the others.
    """
    selected = _rows(names, COMPANIONS)
    if names == "all" and cuda:
        selected = [row for row in selected if has_cuda_build(row)]
    elif names == "all":
        selected = [row for row in selected if row.requirements and not row.importable]
    results: list[dict[str, Any]] = []
    with Installing(len(selected), shown=progress) as show:
        for row in selected:
            result: dict[str, Any] = {"engine": row.name, "version": row.version, "seconds": 0.0, "bytes": 0}
            if row.importable and not cuda:
                results.append(result | {"status": "own", "error": None})
                continue
            show.begin(row.name)
            try:
                installation = install(cuda_row(row) if cuda else row, show.tell)
                here = installation.environment
                result |= {
                    "version": here.version,
                    "seconds": installation.seconds,
                    "bytes": here.manifest.get("bytes"),
                }
                results.append(result | {"status": "made" if installation.fresh else "there", "error": None})
            except (CrosstrainError, StorageError) as error:
                results.append(result | {"status": "failed", "error": str(error)})
            show.end(results[-1])
    return results


def remove_engines(names: str | Sequence[str], *, progress: bool = True) -> dict[str, int]:
    """Delete the environments of engines (``"all"``: of all), never anything in the user's own Python;
    returns the bytes freed by engine."""
    selected = _rows(names, COMPANIONS)
    freed_bytes = {}
    with Installing(len(selected), shown=progress) as show:
        for row in selected:
            show.begin(row.name)
            show.tell("removing")
            freed_bytes[row.name] = remove(row)
            forget(row)
            show.advance()
    return freed_bytes


def examine_engines(names: str | Sequence[str] = "all", *, progress: bool = True) -> list[Finding]:
    """Examine engines where they run: their files, what they say of themselves, a tiny network proved.

    ``"all"`` is of all that are installed. Each finding has ``engine``, ``well``, ``faults`` (sentences),
    ``mend`` (what to do), ``proofs`` and ``to_json()``.
    """
    selected = [row for row in _rows(names) if names != "all" or find(row)]
    findings = []
    with Installing(len(selected), shown=progress) as show:
        for finding in examine(selected, show.tell):
            show.advance()
            findings.append(finding)
    return findings


def _rows(
    names: str | Sequence[str], more: Mapping[str, EngineRow] = MappingProxyType({})
) -> list[EngineRow]:
    """The rows of engines by name, or all of them; those of ``more`` are taken where they are named.
    ``CrosstrainError`` for one that there is not."""
    rows = registry()
    wanted = list(rows) if names == "all" else spelling.several(names)
    rows.update(more)
    if not wanted:
        raise CrosstrainError(f"name at least one engine; there are {', '.join(rows)}")
    for name in wanted:
        if name not in rows:
            raise CrosstrainError(f"there is no engine {name!r}; there are {', '.join(rows)}")
    return [rows[name] for name in dict.fromkeys(wanted)]


def engine_pairs(
    networks: str | Sequence[str] = "all", engines: str | Sequence[str] = "all", *, trust: bool = False
) -> list[dict[str, Any]]:
    """Which engine can train which network, determined without training: for each pair ``network``,
    ``engine``, ``runs`` and ``reason``.

    A pair runs unless the engine declares an op of the network's graph, or of its loss, that it cannot
    run, or is not installed. ``"all"`` is the zoo's networks, and the engines that train.
    """
    chosen = list(zoo()) if networks == "all" else spelling.several(networks)
    rows = [row for row in _rows(engines) if engines != "all" or row.trains]
    return pairs(chosen, rows, trust=trust)
