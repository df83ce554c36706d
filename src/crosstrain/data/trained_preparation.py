"""What a training did to its data, kept beside its network, so that other data can be prepared alike.

Scales and whitening are those that the training fitted: new data is never measured by itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.data.augmentation.augmenter import evaluated, evaluated_boxes, evaluated_maps
from crosstrain.data.augmentation.evaluation import training_form
from crosstrain.data.augmentation.normalizing import Statistics
from crosstrain.data.cache import Progress
from crosstrain.data.images.decoding import one_by_one
from crosstrain.data.images.steps import parse_steps, prepared_table
from crosstrain.data.options import Setting
from crosstrain.data.prepared import Arrays, Prepared, array_file
from crosstrain.data.resemblance import Look
from crosstrain.data.sets.regions.proposals import with_proposals
from crosstrain.data.source import Request, Table
from crosstrain.data.writing import Meter, create, inputs_total, write_table
from crosstrain.errors import CrosstrainError
from crosstrain.system.files import read_arrays, write_arrays, write_json
from crosstrain.training.augmentation import checked, parts

FILE, STATISTICS = "preparation.json", "preparation.npz"
NEW = "new"
"""What arrays of other data are called where splits have their names."""
PIECE = 256
"""Examples that are in memory at a time."""


@dataclass(frozen=True)
class Applied:
    """Other data, prepared: ``inputs`` and ``targets`` by the data's names, memory-mapped; ``kept`` are the
    positions of its examples in the table that it came from, ``damaged`` sentences' parts about the rest."""

    inputs: Arrays
    targets: Arrays
    kept: np.ndarray
    damaged: tuple[str, ...]


@dataclass(frozen=True)
class TrainedPreparation:
    """``manifest`` is that of the data set before augmentation, ``targets`` its targets' specs as evaluation
    sees them, ``looks`` what the training part looked like, by input."""

    manifest: Mapping[str, Any]
    targets: Mapping[str, Any]
    augmentation: Mapping[str, Any] = field(default_factory=dict)
    statistics: Statistics = field(default_factory=dict)
    looks: Mapping[str, Look] = field(default_factory=dict)

    @classmethod
    def of(cls, data: Prepared, augmentation: Mapping[str, Any]) -> TrainedPreparation:
        """That of a data set in the form that evaluation sees."""
        source, statistics = training_form(data)
        inputs, _ = data.arrays("train")
        looks = {name: Look.of(array) for name, array in inputs.items()}
        return cls(source.manifest, data.manifest["targets"], augmentation, statistics, looks)

    def save(self, folder: Path) -> None:
        """Write it beside the definition of the network in ``folder``."""
        if self.statistics:
            write_arrays(folder / STATISTICS, self.statistics)
        record = {
            "manifest": self.manifest, "targets": self.targets, "augmentation": self.augmentation,
            "looks": {name: look.to_json() for name, look in self.looks.items()},
        }  # fmt: skip
        write_json(folder / FILE, record)

    @classmethod
    def load(cls, folder: Path) -> TrainedPreparation | None:
        """What ``save`` wrote to ``folder``, None where it did not. ``CrosstrainError`` where it is
        damaged."""
        path = folder / FILE
        try:
            record = json.loads(path.read_text())
            statistics = read_arrays(folder / STATISTICS) if (folder / STATISTICS).exists() else {}
            looks = {name: Look(**look) for name, look in record.pop("looks").items()}
            return cls(**record, statistics=statistics, looks=looks)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise CrosstrainError(
                f"{path} is damaged ({error}); delete it, and the training's data is read again"
            ) from error

    @property
    def classes(self) -> list[str]:
        """The names of the classes where there is one target that has any."""
        return list(self.manifest["classes"])

    @property
    def given(self) -> list[str]:
        """The inputs that are given; regions are looked for in the pictures."""
        return [name for name, spec in self.manifest["inputs"].items() if not spec.get("regions")]

    def picture(self, name: str) -> tuple[int, int, int] | None:
        """Height, width and channels of the pictures that the steps begin with; None for an input that is no
        pictures."""
        shape = (self.manifest.get("pictures") or {}).get(name)
        if shape is None and len(self.manifest["inputs"][name]["shape"]) == 3:
            shape = self.manifest["inputs"][name]["shape"]
        return None if shape is None else (int(shape[0]), int(shape[1]), int(shape[2]))

    def request(
        self, split: str = "", limit: int | None = None, options: Mapping[str, Setting] | None = None
    ) -> Request:
        """What a reader of another data set, with these settings in its spec, is asked for; or of the
        training's own, ``split`` and limited as it was."""
        common: dict[str, Any] = {
            "split": split, "limit": limit, "options": options or {},
            "fitted": self.manifest.get("facts") or {},
        }  # fmt: skip
        pictures = [shape for name in self.manifest["inputs"] if (shape := self.picture(name))]
        if len(pictures) != 1:
            return Request(**common)
        height, width, channels = pictures[0]
        return Request((height, width), channels if channels in (1, 3) else None, **common)

    def apply(self, folder: Path, table: Table, progress: Progress | None = None) -> Applied:
        """Prepare ``table`` into arrays in ``folder``. Examples with a damaged picture are left out and told.

        ``CrosstrainError`` where its inputs are not those of the training, or hold what is no number.
        """
        for name, spec in self.manifest["inputs"].items():
            if spec.get("regions") and name not in table.inputs and len(table.inputs) == 1:
                table = with_proposals(table, spec["shape"][0])
        stepped = prepared_table(table, parse_steps(",".join(self.manifest["steps"])))
        self._check(stepped)
        written = write_table(folder, NEW, stepped, Meter(inputs_total([stepped]), progress))
        kept = np.setdiff1d(np.arange(len(table)), np.asarray(written.left_out, int))
        inputs = {name: self._scaled(folder, name) for name in stepped.inputs} if len(kept) else {}
        targets = {name: self._target(folder, name) for name in stepped.targets}
        return Applied(inputs, targets, kept, tuple(written.damaged))

    def _check(self, table: Table) -> None:
        wanted = self.manifest["inputs"]
        if set(table.inputs) != set(wanted):
            raise CrosstrainError(f"the inputs are {_names(table.inputs)}; the training had {_names(wanted)}")
        for name, column in table.inputs.items():
            if list(column.shape) != list(wanted[name]["shape"]):
                here, there = (_sized(shape) for shape in (column.shape, wanted[name]["shape"]))
                raise CrosstrainError(f"the input {_named(name)}is {here}; in the training it was {there}")

    def _target(self, folder: Path, name: str) -> np.ndarray:
        """As evaluation sees it: of label maps the same centre as of the pictures."""
        array, settings = _load(folder, "target", name), parts(checked(self.augmentation), "evaluated")
        if (self.targets.get(name) or {}).get("boxes") and "crop" in settings:
            height, width = next(s for n in self.manifest["inputs"] if (s := self.picture(n)))[:2]
            return evaluated_boxes(settings, array, (height, width))
        is_map = (self.targets.get(name) or {}).get("void") is not None and array.ndim == 3
        return evaluated_maps(settings, array) if is_map and "crop" in settings else array

    def _scaled(self, folder: Path, name: str) -> np.ndarray:
        """The input as the network sees it: standardized by the training's numbers, then as evaluation under
        the augmentation."""
        array, scale = _load(folder, "input", name), self.manifest.get("standardized", {}).get(name)
        settings = parts(checked(self.augmentation), "evaluated")
        if len(self.manifest["inputs"][name]["shape"]) != 3 or array.dtype != np.float32:
            settings = {}
        if not scale and not settings:
            return array
        out: np.ndarray | None = None
        with one_by_one():
            for start in range(0, len(array), PIECE):
                piece = np.asarray(array[start : start + PIECE])
                piece = _standardized(piece, scale) if scale else piece
                piece = evaluated(settings, piece, self.statistics) if settings else piece
                if out is None:
                    path = folder / f"scaled.{array_file(NEW, 'input', name)}"
                    out = create(path, (len(array), *piece.shape[1:]), str(piece.dtype))
                out[start : start + len(piece)] = piece
        assert out is not None
        return out


def _standardized(piece: np.ndarray, scale: Mapping[str, list[float]]) -> np.ndarray:
    """As ``steps.standardize`` does it, to the same rounding."""
    mean, deviation = np.asarray(scale["mean"]), np.asarray(scale["deviation"])
    factor = (1 / np.where(deviation > 0, deviation, 1)).astype(piece.dtype)
    result: np.ndarray = (piece - mean.astype(piece.dtype)) * factor
    return result


def _load(folder: Path, kind: Any, name: str) -> np.ndarray:
    array: np.ndarray = np.load(folder / array_file(NEW, kind, name), mmap_mode="r", allow_pickle=False)
    return array


def _names(names: Mapping[str, Any]) -> str:
    return ", ".join(name or "one without a name" for name in names)


def _named(name: str) -> str:
    return f"{name!r} " if name else ""


def _sized(shape: Any) -> str:
    return "×".join(map(str, shape)) or "a number"
