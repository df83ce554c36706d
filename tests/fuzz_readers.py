"""Damages files and reads them: every reader has to answer with an error of crosstrain's, and soon.

    python -m tests.fuzz_readers --reader keras --count 10000

Each file follows from its reader and its number, so that ``--first N --count 1`` repeats one.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import io
import os
import random
import resource
import shutil
import signal
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crosstrain.errors import CrosstrainError, StorageError
from tests.mutations import Mutation, damaged, in_member, other_value, reworded

SECONDS = 20.0
"""A file that is not answered in this time hangs its reader."""
MEMORY = 12 << 30
"""Bytes of address space; what asks for more is a fault too."""
EXAMPLES = Path(__file__).parent / "exchange" / "files"


@dataclass(frozen=True)
class Reader:
    """``make`` writes whole inputs to a folder and gives the files to damage, ``read`` reads one."""

    make: Callable[[Path], Sequence[Path]]
    read: Callable[[Path, Path], object]
    mutate: Mutation


@dataclass(frozen=True)
class Fault:
    """What a reader did other than it should, on the file of this number."""

    number: int
    what: str


class Hangs(BaseException):
    """Raised in whatever runs when a file's time is over."""


def fuzz(name: str, count: int, first: int = 0) -> tuple[Counter[str], list[Fault]]:
    """Read ``count`` damaged files from number ``first`` on: how many were read, how many refused, faults."""
    reader = READERS[name]
    answers: Counter[str] = Counter()
    faults: list[Fault] = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        files = list(reader.make(place / "whole"))
        for number in range(first, first + count):
            rng = random.Random(f"{name} {number}")
            victim = rng.choice(files)
            copy = place / "damaged"
            shutil.copytree(place / "whole", copy)
            target = copy / victim.relative_to(place / "whole")
            target.write_bytes(reader.mutate(victim.read_bytes(), rng))
            answer, why = _answer(reader, target, copy)
            answers[answer] += 1
            if why:
                faults.append(Fault(number, f"{answer}: {why}"))
            shutil.rmtree(copy)
    return answers, faults


def _answer(reader: Reader, target: Path, folder: Path) -> tuple[str, str]:
    try:
        with _limit(SECONDS), contextlib.redirect_stderr(io.StringIO()):
            reader.read(target, folder)
    except (CrosstrainError, StorageError) as error:
        text = str(error)
        if "\n" in text or not text:
            return "no sentence", repr(text[:300])
        return "refused", ""
    except Hangs:
        return "hang", "".join(traceback.format_exc().splitlines(keepends=True)[-6:])
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return type(error).__name__, "".join(traceback.format_exc().splitlines(keepends=True)[-7:])
    return "read", ""


@contextlib.contextmanager
def _limit(seconds: float) -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise Hangs

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


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

    mnist_folder(folder, 40, 20, zipped=False)
    zipped = folder / "t10k-images-idx3-ubyte"
    import gzip

    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(zipped.read_bytes(), mtime=0))
    zipped.unlink()
    return sorted(folder.iterdir())


def _npz(folder: Path) -> list[Path]:
    import numpy as np

    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    np.savez(folder / "a.npz", x=rng.integers(0, 256, (30, 6, 6), np.uint8), y=np.arange(30) % 3)
    np.savez_compressed(folder / "b.npz", x=rng.normal(size=(30, 4)), y=np.array(list("abc") * 10))
    return sorted(folder.iterdir())


def _pictures(folder: Path) -> list[Path]:
    from tests.data.making import class_folders

    for number, suffix in enumerate((".png", ".jpg", ".ppm", ".bmp", ".webp", ".tif")):
        class_folders(folder, (f"a{number}", f"b{number}"), 4, suffix)
    return _below(folder, ".png", ".jpg", ".ppm", ".bmp", ".webp", ".tif")


def _tables(folder: Path) -> list[Path]:
    from tests.data.making import sign_tree

    return _below(sign_tree(folder, tracks=3, frames=2, test=(0, 1)), ".csv")


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
    from crosstrain.graph.keras_import.keras_file import load_keras_file

    return load_keras_file(target)


READERS = {
    "idx": Reader(_idx, _prepared("mnist:{folder}"), damaged),
    "npz": Reader(_npz, _prepared("arrays:{file}"), in_member),
    "pictures": Reader(_pictures, _prepared("folder:{folder}", size=8), damaged),
    "tables": Reader(_tables, _prepared("gtsrb:{folder}", size=8), reworded),
    "plans": Reader(_plans, _read_plan, reworded),
    "onnx": Reader(_onnx, _read_onnx, _other_attribute),
    "keras": Reader(_saved(".keras"), _read_keras, in_member),
    "h5": Reader(_saved(".h5"), _read_keras, _other_config),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--reader", choices=list(READERS), action="append")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    given = parser.parse_args()
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    bad = 0
    for name in given.reader or READERS:
        start = time.monotonic()
        answers, faults = fuzz(name, given.count, given.first)
        told = ", ".join(f"{count} {answer}" for answer, count in answers.most_common())
        print(f"{name}: {given.count} files, {told}; {time.monotonic() - start:.0f} s", flush=True)
        for fault in faults[:10]:
            print(f"  {name} {fault.number} {fault.what}")
        bad += len(faults)
    return min(bad, 1)


if __name__ == "__main__":
    os.environ.setdefault("KERAS_BACKEND", "numpy")
    raise SystemExit(main())
