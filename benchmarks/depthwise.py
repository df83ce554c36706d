"""Channelwise convolutions of the JAX engine on a CPU against lax's own, forward and backward pass together.

Prints the seconds of compiling, the milliseconds of a run (medians of interleaved rounds) and their ratio.

    python benchmarks/depthwise.py [--rounds 9] [--batch 32]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from crosstrain.engines.jax import windows

SHAPES = (
    (28, 96, 3, 1), (28, 96, 3, 2), (14, 192, 3, 1), (7, 384, 3, 1), (14, 192, 5, 1), (28, 96, 7, 1),
    (14, 192, 7, 1),
)  # fmt: skip
"""Side, channels, side of the window and stride: those of MobileNetV2, NASNet and ConvNeXt."""

FORMS = {"lax": windows.native_conv, "crosstrain": windows.cpu_conv}


def passes(form: Callable[..., Any], x: np.ndarray, kernel: np.ndarray, stride: int) -> tuple[Any, float]:
    """Both gradients of a sum over the convolution's output, compiled; and the seconds that this took."""
    pad = (kernel.shape[0] // 2,) * 2
    settings = {"strides": (stride, stride), "padding": (pad, pad), "dilation": (1, 1)}
    loss = lambda x, kernel: jax.numpy.sin(form(x, kernel, **settings, groups=x.shape[-1])).sum()
    gradients = jax.jit(jax.grad(loss, argnums=(0, 1)), compiler_options=dict(windows.COMPILER))
    started = time.perf_counter()
    compiled = gradients.lower(x, kernel).compile()
    return compiled, time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batch", type=int, default=32)
    arguments = parser.parse_args()
    table = Table(title=f"batch of {arguments.batch}, float32, jax {jax.__version__}")
    for column in ("input", "window", "stride", "compile: lax, s", "crosstrain, s", "run: lax, ms",
                   "crosstrain, ms", "faster"):  # fmt: skip
        table.add_column(column, justify="right")
    random = np.random.default_rng(0)
    for side, channels, window, stride in SHAPES:
        x = random.normal(size=(arguments.batch, side, side, channels)).astype("float32")
        kernel = random.normal(size=(window, window, 1, channels)).astype("float32")
        compiled = {name: passes(form, x, kernel, stride) for name, form in FORMS.items()}
        taken: dict[str, list[float]] = {name: [] for name in FORMS}
        for _ in range(arguments.rounds + 1):  # the first warms up
            for name, (run, _) in compiled.items():
                started = time.perf_counter()
                jax.block_until_ready(run(x, kernel))
                taken[name].append(1e3 * (time.perf_counter() - started))
        lax, ours = (median(times[1:]) for times in taken.values())
        table.add_row(
            f"{side}×{side}×{channels}", f"{window}×{window}", str(stride),
            *(f"{seconds:.2f}" for _, seconds in compiled.values()),
            f"{lax:.1f}", f"{ours:.1f}", f"{lax / ours:.1f}×",
        )  # fmt: skip
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
