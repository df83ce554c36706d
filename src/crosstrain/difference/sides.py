"""Both sides of a comparison, and one batch for both: inputs, targets and weights, each in the side's own
layout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from crosstrain.difference.recipes import Training
from crosstrain.difference.values import written
from crosstrain.errors import CrosstrainError
from crosstrain.graph.foreign import is_foreign
from crosstrain.graph.graph import SEED, Graph, Node, TensorSpec, Weights, reference
from crosstrain.proof.case import Case, rounded
from crosstrain.proof.holding.noise import without_noise
from crosstrain.runs.defined import Definition
from crosstrain.training.recipe import Recipe

BATCH = 8
LAYOUTS = ("as it is", "channels first", "channels last")
TARGET = "target/"


@dataclass(frozen=True)
class Side:
    """One definition with its recipe; ``letter`` is A or B, ``trained`` the weights of a run, ``turned`` the
    axes that put some outputs into the other side's layout."""

    letter: str
    source: str
    definition: Definition
    training: Training
    trained: Weights | None = None
    turned: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @cached_property
    def graph(self) -> Graph:
        """The network with its noise, and its numbers as they were written."""
        return with_outputs_turned(written(self.definition.graph), self.turned)

    @cached_property
    def quiet(self) -> Graph:
        return without_noise(self.graph)[0]

    @cached_property
    def loss(self) -> Graph:
        return written(self.definition.loss)

    @cached_property
    def weights(self) -> Weights:
        """In float64, the loss's constants included."""
        own = {**self.definition.weights(), **(self.trained or {})}
        return {k: v.astype("float64") if v.dtype.kind == "f" else v for k, v in own.items()}

    @property
    def for_inference(self) -> bool:
        """Whether the side is a file that keeps no noise of training."""
        return is_foreign(str(self.definition.data["source"]))

    @property
    def inputs(self) -> list[str]:
        return [name for name in self.graph.inputs if name != SEED]

    def line(self, *names: str) -> str:
        """The line of source that made a node or a layer ("" where it is not known)."""
        lines: Mapping[str, str] = self.definition.data.get("lines") or {}
        return next((lines[name] for name in names if name in lines), "")


def paired(own: Iterable[str], other: Iterable[str]) -> dict[str, str]:
    """Inputs or outputs of one side with those of the other: by name where both have the same, else in order.
    Both have as many."""
    own, other = list(own), list(other)
    return dict(zip(own, own if set(own) == set(other) else other, strict=True))


def orders(rank: int) -> dict[str, tuple[int, ...]]:
    """The axes of an array in each of the layouts, by their names."""
    inner = range(1, rank)
    turned = ((0, rank - 1, *inner[:-1]), (0, *inner[1:], 1)) if rank >= 3 else ()
    return dict(zip(LAYOUTS, (tuple(range(rank)), *turned), strict=False))


def beside(a: Side, b: Side) -> Side:
    """B with its outputs in A's layout, where nobody named B's loss: A's then trains both. (A module that
    takes its pictures with the channels last gives them so, too.)"""
    if b.training.losses or len(a.graph.outputs) != len(b.graph.outputs):
        return b
    turned = {}
    for own, name in paired(b.graph.outputs, a.graph.outputs).items():
        shape, wanted = (g.spec(g.outputs[n]).shape for g, n in ((b.graph, own), (a.graph, name)))
        if shape == wanted or None in (*shape[1:], *wanted[1:]):
            continue
        ways = orders(len(shape)).values()
        fits = (axes for axes in ways if tuple(shape[axis] for axis in axes) == tuple(wanted))
        if axes := next(fits, None):
            turned[own] = axes
    return replace(b, turned=turned) if turned else b


def with_outputs_turned(graph: Graph, turned: Mapping[str, tuple[int, ...]]) -> Graph:
    """A graph some of whose outputs have their axes in another order."""
    outputs, nodes = dict(graph.outputs), list(graph.nodes)
    for name, axes in turned.items():
        spec = graph.spec(outputs[name])
        node = Node(
            f"{name}/in the other layout", "transpose", (outputs[name],), {"axes": axes},
            (TensorSpec(tuple(spec.shape[axis] for axis in axes), spec.dtype),),
        )  # fmt: skip
        nodes.append(node)
        outputs[name] = reference(node.name)
    return replace(graph, outputs=outputs, nodes=tuple(nodes))


def first_case(a: Side, steps: int, seed: int = 0, examples: Mapping[str, np.ndarray] | None = None) -> Case:
    """A's case: its weights made generic, random inputs (or ``examples``), targets of its loss."""
    losses = {name: str(loss["name"]) for name, loss in a.definition.data["losses"].items()}
    recipe = Recipe(optimizer=a.training.optimizer)
    return Case.make(
        a.graph, a.loss, a.weights, recipe, losses, steps=steps, batch_size=BATCH, seed=seed,
        examples_of=examples,
    )  # fmt: skip


def second_case(
    a: Side, b: Side, first: Case, weights: Weights, layout: str | None
) -> tuple[Case, list[str]]:  # fmt: skip
    """B's case: the same examples and rates as ``first``'s, ``weights``, and notes on the layouts."""
    data, notes = inputs_for(b, first, layout)
    loss = b.loss
    if not b.training.losses and (own := borrowed(a, b)):
        loss = own
        notes.append(f"nobody named B's loss: it is trained by A's, {', '.join(_names(a))}")
    recipe = replace(first.recipe, optimizer=rounded(b.training.optimizer))
    data |= targets_for(loss, first)
    constants = {k: v for k, v in {**first.weights, **b.weights}.items() if k in loss.weights}
    case = replace(
        first, network=b.quiet, loss=loss, weights={**weights, **constants}, data=data, recipe=recipe
    )
    return case, notes


def inputs_for(b: Side, first: Case, layout: str | None) -> tuple[dict[str, np.ndarray], list[str]]:
    """A's inputs as B takes them: paired by name, else by order; the layout seen from the shapes."""
    names = [name for name in first.network.inputs if name != SEED]
    if len(names) != len(b.inputs):
        raise CrosstrainError(
            f"A has {len(names)} inputs ({', '.join(names)}) and B {len(b.inputs)} ({', '.join(b.inputs)}): "
            "they share nothing that could be compared; give two networks with the same inputs"
        )
    data, notes = {}, []
    for own, name in paired(b.inputs, names).items():
        array, spec = first.data[name], b.graph.inputs[own]
        way, fits = layout_of(array, spec.shape, layout)
        if fits is None:
            raise CrosstrainError(
                f"A's input {name!r} is {sized(array.shape[1:])} and B's {own!r} {sized(spec.shape[1:])}, "
                "which is no layout of it; give both one size with --input-shape"
            )
        if (spec.dtype == "float32") != (array.dtype.kind == "f"):
            raise CrosstrainError(
                f"A's input {name!r} holds {array.dtype} and B's {own!r} {spec.dtype}: real numbers against "
                "whole ones; give two networks that take the same kind of input"
            )
        data[own] = fits if array.dtype.kind == "f" else fits.astype(spec.dtype)
        if way != LAYOUTS[0]:
            notes.append(f"B's input {own!r} is given with its {way} ({sized(fits.shape[1:])})")
    return data, notes


def layout_of(
    array: np.ndarray, shape: Sequence[int | None], layout: str | None
) -> tuple[str, np.ndarray | None]:
    """How an input fits a shape, and the array in that layout (None where it fits in none)."""
    for name, axes in orders(array.ndim).items():
        way = array.transpose(axes)
        asked = layout is None or name == layout.replace("_", " ")
        if asked and len(way.shape) == len(shape) and all(
            n is None or n == m for n, m in zip(shape, way.shape, strict=True)
        ):  # fmt: skip
            return name, way
    return layout or LAYOUTS[0], None


def borrowed(a: Side, b: Side) -> Graph | None:
    """A's loss for B's outputs, where B's was chosen for want of one and is of another name or weight, or for
    outputs in another layout; None where B's own is as good."""
    kinds = [[(x["name"], x["weight"]) for x in s.definition.data["losses"].values()] for s in (a, b)]
    if (kinds[0] == kinds[1] and not b.turned) or len(a.graph.outputs) != len(b.graph.outputs):
        return None
    theirs = paired(a.graph.outputs, b.graph.outputs)
    renamed = {}
    for key in a.loss.inputs:
        kind, slash, name = key.partition("/")
        renamed[key] = f"{kind}{slash}{theirs.get(name, name)}"
    refs = {f"%{key}": f"%{new}" for key, new in renamed.items()}
    follow = lambda ref: refs.get(ref, ref)
    return replace(
        a.loss,
        inputs={renamed[key]: spec for key, spec in a.loss.inputs.items()},
        nodes=tuple(replace(n, inputs=tuple(map(follow, n.inputs))) for n in a.loss.nodes),
        outputs={name: str(follow(ref)) for name, ref in a.loss.outputs.items()},
    )


def _names(side: Side) -> list[str]:
    return [str(loss["name"]) for loss in side.definition.data["losses"].values()]


def targets_for(loss: Graph, first: Case) -> dict[str, np.ndarray]:
    """A's targets for B's loss, paired by order; whole numbers as one-hot rows where B wants those."""
    theirs = [name for name in first.loss.inputs if name.startswith(TARGET)]
    own = [name for name in loss.inputs if name.startswith(TARGET)]
    if len(theirs) != len(own):
        raise CrosstrainError(f"A is trained by {len(theirs)} targets and B by {len(own)}; name both losses")
    data = {}
    for name, other in zip(own, theirs, strict=True):
        data[name] = as_target(first.data[other], loss.inputs[name].shape, loss.inputs[name].dtype)
    return data


def as_target(array: np.ndarray, shape: Sequence[int | None], dtype: str) -> np.ndarray:
    """A target in another form: classes as one-hot rows and back, an axis of one more or less."""
    kind = "float64" if dtype == "float32" else dtype
    inner = tuple(shape[1:])
    if array.dtype.kind in "iu" and inner and inner[-1] not in (None, 1) and array.ndim == len(inner):
        return np.asarray(np.eye(int(inner[-1]))[array.astype("int64")], kind)
    if array.dtype.kind == "f" and "int" in dtype and array.ndim == len(inner) + 2:
        return np.asarray(array.argmax(axis=-1), kind)
    size = int(np.prod([n or 1 for n in inner]))
    if None in inner or array.size != array.shape[0] * size:
        if array.ndim == len(shape):
            return array.astype(kind)
        raise CrosstrainError(
            f"A's target is {sized(array.shape[1:])} and B's {sized(inner)}; give both the same loss"
        )
    return array.reshape(array.shape[0], *(int(n or 1) for n in inner)).astype(kind)


def sized(shape: Sequence[int | None]) -> str:
    return "×".join("any" if n is None else str(n) for n in shape) or "a number"
