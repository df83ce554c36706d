"""The comparison itself: forward passes, statistics, loss, gradients and steps of two sides, and what
explains each difference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from crosstrain.difference.aligning import KIND, Row, aligned
from crosstrain.difference.causes.structure import layer_missing
from crosstrain.difference.causes.table import Suspicion, explained
from crosstrain.difference.causes.training import initial_cause, noise_of
from crosstrain.difference.causes.weights import SAME as EQUAL
from crosstrain.difference.causes.weights import weight_cause
from crosstrain.difference.findings import Difference, Finding, Place
from crosstrain.difference.sides import Side, beside, first_case, paired, second_case
from crosstrain.difference.training import Testify, gradients_and_steps, loss_of, statistics
from crosstrain.difference.values import SAME, Partners, Run, departing, in_layout
from crosstrain.difference.weights import Matching, Pair, assigned, behind, matched, proposal, values_of
from crosstrain.errors import CrosstrainError
from crosstrain.graph.graph import Node
from crosstrain.proof.arrays import Arrays
from crosstrain.proof.case import Case
from crosstrain.proof.compare import relative
from crosstrain.proof.locating.departing import numbers

MOST = 24
"""So many departures are looked for, each behind the one before it repaired."""
ENDINGS = ("softmax", "log_softmax", "sigmoid")
"""What PyTorch leaves to the loss at a network's end."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """``steps`` of training to compare; ``weights`` is ``auto``, ``own`` or ``carry``; ``layout`` B's inputs'
    (None: seen from the shapes); ``said`` B's weights by A's names; ``allow`` names causes that are let pass;
    ``initial`` compares initial values too."""

    steps: int = 3
    weights: str = "auto"
    layout: str | None = None
    said: Mapping[str, str] | None = None
    allow: tuple[str, ...] = ()
    initial: bool = False


class Comparison:
    """Two sides on one batch."""

    def __init__(self, a: Side, b: Side, settings: Settings, examples: Arrays | None = None) -> None:
        b = beside(a, b)
        self.sides, self.settings = (a, b), settings
        self.rows = aligned(*(side.quiet.phase(training=False) for side in self.sides))
        if not any(row.same_op for row in self.rows):
            ops = [", ".join(dict.fromkeys(n.op for n in _of(self.rows, i))) or "nothing" for i in (0, 1)]
            raise CrosstrainError(
                f"A and B share no layer (A does {ops[0]}; B does {ops[1]}): nothing to compare"
            )
        self.findings: list[Finding] = []
        self.allowed: list[Finding] = []
        self.errors: dict[str, float] = {}
        case = first_case(a, settings.steps, examples=examples)
        self.graphs = a.quiet, b.quiet
        self.matching = self._matched(case)
        if self.matching.own:
            case = replace(case, weights=a.weights)
        second, notes = second_case(a, b, case, self.matching.carried, settings.layout)
        self.cases = case, second
        self.notes = [*self._notes(), *notes]
        self.loss_ends: tuple[Run, Run] | None = None

    def _matched(self, case: Case) -> Matching:
        a, b = self.sides
        own = matched(
            self.rows, self.graphs, (a.weights, b.weights), self.settings.said, self.settings.weights
        )
        if own.own:
            return own
        return matched(self.rows, self.graphs, (case.weights, b.weights), self.settings.said, "carry")

    def _notes(self) -> Iterator[str]:
        for side in self.sides:
            for note in (*(side.definition.data.get("notes") or ()), *side.definition.remarks):
                yield f"{side.letter}: {note}"
        count = len(self.matching.pairs)
        by = {
            w: sum(p.by == w for p in self.matching.pairs)
            for w in ("map", "place", "name", "order and shape")
        }
        ways = ", ".join(f"{n} by {w}" for w, n in by.items() if n)
        yield (
            f"{count} weights are matched ({ways}); "
            + (
                "B has A's values already: its own are compared"
                if self.matching.own
                else "A's values are carried to B"
            )
        )
        for letter, names in (("A", self.matching.only_a), ("B", self.matching.only_b)):
            if names:
                more = f" and {len(names) - 3} more" if len(names) > 3 else ""
                yield f"only {letter} has {', '.join(names[:3])}{more}"

    # -- the whole ------------------------------------------------------------------------------------
    def run(self, testify: Testify, tell: Tell = lambda _: None) -> Difference:
        """Everything in order; ``testify`` gives gradients and steps."""
        files = [side.letter for side in self.sides if side.for_inference]
        if files:
            what = "is a file for inference, which keeps neither dropout nor BatchNorm's momentum"
            self.notes.append(f"{' and '.join(files)} {what}: they are not compared")
        self.unfit()
        tell("Comparing outputs in inference")
        runs = self.forward("inference")
        tell("Comparing outputs in training")
        runs = runs and self.forward("training")
        if runs:
            tell("Comparing statistics and the loss")
            for found in [] if files else statistics(self, runs):
                self.add(found)
            for found in loss_of(self, self.loss_ends or runs):
                self.add(found)
        for found in [] if files else self.noise():
            self.add(found)
        tell("Comparing gradients and training steps")
        for found in gradients_and_steps(self, testify):
            self.add(found)
        self.initial()
        a, b = self.sides
        return Difference(
            a.source, b.source, tuple(self.findings), self.errors, tuple(self.notes), tuple(self.allowed),
            tuple(self.rows), proposal(self.matching, self.graphs), SAME,
        )  # fmt: skip

    def add(self, finding: Finding) -> None:
        """Keep a finding, unless its cause is let pass, or it says what another phase has said."""
        kept = self.allowed if finding.cause.replace(" ", "-") in self.settings.allow else self.findings
        place = lambda f: (f.cause, f.a and (f.a.layer or f.a.node), f.b and (f.b.layer or f.b.node))
        if finding.stage in ("inference", "training") and place(finding) in map(place, kept):
            return
        kept.append(finding)

    # -- weights --------------------------------------------------------------------------------------
    def unfit(self) -> None:
        for pair in self.matching.unfit:
            shapes = [
                "×".join(map(str, g.spec(ref).shape))
                for g, ref in zip(self.graphs, (pair.a, pair.b), strict=True)
            ]
            names = [", ".join(behind(g, r)) for g, r in zip(self.graphs, (pair.a, pair.b), strict=True)]
            row = pair.row or Row(None, None)
            self.add(
                Finding(
                    "weights", "weight shape", f"{names[0]} of A is {shapes[0]}, {names[1]} of B {shapes[1]}",
                    "give both layers the same number of units, channels and window cells",
                    self.place(0, row.a, names[0]), self.place(1, row.b, names[1]),
                )
            )  # fmt: skip

    def own_weights(self, runs: tuple[Run, Run]) -> tuple[Run, Run]:
        """Findings for B's own weights that are not A's; the runs with A's values in B."""
        a, b = runs
        for pair in self.matching.pairs:
            one, other = values_of(pair, self.graphs, (a.weights, b.weights))
            op = pair.row.a.op if pair.row and pair.row.a else ""
            cause = weight_cause(one, other, op)
            if cause == EQUAL:
                continue
            repaired = replace(b, weights={**b.weights, **self._carried(pair, one)})
            effect = distance(b.outputs, repaired.outputs)
            names = [behind(g, r)[0] for g, r in zip(self.graphs, (pair.a, pair.b), strict=True)]
            row = pair.row or Row(None, None)
            places = self.place(0, row.a, names[0], one), self.place(1, row.b, names[1], other)
            self.add(Finding("weights", cause[0], cause[1], cause[2], *places, relative(other, one), effect))
            b = repaired
        self.cases = self.cases[0], replace(self.cases[1], weights=dict(b.weights))
        return a, b

    def _carried(self, pair: Pair, value: np.ndarray) -> Arrays:
        return assigned(self.graphs[1], pair.b, value) or {}

    # -- forward --------------------------------------------------------------------------------------
    def runs(self, stage: str) -> tuple[Run, Run]:
        batches = [case.first() for case in self.cases]
        graphs = [case.network.phase(training=stage == "training") for case in self.cases]
        one, other = (Run(g, c.weights, x) for g, c, x in zip(graphs, self.cases, batches, strict=True))
        return one, other

    def forward(self, stage: str) -> tuple[Run, Run] | None:
        """Both runs of a phase, B's with everything that departs forced to A's values; None where what
        departs cannot be forced. Findings are added on the way."""
        a, b = self.runs(stage)
        for name, error in output_errors(a, b).items():
            self.errors[f"{stage}/{name}"] = error
        if self.matching.own and stage == "inference" and worst(a, b) > SAME:
            a, b = self.own_weights((a, b))
        for _ in range(MOST):
            if worst(a, b) <= SAME:
                return a, b
            common = Partners(a, b), Partners(b, a)
            s = Suspicion(
                departing(a, common[0].found), departing(b, common[1].found), (a, b), tuple(self.rows), common
            )
            repaired = self.departure(stage, s)
            if repaired is None:
                return None
            b = repaired
        return None

    def departure(self, stage: str, s: Suspicion) -> Run | None:
        """Add the finding of a suspicion; B's run with it repaired (None where it cannot be)."""
        a, b = s.runs
        if s.a is None and s.b is None:
            self.add(Finding(stage, "", "all values are the same, but other ones are given as outputs"))
            return None
        found = explained(s)
        missing = None if found else layer_missing(s)
        cause, what, change, ref_a, ref_b, forced = "", unexplained(s), "", "", "", None
        node_a, node_b = s.a, s.counterpart
        if found:
            explanation, ref_b = found
            cause, what, change = explanation.cause, explanation.what, explanation.change
            ref_a = _matching_output(s, ref_b)
            node_b = next(n for n in b.graph.nodes if ref_b in n.references)
        elif missing:
            cause, what, change = missing.cause, missing.what, missing.change
            node_a, node_b = (missing.node, None) if missing.has == 0 else (None, missing.node)
            if missing.has == 0:
                ref_a, ref_b = missing.ref, missing.other
            else:
                forced = {missing.node.references[0]: b.values[str(missing.node.inputs[0])]}
        elif s.a and s.counterpart:
            ref_a, ref_b = s.a.references[0], s.counterpart.references[0]
        if forced is None and ref_a and ref_b:
            forced = None if ref_b in b.forced else forcible(s, ref_a, ref_b)
        repaired = b.with_forced(forced) if forced else None
        effect = distance(b.outputs, repaired.outputs) if repaired else worst(a, b)
        got = in_layout(b.values[ref_b], a.values[ref_a].shape) if ref_a and ref_b else None
        places = (
            self.place(0, node_a, value=a.values.get(ref_a)),
            self.place(1, node_b, value=b.values.get(ref_b)),
        )
        error = np.inf if got is None else relative(got, a.values[ref_a])
        finding = Finding(stage, cause, what, change, *places, float(error), effect)
        if missing and missing.node.op in ENDINGS and self._left_to_the_loss(stage, s, missing.node):
            self._note_ending(missing.has, missing.node)
            if stage == "training":
                self.loss_ends = s.runs
        else:
            self.add(finding)
        return repaired

    def _left_to_the_loss(self, stage: str, s: Suspicion, node: Node) -> bool:
        """Whether a softmax at the end is missing only since the other side's loss has it inside."""
        ends = any(node.references[0] in r.graph.outputs.values() for r in s.runs)
        runs = s.runs if stage == "training" else self.runs("training")
        if not ends or worst(*s.runs) == np.inf:
            return False
        training = self._with_forced_of(runs, s.runs) if stage != "training" else runs
        return not list(loss_of(self, training, quiet=True))

    def _with_forced_of(self, runs: tuple[Run, Run], others: tuple[Run, Run]) -> tuple[Run, Run]:
        """Training runs in which the weights of others count."""
        return runs[0], replace(runs[1], weights=others[1].weights)

    def _note_ending(self, has: int, node: Node) -> None:
        letters = "AB"[has], "AB"[1 - has]
        note = (
            f"{letters[0]} ends in {node.op}, {letters[1]} in what goes into it, and each side's loss fits: "
            "the networks train alike"
        )
        if note not in self.notes:
            self.notes.append(note)

    # -- what no number shows -------------------------------------------------------------------------
    def noise(self) -> Iterator[Finding]:
        """Layers that are noise in training: their rates, in the order in which the outputs need them."""
        kinds = [noise_of(side.graph) for side in self.sides]
        change = "give both the same rate (Keras and PyTorch both name the part that is dropped)"
        rates = [[rate for _, rate in kind] for kind in kinds]
        if len(rates[0]) != len(rates[1]):
            said = [", ".join(f"{r:g}" for r in each) or "none" for each in rates]
            what = f"noise in training: {said[0]} in A, {said[1]} in B"
            first = [kind[0][0] if kind else None for kind in kinds]
            yield Finding("noise", "dropout", what, change, self.place(0, first[0]), self.place(1, first[1]))
            return
        for (a, rate), (b, other) in zip(*kinds, strict=True):
            if rate != other or a.op != b.op:
                what = f"{a.op} of {rate:g} in A, {b.op} of {other:g} in B"
                yield Finding("noise", "dropout", what, change, self.place(0, a), self.place(1, b))

    def initial(self) -> None:
        """Initial values that are drawn otherwise: findings where asked for, else a note."""
        if self.matching.own:
            return
        said = []
        for pair in self.matching.pairs:
            values = values_of(pair, self.graphs, (self.sides[0].weights, self.sides[1].weights))
            if words := initial_cause(*values):
                names = [behind(g, r)[0] for g, r in zip(self.graphs, (pair.a, pair.b), strict=True)]
                said.append((names, words, pair.row or Row(None, None)))
        change = "draw both alike (Keras: kernel_initializer=, bias_initializer=; PyTorch: torch.nn.init)"
        if self.settings.initial:
            for names, words, row in said:
                places = self.place(0, row.a, names[0]), self.place(1, row.b, names[1])
                self.add(
                    Finding("initial weights", "initialiser", f"initial values: {words}", change, *places)
                )
        elif said:
            names, words, _ = said[0]
            self.notes.append(
                f"{len(said)} weights are drawn otherwise ({names[1]}: {words}), which matters where both "
                "are trained from scratch; --initial counts it as a difference"
            )

    # -- words ----------------------------------------------------------------------------------------
    def place(
        self, side: int, node: Node | None, name: str = "", value: np.ndarray | None = None
    ) -> Place | None:
        """Where a node is, or a weight where no node is known."""
        if node is None:
            return Place(name, numbers=None if value is None else numbers(value)) if name else None
        line = self.sides[side].line(node.name, node.layer)
        shown = None if value is None else numbers(value)
        return Place(name or node.name, node.op, node.layer, line, shown)


def _of(rows: Sequence[Row], side: int) -> list[Node]:
    return [n for row in rows if (n := (row.a, row.b)[side])]


def unexplained(s: Suspicion) -> str:
    ops = [f"{n.op} ({n.layer or n.name})" if n else "nothing" for n in (s.a, s.counterpart)]
    return f"{ops[0]} in A and {ops[1]} in B give other numbers for the same input; no known cause gives them"


def _matching_output(s: Suspicion, ref_b: str) -> str:
    """Which output of A's node stands where B's reference does: of its shape in some layout, the first
    otherwise."""
    assert s.a is not None
    shape = s.runs[1].values[ref_b].shape
    fits = (r for r in s.a.references if in_layout(s.runs[0].values[r], shape) is not None)
    return next(fits, s.a.references[0])


def forcible(s: Suspicion, ref_a: str, ref_b: str) -> Arrays | None:
    """A's value for B's reference, and of a recurrent layer for the node's other outputs too; None where the
    shapes do not fit."""
    a, b = s.runs
    makers = [
        next(n for n in r.graph.nodes if ref in n.references)
        for r, ref in zip(s.runs, (ref_a, ref_b), strict=True)
    ]
    pairs = {ref_b: ref_a}
    if Row(*makers).same_op and KIND.get(makers[0].op) == "recurrent":
        pairs = dict(zip(makers[1].references, makers[0].references, strict=True))
    values = {theirs: in_layout(a.values[own], b.values[theirs].shape) for theirs, own in pairs.items()}
    kept = {ref: value for ref, value in values.items() if value is not None}
    return kept if ref_b in kept else None


def output_errors(a: Run, b: Run) -> dict[str, float]:
    """The relative error of each output of B, paired by name, else by order; infinity for other shapes."""
    if len(a.outputs) != len(b.outputs):
        raise CrosstrainError(
            f"A has the outputs {', '.join(a.outputs)} and B {', '.join(b.outputs)}; "
            "give two networks with as many"
        )
    errors = {}
    for name, other in paired(a.outputs, b.outputs).items():
        value = in_layout(b.outputs[other], a.outputs[name].shape)
        errors[name] = np.inf if value is None else relative(value, a.outputs[name])
    return errors


def worst(a: Run, b: Run) -> float:
    return max(output_errors(a, b).values(), default=0.0)


def distance(before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray]) -> float:
    """The largest relative change of an output."""
    return max((relative(before[name], after[name]) for name in after), default=0.0)
