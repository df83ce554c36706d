"""Cellular networks: a grid of cells, each joined to its neighbours alone."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from crosstrain.classic import arrays, parameters
from crosstrain.classic.associative.templates import TEMPLATES, Rows, Template


class CellularNetwork(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """The cellular network of Chua and Yang: dx/dt = -x + A∗y + B∗u + z, y = ½(|x + 1| - |x - 1|).

    L. O. Chua, L. Yang (1988): Cellular neural networks: theory. Each row of ``X`` is a picture of ``shape``,
    row by row; ``transform`` gives the cells' outputs between -1 (white) and 1 (black) once they have
    settled.

    Parameters
    ----------
    template : str or Template, default="edge"
        The weights of a neighbourhood: "edge", "hole-filling", "noise-removal", or one's own.
    shape : (int, int) or None, default=None
        Rows and columns of the grid. None: a single row.
    step : float, default=0.25
        Length of an integration step (Euler); the cells' time constant is 1.
    max_steps : int, default=5000
        The most steps. A hole's filling crosses about one cell in a unit of time.
    tol : float, default=1e-9
        Stop once no state changes by more in a step.

    Attributes
    ----------
    template_ : Template
    shape_ : (int, int)
    n_features_in_ : int

    Examples
    --------
    >>> import numpy as np
    >>> from crosstrain.classic import CellularNetwork
    >>> ring = np.array([[-1, 1, 1, 1], [-1, 1, -1, 1], [-1, 1, 1, 1]])
    >>> network = CellularNetwork("hole-filling", shape=(3, 4)).fit(ring.reshape(1, -1))
    >>> network.transform(ring.reshape(1, -1)).reshape(3, 4).astype(int)
    array([[-1,  1,  1,  1],
           [-1,  1,  1,  1],
           [-1,  1,  1,  1]])
    """

    def __init__(
        self,
        template: str | Template = "edge",
        shape: tuple[int, int] | None = None,
        step: float = 0.25,
        max_steps: int = 5000,
        tol: float = 1e-9,
    ) -> None:
        self.template = template
        self.shape = shape
        self.step = step
        self.max_steps = max_steps
        self.tol = tol

    def fit(self, X: Any, y: Any = None) -> Self:
        """Nothing is learnt from ``X`` but its number of columns, which has to be that of the grid's
        cells."""
        arrays.read(self, X, reset=True)
        if not isinstance(self.template, Template):
            parameters.one_of(self, "template", tuple(TEMPLATES))
        parameters.within(self, "step", low=0, high=1, open_low=True)
        parameters.whole(self, "max_steps")
        self.template_ = TEMPLATES[self.template] if isinstance(self.template, str) else self.template
        self.shape_ = tuple(self.shape or (1, self.n_features_in_))
        if len(self.shape_) != 2 or self.shape_[0] * self.shape_[1] != self.n_features_in_:
            raise ValueError(
                f"a grid of {self.shape_} has not as many cells as X has columns, {self.n_features_in_}"
            )
        return self

    def transform(self, X: Any) -> Any:
        """The settled outputs of every picture; shape (n_samples, n_features)."""
        return self._run(X, None)

    def steps(self, x: Any) -> Any:
        """The outputs of one picture ``x`` (n_features,) after every step; shape (steps + 1, rows,
        columns)."""
        path: list[Any] = []
        x = arrays.namespace(x).reshape(x, (1, -1)) if arrays.is_foreign(x) else np.reshape(x, (1, -1))
        self._run(x, path)
        return arrays.namespace(x).concat(path, axis=0)

    def neighbours(self, row: int, column: int) -> list[tuple[int, int]]:
        """The cells within the neighbourhood index r of a cell, itself among them."""
        check_is_fitted(self)
        rows, columns = self.shape_
        if not (0 <= row < rows and 0 <= column < columns):
            raise ValueError(f"there is no cell ({row}, {column}) in a grid of {rows} × {columns}")
        r = self.template_.radius
        return [
            (i, j)
            for i in range(max(0, row - r), min(rows, row + r + 1))
            for j in range(max(0, column - r), min(columns, column + r + 1))
        ]

    def _run(self, X: Any, path: list[Any] | None) -> Any:
        check_is_fitted(self)
        template = self.template_
        with arrays.double_precision(X):
            xp, X = arrays.read(self, X, reset=False)
            u = xp.reshape(X, (X.shape[0], *self.shape_))
            drive = self._neighbourhood(xp, template.control, u) + template.bias
            x = u if template.start is None else xp.full_like(u, template.start)
            y = xp.clip(x, -1.0, 1.0)
            if path is not None:
                path.append(y)
            for _ in range(self.max_steps):
                change = self.step * (drive + self._neighbourhood(xp, template.feedback, y) - x)
                x = x + change
                y = xp.clip(x, -1.0, 1.0)
                if path is not None:
                    path.append(y)
                if float(xp.max(xp.abs(change))) <= self.tol:
                    break
            return xp.reshape(y, X.shape)

    def _neighbourhood(self, xp: Any, table: Rows, cells: Any) -> Any:
        """Σ of a table's weights times the neighbours of every cell; ``cells`` are (pictures, rows,
        columns)."""
        r, (rows, columns) = len(table) // 2, self.shape_
        beyond = self.template_.boundary
        above = xp.full_like(cells[:, :1, :], beyond)
        padded = xp.concat([above] * r + [cells] + [above] * r, axis=1)
        beside = xp.full_like(padded[:, :, :1], beyond)
        padded = xp.concat([beside] * r + [padded] + [beside] * r, axis=2)
        total = xp.zeros_like(cells)
        for i, line in enumerate(table):
            for j, weight in enumerate(line):
                if weight:
                    total = total + weight * padded[:, i : i + rows, j : j + columns]
        return total
