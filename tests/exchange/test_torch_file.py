"""The export format ``torch``: a module as source, its weights as safetensors."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from crosstrain.errors import CrosstrainError
from crosstrain.exchange.torch_file import MODEL, PROGRAM, WEIGHTS
from crosstrain.graph.builder import Builder
from crosstrain.graph.graph import TensorSpec
from tests.exchange import foreign_formats as formats
from tests.exchange.networks import sampled

pytest.importorskip("torch")

NETWORKS = ("mlp", "lenet5", "resnet20", "two-headed")

ALONE = """
sys.path.insert(0, str(folder))
import model, torch
outputs = model.load()(*[torch.from_numpy(array) for array in inputs.values()])
outputs = [o.detach() for o in (outputs if isinstance(outputs, tuple) else (outputs,))]
"""


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_the_same_in_its_source(name: str, tmp_path: Path) -> None:
    sample = formats.built(name)
    path = formats.written("torch", sample, tmp_path)
    assert {p.name for p in path.iterdir()} == {MODEL, WEIGHTS, PROGRAM}
    assert max(formats.differences("torch", sample, path).values()) < 1e-5
    assert {p.name for p in path.iterdir()} == {MODEL, WEIGHTS, PROGRAM}


def test_it_runs_where_there_is_nothing_but_pytorch_and_safetensors(tmp_path: Path) -> None:
    sample = formats.built("resnet20")
    path = formats.written("torch", sample, tmp_path)
    outputs = formats.run_alone(
        ALONE, sample, path, tmp_path, ("crosstrain", "keras", "onnx", "tensorflow", "jax")
    )
    formats.assert_close(outputs, sample.expected)


def test_the_source_has_no_training_and_no_name_that_is_not_there(tmp_path: Path) -> None:
    path = formats.written("torch", formats.built("resnet20"), tmp_path)
    tree = ast.parse((path / MODEL).read_text())
    definitions = [n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    assert definitions[-1] == "load"
    assert not {"train", "main", "loss_of", "save_weights"} & set(definitions)
    imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    imported |= {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert imported == {"pathlib", "torch", "torch.nn.functional", "safetensors.torch"}


def test_what_has_no_source_is_refused_in_a_sentence(tmp_path: Path) -> None:
    builder = Builder("nothing")
    sample = sampled(
        builder.graph({"y": builder.add_input("x", TensorSpec((None, 4)))}), {}, {"x": np.ones((2, 4))}
    )
    with pytest.raises(CrosstrainError, match="cannot be written as source"):
        formats.written("torch", sample, tmp_path)
    assert not (tmp_path / "out").exists()


PROGRAM_ALONE = """
import torch
program = torch.export.load(folder / "model.pt2").module()
outputs = program(*[torch.from_numpy(array) for array in inputs.values()])
outputs = [o.detach() for o in (outputs if isinstance(outputs, tuple) else (outputs,))]
"""


def test_the_program_needs_no_source(tmp_path: Path) -> None:
    sample = formats.built("two-headed")
    path = formats.written("torch", sample, tmp_path)
    (path / MODEL).unlink()
    outputs = formats.run_alone(PROGRAM_ALONE, sample, path, tmp_path, ("crosstrain", "keras", "safetensors"))
    formats.assert_close(outputs, sample.expected)


def test_changed_weights_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(path: Path) -> None:
        state = load_file(path / WEIGHTS)
        name = next(n for n, array in state.items() if array.ndim == 4)
        state[name] = np.where(np.arange(state[name].size).reshape(state[name].shape) == 0, 1, state[name])
        save_file(state, path / WEIGHTS)

    # The program has the weights too, and is the first to disagree.
    sentence = "the output 'output' of model.pt2 differs from that of model.py"
    formats.refused_when_spoilt("torch", "torch", spoil, tmp_path, monkeypatch, sentence)
