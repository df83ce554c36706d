"""The case that a proof puts to the truth and to every engine alike: program, weights, data, rates."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.graph.graph import SEED, Graph, Weights
from crosstrain.graph.program import Program
from crosstrain.proof.arrays import read_arrays, write_arrays
from crosstrain.proof.batch import features, generic_weights, padding_of, sample, targets
from crosstrain.proof.holding.noise import without_noise
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.recipe import Recipe, batches

RATE_CHANGE = 0.1
"""The learning rate is multiplied by this half way, since a momentum that holds the rate inside and one
that holds it outside part only when the rate changes."""


@dataclass(frozen=True)
class Case:
    """Everything a proof rests on. ``network`` has no noise; ``weights`` are generic (no constants), in
    float64, those of the loss included; ``data`` holds ``steps`` batches (at least one), inputs and targets
    under the names of the training graph's inputs."""

    network: Graph
    loss: Graph
    weights: Weights
    data: Mapping[str, np.ndarray]
    recipe: Recipe
    steps: int
    batch_size: int
    seed: int
    quiet: tuple[str, ...] = ()
    remark: str = ""
    """What was changed so that signals flow."""

    @classmethod
    def make(
        cls,
        network: Graph,
        loss: Graph,
        weights: Weights,
        recipe: Recipe,
        losses: Mapping[str, str],
        *,
        steps: int,
        batch_size: int,
        seed: int,
        examples_of: Mapping[str, np.ndarray] | None = None,
    ) -> Case:
        """A case from a definition. ``losses`` gives the Keras name of each output's loss; ``examples_of`` a
        data set has inputs and targets under the training graph's names, in place of random ones."""
        calm, quiet = without_noise(network)
        examples = batch_size * max(steps, 1)
        padding = {**padding_of(calm), **padding_of(loss)}
        # What changes pictures does so before any engine sees them: a proof does not depend on it.
        used = replace(
            recipe,
            optimizer=rounded(recipe.optimizer),
            batch_size=batch_size,
            seed=seed,
            augmentation={},
            schedule=recipe.schedule.resolved(steps, 1),
        )
        return cls(
            network=calm,
            loss=loss,
            weights=generic_weights(calm, weights, seed),
            data={
                **features(calm, examples, seed, padding),
                **targets(calm, loss, losses, examples, seed),
                **sample(examples_of or {}, examples, padding),
            },
            recipe=used,
            steps=steps,
            batch_size=batch_size,
            seed=seed,
            quiet=quiet,
        )

    @cached_property
    def program(self) -> Program:
        return Program(self.network, self.loss, self.recipe.optimizer)

    def indices(self) -> Iterator[np.ndarray]:
        """The examples of each step's batch, in the recipe's order."""
        return batches(self.batch_size * max(self.steps, 1), self.batch_size, self.recipe.seed, 0)

    def batches(self) -> Iterator[dict[str, np.ndarray]]:
        """The batches of the steps."""
        for index in self.indices():
            yield {name: values[index] for name, values in self.data.items()}

    def first(self) -> dict[str, np.ndarray]:
        """The batch for everything but the steps: the first in order."""
        return next(self.batches())

    def change(self, step: int) -> float:
        """By what the proof multiplies the schedule's rate at a step (counted from 0)."""
        return RATE_CHANGE if self.steps > 1 and step >= self.steps // 2 else 1.0

    def rates(self) -> list[float]:
        """The learning rate of every step, in single precision."""
        initial = float(self.recipe.optimizer.learning_rate or 0.0)
        return [
            single(self.recipe.schedule.rate(initial, step) * self.change(step)) for step in range(self.steps)
        ]

    @cached_property
    def hash(self) -> str:
        """SHA-256 over all of it."""
        digest = hashlib.sha256(json.dumps(self._settings(), sort_keys=True).encode())
        digest.update((self.network.hash + self.loss.hash).encode())
        for arrays in (self.weights, self.data):
            for name in sorted(arrays):
                array = np.ascontiguousarray(arrays[name])
                digest.update(f"{name} {array.dtype} {array.shape}".encode())
                digest.update(array.tobytes())
        return digest.hexdigest()

    def _settings(self) -> dict[str, Any]:
        return {
            "recipe": self.recipe.to_json(),
            "steps": self.steps,
            "batch_size": self.batch_size,
            "seed": self.seed,
            "quiet": list(self.quiet),
            "remark": self.remark,
        }

    def save(self, folder: Path) -> None:
        """Write ``network.json``, ``loss.json``, ``weights.npz``, ``data.npz`` and ``case.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        self.network.save(folder / "network.json")
        self.loss.save(folder / "loss.json")
        write_arrays(folder / "weights.npz", self.weights)
        write_arrays(folder / "data.npz", self.data)
        (folder / "case.json").write_text(json.dumps(self._settings(), indent=1))

    @classmethod
    def load(cls, folder: Path) -> Case:
        """The case that ``save`` wrote to a folder."""
        settings = json.loads((folder / "case.json").read_text())
        return cls(
            network=Graph.load(folder / "network.json")[0],
            loss=Graph.load(folder / "loss.json")[0],
            weights=read_arrays(folder / "weights.npz"),
            data=read_arrays(folder / "data.npz"),
            recipe=Recipe.from_json(settings["recipe"]),
            steps=settings["steps"],
            batch_size=settings["batch_size"],
            seed=settings["seed"],
            quiet=tuple(settings["quiet"]),
            remark=settings["remark"],
        )


def single(number: float) -> float:
    """A number as float32 holds it."""
    return float(np.float32(number))


def rounded(optimizer: Optimizer) -> Optimizer:
    """The optimizer with numbers that float32 holds exactly.

    Keras keeps the learning rate, and on TensorFlow momentum and betas, in float32 even where it
    computes in float64; of 0.9 that leaves 2e-8, more than a proof allows. With numbers that lose
    nothing all sides mean the same.
    """
    numbers: dict[str, Any] = {k: single(v) for k, v in optimizer.to_json().items() if isinstance(v, float)}
    return replace(optimizer, **numbers)


def fed(names: Mapping[str, Any], batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The part of a batch that a graph with these inputs reads; ``seed`` is 0 in a proof."""
    return {name: np.asarray(0, "int32") if name == SEED else batch[name] for name in names}
