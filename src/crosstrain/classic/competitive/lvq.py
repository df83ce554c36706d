"""Learning vector quantisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from crosstrain.classic import parameters
from crosstrain.classic.arrays import Array, in_double_precision, like, onto, read, to_numpy
from crosstrain.classic.distances import nearest
from crosstrain.classic.targets import labels_like, read_labels


class LVQ(ClassifierMixin, BaseEstimator):
    """Prototypes with labels that move towards samples of their class and away from others.

    T. Kohonen (1986), *Learning vector quantization for pattern recognition* (version 1); T. Kohonen (1990),
    *Improved versions of learning vector quantization* (2.1 and 3); A. Sato and K. Yamada (1996),
    *Generalized learning vector quantization*.

    Parameters
    ----------
    version : {"1", "2.1", "3", "generalised"}
        1: the nearest prototype moves. 2.1: the two nearest, if one is right, one wrong and the sample
        lies in the window between them. 3: also both, a little, if both are right. Generalised: the
        nearest right one and the nearest wrong one, such that a smooth count of errors falls.
    prototypes_per_class : int or sequence of int
        One number for all classes, or one for each, in the order of ``classes_``.
    learning_rate : float
    decay : {"linear", "constant"}
        ``"linear"``: the rate goes to 0 over ``max_iter`` passes.
    window : float
        The relative width of 2.1's and 3's window.
    epsilon : float
        3's part of the rate where both prototypes are right.
    init : None or array of shape (n_prototypes, n_features)
        The first prototypes, those of the first class first; None takes samples of the class.
    max_iter : int
        Passes over the data.
    shuffle : bool
    random_state : int, RandomState or None

    Attributes
    ----------
    prototypes_ : array of shape (n_prototypes, n_features)
    prototype_classes_ : ndarray of shape (n_prototypes,)
        The label of each prototype.
    classes_ : ndarray of shape (n_classes,)
    loss_curve_ : list of float
        The part of the training samples with a wrong label, after each pass.
    n_iter_ : int
    n_features_in_ : int

    Notes
    -----
    The generalised version's step is the paper's times the sum of both squared distances: the same
    direction, but a learning rate that means the same for data of any scale.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from crosstrain.classic import LVQ
    >>> X, y = load_iris(return_X_y=True)
    >>> LVQ("generalised", prototypes_per_class=2, random_state=0).fit(X, y).score(X, y) > 0.9
    True
    """

    def __init__(
        self,
        version: str = "1",
        *,
        prototypes_per_class: int | Sequence[int] = 2,
        learning_rate: float = 0.1,
        decay: str = "linear",
        window: float = 0.3,
        epsilon: float = 0.2,
        init: Array | None = None,
        max_iter: int = 50,
        shuffle: bool = True,
        random_state: Any = None,
    ) -> None:
        self.version = version
        self.prototypes_per_class = prototypes_per_class
        self.learning_rate = learning_rate
        self.decay = decay
        self.window = window
        self.epsilon = epsilon
        self.init = init
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state

    def _check(self) -> None:
        parameters.one_of(self, "version", RULES)
        parameters.one_of(self, "decay", ("linear", "constant"))
        parameters.whole(self, "max_iter")
        parameters.within(self, "learning_rate", low=0, high=1, open_low=True)
        parameters.within(self, "window", "epsilon", low=0, high=1)

    @in_double_precision
    def fit(self, X: Array, y: Any) -> Self:
        """Trains on ``X`` (n_samples, n_features) with the labels ``y`` (n_samples,)."""
        self._check()
        _, X = read(self, X, reset=True)
        self.classes_, classes = read_labels(self, X, y)
        if len(self.classes_) < 2:
            raise ValueError(
                f"LVQ needs samples of at least 2 classes; there is one class: {self.classes_[0]!r}"
            )
        random = check_random_state(self.random_state)
        data = np.ascontiguousarray(to_numpy(X))
        prototypes, owners = self._first(data, classes, random)
        self.prototype_classes_ = self.classes_[owners]
        self.loss_curve_: list[float] = []
        for number in range(self.max_iter):
            order = random.permutation(len(data)) if self.shuffle else np.arange(len(data))
            left = 1 - number / self.max_iter if self.decay == "linear" else 1.0
            self._one_pass(prototypes, owners, data[order], classes[order], left * self.learning_rate)
            wrong = owners[nearest(np, data, prototypes)[0]] != classes
            self.loss_curve_.append(float(wrong.mean()))
        self.n_iter_ = self.max_iter
        self.prototypes_ = like(prototypes, X)
        return self

    @in_double_precision
    def partial_fit(self, X: Array, y: Any, classes: Any = None) -> Self:
        """One pass over ``X``, in its order, at the full learning rate. The first call needs ``classes``,
        all labels there are, if its ``y`` lacks some; and samples of each unless there is ``init``."""
        self._check()
        first = not hasattr(self, "prototypes_")
        _, X = read(self, X, reset=first)
        seen, indices = read_labels(self, X, y)
        data = np.ascontiguousarray(to_numpy(X))
        if first:
            self.classes_ = seen if classes is None else np.unique(to_numpy(classes))
            self.n_iter_ = 0
        strange = np.setdiff1d(seen, self.classes_)
        if len(strange):
            raise ValueError(
                f"LVQ: the labels {strange.tolist()} are not among classes, {self.classes_.tolist()}"
            )
        labels = np.searchsorted(self.classes_, seen)[indices]
        if first:
            prototypes, owners = self._first(data, labels, check_random_state(self.random_state))
            self.prototype_classes_ = self.classes_[owners]
        else:
            prototypes = np.array(to_numpy(self.prototypes_))
            owners = np.searchsorted(self.classes_, self.prototype_classes_)
        self._one_pass(prototypes, owners, data, labels, self.learning_rate)
        self.n_iter_ += 1
        self.prototypes_ = like(prototypes, X)
        return self

    def _one_pass(
        self, prototypes: np.ndarray, owners: np.ndarray, data: np.ndarray, classes: np.ndarray, rate: float
    ) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            RULES[self.version](self, prototypes, owners, data, classes, rate)
            squares = np.einsum("ij,ij->i", prototypes, prototypes)
        if not np.isfinite(squares).all():  # no distance to them is a number any more
            raise ValueError(
                "LVQ: the prototypes ran away to infinity; a smaller learning_rate, or version='1' or "
                "'generalised', keeps them"
            )

    def _sizes(self) -> np.ndarray:
        sizes = np.asarray(self.prototypes_per_class)
        if sizes.ndim == 0:
            sizes = np.broadcast_to(sizes, self.classes_.shape)
        if sizes.shape != self.classes_.shape or sizes.dtype.kind not in "iu" or (sizes < 1).any():
            raise ValueError(
                "LVQ: prototypes_per_class must be a whole number of at least 1, or one for each of the "
                f"{len(self.classes_)} classes, not {self.prototypes_per_class!r}"
            )
        return sizes

    def _first(
        self, data: np.ndarray, classes: np.ndarray, random: np.random.RandomState
    ) -> tuple[np.ndarray, np.ndarray]:
        """The first prototypes, and the class of each."""
        owners = np.repeat(np.arange(len(self.classes_)), self._sizes())
        shape = (len(owners), data.shape[1])
        if self.init is not None:
            prototypes = np.array(to_numpy(self.init), dtype=np.float64)
            if prototypes.shape != shape:
                raise ValueError(f"LVQ: init must have the shape {shape}, not {prototypes.shape}")
            return prototypes, owners
        prototypes = np.empty(shape)
        for index, label in enumerate(self.classes_):
            members, mine = np.flatnonzero(classes == index), np.flatnonzero(owners == index)
            if not len(members):
                raise ValueError(f"LVQ: without init each class needs a sample; {label!r} has none")
            prototypes[mine] = data[random.choice(members, len(mine), replace=len(members) < len(mine))]
        return prototypes, owners

    @in_double_precision
    def predict(self, X: Array) -> Array:
        """The label of the nearest prototype, (n_samples,)."""
        check_is_fitted(self)
        xp, X = read(self, X, reset=False)
        winners = to_numpy(nearest(xp, X, onto(self.prototypes_, X))[0])
        return labels_like(self.prototype_classes_, winners, X)


Rule = Callable[[LVQ, np.ndarray, np.ndarray, np.ndarray, np.ndarray, float], None]
"""One pass: the estimator, prototypes (changed), the class of each, samples, the class of each, the rate."""


def _first_version(
    net: LVQ, prototypes: np.ndarray, owners: np.ndarray, data: np.ndarray, classes: np.ndarray, rate: float
) -> None:
    difference, squares = np.empty_like(prototypes), np.empty_like(prototypes)
    squared, ones = np.empty(len(prototypes)), np.ones(prototypes.shape[1])
    rows, gaps, owner = list(prototypes), list(difference), owners.tolist()
    subtract, multiply, dot, argmin = np.subtract, np.multiply, np.dot, squared.argmin
    for x, right in zip(data, classes.tolist(), strict=True):
        subtract(x, prototypes, difference)
        multiply(difference, difference, squares)
        dot(squares, ones, squared)
        winner = argmin()
        gap = gaps[winner]
        gap *= rate if owner[winner] == right else -rate
        rows[winner] += gap


def _window(
    net: LVQ, prototypes: np.ndarray, owners: np.ndarray, data: np.ndarray, classes: np.ndarray, rate: float
) -> None:
    """Versions 2.1 and 3."""
    least = ((1 - net.window) / (1 + net.window)) ** 2  # of squared distances
    both = rate * net.epsilon if net.version == "3" else 0.0
    for x, right in zip(data, classes.tolist(), strict=True):
        difference = x - prototypes
        squared = np.einsum("ij,ij->i", difference, difference)
        first = int(squared.argmin())
        near = float(squared[first])
        squared[first] = np.inf
        second = int(squared.argmin())
        hit, other = owners[first] == right, owners[second] == right
        if hit and other and both:
            prototypes[first] += both * difference[first]
            prototypes[second] += both * difference[second]
        elif hit != other and near > least * float(squared[second]):
            prototypes[first] += (rate if hit else -rate) * difference[first]
            prototypes[second] += (rate if other else -rate) * difference[second]


def _generalised(
    net: LVQ, prototypes: np.ndarray, owners: np.ndarray, data: np.ndarray, classes: np.ndarray, rate: float
) -> None:
    far = np.where(owners[None] == np.arange(len(net.classes_))[:, None], 0.0, np.inf)
    alien = np.where(far == 0, np.inf, 0.0)
    for x, label in zip(data, classes.tolist(), strict=True):
        difference = x - prototypes
        squared = np.einsum("ij,ij->i", difference, difference)
        right, wrong = int((squared + far[label]).argmin()), int((squared + alien[label]).argmin())
        near, away = float(squared[right]), float(squared[wrong])
        total = near + away
        if total == 0:
            continue
        risk = 1 / (1 + np.exp((away - near) / total))
        step = 4 * rate * risk * (1 - risk)  # the sigmoid's slope, 1 at the border
        prototypes[right] += step * (away / total) * difference[right]
        prototypes[wrong] -= step * (near / total) * difference[wrong]


RULES: dict[str, Rule] = {
    "1": _first_version,
    "2.1": _window,
    "3": _window,
    "generalised": _generalised,
}
