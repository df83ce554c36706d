"""Finds where a network repeats itself: chains of alike blocks, one block class with arguments, one loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from crosstrain.source.view.step import Network, Step, identifier

INPUT, OUTPUT = "%block_input", "%block_output"
LONGEST_PERIOD = 4
FEWEST_STEPS = 12
"""The fewest steps from which a chain without branches is folded; below that, straight lines read better."""

BASES = {"batch_norm": "bn", "batch_norm_axis": "bn", "layer_norm": "norm", "rms_norm": "norm"}


class Code(str):
    """An expression in a block's arguments, as opposed to a literal."""

    __slots__ = ()


@dataclass(frozen=True)
class Option:
    """Steps from ``input`` that only some blocks have: ``output`` is ``input`` itself elsewhere."""

    condition: Code
    steps: tuple[Step, ...]
    input: str
    output: str


@dataclass(frozen=True)
class Block:
    """A class of blocks. In its steps ``INPUT`` and ``OUTPUT`` are its own values, settings may be ``Code``,
    and names of layers are keys of ``attributes``.

    ``arguments`` gives each argument's value in every block. The weights of the layer ``key`` are called
    ``prefixes[i] + key`` in block i; where ``names`` is given, ``names[i][index of key]`` instead.
    """

    items: tuple[Step | Option, ...]
    arguments: Mapping[str, tuple[Any, ...]]
    attributes: Mapping[str, str]
    prefixes: tuple[str, ...]
    names: tuple[tuple[str, ...], ...] | None = None

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(s for item in self.items for s in (item.steps if isinstance(item, Option) else (item,)))

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self.attributes)


@dataclass(frozen=True)
class Run:
    """``block`` applied again and again, from the value ``input`` to the value ``output``."""

    block: Block
    input: str
    output: str

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)


Piece = Step | Run


# -- the template of a block --------------------------------------------------------------------
@dataclass(eq=False)
class _Part:
    """A step of the template: ``steps`` has it in each block, None where the block goes without.

    An input is a part, ``None`` for the block's own input, or an ``_Optional``.
    """

    kind: str
    roles: tuple[str, ...]
    structure: tuple[Any, ...]
    inputs: list[_Part | _Optional | None]
    steps: list[Step | None] = field(default_factory=list)


@dataclass(eq=False)
class _Optional:
    """A chain from the block's input that some blocks leave out."""

    inputs: list[_Part | _Optional | None]


def _walk(root: _Part) -> Iterator[_Part | _Optional]:
    """Every part once, inputs first."""
    seen: set[int] = set()

    def visit(part: _Part | _Optional | None) -> Iterator[_Part | _Optional]:
        if part is None or id(part) in seen:
            return
        seen.add(id(part))
        for child in part.inputs:
            yield from visit(child)
        yield part

    yield from visit(root)


class _Template:
    """What the blocks seen so far have in common."""

    def __init__(self, steps: Sequence[Step], entry: str) -> None:
        parts: dict[str, _Part | None] = {entry: None}
        for step in steps:
            part = _Part(step.kind, step.roles, step.structure, [parts[i] for i in step.inputs], [step])
            parts[step.output] = part
        root = parts[steps[-1].output]
        assert root is not None
        self.root, self.count = root, 1

    def take(self, steps: Sequence[Step], entry: str) -> bool:
        """Add one more block; False, with nothing changed, if its structure differs."""
        by_output = {step.output: step for step in steps}
        bound: dict[int, Step] = {}
        changes: list[tuple[_Part | _Optional, int, _Part | _Optional]] = []

        def chain(value: str) -> _Part | None:
            """The unary steps from the entry to a value, as parts."""
            matched = []
            while value != entry:
                step = by_output.get(value)
                if step is None or len(step.inputs) != 1:
                    return None
                matched.append(step)
                value = step.inputs[0]
            part: _Part | None = None
            for step in reversed(matched):
                part = _Part(step.kind, step.roles, step.structure, [part], [None] * self.count)
                bound[id(part)] = step
            return part

        def fits(parent: _Part | _Optional, index: int, value: str) -> bool:
            part = parent.inputs[index]
            if part is None or isinstance(part, _Optional):
                if value == entry:
                    return True
                if part is not None:
                    return fits(part, 0, value)
                optional_chain = chain(value)
                if optional_chain is not None:
                    changes.append((parent, index, _Optional([optional_chain])))
                return optional_chain is not None
            if value == entry:
                if isinstance(parent, _Optional) or not _unary(part):
                    return False
                changes.append((parent, index, _Optional([part])))
                return True
            step = by_output[value]
            if id(part) in bound:
                return bound[id(part)] is step
            same = (step.kind, step.roles, step.structure) == (part.kind, part.roles, part.structure)
            if not same or len(step.inputs) != len(part.inputs):
                return False
            bound[id(part)] = step
            return all(fits(part, k, v) for k, v in enumerate(step.inputs))

        if not fits(_Optional([self.root]), 0, steps[-1].output) or len(set(map(id, bound.values()))) != len(
            steps
        ):
            return False
        for parent, index, part in changes:
            parent.inputs[index] = part
        for part in _walk(self.root):
            if isinstance(part, _Part):
                part.steps.append(bound.get(id(part)))
        self.count += 1
        return True


def _unary(part: _Part | _Optional | None) -> bool:
    while isinstance(part, _Part) and len(part.inputs) == 1:
        part = part.inputs[0]
    return part is None


# -- runs of blocks -----------------------------------------------------------------------------
def fold(network: Network) -> tuple[Piece, ...]:
    """The steps, with repeated blocks replaced by runs."""
    segments = _segments(network)
    names = [step.name for step in network.steps if step.name]
    own = {name for name in names if names.count(name) == 1}
    return tuple(_folded(segments, own))


Segment = tuple[str | None, tuple[Step, ...]]


def _segments(network: Network) -> list[Segment]:
    """Cut the steps wherever a single value is live; each piece comes with the value that enters it."""
    last: dict[str, int] = {}
    for index, step in enumerate(network.steps):
        last.update(dict.fromkeys(step.inputs, index))
    last.update(dict.fromkeys(network.ends, len(network.steps)))
    live = set(network.inputs.values())
    entry = next(iter(live)) if len(live) == 1 else None
    segments: list[Segment] = []
    start = 0
    for index, step in enumerate(network.steps):
        live = {value for value in live if last.get(value, -1) > index}
        live.add(step.output)
        if live == {step.output} or index == len(network.steps) - 1:
            segments.append((entry, network.steps[start : index + 1]))
            start, entry = index + 1, step.output
    return segments


def _folded(segments: list[Segment], own: set[str]) -> list[Piece]:
    best, where = (0, False, 0), (0, 0, 0)
    for start, (entry, _) in enumerate(segments):
        for period in range(1, LONGEST_PERIOD + 1):
            count = _repeats(segments, start, period, own) if entry else 0
            steps = [s for _, part in segments[start : start + period * count] for s in part]
            branches = any(len(step.inputs) > 1 for step in steps)
            worth = (branches and count > 1) or (count > 2 and len(steps) >= FEWEST_STEPS)
            score = (len(steps), len(segments[start][1]) > 1, -period)
            if worth and any(s.name for s in steps) and score > best:
                best, where = score, (start, period, count)
    start, period, count = where
    if not count:
        return [step for _, steps in segments for step in steps]
    end = start + period * count
    entry = segments[start][0]
    bodies = [_body(segments, start + k * period, period) for k in range(count)]
    template = _Template(*bodies[0])
    for body in bodies[1:]:
        template.take(*body)
    run = Run(_block(template), str(entry), bodies[-1][0][-1].output)
    return [*_folded(segments[:start], own), run, *_folded(segments[end:], own)]


def _body(segments: list[Segment], start: int, period: int) -> tuple[tuple[Step, ...], str]:
    return tuple(s for _, part in segments[start : start + period] for s in part), str(segments[start][0])


def _repeats(segments: list[Segment], start: int, period: int, own: set[str]) -> int:
    """How many consecutive blocks of ``period`` segments begin at ``start``."""
    template: _Template | None = None
    for position in range(start, len(segments) - period + 1, period):
        steps, entry = _body(segments, position, period)
        if any(step.name not in own for step in steps if step.name):
            break
        if template is None:
            template = _Template(steps, entry)
        elif not template.take(steps, entry):
            break
    return template.count if template else 0


# -- a block with arguments ---------------------------------------------------------------------
def _block(template: _Template) -> Block:
    arguments = _Arguments(template.count)
    parts = list(_walk(template.root))
    optional = {id(inner) for part in parts if isinstance(part, _Optional) for inner in _walk(_first(part))}
    owners = [p for p in parts if isinstance(p, _Part) and p.roles]
    owners.sort(key=lambda p: id(p) in optional)
    attributes = _attributes(owners, optional)
    prefixes, keys, names = _names(owners, template.count)

    values: dict[int, str] = {id(template.root): OUTPUT}
    items: list[Step | Option] = []
    example_steps: dict[int, Step] = {}
    # The arguments are named by the main path; options come to speak after it.
    for part in sorted(parts, key=lambda p: id(p) in optional):
        if isinstance(part, _Part):
            key = keys[owners.index(part)] if part.roles else ""
            example = next(step for step in part.steps if step is not None)
            settings = arguments.settings(part.steps)
            example_steps[id(part)] = replace(example, inputs=(), output="", settings=settings, name=key)
    for number, part in enumerate(parts):
        values.setdefault(id(part), f"%{number}")
        inputs = tuple(INPUT if i is None else values[id(i)] for i in part.inputs)
        if isinstance(part, _Part):
            example_steps[id(part)] = replace(example_steps[id(part)], inputs=inputs, output=values[id(part)])
            if id(part) not in optional:
                items.append(example_steps[id(part)])
        else:
            chain = tuple(example_steps[id(inner)] for inner in _walk(_first(part)))
            condition = arguments.condition([step is not None for step in _first(part).steps])
            items.append(Option(condition, chain, INPUT, values[id(part)]))
    varying = dict(arguments.values)
    return Block(tuple(items), varying, dict(zip(keys, attributes, strict=True)), prefixes, names)


def _first(optional: _Optional) -> _Part:
    part = optional.inputs[0]
    assert isinstance(part, _Part)
    return part


def _attributes(owners: Sequence[_Part], optional: set[int]) -> list[str]:
    """``conv1``, ``bn1``, ``conv2`` …, ``shortcut_conv``."""
    base = [("shortcut_" if id(part) in optional else "") + _word(part) for part in owners]
    return [
        f"{name}{base[: index + 1].count(name)}" if base.count(name) > 1 else name
        for index, name in enumerate(base)
    ]


def _word(part: _Part) -> str:
    """What a layer is called in its block; a weight by the end of its name."""
    if part.kind == "weight":
        return identifier(next(step.name for step in part.steps if step).rpartition("/")[2])
    return BASES.get(part.kind, part.kind)


def _names(
    owners: Sequence[_Part], count: int
) -> tuple[tuple[str, ...], list[str], tuple[tuple[str, ...], ...] | None]:
    """The prefix of each block and the suffix of each layer where names are built that way; else all
    names."""
    blocks = [[part.steps[i] for part in owners] for i in range(count)]
    prefixes = []
    for steps in blocks:
        prefix = _common([step.name for step in steps if step])
        prefixes.append(prefix.rstrip("_-/.") if len(owners) > 1 else prefix)
    suffixes = [
        {step.name.removeprefix(p) for step, p in zip(part.steps, prefixes, strict=True) if step}
        for part in owners
    ]
    if all(len(values) == 1 for values in suffixes) and len(set(prefixes)) == count:
        return tuple(prefixes), [values.pop() for values in suffixes], None
    names = tuple(tuple(step.name if step else "" for step in steps) for steps in blocks)
    return tuple(prefixes), [str(index) for index in range(len(owners))], names


def _common(names: Sequence[str]) -> str:
    """The longest common prefix."""
    first, last = min(names), max(names)
    same = next((i for i, c in enumerate(first) if c != last[i : i + 1]), len(first))
    return first[:same]


DERIVED = ("({0} - {1}) // 2", "{0} - {1}", "{0} // 2", "{0} * 2", "{0} * 4", "{0} // 4")


class _Arguments:
    """Turns settings that vary from block to block into arguments, or expressions of them."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.values: dict[str, tuple[Any, ...]] = {}

    def settings(self, steps: Sequence[Step | None]) -> dict[str, Any]:
        by_step = [step.settings if step else None for step in steps]
        keys = next(settings for settings in by_step if settings is not None)
        result = {
            key: self.of(key, [g[key] if g else None for g in by_step]) for key in keys if key != "even"
        }
        if "even" in keys:
            # No argument: it only says whether a layer's padding is one number in every block.
            paddings = {g["even"] for g in by_step if g}
            result["even"] = paddings.pop() if len(paddings) == 1 else None
        return result

    def of(self, key: str, values: Sequence[Any]) -> Any:
        """A literal or ``Code`` with these values (None matches any value)."""
        present = [v for v in values if v is not None]
        if all(v == present[0] for v in present[1:]):
            return present[0] if present else None
        agrees = lambda candidate: all(v is None or v == f for v, f in zip(values, candidate, strict=True))
        for name, known in self.values.items():
            if agrees(known):
                return Code(name)
        for form in DERIVED:
            for expression, candidate in self._derived(form):
                if agrees(candidate):
                    return Code(expression)
        return Code(self._new(key, [present[0] if v is None else v for v in values]))

    def _derived(self, form: str) -> Iterator[tuple[str, list[Any]]]:
        numbers = {n: v for n, v in self.values.items() if all(type(x) is int for x in v)}
        others = list(numbers) if "{1}" in form else [""]
        for a in numbers:
            for b in others:
                if a == b:
                    continue
                rows = zip(numbers[a], numbers.get(b, numbers[a]), strict=True)
                yield form.format(a, b), [_computed(form, x, y) for x, y in rows]

    def condition(self, present: Sequence[bool]) -> Code:
        """An expression that is true in the blocks that have the optional part."""
        for name, values in self.values.items():
            if name.startswith("stride") and [v != 1 for v in values] == list(present):
                return Code(f"{name} != 1")
        for a, first in self.values.items():
            for b, second in self.values.items():
                if a < b and [x != y for x, y in zip(first, second, strict=True)] == list(present):
                    return Code(f"{a} != {b}")
        return Code(self._new("projected", list(present)))

    def _new(self, key: str, values: Sequence[Any]) -> str:
        number, name = 1, key
        while name in self.values:
            number += 1
            name = f"{key}_{number}"
        self.values[name] = tuple(values)
        return name


def _computed(form: str, a: int, b: int) -> int:
    return {
        "({0} - {1}) // 2": (a - b) // 2, "{0} - {1}": a - b, "{0} // 2": a // 2, "{0} * 2": a * 2,
        "{0} * 4": a * 4, "{0} // 4": a // 4,
    }[form]  # fmt: skip
