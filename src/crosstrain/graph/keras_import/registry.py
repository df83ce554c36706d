"""The tables of the importer: native layers and lowered operations, each filled by a decorator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

LAYERS: dict[type, Callable[..., Any]] = {}
"""Layer class (exactly; a subclass is traced) → rule ``(tracer, layer, *args, **kwargs) -> tensors``."""

LOWERINGS: dict[type, Callable[..., Any]] = {}
"""``keras.ops`` Operation class → rule ``(tracer, operation, spec, *args, **kwargs) -> tensors``, where
``spec`` is what Keras infers for the output (None where a shape holds the batch size)."""

UNSPECIFIED: set[type] = set()
"""Operations whose shape inference in Keras runs code, fails or is wrong."""


def native(*kinds: type) -> Callable[[Any], Any]:
    """Add a rule for layers."""

    def add(rule: Any) -> Any:
        LAYERS.update(dict.fromkeys(kinds, rule))
        return rule

    return add


def lowers(*kinds: type, spec: bool = True) -> Callable[[Any], Any]:
    """Add a rule for operations; ``spec=False`` if Keras's shape inference must not be used."""

    def add(rule: Any) -> Any:
        LOWERINGS.update(dict.fromkeys(kinds, rule))
        if not spec:
            UNSPECIFIED.update(kinds)
        return rule

    return add
