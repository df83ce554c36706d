"""The vocabulary on JAX."""

from __future__ import annotations

from crosstrain.source.operations.steps import recurrent, recurrent_functions, splitting
from crosstrain.source.operations.words import (
    Form,
    Template,
    axis_word,
    counted,
    cuts,
    even_parts,
    functions,
    general,
    listed,
    operators,
    pad,
    sections,
    tupled,
    window,
)
from crosstrain.source.view.step import Step

DTYPES = {"float32": "float", "bool": "bool", **{
    name: f'"{name}"' for name in ("uint8", "int8", "int16", "int32", "int64")
}}  # fmt: skip


def dtype(step: Step) -> str:
    return DTYPES[step.settings["dtype"]]


def _constant(step: Step) -> str:
    kind, value = step.settings["dtype"], step.settings["value"]
    run = counted(value)
    if run and kind != "float32":
        return f"jnp.arange({run[0]})" + ("" if len(run[1]) == 1 else f".reshape({listed(run[1])})")
    return "jnp.array({value}, " + DTYPES[kind] + ")"


def _reduced(name: str) -> Form:
    def of(step: Step) -> str:
        axis = axis_word(step)
        words = [] if axis == "None" else [axis]
        return (
            f"{{0}}.{name}({', '.join(words + (['keepdims=True'] if step.settings.get('keepdims') else []))})"
        )

    return of


def _placed(name: str) -> Form:
    def of(step: Step) -> str:
        keep = ", keepdims=True" if step.settings.get("keepdims") else ""
        return f'{{0}}.{name}({step.settings["axis"]}{keep}).astype("int32")'

    return of


def _split(step: Step) -> str:
    parts = len(step.settings["sizes"]) if even_parts(step) else sections(step)
    return f"jnp.split({{0}}, {parts}, {{axis}})"


def _broadcast(step: Step) -> str:
    s = step.settings
    rank = s["ranks"][0]
    lead = len(s["shape"]) - rank
    return "jnp.broadcast_to({0}, " + tupled(
        f"{{0}}.shape[{i - lead}]" if n == -1 else n for i, n in enumerate(s["shape"])
    ) + ")"  # fmt: skip


def _axis(name: str) -> Form:
    return lambda s: f"{name}({{0}})" if s.settings["axis"] == -1 else f"{name}({{0}}, {{axis}})"


FUNCTIONS = {
    "linear": "lambda x: x", "tanh": "jnp.tanh", "exp": "jnp.exp", "softmax": "jax.nn.softmax",
    "softsign": "jax.nn.soft_sign", "hard_silu": "jax.nn.hard_swish", "mish": "jax.nn.mish",
    **{name: f"jax.nn.{name}" for name in (
        "sigmoid", "relu", "hard_sigmoid", "softplus", "elu", "selu", "silu", "relu6", "gelu", "hard_tanh",
        "log_sigmoid", "leaky_relu")},
}  # fmt: skip

CALLS: dict[str, Template] = {
    **operators(),
    **functions(
        "jnp",
        "power sign exp expm1 log log1p sqrt square reciprocal sin cos tan sinh cosh tanh arcsin arccos "
        "arctan "
        "arcsinh arccosh arctanh floor ceil round maximum minimum arctan2 logaddexp logical_and logical_or "
        "logical_xor logical_not isnan isfinite where",
    ),
    **functions("lax", "erf rsqrt stop_gradient"),
    **functions("jax.nn", "log_sigmoid hard_sigmoid hard_silu=hard_swish hard_tanh"),
    "abs": "absolute({0})",
    "squared_difference": "jnp.square({0} - {1})",
    "clip": lambda s: "jnp.clip({0}, {minimum}, {maximum})",
    "celu": "jax.nn.celu({0}, {alpha})",
    "tanh_shrink": "{0} - jnp.tanh({0})",
    "soft_shrink": "jax.nn.relu({0} - {threshold}) - jax.nn.relu(-{0} - {threshold})",
    "hard_shrink": "jnp.where(jnp.abs({0}) > {threshold}, {0}, 0.0)",
    "threshold": "jnp.where({0} > {threshold}, {0}, {value})",
    "squareplus": "jax.nn.squareplus({0}, {b})",
    "log_softmax": "jax.nn.log_softmax({0})",
    "weight": "params[{layer}]",
    "none": "None",
    "number": "{value}",
    "constant": _constant,
    "item": "{0}[{index}]",
    "phase_select": "{0} if training else {1}",
    "augment_select": "{0} if training else {1}",
    **{
        kind: (lambda text: lambda s: f"run_{text(s)}")(template)
        for kind, template in recurrent(FUNCTIONS).items()
    },
    **general({
        "linear": "{0}",
        **{name: _reduced(name) for name in ("sum", "mean", "max", "min", "prod")},
        "any": lambda s: _reduced("any")(s).replace("{0}", "{0}.astype(bool)"),
        "all": lambda s: _reduced("all")(s).replace("{0}", "{0}.astype(bool)"),
        "variance": _reduced("var"),
        "logsumexp": lambda s: f"jax.nn.logsumexp({{0}}, {axis_word(s)}" + (
            ", keepdims=True)" if s.settings.get("keepdims") else ")"),
        "argmax": _placed("argmax"),
        "argmin": _placed("argmin"),
        "cumsum": "{0}.cumsum({axis})",
        "sort": "jnp.sort({0}, {axis})",
        "top_k": "lax.top_k({0}, {k})",
        "matmul": "{0} @ {1}",
        "einsum": "jnp.einsum({equation}, {all})",
        "reshape": lambda s: f"{{0}}.reshape({listed(s.settings['shape'])})",
        "transpose": lambda s: f"{{0}}.transpose({listed(s.settings['axes'])})",
        "expand_dims": "jnp.expand_dims({0}, {axis})",
        "squeeze": "{0}.squeeze({axis})",
        "concatenate": "jnp.concatenate([{all}], {axis})",
        "stack": "jnp.stack([{all}], {axis})",
        "split": _split,
        "slice": lambda s: "{0}[" + cuts(s) + "]",
        "tile": "jnp.tile({0}, {repeats})",
        "repeat": "{0}.repeat({repeats}, {axis})",
        "broadcast_to": _broadcast,
        "full_like": "jnp.full_like({0}, {value})",
        "flip": "jnp.flip({0}, {axis})",
        "roll": "jnp.roll({0}, {shift}, {axis})",
        "pad": pad("jnp"),
        "take": "jnp.take({0}, {1}, axis={axis})",
        "take_along_axis": "jnp.take_along_axis({0}, {1}, {axis})",
        "one_hot": lambda s: "jax.nn.one_hot({0}, {classes}, dtype=" + dtype(s) + (
            ")" if s.settings["axis"] == -1 else ", axis={axis})"),
        "cast": lambda s: "{0}.astype(" + dtype(s) + ")",
        "softmax": _axis("jax.nn.softmax"),
        "log_softmax": _axis("jax.nn.log_softmax"),
        "upsample_nearest": lambda s: "{0}" + "".join(
            f".repeat({n}, {axis})" for axis, n in enumerate(s.settings["size"], 1) if n != 1),
        "glu": "jax.nn.glu({0}, {axis})",
        "dense": lambda s: "{0} @ {1}" + (" + {2}" if len(s.inputs) > 2 else ""),
        "conv": window("convolve"),
        "depthwise_conv": window("convolve_depthwise"),
        "conv_transpose": window("convolve_transposed"),
        "max_pool": "max_pool({0}, {window}, {strides}, {padding})",
        "average_pool": "average_pool({0}, {window}, {strides}, {padding})",
        "normalize": "normalize({all}, axis={axis}, epsilon={epsilon})",
        "layer_norm": "normalize_layer({all}, axes={axes}, epsilon={epsilon})",
        "rms_norm": "normalize_rms({all}, axes={axes}, epsilon={epsilon})",
        "dropout": "dropout(key, {0}, {rate}, {salt}, {noise_shape})",
        "gaussian_dropout": "gaussian_dropout(key, {0}, {rate}, {salt})",
        "gaussian_noise": "gaussian_noise(key, {0}, {stddev}, {salt})",
        "uniform_noise": "uniform_noise(key, {0}, {width}, {salt})",
        "alpha_dropout": "alpha_dropout(key, {0}, {rate}, {salt})",
        "random_uniform": "jax.random.uniform(jax.random.fold_in(key, {salt}), {0}.shape, {0}.dtype)",
        "random_normal": "jax.random.normal(jax.random.fold_in(key, {salt}), {0}.shape, {0}.dtype)",
    }),
}  # fmt: skip

HELPERS = {
    "absolute": '''
def absolute(x):
    """|x| with slope 0 at 0, where JAX's own has 1."""
    return x * lax.stop_gradient(jnp.sign(x))
''',
    "each": '''
def each(value, axes):
    """One value for every axis, or the values themselves."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * axes
''',
    "convolve": '''
def convolve(x, kernel, bias=None, strides=1, padding="VALID", dilation=1, groups=1):
    """x (N, …, in), kernel (…, in / groups, out), padding a word or (before, after) for each axis."""
    axes = x.ndim - 2
    letters = "DHW"[3 - axes :]
    layout = (f"N{letters}C", f"{letters}IO", f"N{letters}C")
    y = lax.conv_general_dilated(
        x,
        kernel,
        each(strides, axes),
        padding,
        rhs_dilation=each(dilation, axes),
        dimension_numbers=layout,
        feature_group_count=groups,
    )
    return y if bias is None else y + bias
''',
    "convolve_depthwise": '''
def convolve_depthwise(x, kernel, bias=None, **window):
    """Each channel by kernels of its own; kernel (…, in, multiplier)."""
    channels = x.shape[-1]
    return convolve(x, kernel.reshape(*kernel.shape[:-2], 1, -1), bias, groups=channels, **window)
''',
    "convolve_transposed": '''
def convolve_transposed(x, kernel, bias=None, strides=1, crop=(), dilation=1):
    """The stretched input with the turned kernel (…, out, in); crop (before, after) for each axis."""
    axes = x.ndim - 2
    letters, steps = "DHW"[3 - axes :], each(dilation, axes)
    layout = (f"N{letters}C", f"{letters}OI", f"N{letters}C")
    reach = [(k - 1) * d for k, d in zip(kernel.shape, steps)]
    y = lax.conv_general_dilated(
        x,
        jnp.flip(kernel, range(axes)),
        (1,) * axes,
        [(r - before, r - after) for r, (before, after) in zip(reach, crop)],
        lhs_dilation=each(strides, axes),
        rhs_dilation=steps,
        dimension_numbers=layout,
    )
    return y if bias is None else y + bias
''',
    "normalize": '''
def normalize(x, gamma, beta, mean, variance, axis, epsilon):
    """gamma (x - mean) / sqrt(variance + epsilon) + beta along an axis."""
    shape = [1] * x.ndim
    shape[axis] = -1
    y = (x - mean.reshape(shape)) * lax.rsqrt(variance.reshape(shape) + epsilon)
    y = y if gamma is None else y * gamma.reshape(shape)
    return y if beta is None else y + beta.reshape(shape)
''',
    "normalize_layer": '''
def normalize_layer(x, gamma=None, beta=None, *, axes, epsilon):
    """Over ``axes`` of each example; gamma and beta broadcast."""
    y = (x - x.mean(axes, keepdims=True)) * lax.rsqrt(x.var(axes, keepdims=True) + epsilon)
    y = y if gamma is None else y * gamma
    return y if beta is None else y + beta
''',
    "normalize_rms": '''
def normalize_rms(x, gamma=None, *, axes, epsilon):
    """x / sqrt(mean(x²) + epsilon) · gamma (Zhang and Sennrich 2019)."""
    y = x * lax.rsqrt(jnp.square(x).mean(axes, keepdims=True) + epsilon)
    return y if gamma is None else y * gamma
''',
    "gaussian_dropout": '''
def gaussian_dropout(key, x, rate, salt):
    """x · N(1, rate / (1 - rate)) where there is a key."""
    if key is None:
        return x
    noise = jax.random.normal(jax.random.fold_in(key, salt), x.shape, x.dtype)
    return x * (1 + noise * (rate / (1 - rate)) ** 0.5)
''',
    "gaussian_noise": '''
def gaussian_noise(key, x, stddev, salt):
    """x + N(0, stddev²) where there is a key."""
    if key is None:
        return x
    return x + stddev * jax.random.normal(jax.random.fold_in(key, salt), x.shape, x.dtype)
''',
    "uniform_noise": '''
def uniform_noise(key, x, width, salt):
    """x + U[-width, width) where there is a key."""
    if key is None:
        return x
    noise = jax.random.uniform(jax.random.fold_in(key, salt), x.shape, x.dtype, -1, 1)
    return x + width * noise
''',
    "alpha_dropout": '''
def alpha_dropout(key, x, rate, salt):
    """Dropout that keeps selu's mean and variance (Klambauer et al. 2017)."""
    if key is None:
        return x
    floor = -1.6732632423543772 * 1.0507009873554805
    scale = ((1 - rate) * (1 + rate * floor**2)) ** -0.5
    kept = jax.random.bernoulli(jax.random.fold_in(key, salt), 1 - rate, x.shape)
    return scale * (jnp.where(kept, x, floor) - floor * rate)
''',
    **recurrent_functions(
        "jnp.tanh", "jax.nn.sigmoid", split=splitting("jnp"), product="x @ kernel", prefix="run_"
    ),
    "over_time": '''
def over_time(step, x, states, units, backwards=False, mask=None, noise=None, zero_output=False):
    """Scan a recurrent step; where the mask (N, time) is False, states stay as they are.

    noise (N, gates · units) multiplies what each gate sees of the state.
    """

    def recur(h, kernel, factor=1, first=0):
        if noise is None:
            return factor * h @ kernel
        width, gates = len(kernel), kernel.shape[1] // len(kernel)
        parts = jnp.split(noise[:, first * width : (first + gates) * width], gates, -1)
        kernels = jnp.split(kernel, gates, -1)
        return jnp.concatenate([factor * h * n @ k for n, k in zip(parts, kernels)], -1)

    def one(states, now):
        x, on = now
        new = tuple(step(x, recur, states))
        if mask is not None:
            new = tuple(jnp.where(on, after, before) for after, before in zip(new, states))
        return new, jnp.where(on, new[0], 0) if zero_output else new[0]

    start = [jnp.zeros((len(x), units), x.dtype) if state is None else state for state in states]
    on = jnp.ones(x.shape[:2], bool) if mask is None else mask.astype(bool)
    times = x.swapaxes(0, 1), on.T[..., None]
    if backwards:
        times = [value[::-1] for value in times]
    states, outputs = lax.scan(one, tuple(start), times)
    return outputs.swapaxes(0, 1), *states
''',
}  # fmt: skip
