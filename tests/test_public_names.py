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
