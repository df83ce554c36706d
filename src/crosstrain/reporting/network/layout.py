"""Where the boxes of a drawing stand: in rows by their distance from the input, with few crossings.

The layered layout of Sugiyama, Tagawa and Toda 1981: ranks by the longest path, orders by barycentres,
places by least squares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PASSES = 12
"""Times that orders, and then places, are mended downwards and upwards."""
STRAIGHT = 8.0
"""How much more a bend in a long edge counts than one at a box."""


@dataclass(frozen=True)
class Layout:
    """The middle of each box in pixels across, the rank of each (0 on top), and for each edge (source,
    target) the points across at the ranks between them."""

    across: tuple[float, ...]
    ranks: tuple[int, ...]
    bends: dict[tuple[int, int], tuple[float, ...]]


def layout(inputs: Sequence[Sequence[int]], widths: Sequence[float], gap: float = 24.0) -> Layout:
    """Places for boxes of these ``widths``, each of which comes after its ``inputs`` (positions)."""
    ranks = _ranks(inputs)
    graph = _Ranked(inputs, widths, ranks)
    graph.order()
    graph.place(gap)
    count = len(widths)
    lowest = min(graph.across[node] - graph.widths[node] / 2 for node in range(len(graph.across)))
    across = [float(x - lowest) for x in graph.across]
    bends = {edge: tuple(across[node] for node in nodes) for edge, nodes in graph.bends.items()}
    return Layout(tuple(across[:count]), tuple(ranks), bends)


def _ranks(inputs: Sequence[Sequence[int]]) -> list[int]:
    """The longest path to each box."""
    ranks: list[int] = []
    for sources in inputs:
        ranks.append(max((ranks[source] + 1 for source in sources), default=0))
    return ranks


class _Ranked:
    """The boxes and, for edges over several ranks, a bend on each rank between, in their order on each
    rank."""

    def __init__(
        self, inputs: Sequence[Sequence[int]], widths: Sequence[float], ranks: Sequence[int]
    ) -> None:
        self.widths = list(widths)
        self.rows: list[list[int]] = [[] for _ in range(max(ranks) + 1)]
        self.above: list[list[int]] = [[] for _ in widths]
        self.below: list[list[int]] = [[] for _ in widths]
        self.bends: dict[tuple[int, int], list[int]] = {}
        self.boxes = len(self.widths)
        for box, rank in enumerate(ranks):
            self.rows[rank].append(box)
        for box, sources in enumerate(inputs):
            for source in sources:
                chain = [self._bend(rank) for rank in range(ranks[source] + 1, ranks[box])]
                self.bends[source, box] = chain
                for upper, lower in zip([source, *chain], [*chain, box], strict=True):
                    self.below[upper].append(lower)
                    self.above[lower].append(upper)
        self.across = np.zeros(len(self.widths))

    def _bend(self, rank: int) -> int:
        self.widths.append(0.0)
        self.above.append([])
        self.below.append([])
        self.rows[rank].append(len(self.widths) - 1)
        return len(self.widths) - 1

    def order(self) -> None:
        """Sort each rank by the mean place of what its boxes are joined to, down and up; keep the best
        order."""
        best, fewest = [list(row) for row in self.rows], self._crossings()
        for number in range(PASSES):
            down = number % 2 == 0
            for row in self.rows if down else reversed(self.rows):
                place = {node: index for other in self.rows for index, node in enumerate(other)}
                joined = self.above if down else self.below
                key = {
                    node: float(np.mean([place[n] for n in joined[node]])) if joined[node] else place[node]
                    for node in row
                }
                row.sort(key=key.__getitem__)
            crossings = self._crossings()
            if crossings < fewest:
                best, fewest = [list(row) for row in self.rows], crossings
        self.rows = best

    def _crossings(self) -> int:
        total = 0
        for upper, lower in zip(self.rows, self.rows[1:], strict=False):
            place = {node: index for index, node in enumerate(lower)}
            ends = [place[b] for node in upper for b in sorted(self.below[node], key=place.__getitem__)]
            total += sum(a > b for i, a in enumerate(ends) for b in ends[i + 1 :])
        return total

    def place(self, gap: float) -> None:
        """Move boxes towards what they are joined to, as near as their order and the gaps allow."""
        for row in self.rows:
            self._spread(row, np.zeros(len(row)), np.ones(len(row)), gap)
        for number in range(2 * PASSES):
            down = number % 2 == 0
            for row in self.rows if down else reversed(self.rows):
                wanted, weights = [], []
                for node in row:
                    near = (self.above if down else self.below)[node] or [node]
                    wanted.append(float(np.mean(self.across[near])))
                    both = node >= self.boxes and all(n >= self.boxes for n in near)
                    weights.append(STRAIGHT if both else 1.0)
                self._spread(row, np.array(wanted), np.array(weights), gap)

    def _spread(self, row: list[int], wanted: np.ndarray, weights: np.ndarray, gap: float) -> None:
        """Nearest places in order: with the room that the boxes need taken off, places must not fall."""
        from sklearn.isotonic import isotonic_regression  # not at start-up: it takes a second

        widths = np.array([self.widths[node] for node in row])
        offsets = np.concatenate([[0.0], np.cumsum(widths[:-1] / 2 + gap + widths[1:] / 2)])
        self.across[row] = isotonic_regression(wanted - offsets, sample_weight=weights) + offsets
