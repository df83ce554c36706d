"""What a planted fault has to be found as, and the faults that lie in no node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from crosstrain.training.optimizers import Optimizer
from crosstrain.training.recipe import Loss, Recipe
from tests.proof.conftest import RECIPE
from tests.proof.faults import Fault


@dataclass(frozen=True)
class Planted:
    """A fault, the network it is planted in, and where and why the proof has to say it is."""

    network: str
    fault: Fault
    stage: str
    node: str
    words: str
    recipe: Recipe = RECIPE
    explained: bool = True


def transposed(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {k: v.swapaxes(1, 2) if v.ndim == 4 else v for k, v in inputs.items()}


def scrambled(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    def as_channels_first(x: np.ndarray) -> np.ndarray:
        n, h, w, c = x.shape
        return x.reshape(n, c, h, w).transpose(0, 2, 3, 1)

    return {k: as_channels_first(v) if v.ndim == 4 else v for k, v in inputs.items()}


def redrawn(weight: str) -> Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]:
    """Other initial values for a weight."""

    def change(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        new = np.random.default_rng(9).normal(size=weights[weight].shape)
        return {**weights, weight: new.astype(weights[weight].dtype)}

    return change


def other_order(examples: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch, 77)).permutation(examples)


def doubled(weight: str, node: str) -> Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]:
    """The gradients of a weight and of all that its node reads, times two."""
    return lambda gradients: {
        k: 2 * v if k == weight or k.startswith(f"probe/{node}/") else v for k, v in gradients.items()
    }


def uncorrected(rate: float, step: int) -> float:
    """Adam's rate by which the correction of its moments' bias is undone."""
    first, second = 1 - float(np.float32(0.9)) ** (step + 1), 1 - float(np.float32(0.999)) ** (step + 1)
    return float(rate * first / np.sqrt(second))


CLIPPED = replace(RECIPE, optimizer=replace(RECIPE.optimizer, clipnorm=0.03125))
SMOOTH = Loss("categorical_crossentropy", {"from_logits": True, "label_smoothing": 0.125})
SMOOTHED = replace(RECIPE, losses={"output": SMOOTH})
ADAM = replace(RECIPE, optimizer=Optimizer("adam", learning_rate=0.01))
