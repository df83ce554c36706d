"""Damages files and reads them: every reader has to answer with an error of crosstrain's, and soon.

    python -m tests.fuzz_readers --reader keras --count 10000

Each file follows from its reader and its number, so that ``--first N --count 1`` repeats one.
"""

from __future__ import annotations

import argparse
import gzip
import io
import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.fuzzing import Reader, Reading, readings, watched
from tests.mutations import damaged, in_member, other_value, reworded

EXAMPLES = Path(__file__).parent / "exchange" / "files"


def fuzz(name: str, numbers: range) -> Iterator[Reading]:
    """What a reader of ``READERS`` does with the damaged files of these numbers."""
    return readings(name, READERS[name], numbers)


# -- the readers ------------------------------------------------------------------------------------
def _prepared(form: str, **options: Any) -> Callable[[Path, Path], object]:
    """Prepare a data set of the folder (``{folder}``) or of the file (``{file}``), with a cache beside."""
    from crosstrain.data.preparation import prepare

    def read(target: Path, folder: Path) -> object:
        return prepare(form.format(folder=folder, file=target), cache=folder / "cache", **options)

    return read


def _below(folder: Path, *endings: str) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix in endings]


def _idx(folder: Path) -> list[Path]:
    from tests.data.making import mnist_folder

    digits = mnist_folder(folder / "digits", 40, 20, zipped=False)
    zipped = digits / "t10k-images-idx3-ubyte"
    (digits / f"{zipped.name}.gz").write_bytes(gzip.compress(zipped.read_bytes(), mtime=0))
    zipped.unlink()
    return sorted(digits.iterdir())


def _npz(folder: Path) -> list[Path]:
    import numpy as np

    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    np.savez(folder / "a.npz", x=rng.integers(0, 256, (30, 6, 6), np.uint8), y=np.arange(30) % 3)
    np.savez_compressed(folder / "b.npz", x=rng.normal(size=(30, 4)), y=np.array(list("abc") * 10))
    return sorted(folder.iterdir())


def _pictures(folder: Path) -> list[Path]:
    from tests.data.making import class_folders

    for suffix in (".png", ".jpg", ".ppm", ".bmp", ".webp", ".tif"):
        class_folders(folder / suffix[1:], ("a", "b"), 6, suffix)
    return _below(folder, ".png", ".jpg", ".ppm", ".bmp", ".webp", ".tif")


def _tables(folder: Path) -> list[Path]:
    from tests.data.making import sign_tree

    return _below(sign_tree(folder / "signs", tracks=3, frames=2, test=(0, 1)), ".csv")


def _voc(folder: Path) -> list[Path]:
    from tests.data.test_boxes import voc

    return _below(voc(folder / "voc", count=30), ".xml", ".txt")[:6]


def _coco(folder: Path) -> list[Path]:
    from tests.data.test_boxes import coco

    return _below(coco(folder / "coco"), ".json")


def _tar(folder: Path) -> list[Path]:
    from tests.data.test_boxes import archived, voc

    whole = voc(folder / "voc", count=30)
    archives = [archived(whole, kind) for kind in ("tar", "tar.gz")]
    shutil.rmtree(whole)
    return archives


def _parquet(folder: Path) -> list[Path]:
    from tests.data.test_parquet import table

    table(folder / "hub.parquet", 0, 30)
    table(folder / "plain.parquet", 0, 30, hub=False, labels=list("abc") * 10)
    return sorted(folder.iterdir())


def _plans(folder: Path) -> list[Path]:
    from crosstrain.studies.plan import studies

    folder.mkdir(parents=True)
    return [Path(shutil.copy(path, folder)) for path in studies().values()]


def _read_plan(target: Path, folder: Path) -> object:
    from crosstrain.studies.plan import read

    return read(target)


def _onnx(folder: Path) -> list[Path]:
    folder.mkdir(parents=True)
    return [Path(shutil.copy(path, folder)) for path in sorted(EXAMPLES.glob("*.onnx"))]


def _read_onnx(target: Path, folder: Path) -> object:
    from crosstrain.exchange.onnx.reading.importer import from_onnx

    return from_onnx(target)


def _other_attribute(data: bytes, rng: random.Random) -> bytes:
    """An ONNX model that parses, with a node's attribute, input or op changed; else damaged bytes."""
    import onnx

    if rng.random() < 0.5:
        return damaged(data, rng)
    model = onnx.ModelProto.FromString(data)
    node = rng.choice(model.graph.node)
    kind = rng.randrange(4)
    if kind == 0 and node.attribute:
        attribute = rng.choice(node.attribute)
        strange = rng.choice((0, -1, 1, 2, 7, 2**31, 2**62))
        attribute.i = strange
        if attribute.ints:
            attribute.ints[rng.randrange(len(attribute.ints))] = strange
    elif kind == 1 and node.input:
        node.input[rng.randrange(len(node.input))] = rng.choice(("", "nowhere", *node.output))
    elif kind == 2:
        node.op_type = rng.choice(model.graph.node).op_type
    elif model.graph.initializer:
        tensor = rng.choice(model.graph.initializer)
        if tensor.dims:
            tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice((0, 1, -1, 3, 2**40))
    return bytes(model.SerializeToString())


def _keras_models() -> Iterator[tuple[str, Any]]:
    import keras
    from keras import layers as kl

    inputs = keras.Input((6, 6, 1))
    x = kl.BatchNormalization()(kl.Conv2D(2, 3, padding="same", activation="relu")(inputs))
    x = kl.Add()([x, kl.Conv2D(2, 1)(inputs)])
    yield "functional", keras.Model(inputs, kl.Dense(3, activation="softmax")(kl.Flatten()(x)))
    yield "sequence", keras.Sequential([keras.Input((4,)), kl.Embedding(9, 2), kl.LSTM(3), kl.Dense(1)])


def _saved(suffix: str) -> Callable[[Path], list[Path]]:
    def make(folder: Path) -> list[Path]:
        folder.mkdir(parents=True)
        for name, model in _keras_models():
            model.save(folder / f"{name}{suffix}")
        for path in (Path(__file__).parent / "graph" / "files").glob(f"*{suffix}"):
            shutil.copy(path, folder)
        return sorted(folder.iterdir())

    return make


def _other_config(data: bytes, rng: random.Random) -> bytes:
    """An HDF5 model with something else in its configuration or among its weights; else damaged bytes."""
    import h5py

    if rng.random() < 0.5:
        return damaged(data, rng)
    content = io.BytesIO(data)
    with h5py.File(content, "r+") as file:
        config = file.attrs["model_config"]
        text = config.encode() if isinstance(config, str) else bytes(config)
        kind = rng.randrange(4)
        if kind < 2:
            file.attrs["model_config"] = other_value(text, rng).decode()
        elif kind == 2:
            del file["model_weights"][rng.choice(list(file["model_weights"]))]
        else:
            groups = list(file["model_weights"])
            file["model_weights"].attrs["layer_names"] = [rng.choice([*groups, "x", "../x"]) for _ in groups]
    return content.getvalue()


def _read_keras(target: Path, folder: Path) -> object:
    from crosstrain.graph.define import build_model

    return build_model({"source": str(target)})


READERS = {
    "idx": Reader(_idx, _prepared("mnist:{folder}"), damaged),
    "npz": Reader(_npz, _prepared("arrays:{file}"), in_member),
    "pictures": Reader(_pictures, _prepared("folder:{folder}", size=8), damaged),
    "tables": Reader(_tables, _prepared("gtsrb:{folder}", size=8), reworded),
    "voc": Reader(_voc, _prepared("voc:{folder}", size=8), reworded),
    "coco": Reader(_coco, _prepared("coco:{folder}", size=8), reworded),
    "tar": Reader(_tar, _prepared("voc:{file}", size=8), damaged),
    "parquet": Reader(_parquet, _prepared("parquet:{file}", size=8), damaged),
    "plans": Reader(_plans, _read_plan, reworded),
    "onnx": Reader(_onnx, _read_onnx, _other_attribute),
    "keras": Reader(_saved(".keras"), _read_keras, in_member),
    "h5": Reader(_saved(".h5"), _read_keras, _other_config),
}


def row(name: str, results: list[Reading], seconds: float) -> str:
    """A line of the table: how many files were read, refused, or ended otherwise, and the slowest."""
    answers = Counter(result.answer for result in results)
    crashed = sum(result.wrong for result in results)
    slowest = max(results, key=lambda result: result.seconds)
    return (
        f"| {name} | {len(results)} | {answers['refused']} | {answers['read']} | {crashed} "
        f"| {slowest.seconds:.2f} s (file {slowest.number}) | {sum(r.seconds for r in results):.0f} s "
        f"| {seconds:.0f} s |"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--reader", choices=list(READERS), action="append")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    options = parser.parse_args()
    numbers = range(options.first, options.first + options.count)
    print(
        "| reader | mutations | refused | read | crashed | slowest | processor | clock |\n"
        + "| --- " * 8
        + "|"
    )
    wrong: list[str] = []
    for name in options.reader or READERS:
        began = time.monotonic()
        results = []
        for result in watched(fuzz, name, numbers):
            results.append(result)
            if result.wrong:
                wrong.append(f"{name} {result.number} {result.answer}: {result.why}")
        print(row(name, results, time.monotonic() - began), flush=True)
    for line in wrong:
        print(line)
    return min(len(wrong), 1)


if __name__ == "__main__":
    os.environ.setdefault("KERAS_BACKEND", "numpy")
    raise SystemExit(main())
