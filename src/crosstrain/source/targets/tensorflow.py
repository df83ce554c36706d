"""TensorFlow: modules of its own ops (no Keras), channels last, the step compiled by tf.function."""

from __future__ import annotations

from crosstrain.source.layers import Step
from crosstrain.source.objects import Style, classes
from crosstrain.source.skeleton import loss_of, main, schedule_and_update, train
from crosstrain.source.target import Draft, Target, Template
from crosstrain.source.targets.jax import axes, pool
from crosstrain.source.targets.torch import TRAINED, stride


def _conv(step: Step) -> str:
    s = step.settings
    text = "Conv({layer}, {in_channels}, {filters}, {kernel_size}"
    text += ", stride={stride}" if s["stride"] != 1 else ""
    text += ', padding="SAME"' if s["padding"] == "same" else ""
    return text + (")" if "bias" in step.roles else ", bias=False)")


CALLS: dict[str, Template] = {
    "conv": "{layer}({0})",
    "dense": "{layer}({0})",
    "batch_norm": "{layer}({0}, training)",
    "layer_norm": "{layer}({0})",
    "embedding": "{layer}({0})",
    "lstm": lambda s: "{layer}({0})" + ("" if s.settings["sequences"] else "[:, -1]"),
    "max_pool": pool("max_pool"),
    "average_pool": pool("average_pool"),
    "global_mean": lambda s: "tf.reduce_mean({0}, " + axes(s) + ")",
    "global_max": lambda s: "tf.reduce_max({0}, " + axes(s) + ")",
    "flatten": "flatten({0})",
    "reshape": lambda s: "tf.reshape({0}, (-1, " + ", ".join(map(str, s.settings["to"])) + "))",
    "subsample": lambda s: "{0}[:, " + stride(s) + ", " + stride(s) + "]",
    "pad_channels": "pad_channels({0}, {channels})",
    "zero_pad": "tf.pad({0}, ((0, 0), ({top}, {bottom}), ({left}, {right}), (0, 0)))",
    "add": "{0} + {1}",
    "subtract": "{0} - {1}",
    "multiply": "{0} * {1}",
    "maximum": "tf.maximum({0}, {1})",
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
    "batch_norm": "BatchNorm({layer}, {channels}, momentum={momentum}, epsilon={epsilon})",
    "layer_norm": "LayerNorm({layer}, {features}, epsilon={epsilon})",
    "embedding": "Embedding({layer}, {vocabulary}, {features})",
    "lstm": "LSTM({layer}, {features}, {units})",
}

HELPERS = {
    "he_normal": '''
def he_normal(name, *shape):
    """A variable drawn as by He et al. (2015)."""
    fan_in = int(np.prod(shape[:-1]))
    return tf.Variable(tf.random.normal(shape, stddev=(2 / fan_in) ** 0.5, dtype=DTYPE), name=name)
''',
    "constant": """
def constant(name, size, value, trainable=True):
    return tf.Variable(tf.fill((size,), tf.cast(value, DTYPE)), name=name, trainable=trainable)
""",
    "Conv": '''
class Conv(tf.Module):
    """Images (N, H, W, C), kernel (height, width, in, out)."""

    def __init__(self, name, in_channels, filters, size, stride=1, padding="VALID", bias=True):
        super().__init__()
        self.stride, self.padding = stride, padding
        self.kernel = he_normal(f"{name}/kernel", size, size, in_channels, filters)
        self.bias = constant(f"{name}/bias", filters, 0) if bias else None

    def __call__(self, x):
        y = tf.nn.conv2d(x, self.kernel, self.stride, self.padding)
        return y if self.bias is None else y + self.bias
''',
    "Dense": """
class Dense(tf.Module):
    def __init__(self, name, inputs, units, bias=True):
        super().__init__()
        self.kernel = he_normal(f"{name}/kernel", inputs, units)
        self.bias = constant(f"{name}/bias", units, 0) if bias else None

    def __call__(self, x):
        y = tf.matmul(x, self.kernel)
        return y if self.bias is None else y + self.bias
""",
    "BatchNorm": '''
class BatchNorm(tf.Module):
    """Over all axes but the last; momentum is the share of the old moving statistics."""

    def __init__(self, name, channels, momentum, epsilon):
        super().__init__()
        self.momentum, self.epsilon = momentum, epsilon
        self.gamma = constant(f"{name}/gamma", channels, 1)
        self.beta = constant(f"{name}/beta", channels, 0)
        self.moving_mean = constant(f"{name}/moving_mean", channels, 0, trainable=False)
        self.moving_variance = constant(f"{name}/moving_variance", channels, 1, trainable=False)

    def __call__(self, x, training):
        mean, variance = self.moving_mean, self.moving_variance
        if training:
            mean, variance = tf.nn.moments(x, list(range(len(x.shape) - 1)))
            self.move(self.moving_mean, mean)
            self.move(self.moving_variance, variance)
        return tf.nn.batch_normalization(x, mean, variance, self.beta, self.gamma, self.epsilon)

    def move(self, moving, new):
        moving.assign(self.momentum * moving + (1 - self.momentum) * new)
''',
    "LayerNorm": """
class LayerNorm(tf.Module):
    def __init__(self, name, features, epsilon):
        super().__init__()
        self.epsilon = epsilon
        self.gamma = constant(f"{name}/gamma", features, 1)
        self.beta = constant(f"{name}/beta", features, 0)

    def __call__(self, x):
        mean, variance = tf.nn.moments(x, -1, keepdims=True)
        return tf.nn.batch_normalization(x, mean, variance, self.beta, self.gamma, self.epsilon)
""",
    "Embedding": """
class Embedding(tf.Module):
    def __init__(self, name, vocabulary, features):
        super().__init__()
        self.embeddings = he_normal(f"{name}/embeddings", vocabulary, features)

    def __call__(self, x):
        return tf.gather(self.embeddings, tf.cast(x, tf.int32))
""",
    "LSTM": '''
class LSTM(tf.Module):
    """x (N, time, features) to (N, time, units); gates in the order input, forget, cell, output."""

    def __init__(self, name, features, units):
        super().__init__()
        self.units = units
        self.kernel = he_normal(f"{name}/kernel", features, 4 * units)
        self.recurrent_kernel = he_normal(f"{name}/recurrent_kernel", units, 4 * units)
        self.bias = constant(f"{name}/bias", 4 * units, 0)

    def __call__(self, x):
        projected = tf.matmul(x, self.kernel) + self.bias
        h = c = tf.zeros((tf.shape(x)[0], self.units), x.dtype)
        outputs = []
        for now in tf.unstack(projected, axis=1):
            i, f, g, o = tf.split(now + tf.matmul(h, self.recurrent_kernel), 4, axis=-1)
            c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
            h = tf.sigmoid(o) * tf.tanh(c)
            outputs.append(h)
        return tf.stack(outputs, axis=1)
''',
    "max_pool": """
def max_pool(x, size, stride, padding="VALID"):
    return tf.nn.max_pool2d(x, size, stride, padding)
""",
    "average_pool": '''
def average_pool(x, size, stride, padding="VALID"):
    """The mean of the cells that are not padding."""
    return tf.nn.avg_pool2d(x, size, stride, padding)
''',
    "flatten": """
def flatten(x):
    return tf.reshape(x, (-1, int(np.prod(x.shape[1:]))))
""",
    "pad_channels": '''
def pad_channels(x, channels):
    """Zero channels before and after, for ``channels`` in all."""
    missing = channels - x.shape[-1]
    return tf.pad(x, ((0, 0), (0, 0), (0, 0), (missing // 2, missing - missing // 2)))
''',
    "elu": """
def elu(x, alpha):
    return tf.where(x > 0, x, alpha * tf.math.expm1(tf.minimum(x, 0)))
""",
    "dropout": """
def dropout(x, rate, training):
    return tf.nn.dropout(x, rate) if training else x
""",
    "probabilities": '''
def probabilities(p):
    """Scaled to sum to 1 and clipped away from 0 and 1, as in Keras."""
    return tf.clip_by_value(p / tf.reduce_sum(p, -1, keepdims=True), 1e-7, 1 - 1e-7)
''',
}

_SPARSE = "tf.nn.sparse_softmax_cross_entropy_with_logits({target}, {logits})"
_DENSE = "tf.nn.softmax_cross_entropy_with_logits({target}, {logits})"
_BINARY = "tf.nn.sigmoid_cross_entropy_with_logits({target}, {output})"
_LOG = "tf.math.log(probabilities({output}))"
LOSSES = {
    ("sparse_categorical_crossentropy", True): f"tf.reduce_mean({_SPARSE.replace('{logits}', '{output}')})",
    ("sparse_categorical_crossentropy", False): (
        f"-tf.reduce_mean(tf.gather({_LOG}, {{target}}, batch_dims=1))"
    ),
    ("categorical_crossentropy", True): f"tf.reduce_mean({_DENSE.replace('{logits}', '{output}')})",
    ("categorical_crossentropy", False): f"-tf.reduce_mean(tf.reduce_sum({{target}} * {_LOG}, -1))",
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
        f"        loss = loss_of({star}model({inputs}{phase}), {', '.join(draft.targets)})",
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
    CALLS, DECLARES, HELPERS, LOSSES, write, engines=("tensorflow",), constants=("DTYPE = tf.float32",),
)  # fmt: skip
