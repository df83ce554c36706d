"""Sources are generated, in order for ruff, short, and proved equal to their graphs in their frameworks."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crosstrain.engines.registry import installable
from crosstrain.environments.environments import find
from crosstrain.errors import CrosstrainError
from crosstrain.source.folding import Run, fold
from crosstrain.source.generate import TARGETS, Written, code_lines, source_of, target_of
from crosstrain.source.notebook import notebook
from crosstrain.source.proving import Subject, check, engine_for
from crosstrain.source.view.network import network_of
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.recipe import Loss, Recipe
from crosstrain.training.schedules import Schedule
from tests.source.conftest import ALL, OWN, Subjects
from tests.source.test_operations import imported

ADAM = Recipe(optimizer=Optimizer("adam"))
SCHEDULED = Recipe(
    optimizer=Optimizer("sgd", momentum=0.9, nesterov=True),
    schedule=Schedule("cosine", {"decay_steps": 5}),
)
PROVED = ("mlp", "lenet5", "idsia", "resnet20", *OWN)
"""``python -m tests.source.prove_all`` proves the whole zoo too, in its tiny variants."""
DECAYED = Recipe(optimizer=Optimizer("adamw"), schedule=Schedule("warmup", {"warmup_steps": 3}))


def written(subject: Subject, target: str, device: str = "") -> Written:
    return source_of(subject.graph, subject.losses, subject.recipe, target, subject.name, device)


@pytest.mark.parametrize("target", TARGETS)
def test_sources_please_ruff(target: str, subject: Subjects, tmp_path: Path) -> None:
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent)) or shutil.which("ruff")
    if ruff is None:
        pytest.skip("ruff is not installed")
    for name in ALL:
        (tmp_path / f"{name.replace('-', '_')}.py").write_text(written(subject(name), target).text)
    (tmp_path / "adam.py").write_text(written(subject("lenet5", ADAM), target).text)
    (tmp_path / "scheduled.py").write_text(written(subject("lenet5", SCHEDULED), target).text)
    for device in ("cpu", "cuda:0", "auto"):
        (tmp_path / f"on_{device[:4]}.py").write_text(written(subject("lenet5"), target, device).text)
    for command in (["check"], ["format", "--check", "--diff"]):
        process = subprocess.run(
            [ruff, *command, "--isolated", "--line-length", "100", str(tmp_path)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert process.returncode == 0, process.stdout[-3000:]


@pytest.mark.parametrize("target", TARGETS)
def test_sources_need_numpy_and_their_framework_alone(target: str, subject: Subjects) -> None:
    for name in ALL:
        tree = ast.parse(written(subject(name), target).text)
        imported = {
            a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names
        }
        imported |= {
            n.module.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module
        }
        assert imported <= {"argparse", "math", "numpy", target, *target_of(target).packages}


COMPILES = pytest.mark.slow("compiles each network for long")
SLOW = {
    "jax": COMPILES,
    "tinygrad": COMPILES,
    "lightning": pytest.mark.slow("the network is PyTorch's, and the truth is compiled for each for long"),
}

LONG = {"tinygrad": ("idsia", "resnet20")}
"""Networks whose kernels take minutes to compile, one by one; shorter ones have the same layers."""


@pytest.mark.parametrize("target", [pytest.param(t, marks=SLOW.get(t, ())) for t in TARGETS])
def test_sources_are_proved(target: str, subject: Subjects) -> None:
    if engine_for(target) is None:
        pytest.skip(f"the framework of {target} is not installed")
    subjects = [subject(name) for name in PROVED if name not in LONG.get(target, ())]
    subjects += [subject("lenet5", ADAM), subject("pictures", SCHEDULED)]
    if target != "mxnet":
        subjects.append(subject("lenet5", DECAYED))
    checks = check(subjects, target, timeout=900)
    assert {s.name: (c.error, c.errors) for s, c in zip(subjects, checks, strict=True) if not c.proved} == {}


OF_USERS = ("reviews", "u_net", "inverted_residual", "transformer", "regularised")
"""Masked LSTMs both ways, a U-Net, depthwise convolutions, attention, penalties."""


@pytest.mark.parametrize(
    "target",
    ["torch", *(pytest.param(t, marks=SLOW.get(t, COMPILES)) for t in ("lightning", "jax", "flax"))],
)
def test_sources_of_networks_of_users_are_proved(target: str, subject: Subjects) -> None:
    if engine_for(target) is None:
        pytest.skip(f"the framework of {target} is not installed")
    subjects = [subject(name) for name in OF_USERS]
    checks = check(subjects, target, timeout=900)
    assert {s.name: (c.error, c.errors) for s, c in zip(subjects, checks, strict=True) if not c.proved} == {}


def test_a_wrong_source_is_found_out(subject: Subjects, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from crosstrain.source import proving

    def wrong(*arguments: object) -> Written:
        original = source_of(*arguments)  # type: ignore[arg-type]
        text = re.sub(r"momentum=0.[89]\d*\)", "momentum=0.5)", original.text)
        assert text != original.text
        return replace(original, text=text)

    monkeypatch.setattr(proving, "source_of", wrong)
    (result,) = check([subject("lenet5")], "torch", timeout=300)
    assert result.error is None
    assert not result.proved
    assert result.errors["weight"] > 1e-6 > result.errors["gradient"]


@pytest.mark.parametrize("target", TARGETS)
def test_depth_costs_no_lines(target: str, subject: Subjects) -> None:
    lines = {name: written(subject(name), target).lines for name in ALL}
    assert lines["resnet32"] <= lines["resnet20"] + 2
    assert lines["resnet32-b"] <= lines["resnet20-b"] + 2


def test_blocks_are_found(subject: Subjects) -> None:
    def runs(name: str) -> list[int]:
        pieces = fold(network_of(subject(name).graph))
        return [len(piece.block.prefixes) for piece in pieces if isinstance(piece, Run)]

    assert runs("resnet20") == runs("resnet20-b") == [9]
    assert runs("resnet32") == [15]
    assert runs("dense_blocks") == [6]
    assert runs("named_by_keras") == [3]
    assert runs("lenet5") == runs("idsia") == runs("branched") == []


def test_the_loop_of_resnet32(subject: Subjects) -> None:
    text = written(subject("resnet32"), "torch").text
    assert "for stage, (filters, stride) in enumerate(((16, 1), (32, 2), (64, 2)), start=1):" in text
    assert "for block in range(1, 6):" in text


@pytest.mark.parametrize(
    ("name", "target", "why"),
    [
        ("gru", "paddle", "has no gru for PaddlePaddle .the layer 'gru1/gru_cell'.; write it for torch"),
        ("penalised", "mxnet", "for MXNet"),
        ("gru", "tinygrad", "has no gru for tinygrad .the layer 'gru1/gru_cell'.; write it for torch"),
        ("transformer", "tinygrad", "for tinygrad"),
        ("counting", "torch", "a layer of its own changes the weight 'counter/steps' in training"),
    ],
)
def test_what_cannot_be_written_is_refused(name: str, target: str, why: str, subject: Subjects) -> None:
    with pytest.raises(CrosstrainError, match=why):
        written(subject(name), target)


@pytest.mark.parametrize(
    ("recipe", "why"),
    [
        (Recipe(optimizer=Optimizer("adamax")), "the optimizer 'adamax'"),
        (Recipe(optimizer=Optimizer(clipnorm=1.0)), "clipping"),
        (Recipe(schedule=Schedule("plateau")), "'plateau'"),
        (Recipe(augmentation={"shift": 2}), "augmentation"),
    ],
)
def test_recipes_that_cannot_be_written_are_refused(recipe: Recipe, why: str, subject: Subjects) -> None:
    with pytest.raises(CrosstrainError, match=why):
        written(subject("lenet5", recipe), "jax")


def test_a_loss_that_cannot_be_written_is_refused(subject: Subjects) -> None:
    network = subject("lenet5")
    with pytest.raises(CrosstrainError, match="'huber'"):
        source_of(network.graph, {"output": Loss("huber")}, network.recipe, "torch")


def test_an_unknown_target_is_refused(subject: Subjects) -> None:
    with pytest.raises(CrosstrainError, match="no target 'caffe'; there are torch, "):
        written(subject("lenet5"), "caffe")


@pytest.mark.parametrize("target", ["keras", pytest.param("tensorflow", marks=COMPILES)])
def test_branches_of_shared_layers_and_what_float64_lacks_are_proved(target: str, subject: Subjects) -> None:
    """A BatchNorm that two branches share, frames that make the batch longer, constants that nothing reads;
    volumes, which TensorFlow pools in single precision alone."""
    pytest.importorskip("tensorflow")
    names = ("siamese", "film", *(["volumes"] if target == "tensorflow" else []))
    subjects = [subject(name) for name in names]
    checks = check(subjects, target, timeout=900)
    assert {s.name: (c.error, c.errors) for s, c in zip(subjects, checks, strict=True) if not c.proved} == {}


def test_weights_of_a_jax_source_are_those_that_it_has(subject: Subjects, tmp_path: Path) -> None:
    """A file may hold more."""
    pytest.importorskip("jax")
    weights = dict(subject("lenet5").weights) | {"other/kernel": np.ones(2)}
    np.savez(tmp_path / "weights.npz", **weights)  # type: ignore[arg-type]
    (tmp_path / "lenet5_jax.py").write_text(written(subject("lenet5"), "jax").text)
    module = imported(tmp_path / "lenet5_jax.py")
    assert set(module.load_weights(tmp_path / "weights.npz")) == set(module.shapes())


@pytest.mark.parametrize("target", TARGETS)
def test_a_notebook_has_the_definitions_and_variables_in_place_of_options(
    target: str, subject: Subjects
) -> None:
    source = written(subject("resnet20"), target).text
    book = json.loads(notebook(source))
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in book["cells"]}) == len(book["cells"])
    assert book["cells"][0]["cell_type"] == "markdown"
    code = ["".join(cell["source"]) for cell in book["cells"][1:]]
    assert "arguments." not in "".join(code)
    wanted = {n.name for n in ast.parse(source).body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    trees = [ast.parse(text) for text in code]
    there = {n.name for tree in trees for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    assert there == wanted - {"main"}
    assert code[-2].splitlines()[0] == 'data_path = "data.npz"'


def test_a_notebook_trains(subject: Subjects, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(16, 32, 32, 1)).astype("float32")
    np.savez(tmp_path / "data.npz", x=x, y=rng.integers(0, 10, 16))
    cells = json.loads(notebook(written(subject("lenet5"), "torch").text))["cells"][1:]
    program = "\n".join("".join(cell["source"]) for cell in cells)
    (tmp_path / "cells.py").write_text(program)
    process = subprocess.run(
        [sys.executable, "cells.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    assert len(process.stdout.splitlines()) == 5


@pytest.mark.parametrize("target", TARGETS)
def test_requirements_pin_the_packages_of_a_source(target: str) -> None:
    names = [pin.partition("==")[0].lower() for pin in target_of(target).requirements()]
    assert sorted(names) == sorted(target_of(target).packages)


def test_lines_of_code_leave_out_what_is_not_code() -> None:
    text = '"""A docstring."""\n\n# a comment\nx = 1  # another\n\n\ndef f():\n    """More."""\n'
    text += '    return """a\nb"""\n'
    assert code_lines(text) == 4


def test_the_command_of_a_source_trains(subject: Subjects, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "net.py").write_text(written(subject("lenet5"), "torch").text)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 64)
    x = rng.normal(size=(64, 32, 32, 1)).astype("float32") + y[:, None, None, None]
    np.savez(tmp_path / "data.npz", x=x, y=y)
    np.savez(tmp_path / "first.npz", **subject("lenet5").weights)  # type: ignore[arg-type]
    command = [sys.executable, "net.py", "data.npz", "--weights", "first.npz", "--out", "last.npz"]
    process = subprocess.run(
        [*command, "--epochs", "8", "--batch-size", "16"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    losses = [float(line.rpartition(" ")[2]) for line in process.stdout.splitlines()]
    assert len(losses) == 8
    assert losses[-1] < losses[0]
    with np.load(tmp_path / "last.npz") as last:
        assert {name: last[name].shape for name in last.files} == {
            name: value.shape for name, value in subject("lenet5").weights.items()
        }


def test_a_trainer_of_lightning_trains_as_pytorch(subject: Subjects, tmp_path: Path) -> None:
    """From the same weights in the same order, over two epochs whose last batch is shorter."""
    pytest.importorskip("torch")
    home = find(installable()["lightning"])
    if home is None:
        pytest.skip("lightning is not installed")
    network = subject("lenet5", SCHEDULED)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 32, 32, 1)).astype("float32")
    np.savez(tmp_path / "data.npz", x=x, y=rng.integers(0, 10, 40))
    np.savez(tmp_path / "first.npz", **network.weights)  # type: ignore[arg-type]
    for target, python in (("torch", sys.executable), ("lightning", home.python)):
        (tmp_path / f"of_{target}.py").write_text(written(network, target).text)
        options = ["--weights", "first.npz", "--out", f"{target}.npz", "--epochs", "2", "--batch-size", "16"]
        process = subprocess.run(
            [python, f"of_{target}.py", "data.npz", *options],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert process.returncode == 0, process.stderr
        assert [line.partition(":")[0] for line in process.stdout.splitlines()] == ["epoch 1", "epoch 2"]
    with np.load(tmp_path / "torch.npz") as expected, np.load(tmp_path / "lightning.npz") as got:
        for name in network.weights:
            np.testing.assert_allclose(got[name], expected[name], rtol=1e-5, atol=1e-6)
            assert np.any(expected[name] != network.weights[name])
    assert {path.name for path in tmp_path.iterdir()} == {
        "data.npz", "first.npz", "of_torch.py", "of_lightning.py", "torch.npz", "lightning.npz",
    }  # fmt: skip
