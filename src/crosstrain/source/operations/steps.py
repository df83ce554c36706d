"""Recurrent operations: how they are called, and the functions over ``over_time`` that they call."""

from __future__ import annotations

from collections.abc import Callable

from crosstrain.source.operations.words import Form
from crosstrain.source.view.step import Step

Split = Callable[[str, int], str]
"""The source that cuts the last axis of an expression's value into equal parts."""


def recurrent(functions_of: dict[str, str]) -> dict[str, Form]:
    """Recurrent operations; ``functions_of`` gives a target's functions by Keras's names."""

    def of(op: str) -> Form:
        def template(step: Step) -> str:
            s = step.settings
            masked = op.startswith("stepwise_")
            count = len(step.inputs)
            first = 3 if masked else 1
            parts = [f"{{{i}}}" for i in range(first, count)]
            words = [f"{{0}}, {', '.join(parts)}"]
            act, gate = s["activation"], s.get("recurrent_activation")
            if act != "tanh":
                words.append(f"activation={functions_of[act]}")
            if gate and gate != "sigmoid":
                words.append(f"gate={functions_of[gate]}")
            if s.get("reset_after") is False:
                words.append("reset_after=False")
            if s.get("backwards"):
                words.append("backwards=True")
            if masked:
                words += ["mask={1}", "noise={2}"]
            if s.get("zero_output"):
                words.append("zero_output=True")
            return f"{op.removeprefix('stepwise_')}({', '.join(words)})"

        return template

    names = [name for base in ("lstm", "gru", "simple_rnn") for name in (base, f"stepwise_{base}")]
    return {f"op_{name}": of(name) for name in names}


def splitting(module: str) -> Split:
    """By the ``split`` of a module (``tf``)."""
    return lambda value, parts: f"{module}.split({value}, {parts}, -1)"


def recurrent_functions(
    tanh: str, sigmoid: str, *, split: Split, product: str, prefix: str = ""
) -> dict[str, str]:
    """The functions by name. ``tanh`` and ``sigmoid`` are the framework's, ``product`` its product of ``x``
    and ``kernel``; names begin with ``prefix``."""
    functions = {
        "lstm": f'''
def {prefix}lstm(x, kernel, recurrent, bias, h, c, activation={tanh}, gate={sigmoid}, **more):
    """Keras's LSTM: outputs (N, time, units), last h, last c; gates in the order i, f, g, o."""

    def step(now, recur, states):
        h, c = states
        i, f, g, o = {split("now + recur(h, recurrent)", 4)}
        c = gate(f) * c + gate(i) * activation(g)
        return gate(o) * activation(c), c

    return over_time(step, project(x, kernel, bias), (h, c), recurrent.shape[0], **more)
''',
        "gru": f'''
def {prefix}gru(
    x,
    kernel,
    recurrent,
    bias,
    h,
    activation={tanh},
    gate={sigmoid},
    reset_after=True,
    **more,
):
    """Keras's GRU: outputs (N, time, units) and last h; gates in the order z, r, candidate."""
    units = recurrent.shape[0]
    two = bias is not None and reset_after  # biases: of the input and of the recurrence

    def step(now, recur, states):
        (h,) = states
        xz, xr, xh = {split("now", 3)}
        if reset_after:
            inner = recur(h, recurrent)
            hz, hr, hh = {split("inner + bias[1] if two else inner", 3)}
            candidate = activation(xh + gate(xr + hr) * hh)
        else:
            hz, hr = {split("recur(h, recurrent[:, : 2 * units])", 2)}
            reset = gate(xr + hr)
            candidate = activation(xh + recur(h, recurrent[:, 2 * units :], reset, 2))
        z = gate(xz + hz)
        return (z * h + (1 - z) * candidate,)

    return over_time(step, project(x, kernel, bias[0] if two else bias), (h,), units, **more)
''',
        "simple_rnn": f'''
def {prefix}simple_rnn(x, kernel, recurrent, bias, h, activation={tanh}, **more):
    """Keras's SimpleRNN: outputs (N, time, units) and last h."""

    def step(now, recur, states):
        return (activation(now + recur(states[0], recurrent)),)

    return over_time(step, project(x, kernel, bias), (h,), recurrent.shape[0], **more)
''',
    }
    project = f'''
def project(x, kernel, bias):
    """The input's share of all steps; without a kernel it is x already."""
    y = x if kernel is None else {product}
    return y if kernel is None or bias is None else y + bias
'''
    return {**{f"{prefix}{name}": text for name, text in functions.items()}, "project": project}
