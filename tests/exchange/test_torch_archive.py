"""``.pt2`` files as networks: what is read is what the module computes, and nothing in them is unpickled."""

from __future__ import annotations

import json
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.export import Dim

from crosstrain.errors import CrosstrainError
from crosstrain.exchange.torch_import.archive import Archived
from crosstrain.exchange.torch_import.define import Built, traced
from crosstrain.exchange.torch_import.importer import imported
from crosstrain.exchange.torch_import.module import candidates, names_of
from crosstrain.exchange.torch_import.program import exported
from crosstrain.exchange.torch_import.witness import without_noise
from tests.exchange.torch_modules import MODULES

NAMES = ("cnn", "unet", "lstm", "gpt", "siamese", "normalised")


def exporting(name: str, training: bool, folder: Path) -> tuple[torch.nn.Module, dict[str, Any], Path]:
    """A module, its example inputs by name, and the file of its program in one phase."""
    torch.manual_seed(0)
    module, examples = MODULES[name]()
    if not isinstance(examples, dict):
        examples = [examples] if isinstance(examples, torch.Tensor) else list(examples)
        examples = dict(zip(names_of(module, len(examples)), examples, strict=True))
    examples = {k: torch.cat([e, e]) if e.shape[0] == 1 else e for k, e in examples.items()}
    shapes = {k: {0: Dim.AUTO} for k in examples}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # recurrent layers keep lists of their weights, which is noted
        program = torch.export.export(
            module.train(training), (), examples, dynamic_shapes=shapes, strict=False
        )
    file = folder / f"{name}.pt2"
    torch.export.save(program, file)
    return module, examples, file


@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
@pytest.mark.parametrize("name", NAMES)
def test_either_phase_s_file_is_the_module_in_both(name: str, training: bool, tmp_path: Path) -> None:
    module, examples, file = exporting(name, training, tmp_path)
    archived = Archived(file)
    assert {k for k, _ in archived.named_parameters()} == {k for k, _ in module.named_parameters()}
    module.double()
    archived.double()
    keywords = {k: e.double() if e.is_floating_point() else e for k, e in examples.items()}
    assert [entry.name for entry in archived.archive_inputs(None)] == list(keywords)
    for phase in (True, False):
        with without_noise(module), without_noise(archived):
            expected = torch.utils._pytree.tree_leaves(module.train(phase)(**keywords))
            found = torch.utils._pytree.tree_leaves(archived.train(phase)(**keywords))
        for value, true in zip(found, expected, strict=True):
            torch.testing.assert_close(value, true, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["cnn", "densenet"])
def test_its_graph_is_that_of_the_module(name: str, tmp_path: Path) -> None:
    module, examples, file = exporting(name, False, tmp_path)
    archived = Archived(file)
    own = imported(archived, traced(Built(archived, None, name), {}), name).graph
    (inputs,) = candidates(module, examples, None, name, False)
    true = imported(module, exported(module, inputs, name), name).graph
    assert [node.op for node in own.nodes] == [node.op for node in true.nodes]
    assert own.weights == true.weights


class Plain(torch.nn.Module):
    """Parts with names that a reader might want for itself."""

    def __init__(self) -> None:
        super().__init__()
        self.inputs, self.file, self.noise = (torch.nn.Linear(4, 4) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self.noise(self.file(self.inputs(x))))


def test_parts_may_have_any_name(tmp_path: Path) -> None:
    x = torch.ones(2, 4)
    program = torch.export.export(Plain(), (x,), dynamic_shapes=({0: Dim.AUTO},))
    torch.export.save(program, tmp_path / "net.pt2")
    archived = Archived(tmp_path / "net.pt2")
    torch.testing.assert_close(archived(x=x), program.module()(x))
    assert {name.split(".")[0] for name in archived.state_dict()} == {"inputs", "file", "noise"}


class Bomb:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return (exec, ("raise AssertionError('something was unpickled')",))


def rewritten(file: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """The archive with each entry as ``change`` makes it; None leaves it out."""
    new = file.with_name("changed.pt2")
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(new, "w") as out:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                out.writestr(name, content)
    return new


def with_json(end: str, mend: Callable[[Any], None]) -> Callable[[str, bytes], bytes]:
    def change(name: str, content: bytes) -> bytes:
        if not name.endswith(end):
            return content
        data = json.loads(content)
        mend(data)
        return json.dumps(data).encode()

    return change


def test_sample_inputs_are_not_unpickled(tmp_path: Path) -> None:
    _, _, file = exporting("cnn", False, tmp_path)
    bomb = pickle.dumps(Bomb())
    changed = rewritten(file, lambda name, own: bomb if name.endswith("sample_inputs/model.pt") else own)
    assert Archived(changed).archive_inputs(None)
    with pytest.raises(AssertionError, match="something was unpickled"):
        pickle.loads(bomb)


def opened(file: Path) -> Any:
    return traced(Built(Archived(file), None, str(file)), {})


def _pickled(config: Any) -> None:
    next(iter(config["config"].values()))["use_pickle"] = True


def _evil(model: Any) -> None:
    model["graph_module"]["graph"]["nodes"][0]["target"] = "builtins.exec"


def _torn(model: Any) -> None:
    del model["graph_module"]["signature"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (with_json("weights_config.json", _pickled), "is a pickle, which may run any code"),
        (with_json("models/model.json", _evil), "uses builtins.exec, which is no op of ATen"),
        (with_json("models/model.json", _torn), "not whole .*KeyError.*torch.export.save"),
        (lambda name, own: None if "models/" in name else own, "holds no program as JSON.*torch.export.save"),
        (lambda name, own: None if name.endswith("weight_0") else own, "not whole"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_one_sentence(change: Any, words: str, tmp_path: Path) -> None:
    changed = rewritten(exporting("cnn", False, tmp_path)[2], change)
    with pytest.raises(CrosstrainError, match=words):
        opened(changed)


def test_a_file_for_one_batch_size_says_how_to_export_it(tmp_path: Path) -> None:
    class Classed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token = torch.nn.Parameter(torch.zeros(1, 4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat([self.token.expand(x.shape[0], -1), x], 1)

    file = tmp_path / "fixed.pt2"
    torch.export.save(torch.export.export(Classed(), (torch.zeros(3, 4),)), file)
    with pytest.raises(CrosstrainError, match=r"exported for batches of 3 alone; .*Dim\.AUTO"):
        opened(file)


def test_what_is_no_archive_is_said(tmp_path: Path) -> None:
    file = tmp_path / "net.pt2"
    file.write_bytes(b"no archive")
    with pytest.raises(CrosstrainError, match=r"no archive of torch\.export"):
        Archived(file)
