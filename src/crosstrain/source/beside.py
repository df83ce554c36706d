"""Sources of one network side by side: the same parts at the same height, and what each of them asks for."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from crosstrain.source.generate import code_lines, target_of
from crosstrain.source.network import Source
from crosstrain.source.notebook import text_of
from crosstrain.source.target import QUESTIONS

HELPERS, NETWORK = "helpers", "network"
PARTS = (NETWORK, "loss", "update", "training", "weights in and out", "command line", HELPERS)
"""In the order of reading: what a source stands on comes last."""
OF_THE_NETWORK = (NETWORK, "loss", HELPERS)
_PART_OF = {
    "loss_of": "loss",
    **dict.fromkeys(
        ("learning_rate", "update", "make_slots", "Optimizer", "by_rule", "make_optimizer", "train_step",
         "LitModel"), "update",
    ),
    **dict.fromkeys(("batches", "Order", "train"), "training"),
    **dict.fromkeys(("named_layers", "named_weights", "load_weights", "save_weights"), "weights in and out"),
    "main": "command line",
}  # fmt: skip
"""Where definitions of these names belong; all others are helpers of the target or the network."""
PLAIN = frozenset({"argparse", "math", "numpy"})
"""What sources import that is no framework's."""


@dataclass(frozen=True)
class Effort:
    """What a source takes: ``lines`` of code and ``names``, distinct functions and classes of the framework,
    of its ``network`` (with helpers and loss) and of the rest, its ``training``."""

    network_lines: int
    network_names: int
    training_lines: int
    training_names: int


@dataclass(frozen=True)
class Block:
    """A row: the definitions that do the same in each source, None where a source needs none."""

    part: str
    texts: tuple[str | None, ...]


@dataclass(frozen=True)
class Beside:
    """Sources of one network, with the blocks of all in one order."""

    sources: tuple[Source, ...]
    blocks: tuple[Block, ...]
    efforts: tuple[Effort, ...]

    @property
    def titles(self) -> tuple[str, ...]:
        return tuple(target_of(source.engine).title for source in self.sources)

    @property
    def questions(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """What the frameworks make their users think of: each question with the answers."""
        asked = [target_of(source.engine).asks for source in self.sources]
        return tuple((question, tuple(asks[question] for asks in asked)) for question in QUESTIONS)

    def to_json(self) -> dict[str, Any]:
        columns = [
            {**source.to_json(), "effort": vars(effort), "asks": dict(target_of(source.engine).asks)}
            for source, effort in zip(self.sources, self.efforts, strict=True)
        ]
        blocks = [{"part": block.part, "texts": list(block.texts)} for block in self.blocks]
        return {"network": self.sources[0].network, "sources": columns, "blocks": blocks}


def beside(sources: Sequence[Source]) -> Beside:
    """Sources of one network, side by side."""
    columns = [_definitions(source) for source in sources]
    blocks = []
    for part in PARTS:
        of_part = [column[part] for column in columns]
        blocks += [Block(part, tuple(texts.get(key) for texts in of_part)) for key in _common_order(of_part)]
    efforts = [_effort(source, column) for source, column in zip(sources, columns, strict=True)]
    return Beside(tuple(sources), tuple(blocks), tuple(efforts))


def _definitions(source: Source) -> dict[str, dict[str, str]]:
    """The text of each definition by part and name. The last of the network is the network as a whole, which
    every target calls otherwise."""
    lines, helpers = source.text.splitlines(), target_of(source.engine).helpers
    parts: dict[str, dict[str, str]] = {part: {} for part in PARTS}
    for node in ast.parse(source.text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            part = _PART_OF.get(node.name, HELPERS if node.name in helpers else NETWORK)
            parts[part][node.name.lower()] = text_of(lines, node, node)
    if parts[NETWORK]:
        parts[NETWORK]["(whole)"] = parts[NETWORK].pop(next(reversed(parts[NETWORK])))
    return parts


def _common_order(columns: Sequence[dict[str, str]]) -> list[str]:
    """The keys of all, each column's in its order where the columns before it allow that."""
    order: list[str] = []
    for column in columns:
        place = 0
        for key in column:
            if key not in order:
                order.insert(place, key)
            place = order.index(key) + 1
    return order


def _effort(source: Source, parts: dict[str, dict[str, str]]) -> Effort:
    roots = _frameworks(source.text)

    def of(chosen: Sequence[str]) -> tuple[int, int]:
        text = "\n\n".join(text for part in chosen for text in parts[part].values())
        return code_lines(text), len(_names(text, roots))

    return Effort(*of(OF_THE_NETWORK), *of([part for part in PARTS if part not in OF_THE_NETWORK]))


def _frameworks(source: str) -> set[str]:
    """The names by which a source calls its framework's modules."""
    roots: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            roots |= {alias.asname or alias.name for alias in node.names if alias.name not in PLAIN}
        elif isinstance(node, ast.ImportFrom):
            roots |= {alias.asname or alias.name for alias in node.names}
    return roots


def _names(text: str, roots: set[str]) -> set[str]:
    """What code reads of a framework, as ``nn.Conv2d`` and ``torch.optim.SGD``."""
    names = set()
    for node in ast.walk(ast.parse(text)):
        root, dotted = node, []
        while isinstance(root, ast.Attribute):
            dotted.append(root.attr)
            root = root.value
        if dotted and isinstance(root, ast.Name) and root.id in roots:
            names.add(".".join([root.id, *reversed(dotted)]))
    return {name for name in names if not any(other.startswith(f"{name}.") for other in names)}
