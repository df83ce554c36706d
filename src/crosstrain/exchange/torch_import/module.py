"""A user's ``nn.Module`` from its function, and the inputs that it is exported with."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch._subclasses import FakeTensorMode

from crosstrain.errors import CrosstrainError
from crosstrain.exchange.reading.values import BATCH

Example = Any
PICTURE = 4
"""From so many axes on (the batch among them) a tensor is a picture: data has its channels last."""


@dataclass(frozen=True)
class Input:
    """One input: its name, its lengths in the module's order (without the batch), and how data has it."""

    name: str
    lengths: tuple[int, ...]
    dtype: str
    turned: bool
    """Whether the data's last axis is the module's first."""

    @property
    def data_shape(self) -> tuple[int, ...]:
        return (*self.lengths[1:], self.lengths[0]) if self.turned else self.lengths

    def fake(self, mode: FakeTensorMode) -> torch.Tensor:
        """A tensor of the input's shape that holds nothing, with the batch's stand-in for a length."""
        with mode:
            return torch.empty((BATCH, *self.lengths), dtype=getattr(torch, self.dtype))


def names_of(module: torch.nn.Module, count: int) -> list[str]:
    """The names of the first ``count`` arguments of ``forward``."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [k for k, p in inspect.signature(module.forward).parameters.items() if p.kind in kinds]
    names += [f"input_{i}" for i in range(len(names), count)]
    return names[:count]


def taken_apart(result: Any, place: str) -> tuple[torch.nn.Module, list[Example] | dict[str, Example] | None]:
    """The module and the example inputs that a function returned. ``CrosstrainError`` for anything else."""
    module, examples = result if isinstance(result, tuple) and len(result) == 2 else (result, None)
    if not isinstance(module, torch.nn.Module):
        raise CrosstrainError(
            f"{place} returned {type(result).__name__}; it has to return an nn.Module, or one and "
            "example inputs"
        )
    if isinstance(examples, torch.Tensor):
        examples = [examples]
    if examples is not None and not isinstance(examples, dict):
        examples = list(examples)
    return module, examples


def candidates(
    module: torch.nn.Module,
    examples: Any,
    shapes: Mapping[str, Sequence[int]] | None,
    place: str,
    tokens: bool,
) -> Iterator[tuple[Input, ...]]:
    """The ways in which the module may take its inputs, the likeliest first: of a picture the channels come
    first, of a sequence the data's order does; numbers are real, or ``tokens``."""
    if shapes is None:
        if examples is None:
            raise CrosstrainError(
                f"{place} returns a module but no shapes; name them with --input-shape (without the batch, "
                "channels last), give data, or return example inputs beside the module"
            )
        yield _of_examples(module, examples)
        return
    names = names_of(module, len(shapes)) if set(shapes) == {""} else list(shapes)
    given = _dtypes(module, examples)
    known = [given.get(name) for name in names]
    kinds = ("int64", "float32") if tokens else ("float32", "int64")
    options = []
    for name, shape, dtype in zip(names, shapes.values(), known, strict=True):
        lengths = tuple(int(n) for n in shape)
        ways: list[Input] = []
        for kind in (dtype,) if dtype else kinds:
            turned = Input(name, (lengths[-1], *lengths[:-1]), kind, True) if len(lengths) > 1 else None
            plain = Input(name, lengths, kind, False)
            first = len(lengths) + 1 >= PICTURE and kind.startswith("float")
            ways += [w for w in ((turned, plain) if first else (plain, turned)) if w]
        options.append(ways)
    yield from itertools.islice(itertools.product(*options), 64)


def _dtypes(module: torch.nn.Module, examples: Any) -> dict[str, str]:
    if examples is None:
        return {}
    return {i.name: i.dtype for i in _of_examples(module, examples)}


def _of_examples(module: torch.nn.Module, examples: Any) -> tuple[Input, ...]:
    named = examples if isinstance(examples, dict) else dict(
        zip(names_of(module, len(examples)), examples, strict=True)
    )  # fmt: skip
    for name, value in named.items():
        if not isinstance(value, torch.Tensor) or value.ndim < 1:
            raise CrosstrainError(
                f"the example input {name!r} is {type(value).__name__}; it has to be a tensor "
                "with a batch axis"
            )
    return tuple(
        Input(
            name, tuple(value.shape[1:]), str(value.dtype).removeprefix("torch."),
            value.ndim >= PICTURE and value.dtype.is_floating_point,
        )
        for name, value in named.items()
    )  # fmt: skip
