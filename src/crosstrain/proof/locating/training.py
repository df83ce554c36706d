"""Finds what departs behind a right forward pass: a gradient, an update, what only training shows."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from crosstrain.graph.graph import Node
from crosstrain.proof import updates
from crosstrain.proof.arrays import Arrays
from crosstrain.proof.case import Case
from crosstrain.proof.certificate import BOUNDS, Departure
from crosstrain.proof.compare import group, relative
from crosstrain.proof.locating.departing import departure, in_graph_order, readers
from crosstrain.proof.locating.forward import SearchStoppedError, Testify, first_node
from crosstrain.proof.locating.surgery import PROBE, probed, watched, with_loss
from crosstrain.proof.truths.by_differences import EDGE_STEP, Landscape
from crosstrain.proof.truths.by_numpy import evaluate, values

SLOPE_BOUND = {"float64": 1e-5, "float32": 3e-3}
"""What differences in float64 and an engine's gradient may be apart."""

PATIENCE = 120.0
"""Seconds that the search for a gradient may take: its budget."""

RECURRENT = ("lstm", "gru", "simple_rnn")
MACHINE_EPSILON = {"float64": 2.3e-16, "float32": 1.2e-7}


# -- gradients ----------------------------------------------------------------------------------------
def gradients(case: Case, precision: str, testify: Testify, right: Collection[str] = ()) -> Departure | None:
    """Backward from the loss: the first node that turns a right gradient of its output into a wrong one
    of an input or weight. The truth are central differences of the NumPy forward from that node on.

    ``right`` names weights whose gradient is known to be right, and not 0. What a node reads from behind such
    a weight has the right gradient too, and is looked at last: in a deep network a few nodes are left.
    """
    landscape = Landscape(case)
    claimed = group(group(testify(probed(case, landscape.values), "values"), "gradient"), PROBE.rstrip("/"))
    largest = max((float(np.linalg.norm(g)) for g in claimed.values()), default=0.0)
    until = time.monotonic() + PATIENCE
    edges = [
        (node, index)
        for node in reversed(landscape.nodes)
        for index in range(len(node.inputs))
        if f"{node.name}/{index}" in claimed
    ]
    behind = _behind(landscape.nodes, right)
    edges.sort(key=lambda edge: edge[0].inputs[edge[1]] in behind)
    for node, index in edges:
        if time.monotonic() > until:
            raise SearchStoppedError(
                f"the search stopped after {PATIENCE:.0f} s, its budget; what lies behind the node "
                f"{node.name!r}, seen from the loss, has the right gradient"
            )
        gradient = claimed[f"{node.name}/{index}"].astype("float64")
        wrong = _one_gradient(landscape, node, index, gradient, largest, precision)
        if wrong:
            return wrong
    return None


def _behind(nodes: Sequence[Node], weights: Collection[str]) -> set[str | None]:
    """References to these weights, and to all that is computed from them."""
    reached: set[str | None] = {f"@{name}" for name in weights}
    for node in nodes:
        if reached.intersection(node.inputs):
            reached.update(node.references)
    return reached


def _one_gradient(
    landscape: Landscape, node: Node, index: int, gradient: np.ndarray, largest: float, precision: str
) -> Departure | None:
    generator = np.random.default_rng(index)
    size = float(np.linalg.norm(gradient))
    directions = [generator.standard_normal(gradient.shape) for _ in range(2)]
    if size:
        directions.append(gradient / size * np.sqrt(gradient.size))
    noise = 1e-15 * (1 + abs(landscape.loss)) / EDGE_STEP
    along = [(d, float(np.sum(gradient * d))) for d in directions]
    slopes = [(landscape.slope_at(node.name, index, d, got), got) for d, got in along]
    scale = max(size, max(abs(true) for true, _ in slopes[:2]), 1e-4 * largest)
    bound = SLOPE_BOUND[precision]
    if all(abs(true - got) <= max(bound * max(scale, abs(true)), noise * 10) for true, got in slopes):
        return None
    # Both sides by entries: those where the engine's gradient is largest.
    at = np.argsort(-np.abs(gradient).reshape(-1), kind="stable")[:4]
    entries = []
    for position in at:
        unit = np.zeros(gradient.size)
        unit[position] = 1.0
        direction, got = unit.reshape(gradient.shape), float(gradient.reshape(-1)[position])
        entries.append(landscape.slope_at(node.name, index, direction, got))
    pair = (np.asarray(entries), gradient.reshape(-1)[at])
    ref = node.inputs[index]
    return departure("gradients", node, f"d loss / d {ref}", pair, _gradient_cause(node, slopes, size))


def _gradient_cause(node: Node, slopes: Sequence[tuple[float, float]], size: float) -> tuple[str, bool]:
    if size == 0:
        return f"no gradient flows through the {node.op}", True
    ratios = [got / true for true, got in slopes if true]
    if ratios and max(abs(r - ratios[0]) for r in ratios) < 1e-3 * abs(ratios[0]):
        return f"the gradient behind the {node.op} is {ratios[0]:.4g} times the true one", True
    return f"the engine's derivative of the {node.op} is another", False


# -- updates ------------------------------------------------------------------------------------------
def steps(case: Case, precision: str, testify: Testify) -> Departure | None:
    """The first step that departs: its batch, a moving statistic, a weight's update, or a hidden state."""
    watch = watched(case)
    evidence = testify(watch, "trajectory")
    return (
        _batch(case, evidence, precision)
        or _update(case, evidence, precision)
        or first_node(
            "after training", watch.program.inference, _trained(case, evidence), case.first(),
            group(evidence, "after"), precision, case,
        )
    )  # fmt: skip


def _trained(case: Case, evidence: Arrays) -> Arrays:
    trained = {
        k: v.astype(case.weights[k].dtype) for k, v in group(evidence, "trained").items() if k in case.weights
    }
    return {**case.weights, **trained}


def _whole(case: Case, evidence: Arrays, step: int) -> Arrays | None:
    """All weights before a step, where the trajectory was kept whole."""
    weights = group(evidence, f"step/{step}/weight")
    if step == 0:
        return dict(case.weights)
    if any(
        k not in weights or weights[k].shape != v.shape
        for k, v in case.weights.items()
        if k in case.network.weights
    ):
        return None
    return {
        **case.weights,
        **{k: v.astype("float64") if v.dtype.kind == "f" else v for k, v in weights.items()},
    }


def _batch(case: Case, evidence: Arrays, precision: str) -> Departure | None:
    """Whether a step's loss is that of another batch than its own, by the engine's own losses."""
    bound = BOUNDS[precision].values
    for step in range(case.steps):
        got, losses = evidence[f"step/{step}/loss"], group(evidence, f"step/{step}/loss_of")
        for number, other in losses.items():
            if number != str(step) and relative(got, other) <= bound:
                sentence = (
                    f"step {step} trains on batch {number}: the batch order is another (counted from 0)"
                )
                pair = (losses[str(step)], got)
                return departure("inputs", None, f"loss of step {step}", pair, (sentence, True), "batches")
    return None


def tracks(case: Case, evidence: Arrays, precision: str) -> list[updates.Track]:
    """The trajectory of each trainable weight, in graph order."""
    count = case.steps
    names = [
        n for n in in_graph_order(case.network, case.network.trainable) if f"step/0/gradient/{n}" in evidence
    ]
    totals = [
        float(np.sqrt(sum(float(v) ** 2 for v in group(evidence, f"step/{t}/norm").values())))
        for t in range(count)
    ]
    return [
        updates.Track(
            name=name,
            weights=[evidence[f"step/{t}/weight/{name}"] for t in range(count + 1)],
            gradients=[evidence[f"step/{t}/gradient/{name}"] for t in range(count)],
            norms=[float(evidence[f"step/{t}/norm/{name}"]) for t in range(count)],
            totals=totals,
            rates=case.rates(),
            epsilon=MACHINE_EPSILON[precision],
        )
        for name in names
    ]


def _update(case: Case, evidence: Arrays, precision: str) -> Departure | None:
    """The first update that the recipe's optimizer (or the statistic's rule) does not give."""
    statistic = _statistic(case, evidence, precision)
    failing: list[tuple[int, updates.Track]] = []
    optimizer = case.recipe.optimizer
    all_tracks = tracks(case, evidence, precision)
    for track in all_tracks:
        off = updates.misfit(track, updates.predicted(track, updates.Variant(optimizer), track.rates))
        wrong = [t for t, miss in enumerate(off) if miss > updates.tolerance(track)]
        if wrong:
            failing.append((wrong[0], track))
    if not failing or (statistic and statistic[0] < min(t for t, _ in failing)):
        return statistic[1] if statistic else None
    step = min(t for t, _ in failing)
    track = next(track for t, track in failing if t == step)
    read_by = readers(case.network)
    reader = read_by.get(track.name)
    nodes = lambda some: {read_by[t.name][0].name for t in some if t.name in read_by}
    # A fault of one layer, or of the optimizer for all of them.
    alone = len(nodes(t for _, t in failing)) == 1 < len(nodes(all_tracks))
    biases = bool(alone and reader and reader[0].op in RECURRENT and reader[1] == 3)
    others = [other for _, other in failing if other is not track][:5]
    cause = updates.explain(track, others, optimizer, biases)
    expected = updates.predicted(track, updates.Variant(optimizer), track.rates)[step]
    return departure(
        "update",
        reader[0] if alone and reader else None,
        f"{track.name} after step {step}",
        (expected, track.weights[step + 1].astype("float64")),
        cause,
        f"optimizer {optimizer.name}",
    )


def _statistic(case: Case, evidence: Arrays, precision: str) -> tuple[int, Departure] | None:
    """The first moving statistic that is not updated as the definition says."""
    all_batches, bound = list(case.batches()), BOUNDS[precision].values
    network = case.program.network.phase(training=True)
    for step, batch in enumerate(all_batches):
        weights = _whole(case, evidence, step)
        if weights is None:
            return None
        _, nexts = evaluate(network, weights, batch)
        for name in (n for n in _statistics_in_order(network.nodes, network.updates) if n in case.weights):
            got = evidence.get(f"step/{step + 1}/weight/{name}")
            if got is None or got.shape != nexts[name].shape or relative(got, nexts[name]) <= bound:
                continue
            node = next(n for n in network.nodes if network.updates[name] in n.references)
            pair = (nexts[name], got.astype("float64"))
            cause = statistic_cause(node, weights[name], *pair, _count(case, batch, weights, node))
            return step, departure("update", node, f"{name} after step {step}", pair, cause)
    return None


def _statistics_in_order(nodes: Sequence[Node], which: Mapping[str, str]) -> list[str]:
    position = {ref: index for index, node in enumerate(nodes) for ref in node.references}
    return sorted(which, key=lambda name: position.get(which[name], len(position)))


def _count(case: Case, batch: Mapping[str, np.ndarray], weights: Arrays, node: Node) -> int:
    """Over how many values each of the node's statistics runs."""
    if node.op != "batch_norm" or node.inputs[0] is None:
        return 0
    x = values(with_loss(case).network.phase(training=True), weights, batch)[node.inputs[0]]
    return x.size // int(x.shape[node.attributes["axis"]])


def statistic_cause(
    node: Node, old: np.ndarray, true: np.ndarray, got: np.ndarray, count: int
) -> tuple[str, bool]:
    """Tries the known rules of moving statistics: biased or not, momentum the part kept or the part taken."""
    if relative(got, old) <= 1e-9:
        return "the moving statistic is not updated", True
    keep = node.attributes.get("momentum")
    if keep is None or keep == 1:
        return "the moving statistic is another", False
    batch = (true - keep * old) / (1 - keep)
    unbiased = batch * count / max(count - 1, 1)
    candidates = [
        (f"the moving variance is unbiased (n / (n - 1), n = {count})", keep * old + (1 - keep) * unbiased),
        ("momentum is the part that is taken, not the part that is kept", (1 - keep) * old + keep * batch),
        ("the statistic is updated twice in a step", keep * true + (1 - keep) * batch),
    ]  # fmt: skip
    spread = float(np.sum(np.square(batch - old)))
    if spread:
        other = 1 - float(np.sum((got - old) * (batch - old))) / spread
        candidates.append(
            (
                f"momentum is {other:.4g}, where the definition has {keep:.4g}",
                other * old + (1 - other) * batch,
            )
        )
    error = relative(got, true)
    for sentence, value in candidates:
        if relative(got, value) <= min(1e-4, error / 10):
            return sentence, True
    return "the moving statistic is another", False
