"""Calls of NeuroLab, each with the numbers it leads to. ``figures.json`` holds those of NeuroLab 0.3.5
itself.

To write that file anew, in a Python with NeuroLab, NumPy 1.23 and SciPy 1.10::

    python tests/classic/neurolab/calls.py > tests/classic/neurolab/figures.json
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

LINE = np.linspace(-7, 7, 20).reshape(-1, 1)
CURVE = np.sin(LINE) * 0.5
PLANE = np.random.RandomState(1).uniform(-1, 1, (12, 2))
BUMP = np.column_stack([np.sin(PLANE.sum(axis=1)), PLANE[:, 0] * PLANE[:, 1]])
CLASSES = (BUMP > 0) * 1.0
RANGES = [[-1, 1], [-1, 2]]
SERIES = np.sin(np.arange(30)).reshape(-1, 1)
POINTS = np.random.RandomState(2).uniform(0, 1, (40, 3))


def state(net: Any) -> list[float]:
    return [float(value) for layer in net.layers for values in layer.np.values() for value in values.ravel()]


def feed_forward(nl: Any, rule: str, transf: Any = None, errorf: Any = None, **options: Any) -> list[float]:
    net = nl.net.newff(RANGES, [4, 3, 2], transf)
    net.trainf = getattr(nl.train, "train_" + rule)
    if errorf is not None:
        net.errorf = errorf
    errors = net.train(PLANE, BUMP, epochs=30, show=0, goal=1e-9, **options)
    return [*errors, *state(net), *net.sim(PLANE).ravel(), *net.step(PLANE[0])]


def classes(nl: Any) -> list[float]:
    net = nl.net.newff(RANGES, [4, 2], [nl.trans.TanSig(), nl.trans.LogSig()])
    net.errorf, net.trainf = nl.error.CEE(), nl.train.train_gdx
    return [*net.train(PLANE, CLASSES, epochs=30, show=0), *state(net)]


def elman(nl: Any, rule: str = "gdx", **options: Any) -> list[float]:
    net = nl.net.newelm([[-1, 1]], [4, 2, 1], [nl.trans.TanSig(), nl.trans.LogSig(), nl.trans.PureLin()])
    net.trainf = getattr(nl.train, "train_" + rule)
    errors = net.train(SERIES[:-1], SERIES[1:], epochs=20, show=0, goal=1e-9, **options)
    return [*errors, *state(net), *net.sim(SERIES).ravel()]


def elman_runs_away(nl: Any) -> list[float]:
    """A rate that is too large for a gradient summed over so many samples: the error climbs to 1e11."""
    random = np.random.RandomState(6)
    waves = np.concatenate([np.sin(np.arange(20)) * size for size in (1, 2) * 25]).reshape(-1, 1)
    targets = np.repeat([1.0, 2.0] * 25, 20).reshape(-1, 1)
    waves += 0.001 * random.randn(*waves.shape)
    net = nl.net.newelm([[-2, 2]], [10, 1], [nl.trans.TanSig(), nl.trans.PureLin()])
    return [*net.train(waves, targets, epochs=8, show=0, goal=0.01), *state(net)]


def delta(nl: Any, transf: Any = None, outputs: int = 2) -> list[float]:
    net = nl.net.newp(RANGES, outputs) if transf is None else nl.net.newp(RANGES, outputs, transf)
    return [*net.train(PLANE, CLASSES[:, :outputs], epochs=15, show=0, lr=0.05), *state(net)]


def competing(nl: Any, rule: str) -> list[float]:
    net = nl.net.newc([[0, 1]] * 3, 5)
    net.trainf = getattr(nl.train, "train_" + rule)
    return [*net.train(POINTS, epochs=15, show=0, lr=0.1), *state(net), *net.layers[0].last_dist]


def quantised(nl: Any) -> list[float]:
    floor = np.floor  # NeuroLab slices by floats, an error since NumPy 1.12
    np.floor = lambda values: floor(values).astype(int)
    try:
        net = nl.net.newlvq([[0, 1]] * 3, 6, [0.5, 0.5])
    finally:
        np.floor = floor
    net.layers[0].np["w"][:] = POINTS[:6]
    target = np.column_stack([POINTS[:, 0] > 0.5, POINTS[:, 0] <= 0.5]) * 1.0
    return [*net.train(POINTS, target, epochs=20, show=0, lr=0.05, goal=-1), *state(net)]


def hopfield(nl: Any) -> list[float]:
    patterns = np.sign(np.random.RandomState(3).uniform(-1, 1, (3, 20)))
    noisy = patterns * np.where(np.random.RandomState(4).uniform(size=patterns.shape) < 0.2, -1, 1)
    net = nl.net.newhop(patterns)
    plain = [*state(net), *net.sim(noisy).ravel(), len(net.layers[0].outs), *net.layers[0].outs[0]]
    net = nl.net.newhop(patterns, nl.trans.SatLins(), 25, 1e-3)
    return [*plain, *net.sim(noisy * 0.3).ravel(), len(net.layers[0].outs)]


def hamming(nl: Any) -> list[float]:
    patterns = np.sign(np.random.RandomState(3).uniform(-1, 1, (4, 9)))
    net = nl.net.newhem(patterns)
    return [*state(net), *net.sim(patterns).ravel(), *net.sim(-patterns).ravel(), len(net.layers[1].outs)]


def made_by_hand(nl: Any) -> list[float]:
    """A network with a connection that skips a layer, and first weights in given ranges."""
    first, second = (
        nl.layer.Perceptron(2, 3, nl.trans.TanSig()),
        nl.layer.Perceptron(5, 2, nl.trans.PureLin()),
    )
    first.initf, second.initf = nl.init.InitRand([-1, 1], "wb"), nl.init.init_rand
    second.np["b"].fill(0.25)
    net = nl.core.Net(RANGES, 2, [first, second], [[-1], [-1, 0], [1]], nl.train.train_gd, nl.error.SSE())
    return [*state(net), *net.sim(PLANE).ravel(), *net.out_minmax.ravel()[:0]]


def functions(nl: Any) -> list[float]:
    x = np.linspace(-3, 3, 13)
    numbers: list[float] = []
    for name in (
        "TanSig",
        "PureLin",
        "LogSig",
        "HardLim",
        "HardLims",
        "SoftMax",
        "SatLins",
        "SatLin",
        "SatLinPrm",
    ):
        transf = getattr(nl.trans, name)()
        numbers += [*transf(x), *transf.deriv(x, transf(x))]
    numbers += [*nl.trans.SatLinPrm(0.5, -1, 2)(x), *nl.trans.Competitive()(np.abs(x - 1))]
    target, output = CLASSES, np.random.RandomState(5).uniform(0, 1, CLASSES.shape)
    for name in ("MSE", "SSE", "SAE", "MAE", "CEE"):
        errorf = getattr(nl.error, name)()
        numbers += [errorf(target, output), *errorf.deriv(target[0], output[0])]
    numbers += [*np.ravel(nl.tool.minmax(POINTS)), *nl.tool.Norm(POINTS)(POINTS[:2]).ravel()]
    return numbers


def gradient(nl: Any) -> list[float]:
    net = nl.net.newff([[0, 3], [-2, 1]], [3, 2], [nl.trans.LogSig(), nl.trans.PureLin()])
    by_layer, flat, output = nl.tool.ff_grad(net, PLANE, BUMP)
    return [*nl.tool.np_get(net), *flat, *output.ravel(), *by_layer[1]["b"]]


def gradient_by_steps(nl: Any) -> list[float]:
    net = nl.net.newff([[0, 3], [-2, 1]], [3, 2], [nl.trans.LogSig(), nl.trans.PureLin()])
    gradient = None
    for inp, target in zip(PLANE, BUMP, strict=True):
        gradient = nl.tool.ff_grad_step(net, net.step(inp), target, gradient)
    nl.tool.reg_grad(gradient, net, 0.1)
    numbers = [value for layer in gradient for name in "wb" for value in layer[name].ravel()]
    return [
        *numbers,
        *nl.tool.reg_norms(net),
        *nl.tool.reg_norms(net, ord=1),
        nl.tool.reg_error(0.5, net, 0.1),
    ]


CALLS: dict[str, Any] = {
    "gd": lambda nl: feed_forward(nl, "gd"),
    "gd, sample by sample": lambda nl: feed_forward(nl, "gd", adapt=True, lr=0.05),
    "gd, regularised": lambda nl: feed_forward(nl, "gd", rr=0.1),
    "gdm": lambda nl: feed_forward(nl, "gdm", mc=0.8),
    "gdm, regularised": lambda nl: feed_forward(nl, "gdm", rr=0.01),
    "gda": lambda nl: feed_forward(nl, "gda", lr=0.1),
    "gda, sample by sample": lambda nl: feed_forward(nl, "gda", adapt=True),
    "gdx": lambda nl: feed_forward(nl, "gdx", lr=0.2, lr_inc=1.2),
    "rprop": lambda nl: feed_forward(nl, "rprop"),
    "rprop, sample by sample": lambda nl: feed_forward(nl, "rprop", adapt=True, rate_max=0.5),
    "MSE": lambda nl: feed_forward(nl, "gdm", errorf=nl.error.MSE()),
    "SAE": lambda nl: feed_forward(nl, "gd", errorf=nl.error.SAE(), lr=0.001),
    "MAE": lambda nl: feed_forward(nl, "gdx", errorf=nl.error.MAE()),
    "CEE": classes,
    "linear outputs": lambda nl: feed_forward(
        nl, "gd", [nl.trans.LogSig(), nl.trans.SatLins(), nl.trans.PureLin()]
    ),
    "elman": elman,
    "elman, rprop": lambda nl: elman(nl, "rprop"),
    "elman, runs away": elman_runs_away,
    "elman, sample by sample": lambda nl: elman(nl, "gd", adapt=True),
    "delta": delta,
    "delta, ±1": lambda nl: delta(nl, nl.trans.HardLims(), 1),
    "delta, linear": lambda nl: delta(nl, nl.trans.PureLin()),
    "wta": lambda nl: competing(nl, "wta"),
    "cwta": lambda nl: competing(nl, "cwta"),
    "lvq": quantised,
    "hopfield": hopfield,
    "hamming": hamming,
    "made by hand": made_by_hand,
    "functions": functions,
    "gradient": gradient,
    "gradient, step by step": gradient_by_steps,
}


def numbers(nl: Any, name: str) -> list[float]:
    np.random.seed(0)
    return [float(number) for number in CALLS[name](nl)]


if __name__ == "__main__":
    import neurolab

    print(json.dumps({name: numbers(neurolab, name) for name in CALLS}, separators=(",", ":")))
