"""A module's programs of both phases, through ``torch.export``, for batches of any length."""

from __future__ import annotations

import re
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch._subclasses import FakeTensorMode
from torch.export import ExportedProgram

from crosstrain.errors import CrosstrainError
from crosstrain.exchange.torch_import.module import Input

DATA_DEPENDENT = ("DataDependent", "GuardOnDataDependent", "data-dependent", "Tensor.item", "unbacked")


@dataclass(frozen=True)
class Programs:
    """The exported programs of training and of inference, and the inputs in the order of the module's
    arguments."""

    training: ExportedProgram
    inference: ExportedProgram
    inputs: tuple[Input, ...]


class NotExportable(CrosstrainError):  # noqa: N818 (what is wrong is the module, or the shapes)
    """``torch.export`` does not take the module with these inputs."""


def exported(module: torch.nn.Module, inputs: Sequence[Input], place: str) -> Programs:
    """Both phases of a module. ``NotExportable`` in one sentence where ``torch.export`` fails."""
    programs = {}
    for training in (True, False):
        module.train(training)
        try:
            programs[training] = _program(module, inputs)
        except Exception as error:  # the user's code may raise anything
            traceback.print_exc()
            raise NotExportable(sentence_of(error, place)) from error
    return Programs(programs[True], programs[False], tuple(inputs))


def _program(module: torch.nn.Module, inputs: Sequence[Input]) -> ExportedProgram:
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    keywords = {i.name: i.fake(mode) for i in inputs}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # recurrent layers keep lists of their weights, which is noted
        return torch.export.export(module, (), keywords, strict=False)


def sentence_of(error: Exception, place: str) -> str:
    """What went wrong, and the last line of the user's that did it."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "/torch/" not in f.filename and "/crosstrain/" not in f.filename]
    where = f" at {own[-1].filename}, line {own[-1].lineno}" if own else ""
    text = f"{type(error).__name__}: {error}"
    if any(words in text for words in DATA_DEPENDENT):
        return (
            f"{place} has control flow that depends on the data{where}, which a graph cannot have; use "
            "torch.where, or decide by shapes"
        )
    reason = re.sub(r"\s+", " ", str(error).strip().splitlines()[0] if str(error).strip() else text)
    return f"{place} cannot be exported{where}: {reason}"


def state_of(module: torch.nn.Module) -> dict[str, tuple[torch.Tensor, bool]]:
    """The module's parameters and buffers by their names in its state dict, and whether each is trained; a
    tensor that has several names has the first."""
    state: dict[str, tuple[torch.Tensor, bool]] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        state[name] = (parameter, parameter.requires_grad)
    for name, buffer in module.named_buffers(remove_duplicate=False):
        state[name] = (buffer, False)
    return state


def aliases_of(module: torch.nn.Module) -> dict[str, str]:
    """For each name in the state dict the first name of the same tensor."""
    first: dict[int, str] = {}
    return {name: first.setdefault(id(tensor), name) for name, (tensor, _) in state_of(module).items()}


def outputs_of(program: ExportedProgram) -> dict[str, int]:
    """The names of the outputs and their places among the program's: ``output``, ``output_1``, or the keys
    of a dictionary."""
    import torch.utils._pytree as pytree

    spec: Any = program.call_spec.out_spec
    leaves = pytree.tree_unflatten(list(range(spec.num_leaves)), spec)
    paths, _ = pytree.tree_flatten_with_path(leaves)
    if len(paths) == 1 and not any(isinstance(key, pytree.MappingKey) for key in paths[0][0]):
        return {"output": 0}
    names = ["_".join(_key(key) for key in path) for path, _ in paths]
    return {(name if not name[:1].isdigit() else f"output_{name}"): place for place, name in enumerate(names)}


def _key(key: Any) -> str:
    for attribute in ("key", "idx", "name"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)
