"""Reads the exported programs of a module as one graph, of both phases."""

from __future__ import annotations

import operator
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

from crosstrain.errors import CrosstrainError
from crosstrain.exchange.reading.values import BATCH, LARGEST, Value
from crosstrain.exchange.torch_import import ops  # noqa: F401  (importing adds handlers)
from crosstrain.exchange.torch_import.layouts import AS_IT_IS, Layout
from crosstrain.exchange.torch_import.module import Input
from crosstrain.exchange.torch_import.ops.elementwise import detached
from crosstrain.exchange.torch_import.program import Programs, aliases_of, outputs_of, state_of
from crosstrain.exchange.torch_import.values import HANDLERS, LINE, AtenNode, Parameter, TorchReader
from crosstrain.exchange.torch_import.writes import Tensors
from crosstrain.graph.graph import Graph, GraphError, TensorSpec, Weights

UNSOUND = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError, AssertionError)
"""What a handler raises where arguments do not fit together."""
PHASE = ("training", "train", "use_input_stats", "dropout_p", "momentum")
"""Arguments in which the two phases of one layer may differ."""
COUNTED = "num_batches_tracked"
"""BatchNorm's counter, which nothing reads."""
UNDER_GRAD_MODE = torch.ops.higher_order.wrap_with_set_grad_enabled
"""What ``torch.export`` makes of a block under ``torch.no_grad``: a call of a module of its own."""


@dataclass(frozen=True)
class Imported:
    """A module that was read: ``layouts`` says for each weight how the module's tensor lies in it."""

    graph: Graph
    weights: Weights
    layouts: Mapping[str, tuple[Layout, tuple[int, ...]]]
    notes: tuple[str, ...] = ()
    places: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """For each node the path of its module and the line of the user's source that calls it."""


def imported(module: torch.nn.Module, programs: Programs, name: str) -> Imported:
    """The graph of a module. Raises ``CrosstrainError``, in one sentence, for an op that is not in
    crosstrain's vocabulary: its name, its module's path and the line of source."""
    reader = TorchReader(name)
    state = state_of(module)
    parameters = {
        key: reader.as_parameter(key, *state[key]) for key in dict.fromkeys(aliases_of(module).values())
    }
    names = {key: parameters[first] for key, first in aliases_of(module).items()}
    inputs, notes = _inputs(reader, programs.inputs)
    training = _Walk(reader, programs.training, names, inputs)
    results = training.results()
    written = training.written()
    always: Iterable[str] = written
    if not alike(programs.training, programs.inference):
        updates = dict(reader.updates)
        inference = _Walk(reader, programs.inference, names, inputs)
        results = _of_both_phases(reader, results, inference.results())
        reader.updates = updates
        always = written.keys() & inference.written().keys()
    if both := sorted(always):
        raise CrosstrainError(
            f"the module changes its buffer {both[0]!r} in inference too; a graph changes what it keeps in "
            "training alone: ask for self.training in forward"
        )
    _keep(reader, written)
    try:
        graph = reader.builder.graph(
            {key: _ending(value, notes, key) for key, value in results.items()}, reader.updates
        )
    except GraphError as error:
        raise CrosstrainError(f"the PyTorch module does not hold together: {error}") from error
    return Imported(
        graph, {key: reader.builder.arrays[key] for key in graph.weights}, reader.layouts, tuple(notes),
        reader.places,
    )  # fmt: skip


def _inputs(reader: TorchReader, inputs: tuple[Input, ...]) -> tuple[dict[str, Value], list[str]]:
    values, notes = {}, []
    for entry in inputs:
        dtype = reader.dtype(entry.dtype)
        ref = reader.builder.add_input(entry.name, TensorSpec((None, *entry.data_shape), dtype))
        values[entry.name] = reader.as_value(ref, last=entry.turned)
        if entry.turned:
            notes.append(f"the input {entry.name!r} is taken with its channels last")
    return values, notes


def _ending(value: Value, notes: list[str], name: str) -> str:
    """An output's reference; a picture's with the channels last, as pictures come in."""
    if value.rank >= 4 and value.dtype == "float32":
        notes.append(f"the output {name!r} is given with its channels last")
        return value.last
    return value.first


def _keep(reader: TorchReader, written: Mapping[str, tuple[Any, Value]]) -> None:
    """The next values of buffers that a step of training writes into."""
    for key, (before, after) in written.items():
        if not isinstance(before, Parameter) or before.trainable:
            kind = "weight" if isinstance(before, Parameter) else "buffer of whole numbers"
            raise CrosstrainError(
                f"the module writes into its {kind} {key!r} in training; a graph keeps the next values of "
                "float buffers alone"
            )
        reader.laid(before, reader.layouts[before.name][0] if before.name in reader.layouts else AS_IT_IS)
        ref = reader.placed(after, reader.layouts[before.name][0])
        assert ref is not None
        reader.updates[before.name] = ref


def _of_both_phases(
    reader: TorchReader, training: Mapping[str, Value], inference: Mapping[str, Value]
) -> dict[str, Value]:
    """Outputs that the module computes otherwise in each phase."""
    if set(training) != set(inference):
        raise CrosstrainError(
            f"the module has the outputs {', '.join(training)} in training and {', '.join(inference)} in "
            "inference; return the same in both"
        )
    results = {}
    for key, value in training.items():
        last = value.last_only
        pair = [v.last if last else v.first for v in (value, inference[key])]
        ref = pair[0] if pair[0] == pair[1] else reader.emit("phase_select", *pair)
        results[key] = reader.as_value(ref, last=last)
    return results


def alike(training: ExportedProgram, inference: ExportedProgram) -> bool:
    """Whether both programs do the same but for what their layers themselves do in each phase."""
    return _steps(training) == _steps(inference)


def _steps(program: ExportedProgram) -> list[Any]:
    places: dict[torch.fx.Node, int] = {}
    steps: list[Any] = []

    def plain(value: Any) -> Any:
        if isinstance(value, torch.fx.Node):
            return ("%", places.get(value, value.name))
        return [plain(v) for v in value] if isinstance(value, list | tuple) else repr(value)

    for node in _nodes(program.graph):
        places[node] = len(places)
        if node.op == "call_function":
            arguments = {k: plain(v) for k, v in _arguments(node).items() if k not in PHASE}
            steps.append((str(node.target), arguments))
        else:
            steps.append((node.op, node.target if node.op != "output" else "", plain(node.args)))
    return steps


def _nodes(graph: torch.fx.Graph) -> Iterator[torch.fx.Node]:
    """The nodes of a graph but those that count batches, each block's before the node that names it."""
    for node in graph.nodes:
        if (block := _block(node)) is not None:
            yield from _nodes(block.graph)
        if not _counts(node):
            yield node


def _block(node: torch.fx.Node) -> torch.fx.GraphModule | None:
    """The module that a node names, whose graph stands under another mode of gradients."""
    named = getattr(node.graph.owning_module, str(node.target), None) if node.op == "get_attr" else None
    return named if isinstance(named, torch.fx.GraphModule) else None


def _counts(node: torch.fx.Node) -> bool:
    """Whether a node only counts BatchNorm's batches."""
    return node.op == "call_function" and any(
        isinstance(a, torch.fx.Node) and (COUNTED in a.name or (_name(a) == "add" and _counts(a)))
        for a in node.args
    )


def _arguments(node: torch.fx.Node) -> dict[str, Any]:
    """A node's arguments by name, with the defaults of its schema."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return {**{str(i): a for i, a in enumerate(node.args)}, **node.kwargs}
    names = [a.name for a in schema.arguments]
    arguments = {a.name: a.default_value for a in schema.arguments if a.has_default_value()}
    return {**arguments, **dict(zip(names, node.args, strict=False)), **node.kwargs}


class _Walk:
    """One program: walks its nodes, keeping each one's value."""

    def __init__(
        self, reader: TorchReader, program: ExportedProgram, parameters: Mapping[str, Value],
        inputs: Mapping[str, Value],
    ) -> None:  # fmt: skip
        self.reader, self.program = reader, program
        self.tensors = Tensors(reader, self._handled)
        signature = program.graph_signature
        waiting = iter(inputs.values())
        constants = program.constants
        self._placeholders: dict[str, Any] = {}
        self._state: dict[str, str] = {}
        for entry in signature.input_specs:
            key = getattr(entry.arg, "name", "")
            if entry.kind in (InputKind.PARAMETER, InputKind.BUFFER):
                self._placeholders[key] = parameters[str(entry.target)]
                self._state[key] = str(entry.target)
            elif entry.kind == InputKind.USER_INPUT:
                self._placeholders[key] = next(waiting, None)
            elif isinstance(constants.get(str(entry.target)), torch.Tensor):
                self._placeholders[key] = self._constant(constants[str(entry.target)])

    def _constant(self, tensor: torch.Tensor) -> Value:
        return self.reader.as_constant(tensor.detach().cpu().numpy())

    def results(self) -> dict[str, Value]:
        """The module's outputs by name."""
        ends: Any = ()
        for node in self.program.graph.nodes:
            if node.op == "placeholder":
                self.tensors.set(node, self._placeholders.get(node.name))
            elif node.op == "output":
                ends = node.args[0]
            else:
                self._step(node)
        specs = [s for s in self.program.graph_signature.output_specs if s.kind.name == "USER_OUTPUT"]
        users = [
            e for e, s in zip(ends, self.program.graph_signature.output_specs, strict=True) if s in specs
        ]
        values = [self.tensors.get(e) if isinstance(e, torch.fx.Node) else e for e in users]
        results = {}
        for name, place in outputs_of(self.program).items():
            if not isinstance(values[place], Value):
                raise CrosstrainError(f"the module's output {name!r} is no tensor")
            results[name] = values[place]
        return results

    def written(self) -> dict[str, tuple[Any, Value]]:
        """The parameters and buffers that were written into, by name: the values before and after."""
        changed = {}
        for node in self.program.graph.nodes:
            if node.op == "placeholder" and node.name in self._state:
                before, after = self._placeholders[node.name], self.tensors.get(node)
                if after is not before:
                    changed[self._state[node.name]] = before, after
        return changed

    def _step(self, node: torch.fx.Node) -> None:
        if _counts(node):
            return
        if (block := _block(node)) is not None:
            self.tensors.set(node, block)
            return
        if node.target is UNDER_GRAD_MODE:
            self.tensors.set(node, self._inlined(node))
            return
        if node.target is operator.getitem:
            source, place = node.args
            self.tensors.set(node, self.tensors.get(source)[place])  # type: ignore[arg-type,index]
            return
        if node.op != "call_function":
            raise CrosstrainError(f"the module holds a {node.op} {node.target!r}, which a graph cannot hold")
        self.tensors.run(node, _arguments(node), _name(node))

    def _inlined(self, node: torch.fx.Node) -> tuple[Any, ...]:
        """What a block gives, its nodes taken as if they stood here; where its gradients are off, none goes
        back through it."""
        enabled, module, *given = node.args
        block = self.tensors.get(module)  # type: ignore[arg-type]
        waiting = iter(given)
        ends: Any = ()
        for inner in block.graph.nodes:
            if inner.op == "placeholder":
                self.tensors.same(inner, next(waiting))  # type: ignore[arg-type]
            elif inner.op == "output":
                ends = inner.args[0]
            else:
                self._step(inner)
        values = [self.tensors.get(end) if isinstance(end, torch.fx.Node) else end for end in ends]
        return tuple(v if enabled or not isinstance(v, Value) else detached(self.reader, v) for v in values)

    def _handled(self, node: torch.fx.Node, arguments: Mapping[str, Any]) -> Any:
        """The value of a node, whose ``arguments`` are values already."""
        view = self._view(node, arguments)
        self.reader.at = view
        begin = len(self.reader.builder.nodes)
        try:
            value = self._folded(node, view) if _constant(arguments, view) else self._read(view)
        except CrosstrainError:
            raise
        except UNSOUND as error:
            traceback.print_exc()
            raise self.reader.refusal(f"has arguments that do not fit together ({error})") from error
        self._check(view, value)
        for made in self.reader.builder.nodes[begin:]:
            self.reader.places.setdefault(made.name, (view.module, view.line))
        return value

    def _read(self, view: AtenNode) -> Any:
        if view.op not in HANDLERS:
            raise self.reader.refusal("is not in crosstrain's vocabulary")
        return HANDLERS[view.op](self.reader, view)

    def _check(self, view: AtenNode, value: Any) -> None:
        """What a handler made has to have the shape that PyTorch says."""
        first = value[0] if isinstance(value, tuple) and value else value
        shape = tuple(None if d and d % BATCH == 0 else d for d in view.lengths)
        if isinstance(first, Value) and first.shape != shape:
            raise self.reader.refusal(f"gives the shape {shape} in PyTorch and {first.shape} here")

    def _view(self, node: torch.fx.Node, arguments: Mapping[str, Any]) -> AtenNode:
        example = node.meta.get("val")
        example = example[0] if isinstance(example, list | tuple) and example else example
        tensor = isinstance(example, torch.Tensor)
        dtype = self.reader.dtype(str(example.dtype).removeprefix("torch.")) if tensor else ""
        lengths = tuple(int(s) for s in example.shape) if tensor else ()
        stack = list((node.meta.get("nn_module_stack") or {}).values())
        path = str(stack[-1][0]) if stack else ""
        lines = LINE.findall(node.meta.get("stack_trace") or "")
        own = [f"{file}, line {line}" for file, line in lines if "/torch/" not in file]
        return AtenNode(_name(node), node.name, arguments, dtype, lengths, path, own[-1] if own else "")

    def _folded(self, node: torch.fx.Node, view: AtenNode) -> Any:
        """A node of constants, computed now by PyTorch itself."""
        if np.prod([float(n) for n in view.lengths]) > LARGEST:
            raise self.reader.refusal(f"makes a constant of the shape {view.lengths}")

        def tensor(value: Any) -> Any:
            if isinstance(value, Value):
                return torch.from_numpy(np.array(value.array))
            return type(value)(map(tensor, value)) if isinstance(value, list | tuple) else value

        settings = {k: tensor(v) for k, v in view.arguments.items() if k not in ("pin_memory", "layout")}
        kind: Any = node.target
        positional = [a.name for a in kind._schema.arguments if not a.kwarg_only]
        args = [settings[k] for k in positional if k in settings]  # defaults stand first in ``arguments``
        result = kind(*args, **{k: v for k, v in settings.items() if k not in positional})
        if isinstance(result, list | tuple):
            return tuple(self._constant(t) for t in result)
        return self._constant(result)


def _constant(arguments: Mapping[str, Any], view: AtenNode) -> bool:
    """Whether PyTorch can compute a node now: all its tensors are constants and none is as long as the
    batch."""
    tensors = list(_values(arguments))
    drawn = view.op in ("rand", "randn", "randint", "bernoulli", "normal", "uniform", "randperm")
    if any(d and d % BATCH == 0 for d in view.lengths) or not view.dtype or drawn:
        return False
    return all(v.array is not None for v in tensors)


def _values(arguments: Any) -> list[Value]:
    if isinstance(arguments, Value):
        return [arguments]
    items = arguments.values() if isinstance(arguments, Mapping) else arguments
    return (
        [v for each in items for v in _values(each)] if isinstance(arguments, Mapping | list | tuple) else []
    )


def _name(node: torch.fx.Node) -> str:
    """``relu`` of ``aten.relu_.default``: what it computes, without where it writes it."""
    name = str((getattr(node.target, "_schema", None) and node.target._schema.name) or node.target)  # type: ignore[union-attr]
    return name.rpartition("::")[2].rstrip("_") if not name.endswith("__") else name.rpartition("::")[2]
