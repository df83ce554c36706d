"""The reading side of a prepared data set: a folder of ``.npy`` files and a manifest. Needs NumPy only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from crosstrain.errors import CrosstrainError

FORMAT = 1
"""Version of the folder's layout and of what preparation does; part of every content hash."""
SPLITS = ("train", "validation", "test")
MANIFEST = "manifest.json"
TARGET = "target/"
VOID = 255
"""In label maps: a pixel that is neither learnt nor judged."""

Arrays = dict[str, np.ndarray]
Value = TypeVar("Value")
Other = TypeVar("Other")


def array_file(split: str, kind: Literal["input", "target"], name: str) -> str:
    """The name of an array's file: ``train.input.npy``, or ``train.input.NAME.npy`` for a named one."""
    return f"{split}.{kind}.{name}.npy" if name else f"{split}.{kind}.npy"


def owners_name(split: str) -> str:
    """What is kept of ``Source.owners``, under the name that ``Prepared.kept`` takes."""
    return f"owners_{split}"


def kept_file(name: str) -> str:
    """The name of a further array's file."""
    return f"kept.{name}.npy"


@dataclass(frozen=True)
class Prepared:
    """A data set that is ready for training.

    ``manifest`` has ``format``, ``spec``, ``hash``, ``task`` (``classification``, ``segmentation``,
    ``detection``, ``transcription``, ``captioning`` or ``regression``), ``classes`` (names), ``inputs``
    (``{name: {"shape", "dtype"}}``, shapes of one example; of tokens ``vocabulary``, of boxes a true
    ``regions``), ``targets`` (the same with ``classes``, a number or None, of label maps ``void``, of texts
    and boxes what ``Source.specs`` says), ``splits`` (examples in each), ``class_counts`` (of label maps
    ``pixel_counts`` and ``class_frequency``, of boxes ``box_counts``), ``prepare_seconds``, ``warnings``
    (sentences) and ``facts``, what reading found (scales, a tokenizer). A single input or target is called
    ``""``. Pictures are float32 (H, W, C) in [0, 1]; labels are int64, label maps int32 (H, W), boxes float32
    (most, 5).
    ``cached`` says that nothing had to be done.
    """

    folder: Path
    manifest: Mapping[str, Any]
    cached: bool = False

    @classmethod
    def load(cls, folder: str | Path) -> Prepared:
        """The data set in ``folder``; ``CrosstrainError`` where there is none, or an incomplete one."""
        folder = Path(folder)
        try:
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise CrosstrainError(f"{folder} holds no prepared data set (no {MANIFEST})") from error
        except (OSError, ValueError) as error:
            raise CrosstrainError(
                f"{folder / MANIFEST} cannot be read ({error}); delete the folder"
            ) from error
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            raise CrosstrainError(
                f"{folder} was prepared by another version of crosstrain; delete the folder"
            )
        prepared = cls(folder, manifest)
        for split in SPLITS:
            prepared.arrays(split)
        return prepared

    @property
    def hash(self) -> str:
        """SHA-256 (hex) over the source's content, the preparation's settings and the format."""
        return str(self.manifest["hash"])

    @property
    def warnings(self) -> list[str]:
        return list(self.manifest["warnings"])

    def examples(self, split: str) -> int:
        """How many examples ``split`` has."""
        return int(self.manifest["splits"][split])

    def arrays(self, split: str) -> tuple[Arrays, Arrays]:
        """Inputs and targets of ``train``, ``validation`` or ``test`` by name, memory-mapped, read-only;
        the first axis counts examples."""
        if split not in SPLITS:
            raise CrosstrainError(f"there is no split {split!r}; there are {', '.join(SPLITS)}")
        inputs = {name: self._array(split, "input", name) for name in self.manifest["inputs"]}
        targets = {name: self._array(split, "target", name) for name in self.manifest["targets"]}
        return inputs, targets

    def kept(self, name: str) -> np.ndarray:
        """A further array that the data set keeps: the whole ``series`` of a forecast, its ``origins_…``,
        of captions ``owners_…``, which picture each is about."""
        path = self.folder / kept_file(name)
        try:
            array: np.ndarray = np.load(path, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise CrosstrainError(f"{path} cannot be read ({error}); delete its folder") from error
        return array

    def pictures(self) -> dict[str, list[int]]:
        """The shape, [H, W, C], of each input that is pictures: float32 with three axes."""
        inputs = self.manifest["inputs"].items()
        return {n: s["shape"] for n, s in inputs if len(s["shape"]) == 3 and s["dtype"] == "float32"}

    def label_maps(self) -> dict[str, list[int]]:
        """The shape, [H, W], of each target that is label maps."""
        return {n: s["shape"] for n, s in self.manifest["targets"].items() if s.get("void") is not None}

    def boxes(self) -> dict[str, list[int]]:
        """The shape, [most, 5], of each target that is boxes (``detection.truths``)."""
        return {name: s["shape"] for name, s in self.manifest["targets"].items() if s.get("boxes")}

    def regions(self) -> dict[str, list[int]]:
        """The shape, [n, 4], of each input that is boxes in the pictures, as shares of their sides."""
        return {name: s["shape"] for name, s in self.manifest["inputs"].items() if s.get("regions")}

    def target_specs(self) -> dict[str, dict[str, Any]]:
        """Shape, dtype and number of classes of each target, and whether its rows hold 0 and 1 only
        (``binary``), which decides the loss that fits."""
        _, targets = self.arrays("train")
        specs = self.manifest["targets"]
        return {name: {**spec, "binary": _binary(targets[name])} for name, spec in specs.items()}

    def _array(self, split: str, kind: Literal["input", "target"], name: str) -> np.ndarray:
        path = self.folder / array_file(split, kind, name)
        spec = self.manifest[f"{kind}s"][name]
        try:
            array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise CrosstrainError(f"{path} cannot be read ({error}); delete its folder") from error
        if array.shape != (self.examples(split), *spec["shape"]) or array.dtype != spec["dtype"]:
            raise CrosstrainError(f"{path} is not what its manifest says; delete its folder")
        return array


UNITS = {"series": "windows", "text": "texts", "table": "rows"}
"""What examples are called, by the kind of facts that a manifest has."""


def unit_of(manifest: Mapping[str, Any]) -> str:
    """What the examples of a data set are called, several of them, as in ``images/s``."""
    facts = manifest.get("facts") or {}
    named = next((unit for kind, unit in UNITS.items() if kind in facts), None)
    inputs = manifest.get("inputs") or {}
    pictures = not inputs or any(len(spec["shape"]) == 3 for spec in inputs.values())
    return named or ("images" if pictures else "examples")


def _binary(array: np.ndarray, rows: int = 4096) -> bool:
    """Whether an array of examples holds 0 and 1 only, looked through in parts."""
    parts = (array[start : start + rows] for start in range(0, len(array), rows))
    return all(bool(np.isin(part, (0, 1)).all()) for part in parts)


def pair(
    wanted: Mapping[str, Any] | list[str] | tuple[str, ...], available: Mapping[str, Value], what: str
) -> dict[str, str]:
    """Which of ``available`` each of ``wanted`` is: ``{wanted name: available name}``.

    A single one matches whatever its name, several match by name; a single target of the data stands for
    all outputs. ``what`` (``"input"``, ``"target"``) appears in the ``CrosstrainError`` that is raised where
    names are missing or unused.
    """
    names = list(wanted)
    if len(names) == 1 and len(available) == 1:
        return {names[0]: next(iter(available))}
    if what == "target" and set(available) == {""}:  # several heads learn the one target
        return dict.fromkeys(names, "")
    missing = [name for name in names if name not in available]
    unused = [name for name in available if name not in names]
    if missing or unused:
        raise CrosstrainError(
            f"the network's {what}s ({_listed(names)}) and the data's ({_listed(list(available))}) "
            f"do not match: name the data's arrays after the network's {what}s"
        )
    return {name: name for name in names}


def feed(
    graph_inputs: Mapping[str, Any] | list[str] | tuple[str, ...],
    target_names: Mapping[str, Any] | list[str] | tuple[str, ...],
    inputs: Mapping[str, Value],
    targets: Mapping[str, Other],
) -> tuple[dict[str, Value], dict[str, Other]]:
    """The data's ``inputs`` and ``targets`` under the network's names.

    ``graph_inputs`` are the names of the network's inputs, ``target_names`` those of the outputs that have
    a target (a ``target/`` before them is kept). The values may be arrays or anything else by name, such
    as the manifest's specs. Raises ``CrosstrainError`` where names do not match.
    """
    bare = {name.removeprefix(TARGET): name for name in target_names}
    return (
        {name: inputs[source] for name, source in pair(graph_inputs, inputs, "input").items()},
        {bare[name]: targets[source] for name, source in pair(bare, targets, "target").items()},
    )


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names) if any(names) else "one without a name"
