"""The vocabulary on keras.ops, in functional models."""

from __future__ import annotations

from crosstrain.source.operations.steps import recurrent, recurrent_functions, splitting
from crosstrain.source.operations.words import (
    Form,
    Template,
    axis_word,
    clip,
    counted,
    cuts,
    even_parts,
    functions,
    general,
    operators,
    pad,
    sections,
    tupled,
    window,
)
from crosstrain.source.view.step import Step


def dtype(step: Step) -> str:
    kind = step.settings["dtype"]
    return "keras.config.floatx()" if kind == "float32" else f'"{kind}"'


def _constant(step: Step) -> str:
    value = step.settings["value"]
    kind = step.settings["dtype"]
    run = counted(value)
    if run and kind != "float32":
        text = f'ops.arange({run[0]}, dtype="{kind}")'
        return text if len(run[1]) == 1 else f"ops.reshape({text}, {tupled(run[1])})"
    return "ops.array({value}, " + dtype(step) + ")"


def _reduced(name: str) -> Form:
    def of(step: Step) -> str:
        axis = axis_word(step)
        words = ["{0}"] + ([] if axis == "None" else [axis])
        return (
            f"ops.{name}({', '.join(words + (['keepdims=True'] if step.settings.get('keepdims') else []))})"
        )

    return of


def _placed(name: str) -> Form:
    return lambda s: f'ops.cast({_reduced(name)(s)}, "int32")'.replace("'", '"')


def _axis(name: str) -> Form:
    def of(step: Step) -> str:
        axis = step.settings["axis"]
        if isinstance(axis, tuple):
            return f"{name}_of_axes({{0}}, {{axis}})"
        return f"ops.{name}({{0}})" if axis == -1 else f"ops.{name}({{0}}, {{axis}})"

    return of


def _flip(step: Step) -> str:
    axis = step.settings["axis"]
    text = "{0}"
    for each in (axis,) if isinstance(axis, int) else axis:
        text = f"ops.flip({text}, {each})"
    return text


FUNCTIONS = {"linear": "lambda x: x", "exp": "ops.exp", "tanh": "ops.tanh", **{
    name: f"ops.{name}" for name in (
        "sigmoid", "relu", "hard_sigmoid", "softplus", "softsign", "elu", "selu", "silu", "relu6", "gelu",
        "hard_silu", "softmax", "leaky_relu", "log_sigmoid", "hard_tanh")
}}  # fmt: skip

CALLS: dict[str, Template] = {
    **operators(),
    **functions(
        "ops",
        "power abs sign exp expm1 log log1p sqrt rsqrt square reciprocal sin cos tan sinh cosh tanh "
        "arcsin arccos "
        "arctan arcsinh arccosh arctanh floor ceil round erf maximum minimum arctan2 logaddexp logical_and "
        "logical_or logical_xor logical_not isnan isfinite where stop_gradient tanh_shrink log_softmax "
        "equal not_equal",
    ),
    "squared_difference": "ops.square({0} - {1})",
    "clip": clip("ops", "clip"),
    "celu": "ops.celu({0}, {alpha})",
    "soft_shrink": "ops.soft_shrink({0}, {threshold})",
    "hard_shrink": "ops.hard_shrink({0}, {threshold})",
    "threshold": "ops.threshold({0}, {threshold}, {value})",
    "squareplus": "ops.squareplus({0}, {b})",
    "weight": "{layer}",
    "none": "None",
    "number": "{value}",
    "constant": _constant,
    "item": "{0}[{index}]",
    "phase_select": "Choice()({0}, {1})",
    "augment_select": "Choice()({0}, {1})",
    **recurrent(FUNCTIONS),
    **general({
        "linear": "{0}",
        **{name: _reduced(name) for name in ("sum", "mean", "max", "min", "prod", "any", "all", "logsumexp")},
        "variance": _reduced("var"),
        "argmax": _placed("argmax"),
        "argmin": _placed("argmin"),
        "cumsum": "ops.cumsum({0}, {axis})",
        "sort": "ops.sort({0}, {axis})",
        "top_k": "ops.top_k({0}, {k})",
        "matmul": "ops.matmul({0}, {1})",
        "einsum": "ops.einsum({equation}, {all})",
        "reshape": "ops.reshape({0}, {shape})",
        "transpose": "ops.transpose({0}, {axes})",
        "expand_dims": "ops.expand_dims({0}, {axis})",
        "squeeze": "ops.squeeze({0}, {axis})",
        "concatenate": "ops.concatenate([{all}], {axis})",
        "stack": "ops.stack([{all}], {axis})",
        "split": lambda s: "ops.split({0}, " + (
            str(len(s.settings["sizes"])) if even_parts(s) else str(sections(s))) + ", {axis})",
        "slice": lambda s: "{0}[" + cuts(s) + "]",
        "tile": "ops.tile({0}, {repeats})",
        "repeat": "ops.repeat({0}, {repeats}, {axis})",
        "broadcast_to": "broadcast_to({0}, {shape})",
        "full_like": lambda s: (
            "ops.zeros_like({0})" if not s.settings["value"] else "ops.full_like({0}, {value})"),
        "flip": _flip,
        "roll": "ops.roll({0}, {shift}, {axis})",
        "pad": pad("ops"),
        "take": "ops.take({0}, {1}, {axis})",
        "take_along_axis": "ops.take_along_axis({0}, {1}, {axis})",
        "one_hot": lambda s: "ops.one_hot({0}, {classes}, {axis}, " + dtype(s) + ")",
        "cast": lambda s: "ops.cast({0}, " + dtype(s) + ")",
        "softmax": _axis("softmax"),
        "log_softmax": _axis("log_softmax"),
        "upsample_nearest": lambda s: f"layers.UpSampling{len(s.settings['size'])}D({{size}})({{0}})" if len(
            s.settings["size"]) > 1 else f"layers.UpSampling1D({s.settings['size'][0]})({{0}})",
        "glu": "ops.glu({0}, {axis})",
        "dense": lambda s: "ops.matmul({0}, {1})" + (" + {2}" if len(s.inputs) > 2 else ""),
        "conv": window("convolve"),
        "depthwise_conv": window("convolve_depthwise"),
        "conv_transpose": window("convolve_transposed"),
        "max_pool": "max_windows({0}, {window}, {strides}, {padding})",
        "average_pool": "average_windows({0}, {window}, {strides}, {padding})",
        "normalize": "normalize({all}, axis={axis}, epsilon={epsilon})",
        "layer_norm": "layer_norm({all}, axes={axes}, epsilon={epsilon})",
        "rms_norm": "rms_norm({all}, axes={axes}, epsilon={epsilon})",
        "dropout": "layers.Dropout({rate}, noise_shape={noise_shape})({0})",
        "gaussian_dropout": "layers.GaussianDropout({rate})({0})",
        "gaussian_noise": "layers.GaussianNoise({stddev})({0})",
        "uniform_noise": "UniformNoise({width})({0})",
        "alpha_dropout": "layers.AlphaDropout({rate})({0})",
        "random_uniform": "Draw(keras.random.uniform)({0})",
        "random_normal": "Draw(keras.random.normal)({0})",
    }),
}  # fmt: skip

HELPERS = {
    "Weight": '''
class Weight(layers.Layer):
    """A weight that belongs to no layer of Keras's, whatever value it is called with."""

    def __init__(self, name, shape, trainable=True, dtype=None):
        super().__init__(name=name)
        how = "he_normal" if trainable and len(shape) > 1 else "zeros"
        self.value = self.add_weight(
            name="value", shape=shape, initializer=how, trainable=trainable, dtype=dtype
        )

    def call(self, x):
        return ops.convert_to_tensor(self.value)

    def compute_output_spec(self, x):
        return keras.KerasTensor(self.value.shape, self.value.dtype)
''',
    "Penalty": '''
class Penalty(layers.Layer):
    """Adds a value to the loss."""

    def call(self, x, penalty):
        self.add_loss(penalty)
        return x
''',
    "Choice": '''
class Choice(layers.Layer):
    """The first value in training, else the second."""

    def call(self, trained, other, training=False):
        return trained if training else other
''',
    "UniformNoise": '''
class UniformNoise(layers.Layer):
    """x + U[-width, width) in training."""

    def __init__(self, width):
        super().__init__()
        self.width = width

    def call(self, x, training=False):
        if not training:
            return x
        return x + keras.random.uniform(ops.shape(x), -self.width, self.width, x.dtype)
''',
    "Draw": '''
class Draw(layers.Layer):
    """Random numbers in the shape of a value."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.seed = keras.random.SeedGenerator()

    def call(self, x):
        return self.function(ops.shape(x), dtype=x.dtype, seed=self.seed)
''',
    "broadcast_to": '''
def broadcast_to(x, shape):
    """-1 keeps the length of an axis."""
    lead = len(shape) - len(x.shape)
    lengths = [x.shape[i - lead] if n == -1 else n for i, n in enumerate(shape)]
    if None not in lengths:
        return ops.broadcast_to(x, lengths)
    neutral = ops.zeros([n or 1 for n in lengths], x.dtype)
    return ops.logical_or(x, neutral) if x.dtype == "bool" else x + neutral
''',
    "softmax_of_axes": '''
def softmax_of_axes(x, axes):
    return ops.exp(x - ops.logsumexp(x, axes, keepdims=True))
''',
    "log_softmax_of_axes": '''
def log_softmax_of_axes(x, axes):
    return x - ops.logsumexp(x, axes, keepdims=True)
''',
    "convolve": '''
def convolve(x, kernel, bias=None, strides=1, padding=(), dilation=1, groups=1):
    """x (N, …, in), kernel (…, in / groups, out), padding (before, after) for each axis."""
    x = ops.pad(x, ((0, 0), *padding, (0, 0)))
    how = strides, "valid", "channels_last", dilation
    pairs = zip(ops.split(x, groups, -1), ops.split(kernel, groups, -1))
    y = ops.concatenate([ops.conv(part, own, *how) for part, own in pairs], -1)
    return y if bias is None else y + bias
''',
    "convolve_depthwise": '''
def convolve_depthwise(x, kernel, bias=None, strides=1, padding=(), dilation=1):
    """Each channel by kernels of its own; kernel (…, in, multiplier)."""
    if len(set(strides)) > 1 or len(strides) > 2:
        flat = ops.reshape(kernel, (*kernel.shape[:-2], 1, -1))
        return convolve(x, flat, bias, strides, padding, dilation, kernel.shape[-2])
    x = ops.pad(x, ((0, 0), *padding, (0, 0)))
    y = ops.depthwise_conv(x, kernel, strides, "valid", "channels_last", dilation)
    return y if bias is None else y + bias
''',
    "convolve_transposed": '''
def convolve_transposed(x, kernel, bias=None, strides=1, crop=(), dilation=1):
    """kernel (…, out, in); crop (before, after) is cut off each axis; negative: zeros."""
    y = ops.conv_transpose(x, kernel, strides, "valid", None, "channels_last", dilation)
    lengths = [
        (n - 1) * s + (k - 1) * d + 1
        for n, s, k, d in zip(x.shape[1:-1], strides, kernel.shape, dilation)
    ]
    cut = [slice(max(b, 0), n - max(a, 0)) for (b, a), n in zip(crop, lengths)]
    y = ops.pad(
        y[(slice(None), *cut)], ((0, 0), *[(max(-b, 0), max(-a, 0)) for b, a in crop], (0, 0))
    )
    return y if bias is None else y + bias
''',
    "max_windows": '''
def max_windows(x, window, strides, padding):
    """padding (before, after) for each axis is never the maximum."""
    x = ops.pad(x, ((0, 0), *padding, (0, 0)), constant_values=float("-inf"))
    return ops.max_pool(x, window, strides, "valid", "channels_last")
''',
    "average_windows": '''
def average_windows(x, window, strides, padding):
    """The mean of the cells that are not padding, (before, after) for each axis."""
    pairs = ((0, 0), *padding, (0, 0))
    cells = ops.average_pool(
        ops.pad(ops.ones_like(x), pairs), window, strides, "valid", "channels_last"
    )
    return ops.average_pool(ops.pad(x, pairs), window, strides, "valid", "channels_last") / cells
''',
    "normalize": '''
def normalize(x, gamma, beta, mean, variance, axis, epsilon):
    """gamma (x - mean) / sqrt(variance + epsilon) + beta along an axis."""
    shape = [1] * len(x.shape)
    shape[axis] = -1
    y = (x - ops.reshape(mean, shape)) * ops.rsqrt(ops.reshape(variance, shape) + epsilon)
    y = y if gamma is None else y * ops.reshape(gamma, shape)
    return y if beta is None else y + ops.reshape(beta, shape)
''',
    "layer_norm": '''
def layer_norm(x, gamma=None, beta=None, *, axes, epsilon):
    """Over ``axes`` of each example; gamma and beta broadcast."""
    y = x - ops.mean(x, axes, keepdims=True)
    y = y * ops.rsqrt(ops.var(x, axes, keepdims=True) + epsilon)
    y = y if gamma is None else y * gamma
    return y if beta is None else y + beta
''',
    "rms_norm": '''
def rms_norm(x, gamma=None, *, axes, epsilon):
    """x / sqrt(mean(x²) + epsilon) · gamma (Zhang and Sennrich 2019)."""
    y = x * ops.rsqrt(ops.mean(ops.square(x), axes, keepdims=True) + epsilon)
    return y if gamma is None else y * gamma
''',
    **recurrent_functions(
        "ops.tanh", "ops.sigmoid", split=splitting("ops"), product="ops.matmul(x, kernel)"
    ),
    "over_time": '''
def over_time(step, x, states, units, backwards=False, mask=None, noise=None, zero_output=False):
    """Run a recurrent step; where the mask (N, time) is False, states stay as they are.

    noise (N, gates · units) multiplies what each gate sees of the state.
    """

    def recur(h, kernel, factor=1, first=0):
        if noise is None:
            return ops.matmul(factor * h, kernel)
        width, gates = kernel.shape[0], kernel.shape[1] // kernel.shape[0]
        parts = ops.split(noise[:, first * width : (first + gates) * width], gates, -1)
        kernels = ops.split(kernel, gates, -1)
        return ops.concatenate([ops.matmul(factor * h * n, k) for n, k in zip(parts, kernels)], -1)

    zeros = ops.zeros_like(x[:, 0, :1]) + ops.zeros((1, units), x.dtype)
    states = [zeros if state is None else state for state in states]
    outputs, times = [], range(x.shape[1])
    for t in reversed(times) if backwards else times:
        new = step(x[:, t], recur, states)
        if mask is not None:
            on = ops.cast(ops.expand_dims(mask[:, t], -1), "bool")
            new = [ops.where(on, after, before) for after, before in zip(new, states)]
        states = list(new)
        y = states[0]
        outputs.append(ops.where(on, y, zeros) if zero_output and mask is not None else y)
    return ops.stack(outputs, 1), *states
''',
}  # fmt: skip
