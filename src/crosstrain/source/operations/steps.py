"""Recurrent layers over ``over_time``, for the frameworks that spell a split and a product alike."""

from __future__ import annotations

_TEXTS = {
    "lstm": '''
def lstm(x, kernel, recurrent, bias, h, c, activation=np.tanh, gate=np.sigmoid, **more):
    """Keras's LSTM: outputs (N, time, units), last h, last c; gates in the order i, f, g, o."""

    def step(now, recur, states):
        h, c = states
        i, f, g, o = np.split(now + recur(h, recurrent), 4, -1)
        c = gate(f) * c + gate(i) * activation(g)
        return gate(o) * activation(c), c

    return over_time(step, project(x, kernel, bias), (h, c), recurrent.shape[0], **more)
''',
    "gru": '''
def gru(
    x,
    kernel,
    recurrent,
    bias,
    h,
    activation=np.tanh,
    gate=np.sigmoid,
    reset_after=True,
    **more,
):
    """Keras's GRU: outputs (N, time, units) and last h; gates in the order z, r, candidate."""
    units = recurrent.shape[0]
    two = bias is not None and reset_after  # biases: of the input and of the recurrence

    def step(now, recur, states):
        (h,) = states
        xz, xr, xh = np.split(now, 3, -1)
        if reset_after:
            inner = recur(h, recurrent)
            hz, hr, hh = np.split(inner + bias[1] if two else inner, 3, -1)
            candidate = activation(xh + gate(xr + hr) * hh)
        else:
            hz, hr = np.split(recur(h, recurrent[:, : 2 * units]), 2, -1)
            reset = gate(xr + hr)
            candidate = activation(xh + recur(h, recurrent[:, 2 * units :], reset, 2))
        z = gate(xz + hz)
        return (z * h + (1 - z) * candidate,)

    return over_time(step, project(x, kernel, bias[0] if two else bias), (h,), units, **more)
''',
    "simple_rnn": '''
def simple_rnn(x, kernel, recurrent, bias, h, activation=np.tanh, **more):
    """Keras's SimpleRNN: outputs (N, time, units) and last h."""

    def step(now, recur, states):
        return (activation(now + recur(states[0], recurrent)),)

    return over_time(step, project(x, kernel, bias), (h,), recurrent.shape[0], **more)
''',
    "project": '''
def project(x, kernel, bias):
    """The input's share of all steps; without a kernel it is x already."""
    y = x if kernel is None else np.matmul(x, kernel)
    return y if kernel is None or bias is None else y + bias
''',
}


def recurrent_functions(module: str) -> dict[str, str]:
    """The functions by name, with those of ``module`` (``tf``, ``ops``)."""
    return {name: text.replace("np.", f"{module}.") for name, text in _TEXTS.items()}
