"""The task ``continue``: a trained network asked again and again, each time about what it said last.

A series goes on by its own forecasts (the recursive strategy), a text by tokens drawn from its own scores,
the caption of a picture by its likeliest words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.engines.contract import Setting
from crosstrain.errors import CrosstrainError
from crosstrain.graph.graph import SEED
from crosstrain.graph.program import Program
from crosstrain.runs.tasks.answering import network_of
from crosstrain.runs.tasks.captioning import captions
from crosstrain.runs.tasks.cell import setting_of
from crosstrain.runs.tasks.describe import importable
from crosstrain.system.files import write_arrays
from crosstrain.training.recipe import Recipe

Ask = Callable[[np.ndarray], np.ndarray]
"""From a batch of inputs to the network's output for it."""


def run(job: Mapping[str, Any], emit: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Continue what is in ``start`` (``.npy``) by ``steps`` and write it to ``out`` (``.npz``:
    ``continued``).

    The job has ``engine``, ``device``, ``threads``, ``options``, ``network_folder``, ``weights``, ``kind``
    (``numbers``, ``tokens`` or ``captions``) and what the function of that name takes besides.
    """
    graph, weights, loss = network_of(job)
    row = importable(job["engine"])
    if row.reads:
        raise CrosstrainError(
            f"the engine {job['engine']} runs models of others; continue on one that trains"
        )
    engine = row.load()
    setting: Setting = setting_of(job, engine.describe())
    predictor = engine.build(Program(graph, loss, Recipe().optimizer), weights, setting)
    names = [each for each in graph.inputs if each != SEED]
    output = next(iter(graph.outputs))

    def ask(*batch: np.ndarray) -> np.ndarray:
        inputs = dict(zip(job.get("inputs") or names, batch, strict=True))
        return np.asarray(predictor.predict(inputs)[output])

    start = np.load(job["start"], allow_pickle=False)
    kinds: dict[str, Callable[..., np.ndarray]] = {
        "numbers": numbers, "tokens": tokens, "captions": captions,
    }  # fmt: skip
    write_arrays(Path(job["out"]), {"continued": kinds[job["kind"]](ask, start, job)})
    return {"engine_version": row.version}


def numbers(ask: Ask, start: np.ndarray, job: Mapping[str, Any]) -> np.ndarray:
    """The next ``steps`` numbers of each window in ``start`` (windows, steps, 1), scaled as the network was
    trained: (windows, steps).

    All that a network forecasts at a time is taken, and becomes part of the next windows. ``relative``
    networks see, and forecast, differences from the window's last value.
    """
    window, made = np.asarray(start, np.float32), np.empty((len(start), 0), np.float32)
    while made.shape[1] < job["steps"]:
        level = window[:, -1:] if job["relative"] else np.zeros_like(window[:, -1:])
        ahead = ask(window - level) + level[:, :, 0]
        made = np.concatenate([made, ahead], axis=1)
        window = np.concatenate([window, ahead[:, :, None]], axis=1)[:, -start.shape[1] :]
    return made[:, : job["steps"]]


def tokens(ask: Ask, start: np.ndarray, job: Mapping[str, Any]) -> np.ndarray:
    """The next ``steps`` tokens of the text ``start`` (tokens,), int64, drawn with ``seed`` from the softmax
    of the scores over ``temperature`` (0: the likeliest). The network sees the last ``length`` tokens; the
    first ``reserved`` numbers, which stand for no text, are never drawn."""
    random, said = np.random.default_rng(job["seed"]), list(map(int, start))
    for _ in range(job["steps"]):
        seen = said[-job["length"] :]
        batch = np.zeros((1, job["length"]), np.int64)
        batch[0, : len(seen)] = seen
        scores = ask(batch)[0, len(seen) - 1].astype(np.float64)
        scores[: job["reserved"]] = -np.inf
        if not job["temperature"]:
            said.append(int(scores.argmax()))
            continue
        powers = np.exp((scores - scores.max()) / job["temperature"])
        said.append(int(random.choice(len(powers), p=powers / powers.sum())))
    return np.array(said[len(start) :], np.int64)
