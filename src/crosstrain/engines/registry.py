"""Which engines there are. A row for each; other packages add theirs by an entry point.

An entry point of the group ``crosstrain.engines`` names an ``EngineRow``. Nothing here imports a framework.
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, entry_points, version

from crosstrain.engines.contract import Engine

GROUP = "crosstrain.engines"


@dataclass(frozen=True)
class EngineRow:
    """``module`` holds ``ENGINE``; ``imports`` is the framework's import name, ``distribution`` its name
    on the package index; ``requirements`` pins it (a file beside this one)."""

    name: str
    module: str
    imports: str
    distribution: str
    requirements: str = ""

    @property
    def installed(self) -> bool:
        return importlib.util.find_spec(self.imports) is not None

    @property
    def version(self) -> str | None:
        """The framework's version, read without importing it; None where it is missing."""
        for name in (self.distribution, f"{self.distribution}-cpu"):
            try:
                return version(name)
            except PackageNotFoundError:
                continue
        return None

    @property
    def how_to_install(self) -> str:
        """The command that makes this engine available in the running Python."""
        return f"pip install 'crosstrain[{self.name}]'"

    def load(self) -> Engine:
        """Import the framework and give its engine. Only a worker process should."""
        engine: Engine = importlib.import_module(self.module).ENGINE
        return engine


BUILT_IN = (
    EngineRow("torch", "crosstrain.engines.torch", "torch", "torch", "torch.txt"),
    EngineRow("tensorflow", "crosstrain.engines.tensorflow", "tensorflow", "tensorflow", "tensorflow.txt"),
    EngineRow("jax", "crosstrain.engines.jax", "jax", "jax", "jax.txt"),
)


def engines() -> dict[str, EngineRow]:
    """All engines by name, built-in ones first."""
    rows = {row.name: row for row in BUILT_IN}
    for point in entry_points(group=GROUP):
        row: EngineRow = point.load()
        rows.setdefault(row.name, row)
    return rows


def engine_row(name: str) -> EngineRow:
    """The row called ``name``; ``ValueError`` names those there are."""
    rows = engines()
    if name not in rows:
        raise ValueError(f"there is no engine {name!r}; there are {', '.join(rows)}")
    return rows[name]
