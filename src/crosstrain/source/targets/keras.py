"""Keras: a functional model of its own layers, its own optimizers and losses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from crosstrain.errors import CrosstrainError
from crosstrain.source.folding import INPUT, OUTPUT, Block, Option, Piece, Run
from crosstrain.source.operations.keras import CALLS as OPERATIONS
from crosstrain.source.operations.keras import HELPERS as FUNCTIONS
from crosstrain.source.operations.words import tupled
from crosstrain.source.skeleton import main, train
from crosstrain.source.target import Draft, Scope, Target, Template, argument_words, key_names
from crosstrain.source.targets.fused import NAMED, prepared
from crosstrain.source.targets.torch import TRAINED, stride
from crosstrain.source.training import LOSSES as LOSS_NAMES
from crosstrain.source.view.step import Step, identifier
from crosstrain.source.writing import WIDTH, indented, literal


def _layer(cls: str, *arguments: str) -> str:
    return f"layers.{cls}({', '.join(part for part in arguments if part)})({{0}})"


def _dimensions(step: Step) -> int:
    return int(step.settings["rank"]) - 2


def _conv(step: Step) -> str:
    s, depthwise = step.settings, step.kind == "depthwise_conv"
    text = _layer(
        f"{'Depthwise' if depthwise else ''}Conv{_dimensions(step)}D",
        "{kernel_size}" if depthwise else "{filters}, {kernel_size}",
        "strides={stride}" if s["stride"] != 1 else "",
        'padding="same"' if s["padding"] == "same" else "",
        "dilation_rate={dilation}" if s["dilation"] != 1 else "",
        "groups={groups}" if s["groups"] != 1 and not depthwise else "",
        "" if "bias" in step.roles else "use_bias=False",
        "activation={activation}" if "activation" in s else "",
        "name={layer}",
    )
    if s["padding"] == "explicit":
        text = text.replace("({0})", f"(layers.ZeroPadding{_dimensions(step)}D({{even}})({{0}}))")
    return text


def _conv_transpose(step: Step) -> str:
    """Without padding; what is too much is cut off."""
    s, axes = step.settings, _dimensions(step)
    each = lambda value: value if isinstance(value, tuple) else (value,) * axes
    sizes = zip(each(s["kernel_size"]), each(s["stride"]), each(s["dilation"]), s["crop"], strict=True)
    cut = tuple((before, after + max(n - (k - 1) * d - 1, 0)) for k, n, d, (before, after) in sizes)
    text = _layer(
        f"Conv{axes}DTranspose",
        "{filters}, {kernel_size}",
        "strides={stride}" if s["stride"] != 1 else "",
        "dilation_rate={dilation}" if s["dilation"] != 1 else "",
        "" if "bias" in step.roles else "use_bias=False",
        "name={layer}",
    )
    if not any(map(any, cut)):
        return text
    ends = [f"{before or ''}:{-after if after else ''}" for before, after in cut]
    return f"{text}[:, {', '.join(ends)}]"


def _norm(cls: str, *more: str) -> Template:
    def of(step: Step) -> str:
        axis = (
            "axis={axis}"
            if step.kind == "batch_norm_axis" and step.settings["axis"] != step.settings["rank"] - 1
            else ""
        )
        scale = "" if "gamma" in step.roles else "scale=False"
        return _layer(
            cls,
            axis,
            *more,
            "epsilon={epsilon}",
            scale,
            "" if "beta" in step.roles else "center=False",
            "name={layer}",
        )

    return of


def _rnn(cls: str) -> Template:
    def of(step: Step) -> str:
        s = step.settings
        sequences = "return_sequences=True" if s["sequences"] else ""
        return _layer(
            cls, "{units}", sequences, "go_backwards=True" if s["backwards"] else "", "name={layer}"
        )

    return of


def shared(template: Template) -> Template:
    """A layer that is applied several times is made before."""

    def of(step: Step) -> str:
        text = template if isinstance(template, str) else template(step)
        if not step.settings.get("shared"):
            return text
        _, _, rest = text.partition("({0})")
        return f"{_variable(step)}({{0}}){rest}"

    return of


def _maker(step: Step) -> str:
    """The layer that is applied several times, without its input."""
    template = CALLS[step.kind]
    text = template if isinstance(template, str) else template(replace(step, settings=_alone(step)))
    return text.partition("({0})")[0]


def _alone(step: Step) -> dict[str, Any]:
    return {key: value for key, value in step.settings.items() if key != "shared"}


def _weight(step: Step) -> str:
    s = step.settings
    words = "" if s["trainable"] else ", trainable=False"
    words += "" if s["dtype"] == "float32" else ', dtype="{dtype}"'.replace("{dtype}", s["dtype"])
    return f"Weight({{layer}}, {tupled(s['shape'])}{words})"


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
        same = 'padding="same"' if s["padding"] == "same" else ""
        if s["padding"] == "explicit":
            pairs = ", ".join(
                f"({n}, {n})" for n in (s["even"] if isinstance(s["even"], tuple) else (s["even"],) * 2)
            )
            name = "max_windows" if cls.startswith("Max") else "average_windows"
            return f"{name}({{0}}, {{size}}, {{stride}}, ({pairs}))"
        return _layer(f"{cls}{_dimensions(step)}D", "{size}", differs, same)

    return of


def _global(word: str) -> Template:
    return lambda s: (
        f"layers.Global{word}Pooling{_dimensions(s)}D("
        f"{'keepdims=True' if s.settings['keepdims'] else ''})({{0}})"
    )


CALLS: dict[str, Template] = {
    **OPERATIONS,
    "conv": _conv,
    "depthwise_conv": _conv,
    "conv_transpose": _conv_transpose,
    "dense": _dense,
    "batch_norm": _norm("BatchNormalization", "momentum={momentum}"),
    "batch_norm_axis": _norm("BatchNormalization", "momentum={momentum}"),
    "layer_norm": _norm("LayerNormalization"),
    "rms_norm": _layer("RMSNormalization", "epsilon={epsilon}", "name={layer}"),
    "upsample": _layer("UpSampling2D", "{size}"),
    "embedding": _layer("Embedding", "{vocabulary}", "{features}", "name={layer}"),
    "lstm": _rnn("LSTM"),
    "gru": _rnn("GRU"),
    "simple_rnn": _rnn("SimpleRNN"),
    "max_pool": _pool("MaxPooling"),
    "average_pool": _pool("AveragePooling"),
    "global_mean": _global("Average"),
    "global_max": _global("Max"),
    "flatten": _layer("Flatten"),
    "reshape": lambda s: (
        f"ops.reshape({{0}}, {tupled((-1, *s.settings['to']))})"
        if s.settings["longer"]
        else "layers.Reshape({to})({0})"
    ),
    "subsample": lambda s: "{0}[:, " + stride(s) + ", " + stride(s) + "]",
    "after": "After()({0}, {1})",
    "pad_channels": "pad_channels({0}, {channels})",
    "zero_pad": "layers.ZeroPadding2D((({top}, {bottom}), ({left}, {right})))({0})",
    "concatenate": "layers.Concatenate()([{all}])",
    "dropout": _layer("Dropout", "{rate}"),
    **{
        name: f'layers.Activation("{name}")({{0}})'
        for name in (*NAMED, "log_sigmoid", "hard_sigmoid", "hard_silu", "hard_tanh")
    },
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

_OWNERS = (
    "conv", "depthwise_conv", "conv_transpose", "dense", "batch_norm", "batch_norm_axis", "layer_norm",
    "rms_norm", "embedding", "lstm", "gru", "simple_rnn",
)  # fmt: skip
CALLS.update({kind: shared(CALLS[kind]) for kind in _OWNERS})

HELPERS = {
    "After": '''
class After(layers.Layer):
    """x, once another value is there: Keras runs branches in an order of its own."""

    def call(self, x, other):
        return x
''',
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


def _own_name(step: Step) -> str:
    """A layer's name from that of its weights. Names of layers hold no ``/``."""
    name = step.name.removesuffix(f"/{step.kind}_cell")
    return name.replace("/", ".")


def _path(draft: Draft) -> str:
    """The expression of a weight's name in crosstrain."""
    steps = [step for step in draft.network.steps if step.roles]
    text = "weight.path"
    text += '.removesuffix("/value")' if any(step.kind == "weight" for step in steps) else ""
    return text + ('.replace(".", "/")' if any("." in _own_name(step) for step in steps) else "")


def _weights(
    draft: Draft, items: Iterable[Piece | Option], named: Callable[[Step], str], given: str
) -> list[str]:
    """A variable for each weight that belongs to no layer, and each layer that is applied several times."""
    lines, seen = [], set()
    for item in items:
        steps = [item] if isinstance(item, Step) else item.steps if isinstance(item, Option) else ()
        for step in steps:
            if step.name in seen:
                continue
            if step.settings.get("shared"):
                seen.add(step.name)
                text = draft.expression({step.kind: _maker}, step, (), Scope(named))
                lines.append(f"{_variable(step)} = {text}")
            if step.kind == "weight":
                seen.add(step.name)
                text = draft.expression({"weight": _weight}, step, (), Scope(named))
                line = f"{_variable(step)} = {text}({given})"
                two = [f"weight = {text}", f"{_variable(step)} = weight({given})"]
                lines += [line] if len(line) + 4 <= WIDTH else two
    return lines


def _variable(step: Step) -> str:
    """The variable of a weight, or the name of a layer."""
    return identifier(step.name if not step.name.isdigit() else f"weight{step.name}")


def _in_block(block: Block) -> Scope:
    own = _names_in(block)
    return Scope(lambda step: _variable(step) if step.kind == "weight" else own(step))


def _names_in(block: Block) -> Callable[[Step], str]:
    """How a layer's name is written in a block; none holds a ``/``."""
    named = key_names(block)

    def own(step: Step) -> str:
        if block.names is None:
            text = named(replace(step, name=_own_name(step)))
            return text + '.replace("/", ".")' if any("/" in prefix for prefix in block.prefixes) else text
        text, cell = named(step), f"/{step.kind}_cell"
        names = [row[int(step.name)] for row in block.names]
        text += f'.removesuffix("{cell}")' if any(name.endswith(cell) for name in names) else ""
        deep = any("/" in name.removesuffix(cell) for name in names)
        return text + '.replace("/", ".")' if deep else text

    return own


def _short(lines: list[str]) -> list[str]:
    """``x = layers.Conv2D(…)(x)`` in two statements where it is too long for a line."""
    short = []
    for line in lines:
        text = line.strip()
        margin = line[: len(line) - len(text)]
        head, equals, rest = text.partition(" = ")
        maker, cut, arguments = rest.rpartition(")(")
        if len(line) + 8 > WIDTH and equals and cut and maker.startswith(("layers.", "Weight(")):
            short += [f"{margin}layer = {maker})", f"{margin}{head} = layer({arguments}"]
        else:
            short.append(line)
    return short


def write(draft: Draft) -> None:
    bodies: dict[int, list[str]] = {}
    for run in draft.runs:
        own = _names_in(run.block)
        bodies[id(run)] = _short([
            *_weights(draft, run.block.items, own, "x"),
            *draft.statements(
                run.block.items, {INPUT: "x"}, [OUTPUT], _in_block(run.block), lambda *_: [], fuse=False
            ),
        ])  # fmt: skip
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
    scope = Scope(lambda step: _variable(step) if step.kind == "weight" else literal(_own_name(step)))
    penalty = draft.network.penalty
    body = draft.statements(
        draft.pieces, variables, list(draft.network.outputs.values()), scope, go, fuse=False,
        kept={"penalty": penalty} if penalty else {},
    )  # fmt: skip
    shapes = [draft.network.shapes[value] for value in draft.network.inputs.values()]
    kinds = [draft.network.dtypes[value] for value in draft.network.inputs.values()]
    dtypes = ["" if kind == "float32" else f', dtype="{kind}"' for kind in kinds]
    if len(draft.inputs) == 1:
        begin = [f"x = inputs = keras.Input({shapes[0]!r}{dtypes[0]})"]
        entered = "inputs"
    else:
        pairs = zip(draft.inputs, draft.network.inputs, shapes, dtypes, strict=True)
        begin = [f'{v} = {v}_input = keras.Input({shape!r}, name="{n}"{kind})' for v, n, shape, kind in pairs]
        entered = f"[{', '.join(f'{v}_input' for v in draft.inputs)}]"
    entry = "inputs" if len(draft.inputs) == 1 else f"{draft.inputs[0]}_input"
    begin += _weights(draft, draft.pieces, lambda step: literal(_own_name(step)), entry)
    last = body[-1].removeprefix("return ")
    if penalty:
        first, comma, rest = last.partition(", ")
        last = f"Penalty()({first}, penalty){comma}{rest}"
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
    named = f'"{prefix}" + {_path(draft)}' if prefix else _path(draft)
    draft.add(
        "def load_weights(model, path):",
        '    """Load crosstrain\'s weights, an .npz by name; names and layouts are the same."""',
        "    with np.load(path) as stored:",
        "        for weight in model.weights:",
        f"            name = {named}",
        "            weight.assign(stored[name])",
    )
    draft.add(
        "def save_weights(model, path):",
        '    """Save the weights in crosstrain\'s layout."""',
        "    weights = {}",
        "    for weight in model.weights:",
        f"        name = {named}",
        "        weights[name] = keras.ops.convert_to_numpy(weight)",
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
    CALLS, {}, {**FUNCTIONS, **HELPERS}, LOSSES, write, prepare=prepared, engines=("keras-tensorflow",),
    packages=("keras", "numpy", "tensorflow"),
    single_kernels=frozenset({"gelu", "leaky_relu"}),
    asks={
        "axes": "channels stand last",
        "training and inference": "an argument, training, that fit and evaluate set",
        "random numbers": "keras.utils.set_random_seed, or a seed for each layer",
        "gradients": "none to write: the backend's, inside train_on_batch",
        "weights": "created when a layer first sees a shape; kernels are (height, width, in, out)",
        "compilation": "compile() names loss and optimizer; jit_compile is the backend's",
    },
)  # fmt: skip
