"""R-CNN as a scikit-learn estimator."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils.validation import check_is_fitted

from crosstrain.classic.regions.warping import warped
from crosstrain.data.images.selective_search import selective_search
from crosstrain.detection.boxes import UNIT, clipped, decoded, encoded, iou
from crosstrain.detection.detections import Detections
from crosstrain.detection.suppression import Suppression, selected

Features = Callable[[np.ndarray], np.ndarray]
BACKGROUND, NEAR = 0.3, 0.6
"""A proposal that overlaps a class's objects by less is a negative of it; one that overlaps one by more
teaches the correction of boxes (sections 2.3 and C)."""
NEGATIVES = 60
"""Of a picture's proposals so many, drawn at random, are negatives before hard ones are looked for."""


@dataclass(frozen=True)
class _Regions:
    """Of a picture: boxes (n, 4), the true ones first, their ``features`` (n, d), and the true ``labels``."""

    boxes: np.ndarray
    features: np.ndarray
    labels: np.ndarray

    @property
    def truths(self) -> np.ndarray:
        return self.boxes[: len(self.labels)]


class RCNN(BaseEstimator):
    """R-CNN (Girshick, Donahue, Darrell and Malik 2014): selective search, a network's features of each
    region, a linear support vector machine for each class, and a correction of boxes by ridge regression.

    Positives of a class are its true boxes, negatives are proposals that overlap none of them by 0.3; a first
    classifier finds the hard negatives that the second learns too (section 2.3). Corrections are learnt from
    proposals that overlap an object by 0.6 (appendix C). Features are standardised first.

    Parameters
    ----------
    features : callable
        Gives of pictures, uint8 (n, height, width, 3), their features, (n, d): a network without its last
        layers.
    size : (int, int)
        Of the regions that ``features`` takes, height and width.
    context : int
        Pixels of these around a region.
    proposals : int
        Of selective search, at most, for each picture.
    penalty : float
        C of the support vector machines (the paper's is 0.001).
    ridge : float
        The weight of the squared norm in the regression (the paper's is 1000).
    overlap : float
        Of two detections of a class that overlap by more, the better one stays.
    random_state : int
        Of selective search's order, and of the negatives.

    Attributes
    ----------
    classes_ : ndarray
        The numbers of the classes.
    seconds_ : dict
        Of the last ``fit`` or ``predict``: ``proposals`` (selective search), ``features`` and ``decisions``.
    """

    def __init__(
        self,
        features: Features,
        size: tuple[int, int] = (32, 32),
        *,
        context: int = 2,
        proposals: int = 300,
        penalty: float = 0.001,
        ridge: float = 1000.0,
        overlap: float = 0.3,
        random_state: int = 0,
    ) -> None:
        self.features = features
        self.size = size
        self.context = context
        self.proposals = proposals
        self.penalty = penalty
        self.ridge = ridge
        self.overlap = overlap
        self.random_state = random_state

    def fit(self, X: Sequence[np.ndarray], y: Sequence[np.ndarray]) -> RCNN:
        """Learn from pictures, uint8 RGB (H, W, 3), and their boxes: for each (n, 5), ymin, xmin, ymax, xmax
        in pixels and the class. ``ValueError`` where they do not fit together."""
        if len(X) != len(y) or not len(X):
            raise ValueError(f"there are {len(X)} pictures and boxes of {len(y)}; give as many, at least one")
        truths = [np.asarray(rows, np.float64).reshape(-1, 5) for rows in y]
        labels = np.concatenate([rows[:, 4] for rows in truths])
        if not len(labels):
            raise ValueError("there is no box in any picture, so there is nothing to learn")
        self.classes_ = np.unique(labels).astype(int)
        self.seconds_ = dict.fromkeys(("proposals", "features", "decisions"), 0.0)
        pictures = [
            self._regions(picture, rows[:, :4], rows[:, 4].astype(int))
            for picture, rows in zip(X, truths, strict=True)
        ]
        started = time.perf_counter()
        self.scaler_ = StandardScaler().fit(np.concatenate([each.features for each in pictures]))
        scaled = [
            _Regions(each.boxes, self.scaler_.transform(each.features), each.labels) for each in pictures
        ]
        random = np.random.default_rng(self.random_state)
        self.classifiers_ = [self._classifier(scaled, number, random) for number in self.classes_]
        self.corrections_ = [self._correction(scaled, number) for number in self.classes_]
        self.seconds_["decisions"] = time.perf_counter() - started
        return self

    def predict(self, X: Sequence[np.ndarray]) -> list[Detections]:
        """The detections of each picture, uint8 RGB (H, W, 3). A score is the logistic function of the
        classifier's decision."""
        check_is_fitted(self, "classifiers_")
        self.seconds_ = dict.fromkeys(("proposals", "features", "decisions"), 0.0)
        return [self._detections(picture) for picture in X]

    def _detections(self, picture: np.ndarray) -> Detections:
        regions = self._regions(picture, np.zeros((0, 4)), np.zeros(0, int))
        started = time.perf_counter()
        count = int(self.classes_.max()) + 1
        boxes = np.repeat(regions.boxes[:, None], count, axis=1)
        scores = np.zeros((len(boxes), count))
        if len(boxes):
            features = self.scaler_.transform(regions.features)
            for number, classifier, correction in zip(
                self.classes_, self.classifiers_, self.corrections_, strict=True
            ):
                scores[:, number] = 1 / (1 + np.exp(-classifier.decision_function(features)))
                if correction is not None:
                    boxes[:, number] = decoded(correction.predict(features), regions.boxes, UNIT)
        rule = Suppression(least_score=0.05, overlap=self.overlap)
        result = selected(np.asarray(clipped(boxes, picture.shape[:2])), scores, rule)
        self.seconds_["decisions"] += time.perf_counter() - started
        return result

    def _regions(self, picture: np.ndarray, truths: np.ndarray, labels: np.ndarray) -> _Regions:
        """True boxes and proposals with their features."""
        started = time.perf_counter()
        proposed = selective_search(picture, self.proposals, seed=self.random_state)
        between = time.perf_counter()
        boxes = np.concatenate([truths, proposed]).astype(np.float64)
        features = np.asarray(self.features(warped(picture, boxes, self.size, self.context)), np.float64)
        if features.ndim != 2 or len(features) != len(boxes):
            raise ValueError(
                f"features gives an array of shape {features.shape} for {len(boxes)} regions; it must be "
                f"({len(boxes)}, numbers)"
            )
        self.seconds_["proposals"] += between - started
        self.seconds_["features"] += time.perf_counter() - between
        return _Regions(boxes, features, labels)

    def _classifier(
        self, pictures: Sequence[_Regions], number: int, random: np.random.Generator
    ) -> LinearSVC:
        """Of one class against all else, with one round of hard negatives."""
        positive = np.concatenate(
            [each.features[: len(each.labels)][each.labels == number] for each in pictures]
        )
        negatives = [self._negatives(each, number) for each in pictures]
        drawn = [rows[random.permutation(len(rows))[:NEGATIVES]] for rows in negatives]
        first = self._machine(positive, np.concatenate(drawn))
        hard = [rows[first.decision_function(rows) > -1] for rows in negatives if len(rows)]
        return self._machine(positive, np.concatenate([*drawn, *hard]))

    def _machine(self, positive: np.ndarray, negative: np.ndarray) -> LinearSVC:
        machine = LinearSVC(
            C=self.penalty, class_weight="balanced", dual=False, random_state=self.random_state
        )
        answers = np.repeat([1, 0], [len(positive), len(negative)])
        return machine.fit(np.concatenate([positive, negative]), answers)

    def _negatives(self, regions: _Regions, number: int) -> np.ndarray:
        own = regions.truths[regions.labels == number]
        proposals = slice(len(regions.labels), None)
        far = (
            iou(regions.boxes[proposals], own).max(axis=1) < BACKGROUND
            if len(own)
            else np.ones(len(regions.boxes) - len(regions.labels), bool)
        )
        return np.asarray(regions.features[proposals][far])

    def _correction(self, pictures: Sequence[_Regions], number: int) -> Any:
        """Ridge regression from features to codes; None where no proposal lies near an object of the
        class."""
        inputs, outputs = [], []
        for each in pictures:
            own = each.truths[each.labels == number]
            if not len(own):
                continue
            overlaps = iou(each.boxes, own)
            near = overlaps.max(axis=1) > NEAR
            inputs.append(each.features[near])
            outputs.append(encoded(own[overlaps.argmax(axis=1)[near]], each.boxes[near], UNIT))
        if not inputs or not sum(map(len, inputs)):
            return None
        return Ridge(alpha=self.ridge).fit(np.concatenate(inputs), np.concatenate(outputs))
