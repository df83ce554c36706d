"""Which cells there are, and in which order: rounds over everything, engines interleaved in each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from crosstrain.comparison.entrants import file_name
from crosstrain.results.rows import size_text
from crosstrain.results.schema import Size
from crosstrain.system.files import slug

Group = tuple[str, str, str]
"""Network, input size (as text) and engine: what a row of the table is about."""


@dataclass(frozen=True)
class Round:
    """One pass over all groups: a seed (initial weights and batch order) and a repeat of it."""

    seed: int
    repeat: int


@dataclass(frozen=True)
class Cell:
    """One measurement to make. ``size`` is height = width, [height, width], or None without images; ``twin``
    numbers the rounding twins of a training (0: itself)."""

    network: str
    size: Size
    engine: str
    seed: int
    repeat: int
    label: str
    twin: int = 0

    @property
    def group(self) -> Group:
        return self.network, size_text(self.size), self.engine

    @property
    def id(self) -> str:
        """A name for files, unique in a comparison."""
        size = "" if self.size is None else f"-{size_text(self.size).replace('×', 'x')}"
        twin = f"-t{self.twin}" if self.twin else ""
        return f"{self.label}{size}-{file_name(self.engine)}-s{self.seed}-r{self.repeat}{twin}"

    def __str__(self) -> str:
        size = "" if self.size is None else f" at {size_text(self.size)}"
        return f"{self.network}{size} on {self.engine}"


def rounds(seeds: int, repeats: int, *, first: int = 0) -> list[Round]:
    """All seeds once, then all again: what is left out at the end is a repeat, not a seed. ``first`` is the
    first seed."""
    return [Round(seed, repeat) for repeat in range(repeats) for seed in range(first, first + seeds)]


def cells(
    sizes: Mapping[str, Sequence[Size]],
    engines: Sequence[str],
    passes: Sequence[Round],
    takes_part: Callable[[str, Size, str], bool] = lambda network, size, engine: True,
    *,
    first: int = 0,
) -> list[Cell]:
    """The cells in the order in which they are run, of those engines that take part in a network at a size.

    The engines of one network and size follow each other, so that a machine that grows slower in time
    slows all alike; who comes first moves on by one from round to round.
    ``first`` is the number of the first pass.
    """
    names = labels(list(sizes))
    planned = []
    for index, each in enumerate(passes, first):
        turn = index % max(len(engines), 1)
        order = [*engines[turn:], *engines[:turn]]
        planned += [
            Cell(network, size, engine, each.seed, each.repeat, names[network])
            for network, its_sizes in sizes.items()
            for size in its_sizes
            for engine in order
            if takes_part(network, size, engine)
        ]
    return planned


def labels(networks: Sequence[str]) -> dict[str, str]:
    """A name for files for each network, numbered where two would be called alike."""
    by_network: dict[str, str] = {}
    for network in networks:
        base = name = slug(network)
        number = 2
        while name in by_network.values():
            name, number = f"{base}-{number}", number + 1
        by_network[network] = name
    return by_network
