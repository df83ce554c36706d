"""ART1 and fuzzy ART against the published search, and stable learning."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.datasets import make_blobs
from sklearn.metrics import homogeneity_score

from crosstrain.classic import ART1, FuzzyART

PATTERNS = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 12), st.just(6)), elements=st.sampled_from([0.0, 1.0])
)


def by_search(X: np.ndarray, vigilance: float) -> list[np.ndarray]:
    """Carpenter and Grossberg's search with resets, L = 2, one pass."""
    templates: list[np.ndarray] = []
    for x in X:
        choices = [2 * (x * t).sum() / (1 + t.sum()) for t in templates]
        for k in sorted(range(len(templates)), key=lambda k: (-choices[k], k)):
            if (x * templates[k]).sum() >= vigilance * x.sum() - 1e-12:
                templates[k] = x * templates[k]
                break
        else:
            templates.append(x.copy())
    return templates


@settings(max_examples=60, deadline=None)
@given(PATTERNS, st.sampled_from([0.3, 0.5, 0.8]))
def test_the_search_with_resets_ends_the_same(X: np.ndarray, vigilance: float) -> None:
    X = X[X.any(axis=1)]
    if not len(X):
        return
    templates = ART1(vigilance, binarize=None, max_iter=1).fit(X).templates_
    np.testing.assert_array_equal(templates, by_search(X, vigilance))


@settings(max_examples=60, deadline=None)
@given(PATTERNS, st.floats(0, 1))
def test_learning_is_stable(X: np.ndarray, vigilance: float) -> None:
    """It ends, every pattern then has a category, and its template shares enough of the pattern."""
    net = ART1(vigilance, binarize=None).fit(X)
    assert net.n_iter_ < net.max_iter
    assert (net.labels_ >= 0).all()
    shared = (X * net.templates_[net.labels_]).sum(axis=1)
    assert (shared >= vigilance * X.sum(axis=1) - 1e-9).all()
    np.testing.assert_array_equal(net.predict(X), net.labels_)


def test_more_vigilance_more_categories() -> None:
    X = (np.random.default_rng(0).uniform(size=(60, 20)) > 0.5).astype(float)
    numbers = [len(ART1(each, binarize=None).fit(X).templates_) for each in (0.1, 0.5, 0.9)]
    assert numbers == sorted(numbers)
    assert numbers[0] < numbers[2]
    assert len(ART1(0.9, binarize=None, max_categories=3).fit(X).templates_) == 3
    assert -1 in ART1(0.9, binarize=None, max_categories=3).fit(X).labels_


def test_patterns_that_are_not_binary() -> None:
    with pytest.raises(ValueError, match=r"the patterns must be 0 and 1; binarize=0.5 makes them so"):
        ART1(binarize=None).fit([[0.0, 2.0]])


def test_fuzzy_art_s_first_step() -> None:
    """Of two points in the unit square the box is their hull: w = x₁ ∧ x₂, complement coded."""
    X = np.array([[0.2, 0.5], [0.3, 0.4], [0.0, 0.0], [1.0, 1.0]])
    net = FuzzyART(0.75, max_iter=1).fit(X)
    np.testing.assert_allclose(net.weights_[0], [0.2, 0.4, 1 - 0.3, 1 - 0.5])
    assert net.labels_.tolist()[:2] == [0, 0]


def test_fuzzy_art_s_boxes_are_no_larger_than_vigilance_lets_them() -> None:
    X, y = make_blobs(200, centers=[[0, 0], [9, 0], [0, 9]], random_state=0)
    net = FuzzyART(0.75).fit(X)
    assert homogeneity_score(y, net.labels_) > 0.95  # no box over two clusters
    sizes = 2 - net.weights_.sum(axis=1)
    assert (sizes <= 2 * (1 - 0.75) + 1e-9).all()
