"""Training rules: each is a data class of its options whose ``minimise`` yields one step after the other.

``minimise(objective, weights)`` yields ``(weights, loss)``: first where it starts, then after each step. It
ends when the rule has come to rest; otherwise whoever iterates stops it. No rule changes a vector it has
yielded.
"""

from __future__ import annotations

from crosstrain.classic.multilayer.rules.base import Rule
from crosstrain.classic.multilayer.rules.bfgs import BFGS, LimitedMemoryBFGS
from crosstrain.classic.multilayer.rules.conjugate import ConjugateGradient
from crosstrain.classic.multilayer.rules.descent import Descent
from crosstrain.classic.multilayer.rules.levenberg import LevenbergMarquardt
from crosstrain.classic.multilayer.rules.newton import NewtonConjugateGradient
from crosstrain.classic.multilayer.rules.resilient import Resilient

__all__ = [
    "BFGS",
    "RULES",
    "ConjugateGradient",
    "Descent",
    "LevenbergMarquardt",
    "LimitedMemoryBFGS",
    "NewtonConjugateGradient",
    "Resilient",
    "Rule",
]

RULES: dict[str, Rule] = {
    "gd": Descent(),
    "gdm": Descent(momentum=0.9),
    "gda": Descent(adaptive=True),
    "gdx": Descent(momentum=0.9, adaptive=True),
    "rprop": Resilient(),
    "irprop+": Resilient(backtrack="when worse", forget=True),
    "irprop-": Resilient(forget=True),
    "bfgs": BFGS(),
    "lbfgs": LimitedMemoryBFGS(),
    "cg": ConjugateGradient(),
    "cg-fr": ConjugateGradient(formula="fletcher-reeves", restart=True),
    "ncg": NewtonConjugateGradient(),
    "levenberg-marquardt": LevenbergMarquardt(),
}
"""By name, with their usual options."""
