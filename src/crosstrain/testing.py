"""For test suites: whether two definitions are the same network, as an assertion."""

from __future__ import annotations

from typing import Any

from crosstrain import api
from crosstrain.reporting.difference.terminal import as_text


def assert_same_network(a: Any, b: Any, **arguments: Any) -> None:
    """Fail with the whole comparison as the message unless ``a`` and ``b`` are the same network.

    ``a`` and ``b`` are what ``crosstrain.diff`` takes: ``file.py:function`` of a Keras model or a PyTorch
    module, a file, a folder of ``crosstrain train``, or a Keras model itself. So are the further
    ``arguments``: ``allow="running-variance"``, ``input_shape``, ``data``, ``loss`` … Raises
    ``AssertionError``, and ``CrosstrainError`` where a side cannot be defined or both share nothing.
    """
    __tracebackhide__ = True
    found = api.diff(a, b, **{"progress": False, **arguments})
    if not found.same:
        raise AssertionError(f"the networks differ\n{as_text(found)}")
