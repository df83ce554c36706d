"""Who may import whom: the rules of the house, read from the source."""

from __future__ import annotations

import ast
import functools
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "crosstrain"

FLOORS = (
    "errors",
    "system",
    "statistics",
    "results",
    "detection",
    "training",
    "layers",
    "zoo",
    "graph",
    "data",
    "engines",
    "environments",
    "runs",
    "proof",
    "source",
    "exchange",
    "inside",
    "classic",
    "advice",
    "forecasting",
    "comparison",
    "inference",
    "prediction",
    "tuning",
    "criteria",
    "conformance",
    "difference",
    "reporting",
    "studies",
    "archive",
    "api",
    "testing",
    "cli",
    "__main__",
    "__init__",
)
"""The house from the ground up: each floor imports only those before it. On top ``python -m crosstrain``,
and the package's face, which nobody imports."""

FRAMEWORKS = {
    "torch", "tensorflow", "jax", "jaxlib", "keras", "mxnet", "paddle", "mindspore", "mlx", "tinygrad",
    "theano", "onnxruntime", "openvino", "ai_edge_litert",
}  # fmt: skip
OWN = {
    "caffe": {"cv2"},
    "jax": {"jax", "jaxlib"},
    "keras": {"keras", "torch", "tensorflow", "jax"},
    "litert": {"ai_edge_litert"},
    "opencv": {"cv2"},
    "theano": {"theano", "scipy"},
    "tflite": {"tensorflow"},
}
"""What the folder of a framework or a format may import where it is not just the package of the same name."""
LIGHT = {"numpy", "crosstrain", *sys.stdlib_module_names}
"""What modules that load in any engine's environment may import, besides their own framework."""

KNOWS_ALL = {"proof/truths/by_keras.py"}
"""Asks Keras on each of its backends, and has to know them."""
SWITCHES = {"classic/arrays.py": {"jax"}}
"""Modules that take arrays of any framework, and the frameworks whose switches they have to set."""
KERAS_SIDE = (
    "layers/",
    "zoo/",
    "classic/stochastic/keras_model.py",
    "graph/keras_",
    "graph/define.py",
    "runs/restored.py",
    "proof/truths/constants.py",
    *KNOWS_ALL,
)
"""Works where Keras is, and imports it."""
WORKER_SIDE = (
    "__init__.py", "errors.py", "system/clocks.py", "system/files.py", "detection/", "training/", "graph/",
    "engines/", "data/prepared.py", "runs/worker.py", "runs/tasks/", "proof/evidence.py", "inside/methods/",
    "conformance/cases/", "conformance/holding/",
)  # fmt: skip
"""Loads in any engine's environment (of ``graph/``, what is not Keras's side)."""

LONGEST, MOST_IN_A_FOLDER = 500, 16

MODULES = sorted(ROOT.rglob("*.py"))


# -- reading ----------------------------------------------------------------------------------------
Import = tuple[str, tuple[str, ...]]
"""The dotted name of what is imported, and the names taken from it."""


def imports(path: Path, *, everywhere: bool) -> tuple[Import, ...]:
    """The imports of a module; those inside functions too if ``everywhere``. Imports for type checkers alone
    do not count."""
    return _imports(path.read_text(), everywhere)


@functools.cache
def _imports(text: str, everywhere: bool) -> tuple[Import, ...]:
    def visit(node: ast.AST) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            yield from ((alias.name, ()) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"there is a relative import: {ast.unparse(node)}"
            yield str(node.module), tuple(alias.name for alias in node.names)
        children: list[ast.AST] = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            children = list(node.orelse)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not everywhere:
            children = []
        for child in children:
            # Imports are statements: whatever is not one holds none.
            if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
                yield from visit(child)

    return tuple(visit(ast.parse(text)))


def packages(path: Path, *, everywhere: bool) -> set[str]:
    """The top-level names of what a module imports."""
    return {name.split(".")[0] for name, _ in imports(path, everywhere=everywhere)}


def relative(path: Path, root: Path = ROOT) -> str:
    return path.relative_to(root).as_posix()


def tree(root: Path, *, everywhere: bool = True) -> dict[str, set[str]]:
    """For each module of the package at ``root``, as its path, those of the package that it imports."""
    modules = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(("crosstrain", *(parts[:-1] if parts[-1] == "__init__" else parts)))
        modules[name] = relative(path, root)

    def targets(name: str, taken: tuple[str, ...]) -> Iterator[str]:
        if name not in modules:
            return
        submodules = [modules[f"{name}.{each}"] for each in taken if f"{name}.{each}" in modules]
        yield from submodules
        if len(submodules) < len(taken) or not taken:
            yield modules[name]

    return {
        file: {
            target
            for name, taken in imports(root / file, everywhere=everywhere)
            for target in targets(name, taken)
        }
        for file in modules.values()
    }


# -- floors -----------------------------------------------------------------------------------------
def floor(file: str) -> int:
    """The number of a module's floor, from 0; ``ValueError`` for a package that has none."""
    room = file.partition("/")[0].removesuffix(".py")
    if room not in FLOORS:
        raise ValueError(f"{room} has no floor; give it one in FLOORS")
    return FLOORS.index(room)


def upward(modules: Mapping[str, set[str]]) -> list[str]:
    """The imports that go up, as sentences."""
    return [
        f"{file} imports {target}, which is above it"
        for file, targets in modules.items()
        for target in sorted(targets)
        if floor(target) > floor(file)
    ]


def circle(modules: Mapping[str, set[str]]) -> list[str]:
    """The modules of an import circle, in the order in which they do so; [] where there is none."""
    try:
        TopologicalSorter(modules).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


def test_no_import_goes_up() -> None:
    assert upward(tree(ROOT)) == []


def test_no_import_goes_in_a_circle() -> None:
    assert circle(tree(ROOT)) == []


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the package, to plant faults in."""
    root = tmp_path / "crosstrain"
    shutil.copytree(ROOT, root, ignore=lambda _, names: [n for n in names if n.endswith((".pyc", ".so"))])
    return root


def plant(path: Path, text: str) -> None:
    path.write_text(f"{path.read_text()}\n\n{text}\n")


@pytest.mark.parametrize(
    "text",
    [
        "from crosstrain.cli import app",
        "import crosstrain.cli",
        "def late():\n    from crosstrain import cli",
        "class Late:\n    def __init__(self):\n        import crosstrain.cli as face",
    ],
)
def test_an_import_that_goes_up_is_seen(house: Path, text: str) -> None:
    plant(house / "system" / "files.py", text)
    assert upward(tree(house)) == ["system/files.py imports cli/__init__.py, which is above it"]


def test_the_face_is_imported_by_nobody(house: Path) -> None:
    plant(house / "comparison" / "pairs.py", "from crosstrain import compare")
    assert upward(tree(house)) == ["comparison/pairs.py imports __init__.py, which is above it"]


def test_an_import_for_type_checkers_alone_does_not_count(house: Path) -> None:
    plant(house / "system" / "files.py", "if TYPE_CHECKING:\n    from crosstrain.cli import app")
    assert upward(tree(house)) == []


def test_a_circle_is_seen(house: Path) -> None:
    plant(house / "graph" / "node.py", "def late():\n    from crosstrain.graph.graph import Graph")
    found = circle(tree(house))
    assert found[0] == found[-1]
    assert {"graph/node.py", "graph/graph.py"} <= set(found)


def test_a_package_without_a_floor_is_seen(house: Path) -> None:
    (house / "attic").mkdir()
    (house / "attic" / "__init__.py").write_text("from crosstrain import errors\n")
    with pytest.raises(ValueError, match="attic has no floor"):
        upward(tree(house))


def test_every_floor_is_there() -> None:
    assert {file.partition("/")[0].removesuffix(".py") for file in tree(ROOT)} == set(FLOORS)


# -- frameworks -------------------------------------------------------------------------------------
def own(file: str) -> set[str]:
    """The packages of the framework or format that a module is about: ``torch`` for ``engines/torch/ops.py``
    and ``exchange/torch_file.py``."""
    room, _, rest = file.removesuffix(".py").partition("/")
    if room not in ("engines", "exchange"):
        return set()
    name = rest.removeprefix("inference/").partition("/")[0].partition("_")[0]
    return OWN.get(name, {name})


def light(file: str) -> bool:
    return file.startswith(WORKER_SIDE) and not file.startswith(KERAS_SIDE)


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_only_a_framework_s_own_modules_import_it(path: Path) -> None:
    file, taken = relative(path), packages(path, everywhere=True)
    if file not in KNOWS_ALL:
        strange = FRAMEWORKS & taken - own(file) - SWITCHES.get(file, set()) - (
            {"keras"} if file.startswith(KERAS_SIDE) else set()
        )
        assert not strange, f"{file} imports {sorted(strange)}"
    if light(file):
        heavy = taken - LIGHT - own(file)
        assert not heavy, f"{file} must load in any engine's environment but imports {sorted(heavy)}"


def test_what_loads_with_a_worker_is_light_to_the_ground() -> None:
    """What a worker-side module imports at its top, and what that imports, loads where there is NumPy and,
    for the modules of a framework, that one."""
    modules = tree(ROOT, everywhere=False)
    for root in filter(light, modules):
        reached, waiting = {root}, [root]
        while waiting:
            file = waiting.pop()
            heavy = packages(ROOT / file, everywhere=False) - LIGHT - own(root)
            assert not heavy, f"{root} loads {file}, which imports {sorted(heavy)}"
            waiting += modules[file] - reached
            reached |= modules[file]


def test_supervising_modules_import_no_worker_side_framework_module() -> None:
    """The command line, and all that it imports at the top, starts without Keras, a framework, or what takes
    as long to import."""
    code = (
        "import sys, crosstrain.cli, crosstrain.api; "
        "bad = {'keras', 'torch', 'tensorflow', 'jax', 'sklearn', 'scipy', 'pandas', 'pyarrow', 'altair', "
        "'optuna', 'onnx'} & set(sys.modules); "
        "sys.exit(f'imports {bad}' if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_nothing_is_pickled() -> None:
    for path in MODULES:
        assert "pickle" not in packages(path, everywhere=True), f"{relative(path)} imports pickle"


# -- sizes ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_no_module_is_longer_than_500_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST


def test_no_folder_is_crowded() -> None:
    """Whoever opens a folder sees at once what is in it."""
    for folder in sorted({path.parent for path in MODULES}):
        modules = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(modules) <= MOST_IN_A_FOLDER, f"{folder} has {len(modules)} modules"
