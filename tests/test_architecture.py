"""Who may import what: the rules of the house, read from the source."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "crosstrain"
FRAMEWORKS = {
    "torch", "tensorflow", "jax", "jaxlib", "keras", "mxnet", "paddle", "mindspore", "mlx", "tinygrad",
    "theano", "onnxruntime", "openvino", "ai_edge_litert",
}  # fmt: skip
OF_AN_ENGINE = {
    "caffe": {"cv2"},
    "jax": {"jax", "jaxlib"},
    "keras": {"keras", "torch", "tensorflow", "jax"},
    "litert": {"ai_edge_litert"},
    "opencv": {"cv2"},
    "theano": {"theano", "scipy"},
    "tflite": {"tensorflow"},
}
"""What the files of an engine, or of an exchange format, may import besides NumPy, where it is not just the
package of the same name."""
LIGHT = {"numpy", "crosstrain", *sys.stdlib_module_names}
"""What modules that load in any engine's environment may import."""

FREE = {"proof/truths/by_keras.py"}
"""Asks Keras on each of its backends, and has to know them."""
SUPERVISING = {
    f"engines/{name}.py" for name in ("environments", "installing", "pip", "descriptions", "doctor")
}

WORKER_SIDE = {
    "runs/worker.py", "runs/tasks/cell.py", "runs/tasks/describe.py", "runs/tasks/checkpoint.py", "data/prepared.py",
    "system/clocks.py", "system/files.py", "runs/tasks/inference.py", "runs/tasks/evaluation.py", "runs/tasks/material.py",
    "runs/tasks/predictions.py", "runs/tasks/training.py", "runs/tasks/trial.py", "proof/evidence.py", "errors.py",
    "__init__.py",
}  # fmt: skip
KERAS_SIDE = (
    "zoo/",
    "layers/",
    "graph/keras_",
    "graph/define.py",
    "proof/truths/by_keras.py",
    "runs/restored.py",
)

MODULES = sorted(ROOT.rglob("*.py"))


def imported(path: Path, *, everywhere: bool) -> set[str]:
    """Top-level names of the packages that a module imports; also inside functions if ``everywhere``.

    Imports for type checkers alone do not count.
    """
    tree = ast.parse(path.read_text())
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        if not everywhere and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(tree)
    return found


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_imports_follow_the_rules(path: Path) -> None:
    name = relative(path)
    everything = imported(path, everywhere=True)
    keras_side = name.startswith(KERAS_SIDE)
    engine = Path(name).stem.partition("_")[0] if name.startswith(("engines/", "exchange/")) else ""
    own = OF_AN_ENGINE.get(engine, {engine})
    allowed = own | ({"keras"} if keras_side else set())
    if name not in FREE:
        assert not FRAMEWORKS & everything - allowed, f"{name} imports {FRAMEWORKS & everything - allowed}"
    light = name in WORKER_SIDE or (name.startswith(("engines/", "training/")) and name not in SUPERVISING)
    light = light or (name.startswith("graph/") and not keras_side)
    if light:
        heavy = everything - LIGHT - own
        assert not heavy, f"{name} must load in any engine's environment but imports {sorted(heavy)}"


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_no_module_is_longer_than_500_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 500


def test_nothing_is_pickled() -> None:
    for path in MODULES:
        assert "pickle" not in imported(path, everywhere=True), f"{relative(path)} imports pickle"


def test_supervising_modules_import_no_worker_side_framework_module() -> None:
    """The command line, and all that it imports at the top, starts without Keras or a framework."""
    import subprocess

    code = (
        "import sys, crosstrain.cli, crosstrain.api; "
        "bad = {'keras', 'torch', 'tensorflow', 'jax'} & set(sys.modules); "
        "sys.exit(f'imports {bad}' if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
