"""Which data sets there are: a row for each. Nothing here imports OpenCV or reads a file."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from crosstrain.data.prepared import SPLITS, Prepared
from crosstrain.data.source import Files, Request, Source
from crosstrain.errors import CrosstrainError


class Reader(Protocol):
    """What the module of a data set has."""

    def files(self, location: Path) -> Files:
        """The files that make up the data set at ``location``: what its content hash is taken over.
        None for one that is built in."""

    def read(self, location: Path, request: Request) -> Source:
        """The data set as columns. Both raise ``CrosstrainError`` for one that cannot be used."""


@dataclass(frozen=True)
class DataSet:
    """A kind of data set: the ``form`` of its spec, ``what`` it is, ``where`` it is to be had, the
    ``files`` that are expected (none: built in), the ``module`` that reads it, ways to ``split`` it
    besides its own, and whether it ``crops`` pictures to the aspect ratio asked for, rather than stretching
    them."""

    name: str
    form: str
    what: str
    where: str
    files: tuple[str, ...]
    module: str
    splits: tuple[str, ...] = ()
    crops: bool = False

    def reader(self) -> Reader:
        return cast(Reader, importlib.import_module(f"crosstrain.data.sets.{self.module}"))


_IDX = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

BUILT_IN = (
    DataSet(
        "digits",
        "digits",
        "1,797 handwritten digits, 8x8 grey, 10 classes",
        "built in: scikit-learn carries it (UCI, optical recognition of handwritten digits)",
        (),
        "digits",
    ),
    DataSet(
        "mnist",
        "mnist:DIR",
        "MNIST: 70,000 handwritten digits, 28x28 grey, 10 classes",
        "the MNIST database of handwritten digits, by LeCun, Cortes and Burges",
        tuple(f"{name}.gz, or unpacked" for name in _IDX),
        "idx",
    ),
    DataSet(
        "fashion-mnist",
        "fashion-mnist:DIR",
        "Fashion-MNIST: 70,000 articles of clothing, 28x28 grey, 10 classes",
        "the Fashion-MNIST repository of Zalando Research",
        tuple(f"{name}.gz, or unpacked" for name in _IDX),
        "fashion",
    ),
    DataSet(
        "cifar10",
        "cifar10:DIR-or-tar",
        "CIFAR-10: 60,000 photographs, 32x32 RGB, 10 classes",
        "the CIFAR page of its author, Alex Krizhevsky (binary or python version)",
        ("the archive, or its files: data_batch_1.bin … data_batch_5.bin, test_batch.bin (or without .bin)",),
        "cifar",
    ),
    DataSet(
        "cifar100",
        "cifar100:DIR-or-tar",
        "CIFAR-100: 60,000 photographs, 32x32 RGB, 100 classes",
        "the CIFAR page of its author, Alex Krizhevsky (binary or python version)",
        ("the archive, or its files: train.bin, test.bin, fine_label_names.txt (or train, test, meta)",),
        "cifar100",
    ),
    DataSet(
        "gtsrb",
        "gtsrb:DIR-or-zip",
        "German Traffic Sign Recognition Benchmark: 51,839 signs of 15 to 250 pixels, RGB, 43 classes",
        "the benchmark's official archive (Institut für Neuroinformatik, Ruhr-Universität Bochum)",
        (
            "Final_Training/Images/000CC/TTTTT_FFFFF.ppm (or .png) and GT-000CC.csv",
            "Final_Test/Images/NNNNN.ppm and GT-final_test.csv, where there is a test set",
            "or subset.csv with a column Split in the place of both kinds of CSV",
            "or a single .npz with x_train, y_train, track_train, wh_train, roi_train, x_test, …",
        ),
        "gtsrb",
        splits=("random",),
    ),
    DataSet(
        "arrays",
        "arrays:FILE.npz",
        "your own arrays, for classification or regression, with one or several inputs and targets",
        "yours: numpy.savez, or a folder of .npy files",
        (
            "x_train, y_train; x_validation, y_validation and x_test, y_test if you have them",
            "or x and y, which are split at random",
            "several inputs or targets: x_train/NAME, y_train/NAME",
        ),
        "arrays",
    ),
    DataSet(
        "folder",
        "folder:DIR",
        "your own images, a folder for each class",
        "yours: PNG, JPEG, PPM, BMP, WebP or TIFF files",
        (
            "CLASS/*.png, or train/CLASS/*.png, and val/ and test/ if you have them",
            "or val/*.png with a list of their classes: val.txt, or val/val_annotations.txt",
        ),
        "folder",
        crops=True,
    ),
    DataSet(
        "segmentation",
        "segmentation:DIR",
        "your own pictures with a class for every pixel; CamVid as SegNet's release has it",
        "yours: pictures, and label maps as PNG (grey or with a palette)",
        (
            "train/*.png and trainannot/*.png, and val…, test… if you have them",
            "or images/* and masks/*.png, also with train/, val/ and test/ in or around them",
            "classes.txt, if you have it: VALUE NAME in each line; void is not learnt (default: 255)",
        ),
        "segmentation",
    ),
)


def datasets() -> dict[str, DataSet]:
    """All data sets by name."""
    return {row.name: row for row in BUILT_IN}


def parse(spec: str) -> tuple[DataSet, Path]:
    """The row and the location that ``spec`` (``NAME`` or ``NAME:PATH``) names; built-in ones have none."""
    rows = datasets()
    name, colon, path = spec.partition(":")
    row = rows.get(name)
    if row is None:
        near = difflib.get_close_matches(name, rows, 1)
        hint = f"did you mean {rows[near[0]].form}?" if near else f"there are {_forms(rows)}"
        raise CrosstrainError(f"there is no data set {name!r}; {hint}")
    if not row.files:
        if colon:
            raise CrosstrainError(f"{name} is built in and takes no path: write {row.form}")
        return row, Path()
    if not path:
        raise CrosstrainError(f"{name} needs to know where its files are: write {row.form}")
    location = Path(path).expanduser()
    if not location.exists():
        raise CrosstrainError(f"{spec}: there is no file or folder {location}")
    return row, location


def _forms(rows: Mapping[str, DataSet]) -> str:
    return ", ".join(row.form for row in rows.values())


def describe(prepared: Prepared) -> str:
    """A prepared data set in a few lines of text, for people."""
    manifest = prepared.manifest
    splits = ", ".join(f"{manifest['splits'][split]:,} for {split}" for split in SPLITS)
    lines = [f"{manifest['spec']}: {manifest['task']}, {splits}"]
    for kind in ("inputs", "targets"):
        for name, spec in manifest[kind].items():
            shape = "x".join(map(str, spec["shape"])) or "one value"
            classes = f", {spec['classes']} classes" if spec.get("classes") else ""
            lines.append(f"  {kind[:-1]}{f' {name}' if name else ''}: {shape}, {spec['dtype']}{classes}")
    lines += [f"  warning: {sentence}" for sentence in prepared.warnings]
    return "\n".join(lines)
