"""PyTorch's recurrent layers: two biases each, several layers, both directions."""

from __future__ import annotations

from typing import Any

from crosstrain.exchange.reading.values import Value
from crosstrain.exchange.torch_import.layouts import AS_IT_IS, MATRIX, gates
from crosstrain.exchange.torch_import.ops.shaping import stacked
from crosstrain.exchange.torch_import.values import AtenNode, TorchReader, operand, reads

GATES = {"lstm": (0, 1, 2, 3), "gru": (1, 0, 2), "rnn_tanh": (0,), "rnn_relu": (0,)}
"""PyTorch's gates (LSTM: i, f, g, o; GRU: r, z, n) by number, in the vocabulary's order."""


@reads(*GATES)
def recurrent(r: TorchReader, n: AtenNode) -> tuple[Value, ...]:
    if "data" in n.arguments:
        raise r.refusal("takes packed sequences, whose lengths only the data knows")
    x, params = operand(n, "input"), list(n["params"])
    if x.rank != 3:
        raise r.refusal("is of one example without a batch")
    states = n["hx"] if isinstance(n["hx"], list | tuple) else [n["hx"]]
    ways, layers = (2 if n["bidirectional"] else 1), int(n["num_layers"])
    each = len(params) // (ways * layers)
    if each != (4 if n["has_biases"] else 2):
        raise r.refusal("projects its state")
    ref = x.first if n["batch_first"] else r.transposed(x.first, (1, 0, 2))
    ends: list[list[str]] = []
    for layer in range(layers):
        outputs = []
        for way in range(ways):
            number = layer * ways + way
            begin = [_state(r, state, number) for state in states]
            weights = params[number * each : (number + 1) * each]
            run = _run(r, n, ref, weights, begin, way == 1)
            outputs.append(run[0])
            ends.append(list(run[1:]))
        ref = outputs[0] if ways == 1 else r.emit("concatenate", *outputs, axis=-1)
        if n["dropout"] and n["train"] and layer < layers - 1:
            seed, salt = r.builder.seed(), r.builder.next_salt()
            ref = r.emit("dropout", ref, seed, rate=float(n["dropout"]), salt=salt)
    whole = r.as_value(ref if n["batch_first"] else r.transposed(ref, (1, 0, 2)))
    return whole, *(stacked(r, [end[k] for end in ends], 0) for k in range(len(ends[0])))


def _state(r: TorchReader, state: Value, number: int) -> str | None:
    """The state (N, units) that a layer begins from; None for zeros."""
    if state.filled == 0.0:
        return None
    rank = state.rank
    starts: list[int | None] = [number, *[None] * (rank - 1)]
    stops: list[int | None] = [number + 1, *[None] * (rank - 1)]
    part = r.emit("slice", state.first, starts=starts, stops=stops, strides=[1] * rank)
    return r.emit("squeeze", part, axis=0)


def _run(
    r: TorchReader, n: AtenNode, x: str, weights: list[Value], begin: list[Any], backwards: bool
) -> tuple[str, ...]:
    """One layer in one direction: outputs in the order of time (N, T, units), last states (N, units)."""
    order = GATES[n.op]
    laid = [gates(len(order), order, [int(s or 0) for s in w.shape]) for w in weights]
    kernel, inner = (r.placed(w, (*rule, *MATRIX)) for w, rule in zip(weights[:2], laid[:2], strict=True))
    bias = None
    if len(weights) == 4:
        pair = [r.placed(w, rule or AS_IT_IS) for w, rule in zip(weights[2:], laid[2:], strict=True)]
        bias = r.emit("stack", *pair, axis=0) if n.op == "gru" else r.emit("add", *pair)
    inputs = [x, kernel, inner, bias, *begin]
    if n.op.startswith("rnn"):
        refs = r.several("simple_rnn", *inputs, activation=n.op.removeprefix("rnn_"), backwards=backwards)
    else:
        more: dict[str, Any] = {"reset_after": True} if n.op == "gru" else {}
        refs = r.several(
            n.op, *inputs, **more, activation="tanh", recurrent_activation="sigmoid", backwards=backwards
        )
    return (r.emit("flip", refs[0], axis=1), *refs[1:]) if backwards else refs
