"""Source of a network and its training, for one target."""

from __future__ import annotations

import ast
import importlib
import io
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass

from crosstrain.errors import CrosstrainError
from crosstrain.graph.graph import Graph
from crosstrain.source.target import Draft, Target
from crosstrain.source.training import Training
from crosstrain.source.view.network import network_of, weights_of
from crosstrain.training.recipe import Loss, Recipe

TARGETS = ("torch", "lightning", "tensorflow", "jax", "flax", "keras", "paddle", "mxnet", "tinygrad")


def target_of(name: str) -> Target:
    """The target called ``name``. Raises ``CrosstrainError``, which lists the targets."""
    if name not in TARGETS:
        raise CrosstrainError(f"crosstrain code has no target {name!r}; there are {', '.join(TARGETS)}")
    module = importlib.import_module(f"crosstrain.source.targets.{name}")
    target: Target = getattr(module, name.upper())
    return target


@dataclass(frozen=True)
class Written:
    """A source, and how it calls its parts: the ``model`` (a class or function), the variables of inputs,
    targets and outputs; ``phases`` says whether the model is told of training; ``prefix`` begins all
    weights' names; ``penalty`` says whether training adds to the loss,
    ``classes`` which targets are numbers of classes; ``weights`` are the names of all weights, in full."""

    text: str
    model: str
    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    outputs: tuple[str, ...]
    phases: bool
    prefix: str
    penalty: bool = False
    classes: tuple[bool, ...] = ()
    weights: tuple[str, ...] = ()

    @property
    def lines(self) -> int:
        """Lines of code."""
        return code_lines(self.text)


def source_of(
    graph: Graph, losses: Mapping[str, Loss], recipe: Recipe, target: str, called: str = "", device: str = ""
) -> Written:
    """The source of a network with its loss and its training by a recipe.

    ``losses`` gives each output's; ``called`` is how the user called the network; ``device`` (``cpu``,
    ``cuda:N``, ``auto``) is where the source puts model and batches, "" leaves it to the framework. Raises
    ``CrosstrainError`` where a layer, a loss or an optimizer has no written form.
    """
    target_spec = target_of(target)
    if recipe.augmentation:
        raise CrosstrainError("crosstrain code cannot write augmentation; leave it out")
    training = Training(losses, recipe.optimizer, recipe.schedule, recipe.batch_size)
    name = called or graph.name
    title = f"{name} in {target_spec.title}: the network, its training, its weights from and to crosstrain."
    draft = Draft(target_spec, network_of(graph), training, title, device)
    target_spec.write(draft)
    return Written(
        draft.finished(), draft.class_name, draft.inputs, draft.targets, tuple(draft.network.outputs),
        draft.phases, draft.network.prefix, draft.network.penalty is not None,
        training.class_targets(),
        tuple(draft.network.prefix + name for name in weights_of(draft.network.steps)),
    )  # fmt: skip


def code_lines(source: str) -> int:
    """The number of lines of code: no blank lines, comments or docstrings."""
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and ast.get_docstring(node) is not None
        ):
            first = node.body[0]
            docstrings.update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    nothing = (
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    )
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in nothing:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - docstrings)
