"""What a comparison at inference was asked to do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Unpack

from crosstrain.comparison.declaring import declared
from crosstrain.comparison.parameters import BATCH_SIZES, CompareInference, OptionalData, SeveralNetworks
from crosstrain.comparison.settings import RUNS
from crosstrain.engines.registry import engines as engine_rows
from crosstrain.environments.environments import default, ready
from crosstrain.errors import CrosstrainError
from crosstrain.runs.definition import source
from crosstrain.runs.trained import Run, find_run
from crosstrain.system.files import slug
from crosstrain.system.machine import usable_cores
from crosstrain.training import spelling
from crosstrain.training.spelling import PictureSize

REPEATS = 3


@dataclass(frozen=True)
class InferenceSettings:
    """``subjects`` are networks (their initial weights are served) or folders of trained runs; ``data`` is
    None for what the run was trained on. ``timeout`` is seconds, ``memory_limit`` bytes, of a cell."""

    subjects: tuple[str, ...]
    data: str | None
    engines: tuple[str, ...]
    size: PictureSize | None = None
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


@declared("a comparison at inference", single={"size": "input size"})
def inference_settings(
    network: SeveralNetworks, data: OptionalData = None, **arguments: Unpack[CompareInference]
) -> InferenceSettings:
    """Settings from what a user says; ``CrosstrainError`` names the first thing that is wrong.

    Without ``engines``: the native ones of the user's own Python, and every engine for inference that is
    there. ``all`` takes whatever can run.
    """
    names = spelling.several(network)
    if not names:
        raise CrosstrainError("name at least one network, or the folder of a trained run")
    for name in names:
        if run_of(name) is None:
            source(name)
            if data is None:
                raise CrosstrainError(f"{name} is no trained run; name the data to run it on with --data")
    batch_sizes = tuple(dict.fromkeys(spelling.batch_sizes(arguments["batch_sizes"])))
    counts = {
        "threads": arguments["threads"],
        "repeats": arguments["repeats"],
        "a batch size": min(batch_sizes, default=0),
    }
    for what, number in counts.items():
        if number is not None and number < 1:
            raise CrosstrainError(f"{what} must be at least 1, not {number}")
    engines = _engines(arguments["engines"])
    options = spelling.by_engine(arguments["options"])
    strays = sorted(set(options) - set(engines))
    if strays:
        raise CrosstrainError(
            f"there are options for {strays[0]}, which does not take part; there are {', '.join(engines)}"
        )
    return InferenceSettings(
        subjects=tuple(dict.fromkeys(names)),
        data=data,
        engines=engines,
        size=next(iter(spelling.sizes(arguments["size"])), None),
        batch_sizes=batch_sizes,
        repeats=arguments["repeats"] or REPEATS,
        device=arguments["device"],
        threads=arguments["threads"] or usable_cores(),
        options=options,
        trust=arguments["trust"],
        timeout=spelling.seconds(arguments["timeout"]),
        memory_limit=spelling.size_in_bytes(arguments["memory_limit"]),
    )


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


def _engines(engines: str | Sequence[str] | None) -> tuple[str, ...]:
    rows = engine_rows()
    if engines is None:
        return (*default(), *(name for name in ready() if rows[name].reads))
    names = spelling.items(engines) if isinstance(engines, str) else list(engines)
    if names == ["all"]:
        names = list(ready())
    for name in names:
        if name not in rows:
            raise CrosstrainError(f"there is no engine {name!r}; there are {', '.join(rows)}")
    if not names:
        raise CrosstrainError(f"name at least one engine; there are {', '.join(rows)}")
    return tuple(dict.fromkeys(names))
