"""What a target brings (tables of expressions), and the parts of a source that all targets share."""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from crosstrain.engines.registry import installable
from crosstrain.environments.environments import pins_of
from crosstrain.errors import CrosstrainError
from crosstrain.graph.graph import Node
from crosstrain.source.folding import Block, Code, Option, Piece, Run, fold
from crosstrain.source.loops import generator
from crosstrain.source.placement import NAME as DEVICE
from crosstrain.source.placement import Placement
from crosstrain.source.training import LossTable, Training
from crosstrain.source.view.step import NOISY, PHASED, Network, Step, identifier
from crosstrain.source.writing import INDENT, Writer, fitted, indented, literal

Template = str | Callable[[Step], str]
"""An expression with ``{0}``, ``{1}`` … for inputs (``{0:()}`` before a dot), ``{layer}`` for the layer and
settings by name."""


RESERVED = {
    *keyword.kwlist, *dir(object),
    "add_module", "apply", "bfloat16", "blocks", "blocks2", "buffers", "build", "call", "cast",
    "children", "collect_params", "compile", "cpu", "cuda", "create_parameter", "dtype", "double",
    "eval", "extra_repr", "float", "forward", "full_name", "get_parameter", "half", "hybrid_forward",
    "hybridize", "initialize", "ipu", "load_state_dict", "modules", "name", "name_scope",
    "named_buffers", "named_children", "named_modules", "named_parameters", "params", "parameters",
    "prefix", "register_buffer", "register_module", "requires_grad_", "save_parameters", "share_memory",
    "state_dict", "sublayers", "submodules", "summary", "to", "train", "training", "trainable_variables",
    "type", "variables", "with_name_scope", "xpu", "zero_grad", "penalty",
}  # fmt: skip
"""Names that a module keeps for itself."""


CLASSES = ("Block", "LitModel", "Optimizer", "Order")
"""What sources call classes of their own."""

QUESTIONS = ("axes", "training and inference", "random numbers", "gradients", "weights", "compilation")
"""What users of every framework have to know."""


@dataclass(frozen=True)
class Target:
    """A framework's tables.

    ``calls`` gives the expression of each kind of step, ``declares`` that which makes its layer; ``helpers``
    are definitions that go into a source whose code names them; ``losses`` maps (loss, from logits) to an
    expression in ``{output}`` and ``{target}``. ``prepare`` changes the steps first (layouts, fused
    activations); ``write`` puts a source together, ``placement`` says how it chooses its
    device. Sources run in the Python of one of ``engines`` and are proved in float64; ``constants`` follow
    the imports. ``single_settings`` says
    that the framework's kernels take numbers that are no tensors (epsilon, momentum, a slope, the rate) as
    float32, whatever they compute in; all but ``double_settings``, by op and setting. ``single_gradient``
    says of a node whether its gradient has such a factor that is no setting. ``lacks`` says of a step that
    the target has no form of it with its settings; ``single_kernels`` are ops whose kernels hold a constant
    of their own in float32. ``packages`` are the distributions that a source imports. ``asks`` says what the
    framework makes its user think of, by the questions of ``QUESTIONS``.
    """

    name: str
    title: str
    imports: tuple[str, ...]
    calls: Mapping[str, Template]
    declares: Mapping[str, Template]
    helpers: Mapping[str, str]
    losses: LossTable
    write: Callable[[Draft], None]
    placement: Placement
    prepare: Callable[[Network], Network] = lambda network: network
    engines: tuple[str, ...] = ()
    constants: tuple[str, ...] = ()
    single_settings: bool = False
    double_settings: tuple[tuple[str, str], ...] = ()
    single_gradient: Callable[[Node], bool] = lambda node: False
    lacks: Callable[[Step], bool] = lambda step: False
    single_kernels: frozenset[str] = frozenset()
    packages: tuple[str, ...] = ()
    asks: Mapping[str, str] = field(default_factory=dict)

    def requirements(self) -> list[str]:
        """The packages that a source needs, in the releases with which sources are proved."""
        pins = pins_of(installable()[self.engines[0]])
        return [pin for pin in pins if pin.partition("==")[0].lower() in self.packages]


class Operand(str):
    """An expression; ``{0:()}`` puts it in brackets where a method's dot would take only its last part."""

    def __format__(self, spec: str) -> str:
        if spec != "()" or isinstance(ast.parse(self, mode="eval").body, CLOSED):
            return str(self)
        return f"({self})"


CLOSED = (ast.Name, ast.Call, ast.Attribute, ast.Subscript)
"""What binds as tightly as a dot."""


@dataclass(frozen=True)
class Scope:
    """Where code stands: ``layer(step)`` is how a step's layer is called there, ``own`` prefixes a block's
    arguments."""

    layer: Callable[[Step], str]
    own: str = ""
    arguments: frozenset[str] = frozenset()

    def value(self, value: Any) -> str:
        """A setting as source in this scope."""
        if isinstance(value, Code) and self.own:
            return re.sub(
                r"(?<![\w.])([A-Za-z_]\w*)",
                lambda m: self.own + m[1] if m[1] in self.arguments else m[1],
                value,
            )
        return literal(value)


@dataclass
class Draft:
    """A source under construction."""

    target: Target
    original: Network
    training: Training
    title: str = ""
    device: str = ""
    chunks: list[str] = field(default_factory=list)
    yields: Mapping[str, set[str]] = field(default_factory=dict)

    @cached_property
    def network(self) -> Network:
        return self.target.prepare(self.original)

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        return fold(self.network)

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        return tuple(piece for piece in self.pieces if isinstance(piece, Run))

    @cached_property
    def placing(self) -> str:
        """The expression of the device that the source is written for; "" where it says none."""
        return self.target.placement.expression(self.device)

    # -- names ------------------------------------------------------------------------------------
    @cached_property
    def class_name(self) -> str:
        """The name of the class, as ``ResNet20`` for resnet20."""
        words = re.split(r"\W|_", self.network.name)
        name = "".join(w[:1].upper() + w[1:] for w in words if w).replace("Resnet", "ResNet")
        name = name.replace("Lenet", "LeNet")
        name = (
            name.upper() if name.lower() in ("mlp", "lstm", "gru", "idsia") else identifier(name or "Model")
        )
        return f"{name}Network" if name in {*self.target.helpers, *CLASSES} else name

    def numbered(self, word: str, run: Run) -> str:
        """``word`` numbered by run: ``blocks``, ``blocks2`` for the second run."""
        place = self.runs.index(run)
        return word if place == 0 else f"{word}{place + 1}"

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The variables of the inputs, which are the names of the data's arrays too."""
        names = list(self.network.inputs)
        return ("x",) if len(names) == 1 else tuple(map(identifier, names))

    @cached_property
    def targets(self) -> tuple[str, ...]:
        if len(self.network.outputs) == 1:
            return ("y",)
        return tuple(f"target_{identifier(name)}" for name in self.training.losses)

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        if len(self.network.outputs) == 1:
            return ("output",)
        return tuple(identifier(name) for name in self.network.outputs)

    @cached_property
    def ranks(self) -> Mapping[str, int]:
        """The number of axes of each output, with the batch."""
        shapes = {**self.original.shapes, **{step.output: step.shape for step in self.original.steps}}
        return {name: len(shapes[value]) + 1 for name, value in self.original.outputs.items()}

    @property
    def phases(self) -> bool:
        """Whether training and inference differ."""
        return bool(self.network.kinds & PHASED)

    @property
    def noisy(self) -> bool:
        """Whether training draws random numbers."""
        return bool(self.network.kinds & NOISY)

    @cached_property
    def attributes(self) -> Mapping[str, str]:
        """The attribute of each layer by its name; no two alike, and none that modules have themselves."""
        names: dict[str, str] = {}
        for step in self.network.steps:
            if step.roles and step.name not in names:
                name = identifier(step.name)
                name = f"{name}_layer" if name in RESERVED else name
                count = sum(
                    re.fullmatch(rf"{name}(_again\d+)?", other) is not None for other in names.values()
                )
                names[step.name] = f"{name}_again{count}" if count else name
        return names

    def attribute(self, step: Step) -> str:
        return self.attributes[step.name]

    # -- expressions ------------------------------------------------------------------------------
    def expression(
        self, table: Mapping[str, Template], step: Step, arguments: Sequence[str], scope: Scope
    ) -> str:
        template = table.get(step.kind)
        if template is None or self.target.lacks(step):
            what = step.kind.removeprefix("op_").replace("_", " ")
            how = "" if template is None else "with such settings "
            layer = f" (the layer {step.name!r})" if step.name in self.attributes else ""
            raise CrosstrainError(
                f"crosstrain code has no {what} {how}for {self.target.title}{layer}; write it for "
                "torch, jax, tensorflow or keras"
            )
        text = template if isinstance(template, str) else template(step)
        settings = {key: scope.value(value) for key, value in step.settings.items()}
        layer = scope.layer(step) if step.roles else ""
        return text.format(*map(Operand, arguments), layer=layer, all=", ".join(arguments), **settings)

    def call(self, scope: Scope) -> Callable[[Step, Sequence[str]], str]:
        return lambda step, arguments: self.expression(self.target.calls, step, arguments, scope)

    def statements(
        self,
        items: Sequence[Piece | Option],
        variables: Mapping[str, str],
        outputs: Sequence[str],
        scope: Scope,
        run: Callable[[Run, str], list[str]],
        **more: Any,
    ) -> list[str]:
        return Writer(items, variables, outputs, self.call(scope), run, scope.value, **more).written()

    def declarations(
        self, items: Iterable[Piece | Option], scope: Scope, assign: str, run: Callable[[Run], list[str]]
    ) -> list[str]:
        """The lines that create all layers; ``assign`` has ``{layer}`` and ``{expression}``."""
        lines: list[str] = []
        seen: set[str] = set()
        for item in items:
            if isinstance(item, Run):
                lines += run(item)
            elif isinstance(item, Option):
                inner = self.declarations(item.steps, scope, assign, run)
                if inner:
                    lines += [f"if {literal(item.condition)}:", *indented(inner)]
            elif item.roles and item.name not in seen:
                seen.add(item.name)
                expression = self.expression(self.target.declares, item, (), scope)
                lines.append(assign.format(layer=scope.layer(item), expression=expression))
        return lines

    # -- pieces of text ---------------------------------------------------------------------------
    def add(self, *lines: str) -> None:
        """Add one top-level definition or statement, two blank lines before the next."""
        separate = [part for line in lines for part in line.split("\n")]
        self.chunks.append("\n".join(piece for line in separate for piece in fitted(line)))

    def loops(self, wanted: Callable[[Run], set[str]]) -> None:
        """Add the generators of all runs."""
        for run in self.runs:
            self.add(*generator(run.block, self.numbered("blocks", run), wanted(run)))

    def finished(self) -> str:
        """The whole source: imports, the helpers that it uses, the chunks."""
        body = "\n\n\n".join(self.chunks)
        chosen: dict[str, str] = {}

        def need(source: str) -> None:
            """Each helper after those that it needs itself."""
            names = _names_read(source)
            for name, helper in self.target.helpers.items():
                if name in names and name not in chosen:
                    chosen[name] = ""
                    need(helper)
                    del chosen[name]
                    chosen[name] = helper.strip("\n")

        need(body)
        text = "\n\n\n".join([*chosen.values(), body])
        return f"{self.header(text)}\n\n\n{text}\n"

    def header(self, body: str) -> str:
        constants = [*self.training.constants(), *self.target.constants]
        constants += [f"{DEVICE} = {self.placing}"] if self.placing else []
        names = _names_read(body) | _names_read("\n".join(constants))
        used = [_needed(line, names) for line in self.target.imports]
        used = [line for line, whole in zip(used, self.target.imports, strict=True) if line or not whole]
        while used and not used[-1]:
            used.pop()
        parts = ["\n".join([f'"""{self.title}"""', "", *_single_spaced(used)])]
        if constants:
            parts.append("\n".join(constants))
        return "\n\n".join(parts)


def _names_read(source: str) -> set[str]:
    """The names that code reads, docstrings and comments aside."""
    nodes = ast.walk(ast.parse(source))
    return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def _single_spaced(lines: Sequence[str]) -> list[str]:
    """The lines without leading or repeated blank lines."""
    spaced: list[str] = []
    for line in lines:
        if line or (spaced and spaced[-1]):
            spaced.append(line)
    return spaced


def _needed(line: str, words: set[str]) -> str:
    """The import reduced to the names that the code reads; empty if it reads none."""
    head, keyword, names = line.rpartition("import ")
    imported = [n for n in names.split(", ") if n and n.split()[-1].split(".")[0] in words]
    return f"{head}{keyword}{', '.join(imported)}" if imported else ""


def key_names(block: Block, scope: str = "name") -> Callable[[Step], str]:
    """How the name of a block's layer is written: an f-string of ``name``, or an entry of ``names``."""
    if block.names is not None:
        return lambda step: f"names[{step.name}]"
    return lambda step: f'f"{{{scope}}}{step.name}"' if step.name else scope


def argument_words(block: Block, lines: Iterable[str]) -> set[str]:
    """The block's arguments that lines of code name, as ``x`` or ``self.x``."""
    text = "\n".join(lines)
    return {name for name in block.arguments if re.search(rf"(?<![\w\"])(self\.)?{name}\b(?!=)", text)}


__all__ = ["INDENT", "Draft", "Scope", "Target", "argument_words", "key_names"]
