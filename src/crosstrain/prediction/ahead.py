"""A trained network asked on and on: a series many steps ahead by its own forecasts, a text by its own
tokens."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from crosstrain.data.sets.sequences.tokens import RESERVED, Tokenizer
from crosstrain.errors import CrosstrainError
from crosstrain.forecasting.baselines import Problem
from crosstrain.forecasting.summary import (
    FACTS,
    NETWORK,
    Forecast,
    baselines_of,
    beside_baselines,
    in_units,
    problem_of,
)
from crosstrain.prediction.network import TrainedNetwork
from crosstrain.prediction.settings import Asking, Tell, asking, run_at
from crosstrain.runs.trained import evaluation_data

MOST_ORIGINS = 500
"""Origins of a long test part that are forecast from: that many, evenly spread."""


@dataclass(frozen=True)
class Forecasts:
    """``values`` are the forecasts beyond the end of the series, in its own units. ``test`` sets the same
    network, continued as far from origins in the test part, beside the baselines (the form of a comparison's
    ``forecasts``); empty where the test part is too short for that."""

    network: str
    engine: str
    engine_version: str | None
    variable: str
    steps: int
    values: tuple[float, ...]
    test: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def to_csv(self) -> str:
        """A row for each step beyond the end."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["step", self.variable])
        writer.writerows([step, f"{value:.9g}"] for step, value in enumerate(self.values, start=1))
        return text.getvalue()


@dataclass(frozen=True)
class Sample:
    """``text`` is what a language model wrote after ``prompt``."""

    network: str
    engine: str
    engine_version: str | None
    prompt: str
    text: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def forecast(
    run: str | Path, steps: int | None, *, cell: str | None, weights: str, arguments: dict[str, Any],
    tell: Tell, note: Tell,
) -> Forecasts:  # fmt: skip
    """Forecast ``steps`` ahead (None: as far as the network does at a time). ``CrosstrainError`` for a
    network that forecasts no series, or sees several variables: nothing would forecast the others."""
    network, request = _asked(run, cell, weights, arguments, tell, note)
    data = evaluation_data(network.definition, network.run.data, network.run)
    problem, facts = problem_of(data), (data.manifest.get("facts") or {}).get(FACTS)
    if problem is None or facts is None:
        raise CrosstrainError(f"{run} was trained on {network.run.data}, which is no series")
    if len(facts["columns"]) > 1:
        raise CrosstrainError(
            f"{run} sees {len(facts['columns'])} variables and forecasts one of them, so it cannot go on by "
            "its own forecasts; train it with a longer horizon, or on "
            f"columns={facts['columns'][problem.target]}"
        )
    ahead = problem.horizon if steps is None else steps
    if ahead < 1:
        raise CrosstrainError(f"steps must be at least 1, not {ahead}")
    last = len(problem.series) - 1
    origins = problem.origins[problem.origins + ahead <= last]
    count = min(len(origins), MOST_ORIGINS)
    origins = origins[np.linspace(0, len(origins) - 1, count).astype(int)]
    whole = replace(problem, origins=np.append(origins, last), horizon=ahead)
    seen = whole.seen(whole.origins)[:, :, None] - _level(whole, facts)
    windows = (seen - facts["mean"][0]) / facts["deviation"][0]
    job = {"kind": "numbers", "steps": ahead, "relative": facts["relative"]}
    tell(f"Asking {network.name} on {request.engine}, {-(-ahead // problem.horizon)} times")
    outputs, version = _continued(network, request, windows.astype(np.float32), job)
    values = in_units(outputs, whole, facts)
    test = {}
    if len(origins):
        tested = replace(whole, origins=origins)
        own = Forecast(NETWORK, network.name, request.engine, values[:-1])
        test = beside_baselines([[own]], tested, facts, baselines_of(tested))
    return Forecasts(
        network.name, request.engine, version, facts["columns"][0], ahead, tuple(map(float, values[-1])), test
    )


def sample(
    run: str | Path, prompt: str, tokens: int, temperature: float, seed: int, *, cell: str | None,
    weights: str, arguments: dict[str, Any], tell: Tell, note: Tell,
) -> Sample:  # fmt: skip
    """Continue ``prompt`` by so many ``tokens``. ``CrosstrainError`` for a network that is no language
    model."""
    if tokens < 1 or temperature < 0:
        raise CrosstrainError("there is at least 1 token to draw, at a temperature of at least 0")
    network, request = _asked(run, cell, weights, arguments, tell, note)
    manifest = network.preparation.manifest
    facts = (manifest.get("facts") or {}).get("text") or {}
    if not facts.get("language_model"):
        raise CrosstrainError(f"{run} is no language model: it was trained on {network.run.data}")
    tokenizer = Tokenizer.from_json(facts["tokenizer"])
    start = tokenizer.encode(prompt)
    if not len(start):
        raise CrosstrainError("the prompt is empty; begin with at least one token")
    (length,) = next(iter(manifest["inputs"].values()))["shape"]
    job = {
        "kind": "tokens", "steps": tokens, "length": length, "temperature": temperature, "seed": seed,
        "reserved": len(RESERVED),
    }  # fmt: skip
    tell(f"Asking {network.name} on {request.engine}, {tokens} times")
    drawn, version = _continued(network, request, start, job)
    return Sample(network.name, request.engine, version, prompt, tokenizer.decode(drawn))


def _asked(
    run: str | Path, cell: str | None, weights: str, arguments: dict[str, Any], tell: Tell, note: Tell
) -> tuple[TrainedNetwork, Asking]:
    trained = run_at(run, cell, weights)
    return TrainedNetwork.of(trained, tell), asking(trained, arguments, note)


def _level(problem: Problem, facts: Mapping[str, Any]) -> np.ndarray | float:
    """What a relative network's windows are taken from."""
    return problem.values[problem.origins][:, None, None] if facts["relative"] else 0.0


def _continued(
    network: TrainedNetwork, request: Asking, start: np.ndarray, job: Mapping[str, Any]
) -> tuple[np.ndarray, str | None]:
    with TemporaryDirectory(prefix="crosstrain-continue-") as folder:
        return network.continued(start, request, Path(folder), job)
