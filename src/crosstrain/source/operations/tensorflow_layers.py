"""The layers that TensorFlow lacks or means otherwise, and what losses need, as definitions of a source."""

from __future__ import annotations

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
    "weight": '''
def weight(name, shape, dtype=None, trainable=True):
    """A variable drawn as by He et al. (2015); a vector, and what is not trained, is 0."""
    if trainable and len(shape) > 1:
        return he_normal(name, *shape)
    return tf.Variable(tf.zeros(shape, dtype or DTYPE), name=name, trainable=trainable)
''',
    "Conv": '''
class Conv(tf.Module):
    """x (N, …, in), kernel (…, in / groups, out); the size of a picture's kernel may be one number."""

    def __init__(self, name, in_channels, filters, size, bias=True, groups=1, **window):
        super().__init__()
        self.window = {"groups": groups, **window}
        self.kernel = he_normal(f"{name}/kernel", *each(size, 2), in_channels // groups, filters)
        self.bias = constant(f"{name}/bias", filters, 0) if bias else None

    def __call__(self, x):
        return convolve(x, self.kernel, self.bias, **self.window)
''',
    "DepthwiseConv": '''
class DepthwiseConv(tf.Module):
    """Each channel by a kernel of its own."""

    def __init__(self, name, channels, size, bias=True, **window):
        super().__init__()
        self.window = window
        self.kernel = he_normal(f"{name}/kernel", *each(size, 2), channels, 1)
        self.bias = constant(f"{name}/bias", channels, 0) if bias else None

    def __call__(self, x):
        return convolve_depthwise(x, self.kernel, self.bias, **self.window)
''',
    "ConvTranspose": '''
class ConvTranspose(tf.Module):
    """x (N, …, in), kernel (…, out, in); crop (before, after) is cut off each axis."""

    def __init__(self, name, in_channels, filters, size, bias=True, **window):
        super().__init__()
        self.window = window
        self.kernel = he_normal(f"{name}/kernel", *each(size, 2), filters, in_channels)
        self.bias = constant(f"{name}/bias", filters, 0) if bias else None

    def __call__(self, x):
        return convolve_transposed(x, self.kernel, self.bias, **self.window)
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
    """Over all axes but one; momentum is the share of the old moving statistics."""

    def __init__(self, name, channels, momentum, epsilon, axis=-1, scale=True, center=True):
        super().__init__()
        self.momentum, self.epsilon, self.axis = momentum, epsilon, axis
        self.gamma = constant(f"{name}/gamma", channels, 1) if scale else None
        self.beta = constant(f"{name}/beta", channels, 0) if center else None
        self.moving_mean = constant(f"{name}/moving_mean", channels, 0, trainable=False)
        self.moving_variance = constant(f"{name}/moving_variance", channels, 1, trainable=False)

    def __call__(self, x, training):
        mean, variance = self.moving_mean, self.moving_variance
        shape = [1] * len(x.shape)
        shape[self.axis] = -1
        if training:
            mean, variance = tf.nn.moments(x, [i for i, n in enumerate(shape) if n == 1])
            self.move(self.moving_mean, mean)
            self.move(self.moving_variance, variance)
        along = [
            w if w is None else tf.reshape(w, shape)
            for w in (mean, variance, self.beta, self.gamma)
        ]
        return tf.nn.batch_normalization(x, *along, self.epsilon)

    def move(self, moving, new):
        moving.assign(self.momentum * moving + (1 - self.momentum) * new)
''',
    "LayerNorm": """
class LayerNorm(tf.Module):
    def __init__(self, name, features, epsilon, center=True):
        super().__init__()
        self.epsilon = epsilon
        self.gamma = constant(f"{name}/gamma", features, 1)
        self.beta = constant(f"{name}/beta", features, 0) if center else None

    def __call__(self, x):
        mean, variance = tf.nn.moments(x, -1, keepdims=True)
        return tf.nn.batch_normalization(x, mean, variance, self.beta, self.gamma, self.epsilon)
""",
    "RMSNorm": '''
class RMSNorm(tf.Module):
    """x / sqrt(mean(x²) + epsilon) times a scale (Zhang and Sennrich 2019)."""

    def __init__(self, name, features, epsilon, role="gamma"):
        super().__init__()
        self.epsilon = epsilon
        self.gamma = constant(f"{name}/{role}", features, 1)

    def __call__(self, x):
        return rms_norm(x, self.gamma, axes=-1, epsilon=self.epsilon)
''',
    "GRU": '''
class GRU(tf.Module):
    """x (N, time, features) to (N, time, units); gates in the order update, reset, candidate."""

    def __init__(self, name, features, units):
        super().__init__()
        self.kernel = he_normal(f"{name}/kernel", features, 3 * units)
        self.recurrent_kernel = he_normal(f"{name}/recurrent_kernel", units, 3 * units)
        self.bias = tf.Variable(tf.zeros((2, 3 * units), DTYPE), name=f"{name}/bias")

    def __call__(self, x):
        return gru(x, self.kernel, self.recurrent_kernel, self.bias, None)[0]
''',
    "SimpleRNN": '''
class SimpleRNN(tf.Module):
    """x (N, time, features) to (N, time, units)."""

    def __init__(self, name, features, units):
        super().__init__()
        self.kernel = he_normal(f"{name}/kernel", features, units)
        self.recurrent_kernel = he_normal(f"{name}/recurrent_kernel", units, units)
        self.bias = constant(f"{name}/bias", units, 0)

    def __call__(self, x):
        return simple_rnn(x, self.kernel, self.recurrent_kernel, self.bias, None)[0]
''',
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
    if not isinstance(padding, str):
        return max_windows(x, size, stride, padding)
    return tf.nn.max_pool(x, size, stride, padding)
""",
    "average_pool": '''
def average_pool(x, size, stride, padding="VALID"):
    """The mean of the cells that are not padding."""
    if not isinstance(padding, str):
        return average_windows(x, size, stride, padding)
    return tf.nn.avg_pool(x, size, stride, padding)
''',
    "pool_volumes": '''
def pool_volumes(pool, x, size, stride, padding="VALID"):
    """Slices first, then along the depth: TensorFlow's pooling of volumes knows no float64 on a CPU."""
    (depth, *size), (step, *stride) = each(size, 3), each(stride, 3)
    flat, deep = padding, padding
    if not isinstance(padding, str):
        flat, deep = padding[1:], (padding[0], (0, 0))
    slices = pool(tf.reshape(x, (-1, *x.shape[2:])), size, stride, flat)
    lengths = slices.shape[1:]
    columns = tf.reshape(slices, (-1, x.shape[1], lengths[0] * lengths[1], lengths[2]))
    columns = pool(columns, (depth, 1), (step, 1), deep)
    return tf.reshape(columns, (-1, columns.shape[1], *lengths))
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
def dropout(x, rate, training, shape=None):
    return tf.nn.dropout(x, rate, shape) if training else x
""",
    "binary_crossentropy": '''
def binary_crossentropy(p, target):
    """Of probabilities, clipped away from 0 and 1 as in Keras."""
    p = tf.clip_by_value(p, 1e-7, 1 - 1e-7)
    return -tf.reduce_mean(target * tf.math.log(p) + (1 - target) * tf.math.log(1 - p))
''',
    "probabilities": '''
def probabilities(p):
    """Scaled to sum to 1 and clipped away from 0 and 1, as in Keras."""
    return tf.clip_by_value(p / tf.reduce_sum(p, -1, keepdims=True), 1e-7, 1 - 1e-7)
''',
}
