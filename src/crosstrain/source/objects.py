"""Classes of layers, for targets that create layers in a constructor and call them afterwards."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from crosstrain.source.folding import INPUT, OUTPUT, Run
from crosstrain.source.target import Draft, Scope, argument_words, key_names
from crosstrain.source.view.step import Step
from crosstrain.source.writing import indented, literal


@dataclass(frozen=True)
class Style:
    """How a framework writes classes: ``assign`` a layer, the ``base`` class, the ``method`` that runs it
    (with ``{inputs}``), what a constructor begins with, how runs are stored (``{blocks}``, ``{cls}``,
    ``{generator}``, ``{names}``) and gone through (``{blocks}``, ``{x}``). ``named``: layers get the name of
    their weights."""

    base: str
    method: str
    begin: tuple[str, ...]
    keep: tuple[str, ...]
    go: tuple[str, ...]
    assign: str = "self.{layer} = {expression}"
    named: bool = False
    keys: bool = True
    """Whether blocks are stored by name."""
    phase: str = ""
    """Behind the inputs in ``method``, where training and inference differ (``{phase}`` in ``go``)."""
    also: tuple[str, ...] = ()
    """Parameters of every constructor, behind the others."""
    penalty: str = "self.penalty"
    """Where the network keeps what training adds to the loss."""
    stored: Mapping[str, str] = field(default_factory=dict)
    """What a constructor also keeps where the calling method has what a pattern finds."""

    def head(self, name: str) -> str:
        """The first line of a class."""
        return f"class {name}({self.base}):" if self.base else f"class {name}:"

    def kept(self, body: list[str]) -> list[str]:
        """The lines of ``stored`` that a method needs."""
        text = "\n".join(body)
        return [line for pattern, line in self.stored.items() if re.search(pattern, text)]


def classes(draft: Draft, style: Style) -> None:
    """The generators of blocks, a class for each kind of block, and that of the network."""
    blocks = {id(run): _block(draft, run, style) for run in draft.runs}
    draft.loops(lambda run: blocks[id(run)][1])
    draft.yields = {draft.numbered("blocks", run): blocks[id(run)][1] for run in draft.runs}
    for run in draft.runs:
        draft.add(*blocks[id(run)][0])
    draft.add(*_network(draft, style, {key: arguments for key, (_, arguments) in blocks.items()}))


def _phase(draft: Draft, style: Style) -> str:
    return style.phase if draft.phases else ""


def _block(draft: Draft, run: Run, style: Style) -> tuple[list[str], set[str]]:
    """The source of a block's class, and the arguments that its constructor takes."""
    block = run.block
    attribute = lambda step: block.attributes[step.name]
    every = frozenset(block.arguments)
    calling = Scope(lambda step: f"self.{attribute(step)}", "self.", every)
    body = draft.statements(block.items, {INPUT: "x"}, [OUTPUT], calling, lambda *_: [])
    making = Scope(attribute)
    if style.named:
        named = key_names(block)
        making = Scope(lambda step: named(step))
    declarations = _declared(draft, block.items, making, attribute, style)
    stored = sorted(argument_words(block, [line for line in body if "self." in line]), key=list(every).index)
    stored = [name for name in block.arguments if name in stored and f"self.{name}" in "\n".join(body)]
    used = argument_words(block, declarations) | set(stored)
    arguments = [name for name in block.arguments if name in used]
    names = [("names" if block.names else "name")] if style.named else []
    lines = [
        style.head(draft.numbered("Block", run)),
        f"    def __init__({', '.join(['self', *names, *arguments, *style.also])}):",
        *indented([*style.begin, *style.kept(body)], 2),
        *indented([f"self.{name} = {name}" for name in stored], 2),
        *indented(declarations, 2),
        "",
        f"    {style.method.format(inputs='x' + _phase(draft, style))}",
        *indented(body, 2),
    ]
    return lines, set(arguments)


def _declared(draft: Draft, items, making: Scope, attribute, style: Style) -> list[str]:  # type: ignore[no-untyped-def]
    """``self.conv1 = …``: the expressions name weights, the assignments attributes."""
    by_scope = draft.declarations(
        items, making, "{layer}\0{expression}", lambda run: _block_lines(draft, run, style)
    )
    places = {making.layer(step): attribute(step) for step in _steps(items)}
    lines = []
    for line in by_scope:
        label, null, expression = line.partition("\0")
        margin = line[: len(line) - len(line.lstrip())]
        lines.append(
            margin + style.assign.format(layer=places[label.strip()], expression=expression) if null else line
        )
    return lines


def _steps(items) -> list[Step]:  # type: ignore[no-untyped-def]
    steps: list[Step] = []
    for item in items:
        if isinstance(item, Step):
            steps += [item] if item.roles else []
        elif not isinstance(item, Run):
            steps += [step for step in item.steps if step.roles]
    return steps


def _block_lines(draft: Draft, run: Run, style: Style) -> list[str]:
    """The lines that create the blocks of a run."""
    settings_used = draft.yields[draft.numbered("blocks", run)]
    label = "names" if run.block.names else "name"
    fields = {
        "blocks": draft.numbered("blocks", run),
        "cls": draft.numbered("Block", run),
        "generator": draft.numbered("blocks", run),
        "names": "names" if run.block.names else "name",
        "loop": "_" if not settings_used else "_, *settings",
        "settings": "*settings" if settings_used else "",
        "passed": "*settings, " if settings_used else "",
        "unpacked": f"{label}, *settings" if settings_used else label,
        "row": "settings" if settings_used else label,
        "whole": "*settings" if settings_used else label,
        "key": '"-".join(names)' if run.block.names else "name",
    }
    return [line.format(**fields) for line in style.keep]


def _network(draft: Draft, style: Style, _: dict[int, set[str]]) -> list[str]:
    attribute = draft.attribute
    calling = Scope(lambda step: f"self.{attribute(step)}")
    variables = dict(zip(draft.network.inputs.values(), draft.inputs, strict=True))

    def go(run: Run, x: str) -> list[str]:
        phase = ", training" if draft.phases else ""
        return [line.format(blocks=draft.numbered("blocks", run), x=x, phase=phase) for line in style.go]

    penalty = draft.network.penalty
    body = draft.statements(
        draft.pieces, variables, list(draft.network.outputs.values()), calling, go,
        kept={style.penalty: penalty} if penalty else {},
    )  # fmt: skip
    making = Scope(lambda step: literal(step.name)) if style.named else Scope(attribute)
    declarations = _declared(draft, draft.pieces, making, attribute, style)
    inputs = ", ".join(draft.inputs) + _phase(draft, style)
    return [
        style.head(draft.class_name),
        f"    def __init__({', '.join(['self', *style.also])}):",
        *indented([*style.begin, *style.kept(body)], 2),
        *indented(declarations, 2),
        "",
        f"    {style.method.format(inputs=inputs)}",
        *indented(body, 2),
    ]


def named_layers(draft: Draft, style: Style) -> list[str]:
    """The source of ``named_layers(model)``: crosstrain's name of each layer, and the layer."""
    lines = [
        "def named_layers(model):",
        '    """Every layer that has weights, with its name in crosstrain."""',
    ]
    seen: set[str] = set()
    for piece in draft.pieces:
        if isinstance(piece, Run):
            lines += indented(_named_blocks(draft, piece, style))
        elif piece.roles and piece.name not in seen:
            seen.add(piece.name)
            lines.append(
                f"    yield {literal(draft.network.prefix + piece.name)}, model.{draft.attribute(piece)}"
            )
    return lines


def _named_blocks(draft: Draft, run: Run, style: Style) -> list[str]:
    block, prefix = run.block, draft.network.prefix
    blocks = draft.numbered("blocks", run)

    def named(step: Step) -> str:
        if block.names is not None:
            return f'f"{prefix}{{names[{step.name}]}}"' if prefix else f"names[{step.name}]"
        return f'f"{prefix}{{name}}{step.name}"' if prefix or step.name else "name"

    lines = []
    for item in block.items:
        steps = [item] if isinstance(item, Step) else item.steps
        yields = [f"yield {named(step)}, block.{block.attributes[step.name]}" for step in steps if step.roles]
        if yields and not isinstance(item, Step):
            owner = next(step for step in steps if step.roles)
            yields = [f'if hasattr(block, "{block.attributes[owner.name]}"):', *indented(yields)]
        lines += yields
    blocks_in_model = f"model.{blocks}.values()" if style.keys else f"model.{blocks}"
    label = "names" if block.names is not None else "name"
    if not style.keys:
        more = f"({label}, *_)" if draft.yields[blocks] else label
        return [f"for {more}, block in zip({blocks}(), {blocks_in_model}):", *indented(lines)]
    if block.names is None:
        return [f"for name, block in model.{blocks}.items():", *indented(lines)]
    row = "(names, *_)" if draft.yields[blocks] else "names"
    return [f"for {row}, block in zip({blocks}(), {blocks_in_model}):", *indented(lines)]
