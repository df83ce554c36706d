"""How settings are spelled in a string: ``name`` or ``name:key=value,key=value``; values are JSON or text."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from crosstrain.errors import CrosstrainError
from crosstrain.training.optimizers import FAMILIES, Optimizer
from crosstrain.training.recipe import Loss
from crosstrain.training.schedules import SCHEDULES, Plateau, Schedule

_FUNCTION = re.compile(r"^(?P<file>.+\.py):(?P<function>[A-Za-z_]\w*)(?::(?P<rest>.*))?$")
_AT = re.compile(r"^(?P<network>.+)@(?P<sizes>\d+(\+\d+)*)$")
_DURATION = re.compile(r"^(?P<number>\d+(\.\d+)?)(?P<unit>s|m|h|)$")
_SIZE = re.compile(r"^(?P<number>\d+(\.\d+)?)(?P<unit>[kMGT]?)i?B?$")


PYTHONIC = {"True": True, "False": False, "None": None}


def value(text: str) -> Any:
    """``true``, ``3``, ``1e-4``, ``[1, 2]`` and the like as JSON, ``True``, ``False`` and ``None`` as in
    Python; anything else is text."""
    if text in PYTHONIC:
        return PYTHONIC[text]
    try:
        return json.loads(text)
    except ValueError:
        return text


def settings(text: str) -> dict[str, Any]:
    """``key=value,key=value`` as a dictionary. Commas inside brackets belong to the value."""
    found: dict[str, Any] = {}
    for part in re.split(r",(?=\s*\w+\s*=)", text) if text else ():
        key, equals, given = part.partition("=")
        if not equals or not key.strip():
            raise CrosstrainError(f"{part!r} in {text!r} is not a setting; write key=value,key=value")
        found[key.strip()] = value(given.strip())
    return found


def named(text: str) -> tuple[str, dict[str, Any]]:
    """``name:key=value,…`` as name and settings; ``file.py:function`` is one name."""
    function = _FUNCTION.match(text)
    if function:
        return f"{function['file']}:{function['function']}", settings(function["rest"] or "")
    name, _, rest = text.partition(":")
    return name.strip(), settings(rest)


def loss(text: str) -> Loss:
    """A loss from its spelling, as ``huber:delta=2`` or ``file.py:function:weight=0.5``."""
    name, given = named(text)
    weight = given.pop("weight", 1.0)
    if not isinstance(weight, int | float):
        raise CrosstrainError(f"the weight of loss {name!r} is {weight!r}, which is no number")
    return Loss(name, given, float(weight))


def losses(given: str | Loss | Mapping[str, str | Loss] | None) -> dict[str, Loss] | None:
    """Losses by output name (``""`` for the only output); None lets crosstrain choose."""
    if given is None:
        return None
    several = given if isinstance(given, Mapping) else {"": given}
    return {name: loss(each) if isinstance(each, str) else each for name, each in several.items()}


def optimizer(given: str | Optimizer, **overrides: Any) -> Optimizer:
    """An optimizer from its spelling, as ``adam:beta_1=0.8``; ``overrides`` that are not None win."""
    if isinstance(given, Optimizer):
        name, found = given.name, {k: v for k, v in given.to_json().items() if k != "name"}
    else:
        name, found = named(given)
    found |= {key: each for key, each in overrides.items() if each is not None}
    if name not in FAMILIES:
        raise CrosstrainError(f"there is no optimizer {name!r}; there are {', '.join(FAMILIES)}")
    known = [f.name for f in fields(Optimizer) if f.name != "name"]
    for key, each in found.items():
        if key not in known:
            raise CrosstrainError(f"an optimizer has no setting {key!r}; there are {', '.join(known)}")
        if not isinstance(each, int | float):
            raise CrosstrainError(f"the optimizer's {key} is {each!r}, which is no number")
    if name != "sgd" and name != "rmsprop" and found.get("momentum"):
        raise CrosstrainError(f"the optimizer {name} has no momentum; sgd and rmsprop have one")
    try:
        return Optimizer(name, **found)
    except ValueError as error:
        raise CrosstrainError(str(error)) from None


def schedule(given: str | Schedule) -> Schedule:
    """A schedule from its spelling, as ``cosine:decay_steps=1000``; its settings are checked."""
    if isinstance(given, Schedule):
        return given
    name, found = named(given)
    if name not in SCHEDULES and name != "plateau":
        raise CrosstrainError(
            f"there is no schedule {name!r}; there are {', '.join([*SCHEDULES, 'plateau'])}"
        )
    known, needed = _settings_of(name)
    for key in found:
        if key not in known:
            raise CrosstrainError(
                f"the schedule {name} has no setting {key!r}; it has {', '.join(known) or 'none'}"
            )
    for key in needed:
        if key not in found:
            raise CrosstrainError(f"the schedule {name} needs {key}: write {name}:{key}=…")
    return Schedule(name, found)


def _settings_of(name: str) -> tuple[list[str], list[str]]:
    """The settings a schedule takes, and those of them that it needs."""
    if name == "plateau":
        return [f.name for f in fields(Plateau) if f.name not in ("rate", "best", "waited")], []
    parameters = list(inspect.signature(SCHEDULES[name]).parameters.values())[2:]
    return [p.name for p in parameters], [p.name for p in parameters if p.default is p.empty]


def seconds(given: str | float | None) -> float | None:
    """``90``, ``90s``, ``10m`` or ``1.5h`` in seconds."""
    if given is None or isinstance(given, int | float):
        number = given
    else:
        match = _DURATION.match(given.strip())
        if match is None:
            raise CrosstrainError(f"{given!r} is no time; write 90s, 10m or 1.5h")
        number = float(match["number"]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match["unit"]]
    if number is not None and number <= 0:
        raise CrosstrainError(f"a time of {given} is not more than nothing")
    return None if number is None else float(number)


def share(given: str | float | None) -> float | None:
    """``2%`` or ``0.02`` as 0.02; between 0 and 1."""
    if given is None or isinstance(given, int | float):
        number = given
    else:
        text = given.strip()
        try:
            number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            raise CrosstrainError(f"{given!r} is no share; write 2% or 0.02") from None
    if number is not None and not 0 < number < 1:
        raise CrosstrainError(f"a share of {given} does not lie between 0 and 100 %")
    return None if number is None else float(number)


def size_in_bytes(given: str | int | None) -> int | None:
    """``2G``, ``512M`` or a number of bytes."""
    if given is None or isinstance(given, int):
        number = given
    else:
        match = _SIZE.match(given.strip())
        if match is None:
            raise CrosstrainError(f"{given!r} is no amount of memory; write 512M or 2G")
        power = ("", "k", "M", "G", "T").index(match["unit"])
        number = int(float(match["number"]) * 1024**power)
    if number is not None and number <= 0:
        raise CrosstrainError(f"an amount of memory of {given} is not more than nothing")
    return number


def engine_options(given: list[str]) -> dict[str, dict[str, Any]]:
    """``engine.option=value`` strings as options by engine."""
    found: dict[str, dict[str, Any]] = {}
    for text in given:
        left, equals, right = text.partition("=")
        engine, dot, option = left.strip().partition(".")
        if not (equals and dot and engine and option):
            raise CrosstrainError(
                f"{text!r} is no option; write engine.option=value, as torch.compile=default"
            )
        found.setdefault(engine, {})[option] = value(right.strip())
    return found


def items(given: str | None) -> list[str]:
    """``a,b,c`` as a list, without empty ones."""
    return [part.strip() for part in (given or "").split(",") if part.strip()]


def networks(given: str | Sequence[str]) -> tuple[list[str], list[tuple[str, tuple[int, ...]]]]:
    """``idsia@48,resnet20@32+48,lenet5`` as names, and as names with sizes of their own: ``(("idsia", (48,)),
    …, ("lenet5", ()))``."""
    found: list[tuple[str, tuple[int, ...]]] = []
    for each in several(given):
        match = _AT.match(each)
        if match is None:
            found.append((each, ()))
            continue
        pixels = tuple(int(part) for part in match["sizes"].split("+"))
        if 0 in pixels:
            raise CrosstrainError(f"{each} asks for an input size of 0, which is less than one pixel")
        found.append((match["network"], pixels))
    return [name for name, _ in found], found


def several(given: str | Sequence[str]) -> list[str]:
    """``"a,b"`` or a sequence of strings as a list."""
    return items(given) if isinstance(given, str) else list(given)


def sizes(given: str | None) -> list[int]:
    """``32,48`` as numbers."""
    found = []
    for part in items(given):
        if not part.isdecimal() or int(part) == 0:
            raise CrosstrainError(f"{part!r} is no input size; write numbers of pixels, as 32,48")
        found.append(int(part))
    return found


def dimensions(given: str | None) -> tuple[int, ...] | None:
    """``32,32,3`` (or ``32x32x3``) as a shape; None stays None."""
    if given is None:
        return None
    parts = re.split(r"[,x×]", given)
    if not all(part.strip().isdecimal() and int(part) for part in parts):
        raise CrosstrainError(f"{given!r} is no input shape; write numbers, as 32,32,3")
    return tuple(int(part) for part in parts)


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them: ``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else ""
