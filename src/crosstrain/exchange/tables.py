"""Tables that functions are added to where they are written."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

F = TypeVar("F", bound=Callable[..., object])


def adds_to(table: dict[str, F]) -> Callable[..., Callable[[F], F]]:
    """A decorator for ``table``: called with names, it adds the function under each of them."""

    def named(*names: str) -> Callable[[F], F]:
        def add(function: F) -> F:
            table.update(dict.fromkeys(names, function))
            return function

        return add

    return named
