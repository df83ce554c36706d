"""Small examples that draw a picture each: ``crosstrain classic demo NAME``.

Each takes the picture's file, whose suffix says how, and answers with one sentence about what came of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

STILL = (".png", ".svg", ".html")


@dataclass(frozen=True)
class Demo:
    """``what`` it shows, ``draw`` (file to sentence), and the forms of files that it can be drawn as."""

    what: str
    draw: Callable[[Path], str]
    forms: tuple[str, ...] = STILL


def demo(name: str, file: str | Path) -> str:
    """Computes the demo and draws it in ``file``; a sentence about it.

    :raises ValueError: there is no such demo, or it cannot be drawn in such a file.
    """
    if name not in DEMOS:
        raise ValueError(f"there is no demo {name!r}; there are {', '.join(DEMOS)}")
    chosen, path = DEMOS[name], Path(file)
    if path.suffix not in chosen.forms:
        raise ValueError(
            f"the demo {name} is drawn in files that end in {', '.join(chosen.forms)}, "
            f"not in {path.suffix or 'nothing'!r}"
        )
    return chosen.draw(path)


def _petals() -> tuple[np.ndarray, np.ndarray]:
    """Two of iris's classes by their petals' lengths and widths."""
    from sklearn.datasets import load_iris

    data = load_iris()
    chosen = data.target > 0
    return data.data[chosen, 2:], data.target_names[data.target[chosen]]


def _perceptron(file: Path) -> str:
    from crosstrain.classic import Perceptron, pictures

    X, y = _petals()
    net = Perceptron(rule="pocket", max_iter=100, random_state=0).fit(X, y)
    names = ("petal length (cm)", "petal width (cm)")
    pictures.decision_boundary(net, X, y, file, title="The perceptron's pocket rule", names=names)
    return f"The perceptron tells {net.score(X, y):.0%} of 100 flowers right by one straight line."


def _mlp(file: Path) -> str:
    from sklearn.datasets import make_moons

    from crosstrain.classic import MultilayerPerceptronClassifier, pictures

    X, y = make_moons(200, noise=0.15, random_state=0)
    net = MultilayerPerceptronClassifier((8,), rule="lbfgs", max_iter=200, random_state=0).fit(X, y)
    pictures.decision_boundary(net, X, y, file, title="A multilayer perceptron, 8 hidden units")
    return f"Eight hidden units tell {net.score(X, y):.1%} of 200 points of two moons right."


def _rbf(file: Path) -> str:
    from crosstrain.classic import pictures
    from crosstrain.classic.tasks.approximation import approximation

    done = approximation()
    pictures.courses(
        done.grid, {"the function": done.truth, **done.estimates}, file,
        points={"noisy values": (done.x, done.values)}, names=("x", "y"),
        title="A function of which only noisy values are known",
    )  # fmt: skip
    best = min(done.errors, key=lambda name: done.errors[name])
    return f"Values deviate by {done.noise:g}; the best estimate ({best}) by {done.errors[best]:.3f}."


def _hopfield(file: Path) -> str:
    from crosstrain.classic import Hopfield, pictures
    from crosstrain.classic.tasks.recall import LETTER_SHAPE, letters

    patterns = letters()
    memory = Hopfield("pseudo-inverse", random_state=0).fit(patterns)
    damaged = patterns[0].copy()
    damaged[np.random.default_rng(0).choice(len(damaged), 7, replace=False)] *= -1
    steps = memory.recall_steps(damaged)
    title = "Hopfield's network recalls a letter"
    pictures.recall(steps.states, LETTER_SHAPE, file, energies=steps.energies.tolist(), title=title)
    wrong = int((steps.states[-1] != patterns[0]).sum())
    return f"An A with 7 of 35 cells wrong has {wrong} wrong after {len(steps.states) - 1} changes of a unit."


def _som(file: Path) -> str:
    from sklearn.datasets import load_digits

    from crosstrain.classic import SelfOrganizingMap, pictures

    X, y = load_digits(return_X_y=True)
    som = SelfOrganizingMap(10, 14, topology="hexagonal", max_iter=10, random_state=0).fit(X / 16)
    pictures.hit_map(som, X / 16, file, y=y, title="Handwritten digits on a self-organising map")
    return (
        f"140 units, 1,797 pictures: the quantisation error is {som.quantisation_error(X / 16):.2f}, "
        f"the topographic error {som.topographic_error(X / 16):.1%}."
    )


def _rbm(file: Path) -> str:
    from sklearn.datasets import load_digits

    from crosstrain.classic import RBM, pictures

    X = load_digits().data / 16
    rbm = RBM(64, n_iter=20, random_state=0).fit(X)
    title = "What the units of a restricted Boltzmann machine look for"
    pictures.filters(rbm.components_, (8, 8), file, title=title)
    return f"64 hidden units; the mean squared error of a reconstruction is {rbm.errors_[-1]:.3f}."


def _tsp(file: Path) -> str:
    from crosstrain.classic import pictures
    from crosstrain.classic.tasks.travelling_salesman import random_cities, travelling_salesman

    found = travelling_salesman(random_cities(10, seed=1), "hopfield")
    sentence = f"length {found.length:.3f}, {found.excess:.1%} above the shortest tour"
    title = "Ten cities by Hopfield's continuous network"
    pictures.tour(found.cities, found.order, file, title=title, subtitle=sentence)
    return f"A tour through ten cities: {sentence}."


def _control(file: Path) -> str:
    from crosstrain.classic import pictures
    from crosstrain.classic.tasks.control import control

    done = control()
    pictures.courses(
        np.arange(1, len(done.reference) + 1), {"reference": done.reference, "plant": done.response}, file,
        title="A plant follows a reference: a network learnt its inverse",
        subtitle=f"deviation {done.error:.3f}; the best proportional controller's {done.proportional:.3f}",
    )  # fmt: skip
    return (
        f"The plant deviates from its reference by {done.error:.3f} (root mean square), "
        f"under the best proportional controller by {done.proportional:.3f}."
    )


DEMOS = {
    "perceptron": Demo("two kinds of iris, parted by one line", _perceptron),
    "mlp": Demo("a multilayer perceptron parts two moons", _mlp),
    "rbf": Demo("radial basis and other networks find a function under noise", _rbf),
    "hopfield": Demo("a damaged letter is recalled, step by step", _hopfield, (*STILL, ".gif")),
    "som": Demo("handwritten digits find their places on a map", _som),
    "rbm": Demo("what the units of a Boltzmann machine look for in digits", _rbm),
    "tsp": Demo("a round tour through ten cities", _tsp),
    "control": Demo("a plant follows a reference", _control),
}
