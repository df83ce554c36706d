"""What ``import crosstrain`` offers: everything promised, nothing heavy before it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import crosstrain


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_import_loads_nothing_else() -> None:
    loaded = run("import sys, crosstrain; print(*[m for m in sys.modules if m.startswith('crosstrain')])")
    assert loaded == "crosstrain"
    assert run("import sys, crosstrain; print({'numpy', 'keras', 'torch'} & set(sys.modules))") == "set()"


@pytest.mark.parametrize("name", crosstrain.__all__)
def test_every_promised_name_is_there(name: str) -> None:
    assert getattr(crosstrain, name) is getattr(crosstrain, name)
    assert name in dir(crosstrain)
    assert callable(getattr(crosstrain, name)) or name == "zoo"


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'compere'"):
        _ = crosstrain.compere


@pytest.mark.parametrize(
    "first", ["", "import crosstrain.comparison.plan", "from crosstrain.engines import registry"]
)
def test_modules_and_functions_of_one_name_live_together(first: str) -> None:
    code = (
        "import crosstrain, crosstrain.comparison.plan as plan\n"
        "assert callable(crosstrain.compare) and crosstrain.comparison.plan is plan\n"
        "assert 'torch' in crosstrain.list_engines()\n"
        "from crosstrain.engines.registry import engines\n"
        "try: crosstrain.compare('nonsense', 'digits')\n"
        "except crosstrain.CrosstrainError as error: print(error)"
    )
    assert "there is no network 'nonsense'" in run(f"{first}\n{code}")


def test_the_version_is_the_distributions() -> None:
    from importlib.metadata import version

    assert crosstrain.__version__ == version("crosstrain")


def test_type_checkers_see_the_names_that_are_there() -> None:
    """The imports for type checkers and the table say the same."""
    import ast
    from pathlib import Path

    tree = ast.parse(Path(crosstrain.__file__).read_text())
    (block,) = [each for each in tree.body if isinstance(each, ast.If)]
    imported = {
        alias.asname: each.module
        for each in block.body
        if isinstance(each, ast.ImportFrom) and each.module != "typing"
        for alias in each.names
    }
    assert imported == {**crosstrain._HOME, "zoo": "crosstrain"}
    assert sorted(imported) == crosstrain.__all__


def test_the_package_can_be_executed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "crosstrain", "--version"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.split()[0]) == (0, "crosstrain"), done.stderr
    wrong = subprocess.run(
        [sys.executable, "-m", "crosstrain", "prove", "nonsense"], capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("crosstrain: there is no network 'nonsense'")


def test_help_of_a_function_lists_its_parameters() -> None:
    shown = run("import crosstrain; help(crosstrain.compare)")
    assert "compare(network: Any, data: Any, *, engines: " in shown
    assert "batch_size: int | None = None" in shown
    assert "batch_size: Examples in a batch (default 64)." in shown
    assert "Train networks natively on engines" in shown
