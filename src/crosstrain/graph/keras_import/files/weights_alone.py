"""Weights that lie in a file without their network: ``.weights.h5``, ``.h5``, ``.keras``, ``.npz`` and
``.safetensors``. Nothing in them is unpickled."""

from __future__ import annotations

import importlib.util
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import keras
import numpy as np

from crosstrain.errors import CrosstrainError
from crosstrain.graph.hdf5 import check_hdf5, is_hdf5
from crosstrain.graph.keras_import.causes import cause
from crosstrain.graph.keras_import.files import hdf5
from crosstrain.graph.keras_import.network import weight_names

ARRAYS = (".npz", ".safetensors")
"""Formats of named arrays, which know nothing of Keras."""
SORTED = (".safetensors",)
"""Formats whose entries are sorted by name, so that their order says nothing."""
MEMBER = "model.weights.h5"
_DAMAGED = (OSError, ValueError, EOFError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile)


def load_into(model: keras.Model, path: Path, skipped: Sequence[keras.layers.Layer] = ()) -> None:
    """Give ``model`` the weights of a file, but for the layers ``skipped``, which keep theirs.
    ``CrosstrainError`` where the file is damaged, or names the layer, both shapes and the file's entry where
    they do not fit."""
    if path.suffix in ARRAYS:
        variables = dict(zip(weight_names(model), model.weights, strict=True))
        kept = {id(variable) for layer in skipped for variable in layer.weights}
        wanted = {name: variable for name, variable in variables.items() if id(variable) not in kept}
        shapes = {name: tuple(variable.shape) for name, variable in wanted.items()}
        arrays = _without(arrays_of(path), list(variables), list(wanted))
        for name, array in matched(path, arrays, shapes).items():
            variables[name].assign(array.astype(variables[name].dtype))
    elif is_hdf5(path):
        _from_hdf5(model, path, skipped)
    else:
        _from_zip(model, path, skipped)


def _without(
    arrays: dict[str, np.ndarray], names: Sequence[str], wanted: Sequence[str]
) -> dict[str, np.ndarray]:
    """The arrays that stand, by order, for the ``wanted`` among ``names``, where the file has other names."""
    by_name = {_plain(name) for name in arrays} & {_plain(name) for name in names}
    if by_name or len(arrays) != len(names):
        return arrays
    return {key: arrays[key] for key, name in zip(arrays, names, strict=True) if name in set(wanted)}


def _from_hdf5(model: keras.Model, path: Path, skipped: Sequence[keras.layers.Layer]) -> None:
    if hdf5.holds_layers(path):
        hdf5.assign(path, hdf5.read_weights(path), model, {layer.name for layer in skipped})
    else:
        _by_keras(model, path, path, skipped)


def _from_zip(model: keras.Model, path: Path, skipped: Sequence[keras.layers.Layer]) -> None:
    """The weights in the zip of a whole model."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                inner = Path(archive.extract(MEMBER, folder))
        except _DAMAGED as error:
            raise CrosstrainError(f"{path} is no whole file of weights ({error})") from error
        _by_keras(model, inner, path, skipped)


def _by_keras(model: keras.Model, file: Path, path: Path, skipped: Sequence[keras.layers.Layer]) -> None:
    """Load a file in Keras 3's form; ``path`` is the user's name for it."""
    try:
        check_hdf5(file)
        with h5py.File(file) as content:
            if not {"layers", "_layer_checkpoint_dependencies", "vars"} & set(content):
                raise CrosstrainError(f"{path} is an HDF5 file, but holds no weights of a Keras model")
        model.load_weights(file, objects_to_skip=list(skipped))
    except CrosstrainError:
        raise
    except Exception as error:  # whatever Keras and h5py raise of a file that does not fit
        raise CrosstrainError(f"the weights in {path} do not fit {model.name}: {cause(error)}") from error


def arrays_of(path: Path) -> dict[str, np.ndarray]:
    """The arrays in an ``.npz`` or ``.safetensors`` file by name, in the file's order."""
    try:
        arrays = _npz(path) if path.suffix == ".npz" else _safetensors(path)
    except CrosstrainError:
        raise
    except Exception as error:  # safetensors has an exception of its own
        raise CrosstrainError(f"{path} is no whole file of arrays ({error})") from error
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise CrosstrainError(f"{path}: its entry {name!r} does not consist of numbers")
    return arrays


def _npz(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _safetensors(path: Path) -> dict[str, np.ndarray]:
    if importlib.util.find_spec("safetensors") is None:
        raise CrosstrainError("reading .safetensors needs the package safetensors; install it, or give .npz")
    from safetensors import safe_open

    with safe_open(str(path), framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)


def matched(
    path: Path, arrays: Mapping[str, np.ndarray], shapes: Mapping[str, Sequence[int]]
) -> dict[str, np.ndarray]:
    """The file's arrays by the network's names: by name where the file has the network's names, else in
    order. ``CrosstrainError`` names the weight, both shapes and the entry where they do not fit."""
    entries = {_plain(name): name for name in arrays}
    known = [name for name in shapes if _plain(name) in entries]
    if not known:
        if len(arrays) != len(shapes):
            raise CrosstrainError(
                f"{path} has {len(arrays)} arrays under names that the network has not, the network "
                f"{len(shapes)} weights; by order they have to be as many"
            )
        pairs = _by_shape(path, arrays, shapes) if path.suffix in SORTED else dict(
            zip(shapes, arrays, strict=True)
        )  # fmt: skip
    elif len(known) < len(shapes):
        missing = next(name for name in shapes if name not in known)
        raise CrosstrainError(f"{path} has no entry for the weight {missing!r} of the network")
    else:
        pairs = {name: entries[_plain(name)] for name in shapes}
    for name, entry in pairs.items():
        if tuple(arrays[entry].shape) != tuple(shapes[name]):
            raise CrosstrainError(
                f"the weight {name!r} is {_sized(shapes[name])} in the network, "
                f"{_sized(arrays[entry].shape)} in {path} (its entry {entry!r})"
            )
    return {name: arrays[entry] for name, entry in pairs.items()}


def _by_shape(
    path: Path, arrays: Mapping[str, np.ndarray], shapes: Mapping[str, Sequence[int]]
) -> dict[str, str]:
    """The entry of each weight by its shape, where no two have the same."""
    entries = {tuple(array.shape): name for name, array in arrays.items()}
    if len(entries) < len(arrays) or set(entries) != {tuple(shape) for shape in shapes.values()}:
        raise CrosstrainError(
            f"{path} has none of the network's names ({next(iter(shapes))!r}, …), and such files keep no "
            "order by which to tell arrays apart; name its entries as the network's weights"
        )
    return {name: entries[tuple(shape)] for name, shape in shapes.items()}


def _plain(name: str) -> str:
    """A name as all tools would write it: TensorFlow numbers outputs, Windows has backslashes."""
    return name.replace("\\", "/").removesuffix(":0")


def _sized(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) or "a number"
