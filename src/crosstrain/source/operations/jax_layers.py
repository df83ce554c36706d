"""The layers that JAX lacks or means otherwise, and what losses need, as definitions of a source."""

from __future__ import annotations

HELPERS = {
    "conv": '''
def conv(params, name, x, stride=1, **window):
    kernel, bias = params[f"{name}/kernel"], params.get(f"{name}/bias")
    return convolve(x, kernel, bias, stride, **window)
''',
    "depthwise_conv": '''
def depthwise_conv(params, name, x, stride=1, **window):
    kernel, bias = params[f"{name}/kernel"], params.get(f"{name}/bias")
    return convolve_depthwise(x, kernel, bias, strides=stride, **window)
''',
    "conv_transpose": '''
def conv_transpose(params, name, x, stride=1, **window):
    kernel, bias = params[f"{name}/kernel"], params.get(f"{name}/bias")
    return convolve_transposed(x, kernel, bias, stride, **window)
''',
    "conv_shapes": '''
def conv_shapes(name, size, fan, filters, bias=True, axes=2, out=None):
    shapes = {f"{name}/kernel": (*each(size, axes), fan, filters)}
    return shapes | {f"{name}/bias": (out or filters,)} if bias else shapes
''',
    "upsample": '''
def upsample(x, size):
    """Each pixel repeated."""
    height, width = each(size, 2)
    return x.repeat(height, 1).repeat(width, 2)
''',
    "dense": '''
def dense(params, name, x):
    y = x @ params[f"{name}/kernel"]
    return y + params[f"{name}/bias"] if f"{name}/bias" in params else y
''',
    "dense_shapes": '''
def dense_shapes(name, inputs, units, bias=True):
    shapes = {f"{name}/kernel": (inputs, units)}
    return shapes | {f"{name}/bias": (units,)} if bias else shapes
''',
    "batch_norm": '''
def batch_norm(params, stats, name, x, momentum, epsilon, training, axis=-1):
    """Over all axes but one. In training the new moving statistics are put into stats."""
    x = jnp.moveaxis(x, axis, -1)
    mean, variance = stats[f"{name}/moving_mean"], stats[f"{name}/moving_variance"]
    if training:
        axes = tuple(range(x.ndim - 1))
        old_mean, old_variance, mean, variance = mean, variance, x.mean(axes), x.var(axes)
        stats[f"{name}/moving_mean"] = momentum * old_mean + (1 - momentum) * mean
        stats[f"{name}/moving_variance"] = momentum * old_variance + (1 - momentum) * variance
    scale = params.get(f"{name}/gamma", 1) * lax.rsqrt(variance + epsilon)
    return jnp.moveaxis((x - mean) * scale + params.get(f"{name}/beta", 0), -1, axis)
''',
    "batch_norm_shapes": '''
def batch_norm_shapes(name, channels, roles=("gamma", "beta", "moving_mean", "moving_variance")):
    return {f"{name}/{role}": (channels,) for role in roles}
''',
    "layer_norm": '''
def layer_norm(params, name, x, epsilon):
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    scale = params[f"{name}/gamma"] * lax.rsqrt(variance + epsilon)
    return (x - mean) * scale + params.get(f"{name}/beta", 0)
''',
    "layer_norm_shapes": '''
def layer_norm_shapes(name, features, roles=("gamma", "beta")):
    return {f"{name}/{role}": (features,) for role in roles}
''',
    "rms_norm": '''
def rms_norm(params, name, x, epsilon):
    """x / sqrt(mean(x²) + epsilon) times a scale (Zhang and Sennrich 2019)."""
    role = "scale" if f"{name}/scale" in params else "gamma"
    scale = lax.rsqrt(jnp.square(x).mean(-1, keepdims=True) + epsilon)
    return x * scale * params[f"{name}/{role}"]
''',
    "gru": '''
def gru(params, name, x):
    """x (N, time, features) to (N, time, units)."""
    weights = [params[f"{name}/{role}"] for role in ("kernel", "recurrent_kernel", "bias")]
    return run_gru(x, *weights, None)[0]
''',
    "gru_shapes": '''
def gru_shapes(name, features, units):
    shapes = {"kernel": (features, 3 * units), "recurrent_kernel": (units, 3 * units)}
    return {f"{name}/{role}": s for role, s in (shapes | {"bias": (2, 3 * units)}).items()}
''',
    "simple_rnn": '''
def simple_rnn(params, name, x):
    """x (N, time, features) to (N, time, units)."""
    weights = [params[f"{name}/{role}"] for role in ("kernel", "recurrent_kernel", "bias")]
    return run_simple_rnn(x, *weights, None)[0]
''',
    "simple_rnn_shapes": '''
def simple_rnn_shapes(name, features, units):
    shapes = {"kernel": (features, units), "recurrent_kernel": (units, units), "bias": (units,)}
    return {f"{name}/{role}": shape for role, shape in shapes.items()}
''',
    "lstm": '''
def lstm(params, name, x):
    """x (N, time, features) to (N, time, units); gates in the order input, forget, cell, output."""
    recurrent = params[f"{name}/recurrent_kernel"]

    def step(state, projected):
        h, c = state
        i, f, g, o = jnp.split(projected + h @ recurrent, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    projected = x @ params[f"{name}/kernel"] + params[f"{name}/bias"]
    zeros = jnp.zeros((len(x), len(recurrent)), x.dtype)
    _, outputs = lax.scan(step, (zeros, zeros), projected.swapaxes(0, 1))
    return outputs.swapaxes(0, 1)
''',
    "lstm_shapes": '''
def lstm_shapes(name, features, units):
    shapes = {"kernel": (features, 4 * units), "recurrent_kernel": (units, 4 * units)}
    return {f"{name}/{role}": s for role, s in (shapes | {"bias": (4 * units,)}).items()}
''',
    "windows": '''
def windows(x, initial, function, size, stride, padding):
    """A reduction of windows over the axes between the first and the last."""
    axes = x.ndim - 2
    padding = padding if isinstance(padding, str) else ((0, 0), *padding, (0, 0))
    window, strides = (1, *each(size, axes), 1), (1, *each(stride, axes), 1)
    return lax.reduce_window(x, initial, function, window, strides, padding)
''',
    "max_pool": '''
def max_pool(x, size, stride, padding="VALID"):
    return windows(x, -jnp.inf, lax.max, size, stride, padding)
''',
    "average_pool": '''
def average_pool(x, size, stride, padding="VALID"):
    """The mean of the cells that are not padding."""
    total = windows(x, 0.0, lax.add, size, stride, padding)
    return total / windows(jnp.ones_like(x), 0.0, lax.add, size, stride, padding)
''',
    "pad_channels": '''
def pad_channels(x, channels):
    """Zero channels before and after, for ``channels`` in all."""
    missing = channels - x.shape[-1]
    return jnp.pad(x, ((0, 0), (0, 0), (0, 0), (missing // 2, missing - missing // 2)))
''',
    "dropout": '''
def dropout(key, x, rate, salt, shape=None):
    """Without a key, as in inference, x itself; each layer has a salt of its own.

    Along the axes whose length is 1 in ``shape`` it is the same.
    """
    if key is None:
        return x
    lengths = x.shape if shape is None else [n or length for n, length in zip(shape, x.shape)]
    mask = jax.random.bernoulli(jax.random.fold_in(key, salt), 1 - rate, lengths)
    return jnp.where(mask, x / (1 - rate), 0)
''',
    "probabilities": '''
def probabilities(p):
    """Scaled to sum to 1 and clipped away from 0 and 1, as in Keras."""
    return jnp.clip(p / p.sum(-1, keepdims=True), 1e-7, 1 - 1e-7)
''',
    "binary_crossentropy": '''
def binary_crossentropy(p, target):
    """Of probabilities, clipped away from 0 and 1 as in Keras."""
    p = jnp.clip(p, 1e-7, 1 - 1e-7)
    return -(target * jnp.log(p) + (1 - target) * jnp.log(1 - p)).mean()
''',
    "picked": '''
def picked(log_p, classes):
    """The entry of each row at its class."""
    return jnp.take_along_axis(log_p, classes[..., None], axis=-1)
''',
}  # fmt: skip
