"""The networks: each function makes one with its layers, trainer and error function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from crosstrain.classic.neurolab import error, init, layer, train, trans
from crosstrain.classic.neurolab.core import Net

__all__ = ["Net", "newc", "newelm", "newff", "newhem", "newhop", "newlvq", "newp"]


def newff(minmax: Any, size: Sequence[int], transf: Sequence[Any] | None = None) -> Net:
    """A multilayer perceptron, trained by ``train_bfgs`` on SSE.

    :param minmax: the range of each input
    :param size: the units of each layer, the last of them the outputs
    :param transf: a transfer function for each layer; TanSig if None
    """
    layers = _perceptrons([len(minmax), *size], size, transf)
    for each in layers:
        each.initf = init.initnw
    connect = [[number - 1] for number in range(len(layers) + 1)]
    return Net(minmax, size[-1], layers, connect, train.train_bfgs, error.SSE())


def newp(minmax: Any, cn: int, transf: Any = None) -> Net:
    """A perceptron of one layer, trained by ``train_delta`` on SSE.

    :param minmax: the range of each input
    :param cn: the number of outputs
    :param transf: the transfer function; HardLim if None
    """
    only = layer.Perceptron(len(minmax), cn, trans.HardLim() if transf is None else transf)
    return Net(minmax, cn, [only], [[-1], [0]], train.train_delta, error.SSE())


def newc(minmax: Any, cn: int) -> Net:
    """A competitive layer (Kohonen), trained by ``train_cwta`` on SAE.

    :param minmax: the range of each input
    :param cn: the number of units
    """
    return Net(minmax, cn, [layer.Competitive(len(minmax), cn)], [[-1], [0]], train.train_cwta, error.SAE())


def newlvq(minmax: Any, cn0: int, pc: Any) -> Net:
    """Learning vector quantization, trained by ``train_lvq`` on MSE.

    :param minmax: the range of each input
    :param cn0: the units of the competitive layer, more than there are classes
    :param pc: each class's share of them, 1 in sum
    :raises ValueError: the shares do not sum to 1, or the units are too few.
    """
    shares = np.asarray(pc, float)
    if not np.isclose(shares.sum(), 1.0):
        raise ValueError(f"pc are the classes' shares and must sum to 1; {list(pc)} sum to {shares.sum():g}")
    if cn0 <= len(shares):
        raise ValueError(f"cn0 must be more than the {len(shares)} classes, not {cn0}")
    competitive = layer.Competitive(len(minmax), cn0)
    classes = layer.Perceptron(cn0, len(shares), trans.PureLin())
    classes.initf = None
    classes.np["w"].fill(0.0)
    classes.np["b"].fill(0.0)
    ends = np.floor(cn0 * shares.cumsum() + 1e-9).astype(int)
    for number, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
        classes.np["w"][number, start:end] = 1.0
    return Net(minmax, len(shares), [competitive, classes], [[-1], [0], [1]], train.train_lvq, error.MSE())


def newelm(minmax: Any, size: Sequence[int], transf: Sequence[Any] | None = None) -> Net:
    """Elman's recurrent network, trained by ``train_gdx`` on MSE: the first layer also hears its last
    outputs.

    :param minmax: the range of each input
    :param size: the units of each layer, the last of them the outputs
    :param transf: a transfer function for each layer; TanSig if None
    """
    layers = _perceptrons([len(minmax) + size[0], *size], size, transf)
    connect = [[number - 1] for number in range(len(layers) + 1)]
    connect[0] = [-1, 0]
    return Net(minmax, size[-1], layers, connect, train.train_gdx, error.MSE())


def newhop(target: Any, transf: Any = None, max_init: int = 10, delta: float = 0) -> Net:
    """Hopfield's network, which recalls the patterns of ``target`` (patterns, units); needs no training.

    :param transf: the transfer function; HardLims if None
    :param max_init: the most steps of a recall
    :param delta: a recall ends when the outputs change by no more
    """
    target = _patterns(target)
    units = target.shape[1]
    transf = trans.HardLims() if transf is None else transf
    only = layer.Reccurent(units, units, transf, max_init, delta)
    weights = target.T @ target / units
    np.fill_diagonal(weights, 0.0)
    only.np["w"] = weights
    only.np["b"].fill(0.0)
    ranges = np.empty((units, 2))
    ranges[:] = getattr(transf, "out_minmax", (-1.0, 1.0))
    return Net(ranges, units, [only], [[-1], [0]], None, None)


def newhem(target: Any, transf: Any = None, max_iter: int = 10, delta: float = 0) -> Net:
    """Hamming's network, whose outputs tell which pattern of ``target`` is nearest; needs no training.

    :param transf: the transfer function of the first layer; SatLinPrm(0.1, 0, 10) if None
    :param max_iter: the most steps of the competition (MAXNET)
    :param delta: it ends when the outputs change by no more
    """
    target = _patterns(target)
    patterns, inputs = target.shape
    first = layer.Perceptron(inputs, patterns, trans.SatLinPrm(0.1, 0, 10) if transf is None else transf)
    first.initf = None
    first.np["w"] = target / 2
    first.np["b"].fill(inputs / 2)
    second = layer.Reccurent(patterns, patterns, trans.SatLinPrm(1, 0, 1e6), max_iter, delta)
    second.np["w"].fill(-1.0 / patterns)
    second.np["w"].ravel()[:: patterns + 1] = 1.0
    second.np["b"].fill(0.0)
    ranges = np.empty((inputs, 2))
    ranges[:, 0], ranges[:, 1] = -1.0, 1.0
    return Net(ranges, patterns, [first, second], [[-1], [0], [1]], None, None)


def _perceptrons(
    inputs: Sequence[int], size: Sequence[int], transf: Sequence[Any] | None
) -> list[layer.Perceptron]:
    transf = [trans.TanSig()] * len(size) if transf is None else transf
    if len(transf) != len(size):
        raise ValueError(f"transf must have a function for each of the {len(size)} layers, not {len(transf)}")
    return [layer.Perceptron(*each) for each in zip(inputs, size, transf, strict=False)]


def _patterns(target: Any) -> np.ndarray:
    target = np.asarray(target, float)
    if target.ndim != 2:
        raise ValueError(f"target must be patterns in rows, not an array of shape {target.shape}")
    result: np.ndarray = target
    return result
