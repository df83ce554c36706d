"""The parts of a source that all targets share: batches, weight files, the command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crosstrain.source.placement import placed
from crosstrain.source.target import Draft
from crosstrain.source.training import LossTable
from crosstrain.source.view.step import Step
from crosstrain.source.writing import indented

BATCHES = '''def batches(examples, batch_size, seed, epoch):
    """Indices of each batch's examples, in crosstrain's order; the last batch may be shorter."""
    order = np.random.default_rng((seed, epoch)).permutation(examples)
    for start in range(0, examples, batch_size):
        yield order[start : start + batch_size]'''


def arrays(draft: Draft) -> str:
    """The names of all arrays, inputs first."""
    return ", ".join([*draft.inputs, *draft.targets])


def described(draft: Draft) -> str:
    """The arguments of ``train``, for its docstring."""
    shapes = [draft.network.shapes[value] for value in draft.network.inputs.values()]
    parts = [
        f"{name} ({', '.join(['N', *map(str, shape)])}{',' if not shape else ''})"
        for name, shape in zip(draft.inputs, shapes, strict=True)
    ]
    of_classes = [n for n, c in zip(draft.targets, draft.training.class_targets(), strict=True) if c]
    others = [n for n in draft.targets if n not in of_classes]
    if of_classes:
        parts.append(f"{', '.join(of_classes)} the numbers of classes (N,)")
    if others:
        parts.append(f"{', '.join(others)} shaped as the output")
    return "; ".join(parts)


def train(
    draft: Draft, first: str, step: str, mean: str, begin: tuple[str, ...], end: tuple[str, ...] = ()
) -> None:
    """``batches`` and ``train``; ``begin`` are its first lines, ``step`` the lines of one step for ``index``,
    ``mean`` the expression of an epoch's mean loss."""
    draft.add(BATCHES)
    names = arrays(draft)
    size = draft.training.batch_size
    draft.add(
        f"def train({first}{names}, epochs=5, batch_size={size}, seed=0):",
        f'    """Train on arrays: {described(draft)}."""',
        *[f"    {line}" for line in begin],
        f"    arrays = {names}",
        "    for epoch in range(epochs):",
        "        losses = []",
        f"        for index in batches(len({draft.inputs[0]}), batch_size, seed, epoch):",
        *[f"            {line}" for line in step.split("\n")],
        f'        print(f"epoch {{epoch + 1}}: loss {{{mean}:.4f}}")',
        *[f"    {line}" for line in end],
    )


def main(draft: Draft, *, create: str, load: str, trained: str, save: str) -> None:
    """The command line: trains on an ``.npz`` of arrays."""
    kinds = [draft.network.dtypes[value] for value in draft.network.inputs.values()]
    kinds += ["int64" if classes else "float32" for classes in draft.training.class_targets()]
    names = [*draft.inputs, *draft.targets]
    read = ", ".join(f'data["{n}"].astype("{k}")' for n, k in zip(names, kinds, strict=True))
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    work = [
        create,
        "if arguments.weights:",
        f"    {load.format(path='arguments.weights')}",
        *trained.split("\n"),
        "if arguments.out:",
        f"    {save.format(path='arguments.out')}",
    ]
    draft.add(
        "def main():",
        "    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])",
        f'    parser.add_argument("data", help="an .npz with the arrays {listed}")',
        '    parser.add_argument("--weights", help="crosstrain\'s weights to start from, an .npz")',
        '    parser.add_argument("--out", help="where to save the trained weights, an .npz")',
        '    parser.add_argument("--epochs", type=int, default=5)',
        f'    parser.add_argument("--batch-size", type=int, default={draft.training.batch_size})',
        '    parser.add_argument("--seed", type=int, default=0)',
        "    arguments = parser.parse_args()",
        "    with np.load(arguments.data) as data:",
        f"        arrays = [{read}]",
        *indented(placed(work, draft.target.placement.line if draft.placing else "")),
    )
    draft.add('if __name__ == "__main__":', "    main()")


def loss_of(draft: Draft, losses: LossTable, framework: str) -> None:
    """``loss_of``: the loss of outputs and targets, from the framework's expressions ``losses``."""
    outputs = dict(zip(draft.network.outputs, draft.outputs, strict=True))
    draft.add(
        f"def loss_of({', '.join([*draft.outputs, *draft.targets])}):",
        '    """The mean loss of a batch."""',
        *indented(draft.training.body(losses, outputs, draft.targets, framework, draft.ranks)),
    )


def momentum(draft: Draft) -> str:
    """What the SGD of PyTorch and Optax takes besides its rate."""
    o = draft.training.optimizer
    if not o.momentum:
        return ""
    return f", momentum={o.momentum!r}" + (", nesterov=True" if o.nesterov else "")


def schedule_and_update(draft: Draft, sqrt: str) -> None:
    """``learning_rate`` where there is a schedule, and ``update``."""
    draft.add(*draft.training.rate())
    draft.add(*draft.training.update(sqrt))


LOAD = '''def load_weights(model, path):
    """Load crosstrain's weights, an .npz by name."""
    with np.load(path) as stored:
        for name, tensor, axes in named_weights(model):
            {load}'''

SAVE = '''def save_weights(model, path):
    """Save the weights in crosstrain's layout."""
    weights = {{}}
    for name, tensor, axes in named_weights(model):
        weights[name] = {save}.transpose(np.argsort(axes))
    np.savez(path, **weights)'''


Weight = tuple[str, str, str, str]
"""A weight's role in crosstrain, its attribute, the order of its axes there, and a comment."""


@dataclass(frozen=True)
class Kind:
    """A kind of layers: of what class they are (and of what rank, if that matters), and their weights."""

    kind: str
    cls: str
    weights: tuple[Weight, ...]
    rank: int | None = None

    def has(self, step: Step) -> bool:
        return step.kind.removesuffix("_axis") == self.kind and self.rank in (None, step.settings.get("rank"))


def named_weights(draft: Draft, kinds: Sequence[Kind]) -> None:
    """``named_weights``: for each kind of layer that the network has, its class and its weights."""
    lines = [
        "def named_weights(model):",
        '    """Each weight: its name in crosstrain, the tensor, the order of its axes there."""',
        "    for name, layer in named_layers(model):",
    ]
    steps = [step for step in draft.network.steps if step.roles]
    present = [kind for kind in kinds if any(map(kind.has, steps))]
    for number, kind in enumerate(present):
        inner = ""
        if len(present) > 1:
            lines.append(f"        {'if' if not number else 'elif'} isinstance(layer, {kind.cls}):")
            inner = "    "
        for role, attribute, axes, note in kind.weights:
            having = [role in step.roles for step in steps if kind.has(step)]
            if not any(having):
                continue
            comment = f"  # {note}" if note else ""
            path = "name" if kind.kind == "weight" else f'f"{{name}}/{role}"'
            line = f"yield {path}, {attribute}, {axes}{comment}"
            if not all(having):
                lines.append(f"        {inner}if {attribute} is not None:")
                line = f"    {line}"
            lines.append(f"        {inner}{line}")
    draft.add(*lines)
