"""What takes part in a comparison: an engine, or one under a further name, set up in another way."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from crosstrain.engines.registry import engine_of
from crosstrain.errors import CrosstrainError
from crosstrain.system import affinity

Division = Literal["closed", "open"]

TUNED = "tuned"
"""The further name of an engine that is set up as its profile says."""

_NAME = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Setup:
    """How the processes of an entrant are started. ``environment`` are variables that are set before the
    framework is imported; ``pinned`` keeps the process on as many cores as it has threads, and each of
    OpenMP's threads on its own."""

    engine: str
    options: Mapping[str, Any] = field(default_factory=dict)
    threads: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    pinned: bool = False
    division: Division = "closed"

    def job(self) -> dict[str, Any]:
        """Its part of a worker's job."""
        job: dict[str, Any] = {
            "engine": self.engine,
            "threads": self.threads,
            "options": dict(self.options),
            "division": self.division,
        }
        if self.pinned:
            job["cores"] = affinity.cores(self.threads)
        variables = {**(affinity.VARIABLES if self.pinned else {}), **self.environment}
        return {**job, "environment": variables} if variables else job

    def to_json(self) -> dict[str, Any]:
        return {
            "options": dict(self.options),
            "threads": self.threads,
            "environment": dict(self.environment),
            "pinned": self.pinned,
        }


def check(entrant: str) -> None:
    """``CrosstrainError`` where the further name of an entrant is none; whether there is such an engine is
    not asked."""
    further = entrant.removeprefix(engine_of(entrant))
    name = further.removeprefix("@")
    if further and not _NAME.fullmatch(name):
        raise CrosstrainError(
            f"{entrant!r} is not a name for an engine; write ENGINE@NAME, with letters, digits, - and _ in "
            "NAME, or ENGINE@2.12 for a release"
        )
    if name == TUNED:
        raise CrosstrainError(f"{entrant} comes with --tuned, from what crosstrain tune found; leave it out")


def plain(names: Iterable[str], what: str) -> None:
    """``CrosstrainError`` where there are further names, for ``what`` has no use for them."""
    for name in names:
        if name != engine_of(name):
            raise CrosstrainError(
                f"{what} takes engines by their own names: {engine_of(name)}, not {name}; further names are "
                "for comparisons"
            )


def file_name(entrant: str) -> str:
    """An entrant's name as a part of a file's name."""
    return entrant.replace("@", "+")


def beside(names: Sequence[str], tuned: Iterable[str]) -> list[str]:
    """``names``, each followed by its tuned entrant where there is one."""
    with_profile = set(tuned)
    return [
        each for name in names for each in (name, f"{name}@{TUNED}") if each == name or each in with_profile
    ]
