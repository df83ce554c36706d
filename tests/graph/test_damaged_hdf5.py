"""HDF5 files in which the HDF5 library would go round for ever."""

from __future__ import annotations

from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from crosstrain.errors import CrosstrainError
from crosstrain.graph.hdf5 import HEAP, check_hdf5, is_hdf5
from crosstrain.graph.keras_import.files.weights_alone import load_into
from crosstrain.graph.keras_import.keras_file import load_keras_file
from crosstrain.runs.compiled import compiled_of


def heaps(data: bytes) -> list[int]:
    found = [data.find(HEAP)]
    while found[-1] >= 0:
        found.append(data.find(HEAP, found[-1] + 1))
    return found[:-1]


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A model in HDF5 whose configuration lies in a global heap, as Keras writes it."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")])
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = model.to_json()
        file.attrs["keras_version"] = keras.__version__
        dense = file.create_group("model_weights/dense")
        file["model_weights"].attrs["layer_names"] = ["dense"]
        dense.attrs["weight_names"] = ["dense/kernel", "dense/bias"]
        for name, variable in zip(("kernel", "bias"), model.weights, strict=True):
            dense.create_dataset(f"dense/{name}", data=np.asarray(variable))
    return path


def endless(path: Path, heap: int) -> Path:
    """The file with a heap whose first object is free and nothing long."""
    data = bytearray(path.read_bytes())
    start = heaps(bytes(data))[heap] + 16
    data[start : start + 2] = bytes(2)
    data[start + 8 : start + 16] = bytes(8)
    damaged = path.with_name("damaged.h5")
    damaged.write_bytes(data)
    return damaged


def test_a_whole_file_is_opened(whole: Path) -> None:
    assert is_hdf5(whole)
    assert heaps(whole.read_bytes())
    check_hdf5(whole)
    assert load_keras_file(whole).output_shape == (None, 2)


@pytest.mark.parametrize("heap", [0, -1])
def test_an_endless_heap_is_refused_in_a_sentence(whole: Path, heap: int) -> None:
    damaged = endless(whole, heap)
    with pytest.raises(OSError, match="nothing long"):
        check_hdf5(damaged)
    with pytest.raises(CrosstrainError, match=r"damaged.h5 is not a complete HDF5 Keras model.*nothing long"):
        load_keras_file(damaged)
    assert compiled_of(str(damaged)) is None
    model = load_keras_file(whole)
    with pytest.raises(CrosstrainError, match="nothing long"):
        load_into(model, damaged)


def test_other_damage_is_the_librarys_to_refuse(whole: Path, tmp_path: Path) -> None:
    data = bytearray(endless(whole, 0).read_bytes())
    data[8] = 9  # a superblock of a version that there is not
    for name, content in (("strange.h5", bytes(data)), ("empty.h5", b""), ("torn.h5", data[:100])):
        (tmp_path / name).write_bytes(content)
        check_hdf5(tmp_path / name)
    with pytest.raises(CrosstrainError, match=r"strange.h5 is not a complete HDF5 Keras model"):
        load_keras_file(tmp_path / "strange.h5")
    assert not is_hdf5(tmp_path / "empty.h5")
