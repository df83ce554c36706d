"""``.pt2`` files, the archives of ``torch.export``, as modules: graphs from JSON and weights as plain bytes.

PyTorch's own loader unpickles what is marked so and evaluates expressions of shapes that stand in the file;
so the archive is read here, and nothing in it is run but ATen's ops. ``torch/_export/serde/schema.py``
describes the format.
"""

from __future__ import annotations

import json
import math
import operator
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from crosstrain.errors import CrosstrainError
from crosstrain.exchange.torch_import.module import PICTURE, Input

PHASES = ("training", "inference")
"""The names of an archive's programs, where it holds one for each phase."""
SWITCHES = ("train", "training")
"""Names of arguments that tell an op its phase."""
RATES = ("dropout", "dropout_p")
"""Names of arguments that say how much is dropped; of an op of dropout itself it is ``p``."""
COUNTER = "num_batches_tracked"
SKIPPED = ("_assert", "sym_constrain", "_guards")
"""Beginnings of names of ops that check what the program was exported with."""
DTYPES: Mapping[int, torch.dtype] = {
    1: torch.uint8, 2: torch.int8, 3: torch.int16, 4: torch.int32, 5: torch.int64, 6: torch.float16,
    7: torch.float32, 8: torch.float64, 12: torch.bool, 13: torch.bfloat16,
}  # fmt: skip
"""``ScalarType`` of the format."""
OPERATORS: Mapping[str, Callable[..., Any]] = {
    **{f"_operator.{name}": getattr(operator, name) for name in (
        "add", "sub", "mul", "floordiv", "truediv", "mod", "neg", "pow", "eq", "ne", "lt", "le", "gt", "ge",
        "and_", "or_", "getitem",
    )},
    "torch.sym_max": max, "torch.sym_min": min, "torch.sym_float": float, "torch.sym_not": operator.not_,
    "math.ceil": math.ceil, "math.floor": math.floor, "math.trunc": int,
}  # fmt: skip
"""What a program may compute of lengths, beside ATen's ops of tensors."""
HOW = (
    "write it anew with torch.export.save(torch.export.export(module, inputs, "
    'dynamic_shapes=({0: torch.export.Dim.AUTO},)), "net.pt2")'
)

Values = dict[str, Any]


@dataclass(frozen=True)
class Program:
    """A graph of the format: its ``nodes``, the names of its inputs, and what its outputs are."""

    nodes: Sequence[Mapping[str, Any]]
    stored: Mapping[str, str]
    """Placeholder → the parameter, buffer or constant that it stands for."""
    inputs: Mapping[str, Mapping[str, Any]]
    """Placeholder of an input → its ``TensorMeta``."""
    outputs: Sequence[Mapping[str, Any]]
    updated: Sequence[str]
    """For each output the buffer that it is the new value of, or "" where it is the user's."""
    structure: Mapping[str, Any]
    """The user's outputs as a tree (``TreeSpec`` as JSON)."""


class Archived(nn.Module):
    """The module of a ``.pt2`` file: parameters and buffers by their names, and the program of each phase.

    With one program both phases are that one: ops that know a phase (dropout, BatchNorm, recurrent layers)
    get the module's. ``archive_noise`` false passes dropouts by. What is not ``nn.Module``'s is called
    ``archive_…``: the parts of a user's module have their own names here.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.archive_file, self.archive_noise = file, True
        archive = Archive(file)
        self._programs = archive.programs()
        for name, (value, is_parameter) in archive.tensors().items():
            *path, last = name.split(".")
            holder: nn.Module = self
            for part in path:
                if part not in holder._modules:
                    holder.add_module(part, nn.Module())
                holder = getattr(holder, part)
            if is_parameter:
                holder.register_parameter(last, value)
            else:
                holder.register_buffer(last, value)

    @property
    def _program(self) -> Program:
        return self._programs[PHASES[0] if self.training else PHASES[1]]

    @property
    def _one(self) -> bool:
        return self._programs[PHASES[0]] is self._programs[PHASES[1]]

    @property
    def archive_batch(self) -> int | None:
        """The length of batches that the program was exported for; None where it takes any."""
        lengths = [_length(meta["sizes"][0]) for meta in self._program.inputs.values() if meta["sizes"]]
        return next((n for n in lengths if n is not None), None)

    def archive_inputs(self, shapes: Mapping[str, Sequence[int]] | None) -> tuple[Input, ...]:
        """How the program takes its inputs; lengths that it leaves open are the data's (``shapes``)."""
        found = []
        named = self._program.inputs
        whole = shapes or {}
        given = dict(zip(named, whole.values(), strict=False)) if set(whole) == {""} else whole
        for name, meta in named.items():
            dtype = DTYPES[meta["dtype"]]
            lengths = [_length(size) for size in meta["sizes"][1:]]
            data = [int(n) for n in given.get(name, ())]
            rolled = [*data[-1:], *data[:-1]]
            picture = len(lengths) + 1 >= PICTURE and dtype.is_floating_point
            fitting = [_fit(lengths, way) for way in ((rolled, data) if picture else (data, rolled))]
            turned = picture if not data or not any(fitting) else fitting.index(True) == (not picture)
            known = rolled if turned else data
            if None in lengths and (len(known) != len(lengths)):
                raise CrosstrainError(
                    f"{self.archive_file}: the input {name!r} has axes of any length besides the batch; "
                    "name its shape with --input-shape, or give data"
                )
            whole_lengths = [known[i] if n is None else n for i, n in enumerate(lengths)]
            found.append(
                Input(
                    name, tuple(whole_lengths), str(dtype).removeprefix("torch."), turned and len(lengths) > 1
                )
            )
        return tuple(found)

    def forward(self, **inputs: torch.Tensor) -> Any:
        program = self._program
        tensors = {**dict(self.named_parameters(remove_duplicate=False)),
                   **dict(self.named_buffers(remove_duplicate=False))}  # fmt: skip
        values: Values = {**inputs}
        values |= {place: tensors[name] for place, name in program.stored.items()}
        counters = {place for place, name in program.stored.items() if name.endswith(COUNTER)}
        for node in program.nodes:
            self._step(node, values, counters)
        results = [_argument(each, values, None) for each in program.outputs]
        for value, name in zip(results, program.updated, strict=True):
            if name:
                tensors[name].copy_(value)
        own = [value for value, name in zip(results, program.updated, strict=True) if not name]
        return _tree(program.structure, iter(own))

    def _step(self, node: Mapping[str, Any], values: Values, counters: set[str]) -> None:
        target = str(node["target"])
        name = target.removeprefix("torch.ops.aten.")
        if name.startswith(SKIPPED):
            return
        entries = node["inputs"]
        first = entries[0]["arg"].get("as_tensor", {}).get("name") if entries else None
        if self._one and not self.training and first in counters:
            _keep(node["outputs"], values[first], values)
            counters |= {output["as_tensor"]["name"] for output in node["outputs"]}
            return
        positional, keywords = [], {}
        for entry in entries:
            value = _argument(entry["arg"], values, self._precision())
            if self._one and entry["name"] in SWITCHES and isinstance(value, bool):
                value = self.training
            if not self.archive_noise and (
                entry["name"] in RATES or (entry["name"] == "p" and "dropout" in name)
            ):
                value = 0.0
            if entry.get("kind") == 2:
                keywords[entry["name"]] = value
            else:
                positional.append(value)
        result = _function(target, self.archive_file)(*positional, **keywords)
        _keep(node["outputs"], result, values)

    def _precision(self) -> torch.dtype | None:
        """float64 where the module has been made so: what the program casts to float32 is then wider too."""
        wide = any(p.dtype == torch.float64 for p in self.parameters())
        return torch.float64 if wide else None


def _length(size: Mapping[str, Any]) -> int | None:
    return int(size["as_int"]) if "as_int" in size else None


def _fit(lengths: Sequence[int | None], data: Sequence[int]) -> bool:
    return len(lengths) == len(data) and all(n in (None, m) for n, m in zip(lengths, data, strict=True))


def _function(target: str, file: Path) -> Callable[..., Any]:
    """ATen's op, or an operation on lengths. ``CrosstrainError`` for anything else."""
    if target in OPERATORS:
        return OPERATORS[target]
    parts = target.split(".")
    if parts[:3] == ["torch", "ops", "aten"] and len(parts) == 5:
        packet = getattr(torch.ops.aten, parts[3], None)
        if packet is not None and hasattr(packet, parts[4]):
            found: Callable[..., Any] = getattr(packet, parts[4])
            return found
    raise CrosstrainError(f"{file} uses {target}, which is no op of ATen that this PyTorch has")


def _argument(argument: Mapping[str, Any], values: Values, precision: torch.dtype | None) -> Any:
    """The value of a serialised argument: one key, ``as_…``, that says its kind."""
    ((kind, value),) = argument.items()
    if kind == "as_none":
        return None
    if kind == "as_tensor":
        return values[value["name"]]
    if kind == "as_tensors":
        return [values[each["name"]] for each in value]
    if kind == "as_name":
        return values[value]
    if kind in ("as_sym_int", "as_sym_float", "as_sym_bool", "as_optional_tensor"):
        return _argument(value, values, precision)
    if kind in ("as_sym_ints", "as_sym_floats", "as_sym_bools", "as_optional_tensors", "as_nested_tensors"):
        return [_argument(each, values, precision) for each in value]
    if kind == "as_scalar_type":
        dtype = DTYPES[value]
        return precision if precision is not None and dtype == torch.float32 else dtype
    if kind == "as_device":
        return torch.device("cpu")
    if kind == "as_layout":
        return torch.strided
    if kind == "as_memory_format":
        return {1: torch.contiguous_format, 2: torch.channels_last, 3: torch.channels_last_3d,
                4: torch.preserve_format}[value]  # fmt: skip
    if kind == "as_float":
        return float(value)  # infinity is written as text
    if kind == "as_floats":
        return [float(each) for each in value]
    if kind in ("as_int", "as_bool", "as_string", "as_ints", "as_bools"):
        return value
    raise CrosstrainError(f"the archive has an argument of the kind {kind[3:]!r}, which a graph cannot have")


def _keep(outputs: Sequence[Mapping[str, Any]], result: Any, values: Values) -> None:
    """Put a node's result under the names of its outputs."""
    if not outputs:
        return
    several = list(result) if len(outputs) > 1 else [result]
    for output, value in zip(outputs, several, strict=True):
        ((kind, entry),) = output.items()
        if kind in ("as_tensors", "as_optional_tensors"):
            for each, part in zip(entry, value, strict=True):
                values[each.get("as_tensor", each)["name"]] = part
        elif kind != "as_none":
            values[entry.get("name", entry.get("as_name"))] = value


def _tree(spec: Mapping[str, Any], leaves: Any) -> Any:
    """Outputs in their structure. Of dictionaries, tuples and lists; any other container is a tuple."""
    if spec["type"] is None:
        return next(leaves)
    children = [_tree(child, leaves) for child in spec["children_spec"]]
    if str(spec["type"]).endswith("builtins.dict"):
        return dict(zip(json.loads(spec["context"]), children, strict=True))
    return children if str(spec["type"]).endswith("builtins.list") else tuple(children)


class Archive:
    """What lies in a ``.pt2`` file. Raises ``CrosstrainError`` for a file that is none, or not whole."""

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            self._zip = zipfile.ZipFile(file)
        except (OSError, zipfile.BadZipFile):
            raise CrosstrainError(f"{file} is no archive of torch.export; {HOW}") from None
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in self._zip.infolist()):
            raise CrosstrainError(f"{file} holds compressed entries, which torch.export does not write")
        names = self._zip.namelist()
        self._entries = {name.partition("/")[2]: name for name in names}
        self.names = [
            name.removeprefix("models/").removesuffix(".json")
            for name in self._entries
            if name.startswith("models/") and name.endswith(".json")
        ]
        if not self.names:
            raise CrosstrainError(
                f"{file} holds no program as JSON; it is of an older PyTorch or another tool; {HOW}"
            )
        if len(self.names) > 1 and set(self.names) != set(PHASES):
            raise CrosstrainError(
                f"{file} holds the programs {', '.join(self.names)}; crosstrain takes one, or two that are "
                f"called {' and '.join(PHASES)}"
            )

    def programs(self) -> dict[str, Program]:
        """The program of each phase, which may be the same."""
        read = {name: self._whole(self._program, name) for name in self.names}
        (first, *_) = read.values()
        return {phase: read.get(phase, first) for phase in PHASES}

    def tensors(self) -> dict[str, tuple[torch.Tensor, bool]]:
        """By name what the programs hold, and whether it is a parameter; what shares memory is one tensor."""
        found: dict[str, tuple[torch.Tensor, bool]] = {}
        for name in self.names:
            # The phases have the same weights: the first one's are taken.
            found = {**self._whole(self._tensors, name), **found}
        return found

    def _whole(self, read: Callable[[str], Any], name: str) -> Any:
        try:
            return read(name)
        except (KeyError, IndexError, ValueError, TypeError, AttributeError, RuntimeError) as error:
            raise CrosstrainError(
                f"{self.file} is not whole or of another version of the format ({type(error).__name__}: "
                f"{error}); {HOW}"
            ) from error

    def _json(self, name: str) -> Any:
        return json.loads(self._zip.read(self._entries[name]))

    def _program(self, name: str) -> Program:
        module = self._json(f"models/{name}.json")["graph_module"]
        graph, signature = module["graph"], module["signature"]
        stored, inputs = {}, {}
        for spec in signature["input_specs"]:
            ((kind, entry),) = spec.items()
            if kind == "user_input":
                argument = entry["arg"]
                if "as_tensor" not in argument:
                    raise CrosstrainError(
                        f"{self.file} takes an input that is no tensor, which a graph cannot"
                    )
                place = argument["as_tensor"]["name"]
                inputs[place] = graph["tensor_values"][place]
            elif kind in ("parameter", "buffer", "tensor_constant"):
                stored[entry["arg"]["name"]] = entry[f"{kind}_name"]
            elif kind != "token":
                raise CrosstrainError(
                    f"{self.file} holds a {kind.replace('_', ' ')}, which a graph cannot have"
                )
        kinds = [next(iter(spec.items())) for spec in signature["output_specs"]]
        updated = [entry["buffer_name"] if kind == "buffer_mutation" else "" for kind, entry in kinds]
        structure = json.loads(module["module_call_graph"][0]["signature"]["out_spec"])[1]
        return Program(graph["nodes"], stored, inputs, graph["outputs"], updated, structure)

    def _tensors(self, name: str) -> dict[str, tuple[torch.Tensor, bool]]:
        found: dict[str, tuple[torch.Tensor, bool]] = {}
        same: dict[str, tuple[torch.Tensor, bool]] = {}
        for part in ("weights", "constants"):
            for key, entry in self._json(f"data/{part}/{name}_{part}_config.json")["config"].items():
                meta = entry["tensor_meta"]
                if entry["use_pickle"] or meta is None:
                    raise CrosstrainError(
                        f"{self.file}: {key!r} is a pickle, which may run any code when it is opened"
                    )
                identity = json.dumps([part, entry["path_name"], meta["sizes"], meta["strides"],
                                       meta["storage_offset"]])  # fmt: skip
                if identity not in same:
                    data = bytearray(self._zip.read(self._entries[f"data/{part}/{entry['path_name']}"]))
                    same[identity] = self._tensor(data, meta, bool(entry.get("is_param")))
                found[key] = same[identity]
        return found

    @staticmethod
    def _tensor(data: bytearray, meta: Mapping[str, Any], is_parameter: bool) -> tuple[torch.Tensor, bool]:
        sizes, strides = ([int(n["as_int"]) for n in meta[key]] for key in ("sizes", "strides"))
        dtype = DTYPES[meta["dtype"]]
        flat = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
        value = torch.as_strided(flat, sizes, strides, int(meta["storage_offset"]["as_int"])).clone()
        if is_parameter:
            return nn.Parameter(value, requires_grad=bool(meta["requires_grad"])), True
        return value, False
