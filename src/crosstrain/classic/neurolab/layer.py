"""The layers: perceptron, competitive and recurrent ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from crosstrain.classic.neurolab import init, trans
from crosstrain.classic.neurolab.core import Layer


def _output_range(transf: Any, outputs: int) -> np.ndarray:
    if hasattr(transf, "out_minmax"):
        ends = transf.out_minmax
    else:
        values = transf(np.array([-1e100, -100, -10, -1, 0, 1, 10, 100, 1e100]))
        ends = values.min(), values.max()
    ranges = np.empty((outputs, 2))
    ranges[:] = ends
    return ranges


class Perceptron(Layer):
    """``cn`` units with ``ci`` inputs: ``transf(w · inp + b)``."""

    def __init__(self, ci: int, cn: int, transf: Any) -> None:
        super().__init__(ci, cn, cn, {"w": (cn, ci), "b": cn})
        self.transf = transf
        self.out_minmax = _output_range(transf, cn)
        self.initf = init.initwb_reg
        self.s: np.ndarray = np.zeros(cn)

    def _step(self, inp: np.ndarray) -> np.ndarray:
        self.s = self.np["w"] @ inp + self.np["b"]
        out: np.ndarray = self.transf(self.s)
        return out

    def passes(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The net inputs and the outputs for each row."""
        s: np.ndarray = inputs.dot(self.np["w"].T)
        s += self.np["b"]
        outputs = trans.by_rows(self.transf, s)
        self.inp, self.s, self.out = inputs[-1], s[-1], outputs[-1]
        return s, outputs

    def batch(self, inputs: np.ndarray) -> np.ndarray:
        return self.passes(inputs)[1] if type(self)._step is Perceptron._step else super().batch(inputs)


def euclidean(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """The distance of each row of ``A`` from that of ``B``."""
    distances: np.ndarray = np.sqrt(np.square(A - B).sum(axis=1))
    return distances


class Competitive(Layer):
    """Units that compete: 1 for the one whose weights are nearest to the input, 0 for the others.

    ``distf`` is the distance of each row of weights from the input.
    """

    def __init__(self, ci: int, cn: int, distf: Any = None) -> None:
        super().__init__(ci, cn, cn, {"w": (cn, ci), "conscience": cn})
        self.transf = trans.Competitive()
        self.initf = init.midpoint
        self.out_minmax[:] = self.transf.out_minmax
        self.np["conscience"].fill(1.0)
        self.distf = euclidean if distf is None else distf
        self.last_dist: np.ndarray = np.zeros(cn)

    def _step(self, inp: np.ndarray) -> np.ndarray:
        self.last_dist = self.distf(self.np["w"], np.reshape(inp, (1, -1)))
        return self.transf(self.np["conscience"] * self.last_dist)

    def batch(self, inputs: np.ndarray) -> np.ndarray:
        if type(self)._step is not Competitive._step or self.distf is not euclidean:
            return super().batch(inputs)
        distances = cdist(inputs, self.np["w"])
        outputs = self.transf(distances * self.np["conscience"])
        self.last_dist, self.inp, self.out = distances[-1], inputs[-1], outputs[-1]
        return outputs


EPSILON = float(np.finfo(float).eps)
BLOCK = 2**20
"""How many products a recurrent layer holds at a time."""
FEW = 4096
"""Up to so many, rows at rest are not taken out."""


class Reccurent(Layer):
    """Units whose outputs are their next inputs, until these change by at most ``delta`` in sum.

    ``outs`` are the outputs after each step of the last input.
    """

    def __init__(self, ci: int, cn: int, transf: Any, max_iter: int, delta: float) -> None:
        super().__init__(ci, cn, cn, {"w": (cn, ci), "b": cn})
        self.max_iter, self.delta = max_iter, delta
        self.transf = transf
        self.outs: list[np.ndarray] = []
        self.out_minmax = _output_range(transf, cn)
        self.s: np.ndarray = np.zeros(cn)

    def _step(self, inp: np.ndarray) -> np.ndarray:
        result: np.ndarray = self.batch(np.asarray(inp, float)[None])[0]
        return result

    def batch(self, inputs: np.ndarray) -> np.ndarray:
        """All rows at once; a row that has come to rest stays where it is."""
        if self.delta == 0 and self.max_iter and len(inputs) * self.np["w"].size <= FEW:
            return self._few(inputs)
        b = self.np["b"]
        now, outputs, active = inputs, inputs, np.arange(len(inputs))
        self.outs, last = [], len(inputs) - 1
        for number in range(self.max_iter):
            s = self._sums(now)
            s += b
            out = trans.by_rows(self.transf, s)
            if not number:
                outputs = out.copy()
            else:
                outputs[active] = out
            if active[-1] == last:
                self.s = s[-1]
            moving = np.add.reduce(np.abs(out - now), axis=1) > self.delta if number else None
            if moving is None or np.logical_and.reduce(moving):
                now = out
            else:
                now, active = out[moving], active[moving]
            if len(active) and active[-1] == last:
                self.outs.append(now[-1])
            if not len(active):
                break
        self.inp, self.out = inputs[-1], outputs[-1]
        return outputs

    def _few(self, inputs: np.ndarray) -> np.ndarray:
        """The same where rows are few and ``delta`` is 0: a row at rest answers itself, so that going on with
        it costs less than taking it out."""
        w, b = self.np["w"], self.np["b"]
        transf, multiply, add = trans.rowwise(self.transf), np.multiply, np.add.reduce
        ordered, biased, columns = type(self.transf) not in trans.CONTINUOUS, np.count_nonzero(b), w.T
        products = np.empty((len(inputs), *w.shape)) if ordered else w
        now, at, steps, seen = inputs, inputs.tobytes(), [], []
        for _ in range(self.max_iter):
            # In the order of np.sum, as in _sums, where that decides.
            s = add(multiply(now[:, None, :], w, products), 2) if ordered else now.dot(columns)
            if biased:
                s += b
            now, before = transf(s), at
            at = now.tobytes()
            steps.append(now)
            seen.append(at)
            if at == before and len(seen) > 1:
                break
        row = len(at) // len(inputs)  # bytes
        while len(steps) > 1 and seen[-1][-row:] == seen[-2][-row:]:
            steps.pop()  # the last row was at rest before others were
            seen.pop()
        self.outs = [each[-1] for each in steps]
        self.inp, self.s, self.out = inputs[-1], s[-1], now[-1]
        return now.copy()

    def _sums(self, inputs: np.ndarray) -> np.ndarray:
        """``inputs @ w.T``, added in the order of ``np.sum`` wherever that matters: a threshold decides ties
        by their last bit."""
        w, b = self.np["w"], self.np["b"]
        if type(self.transf) in trans.THRESHOLDS and len(inputs) > 1:
            sums: np.ndarray = inputs @ w.T
            # Two orders of adding differ by less (Higham, Accuracy and Stability of Numerical Algorithms 3.1)
            largest = max(inputs.max(), -inputs.min()) * np.abs(w).sum(axis=1).max() + np.abs(b).max()
            rows, units = np.nonzero(np.abs(sums + b) <= 4 * EPSILON * (w.shape[1] + 1) * largest)
            sums[rows, units] = np.add.reduce(inputs[rows] * w[units], axis=1)
            return sums
        block = max(1, BLOCK // w.size)
        if len(inputs) <= block:
            result: np.ndarray = np.add.reduce(inputs[:, None, :] * w, axis=2)
            return result
        blocks = [
            np.add.reduce(inputs[start : start + block, None, :] * w, axis=2)
            for start in range(0, len(inputs), block)
        ]
        return np.concatenate(blocks)
