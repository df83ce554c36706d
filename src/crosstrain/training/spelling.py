"""How settings are spelled in a string: ``name`` or ``name:key=value,key=value``; values are JSON or text."""

from __future__ import annotations

import inspect
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from numbers import Integral
from typing import Any

from crosstrain.errors import CrosstrainError
from crosstrain.training import augmentation as augmenting
from crosstrain.training import initialisers
from crosstrain.training.optimizers import FAMILIES, TORCH_NAMES, Optimizer
from crosstrain.training.recipe import Loss
from crosstrain.training.schedules import SCHEDULES, SHARES, Plateau, Schedule

_FUNCTION = re.compile(r"^(?P<file>.+\.py):(?P<function>[A-Za-z_]\w*)(?::(?P<rest>.*))?$")
_AT = re.compile(r"^(?P<network>.+)@(?P<sizes>\d+(x\d+)?(\+\d+(x\d+)?)*)$")
_DURATION = re.compile(r"^(?P<number>\d+(\.\d+)?)(?P<unit>s|m|h|)$")
_SIZE = re.compile(r"^(?P<number>\d+(\.\d+)?)(?P<unit>[kMGT]?)i?B?$")

PictureSize = int | tuple[int, int]
"""Pixels of both sides, or (height, width)."""

DEEPEST = 16
"""The deepest nesting of lists and objects in a value; no setting needs more."""
LARGEST_SIZE = 32_768
"""Pixels per edge: the most that OpenCV can resize to."""
LONGEST = 100 * 365 * 86_400
"""Seconds: a timeout that every system clock can handle."""

BALANCED = "balanced"
"""Of class weights: so that every class counts alike."""
MEDIAN = "median-frequency"
"""Of class weights of label maps: the median of the classes' frequencies over each class's own."""

PYTHONIC = {"True": True, "False": False, "None": None}


def value(text: str) -> Any:
    """``true``, ``3``, ``1e-4``, ``[1, 2]`` and the like as JSON, ``True``, ``False`` and ``None`` as in
    Python; anything else is text."""
    if text in PYTHONIC:
        return PYTHONIC[text]
    try:
        result = json.loads(text, parse_float=_finite, parse_constant=_finite)
    except ValueError:
        return text
    except RecursionError:
        result = None
        deep = True
    else:
        deep = _depth(result) > DEEPEST
    if deep:
        raise CrosstrainError(f"the value {shortened(text)} is nested more than {DEEPEST} deep")
    return result


def _finite(text: str) -> float:
    """A JSON number. Raises ``ValueError`` for what a float cannot hold (``1e400``, ``NaN``)."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a finite number")
    return number


def _depth(tree: Any) -> int:
    """The nesting depth of lists and objects, without recursion."""
    depth, level = 0, [tree]
    while level := [each for each in level if isinstance(each, list | dict)]:
        depth += 1
        level = [inner for each in level for inner in (each.values() if isinstance(each, dict) else each)]
    return depth


def is_number(value: Any) -> bool:
    """Whether a value is a finite number that a float can hold."""
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:
        return False


def shortened(text: Any) -> str:
    """The value's ``repr``, shortened for a message."""
    shown = repr(text)
    return shown if len(shown) <= 40 else f"{shown[:37]}…{shown[-1]}"


def settings(text: str) -> dict[str, Any]:
    """``key=value,key=value`` as a dictionary. Commas inside brackets belong to the value."""
    result: dict[str, Any] = {}
    for part in re.split(r",(?=\s*[\w-]+\s*=)", text) if text else ():
        key, equals, raw = part.partition("=")
        if not equals or not key.strip():
            raise CrosstrainError(f"{part!r} in {text!r} is not a setting; write key=value,key=value")
        result[key.strip()] = value(raw.strip())
    return result


def named(text: str) -> tuple[str, dict[str, Any]]:
    """``name:key=value,…`` as name and settings; ``file.py:function`` is one name."""
    function = _FUNCTION.match(text)
    if function:
        return f"{function['file']}:{function['function']}", settings(function["rest"] or "")
    name, _, rest = text.partition(":")
    return name.strip(), settings(rest)


def loss(text: str) -> Loss:
    """A loss from its spelling, as ``huber:delta=2`` or ``file.py:function:weight=0.5``."""
    name, options = named(text)
    weight = options.pop("weight", 1.0)
    if not is_number(weight):
        raise CrosstrainError(f"the weight of loss {name!r} is {shortened(weight)}, which is not a number")
    return Loss(name, options, float(weight))


def losses(specs: str | Loss | Mapping[str, str | Loss] | Sequence[str] | None) -> dict[str, Loss] | None:
    """Losses by output name (``""`` for the only output), also as ``LOSS`` or ``OUTPUT=LOSS`` strings; None
    lets crosstrain choose."""
    if specs is None:
        return None
    if isinstance(specs, str | Loss):
        specs = {"": specs}
    elif not isinstance(specs, Mapping):
        specs = _by_output(specs)
    return {name: loss(each) if isinstance(each, str) else each for name, each in specs.items()}


def _by_output(texts: Sequence[str]) -> dict[str, str | Loss]:
    by_output: dict[str, str | Loss] = {}
    for text in texts:
        output, equals, rest = text.partition("=")
        # "huber:delta=2" has its = behind a colon: then all of it is the loss.
        named = bool(equals) and ":" not in output
        name = output.strip() if named else ""
        if name in by_output:
            raise CrosstrainError(
                f"there are two losses for {f'output {name!r}' if name else 'the only output'}"
            )
        by_output[name] = rest if named else text
    return by_output


def augmentation(spec: str | Sequence[str] | Mapping[str, Any] | None) -> dict[str, Any]:
    """An augmentation from its spelling, as ``flip,shift=4``, from several such, or from a mapping."""
    try:
        if isinstance(spec, Mapping):
            return augmenting.checked(spec)
        settings: dict[str, Any] = {}
        texts = [spec] if isinstance(spec, str) else list(spec or ())
        for part in (item for text in texts for item in items(text)):
            key, equals, raw = part.partition("=")
            name = augmenting.name_of(key)
            if not equals and augmenting.SETTINGS[name].alone is None:
                kind = augmenting.SETTINGS[name].kind.words
                raise ValueError(f"the augmentation {name!r} needs a value, {kind}: write {name}=…")
            if name in settings:
                raise ValueError(f"the augmentation {name!r} is named twice")
            settings[name] = value(raw.strip()) if equals else True
        return augmenting.checked(settings)
    except ValueError as error:
        raise CrosstrainError(str(error)) from None


def initializer(spec: str | Mapping[str, Any]) -> dict[str, Any]:
    """An initializer from its spelling, as ``he_normal`` or ``random_normal:stddev=0.01``; {} for ``own``."""
    if isinstance(spec, str):
        name, options = named(spec)
        spec = {"name": name, **options} if spec else {}
    try:
        return initialisers.checked(spec)
    except ValueError as error:
        raise CrosstrainError(str(error)) from None


def class_weight(spec: str | Mapping[Any, Any] | None) -> dict[str, Any]:
    """Weights of classes from their spelling: ``balanced``, ``median-frequency``, or ``0=1,1=5`` (a mapping
    of numbers)."""
    if spec is None or spec == "":
        return {}
    if spec in (BALANCED, MEDIAN):
        return {str(spec): True}
    entries = settings(spec) if isinstance(spec, str) else {str(key): each for key, each in spec.items()}
    for key, each in entries.items():
        if not key.isdecimal():
            raise CrosstrainError(
                f"class weights are {BALANCED}, {MEDIAN}, or numbers by class as 0=1,1=5, not {spec!r}"
            )
        if not is_number(each) or isinstance(each, bool) or each < 0:
            raise CrosstrainError(
                f"the weight of class {key} is {shortened(each)}; it must be a number of at least 0"
            )
    return {key: float(each) for key, each in entries.items()}


def fitting_losses(
    losses: Mapping[str, Loss] | None, augmentation: Mapping[str, Any]
) -> dict[str, Loss] | None:
    """The losses for targets that may be mixed: shares of classes, for which the categorical cross-entropy
    replaces the sparse one. ``CrosstrainError`` where a class is to be left out, which no share has."""
    if losses is None or "mixup" not in augmentation:
        return None if losses is None else dict(losses)
    return {output: _soft(each) for output, each in losses.items()}


def _soft(each: Loss) -> Loss:
    if each.name.replace("_", "").lower() != "sparsecategoricalcrossentropy":
        return each
    if each.settings.get("ignore_class") is not None:
        raise CrosstrainError("mixup cannot go with ignore_class: mixed examples belong to several classes")
    kept = {key: setting for key, setting in each.settings.items() if key != "ignore_class"}
    return Loss("categorical_crossentropy", kept, each.weight)


def optimizer(spec: str | Optimizer, **overrides: Any) -> Optimizer:
    """An optimizer from its spelling, as ``adam:beta_1=0.8`` or ``torch.sgd:lr=0.1``; ``overrides`` that are
    not None take precedence."""
    if isinstance(spec, Optimizer):
        name, options = spec.name, {k: v for k, v in spec.to_json().items() if k != "name"}
    else:
        name, options = named(spec)
    return optimizer_from(name, options | {key: each for key, each in overrides.items() if each is not None})


def optimizer_from(name: str, options: Mapping[str, Any]) -> Optimizer:
    """An optimizer from its name and settings as they are spelled."""
    options = {key.replace("-", "_"): each for key, each in options.items()}
    if name.startswith("torch."):
        options = {TORCH_NAMES.get(key, key): each for key, each in options.items()}
    if name not in FAMILIES:
        raise CrosstrainError(f"there is no optimizer {name!r}; there are {', '.join(FAMILIES)}")
    known = [f.name for f in fields(Optimizer) if f.name != "name"]
    for key, each in options.items():
        if key not in known:
            raise CrosstrainError(f"an optimizer has no setting {key!r}; there are {', '.join(known)}")
        if not is_number(each):
            raise CrosstrainError(f"the optimizer's {key} is {shortened(each)}, which is not a number")
    try:
        return Optimizer(name, **options)
    except ValueError as error:
        raise CrosstrainError(str(error)) from None


def schedule(spec: str | Schedule) -> Schedule:
    """A schedule from its spelling, as ``cosine:decay_steps=1000``; its settings are checked."""
    if isinstance(spec, Schedule):
        return spec
    name, options = named(spec)
    if name not in SCHEDULES and name != "plateau":
        raise CrosstrainError(
            f"there is no schedule {name!r}; there are {', '.join([*SCHEDULES, 'plateau'])}"
        )
    known, needed = _settings_of(name)
    shares = {share: count for share, count in SHARES[name].items() if share in options}
    known |= {
        share: "list[float]" if known[count] == "list[int]" else "float"
        for share, count in SHARES[name].items()
    }
    needed = [key for key in needed if key not in shares.values()]
    for key in options:
        if key not in known:
            raise CrosstrainError(
                f"the schedule {name} has no setting {key!r}; it has {', '.join(known) or 'none'}"
            )
    for key in needed:
        if key not in options:
            raise CrosstrainError(f"the schedule {name} needs {key}: write {name}:{key}=…")
    for key, each in options.items():
        what, fits = KINDS[known[key]]
        if not fits(each):
            raise CrosstrainError(f"the schedule {name}'s {key} is {shortened(each)}, which is not {what}")
    boundaries = options.get("boundaries", options.get("boundary_shares"))
    if name == "step" and len(boundaries or ()) != len(options["factors"]):
        raise CrosstrainError("the schedule step needs as many factors as boundaries, one for each")
    try:
        result = Schedule(name, options)
    except ValueError as error:
        raise CrosstrainError(str(error)) from None
    if not is_number(result.resolved(1000, 1000).rate(1.0, 1)):
        raise CrosstrainError(f"the schedule {name} gives no valid rate with {shortened(spec)}")
    return result


def _whole(each: Any) -> bool:
    return is_number(each) and not isinstance(each, bool) and int(each) == each


def _numbers(each: Any) -> bool:
    return isinstance(each, list | tuple) and all(is_number(one) for one in each)


KINDS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "int": ("a whole number", _whole),
    "float": ("a number", is_number),
    "float | None": ("a number", lambda each: each is None or is_number(each)),
    "bool": ("true or false", lambda each: isinstance(each, bool)),
    "list[int]": ("a list of numbers, as [500,900]", _numbers),
    "list[float]": ("a list of numbers, as [0.1,0.01]", _numbers),
}
"""The type of a schedule's setting by its annotation: in words, and as a predicate."""


def _settings_of(name: str) -> tuple[dict[str, str], list[str]]:
    """The settings of a schedule with their annotations, and the required ones."""
    if name == "plateau":
        own = [f for f in fields(Plateau) if f.name not in ("rate", "best", "waited")]
        return {f.name: str(f.type) for f in own}, []
    parameters = list(inspect.signature(SCHEDULES[name]).parameters.values())[2:]
    return (
        {p.name: str(p.annotation) for p in parameters},
        [p.name for p in parameters if p.default is p.empty],
    )


def seconds(duration: str | float | None) -> float | None:
    """``90``, ``90s``, ``10m`` or ``1.5h`` in seconds."""
    if duration is None or isinstance(duration, int | float):
        number = duration
    else:
        match = _DURATION.match(duration.strip())
        if match is None:
            raise CrosstrainError(f"{duration!r} is not a time; write 90s, 10m or 1.5h")
        number = float(match["number"]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match["unit"]]
    if number is not None and not number > 0:
        raise CrosstrainError(f"a time must be more than 0, not {duration}")
    if number is not None and number > LONGEST:
        raise CrosstrainError(f"a time of {shortened(duration)} is more than a hundred years")
    return None if number is None else float(number)


def share(fraction: str | float | None) -> float | None:
    """``2%`` or ``0.02`` as 0.02; between 0 and 1."""
    if fraction is None or isinstance(fraction, int | float):
        number = fraction
    else:
        text = fraction.strip()
        try:
            number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            raise CrosstrainError(f"{fraction!r} is not a share; write 2% or 0.02") from None
    if number is not None and not 0 < number < 1:
        raise CrosstrainError(f"a share must lie between 0 and 100 %, not {fraction}")
    return None if number is None else float(number)


def size_in_bytes(size: str | int | None) -> int | None:
    """``2G``, ``512M`` or a number of bytes."""
    if size is None or isinstance(size, int):
        number = size
    else:
        match = _SIZE.match(size.strip())
        if match is None:
            raise CrosstrainError(f"{size!r} is not an amount of memory; write 512M or 2G")
        power = ("", "k", "M", "G", "T").index(match["unit"])
        amount = float(match["number"]) * 1024**power
        if not math.isfinite(amount):
            raise CrosstrainError(f"{shortened(size)} is too much memory")
        number = int(amount)
    if number is not None and number <= 0:
        raise CrosstrainError(f"an amount of memory must be more than 0, not {size}")
    return number


def engine_options(texts: list[str]) -> dict[str, dict[str, Any]]:
    """``engine.option=value`` strings as options by engine."""
    options: dict[str, dict[str, Any]] = {}
    for text in texts:
        key, equals, raw = text.partition("=")
        engine, dot, option = key.strip().rpartition(".")  # a release has dots of its own
        if not (equals and dot and engine and option):
            raise CrosstrainError(
                f"{text!r} is not an option; write engine.option=value, as in torch.compile=default"
            )
        options.setdefault(engine, {})[option] = value(raw.strip())
    return options


def by_engine(options: Mapping[str, Mapping[str, Any]] | Sequence[str] | None) -> dict[str, dict[str, Any]]:
    """Options by engine, from a mapping or from ``engine.option=value`` strings."""
    if isinstance(options, Mapping):
        return {engine: dict(each) for engine, each in options.items()}
    return engine_options([options] if isinstance(options, str) else list(options or ()))


def items(text: str | None) -> list[str]:
    """``a,b,c`` as a list, without empty items."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def networks(names: str | Sequence[str]) -> tuple[list[str], list[tuple[str, tuple[PictureSize, ...]]]]:
    """``idsia@48,resnet20@32+48,lenet5`` as names, and as names with sizes of their own: ``(("idsia", (48,)),
    …, ("lenet5", ()))``."""
    entries: list[tuple[str, tuple[PictureSize, ...]]] = []
    for each in several(names):
        match = _AT.match(each)
        if match is None:
            entries.append((each, ()))
            continue
        parts = match["sizes"].split("+")
        if any(not part.strip("0") for part in parts):
            raise CrosstrainError(f"{each} has an input size of 0, which is less than one pixel")
        pixels = tuple(_size(part) for part in parts)
        entries.append((match["network"], pixels))
    return [name for name, _ in entries], entries


def several(texts: str | Sequence[str]) -> list[str]:
    """``"a,b"`` or a sequence of strings as a list."""
    return items(texts) if isinstance(texts, str) else list(texts)


def sizes(spec: int | str | Sequence[int | str] | None) -> list[PictureSize]:
    """Input sizes: ``32,48``, a number or several; ``96x128`` is 96 high and 128 wide."""
    parts: Sequence[Any] = items(spec) if isinstance(spec, str | None) else _as_list(spec)
    return [_size(each) for each in parts]


def size_spelled(size: Any) -> str | None:
    """A size, or [height, width], as ``sizes`` reads it; None for none."""
    if size is None:
        return None
    return "x".join(map(str, size)) if isinstance(size, tuple | list) else str(size)


def _size(size: Any) -> PictureSize:
    if not isinstance(size, str) or "x" not in size:
        return _pixels(size)
    height, _, width = size.partition("x")
    both = _pixels(height), _pixels(width)
    return both[0] if both[0] == both[1] else both


def _pixels(size: Any) -> int:
    text = isinstance(size, str)
    if text and not (size.isdecimal() and size.strip("0")):
        raise CrosstrainError(f"{shortened(size)} is not an input size; write pixels, as in 32,48 or 96x128")
    if not text and (isinstance(size, bool) or not isinstance(size, Integral)):
        raise CrosstrainError(f"{shortened(size)} is not an input size; it must be a whole number of pixels")
    # Long digits are not even read: Python refuses thousands of them.
    if (text and len(size) > len(str(LARGEST_SIZE)) * 2) or (number := int(size)) > LARGEST_SIZE:
        raise CrosstrainError(f"an input size of {shortened(size)} is more than {LARGEST_SIZE} pixels")
    if number < 1:
        raise CrosstrainError(f"an input size of {number} is less than one pixel")
    return number


def batch_sizes(spec: str | Sequence[int]) -> list[int]:
    """``1,8,64`` or numbers."""
    if not isinstance(spec, str):
        return list(spec)
    parts = [part.strip() for part in spec.split(",")]
    if not all(part.isdecimal() and len(part) < 10 for part in parts):
        raise CrosstrainError(f"batch sizes are numbers, as 1,8,64, not {shortened(spec)}")
    return [int(part) for part in parts]


def dimensions(shape: str | Sequence[int] | None) -> tuple[int, ...] | None:
    """``32,32,3`` (or ``32x32x3``) as a shape; None stays None."""
    if not isinstance(shape, str):
        return None if shape is None else tuple(shape)
    parts = [part.strip() for part in re.split(r"[,x×]", shape)]
    if not all(part.isdecimal() and len(part) < 10 and int(part) for part in parts):
        raise CrosstrainError(f"{shortened(shape)} is not an input shape; write numbers, as in 32,32,3")
    return tuple(int(part) for part in parts)


def listed(names: Sequence[str]) -> str:
    """Names joined as in a sentence: ``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else ""


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, Sequence) else [value]


def fine_tuning(text: str | None) -> tuple[int, float | None] | None:
    """``EPOCHS`` or ``EPOCHS:RATE`` as both numbers, the rate None where it is left out."""
    if text is None:
        return None
    epochs, colon, rate = str(text).partition(":")
    try:
        found = int(epochs), float(rate) if colon else None
    except ValueError as error:
        raise CrosstrainError(f"fine-tuning is EPOCHS or EPOCHS:RATE, as 5:0.001, not {text!r}") from error
    if found[0] < 1 or (found[1] is not None and not 0 < found[1] < math.inf):
        raise CrosstrainError(f"fine-tuning takes at least 1 epoch, at a rate above 0, not {text!r}")
    return found
