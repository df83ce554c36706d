"""A user's code: the cause of an error there in one line (Keras wraps errors in paragraphs of its own), and
which line made a layer."""

from __future__ import annotations

import functools
import re
import sys
import sysconfig
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_WRAPPING = re.compile(
    r"^(Exception encountered when calling|Arguments received by|Could not automatically infer)"
)
_LIBRARIES = tuple(
    {sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
)
_OWN = str(Path(__file__).resolve().parents[2])

_HINTS = {
    "ConcretizationTypeError": "the layer asks for a value where only shapes are known; use keras.ops",
    "TracerArrayConversionError": "the layer hands a tensor to NumPy; use keras.ops instead of numpy",
    "TracerBoolConversionError": "the layer branches on a tensor's value; use keras.ops.where",
    "TracerIntegerConversionError": "the layer needs a tensor's value as a number; use keras.ops",
}
"""Hints for JAX's errors about values that are unknown while shapes are inferred."""

_HINTS_BY_WORDS = {
    "parameters to jaxpr equations must have __hash__": "the layer computes a shape, or how often to repeat, "
    "from the batch size; leave the batch to broadcasting (a mask of batch size 1), or call a "
    "MultiHeadAttention with use_causal_mask=True",
}
"""The same for errors of a general kind, by a part of their message."""


def cause(error: BaseException) -> str:
    """``Kind: message (file, line)``: the paragraph with the reason, and the last line in the user's code."""
    # A KeyError's own text is its argument as Python would write it: of Keras's paragraphs, unreadable.
    wrapped = isinstance(error, KeyError) and len(error.args) == 1 and "\n" in str(error.args[0])
    text = _COLOURS.sub("", str(error.args[0]) if wrapped else str(error)).strip()
    paragraphs = [" ".join(p.split()) for p in re.split(r"\n\s*\n", text)]
    telling = [p for p in paragraphs if p and not _WRAPPING.match(p)]
    message = telling[0] if telling else (paragraphs[0] if paragraphs else "")
    kind = type(error).__name__
    by_words = (hint for words, hint in _HINTS_BY_WORDS.items() if words in message)
    reason = _HINTS.get(kind) or next(by_words, _shortened(message))
    return f"{kind}: {reason}{_place(error)}" if reason else f"{kind}{_place(error)}"


def _shortened(message: str, most: int = 300) -> str:
    return message if len(message) <= most else message[: most - 1].rstrip() + "…"


def _place(error: BaseException) -> str:
    """The place in the user's files; empty if the error was elsewhere."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _of_the_user(frame.filename)]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""


def _of_the_user(file: str) -> bool:
    return not file.startswith((*_LIBRARIES, _OWN, "<"))


# -- lines that make layers --------------------------------------------------------------------------
@contextmanager
def recording(base: Any, maker: str) -> Iterator[Mapping[int, str]]:
    """Inside, every object of ``base`` leaves under its ``id`` the line of the user's source nearest to its
    making (``net.py:12``); none where no code of the user's made it. ``maker`` is the method of ``base`` that
    is watched: ``__new__``, or ``__init__``."""
    kept, lines = vars(base)[maker], dict[int, str]()
    function = getattr(base, maker)

    @functools.wraps(function)
    def making(first: Any, *arguments: Any, **keywords: Any) -> Any:
        result = function(first, *arguments, **keywords)
        made = first if maker == "__init__" else result
        if id(made) not in lines and (line := _nearest()):
            lines[id(made)] = line
        return result

    setattr(base, maker, staticmethod(making) if maker == "__new__" else making)
    try:
        yield lines
    finally:
        setattr(base, maker, kept)


def _nearest() -> str:
    frame: Any = sys._getframe(2)
    while frame is not None:
        if _of_the_user(frame.f_code.co_filename):
            return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
        frame = frame.f_back
    return ""
