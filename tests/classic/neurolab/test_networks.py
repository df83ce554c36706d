"""Networks, trainers and tools, beyond NeuroLab's numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime

import crosstrain.classic.neurolab as nl
from crosstrain.classic.neurolab import columns

LINE = np.linspace(-7, 7, 20).reshape(-1, 1)
CURVE = np.sin(LINE) * 0.5


class Cube:
    """A user's transfer function, for vectors only."""

    out_minmax = (-1, 1)
    inp_active = (-1, 1)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        assert x.ndim == 1
        return np.tanh(x**3)

    def deriv(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        assert x.ndim == 1
        return (1 - y**2) * 3 * x**2


class Huber:
    """A user's error function, for vectors only."""

    def __call__(self, target: np.ndarray, output: np.ndarray) -> float:
        return float(np.log(np.cosh(target - output)).sum())

    def deriv(self, target: np.ndarray, output: np.ndarray) -> np.ndarray:
        assert target.ndim == 1
        return np.tanh(target - output)


def network(size: list[int] | None = None, **options: Any) -> Any:
    np.random.seed(1)
    return nl.net.newff([[-7, 7]], size or [5, 1], **options)


@pytest.mark.parametrize("errorf", [nl.error.SSE(), Huber()])
@pytest.mark.parametrize(
    "transf", [nl.trans.LogSig(), nl.trans.TanSig(), nl.trans.SatLinPrm(2, -1, 1), Cube()]
)
def test_the_gradient_is_that_of_the_error(transf: Any, errorf: Any) -> None:
    net = network([4, 1], transf=[transf, nl.trans.PureLin()])
    net.errorf = errorf
    start = nl.tool.np_get(net)

    def error(x: np.ndarray) -> float:
        nl.tool.np_set(net, x)
        return float(net.errorf(CURVE, net.sim(LINE)))

    numeric = approx_fprime(start, error, 1e-7)
    nl.tool.np_set(net, start)
    np.testing.assert_allclose(nl.tool.ff_grad(net, LINE, CURVE)[1], numeric, atol=2e-5)


@pytest.mark.parametrize("errorf", [nl.error.MSE(), nl.error.SSE()])
@pytest.mark.parametrize("rule", ["bfgs", "cg", "ncg"])
def test_scipy_s_rules_go_down(rule: str, errorf: Any) -> None:
    net = network()
    net.trainf, net.errorf = getattr(nl.train, "train_" + rule), errorf
    errors = net.train(LINE, CURVE, epochs=10, show=0, disp=0, goal=1e-6)
    assert 1 < len(errors) <= 10
    assert errors[-1] < errors[0]
    assert np.all(np.diff(errors) <= 1e-9)


@pytest.mark.parametrize("errorf", [nl.error.MAE(), nl.error.SAE()])
@pytest.mark.parametrize("rule", ["bfgs", "cg", "ncg"])
def test_errors_with_kinks_go_down(rule: str, errorf: Any) -> None:
    """Line searches may end training early there, at weights that depend on SciPy's release."""
    np.random.seed(2)
    net = nl.net.newff([[-7, 7]], [5, 1])
    net.trainf, net.errorf = getattr(nl.train, "train_" + rule), errorf
    errors = net.train(LINE, CURVE, epochs=9, show=0, disp=0, goal=1e-6)
    assert errors[-1] < 0.6 * errors[0]
    assert np.all(np.diff(errors) <= 1e-9)
    assert net.errorf(CURVE, net.sim(LINE)) <= errors[-1] + 1e-9


@pytest.mark.parametrize("errorf", [nl.error.MSE(), nl.error.SSE(), nl.error.MAE(), nl.error.SAE()])
def test_scipy_s_rules_get_the_gradient_of_their_loss(errorf: Any) -> None:
    net = network()
    net.errorf = errorf
    train = nl.train.spo.TrainCG(net, LINE, CURVE, rr=0.1)
    weights = train.backpropagation.x.copy()
    numeric = approx_fprime(weights, train.loss, 1e-7)
    np.testing.assert_allclose(train.gradient(weights), numeric, atol=2e-5)


def test_bfgs_reaches_its_goal(capsys: pytest.CaptureFixture[str]) -> None:
    net = network()
    errors = net.train(LINE, CURVE, show=2, goal=0.02)
    assert errors[-1] < 0.02 <= errors[-2]
    assert net.errorf(CURVE, net.sim(LINE)) == pytest.approx(errors[-1], abs=1e-12)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == f"Epoch: 2; Error: {errors[1]};"
    assert printed[-1] == "The goal of learning is reached"


def test_a_goal_that_is_never_reached_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    net = network()
    net.trainf = nl.train.train_gd
    assert len(net.train(LINE, CURVE, epochs=3, show=1, goal=0)) == 3
    assert capsys.readouterr().out.splitlines()[-1] == "The maximum number of train epochs is reached"


@pytest.mark.parametrize("rule", ["gdx", "gd", "bfgs"])
def test_regularisation_keeps_weights_small(rule: str) -> None:
    sizes = []
    for rr in (0.0, 0.5):
        net = network()
        net.trainf = getattr(nl.train, "train_" + rule)
        net.train(LINE, CURVE, epochs=60, show=0, goal=-1, rr=rr)
        sizes.append(float(np.linalg.norm(nl.tool.np_get(net))))
    assert sizes[1] < 0.8 * sizes[0]


@settings(max_examples=10)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 7), st.integers(0, 10**6))
def test_sim_is_step_for_every_row(inputs: int, units: int, samples: int, seed: int) -> None:
    np.random.seed(seed)
    data = np.random.uniform(-1, 1, (samples, inputs))
    ranges = [[-1, 1]] * inputs
    for net in (
        nl.net.newff(ranges, [units, 2]),
        nl.net.newp(ranges, units),
        nl.net.newc(ranges, units),
        nl.net.newhem(np.sign(np.random.uniform(-1, 1, (units, inputs)))),
        nl.net.newhop(np.sign(np.random.uniform(-1, 1, (units, inputs)))),
    ):
        whole = net.sim(data)
        last = [(layer.out.copy(), layer.inp.copy()) for layer in net.layers]
        np.testing.assert_allclose(whole, [net.step(row) for row in data], atol=1e-12)
        for layer, (out, inp) in zip(net.layers, last, strict=True):
            np.testing.assert_allclose(layer.out, out, atol=1e-12)
            np.testing.assert_allclose(layer.inp, inp, atol=1e-12)


@settings(max_examples=10)
@given(st.integers(2, 6), st.integers(1, 3), st.integers(0, 10**6))
def test_lvq_moves_only_winners(units: int, inputs: int, seed: int) -> None:
    np.random.seed(seed)
    net = nl.net.newlvq([[0, 1]] * inputs, units + 1, [0.5, 0.5])
    layer = net.layers[0]
    layer.np["w"][:] = np.random.uniform(0, 1, layer.np["w"].shape)
    before = layer.np["w"].copy()
    sample = np.random.uniform(0, 1, (1, inputs))
    winner = net.layers[0].batch(sample).argmax()
    net.train(sample, [[1, 0]], epochs=2, goal=-1, show=0, lr=0.3)
    moved = np.flatnonzero((layer.np["w"] != before).any(axis=1))
    assert moved.tolist() == [winner]


@pytest.mark.parametrize("rule", ["wta", "cwta"])
def test_many_weights_learn_as_few(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tuples where weights are few, arrays where they are many: one result."""
    data = np.random.RandomState(0).uniform(0, 1, (50, 3))
    weights = []
    for few in (0, 10**6):
        monkeypatch.setattr("crosstrain.classic.neurolab.train.winners.FEW", few)
        np.random.seed(0)
        net = nl.net.newc([[0, 1]] * 3, 6)
        net.trainf = getattr(nl.train, "train_" + rule)
        net.train(data, epochs=5, show=0)
        weights.append(net.layers[0].np["w"])
    np.testing.assert_allclose(weights[0], weights[1], atol=1e-12)


@pytest.mark.parametrize("transf", [nl.trans.HardLim(), nl.trans.HardLims()])
def test_the_delta_rule_of_few_samples_is_that_of_many(transf: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Floats answer few samples, arrays many; with more inputs arrays learn too."""
    random = np.random.RandomState(0)
    data, target = random.uniform(-1, 1, (9, 2)), (random.uniform(size=(9, 3)) > 0.5) * 1.0
    results = []
    for few in (0, 8, 10**6):
        monkeypatch.setattr("crosstrain.classic.neurolab.train.delta.FEW", few)
        np.random.seed(0)
        net = nl.net.newp([[-1, 1]] * 2, 3, transf)
        errors = net.train(data, target, epochs=20, show=0, lr=0.1)
        results.append([errors, net.layers[0].np["w"], net.layers[0].np["b"], net.out, net.layers[0].out])
    for result in results[1:]:
        for got, expected in zip(result, results[0], strict=True):
            np.testing.assert_allclose(got, expected, atol=1e-12)


@settings(max_examples=20)
@given(st.integers(1, 6), st.integers(1, 9), st.integers(1, 5), st.integers(0, 10**6))
def test_few_rows_come_to_rest_as_many(patterns: int, inputs: int, samples: int, seed: int) -> None:
    """Going on with rows at rest changes nothing: outputs, and the steps of the last row. The order of adding
    may decide whether it rests now or a step later, within rounding of where it is."""
    random = np.random.RandomState(seed)
    stored = np.sign(random.uniform(-1, 1, (patterns, inputs)))
    data = np.sign(random.uniform(-1, 1, (samples, inputs)))
    for made in (nl.net.newhem, nl.net.newhop):
        results = []
        for few in (0, 10**6):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("crosstrain.classic.neurolab.layer.FEW", few)
                net = made(stored)
                results.append((net.sim(data), net.layers[-1].s, np.array(net.layers[-1].outs)))
        (*got, steps), (*expected, expected_steps) = results
        for one, other in zip(got, expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-12)
        common = min(len(steps), len(expected_steps))
        np.testing.assert_allclose(steps[:common], expected_steps[:common], atol=1e-12)
        for rest in (steps[common:], expected_steps[common:]):
            np.testing.assert_allclose(rest, np.repeat(got[0][-1:], len(rest), axis=0), atol=1e-12)
            assert len(rest) <= 1


TANH, LOGISTIC, LINEAR = nl.trans.TanSig(), nl.trans.LogSig(), nl.trans.PureLin()


@pytest.mark.parametrize("errorf", [nl.error.SSE(), nl.error.MSE(), nl.error.SAE(), nl.error.MAE(), Huber()])
@pytest.mark.parametrize(("make", "rule"), [("newff", "gd"), ("newff", "rprop"), ("newelm", "gdx")])
def test_rows_and_columns_learn_alike(
    make: str, rule: str, errorf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The arrays that are made once, and those for any functions: the same numbers and last signals."""
    random = np.random.RandomState(0)
    data, target = random.uniform(-1, 1, (9, 2)), random.uniform(-1, 1, (9, 2))
    results = []
    for kernels in (columns.KERNELS, {}):
        monkeypatch.setattr(columns, "KERNELS", kernels)
        np.random.seed(0)
        net = getattr(nl.net, make)([[-1, 1]] * 2, [4, 3, 2], [TANH, LOGISTIC, LINEAR])
        net.trainf, net.errorf = getattr(nl.train, "train_" + rule), errorf
        errors = net.train(data, target, epochs=12, show=0, goal=-1)
        signals = [part for layer in net.layers for part in (layer.inp, layer.s, layer.out)]
        results.append([errors, nl.tool.np_get(net), net.inp, net.out, *signals])
    for got, expected in zip(*results, strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-12)


@pytest.mark.parametrize("connect", [[[-1], [-1, 0], [1]], [[-1], [0], [0, 1]], [[-1], [0], [-1, 1]]])
def test_the_gradient_goes_through_any_connections(connect: list[list[int]]) -> None:
    sizes = {-1: 2, 0: 3, 1: 2}
    first, second = (
        nl.layer.Perceptron(sum(sizes[source] for source in sources), units, TANH)
        for sources, units in zip(connect, (3, 2), strict=False)
    )
    outputs = sum(sizes[source] for source in connect[-1])
    random = np.random.RandomState(0)
    np.random.seed(0)
    net = nl.core.Net([[-1, 1]] * 2, outputs, [first, second], connect, nl.train.train_gd, nl.error.SSE())
    data, target = random.uniform(-1, 1, (5, 2)), random.uniform(-1, 1, (5, outputs))
    start = nl.tool.np_get(net)

    def error(x: np.ndarray) -> float:
        nl.tool.np_set(net, x)
        return float(net.errorf(target, net.sim(data)))

    numeric = approx_fprime(start, error, 1e-7)
    nl.tool.np_set(net, start)
    np.testing.assert_allclose(nl.tool.ff_grad(net, data, target)[1], numeric, atol=2e-5)


def test_a_gradient_leaves_weights_where_they_are() -> None:
    net = network()
    x = nl.tool.np_get_ref(net)
    by_layer, flat, output = nl.tool.ff_grad(net, LINE, CURVE)
    x += 0.01
    np.testing.assert_array_equal(nl.tool.np_get(net), x)
    assert flat.size == x.size
    assert np.shares_memory(by_layer[0]["w"], flat)
    assert output.shape == CURVE.shape


def test_lvq_of_few_samples_is_that_of_many(monkeypatch: pytest.MonkeyPatch) -> None:
    data = np.random.RandomState(0).uniform(0, 1, (12, 2))
    target = np.column_stack([data[:, 0] > 0.5, data[:, 0] <= 0.5]) * 1.0
    results = []
    for few in (0, 10**6):
        monkeypatch.setattr("crosstrain.classic.neurolab.train.lvq.FEW_SAMPLES", few)
        net = nl.net.newlvq([[0, 1]] * 2, 4, [0.5, 0.5])
        layer = net.layers[0]
        layer.np["w"][:] = data[:4]
        errors = net.train(data, target, epochs=8, goal=-1, show=0, lr=0.1)
        results.append([errors, layer.np["w"], layer.out, layer.last_dist, layer.inp])
    for got, expected in zip(*results, strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-12)


def test_a_user_s_training_algorithm() -> None:
    class Halve(nl.core.Train):
        def __init__(self, net: Any, input: Any, target: Any, share: float = 0.5) -> None:
            self.share = share

        def learn(self, net: Any, input: Any, target: Any) -> None:
            net.layers[0].np["w"] *= self.share

    net = nl.net.newp([[0, 1]], 1, nl.trans.PureLin())
    net.layers[0].np["w"][:], net.layers[0].np["b"][:] = 1.0, 0.0
    net.trainf = nl.train.trainer(Halve)
    assert net.train([[1.0]], [[0.0]], epochs=3, show=0, goal=0) == [0.5, 0.125, 0.03125]
    # After the third epoch nothing is learnt: the weight is a quarter now, and a sixteenth in the second
    # epoch.
    assert net.train([[1.0]], [[0.0]], epochs=2, show=0, goal=0, share=0.25)[1] == 0.5 / 16**2


# -- saving -------------------------------------------------------------------------------------------
def saved_networks() -> dict[str, Any]:
    np.random.seed(2)
    elman = nl.net.newelm([[-7, 7]], [3, 1], [nl.trans.TanSig(), nl.trans.PureLin()])
    elman.sim(LINE)
    by_hand = network()
    by_hand.layers[0].initf = [nl.init.InitRand([-1, 1], "w"), nl.init.init_zeros]
    by_hand.trainf, by_hand.errorf = nl.train.train_rprop, nl.error.MAE()
    return {
        "newff": network(),
        "newp": nl.net.newp([[-7, 7]], 2),
        "newc": nl.net.newc([[-7, 7]], 3),
        "newlvq": nl.net.newlvq([[-7, 7]], 3, [0.5, 0.5]),
        "newelm": elman,
        "newhop": nl.net.newhop([[1], [-1]]),
        "newhem": nl.net.newhem([[1], [-1]]),
        "changed": by_hand,
    }


@pytest.mark.parametrize("name", saved_networks())
def test_what_is_saved_can_be_loaded(name: str, tmp_path: Path) -> None:
    net = saved_networks()[name]
    net.save(str(tmp_path / "net.any"))
    loaded = nl.load(str(tmp_path / "net.any"))
    np.testing.assert_array_equal(nl.tool.np_get(loaded), nl.tool.np_get(net))
    np.testing.assert_array_equal(loaded.sim(LINE), net.sim(LINE))
    assert str(loaded.trainf) == str(net.trainf)
    assert type(loaded.errorf) is type(net.errorf)
    np.random.seed(3)
    net.init()
    np.random.seed(3)
    loaded.init()
    np.testing.assert_array_equal(nl.tool.np_get(loaded), nl.tool.np_get(net))


def test_a_file_that_is_no_network(tmp_path: Path) -> None:
    path = tmp_path / "net"
    for text in ("\x80pickle", "[]", json.dumps({"format": "other"})):
        path.write_text(text)
        with pytest.raises(ValueError, match="is no file of a network"):
            nl.load(str(path))


def test_a_user_s_function_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="A network with Cube cannot be saved"):
        network([2, 1], transf=[Cube(), nl.trans.PureLin()]).save(str(tmp_path / "net"))


def test_copies_are_apart() -> None:
    net = network()
    other = net.copy()
    other.layers[0].np["w"].fill(0.0)
    assert net.layers[0].np["w"].any()
    assert other.trainf is net.trainf


# -- wrong input --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: network().sim([1, 2]), "input must be samples in rows of 1 numbers"),
        (lambda: network().train(LINE, np.hstack([CURVE, CURVE])), "target must be samples in rows of 1"),
        (lambda: network().train(LINE, CURVE[:3]), "input has 20 samples and target 3"),
        (lambda: network().train(LINE[:0], CURVE[:0]), "input has no samples"),
        (lambda: nl.net.newc([[0, 1]], 2).train(LINE[:0]), "input has no samples"),
        (lambda: nl.net.newff([1, 2], [2, 1]), "a minimum and a maximum for each input"),
        (lambda: nl.net.newff([[0, 1]], [2, 1], [nl.trans.TanSig()]), "for each of the 2 layers"),
        (lambda: nl.net.newlvq([[0, 1]], 4, [0.5, 0.4]), "must sum to 1"),
        (lambda: nl.net.newlvq([[0, 1]], 2, [0.5, 0.5]), "more than the 2 classes"),
        (lambda: nl.net.newhop([1, -1]), "patterns in rows"),
        (lambda: nl.init.init_rand(network().layers[0], init_prop="c"), "no property 'c'"),
        (lambda: nl.net.newc([[0, 1]], 2).layers[0].step([1, 2, 3]), "vectors of 1 numbers"),
        (lambda: nl.tool.minmax([1, 2]), "must have 2 dimensions"),
    ],
)
def test_wrong_input_gets_a_sentence(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_layers_that_do_not_fit() -> None:
    first = nl.layer.Perceptron(2, 3, nl.trans.TanSig())
    for connect, message in (
        ([[-1]], "1 layers need 2 connections"),
        ([[-1], [-1]], "nothing takes the signal of layer 0"),
        ([[-1, -1], [0]], "layer 0 takes 2 signals and gets 4"),
    ):
        with pytest.raises(ValueError, match=message):
            nl.core.Net([[0, 1]] * 2, 3, [first], connect, None, None)


def test_gradient_rules_need_perceptron_layers() -> None:
    net = nl.net.newc([[0, 1]], 2)
    net.trainf = nl.train.train_gd
    with pytest.raises(ValueError, match="this one has Competitive"):
        net.train([[0.5]], [[1, 0]])


@pytest.mark.parametrize("transf", [nl.trans.HardLim(), nl.trans.HardLims()])
def test_many_recalls_decide_ties_as_one_does(transf: object) -> None:
    """Few patterns on an odd number of units give many fields of nearly 0, whose last bit decides."""
    random = np.random.RandomState(0)
    net = nl.net.newhop(random.choice([-1.0, 1.0], (4, 25)), transf)
    rows = random.choice([-1.0, 0.0, 1.0], (400, 25))
    assert (np.abs(rows @ net.layers[0].np["w"].T) < 1e-12).sum() > 100
    np.testing.assert_array_equal(net.sim(rows), [net.sim(row[None])[0] for row in rows])
