"""The plain data in a pickle, read without running it: a pickle is a program, and may be anyone's.

Only what data needs is understood: numbers, texts, bytes, lists, tuples, dictionaries and NumPy arrays of
numbers. Whatever else a pickle calls is refused by name. The operations and their arguments come from
``pickletools``, which only reads.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_ENCODE = ("_codecs", "encode")
_CALLS = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    _ENCODE,
}
"""What a pickle of data may name: none of it is called, its meaning is written here."""
_MARK = object()
_NUMBERS = "biuf"


class NotPlainError(ValueError):
    """A pickle that is damaged, or asks for more than data; the message says what."""


@dataclass(frozen=True)
class _Name:
    """A function or class that a pickle names."""

    module: str
    name: str


@dataclass
class _Array:
    """An array, or the dtype of one, until its state is there."""

    dtype: np.dtype[Any] | None = None
    array: np.ndarray | None = None


@dataclass
class _Machine:
    """The stack and the memory of a pickle."""

    stack: list[Any] = field(default_factory=list)
    memory: dict[int, Any] = field(default_factory=dict)

    def marked(self) -> list[Any]:
        """What lies above the last mark; both are taken off."""
        place = next(i for i in range(len(self.stack) - 1, -1, -1) if self.stack[i] is _MARK)
        items = self.stack[place + 1 :]
        del self.stack[place:]
        return items

    def take(self, count: int) -> list[Any]:
        """The last ``count`` values, taken off."""
        if len(self.stack) < count:
            raise IndexError("the stack is empty")
        items = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return items


def plain(content: bytes) -> Any:
    """The value in a pickle of protocol 0 to 4 (of 5 where no array is in it).

    Texts of Python 2 are ``str``, a character for each byte. Raises ``NotPlainError`` for one that is
    damaged, or calls anything but NumPy's own for arrays.
    """
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name == "STOP":
                (value,) = machine.stack
                return _settled(value)
            step = _STEPS.get(opcode.name)
            if step is None:
                raise NotPlainError(f"it has the operation {opcode.name}, which plain data does not need")
            step(machine, argument)
    except NotPlainError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, StopIteration, MemoryError) as error:
        raise NotPlainError(f"it is damaged ({error or type(error).__name__})") from error
    raise NotPlainError("it is cut short")


# -- the operations -----------------------------------------------------------------------------------
def _push(machine: _Machine, argument: Any) -> None:
    machine.stack.append(argument)


def _constant(make: Callable[[], Any]) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.stack.append(make())


def _tuple(count: int) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.stack.append(tuple(machine.take(count)))


def _memoize(machine: _Machine, argument: Any) -> None:
    machine.memory[len(machine.memory) if argument is None else int(argument)] = machine.stack[-1]


def _recall(machine: _Machine, argument: Any) -> None:
    machine.stack.append(machine.memory[int(argument)])


def _append(machine: _Machine, items: list[Any]) -> None:
    target = machine.stack[-1]
    if not isinstance(target, list):
        raise NotPlainError("it appends to what is no list")
    target.extend(items)


def _set(machine: _Machine, items: list[Any]) -> None:
    target = machine.stack[-1]
    if not isinstance(target, dict):
        raise NotPlainError("it sets items of what is no dictionary")
    target.update(zip(items[::2], items[1::2], strict=True))


def _name(machine: _Machine, module: str, name: str) -> None:
    if (module, name) not in _CALLS:
        raise NotPlainError(f"it asks for {module}.{name}, which is no data")
    machine.stack.append(_Name(module, name))


def _reduce(machine: _Machine, _: Any) -> None:
    function, arguments = machine.take(2)
    if not isinstance(function, _Name):
        raise NotPlainError("it calls what is no function")
    if function.name == "_reconstruct":
        machine.stack.append(_Array())
    elif function.name == "dtype":
        dtype = np.dtype(str(arguments[0]))
        if dtype.kind not in _NUMBERS:
            raise NotPlainError(f"it has an array of {dtype}, not of numbers")
        machine.stack.append(_Array(dtype=dtype))
    elif (function.module, function.name) == _ENCODE and arguments[1] == "latin1":
        machine.stack.append(arguments[0].encode("latin1"))
    else:
        raise NotPlainError(f"it calls {function.module}.{function.name}")


def _build(machine: _Machine, _: Any) -> None:
    target, state = machine.take(2)
    if not isinstance(target, _Array):
        raise NotPlainError("it builds an object")
    if target.dtype is not None:  # of a dtype: its byte order, the second entry
        target.dtype = target.dtype.newbyteorder(state[1] if state[1] in "<>" else "=")
    else:
        _, shape, dtype, fortran, content = state
        raw = content.encode("latin1") if isinstance(content, str) else content
        flat = np.frombuffer(raw, dtype.dtype)
        target.array = flat.reshape(shape, order="F" if fortran else "C")
    machine.stack.append(target)


def _settled(value: Any) -> Any:
    """Arrays in the place of what stood for them."""
    if isinstance(value, _Array):
        if value.array is None:
            raise NotPlainError("it has an array without content")
        return value.array
    if isinstance(value, dict):
        return {key: _settled(each) for key, each in value.items()}
    return value


_VALUES = (
    "BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING",
    "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES",
    "SHORT_BINBYTES", "BINBYTES8",
)  # fmt: skip
_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys(_VALUES, _push),
    **dict.fromkeys(("PROTO", "FRAME"), lambda machine, argument: None),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _memoize),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _recall),
    "MARK": _constant(lambda: _MARK),
    "NONE": _constant(lambda: None),
    "NEWTRUE": _constant(lambda: True),
    "NEWFALSE": _constant(lambda: False),
    "EMPTY_LIST": _constant(list),
    "EMPTY_DICT": _constant(dict),
    "EMPTY_TUPLE": _constant(tuple),
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.marked())),
    "LIST": lambda machine, _: machine.stack.append(machine.marked()),
    "DICT": lambda machine, _: _dict(machine),
    "APPEND": lambda machine, _: _append(machine, machine.take(1)),
    "APPENDS": lambda machine, _: _append(machine, machine.marked()),
    "SETITEM": lambda machine, _: _set(machine, machine.take(2)),
    "SETITEMS": lambda machine, _: _set(machine, machine.marked()),
    "GLOBAL": lambda machine, argument: _name(machine, *argument.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: _name(machine, *machine.take(2)),
    "REDUCE": _reduce,
    "BUILD": _build,
}


def _dict(machine: _Machine) -> None:
    items = machine.marked()
    machine.stack.append(dict(zip(items[::2], items[1::2], strict=True)))
