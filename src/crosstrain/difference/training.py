"""What training adds to a comparison: moving statistics, the loss, gradients, steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from crosstrain.difference.aligning import Row
from crosstrain.difference.causes.training import loss_cause, momentum_of, statistic_cause, step_causes
from crosstrain.difference.findings import Finding
from crosstrain.difference.values import SAME, Run
from crosstrain.difference.weights import Pair, assigned, behind, fitted, read
from crosstrain.proof.arrays import Arrays
from crosstrain.proof.case import Case
from crosstrain.proof.compare import FLOOR, group, relative, rms
from crosstrain.proof.truths.by_numpy import evaluate

if TYPE_CHECKING:
    from crosstrain.difference.comparing import Comparison

Testify = Callable[["Comparison"], tuple[Arrays, Mapping[str, str]]]
"""Both sides' gradients and steps (``A/gradient/WEIGHT`` …) from an engine, and why a side has none."""

MOVED = 1e-5
"""A step is the same where both ends are apart by less than this part of the way."""
TWO = (
    "B keeps two biases that are added, and both are trained: their sum moves twice as far",
    "train only one of them: bias_hh.requires_grad_(False), filled with zeros (--allow two-biases)",
)


# -- statistics ----------------------------------------------------------------------------------------
def statistics(c: Comparison, runs: tuple[Run, Run]) -> Iterator[Finding]:
    """Moving statistics after one batch."""
    a, b = runs
    moved: dict[str, float] = {}
    for pair in c.matching.pairs:
        name, other = pair.a[1:], pair.b[1:]
        if name not in a.graph.updates:
            continue
        old = np.asarray(a.weights[name])
        one = a.values[a.graph.updates[name]]
        two = b.values[b.graph.updates[other]] if other in b.graph.updates else np.asarray(b.weights[other])
        error = relative(two, one)
        c.errors["statistics"] = max(c.errors.get("statistics", 0.0), error)
        node = c.graphs[0].node(pair.row.a.name) if pair.row and pair.row.a else None
        keep = float(node.attributes.get("momentum", 1.0)) if node else 1.0
        is_mean = pair.position == 3
        if is_mean and node:
            moved[node.name] = momentum_of(old, one, two, keep)
        if error <= SAME or node is None:
            continue
        count = a.values[str(node.inputs[0])].size // max(old.size, 1)
        fits = None if is_mean else moved.get(node.name)
        cause, what, change = statistic_cause(old, one, two, keep, fits, count)
        if cause == "momentum" and not is_mean:
            continue  # said of the mean
        row = pair.row or Row(None, None)
        places = c.place(0, row.a, name, one), c.place(1, row.b, other, two)
        yield Finding("statistics", cause, what, change, *places, error)


# -- the loss ------------------------------------------------------------------------------------------
def loss_of(c: Comparison, runs: tuple[Run, Run], quiet: bool = False) -> Iterator[Finding]:
    """The loss of both sides on the same outputs, and what regularisers add."""
    values, penalties = [], []
    for run, case in zip(runs, c.cases, strict=True):
        feed = {f"output/{name}": value for name, value in run.outputs.items()}
        outputs, _ = evaluate(case.loss, case.weights, {**case.first(), **feed})
        values.append(float(outputs["loss"]))
        penalties.append(sum(float(run.values[p]) for p in run.graph.penalties))
    error = relative(np.asarray(values[1]), np.asarray(values[0]))
    if not quiet:
        c.errors["loss"] = error
    if error > SAME:
        said = [side.definition.data["losses"] for side in c.sides]
        cause, what, change = loss_cause(
            c.cases[0].loss,
            c.cases[1].loss,
            (values[0], values[1]),
            c.cases[0].batch_size,
            (said[0], said[1]),
        )
        yield Finding(
            "loss", cause, f"{what} ({values[0]:.6g} in A, {values[1]:.6g} in B)", change, error=error
        )
    apart = relative(np.asarray(penalties[1]), np.asarray(penalties[0]))
    if not quiet and apart > SAME and abs(penalties[1] - penalties[0]) > SAME * abs(values[0]):
        what = f"regularisers add {penalties[0]:.6g} to the loss in A and {penalties[1]:.6g} in B"
        yield Finding("loss", "regulariser", what, "add the same penalties in both", error=apart)


# -- gradients and steps -------------------------------------------------------------------------------
def gradients_and_steps(c: Comparison, testify: Testify) -> Iterator[Finding]:
    """Every gradient, and the weights after each step by each side's own recipe. Where the forward pass or
    the loss departs, they depart too, and only the recipes are compared."""
    causes = step_causes(*(side.training for side in c.sides))
    stages = {f.stage for f in c.findings} & {"weights", "inference", "training", "loss"}
    if stages:
        c.notes.append("gradients and steps are compared once outputs and loss are the same")
        yield from (Finding("steps", *cause) for cause in causes)
        return
    arrays, unsupported = testify(c)
    for letter, why in unsupported.items():
        c.notes.append(f"gradients and steps are not compared: {letter}: {why}")
    if unsupported:
        yield from (Finding("steps", *cause) for cause in causes)
        return
    found = list(_gradients(c, arrays))
    yield from found
    if not found:
        yield from _steps(c, arrays, causes)


def _gradients(c: Comparison, arrays: Arrays) -> Iterator[Finding]:
    a, b = (group(group(arrays, letter), "gradient") for letter in "AB")
    floor = FLOOR * rms(a.values())
    c.errors["gradients"] = 0.0
    for pair in c.matching.pairs:
        names = behind(c.graphs[0], pair.a), behind(c.graphs[1], pair.b)
        row = pair.row or Row(None, None)
        trained = [any(n in g for n in each) for g, each in zip((a, b), names, strict=True)]
        places = c.place(0, row.a, names[0][0]), c.place(1, row.b, names[1][0])
        if trained[0] != trained[1]:
            frozen = "B" if trained[0] else "A"
            what = f"{frozen} does not train this weight, the other side does"
            change = "train it in both or in none (Keras: trainable, PyTorch: requires_grad)"
            yield Finding("gradients", "frozen", what, change, *places)
        elif trained[0] and len(names[0]) == 1:
            carried = _carried(c, pair, a[names[0][0]])
            for name in filter(b.__contains__, carried):  # of two biases that add up, one may be frozen
                true = carried[name]
                error = relative(b[name], true, floor)
                c.errors["gradients"] = max(c.errors["gradients"], error)
                if error > MOVED:
                    what = f"the gradient of {name} is another although the outputs and the loss are the same"
                    yield Finding("gradients", "", what, "", *places, error)


def _carried(c: Comparison, pair: Pair, gradient: np.ndarray) -> Arrays:
    """A's gradient as those of B's weights."""
    shape = read(c.graphs[1], pair.b, c.cases[1].weights).shape
    fit = fitted(gradient, shape)
    if fit is None:
        return {}
    node = None if pair.b.startswith("@") else c.graphs[1].node(pair.b[1:].partition(":")[0])
    if fit[0].startswith("as the first") and node:
        return {}
    return assigned(c.graphs[1], pair.b, fit[1], gradient=True) or {}


def _steps(c: Comparison, arrays: Arrays, causes: list[tuple[str, str, str]]) -> Iterator[Finding]:
    """Each pair's way: what departs in the first step, and, where nothing does, by the last. Later steps of
    all weights follow from the first of one."""
    first, last = (list(_ways(c, arrays, step)) for step in (1, c.cases[0].steps))
    c.errors["steps"] = max((error for _, error in last), default=0.0)
    off = [way for way in first if way[1] > MOVED] or [way for way in last if way[1] > MOVED]
    doubled = [] if causes else [(p, e) for p, e in off if _added(c, p)]
    yield from (_finding(c, pair, ("two biases", *TWO), error) for pair, error in doubled)
    others = [each for each in off if each not in doubled]
    if not others:
        return
    pair, error = others[0]
    if not causes and (more := _more(c)):
        causes = [more]
    if not causes and max(e for _, e in first) <= MOVED:
        c.notes.append(
            f"after {c.cases[0].steps} steps both are {error:.1e} of the way apart: rounding, which grows "
            "from step to step (the first is the same)"
        )
        return
    unknown = ("", f"{behind(c.graphs[1], pair.b)[0]} moves otherwise in B", "")
    yield from (_finding(c, pair, cause, error) for cause in causes or [unknown])


def _more(c: Comparison) -> tuple[str, str, str] | None:
    """The cause where one side trains weights that the other lacks: from the second step on all is other."""
    for letter, lacks, graph, names in zip(
        "AB", "BA", c.graphs, (c.matching.only_a, c.matching.only_b), strict=True
    ):
        if trained := [name for name in names if name in graph.trainable]:
            what = f"{letter} trains {len(trained)} weights that {lacks} lacks ({trained[0]}, …)"
            return "more weights", what, "leave them out or do not train them (scale=, center=, use_bias=)"
    return None


def _ways(c: Comparison, arrays: Arrays, step: int) -> Iterator[tuple[Pair, float]]:
    """For each trained pair how far both ends are apart after a step, in parts of A's way; a way counts as at
    least ``FLOOR`` of the usual one, since that of a bias before a normalisation is rounding."""
    trained = set(c.graphs[0].trainable)
    ways: list[tuple[Pair, np.ndarray, np.ndarray]] = []
    for pair in c.matching.pairs:
        if not trained.intersection(behind(c.graphs[0], pair.a)):
            continue
        one, other = (
            _end(case, group(group(arrays, letter), f"step/{step}"), ref)
            for case, letter, ref in zip(c.cases, "AB", (pair.a, pair.b), strict=True)
        )
        begin = read(c.graphs[0], pair.a, c.cases[0].weights)
        fit = fitted(one, other.shape), fitted(begin, other.shape)
        if fit[0] and fit[1]:
            ways.append((pair, other - fit[1][1], fit[0][1] - fit[1][1]))
    floor = FLOOR * rms(true for _, _, true in ways)
    yield from ((pair, relative(got, true, floor)) for pair, got, true in ways)


def _added(c: Comparison, pair: Pair) -> bool:
    return not pair.b.startswith("@") and c.graphs[1].node(pair.b[1:].partition(":")[0]).op == "add"


def _finding(c: Comparison, pair: Pair, cause: tuple[str, str, str], error: float) -> Finding:
    row = pair.row or Row(None, None)
    names = [behind(g, r)[0] for g, r in zip(c.graphs, (pair.a, pair.b), strict=True)]
    return Finding("steps", *cause, c.place(0, row.a, names[0]), c.place(1, row.b, names[1]), error)


def _end(case: Case, moved: Arrays, ref: str) -> np.ndarray:
    return read(case.network, ref, {**case.weights, **moved})
