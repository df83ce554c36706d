"""Keras: a functional model of its own layers, its own optimizers and losses."""

from __future__ import annotations

from dataclasses import replace

from crosstrain.errors import CrosstrainError
from crosstrain.source.folding import INPUT, OUTPUT, Block, Run
from crosstrain.source.layers import Network, Step
from crosstrain.source.skeleton import main, train
from crosstrain.source.target import Draft, Scope, Target, Template, argument_words, key_names
from crosstrain.source.targets.torch import TRAINED, stride
from crosstrain.source.training import LOSSES as LOSS_NAMES
from crosstrain.source.writing import WIDTH, indented, literal

NAMED = ("relu", "tanh", "sigmoid", "softmax", "elu", "selu", "silu", "softplus", "softsign", "relu6")
"""Activations that a layer takes by name."""


def fuse(network: Network) -> Network:
    """Activations go into the convolution or dense layer before them."""
    reads = [value for step in network.steps for value in step.inputs] + list(network.outputs.values())
    steps: list[Step] = []
    for step in network.steps:
        before = steps[-1] if steps else None
        plain = step.kind in NAMED and step.settings.get("alpha", 1.0) == 1.0
        if (
            before is not None
            and plain
            and before.kind in ("conv", "dense")
            and step.inputs == (before.output,)
            and reads.count(before.output) == 1
        ):
            steps[-1] = replace(
                before, output=step.output, settings={**before.settings, "activation": step.kind}
            )
        else:
            steps.append(step)
    return replace(network, steps=tuple(steps))


def _layer(cls: str, *arguments: str) -> str:
    return f"layers.{cls}({', '.join(part for part in arguments if part)})({{0}})"


def _conv(step: Step) -> str:
    s = step.settings
    return _layer(
        "Conv2D",
        "{filters}, {kernel_size}",
        "strides={stride}" if s["stride"] != 1 else "",
        'padding="same"' if s["padding"] == "same" else "",
        "" if "bias" in step.roles else "use_bias=False",
        "activation={activation}" if "activation" in s else "",
        "name={layer}",
    )


def _dense(step: Step) -> str:
    return _layer(
        "Dense",
        "{units}",
        "" if "bias" in step.roles else "use_bias=False",
        "activation={activation}" if "activation" in step.settings else "",
        "name={layer}",
    )


def _pool(cls: str) -> Template:
    def of(step: Step) -> str:
        s = step.settings
        differs = "{stride}" if s["stride"] != s["size"] else ""
        return _layer(cls, "{size}", differs, 'padding="same"' if s["padding"] == "same" else "")

    return of


def _global(word: str) -> Template:
    return lambda s: f"layers.Global{word}Pooling{s.settings['rank'] - 2}D()({{0}})"


CALLS: dict[str, Template] = {
    "conv": _conv,
    "dense": _dense,
    "batch_norm": _layer("BatchNormalization", "momentum={momentum}", "epsilon={epsilon}", "name={layer}"),
    "layer_norm": _layer("LayerNormalization", "epsilon={epsilon}", "name={layer}"),
    "embedding": _layer("Embedding", "{vocabulary}", "{features}", "name={layer}"),
    "lstm": lambda s: _layer(
        "LSTM", "{units}", "return_sequences=True" if s.settings["sequences"] else "", "name={layer}"
    ),
    "max_pool": _pool("MaxPooling2D"),
    "average_pool": _pool("AveragePooling2D"),
    "global_mean": _global("Average"),
    "global_max": _global("Max"),
    "flatten": _layer("Flatten"),
    "reshape": "layers.Reshape({to})({0})",
    "subsample": lambda s: "{0}[:, " + stride(s) + ", " + stride(s) + "]",
    "pad_channels": "pad_channels({0}, {channels})",
    "zero_pad": "layers.ZeroPadding2D((({top}, {bottom}), ({left}, {right})))({0})",
    "add": "layers.Add()([{all}])",
    "subtract": "layers.Subtract()([{all}])",
    "multiply": "layers.Multiply()([{all}])",
    "maximum": "layers.Maximum()([{all}])",
    "concatenate": "layers.Concatenate()([{all}])",
    "dropout": _layer("Dropout", "{rate}"),
    **{name: f'layers.Activation("{name}")({{0}})' for name in NAMED},
    "relu": _layer("ReLU"),
    "softmax": _layer("Softmax"),
    "elu": _layer("ELU", "{alpha}"),
    "gelu": lambda s: (
        "keras.activations.gelu({0}, approximate=True)"
        if s.settings["approximate"]
        else 'layers.Activation("gelu")({0})'
    ),
    "leaky_relu": _layer("LeakyReLU", "{negative_slope}"),
}

HELPERS = {
    "pad_channels": '''
def pad_channels(x, channels):
    """Zero channels before and after, for ``channels`` in all."""
    missing = channels - x.shape[-1]
    return ops.pad(x, ((0, 0), (0, 0), (0, 0), (missing // 2, missing - missing // 2)))
''',
}

LOSSES = {
    (name, logits): f"keras.losses.{cls}({'from_logits=True' if logits else ''})"
    for name, cls, both in (
        ("sparse_categorical_crossentropy", "SparseCategoricalCrossentropy", True),
        ("categorical_crossentropy", "CategoricalCrossentropy", True),
        ("binary_crossentropy", "BinaryCrossentropy", True),
        ("mean_squared_error", "MeanSquaredError", False),
        ("mean_absolute_error", "MeanAbsoluteError", False),
    )
    for logits in ((True, False) if both else (False,))
}

OPTIMIZERS = {
    "sgd": ("SGD", ("momentum", "nesterov", "weight_decay")),
    "rmsprop": ("RMSprop", ("rho", "momentum", "epsilon", "weight_decay")),
    "adam": ("Adam", ("beta_1", "beta_2", "epsilon", "weight_decay")),
    "adamw": ("AdamW", ("weight_decay", "beta_1", "beta_2", "epsilon")),
}


def _own_name(name: str) -> str:
    """A layer's name from that of its weights."""
    label = name.removesuffix("/lstm_cell")
    if "/" in label:
        raise CrosstrainError(
            f"crosstrain code cannot name the layer {label!r} in Keras: names of layers hold no '/' (a model "
            "inside a model; build the network from layers alone)"
        )
    return label


def _in_block(block: Block) -> Scope:
    named = key_names(block)
    return Scope(lambda step: named(replace(step, name=_own_name(step.name))))


def _short(lines: list[str]) -> list[str]:
    """``x = layers.Conv2D(…)(x)`` in two statements where it is too long for a line."""
    short = []
    for line in lines:
        text = line.strip()
        margin = line[: len(line) - len(text)]
        head, equals, rest = text.partition(" = ")
        maker, cut, arguments = rest.rpartition(")(")
        if len(line) + 8 > WIDTH and equals and cut and maker.startswith("layers."):
            short += [f"{margin}layer = {maker})", f"{margin}{head} = layer({arguments}"]
        else:
            short.append(line)
    return short


def write(draft: Draft) -> None:
    bodies: dict[int, list[str]] = {}
    for run in draft.runs:
        bodies[id(run)] = _short(
            draft.statements(
                run.block.items, {INPUT: "x"}, [OUTPUT], _in_block(run.block), lambda *_: [], fuse=False
            )
        )
    words = lambda run: argument_words(run.block, bodies[id(run)])
    draft.loops(words)
    for run in draft.runs:
        label = "names" if run.block.names else "name"
        parameters = ", ".join(["x", label, *[name for name in run.block.arguments if name in words(run)]])
        draft.add(f"def {draft.numbered('block', run)}({parameters}):", *indented(bodies[id(run)]))

    def go(run: Run, x: str) -> list[str]:
        block = draft.numbered("block", run)
        label = "names" if run.block.names else "name"
        row, arguments = ("settings", "*settings") if words(run) else (label, label)
        generator = draft.numbered("blocks", run)
        return [f"for {row} in {generator}():", f"    {x} = {block}({x}, {arguments})"]

    variables = dict(zip(draft.network.inputs.values(), draft.inputs, strict=True))
    scope = Scope(lambda step: literal(_own_name(step.name)))
    body = _short(
        draft.statements(draft.pieces, variables, list(draft.network.outputs.values()), scope, go, fuse=False)
    )
    shapes = [draft.network.shapes[value] for value in draft.network.inputs.values()]
    if len(draft.inputs) == 1:
        begin = [f"x = inputs = keras.Input({shapes[0]!r})"]
        entered = "inputs"
    else:
        pairs = zip(draft.inputs, draft.network.inputs, shapes, strict=True)
        begin = [f'{v} = {v}_input = keras.Input({shape!r}, name="{n}")' for v, n, shape in pairs]
        entered = f"[{', '.join(f'{v}_input' for v in draft.inputs)}]"
    last = body[-1].removeprefix("return ")
    result = f"[{last}]" if len(draft.outputs) > 1 else last
    draft.add(
        "def build():",
        f'    """The model {draft.network.name}."""',
        *indented(begin),
        *indented(_short([*body[:-1], f"outputs = {result}"])),
        f'    return keras.Model({entered}, outputs, name="{draft.network.name}")',
    )
    _training(draft)


def _optimizer(draft: Draft) -> str:
    o = draft.training.optimizer
    cls, settings = OPTIMIZERS[o.name]
    arguments = [
        f"{key}={value!r}" for key in settings if (value := getattr(o, key)) not in (None, 0.0, False)
    ]
    return f"keras.optimizers.{cls}({', '.join(['LEARNING_RATE', *arguments])})"


def _training(draft: Draft) -> None:
    training = draft.training
    calls = []
    for name, chosen in training.losses.items():
        kind = (LOSS_NAMES[chosen.name.lower()], bool(chosen.settings.get("from_logits")))
        if kind not in LOSSES:
            raise CrosstrainError(f"crosstrain code has no {kind[0]} of the output {name!r} for Keras")
        calls.append(LOSSES[kind])
    if set(training.losses) != set(draft.network.outputs):
        raise CrosstrainError("crosstrain code needs a loss for each output in Keras")
    losses = calls[0] if len(calls) == 1 else f"[{', '.join(calls)}]"
    weights = [loss.weight for loss in training.losses.values()]
    weighted = f", loss_weights={weights!r}" if any(w != 1 for w in weights) else ""
    draft.add(
        "def make_optimizer(model):",
        '    """Compile the model for training, with a new optimizer."""',
        f"    losses = {losses}",
        f"    optimizer = {_optimizer(draft)}",
        f"    model.compile(optimizer, losses{weighted})",
    )
    rate = []
    if not training.constant:
        draft.add(*training.rate())
        rate = ["model.optimizer.learning_rate = learning_rate(int(model.optimizer.iterations))"]
    inputs = draft.inputs[0] if len(draft.inputs) == 1 else f"[{', '.join(draft.inputs)}]"
    targets = draft.targets[0] if len(draft.targets) == 1 else f"[{', '.join(draft.targets)}]"
    names = ", ".join([*draft.inputs, *draft.targets])
    loss = "float(loss)" if len(calls) == 1 else "float(loss[0])"
    draft.add(
        f"def train_step(model, {names}):",
        '    """One step on a batch. Returns the loss before it."""',
        *indented(rate),
        "    model.reset_metrics()",
        f"    loss = model.train_on_batch({inputs}, {targets})",
        f"    return {loss}",
    )
    train(
        draft,
        "model, ",
        "batch = [array[index] for array in arrays]\nlosses.append(train_step(model, *batch))",
        "np.mean(losses)",
        ("make_optimizer(model)",),
    )
    prefix = draft.network.prefix
    named = f'f"{prefix}' + '{weight.path}"' if prefix else "weight.path"
    draft.add(
        "def load_weights(model, path):",
        '    """Load crosstrain\'s weights, an .npz by name; names and layouts are the same."""',
        "    with np.load(path) as stored:",
        "        for weight in model.weights:",
        f"            weight.assign(stored[{named}])",
    )
    draft.add(
        "def save_weights(model, path):",
        '    """Save the weights in crosstrain\'s layout."""',
        "    weights = {}",
        "    for weight in model.weights:",
        f"        weights[{named}] = keras.ops.convert_to_numpy(weight)",
        "    np.savez(path, **weights)",
    )
    main(
        draft, create="model = build()", load="load_weights(model, {path})",
        trained=TRAINED, save="save_weights(model, {path})",
    )  # fmt: skip


KERAS = Target(
    "keras", "Keras",
    ("import argparse", "import math", "", "import keras", "import numpy as np",
     "from keras import layers, ops"),
    CALLS, {}, HELPERS, LOSSES, write, prepare=fuse, engines=("keras-tensorflow",),
)  # fmt: skip
