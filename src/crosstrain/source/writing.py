"""Writes the statements of a network or a block: which variable holds what, and what fits into one line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from crosstrain.source.folding import Code, Option, Run
from crosstrain.source.view.step import ACTIVATIONS, ATOMS, Step

WIDTH = 100
INDENT = "    "
FRESH = ("y", "z", "u", "v", "w", "p", "q")

PRODUCERS = {"conv", "dense", "batch_norm", "layer_norm", "add"}
CONSUMERS = {"batch_norm", "layer_norm", *ACTIVATIONS}
DEEPEST = 3

Item = Step | Option | Run
Call = Callable[[Step, Sequence[str]], str]


@dataclass
class Deferred:
    """An expression to be inlined into the next one; ``roots`` are the values it reads."""

    text: str
    roots: tuple[str, ...]
    depth: int


class Writer:
    """Statements for ``items``.

    ``call(step, arguments)`` is the expression of a step, ``run(run, variable)`` the lines of a loop,
    ``value(code)`` an expression in a block's arguments as it is written here. ``variables`` are those of the
    values that come from outside, ``outputs`` the values that go out; ``kept`` gives the names under which
    values are kept at the end.
    """

    def __init__(
        self,
        items: Sequence[Item],
        variables: Mapping[str, str],
        outputs: Sequence[str],
        call: Call,
        run: Callable[[Run, str], list[str]],
        value: Callable[[Any], str],
        *,
        width: int = WIDTH - 2 * len(INDENT),
        fuse: bool = True,
        kept: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.kept = kept
        self.items, self.outputs = items, tuple(outputs)
        self.call, self.run, self.value, self.width, self.fuse = call, run, value, width, fuse
        self.variables = dict(variables)
        self.waiting: dict[str, Deferred] = {}
        self.lines: list[str] = []
        self.atoms = {item.output: item for item in items if isinstance(item, Step) and item.kind in ATOMS}
        read = [
            i for item in items if not (isinstance(item, Step) and item.kind in ATOMS) for i in _inputs(item)
        ]
        self.uses = Counter(
            root for value in (*read, *self.outputs, *kept.values()) for root in self._roots(value)
        )

    def written(self) -> list[str]:
        """The statements, the last of them ``return``."""
        for index, item in enumerate(self.items):
            following = self.items[index + 1] if index + 1 < len(self.items) else None
            self._item(item, following)
        self.lines += [f"{name} = {self._text(value)}" for name, value in self.kept.items()]
        if len(self.outputs) == 1 and self.lines and self.outputs[0] not in self.atoms:
            # What is assigned last is returned at once.
            name = self.variables[self.outputs[0]]
            match = re.fullmatch(rf"{name} = (.+)", self.lines[-1])
            if match:
                return [*self.lines[:-1], f"return {match[1]}"]
        return [*self.lines, f"return {', '.join(map(self._text, self.outputs))}"]

    def chain(self) -> list[str]:
        """The statements without ``return``."""
        for index, item in enumerate(self.items):
            following = self.items[index + 1] if index + 1 < len(self.items) else None
            self._item(item, following)
        return self.lines

    def _roots(self, value: str) -> tuple[str, ...]:
        """The variables' values that a value is written with."""
        atom = self.atoms.get(value)
        return (value,) if atom is None else tuple(root for i in atom.inputs for root in self._roots(i))

    def _text(self, value: str) -> str:
        """A value that is in a variable, or is written where it is read."""
        atom = self.atoms.get(value)
        return (
            self.variables[value] if atom is None else self.call(atom, [self._text(i) for i in atom.inputs])
        )

    def _item(self, item: Item, following: Item | None) -> None:
        if isinstance(item, Step):
            if item.kind not in ATOMS:
                self._step(item, following)
            return
        source = item.input
        self.uses.subtract(self._roots(source))
        variable = self._text(source)
        if source in self.atoms or self.uses[source]:
            variable = self._free("shortcut" if isinstance(item, Option) else "")
            self.lines.append(f"{variable} = {self._text(source)}")
        if isinstance(item, Run):
            self.lines.extend(self.run(item, variable))
        else:
            inner = Writer(
                item.steps, {item.input: variable}, [item.steps[-1].output], self.call, self.run, self.value,
                width=self.width - len(INDENT), fuse=self.fuse,
            )  # fmt: skip
            self.lines.append(f"if {self.value(item.condition)}:")
            self.lines.extend(INDENT + line for line in inner.chain())
        self.variables[item.output] = variable

    def _step(self, step: Step, following: Item | None) -> None:
        arguments: list[str] = []
        roots: list[str] = []
        depth = 0
        for value in step.inputs:
            self.uses.subtract(self._roots(value))
            waiting = self.waiting.pop(value, None)
            arguments.append(waiting.text if waiting else self._text(value))
            roots.extend(waiting.roots if waiting else self._roots(value))
            depth = max(depth, waiting.depth if waiting else 0)
        text = self.call(step, arguments)
        if self._waits(step, following, depth + 1, text):
            self.waiting[step.output] = Deferred(text, tuple(roots), depth + 1)
            return
        in_use = {self.variables[v] for v, n in self.uses.items() if n > 0 and v in self.variables}
        dead = [self.variables[r] for r in roots if not self.uses[r] and self.variables[r] not in in_use]
        variable = dead[0] if dead else self._free("")
        self.variables[step.output] = variable
        self.lines.append(f"{variable} = {text}")

    def _waits(self, step: Step, following: Item | None, depth: int, text: str) -> bool:
        """Whether this step's expression is inlined into the next step."""
        if not self.fuse or not isinstance(following, Step) or following.inputs.count(step.output) != 1:
            return False
        fits = (step.kind in PRODUCERS and following.kind in CONSUMERS) or (
            (step.kind, following.kind) == ("subsample", "pad_channels")
        )
        if not fits or len(following.inputs) != 1 or self.uses[step.output] != 1 or depth >= DEEPEST:
            return False
        return len(f"x = {self.call(following, [text])}") <= self.width

    def _free(self, preferred: str) -> str:
        in_use = {self.variables[v] for v, n in self.uses.items() if n > 0 and v in self.variables}
        for name in (preferred, *FRESH):
            if name and name not in in_use:
                return name
        return f"v{len(self.variables)}"


def _inputs(item: Item) -> tuple[str, ...]:
    return (item.input,) if isinstance(item, Option) else item.inputs


def literal(value: Any) -> str:
    """A setting as source: an expression unchanged, a number or text as its literal."""
    if isinstance(value, Code):
        return str(value)
    return f'"{value}"' if isinstance(value, str) else repr(value).replace("e+", "e").replace("'", '"')


def indented(lines: Sequence[str], levels: int = 1) -> list[str]:
    return [INDENT * levels + line if line else line for line in lines]


def fitted(line: str) -> list[str]:
    """A line that is too long, with the content of its last brackets on lines of its own, as formatters
    do."""
    if len(line) <= WIDTH or line.lstrip().startswith("#"):
        return [line]
    margin = " " * (len(line) - len(line.lstrip()))
    word, _, values = line.strip().partition(" ")
    if word in ("yield", "return") and len(split(values)) > 1:
        return [f"{margin}{word} (", *_each(split(values), margin + INDENT), f"{margin})"]
    tail = line[-1] if line.endswith((":", ",")) else ""
    body = line.removesuffix(tail)
    if not body.endswith(("]", ")", "}")):
        return [line]
    depth, start = 0, len(body)
    while start:
        start -= 1
        depth += (body[start] in ")]}") - (body[start] in "([{")
        if not depth:
            break
    content = body[start + 1 : -1]
    head, end = body[: start + 1], margin + body[-1] + tail
    if not content:
        return [line]
    if len(margin + INDENT + content) <= WIDTH and (len(split(content)) > 1 or not content.endswith(",")):
        display = not re.search(r"[\w)\]]$", body[:start])  # formatters give each part of a list its own line
        if not display or " for " in content:
            return [head, margin + INDENT + content, end]
    what, loop, rest = content.partition(" for ")
    if loop and len(split(content)) == 1:
        return [head, margin + INDENT + what, f"{margin}{INDENT}for {rest}", end]
    return [head, *_each(split(content), margin + INDENT), end]


def _each(parts: Sequence[str], margin: str) -> list[str]:
    """A line for each part, which may take several itself."""
    return [line for part in parts for line in fitted(f"{margin}{part},")]


def split(text: str) -> list[str]:
    """The parts between top-level commas (outside brackets and quotes)."""
    parts, depth, start, quote = [], 0, 0, ""
    for index, c in enumerate(text):
        if quote:
            quote = "" if c == quote else quote
        elif c in "\"'":
            quote = c
        elif c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
        elif c == "," and not depth:
            parts.append(text[start:index].strip())
            start = index + 1
    return [part for part in (*parts, text[start:].strip()) if part]
