"""An ``nn.Module`` held in memory, written as a ``.pt2`` file that has the program of either phase."""

from __future__ import annotations

import copy
import hashlib
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch.export import Dim, ExportedProgram
from torch.export.pt2_archive._package import package_pt2
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from crosstrain.errors import CrosstrainError
from crosstrain.exchange.torch_import.archive import PHASES
from crosstrain.exchange.torch_import.module import Input, candidates
from crosstrain.exchange.torch_import.program import NotExportable, sentence_of
from crosstrain.graph.foreign import EXPORTED
from crosstrain.system.files import slug

EXAMPLES = 3
"""The length of the batch that a module is exported with; that of later ones is open."""


def saved(module: torch.nn.Module, shapes: Mapping[str, Sequence[int]], tokens: bool, folder: Path) -> Path:
    """The file of a module in ``folder``, called after its content: the same module finds its results again.

    ``shapes`` are those of one example, by input name, in the data's layout; ``tokens`` says whether they
    are whole numbers. The module is not changed. ``CrosstrainError`` where ``torch.export`` does not take it.
    """
    name = type(module).__name__
    programs = _programs(copy.deepcopy(module).float().cpu(), shapes, tokens, name)
    digest = hashlib.sha256()
    for program in programs.values():
        digest.update(program.graph_module.code.encode())
    for key, tensor in programs[PHASES[0]].state_dict.items():
        digest.update(key.encode() + tensor.detach().numpy().tobytes())
    path = folder / f"{slug(name)}-{digest.hexdigest()[:8]}{EXPORTED}"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.stem}.part{EXPORTED}")
        package_pt2(str(part), exported_programs=programs)
        part.rename(path)
    return path


def _programs(
    module: torch.nn.Module, shapes: Mapping[str, Sequence[int]], tokens: bool, name: str
) -> dict[str, ExportedProgram]:
    """Both phases, by the first way of giving the inputs that the module takes."""
    first: CrosstrainError | None = None
    for inputs in candidates(module, None, shapes, name, tokens):
        try:
            return {phase: _program(module.train(phase == PHASES[0]), inputs, name) for phase in PHASES}
        except CrosstrainError as error:
            first = first or error
    assert first is not None
    raise first


def _program(module: torch.nn.Module, inputs: Sequence[Input], name: str) -> ExportedProgram:
    examples = {i.name: torch.zeros((EXAMPLES, *i.lengths), dtype=getattr(torch, i.dtype)) for i in inputs}
    shapes = {key: {0: Dim.AUTO} for key in examples}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # recurrent layers keep lists of their weights, which is noted
            program = torch.export.export(module, (), examples, dynamic_shapes=shapes, strict=False)
    except Exception as error:  # the user's code may raise anything
        raise NotExportable(sentence_of(error, name)) from error
    inner = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    if any(is_concrete_int(inner[key].meta["val"].shape[0]) for key in program.graph_signature.user_inputs):
        raise NotExportable(f"{name} computes with the batch's length, which has to be left open")
    return program
