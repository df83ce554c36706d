"""TensorFlow: modules of its own ops (no Keras), channels last, the step compiled by tf.function."""

from __future__ import annotations

from crosstrain.source.objects import Style, classes
from crosstrain.source.operations.tensorflow import CALLS as OPERATIONS
from crosstrain.source.operations.tensorflow import DTYPES as OPERATION_DTYPES
from crosstrain.source.operations.tensorflow import HELPERS as FUNCTIONS
from crosstrain.source.operations.tensorflow_layers import HELPERS
from crosstrain.source.operations.words import tupled
from crosstrain.source.skeleton import loss_of, main, schedule_and_update, train
from crosstrain.source.target import Draft, Target, Template
from crosstrain.source.targets.jax import axes, padding_words, pool
from crosstrain.source.targets.torch import TRAINED, stride
from crosstrain.source.training import LossTable
from crosstrain.source.view.step import Step


def _conv(step: Step) -> str:
    s, bias = step.settings, ")" if "bias" in step.roles else ", bias=False)"
    if step.kind == "depthwise_conv":
        head = f"DepthwiseConv({{layer}}, {{filters}}, {_size(step)}"
    else:
        head = f"Conv({{layer}}, {{in_channels}}, {{filters}}, {_size(step)}"
    text = head + (", strides={stride}" if s["stride"] != 1 else "") + padding_words(step)
    text += ", dilation={dilation}" if s["dilation"] != 1 else ""
    return text + (", groups={groups}" if s["groups"] != 1 and step.kind == "conv" else "") + bias


def _size(step: Step) -> str:
    """One number stands for both axes of a picture."""
    axes, size = step.settings["rank"] - 2, step.settings["kernel_size"]
    return "{kernel_size}" if axes == 2 or isinstance(size, tuple) else f"{(size,) * axes!r}"


def _conv_transpose(step: Step) -> str:
    s, bias = step.settings, ")" if "bias" in step.roles else ", bias=False)"
    text = f"ConvTranspose({{layer}}, {{in_channels}}, {{filters}}, {_size(step)}"
    text += ", strides={stride}" if s["stride"] != 1 else ""
    return text + ", crop={crop}" + (", dilation={dilation}" if s["dilation"] != 1 else "") + bias


def _pooled(name: str) -> Template:
    """A volume is pooled by its slices and columns."""
    flat = pool(name)

    def of(step: Step) -> str:
        if step.settings["rank"] < 5:
            return flat if isinstance(flat, str) else flat(step)
        return f"pool_volumes({name}, {{0}}, {{size}}, {{stride}}{padding_words(step)})"

    return of


def _global(name: str) -> Template:
    return lambda s: f"tf.{name}({{0}}, {axes(s)}{', keepdims=True' if s.settings['keepdims'] else ''})"


def _rnn(step: Step) -> str:
    turned = "{0}[:, ::-1]" if step.settings["backwards"] else "{0}"
    return f"{{layer}}({turned})" + ("" if step.settings["sequences"] else "[:, -1]")


def _norm(name: str) -> Template:
    def of(step: Step) -> str:
        text = f"{name}, epsilon={{epsilon}}"
        text += ", axis={axis}" if step.kind == "batch_norm_axis" else ""
        text += "" if "gamma" in step.roles else ", scale=False"
        return text + ("" if "beta" in step.roles else ", center=False") + ")"

    return of


def _weight(step: Step) -> str:
    shape, kind = tupled(step.settings["shape"]), step.settings["dtype"]
    if step.settings["trainable"]:
        return f"weight({{layer}}, {shape})"
    return f"weight({{layer}}, {shape}, {OPERATION_DTYPES[kind]}, trainable=False)"


CALLS: dict[str, Template] = {
    **OPERATIONS,
    "conv": "{layer}({0})",
    "depthwise_conv": "{layer}({0})",
    "conv_transpose": "{layer}({0})",
    "batch_norm_axis": "{layer}({0}, training)",
    "rms_norm": "{layer}({0})",
    "gru": _rnn,
    "simple_rnn": _rnn,
    "upsample": lambda s: (
        "upsample({0}, ({size}, {size}))" if isinstance(s.settings["size"], int) else "upsample({0}, {size})"
    ),
    "dense": "{layer}({0})",
    "batch_norm": "{layer}({0}, training)",
    "layer_norm": "{layer}({0})",
    "embedding": "{layer}({0})",
    "lstm": _rnn,
    "max_pool": _pooled("max_pool"),
    "average_pool": _pooled("average_pool"),
    "global_mean": _global("reduce_mean"),
    "global_max": _global("reduce_max"),
    "flatten": "flatten({0})",
    "reshape": lambda s: f"tf.reshape({{0}}, {tupled((-1, *s.settings['to']))})",
    "subsample": lambda s: "{0}[:, " + stride(s) + ", " + stride(s) + "]",
    "pad_channels": "pad_channels({0}, {channels})",
    "zero_pad": "tf.pad({0}, ((0, 0), ({top}, {bottom}), ({left}, {right}), (0, 0)))",
    "concatenate": "tf.concat([{all}], axis=-1)",
    "dropout": "dropout({0}, {rate}, training)",
    "relu": "tf.nn.relu({0})",
    "relu6": "tf.nn.relu6({0})",
    "tanh": "tf.tanh({0})",
    "sigmoid": "tf.sigmoid({0})",
    "softmax": "tf.nn.softmax({0})",
    "gelu": "tf.nn.gelu({0}, approximate={approximate})",
    "elu": lambda s: "tf.nn.elu({0})" if s.settings.get("alpha", 1.0) == 1.0 else "elu({0}, {alpha})",
    "selu": "tf.nn.selu({0})",
    "silu": "tf.nn.silu({0})",
    "softplus": "tf.nn.softplus({0})",
    "softsign": "tf.nn.softsign({0})",
    "leaky_relu": "tf.nn.leaky_relu({0}, {negative_slope})",
}

DECLARES: dict[str, Template] = {
    "conv": _conv,
    "dense": lambda s: "Dense({layer}, {inputs}, {units}" + (")" if "bias" in s.roles else ", bias=False)"),
    "depthwise_conv": _conv,
    "conv_transpose": _conv_transpose,
    "batch_norm": _norm("BatchNorm({layer}, {channels}, momentum={momentum}"),
    "batch_norm_axis": _norm("BatchNorm({layer}, {channels}, momentum={momentum}"),
    "layer_norm": _norm("LayerNorm({layer}, {features}"),
    "rms_norm": lambda s: (
        "RMSNorm({layer}, {features}, epsilon={epsilon}" + (', role="scale")' if "scale" in s.roles else ")")
    ),
    "gru": "GRU({layer}, {features}, {units})",
    "simple_rnn": "SimpleRNN({layer}, {features}, {units})",
    "weight": _weight,
    "embedding": "Embedding({layer}, {vocabulary}, {features})",
    "lstm": "LSTM({layer}, {features}, {units})",
}

_SPARSE = "tf.nn.sparse_softmax_cross_entropy_with_logits({target}, {logits})"
_DENSE = "tf.nn.softmax_cross_entropy_with_logits({target}, {logits})"
_BINARY = "tf.nn.sigmoid_cross_entropy_with_logits({target}, {output})"
_LOG = "tf.math.log(probabilities({output}))"
LOSSES: LossTable = {
    ("sparse_categorical_crossentropy", True): f"tf.reduce_mean({_SPARSE.replace('{logits}', '{output}')})",
    ("sparse_categorical_crossentropy", False): (
        lambda rank: f"-tf.reduce_mean(tf.gather({_LOG}, {{target}}, batch_dims={rank - 1}))"
    ),
    ("categorical_crossentropy", True): f"tf.reduce_mean({_DENSE.replace('{logits}', '{output}')})",
    ("categorical_crossentropy", False): f"-tf.reduce_mean(tf.reduce_sum({{target}} * {_LOG}, -1))",
    ("binary_crossentropy", False): "binary_crossentropy({output}, {target})",
    ("binary_crossentropy", True): f"tf.reduce_mean({_BINARY})",
    ("mean_squared_error", False): "tf.reduce_mean(tf.square({output} - {target}))",
    ("mean_absolute_error", False): "tf.reduce_mean(tf.abs({output} - {target}))",
}

STYLE = Style(
    base="tf.Module",
    method="def __call__(self, {inputs}):",
    begin=("super().__init__()",),
    keep=("self.{blocks} = [{cls}({whole}) for {row} in {generator}()]",),
    go=("for block in self.{blocks}:", "    {x} = block({x}{phase})"),
    named=True,
    phase=", training=False",
)


def write(draft: Draft) -> None:
    training = draft.training
    classes(draft, STYLE)
    loss_of(draft, LOSSES, "TensorFlow")
    schedule_and_update(draft, "tf.sqrt")
    names, inputs = ", ".join([*draft.inputs, *draft.targets]), ", ".join(draft.inputs)
    star = "*" if len(draft.outputs) > 1 else ""
    phase = ", training=True" if draft.phases else ""
    penalty = " + model.penalty" if draft.network.penalty else ""
    count = len(training.slots)
    zeros = (
        "tf.Variable(tf.zeros_like(w))" + (f" for _ in range({count})" if count > 1 else "") if count else ""
    )
    draft.add(
        "def make_slots(model):",
        '    """The initial state of the update, for every weight."""',
        f"    return [[{zeros}] for {'w' if zeros else '_'} in model.trainable_variables]",
    )
    applied = (
        [
            "        new, *changed = update(w, g, *state, rate, step)",
            "        w.assign(new)",
            "        for slot, value in zip(state, changed):",
            "            slot.assign(value)",
        ]
        if training.slots
        else ["        w.assign(update(w, g, rate, step))"]
    )
    pairs = "w, g, state in zip(weights, gradients, slots)" if zeros else "w, g in zip(weights, gradients)"
    draft.add(
        "@tf.function",
        f"def train_step(model, slots, {names}, rate, step):",
        '    """One step on a batch; steps count from 1. Returns the loss before it."""',
        "    with tf.GradientTape() as tape:",
        f"        loss = loss_of({star}model({inputs}{phase}), {', '.join(draft.targets)}){penalty}",
        "    weights = model.trainable_variables",
        "    gradients = tape.gradient(loss, weights)",
        f"    for {pairs}:",
        *applied,
        "    return loss",
    )
    train(
        draft,
        "model, ",
        "batch = [tf.constant(array[index]) for array in arrays]\n"
        "rate, step = tf.constant(learning_rate(step), DTYPE), step + 1\n"
        "losses.append(train_step(model, slots, *batch, rate, tf.constant(step, DTYPE)))",
        "tf.reduce_mean(losses)",
        ("slots = make_slots(model)", "step = 0"),
    )
    prefix = draft.network.prefix
    named = f'f"{prefix}' + '{name}"' if prefix else "name"
    draft.add(
        "def named_weights(model):",
        '    """Every weight with its name in crosstrain; the layouts are the same."""',
        "    for weight in model.variables:",
        '        name = weight.name.removesuffix(":0")',
        f"        yield {named}, weight",
    )
    draft.add(
        "def load_weights(model, path):",
        '    """Load crosstrain\'s weights, an .npz by name."""',
        "    with np.load(path) as stored:",
        "        for name, weight in named_weights(model):",
        "            weight.assign(stored[name])",
    )
    draft.add(
        "def save_weights(model, path):",
        '    """Save the weights in crosstrain\'s layout."""',
        "    np.savez(path, **{name: weight.numpy() for name, weight in named_weights(model)})",
    )
    main(
        draft, create=f"model = {draft.class_name}()", load="load_weights(model, {path})",
        trained=TRAINED, save="save_weights(model, {path})",
    )  # fmt: skip


TENSORFLOW = Target(
    "tensorflow", "TensorFlow", ("import argparse", "import math", "", "import numpy as np",
     "import tensorflow as tf"),
    CALLS, DECLARES, {**FUNCTIONS, **HELPERS}, LOSSES, write, engines=("tensorflow",),
    packages=("numpy", "tensorflow"),
    constants=("DTYPE = tf.float32",),
    single_kernels=frozenset({"gelu", "leaky_relu"}),
    asks={
        "axes": "channels stand last",
        "training and inference": "an argument, training, that each call hands on",
        "random numbers": "a global seed, tf.random.set_seed, or a stateless seed for each call",
        "gradients": "a tf.GradientTape records; it is asked once",
        "weights": "tf.Variable; kernels are (height, width, in, out) and (in, out)",
        "compilation": "tf.function traces again for each new shape or Python value",
    },
)  # fmt: skip
