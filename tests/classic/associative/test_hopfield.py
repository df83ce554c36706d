"""Hopfield's discrete network: rules against their formulas, energies, capacity, recall."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as array_strategy

from crosstrain.classic import CapacityWarning, Hopfield, capacity_curve, theoretical_overlap


def random_patterns(patterns: int, units: int, seed: int = 0) -> np.ndarray:
    return np.where(np.random.default_rng(seed).random((patterns, units)) < 0.5, -1.0, 1.0)


def damage(patterns: np.ndarray, share: float, seed: int = 1) -> np.ndarray:
    return np.where(np.random.default_rng(seed).random(patterns.shape) < share, -patterns, patterns)


signs = array_strategy(
    float, st.tuples(st.integers(1, 6), st.integers(2, 40)), elements=st.sampled_from([-1.0, 1.0])
)


# -- rules ------------------------------------------------------------------------------------------
def test_hebb_s_weights_by_hand() -> None:
    weights = Hopfield().fit([[1, 1, -1, 1, -1, 1, 1, 1]]).weights_
    assert weights[0, 1] == 1 / 8
    assert weights[0, 2] == -1 / 8
    assert not np.diagonal(weights).any()


def test_storkey_s_rule_is_its_sum_over_units() -> None:
    patterns = random_patterns(4, 20)
    expected = np.zeros((20, 20))
    for x in patterns:
        old = expected.copy()
        for i in range(20):
            for j in range(20):
                if i != j:
                    h_ij = sum(old[i, k] * x[k] for k in range(20) if k not in (i, j))
                    h_ji = sum(old[j, k] * x[k] for k in range(20) if k not in (i, j))
                    expected[i, j] += (x[i] * x[j] - x[i] * h_ji - h_ij * x[j]) / 20
    np.testing.assert_allclose(Hopfield(rule="storkey").fit(patterns).weights_, expected, atol=1e-14)


def test_the_pseudo_inverse_holds_far_more_patterns_than_hebb_s_rule() -> None:
    patterns = random_patterns(60, 100)
    memory = Hopfield(rule="pseudo-inverse", random_state=0).fit(patterns)
    assert (memory.transform(patterns) == patterns).all()
    with pytest.warns(CapacityWarning):
        hebb = Hopfield(random_state=0).fit(patterns)
    assert (hebb.transform(patterns) != patterns).any()


@pytest.mark.parametrize("rule", ["hebb", "storkey", "pseudo-inverse"])
def test_patterns_stored_one_after_the_other_are_stored_as_all_at_once(rule: str) -> None:
    patterns = random_patterns(5, 60)
    at_once = Hopfield(rule=rule).fit(patterns)
    later = Hopfield(rule=rule)
    for start in (0, 2):
        later.partial_fit(patterns[start : start + 2 if start == 0 else 5])
    np.testing.assert_allclose(later.weights_, at_once.weights_, atol=1e-12)
    assert (later.patterns_ == patterns).all()


# -- recall -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("update", ["asynchronous", "synchronous"])
def test_damaged_patterns_are_recalled(update: str) -> None:
    patterns = random_patterns(8, 200)
    memory = Hopfield(update=update, random_state=0).fit(patterns)
    assert (memory.transform(damage(patterns, 0.15)) == patterns).all()
    assert memory.identify(damage(patterns, 0.15)).tolist() == list(range(8))


def test_the_rows_of_a_call_do_not_disturb_each_other() -> None:
    patterns = random_patterns(10, 100)
    memory = Hopfield(random_state=3).fit(patterns)
    damaged = damage(patterns, 0.3)
    alone = np.vstack([memory.transform(row[None]) for row in damaged])
    assert (memory.transform(damaged) == alone).all()


def test_asynchronous_updates_are_those_of_one_unit_after_the_other() -> None:
    """More units than a block has, so that corrections inside and between blocks count."""
    patterns = random_patterns(9, 70)
    memory = Hopfield(random_state=5).fit(patterns)
    state = damage(patterns, 0.3)[0].copy()
    steps = memory.recall_steps(state)
    random = np.random.RandomState(5)
    path = [state.copy()]
    for _ in range(100):
        before = state.copy()
        for unit in random.permutation(70):
            field = memory.weights_[unit] @ state
            new = state[unit] if abs(field) < 1e-12 else np.sign(field)
            if new != state[unit]:
                state[unit] = new
                path.append(state.copy())
        if (state == before).all():
            break
    assert (steps.states == np.array(path)).all()
    assert steps.converged


@given(signs, st.integers(0, 2**31 - 1), st.sampled_from(["hebb", "storkey", "pseudo-inverse"]))
@settings(max_examples=60)
@pytest.mark.filterwarnings("ignore::crosstrain.classic.CapacityWarning")
def test_energy_never_rises_in_asynchronous_updates(patterns: np.ndarray, seed: int, rule: str) -> None:
    memory = Hopfield(rule=rule, random_state=seed).fit(patterns)
    start = np.where(np.random.default_rng(seed).random(patterns.shape[1]) < 0.5, -1.0, 1.0)
    recall = memory.recall_steps(start)
    slack = 1e-9 * max(1.0, np.abs(recall.energies).max())
    assert (np.diff(recall.energies) <= slack).all()
    assert recall.converged
    assert (recall.states[-1] == memory.transform(start[None])[0]).all()
    assert ((recall.states[1:] != recall.states[:-1]).sum(axis=1) == 1).all()


def test_synchronous_updates_may_end_in_a_cycle_of_two() -> None:
    memory = Hopfield(update="synchronous", max_sweeps=7)
    with pytest.warns(CapacityWarning):
        memory.fit([[1, 1]])  # each unit takes the other's state
    recall = memory.recall_steps([1, -1])
    assert not recall.converged
    assert recall.states[:4].tolist() == [[1, -1], [-1, 1], [1, -1], [-1, 1]]


# -- capacity ---------------------------------------------------------------------------------------
def test_the_theory_s_critical_load() -> None:
    """Amit, Gutfreund and Sompolinsky 1985: 0.138, where m is 0.967."""
    assert theoretical_overlap(0.1375) == pytest.approx(0.97, abs=0.005)
    assert theoretical_overlap(0.1385) == 0
    assert theoretical_overlap(0.05) > 0.999


def test_measured_overlaps_are_the_theory_s_below_the_critical_load() -> None:
    curve = capacity_curve(600, (0.06, 0.1, 0.25), probes=10, trials=1, random_state=0)
    for load, overlap in zip(curve.loads[:2], curve.overlaps[:2], strict=True):
        assert overlap == pytest.approx(theoretical_overlap(load), abs=0.01)
    assert curve.overlaps[2] < 0.7
    assert 0.1 < curve.critical_load < 0.25


# -- bad input --------------------------------------------------------------------------------------
def test_patterns_of_other_values_are_refused() -> None:
    with pytest.raises(ValueError, match=r"X must hold -1 and 1 only, not 0; set binarize"):
        Hopfield().fit([[0, 1, 1]])
    with pytest.raises(ValueError, match="NaN"):
        Hopfield().fit([[1, np.nan]])


def test_more_patterns_than_the_capacity_are_a_warning() -> None:
    with pytest.warns(CapacityWarning, match=r"15 patterns are more than 100 units hold with the rule hebb"):
        Hopfield().fit(random_patterns(15, 100))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"rule": "oja"}, "rule must be one of 'hebb', 'pseudo-inverse', 'storkey', not 'oja'"),
        ({"update": "now"}, "update must be one of 'asynchronous', 'synchronous', not 'now'"),
        ({"max_sweeps": 0}, "max_sweeps must be a whole number of at least 1, not 0"),
    ],
)
def test_settings_that_do_not_exist(settings: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Hopfield(**settings).fit([[1, -1]])
