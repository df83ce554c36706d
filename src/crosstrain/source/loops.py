"""The loop over a run of blocks: a generator of every block's name and arguments, short for regular runs."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from crosstrain.source.folding import Block
from crosstrain.source.writing import INDENT, fitted, literal

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Stages:
    """Blocks in stages: ``rows`` has the values of ``fixed`` in each stage, ``firsts`` maps arguments that
    only a stage's first block has to their value in the rest."""

    fixed: tuple[str, ...]
    firsts: dict[str, Any]
    rows: tuple[Row, ...]
    depths: tuple[int, ...]


def generator(block: Block, name: str, wanted: Collection[str]) -> list[str]:
    """The source of ``def name()``, which yields the name of each block and the ``wanted`` arguments.

    Where blocks are called by no rule it yields the tuple of the names of a block's layers.
    """
    arguments = {key: block.arguments[key] for key in block.arguments if key in wanted}
    count = len(block.prefixes)
    tracked = _tracked(arguments)
    free = {key: values for key, values in arguments.items() if key not in tracked}
    stages = _stages(free, count)
    template = None if block.names else _template(block.prefixes, stages.depths)
    if template is None:
        stages = Stages(tuple(free), {}, tuple(zip(*free.values(), strict=True)), (1,) * count)

    yielded = {key: key for key in arguments}
    for key, rest in stages.firsts.items():
        yielded[key] = f"{key} if block == {template[2] if template else 1} else {literal(rest)}"
    label = template[0] if template else ("names" if block.names else "name")
    last = [f"yield {', '.join([label, *yielded.values()])}"]
    last += [f"{key} = {source}" for key, source in tracked.items()]
    lines = [f"{key} = {literal(arguments[key][0])}" for key in tracked]
    lines += _loops(block, stages, template, last)
    what = "names of the layers" if block.names else "name"
    names = [key.replace("_", " ") for key in arguments]
    listed = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
    of = f"The {what}" + (f", {listed}" if len(names) > 1 else f" and {listed}" if names else "")
    return [f"def {name}():", f'{INDENT}"""{of} of every block."""', *[INDENT + line for line in lines]]


def _loops(block: Block, stages: Stages, template: tuple[str, int, int] | None, last: list[str]) -> list[str]:
    """The ``for`` statements around the ``yield``."""
    body = lambda lines, levels: [INDENT * levels + line for line in lines]
    if template is None:
        labels: Sequence[Any] = block.names or block.prefixes
        rows = [(label, *row) for label, row in zip(labels, stages.rows or [()] * len(labels), strict=True)]
        first = "names" if block.names else "name"
        target = ", ".join([first, *stages.fixed])
        shown = rows if stages.fixed else [row[0] for row in rows]
        if last == [f"yield {target}"]:
            return _for("", shown, start="yield from ", end="")
        return [*_for(target, shown), *body(last, 1)]
    _, stage_start, block_start = template
    same = len(set(stages.depths)) == 1
    depth = stages.depths[0] if same else "depth"
    end: Any = (
        stages.depths[0] + block_start if same else f"{block_start} + depth" if block_start else "depth"
    )
    start = f"{block_start}, " if block_start else ""
    inner = [f"for block in range({start}{end}):", *body(last, 1)]
    if len(stages.depths) == 1:
        fixed = [f"{key} = {literal(v)}" for key, v in zip(stages.fixed, stages.rows[0], strict=True)]
        return [*fixed, *inner]
    names = (*(() if same else ("depth",)), *stages.fixed)
    rows = [(*(() if same else (n,)), *row) for n, row in zip(stages.depths, stages.rows, strict=True)]
    counted = "stage" in template[0]
    if depth == 1 and not counted:
        return [*_for(", ".join(names), rows), *body(last, 1)]
    shown = [row[0] for row in rows] if len(names) == 1 else rows
    target = ", ".join(names)
    if counted and names:
        target = f"stage, {target}" if len(names) == 1 else f"stage, ({target})"
        begin = f", start={stage_start}" if stage_start else ""
        return [*_for(target, shown, "enumerate({}" + begin + ")"), *body(inner, 1)]
    if not names:
        return [f"for stage in range({stage_start}, {stage_start + len(rows)}):", *body(inner, 1)]
    return [*_for(target, shown), *body(inner, 1)]


def _for(
    target: str, rows: Sequence[Any], around: str = "{}", start: str = "for {} in ", end: str = ":"
) -> list[str]:
    """``for target in (rows):``, on several lines where one is too short."""
    start = start.format(target)
    text = ", ".join(_shown(row) for row in rows) + ("," if len(rows) == 1 else "")
    line = f"{start}{around.format(f'({text})')}{end}"
    if len(INDENT + line) <= 100:
        return [line]
    if around != "{}":
        return fitted(line)
    return [f"{start}(", *[f"{INDENT}{_shown(row)}," for row in rows], f"){end}"]


def _shown(row: Any) -> str:
    if isinstance(row, tuple):
        return f"({', '.join(map(_shown, row))}{',' if len(row) == 1 else ''})"
    return literal(row)


def _tracked(arguments: dict[str, Row]) -> dict[str, str]:
    """Arguments that equal another argument of the previous block."""
    sources: dict[str, str] = {}
    for key, values in arguments.items():
        for source, others in arguments.items():
            if key != source and source not in sources and values[1:] == others[:-1] and len(set(values)) > 1:
                sources[key] = source
                break
    return sources


def _stages(free: dict[str, Row], count: int) -> Stages:
    """The fewest stages that reproduce the arguments."""
    best: Stages | None = None
    for number in range(len(free) + 1):
        for chosen in itertools.combinations(free, number):
            candidate = _staged(free, chosen, count)
            if best is None or len(candidate.depths) < len(best.depths):
                best = candidate
    assert best is not None
    return best


def _staged(free: dict[str, Row], firsts: tuple[str, ...], count: int) -> Stages:
    rest = {key: max(free[key], key=free[key].count) for key in firsts}
    fixed = tuple(key for key in free if key not in firsts)
    starts = [
        i
        for i in range(count)
        if i == 0
        or any(free[key][i] != free[key][i - 1] for key in fixed)
        or any(free[key][i] != rest[key] for key in firsts)
    ]
    depths = tuple(b - a for a, b in zip(starts, [*starts[1:], count], strict=True))
    keys = tuple(free)  # all are told for each stage
    return Stages(keys, rest, tuple(tuple(free[key][i] for key in keys) for i in starts), depths)


def _template(prefixes: Sequence[str], depths: Sequence[int]) -> tuple[str, int, int] | None:
    """The names as an f-string in ``stage`` and ``block``, with the first number of each; None where they
    follow no such rule."""
    parts = [re.split(r"(\d+)", prefix) for prefix in prefixes]
    if len({len(p) for p in parts}) != 1 or len({tuple(p[::2]) for p in parts}) != 1:
        return None
    places = list(_places(depths))
    text, starts = "", {"stage": 1, "block": 1}
    used: set[str] = set()
    for index, piece in enumerate(parts[0]):
        numbers = [p[index] for p in parts]
        if len(set(numbers)) == 1:
            text += piece
            continue
        if any(str(int(n)) != n for n in numbers):
            return None
        counted = None
        for counter, position in (("stage", 0), ("block", 1)):
            offsets = {int(n) - place[position] for n, place in zip(numbers, places, strict=True)}
            if len(offsets) == 1 and counter not in used:
                counted = counter
                starts[counter] = offsets.pop()
        if counted is None or starts[counted] < 0:
            return None
        used.add(counted)
        text += "{" + counted + "}"
    return f'f"{text}"', starts["stage"], starts["block"]


def _places(depths: Sequence[int]) -> Iterator[tuple[int, int]]:
    for stage, depth in enumerate(depths):
        for block in range(depth):
            yield stage, block
