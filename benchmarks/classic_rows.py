"""The rows of ``benchmarks/classic.py``: NeuroLab's table of networks, called as NeuroLab is called.

Runs in any Python that has NumPy and the library: as a script it serves rows to the benchmark, one a line:

    python classic_rows.py neurolab

Each row is a function of the library that returns the numbers to compare; the clock runs while it does.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Numbers = list[Any]
"""Numbers and arrays of them, which become one list when the clock has stopped."""
Row = Callable[[Any], Numbers]
ROWS: dict[str, Row] = {}
SCIPY_DECIDES = {"newff bfgs", "newff cg", "newff bfgs, 1,000 samples", "newff cg, 1,000 samples"}
"""Rows whose figures depend on the release of SciPy."""


def row(name: str) -> Callable[[Row], Row]:
    def register(function: Row) -> Row:
        ROWS[name] = function
        return function

    return register


# -- data ---------------------------------------------------------------------------------------------
AND = ([[0, 0], [0, 1], [1, 0], [1, 1]], [[0], [0], [0], [1]])
LINE = np.linspace(-7, 7, 20).reshape(-1, 1)
LONG_LINE = np.linspace(-7, 7, 1000).reshape(-1, 1)
_random = np.random.RandomState(0)
CENTRES = np.array([[0.2, 0.2], [0.4, 0.4], [0.7, 0.3], [0.2, 0.5]])
CLUSTERS = np.vstack([CENTRES + 0.05 * _random.randn(4, 2) for _ in range(100)])
MANY_CLUSTERS = np.vstack([CENTRES + 0.05 * _random.randn(4, 2) for _ in range(250)])
HALVES = _random.uniform(-1, 1, (1000, 2))
SIDES = (HALVES @ [[1.0], [0.5]] > 0.1) * 1.0
LVQ_INPUT = np.array(
    [[-3, 0], [-2, 1], [-2, -1], [0, 2], [0, 1], [0, -1], [0, -2], [2, 1], [2, -1], [3, 0]], float
)
LVQ_TARGET = np.array([[1, 0]] * 3 + [[0, 1]] * 4 + [[1, 0]] * 3, float)
WAVES = np.concatenate([np.sin(np.arange(20)), np.sin(np.arange(20)) * 2] * 2).reshape(80, 1)
AMPLITUDES = np.concatenate([np.ones(20), np.ones(20) * 2] * 2).reshape(80, 1)
LETTERS = {
    "N": "10001 11001 10101 10011 10001",
    "E": "11111 10000 11111 10000 11111",
    "R": "11110 10001 11110 10010 10001",
    "O": "01110 10001 10001 10001 01110",
}
NOISY_N = "00000 11001 11001 10111 00011"
CROSSES = [
    [-1, 1, -1, -1, 1, -1, -1, 1, -1], [1, 1, 1, 1, -1, 1, 1, -1, 1], [1, -1, 1, 1, 1, 1, 1, -1, 1],
    [1, 1, 1, 1, -1, -1, 1, -1, -1], [-1, -1, -1, -1, 1, -1, -1, -1, -1],
]  # fmt: skip
NOISY_CROSSES = [
    [-1, -1, 1, 1, 1, 1, 1, -1, 1], [-1, -1, 1, -1, 1, -1, -1, -1, -1], [-1, -1, -1, -1, 1, -1, -1, 1, -1],
]  # fmt: skip


def spelled(letter: str) -> list[float]:
    return [1.0 if point == "1" else -1.0 for point in letter.replace(" ", "")]


PATTERNS = np.array([spelled(letter) for letter in LETTERS.values()])
NOISE = 0.1 * _random.randn(1000, 2)
LONG_WAVES = np.tile(WAVES, (13, 1))[:1000]
LONG_AMPLITUDES = np.tile(AMPLITUDES, (13, 1))[:1000]


MANY_PATTERNS = np.tile(PATTERNS, (250, 1))
DAMAGED = np.where(np.random.RandomState(1).uniform(size=MANY_PATTERNS.shape) < 0.1, -1, 1) * MANY_PATTERNS
"""A thousand patterns, in turn, with a tenth of the points wrong."""


def weights(net: Any) -> Numbers:
    return [values for layer in net.layers for values in layer.np.values()]


# -- rows ---------------------------------------------------------------------------------------------
@row("newp")
def newp(nl: Any) -> Numbers:
    net = nl.net.newp([[0, 1], [0, 1]], 1)
    return [*net.train(*AND, epochs=100, show=0, lr=0.1), *weights(net)]


@row("newp, 1,000 samples")
def newp_many(nl: Any) -> Numbers:
    net = nl.net.newp([[-1, 1], [-1, 1]], 1)
    return [*net.train(HALVES, SIDES, epochs=10, show=0, lr=0.1), *weights(net)]


def newff(rule: str, line: np.ndarray, epochs: int) -> Row:
    def run(nl: Any) -> Numbers:
        net = nl.net.newff([[-7, 7]], [5, 1])
        net.trainf = getattr(nl.train, "train_" + rule)
        return [*net.train(line, np.sin(line) * 0.5, epochs=epochs, show=0, goal=0.02), *weights(net)]

    return run


for _rule in ("gd", "gdm", "gda", "gdx", "rprop", "bfgs", "cg"):
    ROWS[f"newff {_rule}"] = newff(_rule, LINE, 200)
    ROWS[f"newff {_rule}, 1,000 samples"] = newff(_rule, LONG_LINE, 50 if _rule == "gdx" else 10)


def newc(rule: str, data: np.ndarray, epochs: int) -> Row:
    def run(nl: Any) -> Numbers:
        net = nl.net.newc([[0.0, 1.0], [0.0, 1.0]], 4)
        net.trainf = getattr(nl.train, "train_" + rule)
        return [*net.train(data, epochs=epochs, show=0), net.layers[0].np["w"]]

    return run


for _rule in ("wta", "cwta"):
    ROWS[f"newc {_rule}"] = newc(_rule, CLUSTERS, 20)
    ROWS[f"newc {_rule}, 1,000 samples"] = newc(_rule, MANY_CLUSTERS, 5)


def newlvq(nl: Any, inputs: np.ndarray, targets: np.ndarray, epochs: int) -> Numbers:
    # NeuroLab 0.3.5 slices by floats here, an error since NumPy 1.12: floor gives integers while it is
    # called.
    floor = np.floor
    np.floor = lambda values: floor(values).astype(int)  # type: ignore[assignment]
    try:
        net = nl.net.newlvq(nl.tool.minmax(inputs), 4, [0.6, 0.4])
    finally:
        np.floor = floor
    return [*net.train(inputs, targets, epochs=epochs, goal=-1, show=0), *weights(net)]


ROWS["newlvq"] = lambda nl: newlvq(nl, LVQ_INPUT, LVQ_TARGET, 200)
ROWS["newlvq, 1,000 samples"] = lambda nl: newlvq(
    nl, np.tile(LVQ_INPUT, (100, 1)) + NOISE, np.tile(LVQ_TARGET, (100, 1)), 5
)


def newelm(nl: Any, waves: np.ndarray, amplitudes: np.ndarray, epochs: int) -> Numbers:
    net = nl.net.newelm([[-2, 2]], [10, 1], [nl.trans.TanSig(), nl.trans.PureLin()])
    return [*net.train(waves, amplitudes, epochs=epochs, show=0, goal=0.01), *weights(net)]


ROWS["newelm"] = lambda nl: newelm(nl, WAVES, AMPLITUDES, 100)
ROWS["newelm, 1,000 samples"] = lambda nl: newelm(nl, LONG_WAVES, LONG_AMPLITUDES, 8)


@row("newhop")
def newhop(nl: Any) -> Numbers:
    net = nl.net.newhop(PATTERNS)
    return [net.sim(PATTERNS), net.sim([spelled(NOISY_N)]), len(net.layers[0].outs)]


@row("newhop, 1,000 samples")
def newhop_many(nl: Any) -> Numbers:
    return [nl.net.newhop(PATTERNS).sim(DAMAGED)]


@row("newhem")
def newhem(nl: Any) -> Numbers:
    net = nl.net.newhem(CROSSES)
    return [net.sim(CROSSES), net.sim(NOISY_CROSSES), len(net.layers[1].outs)]


@row("newhem, 1,000 samples")
def newhem_many(nl: Any) -> Numbers:
    return [nl.net.newhem(PATTERNS).sim(DAMAGED)]


@row("sim, 1,000 samples")
def sim(nl: Any) -> Numbers:
    net = nl.net.newff([[-7, 7]], [5, 1])
    return [net.sim(LONG_LINE)]


# -- the clock ----------------------------------------------------------------------------------------
LEAST = 0.02
"""Seconds that a row is repeated for, so that its first call's cold caches do not count."""


def timed(nl: Any, name: str) -> tuple[float, list[float]]:
    """Seconds of processor time that a row takes, and its numbers."""
    run, calls, elapsed = ROWS[name], 0, 0.0
    while True:
        np.random.seed(0)
        start = time.process_time()
        numbers = run(nl)
        elapsed += time.process_time() - start
        calls += 1
        if elapsed > LEAST:
            return elapsed / calls, [float(each) for part in numbers for each in np.ravel(part)]


def serve(nl: Any) -> None:
    for line in sys.stdin:
        print(json.dumps(timed(nl, line.strip())), flush=True)


if __name__ == "__main__":
    serve(importlib.import_module(sys.argv[1]))
