"""Classical estimators as they are named in a comparison: ``classic:NAME:PARAMETER=VALUE,…``."""

from __future__ import annotations

import ast
import difflib
import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sklearn.base import ClassifierMixin

from crosstrain import classic
from crosstrain.classic import PREFIX
from crosstrain.errors import CrosstrainError

SEED = "random_state"
"""Comes from the comparison's seeds."""
_MORE = re.compile(r"[A-Za-z_]+=")
"""Begins a parameter that a comma has parted from its estimator."""
_SEVERAL = re.compile(r"\d+(\+\d+)+")


@dataclass(frozen=True)
class ClassicalEntrant:
    """An estimator of ``crosstrain.classic`` and what it is set up with. ``text`` is how it is written."""

    text: str
    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def estimator(self, seed: int) -> Any:
        """A new estimator, not fitted."""
        make = classifiers()[self.name]
        drawn = {SEED: seed} if SEED in inspect.signature(make).parameters else {}
        return make(**self.parameters, **drawn)


def classifiers() -> dict[str, Any]:
    """The classifiers of ``crosstrain.classic`` by name."""
    offered = {name: getattr(classic, name) for name in classic.MODULES}
    return {
        name: each
        for name, each in offered.items()
        if inspect.isclass(each) and issubclass(each, ClassifierMixin)
    }


def parted(names: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """The classical entrants among names that commas have parted, and the others.

    ``classic:LVQ:version=3,window=0.2`` has come as two names; they are joined again.
    """
    classical: list[str] = []
    others: list[str] = []
    last: list[str] = others
    for name in names:
        if last is classical and _MORE.match(name):
            classical[-1] += f",{name}"
            continue
        last = classical if name.startswith(PREFIX) else others
        last.append(name)
    return tuple(dict.fromkeys(read(text).text for text in classical)), others


def read(text: str) -> ClassicalEntrant:
    """The entrant that ``text`` names; ``CrosstrainError`` for a name or a parameter that there is not."""
    name, _, rest = text.removeprefix(PREFIX).partition(":")
    known = classifiers()
    if name not in known:
        same = [each for each in known if each.lower() == name.lower()]
        near = same or difflib.get_close_matches(name, known, 2, 0.5)
        hint = f"did you mean {' or '.join(near)}? There are" if near else "there are"
        raise CrosstrainError(f"there is no classical classifier {name!r}; {hint} {', '.join(known)}")
    signature = inspect.signature(known[name]).parameters
    defaults = {key: each.default for key, each in signature.items() if key != SEED}
    parameters: dict[str, Any] = {}
    for part in filter(None, re.split("[,:]", rest)):
        key, equals, value = (each.strip() for each in part.partition("="))
        if key == SEED:
            raise CrosstrainError(f"{text}: {SEED} comes from the comparison's seeds (--seed, --seeds)")
        if not equals or not value:
            raise CrosstrainError(f"{text}: write a parameter as {PREFIX}{name}:NAME=VALUE, not {part!r}")
        if key not in defaults:
            raise CrosstrainError(
                f"{text}: {name} has no parameter {key!r}; it has {', '.join(defaults) or 'none'}"
            )
        if key in parameters:
            raise CrosstrainError(f"{text} gives {key} twice")
        parameters[key] = _value(value, defaults[key])
    written = ",".join(f"{key}={_spelled(value)}" for key, value in parameters.items())
    return ClassicalEntrant(f"{PREFIX}{name}{written and f':{written}'}", name, parameters)


def _value(text: str, default: Any) -> Any:
    """A number, truth value or None; ``100+50`` is several numbers; else the text as it is."""
    value: Any
    if _SEVERAL.fullmatch(text):
        value = tuple(int(each) for each in text.split("+"))
    else:
        try:
            value = ast.literal_eval(text.capitalize() if text in ("true", "false", "none") else text)
        except (ValueError, SyntaxError):
            value = text
    if isinstance(default, str) and default.isdecimal():
        return text  # LVQ's version is the text "1", "2.1" or "3"
    return (value,) if isinstance(default, tuple) and isinstance(value, int) else value


def _spelled(value: Any) -> str:
    return "+".join(map(str, value)) if isinstance(value, tuple) else str(value)
