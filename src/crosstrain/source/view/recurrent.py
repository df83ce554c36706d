"""Recurrent layers as the frameworks have them; with masks, first states or other functions they are written
by the operation."""

from __future__ import annotations

from crosstrain.graph.graph import Node
from crosstrain.source.view.layers import Rule, demand
from crosstrain.source.view.step import Step
from crosstrain.source.view.values import Values

GATES = {"lstm": 4, "gru": 3, "simple_rnn": 1}
STATES = {"lstm": 2, "gru": 1, "simple_rnn": 1}


def _recurrent(view: Values, node: Node) -> Step:
    """Tanh and sigmoid, a bias, from zeros, with either the sequence or the last output read."""
    a, states = node.attributes, STATES[node.op]
    demand(a["activation"] == "tanh" and a.get("recurrent_activation", "sigmoid") == "sigmoid")
    demand(a.get("reset_after", True))
    demand(
        len(node.inputs) == 4 + states and node.inputs[4:] == (None,) * states and None not in node.inputs[:4]
    )
    used = [i for i, ref in enumerate(node.references) if ref in view.read]
    demand(used in ([0], [1]))
    roles = dict(zip(("kernel", "recurrent_kernel", "bias"), node.inputs[1:4], strict=True))
    features, gates = view.lengths(node.inputs[1])
    settings = {
        "features": features, "units": gates // GATES[node.op], "sequences": used == [0],
        "backwards": bool(a.get("backwards", False)),
    }  # fmt: skip
    return view.make(
        node,
        node.op,
        settings,
        values=view.values(node, 1),
        output=node.references[used[0]],
        **view.owned(roles),
    )


RULES: dict[str, Rule] = dict.fromkeys(GATES, _recurrent)
