"""A framework that is not one: small distributions for ``pip``, and what installs them in a process of its
own (``python -m tests.engines.fake_framework ROW.json``)."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from crosstrain.engines.registry import EngineRow

NAME = "fakeframe"

ENGINE = """
import fakeframe
from crosstrain.engines.contract import Description

class Fake:
    name = fakeframe.NAME
    def describe(self):
        return Description(fakeframe.VERSION, ("cpu",), ("float32",))

ENGINE = Fake()
"""

ROW = """
from crosstrain.engines.registry import EngineRow
ROW = EngineRow({name!r}, "fakeframe_engine", ("fakeframe",), "fakeframe", reads="fake")
"""

# Built without anything else: pip finds the backend inside. It waits for as long as the file is there.
BACKEND = """
import base64, pathlib, shutil, time

def build_wheel(folder, config=None, metadata=None):
    while pathlib.Path({slow!r}).exists():
        pathlib.Path({slow!r}).with_name("building").touch()
        time.sleep(0.05)
    shutil.copy({wheel!r}, folder)
    return pathlib.Path({wheel!r}).name
"""


def wheel(folder: Path, name: str, version: str, files: Mapping[str, str]) -> Path:
    """A wheel of a distribution with these files."""
    info = f"{name}-{version}.dist-info"
    content = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, text in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(text.encode())}\n"
    wheel_path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel_path, "w") as archive:
        for path, text in {**content, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(path, text)
    return wheel_path


def framework(folder: Path, version: str, engine: str = NAME) -> Path:
    """The wheel of the framework, which brings its engine and the row of it."""
    files = {
        "fakeframe/__init__.py": f"NAME, VERSION = {engine!r}, {version!r}\n",
        "fakeframe/kernels.py": "def add(a, b):\n    return a + b\n",
        "fakeframe_engine.py": ENGINE,
        "fakeframe_row.py": ROW.format(name=engine),
        f"fakeframe-{version}.dist-info/entry_points.txt": (
            f"[crosstrain.engines]\n{engine} = fakeframe_row:ROW\n"
        ),
    }
    return wheel(folder, NAME, version, files)


def numpy_by_link(folder: Path) -> Path:
    """A wheel that lets an environment see the NumPy of this Python, in place of an hour's download."""
    home = Path(np.__file__).parents[1]
    return wheel(folder, "borrowed", "1.0", {"borrowed.pth": f"{home}\n"})


def source(folder: Path, version: str, slow: Path) -> None:
    """The framework as source alone, whose build lasts for as long as ``slow`` exists."""
    (folder / "built").mkdir(exist_ok=True)
    built = framework(folder / "built", version)
    root = f"{NAME}-{version}"
    files = {
        f"{root}/pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = 'backend'\n"
        "backend-path = ['.']\n",
        f"{root}/backend.py": BACKEND.format(slow=str(slow), wheel=str(built)),
        f"{root}/PKG-INFO": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {version}\n",
    }
    with tarfile.open(folder / f"{root}.tar.gz", "w:gz") as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))


def row(requirements: Path, name: str = NAME, **more: object) -> EngineRow:
    """The row of the engine as the supervisor has it."""
    here = (3, sys.version_info.minor)
    fields = {"reads": "fake", "python": (here, here), **more}
    return EngineRow(name, "fakeframe_engine", (NAME,), NAME, str(requirements), **fields)  # type: ignore[arg-type]


def main(requirements: str, sources: str) -> None:
    from crosstrain.environments.installing import install

    done = install(
        row(Path(requirements), sources=tuple(filter(None, sources.split(",")))),
        lambda words: print(f"# {words}", flush=True),
    )
    print(json.dumps({"fresh": done.fresh, "python": done.environment.python}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
