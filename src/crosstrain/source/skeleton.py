"""The parts of a source that all targets share: batches, weight files, the command."""

from __future__ import annotations

from collections.abc import Mapping

from crosstrain.source.target import Draft
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
    kinds = ["float32"] * len(draft.inputs)
    kinds += ["int64" if classes else "float32" for classes in draft.training.class_targets()]
    names = [*draft.inputs, *draft.targets]
    read = ", ".join(f'data["{n}"].astype("{k}")' for n, k in zip(names, kinds, strict=True))
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
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
        f"    {create}",
        "    if arguments.weights:",
        f"        {load.format(path='arguments.weights')}",
        f"    {trained}",
        "    if arguments.out:",
        f"        {save.format(path='arguments.out')}",
    )
    draft.add('if __name__ == "__main__":', "    main()")


def loss_of(draft: Draft, losses: Mapping[tuple[str, bool], str], framework: str) -> None:
    """``loss_of``: the loss of outputs and targets, from the framework's expressions ``losses``."""
    outputs = dict(zip(draft.network.outputs, draft.outputs, strict=True))
    draft.add(
        f"def loss_of({', '.join([*draft.outputs, *draft.targets])}):",
        '    """The mean loss of a batch."""',
        *indented(draft.training.body(losses, outputs, draft.targets, framework)),
    )


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


def named_weights(
    draft: Draft, kinds: tuple[tuple[str, str, tuple[tuple[str, str, str, str], ...]], ...]
) -> None:
    """``named_weights``: for each kind of layer that the network has, its class and its weights: role,
    attribute, axes and what they do. A role with ``?`` is there where the attribute is not None."""
    lines = [
        "def named_weights(model):",
        '    """Each weight: its name in crosstrain, the tensor, the order of its axes there."""',
        "    for name, layer in named_layers(model):",
    ]
    present = [(cls, weights) for kind, cls, weights in kinds if kind in draft.network.kinds]
    roles = {(s.kind, role) for s in draft.network.steps for role in s.roles}
    kind_of = {cls: kind for kind, cls, _ in kinds}
    complete = {s.kind: True for s in draft.network.steps if s.roles}
    for s in draft.network.steps:
        if s.kind in ("conv", "dense") and "bias" not in s.roles:
            complete[s.kind] = False
    for number, (cls, weights) in enumerate(present):
        inner = ""
        if len(present) > 1:
            lines.append(f"        {'if' if not number else 'elif'} isinstance(layer, {cls}):")
            inner = "    "
        for role, attribute, axes, note in weights:
            name = role.rstrip("?")
            if (kind_of[cls], name) not in roles:
                continue
            comment = f"  # {note}" if note else ""
            line = f'yield f"{{name}}/{name}", layer.{attribute}, {axes}{comment}'
            if role.endswith("?") and not complete[kind_of[cls]]:
                lines += [
                    f"        {inner}if layer.{attribute.split('.')[0]} is not None:",
                    f"        {inner}    {line}",
                ]
            else:
                lines.append(f"        {inner}{line}")
    draft.add(*lines)
