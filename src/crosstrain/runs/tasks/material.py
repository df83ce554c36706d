"""What a cell trains: the program with its weights, and the data's arrays under the network's names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.data.prepared import TARGET, Prepared, feed, pair, unit_of
from crosstrain.engines.resident import Keeping, Rows
from crosstrain.errors import CrosstrainError
from crosstrain.graph.graph import SEED, Graph, Weights
from crosstrain.graph.program import Program
from crosstrain.runs.tasks.captioning import Describing
from crosstrain.runs.tasks.evaluation import Evaluation, readings
from crosstrain.runs.tasks.feed import Feed, Launch, layout
from crosstrain.runs.tasks.workers.communication import part_of
from crosstrain.runs.twins import moved
from crosstrain.training.recipe import Recipe, batches
from crosstrain.training.schedules import Schedule

Arrays = dict[str, np.ndarray]
RANK_STRIDE = 715_827_883
"""How far the seeds of two workers' noise lie apart: a third of all seeds."""
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """One split's inputs and targets by the network's names; memory-mapped, the first axis counts
    examples. Targets are called as their outputs. ``kept`` are those that lie on the device, by the names of
    the training graph's inputs."""

    inputs: Arrays
    targets: Arrays
    kept: Mapping[str, Rows] = field(default_factory=dict)

    def whole(self) -> dict[str, np.ndarray]:
        """All arrays by the names of the training graph's inputs."""
        return {**self.inputs, **{f"{TARGET}{name}": array for name, array in self.targets.items()}}

    @property
    def examples(self) -> int:
        return len(next(iter(self.inputs.values())))


@dataclass(frozen=True)
class Material:
    """Everything of a cell but the engine."""

    program: Program
    weights: Weights
    splits: Mapping[str, Split]
    evaluation: Evaluation
    recipe: Recipe
    data_hash: str
    feed: Feed | None = None
    """Where the pictures of training come from, and their targets where those are mixed."""
    fed: Mapping[str, str] = field(default_factory=dict)
    """What each input of training is called there, for those that it brings."""
    classes: tuple[str, ...] = ()
    """The names of the classes, where there is one target that has any."""
    unit: str = "images"
    """What the examples are called."""
    describing: Describing | None = None
    """What describes the pictures of the test part, where they have captions."""
    share: tuple[int, int] = (0, 1)
    """Whose part of each batch it gives: a worker's rank, and how many workers there are."""

    @classmethod
    def load(
        cls,
        network_folder: Path,
        data_folder: Path,
        recipe: Recipe,
        precision: str,
        launch: Launch | None = None,
        twin: int = 0,
    ) -> Material:
        """Read a definition and a prepared data set. ``CrosstrainError`` where they do not fit each
        other; float weights come in ``precision``. With ``launch``, batches of training are augmented as the
        recipe says, by processes that are started here and end with ``close``. A ``twin`` has its trainable
        weights moved by one unit in the last place (``twins``)."""
        network, weights = Graph.load(network_folder / "network.json")
        loss, constants = Graph.load(network_folder / "loss.json")
        data = Prepared.load(data_folder)
        names = [name for name in network.inputs if name != SEED]
        outputs = [name.removeprefix(TARGET) for name in loss.inputs if name.startswith(TARGET)]
        specs, target_specs = feed(names, outputs, data.manifest["inputs"], data.manifest["targets"])
        for name, spec in specs.items():
            _check_shape(name, network.inputs[name].shape[1:], tuple(spec["shape"]))
        parts = {name: feed(names, outputs, *data.arrays(name)) for name in SPLITS}
        splits = {name: Split(_plain(inputs), _plain(targets)) for name, (inputs, targets) in parts.items()}
        if not splits["train"].examples:
            raise CrosstrainError(f"the data set {data.manifest['spec']} has no examples to train on")
        feeding = Feed(data, recipe, launch) if launch and recipe.augmentation else None
        reading = readings(network_folder, network, target_specs)
        evaluation = Evaluation(reading, recipe.metrics, loss, constants, recipe.batch_size)
        initial = {name: _at(value, precision) for name, value in {**weights, **constants}.items()}
        return cls(
            program=Program(network, loss, recipe.optimizer),
            weights=moved(initial, network.trainable, twin) if twin else initial,
            splits=splits,
            evaluation=evaluation,
            recipe=recipe,
            data_hash=data.hash,
            feed=feeding,
            fed=_fed(data, names, outputs, recipe) if feeding else {},
            classes=tuple(map(str, data.manifest["classes"])),
            unit=unit_of(data.manifest),
            describing=Describing.of(data, [*target_specs]),
        )

    @property
    def steps(self) -> int:
        """Of an epoch."""
        return -(-self.splits["train"].examples // self.recipe.batch_size)

    @cached_property
    def schedule(self) -> Schedule:
        """The recipe's, for a training of this length."""
        return self.recipe.schedule.resolved(self.steps * self.recipe.epochs, self.recipe.epochs)

    @property
    def batch_sizes(self) -> list[int]:
        """The sizes that training batches come in, the usual one first."""
        examples, size = self.splits["train"].examples, self.recipe.batch_size
        return [n for n in (min(examples, size), examples % size if examples > size else 0) if n]

    def epoch(self, epoch: int, first_step: int) -> Iterator[tuple[int, Arrays]]:
        """The batches of an epoch in their order, this worker's part of each with the number of examples in
        all of it, ready for ``Network.train``. The same for every engine."""
        examples = self.splits["train"].examples
        order = batches(examples, self.recipe.batch_size, self.recipe.seed, epoch)
        augmented: Iterable[Arrays] = self.feed.epoch(epoch) if self.feed else repeat({})
        for step, (index, changed) in enumerate(zip(order, augmented, strict=False), first_step):
            own = part_of(len(index), *self.share)
            changed = {name: array[own] for name, array in changed.items()}
            yield len(index), self._batch(index[own], step, changed)

    def first(self, size: int) -> Arrays:
        """The first ``size`` training examples as a batch, to warm up on; of it this worker's part."""
        return self._batch(np.arange(size)[part_of(size, *self.share)], 0)

    def kept_on(self, network: Any, evaluate: bool) -> Material:
        """This material with its examples on the network's device, where the network keeps them there: those
        of training unless they are augmented, and the inputs of what is evaluated."""
        if not isinstance(network, Keeping):
            return self
        parts = {} if self.feed else {"train": self.splits["train"].whole()}
        if evaluate:
            parts |= {name: self.splits[name].inputs for name in ("validation", "test")}
        wanted = self.program.training.inputs
        kept = network.keep({
            part: {name: array for name, array in arrays.items() if name in wanted}
            for part, arrays in parts.items()
        })  # fmt: skip
        splits = {
            name: replace(split, kept=(kept or {}).get(name, {})) for name, split in self.splits.items()
        }
        return replace(self, splits=splits)

    def close(self) -> None:
        """End the processes that augment."""
        if self.feed:
            self.feed.close()

    def own_weights(self, weights: Mapping[str, np.ndarray]) -> Arrays:
        """Those of the network alone, without the loss's constants."""
        return {name: weights[name] for name in self.program.network.weights}

    def _batch(
        self, index: np.ndarray, step: int, augmented: Mapping[str, np.ndarray] | None = None
    ) -> Arrays:
        """The examples at ``index``; what is in ``augmented``, by its names in the feed, comes from there."""
        train, changed = self.splits["train"], augmented or {}
        whole: dict[str, Any] = {**train.whole(), **train.kept}
        batch = {
            name: changed[self.fed[name]] if self.fed.get(name) in changed else array[index]
            for name, array in whole.items()
        }
        if SEED in self.program.training.inputs:
            own = self.share[0] * RANK_STRIDE
            batch[SEED] = np.asarray((self.recipe.seed * 1_000_003 + step + own) % 2**31, np.int32)
        return batch


def _fed(data: Prepared, names: list[str], outputs: list[str], recipe: Recipe) -> dict[str, str]:
    """What the inputs of training are called in the feed, as far as they come from there."""
    inputs = pair(names, data.manifest["inputs"], "input")
    targets = pair(outputs, data.manifest["targets"], "target")
    called = {name: f"input/{source}" for name, source in inputs.items()}
    called |= {f"{TARGET}{name}": f"{TARGET}{source}" for name, source in targets.items()}
    brought = layout(data, recipe.augmentation)
    return {name: source for name, source in called.items() if source in brought}


def _check_shape(name: str, expected: tuple[int | None, ...], actual: tuple[int, ...]) -> None:
    fits = len(expected) == len(actual) and all(w in (None, g) for w, g in zip(expected, actual, strict=True))
    if not fits:
        raise CrosstrainError(
            f"the network's input {name!r} has shape {_shape(expected)}, the data's {_shape(actual)}; "
            "prepare the data at the network's size, or define the network for the data's"
        )


def _shape(shape: tuple[Any, ...]) -> str:
    return "×".join("any" if s is None else str(s) for s in shape) or "()"


def _plain(arrays: Mapping[str, np.ndarray]) -> Arrays:
    # As ndarrays: every index into a memmap would make a memmap again, which costs time and holds no map.
    return {name: np.asarray(array) for name, array in arrays.items()}


def _at(value: np.ndarray, precision: str) -> np.ndarray:
    return value.astype(precision) if value.dtype.kind == "f" and precision.startswith("float") else value
