"""Which engine can train which network, from the ops of their graphs; nothing is trained."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from crosstrain.engines.registry import EngineRow
from crosstrain.runs.definition import define, source
from crosstrain.runs.descriptions import AT_ONCE, described
from crosstrain.system.files import write_json
from crosstrain.system.places import cache_root
from crosstrain.zoo import networks as zoo


def pairs(networks: Sequence[str], rows: Sequence[EngineRow], *, trust: bool = False) -> list[dict[str, Any]]:
    """For each network and engine ``network``, ``engine``, ``runs`` and, where it does not, the ``reason``.

    Composites count by their own name: an engine declares those that rest on what it lacks. Raises
    ``CrosstrainError`` for a network that cannot be defined.
    """
    sources = [source(name) for name in networks]  # wrong names are reported before anything starts
    descriptions = described({row.name: row for row in rows})
    with ThreadPoolExecutor(AT_ONCE) as pool:
        needed = list(pool.map(lambda each: ops_of(each, trust=trust), sources))
    return [
        {"network": name, "engine": row.name, "runs": not reason, "reason": reason}
        for name, ops in zip(networks, needed, strict=True)
        for row in rows
        for reason in [_obstacle(row, descriptions.get(row.name), ops)]
    ]


def _obstacle(row: EngineRow, description: Mapping[str, Any] | None, ops: Iterable[str]) -> str:
    """Why an engine does not run a network; empty where it does."""
    if description is None:
        return f"not installed; install it with: {row.how_to_install}"
    if description["status"] != "ready":
        return f"broken: {description['error']}"
    if not row.trains:
        return "it does not train"
    return "; ".join(
        f"{row.name} cannot run the op {op!r}: {description['unsupported'][op]}"
        for op in ops
        if op in description["unsupported"]
    )


def ops_of(source: str, *, trust: bool = False) -> list[str]:
    """The names of all ops in a network's graph and in the loss that fits it.

    Those of the zoo are remembered until crosstrain's code changes.
    """
    note = cache_root() / "networks" / f"{source}-{_code()}.json" if source in zoo() else None
    if note and note.exists():
        try:
            return list(json.loads(note.read_text())["ops"])
        except (ValueError, KeyError, TypeError):
            note.unlink()  # damaged: determined again
    with tempfile.TemporaryDirectory(prefix="crosstrain-") as folder:
        definition = define(source, folder=Path(folder), trust=trust)
        nodes = [*definition.graph.nodes, *definition.loss.nodes]
    ops = sorted({node.op for node in nodes})
    if note:
        note.parent.mkdir(parents=True, exist_ok=True)
        write_json(note, {"ops": ops})
    return ops


def _code() -> str:
    """A mark of the code that decides what graphs look like."""
    root = Path(__file__).parents[1]
    files = sorted([*root.glob("zoo/*.py"), *root.glob("graph/**/*.py")])
    facts = [[str(file.relative_to(root)), file.stat().st_size, file.stat().st_mtime_ns] for file in files]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]
