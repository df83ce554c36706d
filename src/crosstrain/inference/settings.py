"""What a comparison at inference was asked to do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crosstrain.comparison.settings import RUNS, slug, source, usable_cores
from crosstrain.engines.registry import engines as engine_rows
from crosstrain.environments.environments import default, ready
from crosstrain.errors import CrosstrainError
from crosstrain.runs.trained import Run, find_run
from crosstrain.training import spelling

BATCH_SIZES = (1, 8, 64)
REPEATS = 3


@dataclass(frozen=True)
class InferenceSettings:
    """``subjects`` are networks (their initial weights are served) or folders of trained runs; ``data`` is
    None for what the run was trained on. ``timeout`` is seconds, ``memory_limit`` bytes, of a cell."""

    subjects: tuple[str, ...]
    data: str | None
    engines: tuple[str, ...]
    size: int | None = None
    batch_sizes: tuple[int, ...] = BATCH_SIZES
    repeats: int = REPEATS
    device: str = "cpu"
    threads: int = 1
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    trust: bool = False
    timeout: float | None = None
    memory_limit: int | None = None

    def identity(self) -> dict[str, Any]:
        """What must be equal for two runs to be parts of one comparison."""
        return {
            "subjects": list(self.subjects), "data": self.data, "engines": list(self.engines),
            "size": self.size, "batch_sizes": list(self.batch_sizes), "repeats": self.repeats,
            "device": self.device, "threads": self.threads,
            "options": {k: dict(v) for k, v in self.options.items()},
        }  # fmt: skip

    @property
    def default_folder(self) -> Path:
        text = json.dumps(self.identity(), sort_keys=True)
        words = "-".join(["inference", *(slug(name) for name in self.subjects[:3])])
        return RUNS / f"{words}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def inference_settings(
    subjects: str | Sequence[str],
    data: str | None = None,
    *,
    engines: str | Sequence[str] | None = None,
    size: int | None = None,
    batch_sizes: Sequence[int] = BATCH_SIZES,
    repeats: int | None = None,
    device: str = "auto",
    threads: int | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    trust: bool = False,
    timeout: str | float | None = None,
    memory_limit: str | int | None = None,
) -> InferenceSettings:
    """Settings from what a user says; ``CrosstrainError`` names the first thing that is wrong.

    Without ``engines``: the native ones of the user's own Python, and every engine for inference that is
    there. ``all`` takes whatever can run.
    """
    names = spelling.items(subjects) if isinstance(subjects, str) else list(subjects)
    if not names:
        raise CrosstrainError("name at least one network, or the folder of a trained run")
    for name in names:
        if run_of(name) is None:
            source(name)
            if data is None:
                raise CrosstrainError(f"{name} is no trained run: say with --data on which data to run it")
    for what, number in {"threads": threads, "repeats": repeats, "a batch size": min(batch_sizes)}.items():
        if number is not None and number < 1:
            raise CrosstrainError(f"{what} must be at least 1, not {number}")
    chosen = _engines(engines)
    strays = sorted(set(options or {}) - set(chosen))
    if strays:
        raise CrosstrainError(
            f"there are options for {strays[0]}, which does not take part; there are {', '.join(chosen)}"
        )
    return InferenceSettings(
        tuple(dict.fromkeys(names)), data, chosen, size, tuple(dict.fromkeys(batch_sizes)),
        repeats or REPEATS, device, threads or usable_cores(), dict(options or {}), trust,
        spelling.seconds(timeout), spelling.size_in_bytes(memory_limit),
    )  # fmt: skip


def run_of(subject: str) -> Run | None:
    """The trained run that a subject names: a folder of ``train``, or of ``compare`` with a cell behind a
    colon (``FOLDER:CELL``); None where it is no folder."""
    path = Path(subject)
    if path.is_dir():
        return find_run(path)
    folder, colon, cell = subject.rpartition(":")
    if colon and Path(folder).is_dir():
        return find_run(Path(folder), cell)
    return None


def _engines(given: str | Sequence[str] | None) -> tuple[str, ...]:
    rows = engine_rows()
    if given is None:
        return (*default(), *(name for name in ready() if rows[name].reads))
    names = spelling.items(given) if isinstance(given, str) else list(given)
    if names == ["all"]:
        names = list(ready())
    for name in names:
        if name not in rows:
            raise CrosstrainError(f"there is no engine {name!r}; there are {', '.join(rows)}")
    if not names:
        raise CrosstrainError(f"name at least one engine; there are {', '.join(rows)}")
    return tuple(dict.fromkeys(names))
