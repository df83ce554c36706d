"""Arrays in memory, data frames and the data sets of frameworks, as one file of arrays in the cache.

Everything becomes the same ``.npz`` that ``arrays:`` reads, called after its content: floats as float32,
whole numbers as int64, but for uint8 inputs, which are pictures. The same numbers give the same file,
whatever held them. No framework is imported here: objects are known by what they offer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.errors import CrosstrainError
from crosstrain.system.files import write_arrays
from crosstrain.system.places import cache_root

Arrays = dict[str, np.ndarray]
LABELS = ("label", "labels", "target", "targets", "y")
"""Columns that are the target where none is named."""
PARTS = ("train", "validation", "val", "test")
FORMS = (
    "(x, y), (x_train, y_train, x_test, y_test), a pandas frame with the name of its target, (frame, "
    "'price'), a "
    "tf.data.Dataset, a PyTorch Dataset or DataLoader, or a Hugging Face Dataset"
)


def data_spec(data: Any, validation_data: Any = None, validation_split: float | None = None) -> str:
    """What to write for ``data``: a text stays, anything else is written to the cache first, once.

    ``validation_data`` (as ``data``) and ``validation_split`` (the share of the training examples at their
    end) are Keras's words. Raises ``CrosstrainError`` for what is no data, and for both at a time.
    """
    if isinstance(data, str | Path):
        if validation_data is not None or validation_split is not None:
            raise CrosstrainError(
                "validation_data and validation_split belong to arrays in memory, not to a file"
            )
        return str(data)
    arrays = _parted(data)
    if validation_data is not None and validation_split:
        raise CrosstrainError("validation_data and validation_split exclude each other; give one of them")
    if validation_data is not None:
        arrays = {**_trained(arrays), **_named(_pair(validation_data), "validation")}
    elif validation_split:
        arrays = _last_held_out(_trained(arrays), validation_split)
    return f"arrays:{_written({name: _plain(name, array) for name, array in arrays.items()})}"


# -- forms ------------------------------------------------------------------------------------------
def _parted(data: Any) -> Arrays:
    """Arrays under the names that ``arrays:`` has for them."""
    if isinstance(data, Mapping):
        if data and set(data) <= set(PARTS):
            return _all_named(data)
        return {str(name): np.asarray(array) for name, array in data.items()}
    if isinstance(data, tuple | list):
        if len(data) in (4, 6):
            parts = ("train", "test") if len(data) == 4 else ("train", "validation", "test")
            pairs = zip(data[::2], data[1::2], strict=True)
            return _all_named(dict(zip(parts, pairs, strict=True)))
        if len(data) == 2 and all(isinstance(each, tuple) and len(each) == 2 for each in data):
            return _all_named({"train": data[0], "test": data[1]})
    return _named(_pair(data), "")


def _all_named(parts: Mapping[str, Any]) -> Arrays:
    return {name: array for part, each in parts.items() for name, array in _named(_pair(each), part).items()}


def _named(pair: tuple[Any, Any], part: str) -> Arrays:
    """``x_train``, ``y_train/price``, …: inputs and targets of one part, several by their names."""
    named = {}
    for kind, values in zip("xy", pair, strict=True):
        key = f"{kind}_{part}" if part else kind
        for name, array in (values if isinstance(values, Mapping) else {"": values}).items():
            named[f"{key}/{name}" if name else key] = _array(array)
    return named


def _pair(data: Any) -> tuple[Any, Any]:
    """Inputs and targets, each an array or arrays by name."""
    if isinstance(data, tuple | list) and len(data) == 2:
        x, y = data
        if _is_frame(x) and isinstance(y, str):
            if y not in x.columns:
                raise CrosstrainError(
                    f"the frame has no column {y!r}; it has {', '.join(map(str, x.columns))}"
                )
            return _columns(x.drop(columns=y)), x[y]
        return (_columns(x) if _is_frame(x) else x), y
    if hasattr(data, "as_numpy_iterator"):
        return _gathered(_tensorflow(data))
    if hasattr(data, "column_names") and hasattr(data, "with_format"):
        return _hugging_face(data)
    if hasattr(data, "batch_size") and hasattr(data, "dataset"):  # a DataLoader, whose order may be drawn
        data = data.dataset
    if hasattr(data, "__getitem__") and hasattr(data, "__len__") and not isinstance(data, np.ndarray):
        return _gathered(data[index] for index in range(len(data)))
    raise CrosstrainError(f"data is a text as 'arrays:FILE.npz', or {FORMS}; not {type(data).__name__}")


def _is_frame(data: Any) -> bool:
    return hasattr(data, "columns") and hasattr(data, "to_numpy")


def _columns(frame: Any) -> np.ndarray:
    """A frame's columns side by side; texts have to become numbers first, which ``table:`` does."""
    values = frame.to_numpy()
    if values.dtype.kind not in "biuf":
        texts = [str(name) for name in frame.columns if frame[name].to_numpy().dtype.kind not in "biuf"]
        raise CrosstrainError(
            f"the frame's columns {', '.join(texts)} are no numbers; write it to a file and name that: "
            "table:FILE.csv:target=NAME makes numbers of categories"
        )
    return np.asarray(values)


def _tensorflow(data: Any) -> Iterable[Any]:
    """Examples of a ``tf.data.Dataset``, batched or not."""
    specs = data.element_spec
    first = specs[0] if isinstance(specs, tuple) else specs
    first = next(iter(first.values())) if isinstance(first, Mapping) else first
    batched = first.shape.rank and first.shape[0] is None
    yield from (data.unbatch() if batched else data).as_numpy_iterator()


def _hugging_face(data: Any) -> tuple[Any, Any]:
    target = next((name for name in data.column_names if name in LABELS), None)
    if target is None:
        raise CrosstrainError(f"the columns {', '.join(data.column_names)} have no target; call it label")
    columns = data.with_format("numpy")[:]
    inputs = {name: columns[name] for name in data.column_names if name != target}
    return (next(iter(inputs.values())) if len(inputs) == 1 else inputs), columns[target]


def _gathered(examples: Iterable[Any]) -> tuple[Any, Any]:
    """Examples (input, target), each of which may be arrays by name, stacked."""
    inputs, targets = [], []
    for example in examples:
        if not isinstance(example, tuple | list) or len(example) != 2:
            raise CrosstrainError(
                f"an example of the data is {type(example).__name__}; it has to be a pair, an input and its "
                "target"
            )
        inputs.append(example[0])
        targets.append(example[1])
    if not inputs:
        raise CrosstrainError("the data has no examples")
    return _stacked(inputs), _stacked(targets)


def _stacked(values: list[Any]) -> Any:
    if isinstance(values[0], Mapping):
        return {name: _stacked([value[name] for value in values]) for name in values[0]}
    arrays = [_array(value) for value in values]
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        raise CrosstrainError(f"examples have different shapes: {', '.join(map(str, sorted(shapes)[:3]))}")
    return np.stack(arrays)


# -- arrays -----------------------------------------------------------------------------------------
def _array(value: Any) -> np.ndarray:
    """A NumPy array of whatever holds one: a tensor of PyTorch may need to be detached and brought home."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    array = np.asarray(value)
    return (
        np.array([str(each) for each in array.tolist()])
        if array.dtype == object and array.ndim == 1
        else array
    )


def _plain(name: str, array: np.ndarray) -> np.ndarray:
    """In the types that preparation keeps."""
    if array.dtype.kind in "fb":
        return np.ascontiguousarray(
            array, np.float32 if array.dtype.kind == "f" or name[0] == "x" else np.int64
        )
    if array.dtype.kind in "iu" and not (array.dtype == np.uint8 and name[0] == "x"):
        return np.ascontiguousarray(array, np.int64)
    return np.ascontiguousarray(array)


def _trained(arrays: Arrays) -> Arrays:
    """``x`` and ``y`` as the training part's."""
    return {
        f"{name[0]}_train{name[1:]}" if name.partition("/")[0] in ("x", "y") else name: array
        for name, array in arrays.items()
    }


def _last_held_out(arrays: Arrays, share: float) -> Arrays:
    """The last examples of training as validation, as Keras takes them: before anything is shuffled."""
    if not 0 < share < 1:
        raise CrosstrainError(f"validation_split is a share between 0 and 1, not {share}")
    parted = {}
    for name, array in arrays.items():
        if not name[1:].startswith("_train"):
            parted[name] = array
            continue
        begin = int(len(array) * (1 - share))
        parted[name], parted[name.replace("_train", "_validation", 1)] = array[:begin], array[begin:]
    return parted


def _written(arrays: Mapping[str, np.ndarray]) -> Path:
    """The file in the cache that holds these arrays."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}\0".encode())
        digest.update(arrays[name].tobytes())
    path = cache_root() / "arrays" / f"{digest.hexdigest()[:32]}.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_arrays(path, dict(arrays))
    return path
