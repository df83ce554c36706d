"""Which engines there are. A row for each; other packages add theirs by an entry point.

An entry point of the group ``crosstrain.engines`` names an ``EngineRow``. Nothing here imports a framework.
``torch@2.12`` is the engine ``torch`` with that release of its framework, in an environment of its own.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, entry_points, version
from typing import Any

from crosstrain.engines.contract import Engine, InferenceEngine

GROUP = "crosstrain.engines"
RELEASE = re.compile(r"\d+(\.\d+)+((a|b|rc)\d+)?(\.post\d+)?")
"""A release, or the first parts of one: ``2.12`` is the newest of 2.12."""


@dataclass(frozen=True)
class EngineRow:
    """``module`` holds ``ENGINE``; ``imports`` are the packages that it needs, the framework first;
    ``distribution`` is the framework's name on the package index; ``requirements`` (a file beside this one)
    pins everything that its own environment has. ``variables`` are set before its process starts.
    ``reads`` is the format of the files that an engine for inference alone runs (``onnx``, ``tflite``).
    ``python`` is the range of Pythons that the framework has wheels for, first and last minor version.
    ``sources`` are the distributions that exist as source alone, ``programs`` what must be on the PATH (or,
    as a library, be found): names of the same thing, of which one is enough. ``compiles`` says that it
    compiles a whole network before it runs it, for as long as others take for a whole proof. ``release``
    is the framework's, where the name asks for one ("": as pinned).
    """

    name: str
    module: str
    imports: tuple[str, ...]
    distribution: str
    requirements: str = ""
    reads: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    python: tuple[tuple[int, int], tuple[int, int]] = ((3, 11), (3, 13))
    sources: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    compiles: bool = False
    release: str = ""

    @property
    def trains(self) -> bool:
        """Whether it satisfies ``Engine``; those that read files satisfy ``InferenceEngine``."""
        return not self.reads

    @property
    def native(self) -> bool:
        """Whether it is the framework's own code that trains, not Keras on top of it."""
        return self.imports[0] != "keras"

    @property
    def importable(self) -> bool:
        """Whether the running Python has the framework; nothing is imported. A folder that happens to have
        its name is not enough."""
        specs = [importlib.util.find_spec(name) for name in self.imports]
        if self.release and not self.version:
            return False
        return all(spec and (spec.origin or self.version) for spec in specs)

    @property
    def version(self) -> str | None:
        """The framework's version in the running Python, read without importing it; None where it is
        missing, or not of this release."""
        for name in (self.distribution, f"{self.distribution}-cpu"):
            try:
                here = version(name)
            except PackageNotFoundError:
                continue
            return here if self.is_of(here) else None
        return None

    def is_of(self, version: str) -> bool:
        """Whether a version of the framework is one of this release: 2.12 is of 2.1 no more than of 2."""
        public = version.partition("+")[0]
        return not self.release or public == self.release or public.startswith(f"{self.release}.")

    @property
    def how_to_install(self) -> str:
        """The command that makes this engine available."""
        return (
            f"crosstrain engines install {self.name}"
            if self.requirements
            else f"pip install {self.distribution}"
        )

    def load(self) -> Engine:
        """Import the framework and give its engine. Only a worker process should."""
        engine: Engine = self._engine()
        return engine

    def load_for_inference(self) -> InferenceEngine:
        """Likewise, of a row that ``reads`` files."""
        engine: InferenceEngine = self._engine()
        return engine

    def _engine(self) -> Any:
        return importlib.import_module(self.module).ENGINE


NUMPY_1 = ((3, 11), (3, 11))
"""For frameworks that need NumPy 1.23, whose last wheels are for Python 3.11."""


def _own(name: str, distribution: str = "", **more: Any) -> EngineRow:
    """An engine called like its folder, its package and its requirements."""
    return EngineRow(name, f"crosstrain.engines.{name}", (name,), distribution or name, f"{name}.txt", **more)


def _inference(name: str, package: str, distribution: str, reads: str) -> EngineRow:
    """An engine that reads files and only predicts."""
    module = f"crosstrain.engines.inference.{name}"
    return EngineRow(name, module, (package,), distribution, f"{name}.txt", reads=reads)


def _keras(backend: str) -> EngineRow:
    """Keras on one of its backends."""
    return EngineRow(
        f"keras-{backend}", "crosstrain.engines.keras", ("keras", backend), "keras", f"keras-{backend}.txt",
        variables={"KERAS_BACKEND": backend}, compiles=backend == "jax",
    )  # fmt: skip


BUILT_IN = (
    _own("torch"),
    _own("tensorflow"),
    _own("jax", compiles=True),
    _keras("torch"),
    _keras("tensorflow"),
    _keras("jax"),
    _own("mxnet", python=NUMPY_1),
    _own("paddle", "paddlepaddle"),
    _own("mindspore", python=((3, 11), (3, 12))),
    _own("mlx"),
    _own("tinygrad"),
    _own("theano", "Theano", python=NUMPY_1, sources=("Theano",), programs=("g++",), compiles=True),
    _inference("onnxruntime", "onnxruntime", "onnxruntime", reads="onnx"),
    _inference("openvino", "openvino", "openvino", reads="onnx"),
    _inference("opencv", "cv2", "opencv-python-headless", reads="onnx"),
    _inference("litert", "ai_edge_litert", "ai-edge-litert", reads="tflite"),
)


COMPANIONS = {
    row.name: row
    for row in (
        EngineRow("flax", "crosstrain.engines.jax", ("flax", "optax", "jax"), "flax", "flax.txt"),
        EngineRow(
            "lightning", "crosstrain.engines.torch", ("lightning", "torch"), "lightning", "lightning.txt"
        ),
    )
}  # fmt: skip
"""Libraries on top of an engine's framework that ``crosstrain code`` writes for. They are no engines, but are
installed as engines are."""


class Engines(dict[str, EngineRow]):
    """Engines by name. ``NAME@RELEASE`` is one of them at that release, though it is not listed."""

    def __missing__(self, name: str) -> EngineRow:
        base, _, release = name.partition("@")
        if not RELEASE.fullmatch(release) or not super().__contains__(base):
            raise KeyError(name)
        return replace(self[base], name=name, release=release)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def get(self, name: str, default: Any = None) -> Any:
        try:
            return self[name]
        except KeyError:
            return default


def engines() -> Engines:
    """All engines by name, built-in ones first."""
    rows = Engines({row.name: row for row in BUILT_IN})
    for point in entry_points(group=GROUP):
        row: EngineRow = point.load()
        rows.setdefault(row.name, row)
    return rows


def installable() -> Engines:
    """All engines, and the libraries on top of their frameworks."""
    rows = engines()
    rows.update(COMPANIONS)
    return rows


def engine_of(entrant: str) -> str:
    """The engine behind the name of what takes part in a comparison: ``torch`` of ``torch``, and of
    ``torch@tuned``, which is the same engine under a further name, with options of its own; ``torch@2.12``
    is an engine, that of ``torch@2.12@tuned`` too."""
    name, *more = entrant.split("@")
    return f"{name}@{more[0]}" if more and RELEASE.fullmatch(more[0]) else name


def engine_row(name: str) -> EngineRow:
    """The row called ``name``; ``ValueError`` names those there are."""
    rows = engines()
    if name not in rows:
        raise ValueError(f"there is no engine {name!r}; there are {', '.join(rows)}")
    return rows[name]
