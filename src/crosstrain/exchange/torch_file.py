"""The export format ``torch``: a plain ``nn.Module`` as readable source, its state dict as safetensors,
and both as one program of ``torch.export``, which needs no source."""

from __future__ import annotations

import ast
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.errors import CrosstrainError
from crosstrain.exchange.formats import Arrays, Opened, Source

MODEL, WEIGHTS, PROGRAM = "model.py", "weights.safetensors", "model.pt2"
AGREEMENT = 1e-4
"""How far (relative to its largest number) an output of the program may be from that of the source."""

LOAD = '''def load(path=Path(__file__).with_name("{weights}")):
    """The network with its trained weights, ready for inference."""
    model = {model}()
    model.load_state_dict(load_file(path))
    return model.eval()'''


def write(source: Source, path: Path) -> None:
    """A folder with ``model.py``, ``weights.safetensors`` and ``model.pt2``. Raises ``CrosstrainError`` for a
    network that ``crosstrain code`` has no source for, or that ``torch.export`` cannot trace."""
    import torch
    from safetensors.torch import save_file

    from crosstrain.source.generate import source_of
    from crosstrain.training.recipe import Loss, Recipe

    # Nothing of the training is kept: any loss that has a source will do, and penalties belong to it.
    graph = replace(source.graph, penalties=()).pruned()
    losses = {output: Loss("mean_squared_error") for output in graph.outputs}
    name = str(source.definition["name"])
    source_file = source_of(graph, losses, Recipe(), "torch", name)
    scope: dict[str, Any] = {"__name__": "crosstrain_export"}
    exec(compile(source_file.text, MODEL, "exec"), scope)
    model = scope[source_file.model]()
    with tempfile.TemporaryDirectory(prefix="crosstrain-") as work:
        stored = Path(work) / "weights.npz"
        arrays: dict[str, Any] = dict(source.weights)
        np.savez(stored, **arrays)
        scope["load_weights"](model, stored)
    path.mkdir()
    text = inference_source(
        source_file.text, source_file.model, f"{name} in PyTorch, with its trained weights."
    )
    (path / MODEL).write_text(text)
    state = {key: tensor.to(torch.float32) if tensor.is_floating_point() else tensor
             for key, tensor in model.state_dict().items()}  # fmt: skip
    save_file({key: tensor.contiguous() for key, tensor in state.items()}, path / WEIGHTS)
    model.load_state_dict(state)
    _save_program(model.float().eval(), source, path / PROGRAM)


def _save_program(model: Any, source: Source, path: Path) -> None:
    """The traced model, for batches of any length."""
    import torch

    examples = tuple(
        torch.zeros((2, *(16 if n is None else n for n in spec.shape[1:])), dtype=getattr(torch, spec.dtype))
        for spec in source.graph.phase(training=False).inputs.values()
    )
    axes = tuple({0: torch.export.Dim.AUTO} for _ in examples)
    try:
        program = torch.export.export(model, examples, dynamic_shapes=axes)
    except Exception as error:  # whatever the tracer raises
        raise CrosstrainError(f"torch.export cannot trace this network: {error}") from error
    torch.export.save(program, path)


def opened(path: Path, source: Source) -> Opened:
    """``model.py`` imported as it lies there, beside the program: PyTorch and safetensors, nothing of
    crosstrain's. Raises ``CrosstrainError`` where the two differ."""
    import importlib.util

    import torch

    spec = importlib.util.spec_from_file_location("exported_model", path / MODEL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    writing, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = writing
    model, program = module.load(), torch.export.load(path / PROGRAM).module()
    inputs, outputs = list(source.graph.phase(training=False).inputs), list(source.graph.outputs)

    def predict(arrays: Arrays) -> Arrays:
        tensors = [torch.from_numpy(_single(arrays[name])) for name in inputs]
        with torch.inference_mode():
            several, traced = _several(model(*tensors)), _several(program(*tensors))
        for name, one, other in zip(outputs, several, traced, strict=True):
            if float((one - other).abs().max()) > AGREEMENT * max(float(one.abs().max()), 1.0):
                raise CrosstrainError(f"the output {name!r} of {PROGRAM} differs from that of {MODEL}")
        return {name: tensor.numpy() for name, tensor in zip(outputs, several, strict=True)}

    return predict


def _several(results: Any) -> tuple[Any, ...]:
    return tuple(results) if isinstance(results, tuple | list) else (results,)


def _single(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, "float32" if array.dtype.kind == "f" else None)


def inference_source(text: str, model: str, title: str) -> str:
    """Of a source by ``crosstrain code`` what the class ``model`` needs, and a ``load`` in place of the
    training."""
    tree, lines = ast.parse(text), text.splitlines()
    needed, statements = {model}, list[ast.stmt]()
    for node in reversed(tree.body[1:]):
        if needed.intersection(_bound_names(node)):
            needed |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
            statements.insert(0, node)
    definitions = [
        _lines(node, lines) for node in statements if not isinstance(node, ast.Import | ast.ImportFrom)
    ]
    framework = [_lines(n, lines) for n in statements if isinstance(n, ast.Import | ast.ImportFrom)]
    standard = [line for line in framework if line == "import math"]
    others = [line for line in framework if line != "import math"]
    if not any(line.startswith(f"class {model}") for line in definitions):
        raise CrosstrainError(f"the source of this network has no class {model}")
    head = [
        f'"""{title}\n\nMade by crosstrain; ``load()`` gives the network. Pictures are (N, height, width, '
        'channels).\n"""',
        "\n".join([*standard, "from pathlib import Path"]),
        "\n".join(sorted([*others, "from safetensors.torch import load_file"], key=_place)),
    ]  # fmt: skip
    body = [*definitions, LOAD.format(weights=WEIGHTS, model=model)]
    return "\n\n".join(head) + "\n\n\n" + "\n\n\n".join(body) + "\n"


def _place(line: str) -> tuple[bool, str]:
    """``import`` before ``from``, each by name."""
    return line.startswith("from"), line


def _bound_names(node: ast.stmt) -> Iterator[str]:
    """The names that a statement defines."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        yield node.name
    elif isinstance(node, ast.Assign):
        yield from (n.id for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name))
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from ((alias.asname or alias.name).split(".")[0] for alias in node.names)


def _lines(node: ast.stmt, lines: list[str]) -> str:
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    return "\n".join(lines[first - 1 : node.end_lineno])
