"""What shows only in training: moving statistics, the loss, the optimizer, noise, initial values."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from crosstrain.difference.aligning import backwards
from crosstrain.difference.recipes import Training
from crosstrain.graph.graph import Graph, Node
from crosstrain.proof.compare import relative

Cause = tuple[str, str, str]
"""The cause's name, what differs, what to change."""
NEAR = 1e-6

MOMENTUM = (
    "PyTorch's momentum is the part that is taken, Keras's the part that is kept: momentum in PyTorch is "
    "1 - momentum in Keras"
)
UNBIASED = (
    "PyTorch counts the batch's variance over n - 1 for the moving variance, Keras over n: nothing to change "
    "where both are meant (--allow running-variance), else write the moving average by hand"
)


def statistic_cause(
    old: np.ndarray, a: np.ndarray, b: np.ndarray, keep: float, fits: float | None, count: int
) -> Cause:
    """Why a moving statistic moves otherwise in B. ``keep`` is A's momentum, ``fits`` what B's mean says of
    its own (None where this is the mean), ``count`` the numbers that each statistic runs over."""
    batch = (a - keep * old) / (1 - keep) if keep != 1 else a
    spread = float(np.sum(np.square(batch - old)))
    other = 1 - float(np.sum((b - old) * (batch - old))) / spread if spread else keep
    words = f"BatchNorm keeps {keep:.4g} of its statistics in A and {other:.4g} in B"
    if relative(b, old) <= NEAR:
        return "statistics", "B does not move this statistic", "train in B with the layer in training mode"
    if relative(b, other * old + (1 - other) * batch) <= NEAR and fits in (None, other):
        return "momentum", f"{words}{_swapped(keep, other)}", MOMENTUM
    kept = keep if fits is None else fits
    for here, factor in (("B", count / max(count - 1, 1)), ("A", max(count - 1, 1) / count)):
        if relative(b, kept * old + (1 - kept) * batch * factor) <= NEAR:
            there = "A" if here == "B" else "B"
            what = f"the moving variance is unbiased in {here} (n / (n - 1), n = {count}), biased in {there}"
            return "running variance", what, UNBIASED
    if relative(b, other * old + (1 - other) * batch) <= NEAR:
        return "momentum", f"{words}{_swapped(keep, other)}", MOMENTUM
    return "", "the moving statistic is another", ""


def _swapped(keep: float, other: float) -> str:
    return ": the part that is taken for the part that is kept" if abs(keep + other - 1) < 1e-9 else ""


def momentum_of(old: np.ndarray, a: np.ndarray, b: np.ndarray, keep: float) -> float:
    """B's momentum by what its moving mean does, where A's is ``keep``."""
    batch = (a - keep * old) / (1 - keep) if keep != 1 else a
    spread = float(np.sum(np.square(batch - old)))
    return float(f"{1 - float(np.sum((b - old) * (batch - old))) / spread:.7g}") if spread else keep


# -- the loss ------------------------------------------------------------------------------------------
LOGITS = (
    "give the loss what it expects: logits with from_logits=True (PyTorch's cross_entropy always), "
    "probabilities with from_logits=False"
)
REDUCTION = "give both the same reduction (Keras: sum_over_batch_size, PyTorch: mean)"


def loss_cause(
    a: Graph, b: Graph, values: tuple[float, float], examples: int, said: tuple[Mapping, Mapping]
) -> Cause:
    """Why the loss differs where the outputs are the same. ``said`` are both sides' losses as JSON."""
    nodes = [next((n for n in g.nodes if "from_logits" in n.attributes), None) for g in (a, b)]
    first, second = values
    names = [", ".join(str(x["name"]) for x in side.values()) for side in said]
    ratio = second / first if first else float("inf")
    if nodes[0] and nodes[1] and nodes[0].attributes["from_logits"] != nodes[1].attributes["from_logits"]:
        takes = ["logits" if n and n.attributes["from_logits"] else "probabilities" for n in nodes]
        return (
            "logits",
            f"the loss takes {takes[0]} in A and {takes[1]} in B, which give the same outputs",
            LOGITS,
        )
    for factor, what in ((examples, "B sums over the batch, A takes its mean"),
                         (1 / examples, "A sums over the batch, B takes its mean")):  # fmt: skip
        if abs(ratio - factor) <= NEAR * factor:
            return "reduction", f"{what} ({examples} examples: {ratio:.6g} times)", REDUCTION
    if names[0] != names[1]:
        return "loss", f"A is trained by {names[0]}, B by {names[1]}", "train both by the same loss"
    settings = [[dict(x.get("settings") or {}) for x in side.values()] for side in said]
    if settings[0] != settings[1]:
        return (
            "loss",
            f"{names[0]} has other settings: {settings[0]} in A, {settings[1]} in B",
            "give both the same",
        )
    return "", f"the loss is {ratio:.6g} times A's", ""


# -- the steps -----------------------------------------------------------------------------------------
FIELDS = {
    "name": ("optimizer", "use the same optimizer"),
    "learning_rate": ("learning rate", "give both the same learning rate"),
    "momentum": ("optimizer momentum", "give both the same momentum"),
    "nesterov": ("nesterov", "use Nesterov's form in both, or in none"),
    "weight_decay": (
        "weight decay",
        "decoupled decay (Keras's weight_decay, AdamW) shrinks weights, coupled decay (weight_decay of "
        "PyTorch's SGD and Adam) is added to the gradient: use AdamW in both",
    ),
    "decay": (
        "decay on biases",
        "let the same weights decay: in PyTorch give biases and scales a parameter group with weight_decay=0",
    ),
    "beta_1": ("betas", "give both the same betas"),
    "beta_2": ("betas", "give both the same betas"),
    "epsilon": ("optimizer epsilon", "give both the same epsilon (Keras 1e-7, PyTorch 1e-8)"),
    "form": (
        "optimizer form",
        "nothing to change: PyTorch adds epsilon after the correction and holds the rate outside of momentum "
        "(--allow optimizer-form)",
    ),
}
FIELDS["l2"] = FIELDS["weight_decay"]


def step_causes(a: Training, b: Training) -> list[Cause]:
    """The settings of both recipes that differ, the most telling first."""
    one, other = a.settings(), b.settings()
    causes: dict[str, Cause] = {}
    for key, (cause, change) in FIELDS.items():
        if one[key] == other[key] or cause in causes:
            continue
        causes[cause] = (cause, _words(key, one, other), change)
    return list(causes.values())


def _words(key: str, one: Mapping[str, object], other: Mapping[str, object]) -> str:
    if key in ("weight_decay", "l2"):
        said = [
            f"{s['weight_decay']:g} (decoupled)"
            if s["weight_decay"]
            else f"{s['l2']:g} (coupled)"
            if s["l2"]
            else "none"
            for s in (one, other)
        ]
        return f"weight decay is {said[0]} in A and {said[1]} in B"
    if key == "decay":
        return f"A lets {one[key]} weights decay, B {other[key]} (vectors are biases and scales)"
    if key == "form":
        return f"the update has Keras's form in {'A' if not one[key] else 'B'} and PyTorch's in the other"
    return f"{key.replace('_', ' ')} is {one[key]} in A and {other[key]} in B"


# -- what no number shows ------------------------------------------------------------------------------
NOISE = {"dropout": "rate", "alpha_dropout": "rate", "gaussian_dropout": "rate", "gaussian_noise": "stddev"}


def noise_of(graph: Graph) -> list[tuple[Node, float]]:
    """The nodes that make noise in training, each with how much, in the order in which the outputs need them:
    branches may be run in any."""
    trained = graph.phase(training=True)
    nodes = [n for n in map(trained.node, backwards(trained)) if n.op in NOISE]
    return [(n, rate) for n in nodes if (rate := float(n.attributes[NOISE[n.op]]))]


def initial_cause(a: np.ndarray, b: np.ndarray) -> str:
    """How two initial values are drawn otherwise; "" where they are alike."""
    spreads = [float(np.std(x)) for x in (a, b)]
    means = [float(np.mean(x)) for x in (a, b)]
    words = [
        f"{m:.3g} everywhere" if s == 0 else f"spread {s:.3g}" for s, m in zip(spreads, means, strict=True)
    ]
    constant = [s == 0 for s in spreads]
    if constant[0] != constant[1] or (all(constant) and means[0] != means[1]):
        return f"{words[0]} in A, {words[1]} in B"
    few = 3 / np.sqrt(2 * max(a.size, 1))  # three standard errors of a spread
    if not all(constant) and abs(np.log(spreads[1] / spreads[0])) > 2 * few:
        return f"{words[0]} in A, {words[1]} in B"
    return ""
