"""The proof's data: random, from a fixed seed, of a kind that fits each input and each loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from crosstrain.detection.heads import HEADS
from crosstrain.detection.truths import NOTHING
from crosstrain.graph.graph import SEED, Graph, TensorSpec, Weights

PASSING = {
    "cast",
    "reshape",
    "expand_dims",
    "squeeze",
    "transpose",
    "slice",
    "split",
    "stop_gradient",
    "flip",
}
"""Ops that hand integers on as they are, so that an index may lie behind them."""

INDEX_READERS: dict[str, tuple[int, Callable[[Graph, Any], int | None]]] = {
    "take": (1, lambda graph, node: graph.spec(node.inputs[0]).shape[node.attributes["axis"]]),
    "take_along_axis": (1, lambda graph, node: graph.spec(node.inputs[0]).shape[node.attributes["axis"]]),
    "one_hot": (0, lambda _, node: node.attributes["classes"]),
    "sparse_categorical_crossentropy": (0, lambda graph, node: graph.spec(node.inputs[1]).shape[-1]),
}
"""Which input of an op holds indices, and how many different ones there are."""

Draw = Callable[[np.random.Generator, tuple[int, ...], int, "Place"], np.ndarray]
"""(generator, shape, classes, where the targets belong) -> targets."""


@dataclass(frozen=True)
class Place:
    """``time`` is the length of the output's time axis, ``picture`` the size (height, width) of the network's
    first picture."""

    time: int | None = None
    picture: tuple[int, int] = (1, 1)


def index_range(graph: Graph, ref: str) -> int | None:
    """How many values an index behind ``ref`` may take: the shortest table that it is looked up in."""
    reached, lengths = {ref}, []
    for node in graph.nodes:
        reader = INDEX_READERS.get(node.op)
        if reader and node.inputs[reader[0]] in reached:
            length = reader[1](graph, node)
            if length is not None:
                lengths.append(length)
        if node.op in PASSING and node.inputs[0] in reached:
            reached.update(node.references)
    return min(lengths, default=None)


def concrete(spec: TensorSpec, examples: int) -> tuple[int, ...]:
    """The shape with the batch, and any other open axis, at ``examples``."""
    return tuple(examples if size is None else size for size in spec.shape)


def features(
    graph: Graph, examples: int, seed: int, padding: Mapping[str, float] | None = None
) -> dict[str, np.ndarray]:
    """Inputs for the network: Gaussian (float64), or integers in range where they are looked up.

    Pictures of bytes are uniform in 0 … 255, other integers without a table in 0 … 9, truth values
    true one time in two. No two entries tie, so no maximum depends on an order. Of inputs
    with ``padding`` a quarter of the steps have that value.
    """
    generator = np.random.default_rng((seed, 1))
    arrays = {}
    for name, spec in graph.inputs.items():
        if name == SEED:
            continue
        shape, bound = concrete(spec, examples), index_range(graph, f"%{name}")
        if bound is not None:
            arrays[name] = generator.integers(0, bound, shape).astype(spec.dtype)
        elif spec.dtype == "bool":
            arrays[name] = generator.random(shape) < 0.5
        elif spec.dtype == "uint8":
            arrays[name] = generator.integers(0, 256, shape).astype("uint8")
        elif "int" in spec.dtype:
            arrays[name] = generator.integers(0, 10, shape).astype(spec.dtype)
        else:
            arrays[name] = generator.standard_normal(shape)
        if padding and name in padding:
            steps = generator.random(shape if "int" in spec.dtype else shape[:-1]) < 0.25
            arrays[name][steps] = padding[name]
    return arrays


def padding_of(graph: Graph) -> dict[str, float]:
    """The value of each input that means "no step here": what a mask compares the input with."""
    constants = {r: n.attributes["value"] for n in graph.nodes if n.op == "constant" for r in n.references}
    sources = {f"%{name}": name for name in graph.inputs}
    padding: dict[str, float] = {}
    for node in graph.nodes:
        if node.op == "cast" and node.inputs[0] in sources:
            sources[node.references[0]] = sources[str(node.inputs[0])]
        if node.op != "not_equal":
            continue
        first, second = map(str, node.inputs)
        if first in sources and second in constants and np.size(constants[second]) == 1:
            padding[sources[first]] = float(np.reshape(constants[second], ()))
    return padding


def _gaussian(generator: np.random.Generator, shape: tuple[int, ...], *_: Any) -> np.ndarray:
    return generator.standard_normal(shape)


def _simplex(generator: np.random.Generator, shape: tuple[int, ...], *_: Any) -> np.ndarray:
    e = np.exp(generator.standard_normal(shape))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def _truth(generator: np.random.Generator, shape: tuple[int, ...], *_: Any) -> np.ndarray:
    return generator.integers(0, 2, shape).astype("float64")


def _signs(generator: np.random.Generator, shape: tuple[int, ...], *_: Any) -> np.ndarray:
    return _truth(generator, shape) * 2 - 1


def _counts(generator: np.random.Generator, shape: tuple[int, ...], *_: Any) -> np.ndarray:
    return generator.poisson(2.0, shape).astype("float64")


def _one_hot(generator: np.random.Generator, shape: tuple[int, ...], *_: Any) -> np.ndarray:
    return np.eye(shape[-1])[generator.integers(0, shape[-1], shape[:-1])]


def _classes(generator: np.random.Generator, shape: tuple[int, ...], classes: int, _: Place) -> np.ndarray:
    return generator.integers(0, classes, shape)


def _transcripts(
    generator: np.random.Generator, shape: tuple[int, ...], classes: int, place: Place
) -> np.ndarray:
    """Labels 1 … classes - 1, filled up with 0; short enough that a blank fits between any two."""
    labels = generator.integers(1, classes, shape)
    longest = min(shape[-1], max((place.time or 2) // 2, 1))
    lengths = generator.integers(1, longest + 1, shape[:-1])
    return np.where(np.arange(shape[-1]) < lengths[..., None], labels, 0)


def _boxes(generator: np.random.Generator, shape: tuple[int, ...], classes: int, place: Place) -> np.ndarray:
    """One to all rows of a picture are boxes of a tenth to a half of its sides, the rest is padding."""
    size = np.asarray(place.picture * 2, np.float64)
    sides = generator.uniform(0.1, 0.5, (*shape[:-1], 2))
    corner = generator.uniform(0, 1 - sides)
    boxes = np.concatenate([corner, corner + sides], axis=-1) * size
    rows = np.concatenate([boxes, generator.integers(0, classes, (*shape[:-1], 1))], axis=-1)
    count = generator.integers(1, shape[-2] + 1, (*shape[:-2], 1, 1))
    absent = np.arange(shape[-2])[:, None] >= count
    return np.where(absent, np.asarray([0, 0, 0, 0, NOTHING]), rows)


TARGETS: dict[str, Draw] = {
    "sparse_categorical_crossentropy": _classes,
    "categorical_crossentropy": _simplex,
    "categorical_focal_crossentropy": _one_hot,
    "kl_divergence": _simplex,
    "binary_crossentropy": _truth,
    "binary_focal_crossentropy": _truth,
    "dice": _truth,
    "tversky": _truth,
    "poisson": _counts,
    "hinge": _signs,
    "squared_hinge": _signs,
    "categorical_hinge": _one_hot,
    "ctc": _transcripts,
    **dict.fromkeys(HEADS, _boxes),
}
"""What targets look like, by the loss; any other loss gets Gaussian ones (or integers, by their dtype)."""


def snake_case(name: str) -> str:
    """A loss's name as the table has it: ``CategoricalCrossentropy`` → ``categorical_crossentropy``."""
    return (
        "".join(f"_{c.lower()}" if c.isupper() else c for c in name).removeprefix("_").replace("c_t_c", "ctc")
    )


def targets(
    network: Graph, loss: Graph, names: Mapping[str, str], examples: int, seed: int
) -> dict[str, np.ndarray]:
    """Targets for the loss graph, by the names of its inputs (``target/OUTPUT``).

    ``names`` gives the loss by its Keras name for each output.
    """
    generator = np.random.default_rng((seed, 2))
    pictures = [concrete(each, 1) for each in network.inputs.values() if len(each.shape) == 4]
    picture = (pictures[0][1], pictures[0][2]) if pictures else (1, 1)
    arrays = {}
    for key, spec in loss.inputs.items():
        if not key.startswith("target/"):
            continue
        output = key.removeprefix("target/")
        shape = concrete(spec, examples)
        out = network.spec(network.outputs[output]).shape if output in network.outputs else ()
        classes = index_range(loss, f"%{key}") or (out[-1] if out else None) or 2
        place = Place(out[1] if len(out) == 3 else None, picture)
        draw = TARGETS.get(names.get(output, ""), _classes if "int" in spec.dtype else _gaussian)
        drawn = draw(generator, shape, classes, place)
        arrays[key] = drawn if spec.dtype == "float32" else drawn.astype(spec.dtype)
    return arrays


def sample(
    arrays: Mapping[str, np.ndarray], examples: int, padding: Mapping[str, float] | None = None
) -> dict[str, np.ndarray]:
    """``examples`` examples spread evenly over a data set (which may be sorted by class); a smaller set is
    repeated. Inputs of floats get a thousandth of noise: the black border of a picture ties, and which of
    two equal values a maximum takes is no matter of right or wrong. What is ``padding`` stays so."""
    generator, padding = np.random.default_rng(examples), padding or {}
    batch = {}
    for name, array in arrays.items():
        step = max(len(array) // examples, 1)
        chosen = np.asarray(array[np.arange(examples) * step % len(array)])
        if chosen.dtype.kind == "f":
            chosen = chosen.astype("float64")
            if not name.startswith("target/"):
                size = float(np.sqrt(np.mean(np.square(chosen)))) or 1.0
                noisy = chosen + 1e-3 * size * generator.standard_normal(chosen.shape)
                chosen = np.where(chosen == padding[name], chosen, noisy) if name in padding else noisy
        batch[name] = chosen
    return batch


def generic_weights(network: Graph, weights: Weights, seed: int) -> Weights:
    """Float64 weights in which no trainable tensor and no moving statistic is constant.

    A bias that is 0 or a scale that is 1 would hide an engine that leaves it out, so every such tensor
    is moved by up to a tenth (uniform; of its value, where that is above 1), to a number that float32 holds
    exactly, so that an engine in float32 begins where the truth does. A variance stays positive.
    Constants of a layer or of the loss stay as they are: they are part of the definition.
    """
    generator = np.random.default_rng((seed, 3))
    changing = {*network.trainable, *network.updates}
    varied = {}
    for name, value in weights.items():
        if value.dtype.kind != "f":
            varied[name] = value
            continue
        moved = value.astype("float64")
        if name in changing and value.size and np.all(moved == moved.flat[0]):
            moved = moved + 0.1 * max(1.0, abs(moved.flat[0])) * generator.uniform(-1, 1, value.shape)
            moved = moved.astype("float32").astype("float64")
        varied[name] = moved
    return varied
