"""Sources written for a device: where they put the model and the batches, and that they train as without."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from crosstrain.errors import CrosstrainError
from crosstrain.source.generate import TARGETS, source_of
from crosstrain.source.notebook import notebook
from crosstrain.source.proving import engine_for
from tests.source.conftest import Subjects


def written(subject: Subjects, target: str, device: str = "", name: str = "mlp") -> str:
    of = subject(name)
    return source_of(of.graph, of.losses, of.recipe, target, of.name, device).text


def body_of_main(text: str) -> list[ast.stmt]:
    """What it does once it has read its options and data."""
    (main,) = (n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef) and n.name == "main")
    read = next(i for i, node in enumerate(main.body) if "np.load(arguments.data)" in ast.unparse(node))
    return main.body[read + 1 :]


BOTH = """
import runpy, sys
for name in ("plain", "placed"):
    options = ["--weights", "first.npz", "--out", f"{name}.npz", "--epochs", "1", "--batch-size", "16"]
    sys.argv = [f"{name}.py", "data.npz", *options]
    runpy.run_path(f"{name}.py", run_name="__main__")
"""
"""Runs two sources in one process, of a framework of its own: Keras takes its backend when it is imported."""

IN_WORDS = {
    "torch": ("'cuda:1'", "torch.device(DEVICE)"),
    "tensorflow": ("'/GPU:1'", "tf.device(DEVICE)"),
    "jax": ("jax.devices('gpu')[1]", "jax.default_device(DEVICE)"),
    "flax": ("jax.devices('gpu')[1]", "jax.default_device(DEVICE)"),
    "keras": ("'gpu:1'", "keras.device(DEVICE)"),
    "mxnet": ("mx.gpu(1)", "DEVICE"),
    "paddle": ("'gpu:1'", "paddle.device.set_device(DEVICE)"),
    "tinygrad": ("'CUDA:1'", "Device.DEFAULT = DEVICE"),
    "lightning": ("{'accelerator': 'gpu', 'devices': [1]}", ""),
}


@pytest.mark.parametrize("target", TARGETS)
def test_everything_that_main_makes_is_on_the_device(target: str, subject: Subjects) -> None:
    text, plain = written(subject, target, "cuda:1"), written(subject, target)
    assert "DEVICE" not in plain
    constants = {
        node.targets[0].id: ast.unparse(node.value)
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    first, *rest = body_of_main(text)
    work = [ast.unparse(node) for node in body_of_main(plain)]
    if target == "lightning":  # its Trainer moves the model and the batches
        assert constants["DEVICE"] == IN_WORDS[target][0]
        assert "L.Trainer(\n        **DEVICE,\n" in text
        assert [ast.unparse(node) for node in (first, *rest)] == work
        return
    if target in ("paddle", "tinygrad"):
        assert (constants["DEVICE"], ast.unparse(first)) == IN_WORDS[target]
        assert [ast.unparse(node) for node in rest] == work
        return
    assert isinstance(first, ast.With)
    assert (constants["DEVICE"], ast.unparse(first.items[0])) == IN_WORDS[target]
    assert not rest
    assert [ast.unparse(node) for node in first.body] == work


def test_pytorch_sends_the_model_and_each_batch(subject: Subjects) -> None:
    text = written(subject, "torch", "cuda:0")
    assert "    model.to(DEVICE)\n    optimizer = make_optimizer(model)\n" in text
    assert "batch = [torch.from_numpy(array[index]).to(DEVICE) for array in arrays]" in text
    assert "tensor.detach().cpu().numpy()" in text


@pytest.mark.parametrize("target", TARGETS)
def test_auto_is_said_only_where_the_framework_takes_no_gpu_unasked(target: str, subject: Subjects) -> None:
    text = written(subject, target, "auto")
    assert ("DEVICE = " in text) == (target in ("torch", "mxnet"))


LATE = pytest.mark.slow("TensorFlow starts and compiles for long; PyTorch and JAX do not")


@pytest.mark.parametrize(
    ("target", "device"),
    [
        ("torch", "cpu"),
        ("torch", "auto"),
        ("jax", "cpu"),
        pytest.param("tensorflow", "cpu", marks=LATE),
        pytest.param("keras", "cpu", marks=LATE),
    ],
)
def test_on_a_cpu_it_trains_as_without(target: str, device: str, subject: Subjects, tmp_path: Path) -> None:
    if engine_for(target) is None:
        pytest.skip(f"the framework of {target} is not installed")
    first, rng = subject("mlp").weights, np.random.default_rng(0)
    x = rng.normal(size=(40, 28, 28, 1)).astype("float32")
    np.savez(tmp_path / "data.npz", x=x, y=rng.integers(0, 10, 40))
    np.savez(tmp_path / "first.npz", **first)  # type: ignore[arg-type]
    (tmp_path / "plain.py").write_text(written(subject, target))
    (tmp_path / "placed.py").write_text(written(subject, target, device))
    done = subprocess.run(
        [sys.executable, "-c", BOTH],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "KERAS_BACKEND": "torch", "CUDA_VISIBLE_DEVICES": "-1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    with np.load(tmp_path / "plain.npz") as plain, np.load(tmp_path / "placed.npz") as placed:
        for name in first:
            np.testing.assert_allclose(placed[name], plain[name], rtol=1e-6, atol=1e-7)
            assert np.any(plain[name] != first[name]), f"{name} was not trained"


def test_a_notebook_has_the_device_too(subject: Subjects) -> None:
    cells = json.loads(notebook(written(subject, "torch", "cuda:0")))["cells"]
    code = ["".join(cell["source"]) for cell in cells[1:]]
    assert 'DEVICE = "cuda:0"' in code[0]
    assert code[-1].lstrip().startswith("with np.load(data_path)")
    assert "with torch.device(DEVICE):\n    model = " in code[-1]


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "tpu:0", "mps"])
def test_a_device_that_is_none_is_refused(device: str, subject: Subjects) -> None:
    with pytest.raises(CrosstrainError, match=f"for the devices cpu, cuda:N and auto, not for '{device}'"):
        written(subject, "torch", device)
