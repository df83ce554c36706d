"""The vocabulary on PyTorch, values channels last."""

from __future__ import annotations

import ast

from crosstrain.source.operations.steps import recurrent, recurrent_functions
from crosstrain.source.operations.words import (
    Form,
    Template,
    axes,
    counted,
    cuts,
    even_parts,
    functions,
    general,
    listed,
    operators,
    tupled,
    window,
)
from crosstrain.source.view.step import Step

DTYPES = {"float32": "torch.get_default_dtype()", **{
    name: f"torch.{name}" for name in ("bool", "uint8", "int8", "int16", "int32", "int64")
}}  # fmt: skip


def dtype(step: Step) -> str:
    return DTYPES[step.settings["dtype"]]


def _constant(step: Step) -> str:
    kind = step.settings["dtype"]
    value = step.settings["value"]
    run = counted(value)
    if run and kind != "float32":
        text = f"torch.arange({run[0]}" + (")" if kind == "int64" else f", dtype={DTYPES[kind]})")
        return text if len(run[1]) == 1 else f"{text}.reshape({listed(run[1])})"
    plain = kind in ("float32", "bool") or (kind == "int64" and value != ())
    if plain and (kind != "float32" or _has_float(value)):
        return "torch.tensor({value})"
    return "torch.tensor({value}, dtype=" + DTYPES[kind] + ")"


def _has_float(value: object) -> bool:
    return any(map(_has_float, value)) if isinstance(value, tuple) else isinstance(value, float)


def _reduced(name: str, more: str = "", before: str = "") -> Form:
    def of(step: Step) -> str:
        chosen, keep = axes(step), step.settings.get("keepdims")
        if chosen is None and keep:
            chosen = tuple(range(step.settings["ranks"][0]))
        words = [] if chosen is None else [str(chosen[0]) if len(chosen) == 1 else tupled(chosen)]
        words += [more] if more else []
        return f"{{0}}{before}.{name}({', '.join(words + (['keepdim=True'] if keep else []))})"

    return of


def _chunks(expression: str, parts: int) -> str:
    """In brackets where it is neither a name nor a call."""
    simple = isinstance(ast.parse(expression, mode="eval").body, ast.Name | ast.Call)
    return f"{expression if simple else f'({expression})'}.chunk({parts}, -1)"


def _product(step: Step) -> str:
    """One axis after the other, the last first."""
    chosen = axes(step)
    if chosen is None:
        return "{0}.prod()"
    keep = ", keepdim=True" if step.settings.get("keepdims") else ""
    return "{0}" + "".join(f".prod({axis}{keep})" for axis in sorted(chosen, reverse=True))


def _placed(name: str) -> Form:
    def of(step: Step) -> str:
        keep = ", keepdim=True" if step.settings.get("keepdims") else ""
        return f"{{0}}.{name}({step.settings['axis']}{keep}).int()"

    return of


def _split(step: Step) -> str:
    return "{0}.split(" + (str(step.settings["sizes"][0]) if even_parts(step) else "{sizes}") + ", {axis})"


def _slice(step: Step) -> str:
    s = step.settings
    if all(n > 0 for n in s["strides"]):
        return "{0}[" + cuts(step) + "]"
    # PyTorch has no negative strides.
    turned = [i for i, n in enumerate(s["strides"]) if n < 0]
    words = []
    for length, start, stop, stride in zip(s["lengths"], s["starts"], s["stops"], s["strides"], strict=True):
        if stride < 0 and (start, stop) != (None, None):
            first, last, _ = slice(start, stop, stride).indices(length)
            start, stop = length - 1 - first, length - 1 - last
        ends = f"{start or ''}:{'' if stop is None else stop}"
        words.append(ends if abs(stride) == 1 else f"{ends}:{abs(stride)}")
    cut = "" if set(words) == {":"} else f"[{', '.join(words)}]"
    return f"{{0}}.flip({listed(turned)}){cut}"


def _pad(step: Step) -> str:
    s = step.settings
    if s.get("mode", "constant") != "constant":
        return 'pad({0}, {padding}, "{mode}")'.replace("{mode}", s["mode"])
    flat = [n for pair in reversed(s["padding"]) for n in pair]
    while len(flat) > 2 and flat[-2:] == [0, 0]:
        flat = flat[:-2]
    value = f", value={s['value']!r}" if s.get("value") else ""
    return f"F.pad({{0}}, {tupled(flat)}{value})"


def _take(step: Step) -> str:
    s = step.settings
    axis = int(s["axis"]) % int(s["ranks"][0])
    return "{0}[" + ":, " * axis + "{1}.long()]"


def _one_hot(step: Step) -> str:
    s = step.settings
    hot = "one_hot({0}, {classes}).to(" + dtype(step) + ")"
    return hot if s["axis"] in (-1, s["ranks"][0]) else hot + ".movedim(-1, {axis})"


def _softmax(name: str) -> Form:
    return lambda s: (
        f"torch.{name}({{0}}, {{axis}})"
        if isinstance(s.settings["axis"], int)
        else f"{name}_of_axes({{0}}, {{axis}})"
    )


def _clip(step: Step) -> str:
    s = step.settings
    words = [
        f"{end}={{{key}}}" for end, key in (("min", "minimum"), ("max", "maximum")) if s[key] is not None
    ]
    return "{0}.clamp(" + ", ".join(words) + ")"


FUNCTIONS = {
    "linear": "lambda x: x", "tanh": "torch.tanh", "sigmoid": "torch.sigmoid", "relu": "F.relu",
    "hard_sigmoid": "F.hardsigmoid", "softplus": "F.softplus", "softsign": "F.softsign", "elu": "F.elu",
    "selu": "F.selu", "silu": "F.silu", "relu6": "F.relu6", "gelu": "F.gelu", "hard_silu": "F.hardswish",
    "exp": "torch.exp", "softmax": "partial(torch.softmax, dim=-1)",
    "leaky_relu": "partial(F.leaky_relu, negative_slope=0.2)",
    "mish": "F.mish", "hard_tanh": "F.hardtanh", "log_sigmoid": "F.logsigmoid",
}  # fmt: skip

CALLS: dict[str, Template] = {
    **operators(),
    **functions(
        "torch",
        "abs sign exp expm1 log log1p sqrt rsqrt square reciprocal sin cos tan sinh cosh tanh arcsin "
        "arccos arctan "
        "arcsinh arccosh arctanh floor ceil round erf maximum minimum arctan2 logaddexp logical_and "
        "logical_or "
        "logical_xor logical_not isnan isfinite",
    ),
    "power": "torch.pow({0}, {1})",
    "squared_difference": "torch.square({0} - {1})",
    "where": "torch.where({0}, {1}, {2})",
    "clip": _clip,
    "stop_gradient": "{0}.detach()",
    "celu": "F.celu({0}, {alpha})",
    "log_sigmoid": "F.logsigmoid({0})",
    "hard_sigmoid": "F.hardsigmoid({0})",
    "hard_silu": "F.hardswish({0})",
    "hard_tanh": "F.hardtanh({0})",
    "tanh_shrink": "F.tanhshrink({0})",
    "soft_shrink": "F.softshrink({0}, {threshold})",
    "hard_shrink": "F.hardshrink({0}, {threshold})",
    "threshold": "F.threshold({0}, {threshold}, {value})",
    "squareplus": "({0} + torch.sqrt({0} * {0} + {b})) / 2",
    "log_softmax": "F.log_softmax({0}, dim=-1)",
    "weight": "{layer}",
    "none": "None",
    "number": "{value}",
    "constant": _constant,
    "item": "{0}[{index}]",
    "phase_select": "{0} if self.training else {1}",
    "augment_select": "{0} if self.training else {1}",
    **recurrent(FUNCTIONS),
    **general({
        "linear": "{0}",
        "sum": _reduced("sum"),
        "mean": _reduced("mean"),
        "max": _reduced("amax"),
        "min": _reduced("amin"),
        "any": _reduced("any", before=".bool()"),
        "all": _reduced("all", before=".bool()"),
        "variance": _reduced("var", "correction=0"),
        "prod": _product,
        "logsumexp": lambda s: "{0}.logsumexp(" + (str(axes(s) or tuple(range(s.settings["ranks"][0])))) + (
            ", keepdim=True)" if s.settings.get("keepdims") else ")"),
        "argmax": _placed("argmax"),
        "argmin": _placed("argmin"),
        "cumsum": "{0}.cumsum({axis})",
        "sort": "{0}.sort(dim={axis}, stable=True)[0]",
        "top_k": "top_k({0}, {k})",
        "matmul": "{0} @ {1}",
        "einsum": "torch.einsum({equation}, {all})",
        "reshape": lambda s: f"{{0}}.reshape({listed(s.settings['shape'])})",
        "transpose": lambda s: f"{{0}}.permute({listed(s.settings['axes'])})",
        "expand_dims": "{0}.unsqueeze({axis})",
        "squeeze": "{0}.squeeze({axis})",
        "concatenate": "torch.cat(({all}), {axis})",
        "stack": "torch.stack(({all}), {axis})",
        "split": _split,
        "slice": _slice,
        "tile": lambda s: f"{{0}}.repeat({listed(s.settings['repeats'])})",
        "repeat": "{0}.repeat_interleave({repeats}, {axis})",
        "broadcast_to": lambda s: f"{{0}}.expand({listed(s.settings['shape'])})",
        "full_like": "torch.full_like({0}, {value})",
        "flip": "{0}.flip({axis})",
        "roll": "{0}.roll({shift}, {axis})",
        "pad": _pad,
        "take": _take,
        "take_along_axis": "{0}.take_along_dim({1}.long(), {axis})",
        "one_hot": _one_hot,
        "cast": lambda s: "{0}.to(" + dtype(s) + ")",
        "softmax": _softmax("softmax"),
        "log_softmax": _softmax("log_softmax"),
        "upsample_nearest": lambda s: "{0}" + "".join(
            f".repeat_interleave({n}, {axis})" for axis, n in enumerate(s.settings["size"], 1) if n != 1),
        "glu": "F.glu({0}, {axis})",
        "dense": lambda s: "F.linear({0}, {1}.T)" if len(s.inputs) < 3 else "F.linear({0}, {1}.T, {2})",
        "conv": window("conv"),
        "depthwise_conv": window("depthwise_conv"),
        "conv_transpose": window("conv_transpose"),
        "max_pool": "max_pool({0}, {window}, {strides}, {padding})",
        "average_pool": "average_pool({0}, {window}, {strides}, {padding})",
        "normalize": "normalize({all}, axis={axis}, epsilon={epsilon})",
        "layer_norm": "layer_norm({all}, axes={axes}, epsilon={epsilon})",
        "rms_norm": "rms_norm({all}, axes={axes}, epsilon={epsilon})",
        "dropout": "shaped_dropout({0}, {rate}, {noise_shape}, self.training)",
        "gaussian_dropout": "gaussian_dropout({0}, {rate}, self.training)",
        "gaussian_noise": "{0} + {stddev} * torch.randn_like({0}) if self.training else {0}",
        "uniform_noise": "{0} + {width} * (2 * torch.rand_like({0}) - 1) if self.training else {0}",
        "alpha_dropout": "F.alpha_dropout({0}, {rate}, self.training)",
        "random_uniform": "torch.rand_like({0})",
        "random_normal": "torch.randn_like({0})",
    }),
}  # fmt: skip

HELPERS = {
    "parameter": '''
def parameter(*shape):
    """A weight drawn as by He et al. (2015); a vector is 0."""
    fan_in = math.prod(shape[:-1]) if len(shape) > 1 else math.inf
    return nn.Parameter(torch.randn(shape) * (2 / fan_in) ** 0.5)
''',
    "one_hot": '''
def one_hot(x, classes):
    """Zeros for an index out of range."""
    return x.unsqueeze(-1) == torch.arange(classes)
''',
    "top_k": '''
def top_k(x, k):
    """The largest of the last axis and their places; of equals the first ones come first."""
    values, places = x.sort(dim=-1, descending=True, stable=True)
    return values[..., :k], places[..., :k].int()
''',
    "pad": '''
def pad(x, padding, mode):
    """Each axis (before, after) by reflection: "symmetric" repeats the border, "reflect" does not."""
    for axis, pair in enumerate(padding):
        if any(pair):
            order = torch.from_numpy(np.pad(np.arange(x.shape[axis]), pair, mode=mode))
            x = x.index_select(axis, order)
    return x
''',
    "softmax_of_axes": '''
def softmax_of_axes(x, axes):
    return torch.exp(x - x.logsumexp(axes, keepdim=True))
''',
    "log_softmax_of_axes": '''
def log_softmax_of_axes(x, axes):
    return x - x.logsumexp(axes, keepdim=True)
''',
    "conv": '''
def conv(x, kernel, bias=None, strides=1, padding=(), dilation=1, groups=1):
    """Channels last; kernel (…, in / groups, out), padding (before, after) for each axis."""
    spatial = x.dim() - 2
    flat = [n for pair in reversed(padding) for n in pair]
    function = (F.conv1d, F.conv2d, F.conv3d)[spatial - 1]
    weight = kernel.movedim((-1, -2), (0, 1))
    y = F.pad(x.movedim(-1, 1), flat)
    return function(y, weight, bias, strides, 0, dilation, groups).movedim(1, -1)
''',
    "depthwise_conv": '''
def depthwise_conv(x, kernel, bias=None, **window):
    """Each channel by kernels of its own; kernel (…, in, multiplier)."""
    return conv(x, kernel.flatten(-2).unsqueeze(-2), bias, groups=kernel.shape[-2], **window)
''',
    "conv_transpose": '''
def conv_transpose(x, kernel, bias=None, strides=1, crop=(), dilation=1):
    """Channels last; kernel (…, out, in). crop (before, after) is cut off each axis; negative: zeros."""
    spatial = x.dim() - 2
    function = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[spatial - 1]
    y = function(
        x.movedim(-1, 1), kernel.movedim((-1, -2), (0, 1)), None, strides, dilation=dilation
    )
    y = F.pad(y, [-n for pair in reversed(crop) for n in pair]).movedim(1, -1)
    return y if bias is None else y + bias
''',
    "max_pool": '''
def max_pool(x, window, strides, padding):
    """Channels last; padding (before, after) for each axis is never the maximum."""
    function = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[len(window) - 1]
    flat = [n for pair in reversed(padding) for n in pair]
    y = F.pad(x.movedim(-1, 1), flat, value=-torch.inf)
    return function(y, window, strides).movedim(1, -1)
''',
    "average_pool": '''
def average_pool(x, window, strides, padding):
    """Channels last; the mean of the cells that are not padding, (before, after) for each axis."""
    function = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[len(window) - 1]
    flat = [n for pair in reversed(padding) for n in pair]
    y = x.movedim(-1, 1)
    cells = F.pad(torch.ones_like(y[:1, :1]), flat)
    y = function(F.pad(y, flat), window, strides) / function(cells, window, strides)
    return y.movedim(1, -1)
''',
    "normalize": '''
def normalize(x, gamma, beta, mean, variance, axis, epsilon):
    """gamma (x - mean) / sqrt(variance + epsilon) + beta along an axis."""
    shape = [1] * x.dim()
    shape[axis] = -1
    mean, variance = mean.reshape(shape), variance.reshape(shape)
    y = (x - mean) * torch.rsqrt(variance + epsilon)
    y = y if gamma is None else y * gamma.reshape(shape)
    return y if beta is None else y + beta.reshape(shape)
''',
    "layer_norm": '''
def layer_norm(x, gamma=None, beta=None, *, axes, epsilon):
    """Over ``axes`` of each example; gamma and beta broadcast."""
    y = x - x.mean(axes, keepdim=True)
    y = y * torch.rsqrt(x.var(axes, correction=0, keepdim=True) + epsilon)
    y = y if gamma is None else y * gamma
    return y if beta is None else y + beta
''',
    "rms_norm": '''
def rms_norm(x, gamma=None, *, axes, epsilon):
    """x / sqrt(mean(x²) + epsilon) · gamma (Zhang and Sennrich 2019)."""
    y = x * torch.rsqrt((x**2).mean(axes, keepdim=True) + epsilon)
    return y if gamma is None else y * gamma
''',
    "gaussian_dropout": '''
def gaussian_dropout(x, rate, training):
    """x · N(1, rate / (1 - rate))."""
    return x * (1 + torch.randn_like(x) * (rate / (1 - rate)) ** 0.5) if training else x
''',
    "shaped_dropout": '''
def shaped_dropout(x, rate, shape, training):
    """Dropout that is the same along the axes whose length is 1 in ``shape``."""
    lengths = [n or length for n, length in zip(shape, x.shape)]
    return x * F.dropout(x.new_ones(lengths), rate, training)
''',
    **recurrent_functions(
        "torch.tanh", "torch.sigmoid",
        split=_chunks, product="x @ kernel",
    ),
    "over_time": '''
def over_time(step, x, states, units, backwards=False, mask=None, noise=None, zero_output=False):
    """Run a recurrent step; where the mask (N, time) is False, states stay as they are.

    noise (N, gates · units) multiplies what each gate sees of the state.
    """

    def recur(h, kernel, factor=1, first=0):
        if noise is None:
            return factor * h @ kernel
        width, gates = len(kernel), kernel.shape[1] // len(kernel)
        cuts = noise[:, first * width : (first + gates) * width].split(width, -1)
        return torch.cat([factor * h * n @ k for n, k in zip(cuts, kernel.split(width, -1))], -1)

    states = [x.new_zeros(x.shape[0], units) if state is None else state for state in states]
    outputs, times = [], range(x.shape[1])
    for t in reversed(times) if backwards else times:
        new = step(x[:, t], recur, states)
        if mask is not None:
            on = mask[:, t, None].bool()
            new = [torch.where(on, after, before) for after, before in zip(new, states)]
        states = list(new)
        y = states[0]
        outputs.append(torch.where(on, y, 0) if zero_output and mask is not None else y)
    return torch.stack(outputs, 1), *states
''',
}  # fmt: skip
