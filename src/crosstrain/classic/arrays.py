"""Arrays of any library in, the same kind out: the one door through which estimators take their data.

An estimator calls :func:`read` on its input and computes with the namespace it gets back (the Python
array API standard, https://data-apis.org/array-api). NumPy input goes through scikit-learn's own
validation, so lists, data frames and its error messages are as its users expect. Rules that visit one
sample after the other compute in NumPy (:func:`to_numpy`): on a device each sample would cost a launch.
:func:`like` takes their results back.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import array_api_compat
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

Array = Any
"""An array of any library that follows the array API standard."""


def is_foreign(array: Any) -> bool:
    """Whether the array belongs to a library other than NumPy (PyTorch, JAX, CuPy …)."""
    return array_api_compat.is_array_api_obj(array) and not array_api_compat.is_numpy_array(array)


def namespace(*arrays: Any) -> ModuleType:
    """The array API namespace of the arrays; NumPy's for lists, data frames and what else NumPy reads."""
    foreign = [array for array in arrays if is_foreign(array)]
    xp: ModuleType = array_api_compat.array_namespace(*(foreign or [np.empty(0)]))
    return xp


def read(estimator: BaseEstimator, X: Any, *, reset: bool, **checks: Any) -> tuple[ModuleType, Array]:
    """The namespace of ``X`` and ``X`` as a float64 matrix of shape (samples, features) in it.

    ``reset`` is true in ``fit``, where the number of features is learnt, and false afterwards. ``checks`` are
    those of :func:`sklearn.utils.validation.check_array`; arrays of other libraries are checked on the host
    and stay where they are.

    :raises ValueError: the array is no finite matrix, or has another number of features than ``fit`` saw.
    """
    checks = {"dtype": np.float64, **checks}
    if not is_foreign(X):
        return namespace(), validate_data(estimator, X, reset=reset, **checks)
    validate_data(estimator, to_numpy(X), reset=reset, **checks)
    xp = namespace(X)
    with double_precision(X):
        return xp, xp.astype(X, xp.float64)


def to_numpy(array: Any) -> np.ndarray:
    """The array on the host, as NumPy's; no copy where none is needed."""
    if array_api_compat.is_torch_array(array):
        return np.asarray(array.detach().cpu())
    if array_api_compat.is_cupy_array(array):
        return np.asarray(array.get())
    return np.asarray(array)


def like(result: np.ndarray, reference: Any) -> Array:
    """``result`` in the library and on the device of ``reference``; unchanged where that is NumPy."""
    if not is_foreign(reference):
        return result
    if result.dtype.kind in "OUS":  # labels: only NumPy has strings
        return result
    with double_precision(reference):
        return namespace(reference).asarray(result, device=array_api_compat.device(reference))


@contextlib.contextmanager
def double_precision(*arrays: Any) -> Iterator[None]:
    """Lets JAX compute in float64 inside; every other library does so by itself."""
    if not any(array_api_compat.is_jax_array(array) for array in arrays):
        yield
        return
    import jax

    with jax.enable_x64(True):
        yield


def onto(array: Array, reference: Any) -> Array:
    """What an estimator learnt, in the library and on the device of ``reference``; no copy if it is there."""
    if not is_foreign(array) and not is_foreign(reference):
        return array
    if is_foreign(array) and is_foreign(reference) and namespace(array) is namespace(reference):
        return array_api_compat.to_device(array, array_api_compat.device(reference))
    return like(to_numpy(array), reference)


def in_double_precision(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method whose first argument is data: JAX computes in float64 inside (:func:`double_precision`)."""

    @functools.wraps(method)
    def inside(self: Any, X: Any, *args: Any, **kwargs: Any) -> Any:
        with double_precision(X):
            return method(self, X, *args, **kwargs)

    return inside
