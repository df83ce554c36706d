"""Graph colouring by networks: colours for the nodes so that no edge joins two of the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crosstrain.classic.tasks.quadratic import Annealing, Energy, grid, solve

Edges = Sequence[tuple[int, int]]

PETERSEN: Edges = (
    (0, 1), (1, 2), (2, 3), (3, 4), (4, 0), (0, 5), (1, 6), (2, 7), (3, 8), (4, 9),
    (5, 7), (7, 9), (9, 6), (6, 8), (8, 5),
)  # fmt: skip
"""Petersen's graph, which needs 3 colours."""


@dataclass(frozen=True)
class Colouring:
    """``colours`` of the nodes (nodes,), ``conflicts``, the number of edges between equal ones, and
    ``fewest``, the chromatic number. ``valid`` is the share of the network's runs without a conflict."""

    colours: np.ndarray
    conflicts: int
    fewest: int
    valid: float


def graph_colouring(
    edges: Edges,
    colours: int | None = None,
    network: str = "boltzmann",
    *,
    runs: int = 32,
    steps: int = 100,
    seed: int = 0,
) -> Colouring:
    """The colouring with the fewest conflicts of ``runs`` runs of a network ("boltzmann" or "hopfield"), with
    ``colours`` colours (None: the chromatic number). A unit for each node and colour; a node whose units are
    not exactly one 1 takes the colour of the largest response.

    :raises ValueError: there is no edge, one joins a node to itself, or the network does not exist.
    """
    if not edges or any(a == b or min(a, b) < 0 for a, b in edges):
        raise ValueError("a graph needs edges between different nodes, numbered from 0")
    nodes = 1 + max(max(edge) for edge in edges)
    fewest = chromatic_number(edges)
    palette = fewest if colours is None else colours
    units = grid(nodes, palette)
    problem = Energy(nodes * palette)
    for node in range(nodes):
        problem.exactly_one(units[node], penalty=1.0)
    for one, other in edges:
        for colour in range(palette):
            problem.pair(units[one][colour], units[other][colour], 1.0)
    states = solve(problem, Annealing(first=1.0, last=0.05, steps=steps, runs=runs), network, seed)
    answers = states.reshape(len(states), nodes, palette).argmax(axis=2)
    ends = np.array(edges)
    conflicts = (answers[:, ends[:, 0]] == answers[:, ends[:, 1]]).sum(axis=1)
    best = int(conflicts.argmin())
    return Colouring(answers[best], int(conflicts[best]), fewest, float((conflicts == 0).mean()))


def chromatic_number(edges: Edges) -> int:
    """The fewest colours, by trying all colourings with one more colour at a time (exponential)."""
    nodes = 1 + max(max(edge) for edge in edges)
    neighbours: list[set[int]] = [set() for _ in range(nodes)]
    for one, other in edges:
        neighbours[one].add(other)
        neighbours[other].add(one)
    order = sorted(range(nodes), key=lambda node: -len(neighbours[node]))

    def extends(colours: dict[int, int], limit: int) -> bool:
        if len(colours) == nodes:
            return True
        node = order[len(colours)]
        taken = {colours[other] for other in neighbours[node] if other in colours}
        fresh = min(limit, 1 + max(colours.values(), default=-1) + 1)  # new colours are all alike: try one
        return any(extends({**colours, node: c}, limit) for c in range(fresh) if c not in taken)

    return next(limit for limit in range(1, nodes + 1) if extends({}, limit))
