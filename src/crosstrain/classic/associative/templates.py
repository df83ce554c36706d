"""Templates of cellular networks: what a cell takes from its neighbours' outputs and inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Rows = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Template:
    """The weights of a cell's neighbourhood: dx/dt = -x + A∗y + B∗u + bias.

    ``feedback`` is A, ``control`` B: square, of the same odd size 2r + 1, r being the neighbourhood index.
    ``start`` is the first state of every cell, None: its input. ``boundary`` is the output and input of the
    cells beyond the edge. In pictures 1 is black and -1 white.

    >>> Template(feedback=((0,),), control=((1,),)).radius
    0
    """

    feedback: Rows
    control: Rows
    bias: float = 0.0
    start: float | None = None
    boundary: float = 0.0

    def __post_init__(self) -> None:
        sizes = {np.shape(self.feedback), np.shape(self.control)}
        size = next(iter(sizes))
        if len(sizes) != 1 or len(size) != 2 or size[0] != size[1] or size[0] % 2 == 0:
            raise ValueError(
                "feedback and control are square tables of the same odd size, not "
                f"{np.shape(self.feedback)} and {np.shape(self.control)}"
            )

    @property
    def radius(self) -> int:
        """The neighbourhood index r: a cell's neighbours are at most r rows and r columns away."""
        return len(self.feedback) // 2


_NOTHING: Rows = ((0, 0, 0), (0, 0, 0), (0, 0, 0))

TEMPLATES = {
    "edge": Template(
        feedback=((0, 0, 0), (0, 1, 0), (0, 0, 0)),
        control=((-1, -1, -1), (-1, 8, -1), (-1, -1, -1)),
        bias=-1.0,
        start=0.0,
        boundary=-1.0,
    ),
    "hole-filling": Template(
        feedback=((0, 1, 0), (1, 3, 1), (0, 1, 0)),
        control=((0, 0, 0), (0, 4, 0), (0, 0, 0)),
        bias=-1.0,
        start=1.0,
        boundary=-1.0,
    ),
    "noise-removal": Template(feedback=((0, 1, 0), (1, 2, 1), (0, 1, 0)), control=_NOTHING),
}
"""``edge`` keeps black cells that touch a white one (of 8), ``hole-filling`` blackens white areas that do not
reach the picture's edge (T. Roska et al.: CNN software library, templates EDGE and HOLE); ``noise-removal``
gives in to neighbours of the other colour (L. Chua, L. Yang 1988: Cellular neural networks: applications)."""
