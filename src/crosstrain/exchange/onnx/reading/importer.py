"""Reads an ONNX model as a graph: opsets 1 to the installed onnx's newest, of the default domain.

What CNTK, SINGA, Caffe2, Chainer, MXNet, PaddlePaddle or PyTorch once wrote becomes a network that every
engine trains: float initialisers are trainable weights, BatchNorm's statistics move again in training, and
dropout is on in training.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import onnx.inliner
from onnx import external_data_helper, numpy_helper

from crosstrain.errors import CrosstrainError
from crosstrain.exchange.onnx.reading import layers, recurrent  # noqa: F401  (importing adds handlers)
from crosstrain.exchange.onnx.reading import ops as _ops  # noqa: F401
from crosstrain.exchange.onnx.reading import shapes as _shapes  # noqa: F401
from crosstrain.exchange.onnx.reading.fold import RANDOM, evaluated
from crosstrain.exchange.onnx.reading.output import candidates, cut
from crosstrain.exchange.onnx.reading.values import HANDLERS, NodeView
from crosstrain.exchange.reading.shaping import filled
from crosstrain.exchange.reading.values import BATCH, LARGEST, Reader, Value
from crosstrain.graph.graph import Graph, GraphError, TensorSpec, Weights

LARGEST_FILE = 2**31
"""More bytes than protocol buffers hold: such a file is none."""
DOMAINS = ("", "ai.onnx")
PICTURE_CHANNELS = (1, 3)

UNSOUND = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError, MemoryError)
"""What reading a node raises whose attributes and inputs contradict each other."""
RESHAPING = {"Reshape", "Transpose", "Squeeze", "Unsqueeze", "Identity", "Flatten", "Cast"}
"""Ops through which an initialiser stays the parameter that it was."""
FOLDED = {"Range"}
"""Ops that only constants may feed; ONNX would write them out as loops."""
GROWING = {"ConstantOfShape": 0, "Expand": 1, "Tile": 1}
"""Ops that may make a large constant of a small one, and the input that says how large."""


@dataclass(frozen=True)
class Imported:
    """A model that was read. ``notes`` are sentences on what stands otherwise than in the file."""

    graph: Graph
    weights: Weights
    notes: tuple[str, ...] = ()
    opset: int = 0
    producer: str = ""
    candidates: tuple[str, ...] = ()
    """Tensors that may be outputs in place of the model's own."""


def from_onnx(path: str | Path) -> tuple[Graph, Weights]:
    """The network in an ONNX file: its graph and its weights. See ``read``."""
    imported = read(Path(path))
    return imported.graph, imported.weights


def read(path: Path, input_shapes: Mapping[str, Sequence[int]] | None = None, output: str = "") -> Imported:
    """The network in an ONNX file.

    ``input_shapes`` (without the batch, by input name, ``""`` for the only one) give lengths that the file
    leaves open. ``output`` takes the output of another node, or another tensor. Raises
    ``CrosstrainError`` in one sentence: the file cannot be read or is damaged, or a node
    (named with its op and opset) is not in crosstrain's vocabulary.
    """
    return imported(load(path), path.stem, input_shapes=input_shapes, output=output)


# -- the file ---------------------------------------------------------------------------------------
def load(path: Path) -> onnx.ModelProto:
    """The model in a file, checked. Data in other files has to lie in the model's own folder."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise CrosstrainError(f"there is no file {path}") from error
    if not path.is_file() or not 0 < size < LARGEST_FILE:
        raise CrosstrainError(f"{path} is not an ONNX model: it has {size:,} bytes")
    try:
        model = onnx.load_model(str(path), load_external_data=False)
    except Exception as error:  # protobuf's parser has exceptions of its own in every version
        raise CrosstrainError(f"{path} is not an ONNX model, or is damaged") from error
    if not model.graph.node or not model.opset_import:
        raise CrosstrainError(f"{path} is not an ONNX model: it has no nodes")
    if not all(isinstance(name, str) for name in _names(model.graph)):
        raise CrosstrainError(f"{path} is a damaged ONNX model: one of its names is not text")
    _load_external(model, path)
    return model


def _load_external(model: onnx.ModelProto, path: Path) -> None:
    folder = path.resolve().parent
    for tensor in _tensors(model.graph):
        if not external_data_helper.uses_external_data(tensor):
            continue
        info = external_data_helper.ExternalDataInfo(tensor)
        place = (folder / info.location).resolve()
        if Path(info.location).is_absolute() or not place.is_relative_to(folder):
            raise CrosstrainError(
                f"{path} asks for data in {info.location!r}; only the model's own folder is read"
            )
        if not place.is_file():
            raise CrosstrainError(f"{path} keeps {tensor.name!r} in {info.location}, which is not there")
        try:
            external_data_helper.load_external_data_for_tensor(tensor, str(folder))
        except Exception as error:
            raise CrosstrainError(
                f"{path}: the data of {tensor.name!r} in {info.location} is damaged"
            ) from error


def _names(graph: onnx.GraphProto) -> Iterator[str | bytes]:
    """All names in a graph; those that are not UTF-8 come from protocol buffers as bytes."""
    yield graph.name
    for named in (*graph.input, *graph.output, *graph.value_info, *_tensors(graph)):
        yield named.name
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        for attribute in node.attribute:
            yield attribute.name
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _names(inner)


def _tensors(graph: onnx.GraphProto) -> list[onnx.TensorProto]:
    """All of a graph's tensors, also of those inside its nodes."""
    tensors = list(graph.initializer)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                tensors.append(attribute.t)
            tensors.extend(attribute.tensors)
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                tensors.extend(_tensors(inner))
    return tensors


# -- the model --------------------------------------------------------------------------------------
def imported(
    model: onnx.ModelProto,
    name: str,
    *,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    free_batch: bool = True,
    output: str = "",
) -> Imported:
    """A model as a graph. With ``free_batch`` a first axis of fixed length becomes the batch as well."""
    for info in model.graph.output:
        if info.type.HasField("tensor_type"):  # that outputs have no shapes is no fault: nodes tell them
            info.type.tensor_type.shape.SetInParent()
    try:
        onnx.checker.check_model(model)
    except Exception as error:
        reason = (str(error).strip().splitlines() or [""])[0]
        raise CrosstrainError(f"the ONNX model {name} is not sound: {reason}") from error
    model = _inlined(cut(model, output) if output else model)
    opset = next((o.version for o in model.opset_import if o.domain in DOMAINS), 0)
    run = _Import(model.graph, name, opset, input_shapes or {}, free_batch)
    graph = run.graph()
    return Imported(
        graph,
        {k: run.reader.builder.arrays[k] for k in graph.weights},
        tuple(run.notes),
        opset,
        " ".join(filter(None, (model.producer_name, model.producer_version))),
        tuple(candidates(model)),
    )


def _inlined(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its own functions, and those ops that ONNX itself defines by others, written out."""
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    expanded: set[tuple[str, str]] = set()
    for _ in range(8):
        ops = {("", n.op_type) for n in model.graph.node if n.domain in DOMAINS}
        fresh = {key for key in ops - expanded if key[1] not in {*HANDLERS, *FOLDED} and _has_body(key[1])}
        if not fresh:
            break
        expanded |= fresh
        for node in model.graph.node:
            if ("", node.op_type) in fresh:
                _say_defaults(node)
        try:
            model = onnx.inliner.inline_selected_functions(model, sorted(fresh), inline_schema_functions=True)
        except Exception:  # what cannot be written out is refused by name when its node is reached
            break
    return model


def _say_defaults(node: onnx.NodeProto) -> None:
    """Give a node the attributes that go without saying: the inliner would leave them out of the body."""
    names = {a.name for a in node.attribute}
    for name, row in onnx.defs.get_schema(node.op_type).attributes.items():
        if name not in names and row.default_value.name:
            node.attribute.append(row.default_value)


def _has_body(op: str) -> bool:
    try:
        schema = onnx.defs.get_schema(op)
    except onnx.defs.SchemaError:
        return False
    return bool(schema.has_function or schema.has_context_dependent_function)


class _Import:
    """One import: walks the nodes, keeping each name's value."""

    def __init__(
        self,
        proto: onnx.GraphProto,
        name: str,
        opset: int,
        input_shapes: Mapping[str, Sequence[int]],
        free_batch: bool,
    ) -> None:
        self.proto, self.opset, self.free_batch = proto, opset, free_batch
        self.reader = Reader(name, "ONNX")
        self.notes: list[str] = []
        self.values: dict[str, Value] = {}
        initialisers = {t.name for t in proto.initializer}
        self._inputs = [i for i in proto.input if i.name not in initialisers]
        self._shapes = dict(input_shapes)
        self._pictures = False
        self._reads = _names_read(proto)

    def graph(self) -> Graph:
        if self.proto.sparse_initializer:
            raise CrosstrainError(f"the ONNX model {self.reader.builder.name} has sparse weights")
        for tensor in self.proto.initializer:
            self.values[tensor.name] = self._initialiser(tensor)
        for info in self._inputs:
            self.values[info.name] = self._input(info)
        self._walk(self.proto)
        outputs = {}
        for info in self.proto.output:
            if info.name not in self.values:
                raise CrosstrainError(f"no node of the ONNX model makes its output {info.name!r}")
            value = self.values[info.name]
            key = info.name.translate(str.maketrans(":@%", "___"))
            if self._pictures and value.last_only and value.rank > 2 and value.filled is None:
                self.notes.append(f"the output {info.name!r} is given with its channels last")
                outputs[key] = value.last
            else:
                outputs[key] = value.first
        try:
            graph = self.reader.builder.graph(outputs, self.reader.updates)
        except GraphError as error:
            raise CrosstrainError(f"the ONNX model does not hold together: {error}") from error
        return _without_unused(graph)

    # -- entries ------------------------------------------------------------------------------------
    def _initialiser(self, tensor: onnx.TensorProto) -> Value:
        try:
            array = numpy_helper.to_array(tensor)
        except Exception as error:
            raise CrosstrainError(f"the ONNX model's initialiser {tensor.name!r} is damaged") from error
        if array.dtype.name in ("float16", "bfloat16"):
            array = array.astype("float32")
            note = "weights in half precision were made float32"
            self.notes += [] if note in self.notes else [note]
        return self._constant(array, tensor.name.strip("/") or "weight", True)

    def _constant(self, array: np.ndarray, label: str = "", parameter: bool = False) -> Value:
        """A constant; of a dtype that graphs lack only until something in a graph uses it."""
        try:
            return self.reader.as_constant(array, label, parameter)
        except CrosstrainError:
            if array.size > LARGEST:
                raise
            return Value(self.reader, array.shape, array.dtype.name, array=array, label=label)

    def _input(self, info: onnx.ValueInfoProto) -> Value:
        kind = info.type.tensor_type
        if not info.type.HasField("tensor_type") or not kind.HasField("shape"):
            raise CrosstrainError(f"the ONNX model's input {info.name!r} has no known number of axes")
        dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)).name
        known = [d.HasField("dim_value") and d.dim_value >= 0 for d in kind.shape.dim]
        lengths = [d.dim_value if k else None for d, k in zip(kind.shape.dim, known, strict=True)]
        if lengths and lengths[0] is not None and self.free_batch:
            fixed = self.reader.fixed_batch
            self.reader.fixed_batch = lengths[0] if fixed is None else fixed
            self.notes.append(f"the input {info.name!r} took batches of {lengths[0]}; now of any length")
            lengths[0] = None
        run = self.reader.dtype(dtype)
        picture = len(lengths) == 4 and run == "float32" and lengths[1] in PICTURE_CHANNELS
        picture = picture and lengths[3] not in PICTURE_CHANNELS and self.free_batch
        if picture:
            lengths = [lengths[0], *lengths[2:], lengths[1]]
        requested = self._shapes.get(info.name, self._shapes.get("") if len(self._inputs) == 1 else None)
        if requested is not None and len(requested) == len(lengths) - 1:
            lengths = [
                lengths[0],
                *(g if n is None else n for n, g in zip(lengths[1:], requested, strict=True)),
            ]
        self.reader.open_lengths |= None in lengths[1:]
        ref = self.reader.builder.add_input(info.name, TensorSpec(tuple(lengths), run))
        if picture:
            self._pictures = True
            self.notes.append(f"the input {info.name!r} is taken with its channels last")
        return self.reader.as_value(ref, last=picture)

    # -- nodes --------------------------------------------------------------------------------------
    def _walk(self, graph: onnx.GraphProto) -> None:
        for proto in graph.node:
            missing = [i for i in proto.input if i and i not in self.values]
            if missing:
                raise CrosstrainError(f"the ONNX node {proto.name!r} reads {missing[0]!r}, which is nowhere")
            inputs = [self.values[i] if i else None for i in proto.input]
            node = self.reader.at = NodeView(proto, inputs, self.opset)
            while len(node.outputs) > 1 and not self._is_read(node.outputs[-1]):
                node.outputs = node.outputs[:-1]
            try:
                result = self._node(proto, node)
            except CrosstrainError:
                raise
            except UNSOUND as error:
                traceback.print_exc()
                raise self.reader.refusal("has attributes or inputs that do not fit together") from error
            several = result if isinstance(result, tuple | list) else (result,)
            self.values.update({name: v for name, v in zip(proto.output, several, strict=False) if name})
        self.reader.at = None

    def _is_read(self, name: str) -> bool:
        return bool(name) and name in self._reads

    def _node(self, proto: onnx.NodeProto, node: NodeView) -> Value | Sequence[Value]:
        if proto.domain not in DOMAINS:
            raise self.reader.refusal(f"is of the domain {proto.domain!r}, which only its maker's tools know")
        if proto.op_type == "If":
            return self._branch(node)
        if proto.op_type in RANDOM:
            raise self.reader.refusal("draws random numbers")
        if all(v is None or v.array is not None for v in node.inputs) and not any(
            a.HasField("g") for a in proto.attribute
        ):
            return self._folded(proto, node)
        if proto.op_type not in HANDLERS:
            raise self.reader.refusal("is not in crosstrain's vocabulary")
        return HANDLERS[proto.op_type](self.reader, node)  # type: ignore[no-any-return]

    def _branch(self, node: NodeView) -> Sequence[Value]:
        """An If whose condition is known: the nodes of the branch that is taken."""
        condition = node.input(0)
        if condition is None or condition.array is None:
            raise self.reader.refusal("chooses a branch by its data")
        key = "then_branch" if bool(np.asarray(condition.array).reshape(())) else "else_branch"
        branch: onnx.GraphProto = node.get(key)
        for tensor in branch.initializer:
            self.values[tensor.name] = self._initialiser(tensor)
        self._walk(branch)
        return [self.values[o.name] for o in branch.output]

    def _folded(self, proto: onnx.NodeProto, node: NodeView) -> list[Value]:
        """A node of constants, computed now."""
        arrays = {
            name: value.array
            for name, value in zip(proto.input, node.inputs, strict=True)
            if value is not None and value.array is not None
        }
        if proto.op_type in GROWING:
            sizes = [int(s) for s in np.asarray(arrays[proto.input[GROWING[proto.op_type]]]).reshape(-1)]
            if any(s and s % BATCH == 0 for s in sizes):
                return [self._as_long_as_the_batch(node, sizes)]
            if math.prod(max(s, 1) for s in sizes) > LARGEST:
                raise self.reader.refusal(f"makes a constant of the shape {sizes}")
        if proto.op_type == "Range" and _steps(list(arrays.values())) > LARGEST:
            raise self.reader.refusal("counts further than a constant may be long")
        try:
            results = evaluated(proto, arrays, self.opset)
        except Exception as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise self.reader.refusal(f"cannot be computed: {reason}") from error
        origin = node.inputs[0] if node.inputs and proto.op_type in RESHAPING else None
        if origin is not None and origin.label:
            return [self._constant(a, origin.label, origin.parameter) for a in results]
        return [self._constant(a, name.strip("/")) for a, name in zip(results, proto.output, strict=False)]

    def _as_long_as_the_batch(self, node: NodeView, sizes: list[int]) -> Value:
        if node.op == "ConstantOfShape":
            value = node.get("value")
            number = np.float32(0) if value is None else numpy_helper.to_array(value)
            return filled(self.reader, sizes, number)
        first = node.input(0)
        assert first is not None
        assert first.array is not None
        if first.array.size and np.all(first.array == first.array.reshape(-1)[0]):
            return filled(self.reader, sizes, first.array.reshape(-1)[0])
        raise self.reader.refusal("copies a value along the batch")


def _names_read(graph: onnx.GraphProto) -> set[str]:
    """Every name that some node, also inside of others, or an output reads."""
    names = {o.name for o in graph.output}
    for node in graph.node:
        names.update(node.input)
        for attribute in node.attribute:
            if attribute.HasField("g"):
                names |= _names_read(attribute.g)
    return names


def _steps(arrays: Sequence[np.ndarray]) -> float:
    start, limit, delta = (float(np.asarray(a).reshape(())) for a in arrays)
    return abs((limit - start) / delta) if delta else math.inf


def _without_unused(graph: Graph) -> Graph:
    """Without the weights that no node reads."""
    used = {i for node in graph.nodes for i in node.inputs} | set(graph.outputs.values())
    return replace(graph, weights={k: v for k, v in graph.weights.items() if f"@{k}" in used})
