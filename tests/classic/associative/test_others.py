"""The binary, continuous, modern and dense memories, pairs, and cellular networks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.special import logsumexp, softmax

from crosstrain.classic import (
    BidirectionalAssociativeMemory,
    BinaryHopfield,
    CellularNetwork,
    ContinuousHopfield,
    DenseAssociativeMemory,
    ModernHopfield,
    Template,
)


def random_patterns(patterns: int, units: int, seed: int = 0) -> np.ndarray:
    return np.where(np.random.default_rng(seed).random((patterns, units)) < 0.5, -1.0, 1.0)


# -- binary -----------------------------------------------------------------------------------------
def test_a_unit_is_1_just_above_its_threshold() -> None:
    """Two units that excite each other with weight 1."""
    at, below = BinaryHopfield(1.0).fit([[1, 1]]), BinaryHopfield(0.99).fit([[1, 1]])
    assert at.transform([[1, 1]]).tolist() == [[0, 0]]
    assert below.transform([[1, 1]]).tolist() == [[1, 1]]


@given(st.integers(0, 10_000), st.floats(-3, 3))
@settings(max_examples=30)
def test_the_binary_model_never_raises_its_energy(seed: int, threshold: float) -> None:
    bits = (random_patterns(4, 30, seed) + 1) / 2
    memory = BinaryHopfield(threshold, random_state=seed).fit(bits[:3])
    settled = memory.transform(bits[3:])
    assert memory.energy(settled)[0] <= memory.energy(bits[3:])[0] + 1e-9
    assert (memory.transform(settled) == settled).all()


def test_a_threshold_for_each_unit_has_to_fit() -> None:
    with pytest.raises(ValueError, match="one number or one for each of 3 units"):
        BinaryHopfield([0.0, 1.0]).fit([[1, 0, 1]])


# -- continuous -------------------------------------------------------------------------------------
def test_the_continuous_network_rests_where_its_equation_is_0() -> None:
    memory = ContinuousHopfield(gain=3.0, tol=1e-12, max_steps=5000).fit(random_patterns(3, 60))
    v = memory.transform(0.3 * random_patterns(2, 60, 1))
    np.testing.assert_allclose(v, np.tanh(3.0 * v @ memory.weights_), atol=1e-8)


def test_the_continuous_energy_falls_along_the_way() -> None:
    start = 0.5 * random_patterns(1, 60, 2)
    path = [start]
    for steps in range(1, 60):
        memory = ContinuousHopfield(max_steps=steps, step=0.05).fit(random_patterns(3, 60))
        path.append(memory.transform(start))
    energies = [memory.energy(v)[0] for v in path]
    assert (np.diff(energies) <= 1e-9).all()


# -- modern, dense ----------------------------------------------------------------------------------
def test_one_modern_update_is_attention() -> None:
    random = np.random.default_rng(0)
    keys, queries = random.normal(size=(7, 5)), random.normal(size=(3, 5))
    memory = ModernHopfield(beta=0.7, max_steps=1).fit(keys)
    np.testing.assert_allclose(memory.transform(queries), softmax(0.7 * queries @ keys.T, axis=1) @ keys)
    np.testing.assert_allclose(memory.association(queries).sum(axis=1), 1.0)


@given(st.integers(0, 10_000), st.floats(0.1, 30.0))
@settings(max_examples=30)
def test_modern_updates_lower_their_energy(seed: int, beta: float) -> None:
    random = np.random.default_rng(seed)
    keys, query = random.normal(size=(6, 4)), random.normal(size=(1, 4))
    memory = ModernHopfield(beta, max_steps=1).fit(keys)
    expected = (
        -logsumexp(beta * keys @ query[0]) / beta
        + 0.5 * query @ query.T + np.log(6) / beta + 0.5 * (keys**2).sum(axis=1).max()
    )  # fmt: skip
    assert memory.energy(query)[0] == pytest.approx(expected.item())
    assert memory.energy(memory.transform(query))[0] <= memory.energy(query)[0] + 1e-9


def test_modern_and_dense_memories_hold_more_patterns_than_they_have_units() -> None:
    patterns = random_patterns(300, 64)
    damaged = np.where(np.random.default_rng(1).random(patterns.shape) < 0.08, -patterns, patterns)
    dense = DenseAssociativeMemory(degree=8, random_state=0).fit(patterns)
    assert (dense.transform(damaged) == patterns).mean() > 0.99
    np.testing.assert_allclose(ModernHopfield(1.0).fit(patterns).transform(damaged), patterns, atol=1e-3)


def test_dense_updates_lower_their_energy_and_are_those_of_single_units() -> None:
    patterns = random_patterns(12, 20)
    memory = DenseAssociativeMemory(degree=3, max_sweeps=1, random_state=4).fit(patterns)
    start = random_patterns(1, 20, 9)
    state = start[0].copy()
    for unit in np.random.RandomState(4).permutation(20):
        up, down = state.copy(), state.copy()
        up[unit], down[unit] = 1, -1
        energies = memory.energy([up, down])
        state = (up if energies[0] < energies[1] else down) if energies[0] != energies[1] else state
    assert (memory.transform(start)[0] == state).all()
    assert memory.energy(state[None])[0] <= memory.energy(start)[0]


# -- pairs ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("rule", ["hebb", "pseudo-inverse"])
def test_pairs_recall_each_other(rule: str) -> None:
    names, faces = random_patterns(4, 120), random_patterns(4, 80, 1)
    memory = BidirectionalAssociativeMemory(rule).fit(names, faces)
    damaged = names.copy()
    damaged[:, :10] *= -1
    assert (memory.predict(damaged) == faces).all()
    first, second = memory.recall(damaged)
    assert (first == names).all()
    assert (memory.energy(first, second) <= memory.energy(damaged, faces)).all()


def test_kosko_s_weights_are_outer_products() -> None:
    x, y = random_patterns(3, 6), random_patterns(3, 4, 1)
    expected = sum(np.outer(a, b) for a, b in zip(x, y, strict=True))
    assert (BidirectionalAssociativeMemory().fit(x, y).weights_ == expected).all()


def test_pairs_of_other_values_are_refused() -> None:
    with pytest.raises(ValueError, match="y must hold -1 and 1 only, not 2"):
        BidirectionalAssociativeMemory().fit([[1, -1]], [[2, 1]])


# -- cellular ---------------------------------------------------------------------------------------
def pictures(count: int = 6, shape: tuple[int, int] = (12, 14), seed: int = 0) -> np.ndarray:
    """Blots, black (True) on white, with holes."""
    noise = np.random.default_rng(seed).normal(size=(count, *shape))
    return ndimage.gaussian_filter(noise, (0, 0.8, 0.8)) > -0.1


def through(template: str, black: np.ndarray) -> np.ndarray:
    shape = black.shape[1:]
    network = CellularNetwork(template, shape=shape)
    flat = np.where(black, 1.0, -1.0).reshape(len(black), -1)
    result = network.fit_transform(flat)
    np.testing.assert_allclose(np.abs(result), 1.0)  # every cell decides
    return (result > 0).reshape(black.shape)


def test_holes_are_filled_as_scipy_fills_them() -> None:
    black = pictures()
    expected = np.array([ndimage.binary_fill_holes(each) for each in black])
    assert (expected != black).any()
    assert (through("hole-filling", black) == expected).all()


def test_edges_are_black_cells_that_touch_white() -> None:
    black = pictures()
    inside = np.array([ndimage.binary_erosion(each, np.ones((3, 3))) for each in black])
    assert (through("edge", black) == (black & ~inside)).all()


def test_noise_of_single_cells_is_removed() -> None:
    clean = np.zeros((1, 16, 16), bool)
    clean[:, 4:12, 4:12] = True
    noisy = clean.copy()
    noisy[0, [1, 7, 14], [2, 7, 9]] ^= True
    assert (through("noise-removal", noisy) == clean).all()


def test_neighbours_and_steps() -> None:
    network = CellularNetwork(shape=(4, 5)).fit(np.zeros((1, 20)))
    assert network.neighbours(0, 0) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert len(network.neighbours(2, 2)) == 9
    x = np.where(pictures(1, (4, 5))[0], 1.0, -1.0).ravel()
    steps = network.steps(x)
    assert steps.shape[1:] == (4, 5)
    assert (steps[-1].ravel() == network.transform(x[None])[0]).all()


def test_a_template_of_one_s_own_reaches_as_far_as_its_index() -> None:
    """A cell that copies the input two columns to its right."""
    control = np.zeros((5, 5))
    control[2, 4] = 1.0
    template = Template(tuple(map(tuple, np.zeros((5, 5)))), tuple(map(tuple, control)), start=0.0)
    assert template.radius == 2
    result = CellularNetwork(template, shape=(1, 4)).fit_transform([[0.1, 0.2, 0.3, 0.4]])
    np.testing.assert_allclose(result, [[0.3, 0.4, 0.0, 0.0]], atol=1e-6)


def test_what_is_wrong_with_a_grid_is_said() -> None:
    with pytest.raises(ValueError, match=r"a grid of \(3, 3\) has not as many cells"):
        CellularNetwork(shape=(3, 3)).fit(np.zeros((1, 8)))
    with pytest.raises(
        ValueError, match="template must be one of 'edge', 'hole-filling', 'noise-removal', not 'blur'"
    ):
        CellularNetwork("blur").fit(np.zeros((1, 8)))
    with pytest.raises(ValueError, match="square tables of the same odd size"):
        Template(((0, 0), (0, 0)), ((0, 0), (0, 0)))
