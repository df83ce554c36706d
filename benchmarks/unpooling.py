"""Pooling that remembers places and unpooling, in ``keras.ops`` on crosstrain's PyTorch engine, against
PyTorch's own ``max_pool2d`` with indices and ``max_unpool2d``: forward and backward, in turns, and the median
ratio.

    python benchmarks/unpooling.py [--rounds 15] [--threads 1]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import keras
import numpy as np
import torch
import torch.nn.functional as F

from crosstrain.engines.contract import Setting
from crosstrain.engines.registry import engine_row
from crosstrain.graph.keras_import import import_loss, import_model
from crosstrain.graph.program import Program
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.recipe import Loss
from crosstrain.zoo.segmentation.pooling import MaxPoolingWithPlaces, Unpooling

SHAPE = (96, 128, 64)
EXAMPLES = 2


def ours(threads: int) -> Callable[[np.ndarray, np.ndarray], object]:
    """A factor for each channel, so that there is a gradient, then down and up again, and a mean square."""
    inputs = keras.Input(SHAPE)
    scaled = keras.layers.DepthwiseConv2D(1, use_bias=False)(inputs)
    pooled, places = MaxPoolingWithPlaces()(scaled)
    graph, weights = import_model(keras.Model(inputs, Unpooling()(pooled, places)), None)
    loss, constants, _, _ = import_loss({"": Loss("mean_squared_error")}, graph, None)
    program = Program(graph, loss, Optimizer())
    network = engine_row("torch").load().build(program, {**weights, **constants}, Setting(threads=threads))
    (feature,), (output,) = graph.inputs, graph.outputs
    return lambda x, y: network.gradients({feature: x, f"target/{output}": y})


def native(threads: int) -> Callable[[np.ndarray, np.ndarray], object]:
    torch.set_num_threads(threads)
    factor = torch.ones(SHAPE[2], 1, 1, 1, requires_grad=True)

    def run(x: np.ndarray, y: np.ndarray) -> object:
        pixels, target = (torch.from_numpy(a).permute(0, 3, 1, 2) for a in (x, y))
        factor.grad = None
        scaled = F.conv2d(pixels, factor, groups=SHAPE[2])
        pooled, index = F.max_pool2d(scaled, 2, return_indices=True)
        F.mse_loss(F.max_unpool2d(pooled, index, 2), target).backward()
        return factor.grad

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    random = np.random.default_rng(0)
    x, y = (random.standard_normal((EXAMPLES, *SHAPE), dtype=np.float32) for _ in range(2))
    rivals = {"crosstrain": ours(arguments.threads), "PyTorch": native(arguments.threads)}
    seconds: dict[str, list[float]] = {name: [] for name in rivals}
    for turn in range(arguments.rounds + 2):
        for name, run in rivals.items():
            begin = time.perf_counter()
            run(x, y)
            if turn >= 2:
                seconds[name].append(time.perf_counter() - begin)
    for name, values in seconds.items():
        print(f"{name}: {1000 * np.median(values):.1f} ms")
    ratios = np.divide(seconds["crosstrain"], seconds["PyTorch"])
    low, high = np.quantile(ratios, (0.25, 0.75))
    print(f"crosstrain / PyTorch: {np.median(ratios):.2f} (middle half {low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
