"""The vocabulary on TensorFlow's own ops."""

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
    tupled,
    window,
)
from crosstrain.source.view.step import Step

DTYPES = {"float32": "DTYPE", **{
    name: f"tf.{name}" for name in ("bool", "uint8", "int8", "int16", "int32", "int64")
}}  # fmt: skip


def dtype(step: Step) -> str:
    return DTYPES[step.settings["dtype"]]


def _pooled(name: str) -> Form:
    def of(step: Step) -> str:
        how = "{0}, {window}, {strides}, {padding})"
        return f"pool_volumes({name}, {how}" if len(step.settings["window"]) == 3 else f"{name}({how}"

    return of


def _constant(step: Step) -> str:
    kind, value = step.settings["dtype"], step.settings["value"]
    run = counted(value)
    if run and kind == "int32":
        text = f"tf.range({run[0]})"
        return text if len(run[1]) == 1 else f"tf.reshape({text}, {tupled(run[1])})"
    return "tf.constant({value}, " + DTYPES[kind] + ")"


def _reduced(name: str, before: str = "{0}") -> Form:
    def of(step: Step) -> str:
        axis = axis_word(step)
        words = [before] + ([] if axis == "None" else [axis])
        return f"tf.{name}({', '.join(words + (['keepdims=True'] if step.settings.get('keepdims') else []))})"

    return of


def _placed(name: str) -> Form:
    def of(step: Step) -> str:
        text = f"tf.{name}({{0}}, {step.settings['axis']}, tf.int32)"
        return f"tf.expand_dims({text}, {step.settings['axis']})" if step.settings.get("keepdims") else text

    return of


def _broadcast(step: Step) -> str:
    s = step.settings
    lead = len(s["shape"]) - s["ranks"][0]
    return "tf.broadcast_to({0}, " + tupled(
        f"tf.shape({{0}})[{i - lead}]" if n == -1 else n for i, n in enumerate(s["shape"])
    ) + ")"  # fmt: skip


def _axis(name: str) -> Form:
    def of(step: Step) -> str:
        axis = step.settings["axis"]
        if isinstance(axis, tuple):
            return f"{name}_of_axes({{0}}, {{axis}})"
        return f"tf.nn.{name}({{0}})" if axis == -1 else f"tf.nn.{name}({{0}}, {{axis}})"

    return of


def _logical(name: str) -> Form:
    return lambda s: (
        f"tf.math.{name}(" + ", ".join(f"tf.cast({{{i}}}, tf.bool)" for i in range(len(s.inputs))) + ")"
    )


FUNCTIONS = {
    "linear": "lambda x: x", "tanh": "tf.tanh", "sigmoid": "tf.sigmoid", "exp": "tf.exp",
    "hard_sigmoid": "hard_sigmoid", "hard_silu": "hard_silu",
    **{name: f"tf.nn.{name}" for name in (
        "relu", "softplus", "softsign", "elu", "selu", "silu", "relu6", "gelu", "softmax", "leaky_relu")},
}  # fmt: skip

CALLS: dict[str, Template] = {
    **operators(),
    **functions("tf", "abs sign exp sqrt square sin cos tan sinh cosh tanh floor round maximum minimum "
                    "stop_gradient"
                " power=pow"),
    **functions("tf.math", "expm1 log log1p rsqrt reciprocal arcsin=asin arccos=acos arctan=atan "
                    "arcsinh=asinh "
                "arccosh=acosh arctanh=atanh ceil erf arctan2=atan2 squared_difference "
                "isnan=is_nan isfinite=is_finite log_sigmoid"),
    **{name: _logical(name) for name in ("logical_and", "logical_or", "logical_xor", "logical_not")},
    "logaddexp": "logaddexp({0}, {1})",
    "where": "tf.where({0}, {1}, {2})",
    "clip": clip("tf", "clip_by_value"),
    "celu": "celu({0}, {alpha})",
    "hard_sigmoid": "hard_sigmoid({0})",
    "hard_silu": "hard_silu({0})",
    "hard_tanh": "tf.clip_by_value({0}, -1.0, 1.0)",
    "tanh_shrink": "{0} - tf.tanh({0})",
    "soft_shrink": "tf.nn.relu({0} - {threshold}) - tf.nn.relu(-{0} - {threshold})",
    "hard_shrink": "tf.where(tf.abs({0}) > {threshold}, {0}, tf.zeros_like({0}))",
    "threshold": "tf.where({0} > {threshold}, {0}, tf.fill(tf.shape({0}), tf.cast({value}, {0}.dtype)))",
    "squareplus": "({0} + tf.sqrt({0} * {0} + {b})) / 2",
    "log_softmax": "tf.nn.log_softmax({0})",
    "weight": "{layer}",
    "none": "None",
    "number": "{value}",
    "constant": _constant,
    "item": "{0}[{index}]",
    "phase_select": "{0} if training else {1}",
    "augment_select": "{0} if training else {1}",
    **recurrent(FUNCTIONS),
    **general({
        "linear": "{0}",
        "sum": _reduced("reduce_sum"),
        "mean": _reduced("reduce_mean"),
        "max": _reduced("reduce_max"),
        "min": _reduced("reduce_min"),
        "prod": _reduced("reduce_prod"),
        "any": _reduced("reduce_any", "tf.cast({0}, tf.bool)"),
        "all": _reduced("reduce_all", "tf.cast({0}, tf.bool)"),
        "variance": _reduced("math.reduce_variance"),
        "logsumexp": _reduced("reduce_logsumexp"),
        "argmax": _placed("argmax"),
        "argmin": _placed("argmin"),
        "cumsum": "tf.cumsum({0}, {axis})",
        "sort": "tf.sort({0}, {axis})",
        "top_k": "tf.math.top_k({0}, {k})",
        "matmul": "tf.matmul({0}, {1})",
        "einsum": "tf.einsum({equation}, {all})",
        "reshape": "tf.reshape({0}, {shape})",
        "transpose": "tf.transpose({0}, {axes})",
        "expand_dims": "tf.expand_dims({0}, {axis})",
        "squeeze": "tf.squeeze({0}, {axis})",
        "concatenate": "tf.concat([{all}], {axis})",
        "stack": "tf.stack([{all}], {axis})",
        "split": lambda s: "tf.split({0}, " + (
            str(len(s.settings["sizes"])) if even_parts(s) else "{sizes}") + ", {axis})",
        "slice": lambda s: "{0}[" + cuts(s) + "]",
        "tile": "tf.tile({0}, {repeats})",
        "repeat": "tf.repeat({0}, {repeats}, {axis})",
        "broadcast_to": _broadcast,
        "full_like": lambda s: (
            "tf.zeros_like({0})" if not s.settings["value"] else
            "tf.ones_like({0})" if s.settings["value"] == 1 else
            "tf.fill(tf.shape({0}), tf.cast({value}, {0}.dtype))"),
        "flip": lambda s: "tf.reverse({0}, " + (
            "[{axis}])" if isinstance(s.settings["axis"], int) else "{axis})"),
        "roll": "tf.roll({0}, {shift}, {axis})",
        "pad": pad("tf", str.upper),
        "take": "tf.gather({0}, {1}, axis={axis})",
        "take_along_axis": lambda s: (
            "tf.gather({0}, {1}, batch_dims=" + str(s.settings["ranks"][0] - 1) + ")"
            if s.settings["axis"] % s.settings["ranks"][0] == s.settings["ranks"][0] - 1
            else "take_along_axis({0}, {1}, {axis})"),
        "one_hot": lambda s: "tf.one_hot({0}, {classes}, dtype=" + dtype(s) + (
            ")" if s.settings["axis"] == -1 else ", axis={axis})"),
        "cast": lambda s: "tf.cast({0}, " + dtype(s) + ")",
        "softmax": _axis("softmax"),
        "log_softmax": _axis("log_softmax"),
        "upsample_nearest": "upsample({0}, {size})",
        "glu": "glu({0}, {axis})",
        "dense": lambda s: "tf.matmul({0}, {1})" + (" + {2}" if len(s.inputs) > 2 else ""),
        "conv": window("convolve"),
        "depthwise_conv": window("convolve_depthwise"),
        "conv_transpose": window("convolve_transposed"),
        "max_pool": _pooled("max_windows"),
        "average_pool": _pooled("average_windows"),
        "normalize": "normalize({all}, axis={axis}, epsilon={epsilon})",
        "layer_norm": "layer_norm({all}, axes={axes}, epsilon={epsilon})",
        "rms_norm": "rms_norm({all}, axes={axes}, epsilon={epsilon})",
        "dropout": "dropout({0}, {rate}, training, {noise_shape})",
        "gaussian_dropout": "gaussian_dropout({0}, {rate}, training)",
        "gaussian_noise": "gaussian_noise({0}, {stddev}, training)",
        "uniform_noise": "uniform_noise({0}, {width}, training)",
        "alpha_dropout": "alpha_dropout({0}, {rate}, training)",
        "random_uniform": "tf.random.uniform(tf.shape({0}), dtype={0}.dtype)",
        "random_normal": "tf.random.normal(tf.shape({0}), dtype={0}.dtype)",
    }),
}  # fmt: skip

HELPERS = {
    "logaddexp": '''
def logaddexp(a, b):
    return tf.maximum(a, b) + tf.math.log1p(tf.exp(-tf.abs(a - b)))
''',
    "celu": '''
def celu(x, alpha):
    return tf.nn.relu(x) + alpha * tf.math.expm1((x - tf.nn.relu(x)) / alpha)
''',
    "hard_sigmoid": '''
def hard_sigmoid(x):
    return tf.nn.relu6(x + 3) / 6
''',
    "hard_silu": '''
def hard_silu(x):
    return x * tf.nn.relu6(x + 3) / 6
''',
    "glu": '''
def glu(x, axis):
    a, b = tf.split(x, 2, axis)
    return a * tf.sigmoid(b)
''',
    "softmax_of_axes": '''
def softmax_of_axes(x, axes):
    return tf.exp(x - tf.reduce_logsumexp(x, axes, keepdims=True))
''',
    "log_softmax_of_axes": '''
def log_softmax_of_axes(x, axes):
    return x - tf.reduce_logsumexp(x, axes, keepdims=True)
''',
    "take_along_axis": '''
def take_along_axis(x, index, axis):
    """As NumPy's; the axis goes last for it."""
    order = list(range(len(x.shape)))
    order[axis], order[-1] = order[-1], order[axis]
    x, index = tf.transpose(x, order), tf.transpose(index, order)
    return tf.transpose(tf.gather(x, index, batch_dims=len(x.shape) - 1), order)
''',
    "upsample": '''
def upsample(x, size):
    """Each cell repeated along the axes between the first and the last."""
    for axis, count in enumerate(size, 1):
        x = tf.repeat(x, count, axis)
    return x
''',
    "each": '''
def each(value, axes):
    """One value for every axis, or the values themselves."""
    return list(value) if isinstance(value, (tuple, list)) else [value] * axes
''',
    "convolve": '''
def convolve(x, kernel, bias=None, strides=1, padding="VALID", dilation=1, groups=1):
    """x (N, …, in), kernel (…, in / groups, out), padding a word or (before, after) for each axis."""
    axes = len(x.shape) - 2
    if not isinstance(padding, str):
        x, padding = tf.pad(x, ((0, 0), *padding, (0, 0))), "VALID"
    how = each(strides, axes), padding, f"N{'DHW'[3 - axes :]}C", each(dilation, axes)
    if groups == 1:
        y = tf.nn.convolution(x, kernel, *how)
    else:
        parts = zip(tf.split(x, groups, -1), tf.split(kernel, groups, -1))
        y = tf.concat([tf.nn.convolution(a, b, *how) for a, b in parts], -1)
    return y if bias is None else y + bias
''',
    "convolve_depthwise": '''
def convolve_depthwise(x, kernel, bias=None, strides=1, padding="VALID", dilation=1):
    """Each channel by kernels of its own; kernel (…, in, multiplier)."""
    axes = len(x.shape) - 2
    strides, dilation = each(strides, axes), each(dilation, axes)
    if axes != 2 or len(set(strides)) > 1 or (max(strides) > 1 and max(dilation) > 1):
        flat = tf.reshape(kernel, (*kernel.shape[:-2], 1, -1))
        return convolve(x, flat, bias, strides, padding, dilation, kernel.shape[-2])
    if not isinstance(padding, str):
        x, padding = tf.pad(x, ((0, 0), *padding, (0, 0))), "VALID"
    y = tf.nn.depthwise_conv2d(x, kernel, [1, *strides, 1], padding, dilations=dilation)
    return y if bias is None else y + bias
''',
    "convolve_transposed": '''
def convolve_transposed(x, kernel, bias=None, strides=1, crop=(), dilation=1):
    """kernel (…, out, in); crop (before, after) is cut off each axis; negative: zeros."""
    axes = len(x.shape) - 2
    strides, dilation = each(strides, axes), each(dilation, axes)
    lengths = [
        (n - 1) * s + (k - 1) * d + 1
        for n, s, k, d in zip(x.shape[1:-1], strides, kernel.shape, dilation)
    ]
    for axis, d in enumerate(
        dilation
    ):  # a CPU takes no dilation here: the kernel with zeros between
        cells = [
            tf.pad(cell, [(0, 0)] * axis + [(0, d - 1)] + [(0, 0)] * (axes + 1 - axis))
            for cell in tf.split(kernel, kernel.shape[axis], axis)
        ]
        kernel = tf.concat(cells, axis)[(slice(None),) * axis + (slice(0, -(d - 1) or None),)]
    shape = [tf.shape(x)[0], *lengths, kernel.shape[-2]]
    y = tf.nn.conv_transpose(x, kernel, shape, strides, "VALID", f"N{'DHW'[3 - axes :]}C")
    cut = [slice(max(b, 0), n - max(a, 0)) for (b, a), n in zip(crop, lengths)]
    y = tf.pad(
        y[(slice(None), *cut)], ((0, 0), *[(max(-b, 0), max(-a, 0)) for b, a in crop], (0, 0))
    )
    return y if bias is None else y + bias
''',
    "max_windows": '''
def max_windows(x, window, strides, padding):
    """padding (before, after) for each axis is never the maximum."""
    lowest = tf.constant(float("-inf"), x.dtype)
    x = tf.pad(x, ((0, 0), *padding, (0, 0)), constant_values=lowest)
    return tf.nn.max_pool(x, window, strides, "VALID")
''',
    "average_windows": '''
def average_windows(x, window, strides, padding):
    """The mean of the cells that are not padding, (before, after) for each axis."""
    pairs = ((0, 0), *padding, (0, 0))
    cells = tf.nn.avg_pool(tf.pad(tf.ones_like(x), pairs), window, strides, "VALID")
    return tf.nn.avg_pool(tf.pad(x, pairs), window, strides, "VALID") / cells
''',
    "normalize": '''
def normalize(x, gamma, beta, mean, variance, axis, epsilon):
    """gamma (x - mean) / sqrt(variance + epsilon) + beta along an axis."""
    shape = [1] * len(x.shape)
    shape[axis] = -1
    along = [w if w is None else tf.reshape(w, shape) for w in (mean, variance, beta, gamma)]
    return tf.nn.batch_normalization(x, *along, epsilon)
''',
    "layer_norm": '''
def layer_norm(x, gamma=None, beta=None, *, axes, epsilon):
    """Over ``axes`` of each example; gamma and beta broadcast."""
    mean, variance = tf.nn.moments(x, axes, keepdims=True)
    return tf.nn.batch_normalization(x, mean, variance, beta, gamma, epsilon)
''',
    "rms_norm": '''
def rms_norm(x, gamma=None, *, axes, epsilon):
    """x / sqrt(mean(x²) + epsilon) · gamma (Zhang and Sennrich 2019)."""
    y = x * tf.math.rsqrt(tf.reduce_mean(tf.square(x), axes, keepdims=True) + epsilon)
    return y if gamma is None else y * gamma
''',
    "gaussian_dropout": '''
def gaussian_dropout(x, rate, training):
    """x · N(1, rate / (1 - rate))."""
    deviation = (rate / (1 - rate)) ** 0.5
    return x * tf.random.normal(tf.shape(x), 1, deviation, x.dtype) if training else x
''',
    "gaussian_noise": '''
def gaussian_noise(x, stddev, training):
    return x + tf.random.normal(tf.shape(x), stddev=stddev, dtype=x.dtype) if training else x
''',
    "uniform_noise": '''
def uniform_noise(x, width, training):
    return x + tf.random.uniform(tf.shape(x), -width, width, x.dtype) if training else x
''',
    "alpha_dropout": '''
def alpha_dropout(x, rate, training):
    """Dropout that keeps selu's mean and variance (Klambauer et al. 2017)."""
    if not training:
        return x
    floor = -1.6732632423543772 * 1.0507009873554805
    scale = ((1 - rate) * (1 + rate * floor**2)) ** -0.5
    kept = tf.random.uniform(tf.shape(x), dtype=x.dtype) >= rate
    return scale * (tf.where(kept, x, tf.cast(floor, x.dtype)) - floor * rate)
''',
    **recurrent_functions(
        "tf.tanh", "tf.sigmoid", split=splitting("tf"), product="tf.matmul(x, kernel)"
    ),
    "over_time": '''
def over_time(step, x, states, units, backwards=False, mask=None, noise=None, zero_output=False):
    """Run a recurrent step; where the mask (N, time) is False, states stay as they are.

    noise (N, gates · units) multiplies what each gate sees of the state.
    """

    def recur(h, kernel, factor=1, first=0):
        if noise is None:
            return tf.matmul(factor * h, kernel)
        width, gates = kernel.shape[0], kernel.shape[1] // kernel.shape[0]
        parts = tf.split(noise[:, first * width : (first + gates) * width], gates, -1)
        kernels = tf.split(kernel, gates, -1)
        return tf.concat([tf.matmul(factor * h * n, k) for n, k in zip(parts, kernels)], -1)

    zeros = tf.zeros((tf.shape(x)[0], units), x.dtype)
    states = [zeros if state is None else state for state in states]
    outputs, times = [], range(x.shape[1])
    for t in reversed(times) if backwards else times:
        new = step(x[:, t], recur, states)
        if mask is not None:
            on = tf.cast(mask[:, t, None], tf.bool)
            new = [tf.where(on, after, before) for after, before in zip(new, states)]
        states = list(new)
        y = states[0]
        outputs.append(tf.where(on, y, zeros) if zero_output and mask is not None else y)
    return tf.stack(outputs, 1), *states
''',
}  # fmt: skip
