"""Graphs as compiled MXNet functions: symbols, traced for the shapes of a batch, in a ``CachedOp``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import mxnet as mx
import numpy as np

from crosstrain.engines.mxnet.ops import Draw, Extra
from crosstrain.engines.mxnet.values import Symbol

Array = Any


def device_array(value: np.ndarray, dtype: str, context: Any) -> Array:
    """A copy on the device."""
    return mx.nd.array(np.asarray(value, dtype, "C"), ctx=context, dtype=dtype)


class Compiled:
    """Named outputs as a function of named inputs. ``flags`` are the CachedOp's."""

    def __init__(
        self, traced: tuple[Mapping[str, Symbol], Extra], context: Any, flags: Mapping[str, Any]
    ) -> None:
        outputs, extra = traced
        self._names, self._noise = list(outputs), extra.noise
        whole = mx.sym.Group(list(outputs.values()))
        self._inputs: list[str] = whole.list_inputs()
        self._run = mx.nd.CachedOp(whole, list(flags.items()))
        self._own = {
            name: device_array(value, value.dtype.name, context) for name, value in extra.constants.items()
        }
        for name, (length, dtype) in extra.scratch.items():
            self._own[name] = mx.nd.zeros((length,), ctx=context, dtype=dtype)
        self._context = context

    def reads(self, names: Iterable[str]) -> bool:
        """Whether one of these is among its inputs."""
        return not set(self._inputs).isdisjoint(names)

    def __call__(self, arguments: Mapping[str, Array], seed: int | None = None) -> dict[str, Array]:
        values = {**self._own, **arguments}
        if self._noise:
            assert seed is not None
            values.update(
                (name, device_array(_drawn(draw, seed), draw.dtype, self._context))
                for name, draw in self._noise.items()
            )
        results = self._run(*[values[name] for name in self._inputs])
        return dict(zip(self._names, results if isinstance(results, list) else [results], strict=True))


def _drawn(draw: Draw, seed: int) -> np.ndarray:
    """Numbers that the seed and the salt decide alone."""
    generator = np.random.Generator(np.random.Philox(key=[seed % 2**63, draw.salt]))
    dtype = draw.dtype if draw.dtype in ("float32", "float64") else "float32"
    results: np.ndarray = getattr(generator, draw.kind)(draw.shape, dtype=dtype)
    return results
