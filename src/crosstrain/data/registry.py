"""Which data sets there are: a row for each. Nothing here imports OpenCV or reads a file."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from crosstrain.data.limit import limited
from crosstrain.data.options import (
    BOXES,
    CAPTIONS,
    LINES,
    SERIES,
    SHAPES,
    TABLE,
    TEXT,
    WORDS,
    Option,
    Setting,
    read_options,
    split_spec,
)
from crosstrain.data.prepared import SPLITS, Prepared
from crosstrain.data.source import Files, Request, Source
from crosstrain.data.split import TIME
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
    besides its own, and how it makes pictures ``fit`` the size asked for (``data.images.decoding.FITS``).
    ``options`` are the settings that a spec may have behind the path. ``resized`` says whether pictures come
    at a network's own size where none is asked for."""

    name: str
    form: str
    what: str
    where: str
    files: tuple[str, ...]
    module: str
    splits: tuple[str, ...] = ()
    fit: str = "stretched"
    options: tuple[Option, ...] = ()
    resized: bool = True

    def reader(self) -> Reader:
        return cast(Reader, importlib.import_module(f"crosstrain.data.sets.{self.module}"))

    def read(self, location: Path, request: Request) -> Source:
        """What its reader reads, with no more of each class than was asked for."""
        source = self.reader().read(location, request)
        if request.limit is None:
            return source
        try:
            return limited(source, request.limit, request.seed)
        except BaseException:
            source.close()
            raise


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
        splits=(TIME,),
        resized=False,
    ),
    DataSet(
        "series",
        "series:FILE[:window=20,horizon=1]",
        "a series of numbers to forecast, in time order",
        "yours: numbers separated by spaces, commas or lines, or a CSV with a time column",
        ("FILE: one series, or a CSV with a line of names and a column for each variable",),
        "sequences.series",
        options=SERIES,
        resized=False,
    ),
    DataSet(
        "text",
        "text:FILE.csv|DIR[:tokens=words]",
        "texts with labels, or the text of a language model",
        "yours: a CSV, a folder of text files for each label, or a plain text file",
        (
            "FILE.csv with a column of texts and one of labels",
            "or CLASS/*.txt",
            "or FILE.txt, whose next token is to be predicted",
        ),
        "sequences.text",
        splits=(TIME,),
        options=TEXT,
        resized=False,
    ),
    DataSet(
        "table",
        "table:FILE.csv|.parquet:target=NAME",
        "a table of numbers and categories, one column of which is to be predicted",
        "yours: a CSV with a line of names, or a Parquet file",
        ("FILE: a row for each example",),
        "table",
        splits=(TIME,),
        options=TABLE,
        resized=False,
    ),
    DataSet(
        "labelled-sequences",
        "labelled-sequences:DIR[:height=32]",
        "lines of text as pictures, with what they say, for CTC",
        "yours: PNG, JPEG, PPM, BMP, WebP or TIFF files, and a file of texts",
        (
            "labels.csv or labels.tsv: a line of names, then PICTURE,TEXT; or labels.txt: PICTURE, tab, TEXT",
            "the pictures, beside it or in images/",
        ),
        "sequences.lines",
        fit="padded",
        options=LINES,
        resized=False,
    ),
    DataSet(
        "rendered-words",
        "rendered-words[:count=2000,letters=7]",
        "synthetic: made-up words drawn with OpenCV's fonts, as labelled sequences",
        "built in: drawn anew, the same for the same seed",
        (),
        "sequences.words",
        fit="padded",
        options=WORDS,
        resized=False,
    ),
    DataSet(
        "captions",
        "captions:DIR[:length=20]",
        "pictures with sentences that describe them",
        "yours: PNG, JPEG, PPM, BMP, WebP or TIFF files, and a file of captions",
        (
            "captions.csv or captions.tsv: a line of names, then PICTURE,CAPTION; or captions.txt: PICTURE, "
            "tab, CAPTION",
            "the pictures, beside it or in images/",
        ),
        "sequences.captions",
        fit="cropped",
        options=CAPTIONS,
        resized=False,
    ),
    DataSet(
        "drawn-shapes",
        "drawn-shapes[:count=2000]",
        "synthetic: drawn shapes, each with two captions",
        "built in: drawn anew, the same for the same seed",
        (),
        "sequences.shapes",
        options=SHAPES,
        resized=False,
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
        fit="cropped",
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
        "regions.segmentation",
    ),
    DataSet(
        "voc",
        "voc:DIR-or-tar",
        "pictures with boxes, as Pascal VOC has them and many tools write them",
        "host.robots.ox.ac.uk/pascal/VOC, or yours (labelImg and others write it)",
        (
            "Annotations/*.xml and JPEGImages/*",
            "ImageSets/Main/train.txt, val.txt and test.txt, if you have them",
        ),
        "regions.voc",
        options=BOXES,
    ),
    DataSet(
        "coco",
        "coco:DIR-or-zip",
        "pictures with boxes in COCO's JSON",
        "cocodataset.org, or yours (CVAT, Label Studio, Roboflow and others write it)",
        (
            "annotations/instances_train….json and train…/*, and val…, test… if you have them",
            "or train/_annotations.coco.json among its pictures; or one file and images/*",
        ),
        "regions.coco",
        options=BOXES,
    ),
    DataSet(
        "parquet",
        "parquet:FILE-or-folder",
        "tables of pictures with a class each, as Hugging Face's data sets are; needs pyarrow",
        "Hugging Face's hub, or datasets.Dataset.to_parquet",
        (
            "train-….parquet, and validation-… and test-… if you have them, or folders of these names",
            "columns image (bytes of PNG or JPEG files) and label (numbers or texts)",
        ),
        "parquet",
        fit="cropped",
    ),
)


def datasets() -> dict[str, DataSet]:
    """All data sets by name."""
    return {row.name: row for row in BUILT_IN}


def parse(spec: str) -> tuple[DataSet, Path]:
    """The row and the location that ``spec`` (``NAME`` or ``NAME:PATH``) names; built-in ones have none."""
    row, path, written = _spelled(spec)
    name = row.name
    read_options(row.form, row.options, written)
    if not row.files:
        if path or (":" in spec and not written):
            raise CrosstrainError(f"{name} is built in and takes no path: write {row.form}")
        return row, Path()
    if not path:
        raise CrosstrainError(f"{name} needs to know where its files are: write {row.form}")
    location = Path(path).expanduser()
    if not location.exists():
        raise CrosstrainError(f"{spec}: there is no file or folder {location}")
    return row, location


def options_of(spec: str) -> dict[str, Setting]:
    """The settings behind the path of ``spec``, those that are given. ``CrosstrainError`` for wrong ones."""
    row, _, written = _spelled(spec)
    return read_options(row.form, row.options, written)


def _spelled(spec: str) -> tuple[DataSet, str, str]:
    """The row, the path and the settings' text that ``spec`` has; settings only where the row has any."""
    rows = datasets()
    name, _, path = spec.partition(":")
    row = rows.get(name)
    if row is None:
        near = difflib.get_close_matches(name, rows, 1)
        hint = f"did you mean {rows[near[0]].form}?" if near else f"there are {_forms(rows)}"
        raise CrosstrainError(f"there is no data set {name!r}; {hint}")
    return (row, *split_spec(spec)[1:]) if row.options else (row, path, "")


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
