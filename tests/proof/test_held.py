"""Kinks: held branches change nothing where no unit is near one, and free differences where some are."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosstrain.graph.graph import Graph, Node, TensorSpec
from crosstrain.graph.ops import NUMPY
from crosstrain.proof.arrays import read_arrays, write_arrays
from crosstrain.proof.compare import group
from crosstrain.proof.holding import held as held_module
from crosstrain.proof.holding.frozen import CONSTANT, SELECTING, FrozenNode
from crosstrain.proof.holding.held import BRANCHING, COMPARISONS, branches, followed, with_branches
from crosstrain.proof.prover import Prover
from crosstrain.proof.truths.by_differences import slopes
from crosstrain.proof.truths.by_numpy import evaluate
from crosstrain.proof.verdict import COARSER
from crosstrain.runs.process import Outcome
from tests.proof.conftest import INSTALLED
from tests.proof.faults import Fault

RANDOM = np.random.default_rng(3)
IMAGE = RANDOM.normal(size=(2, 7, 6, 3))
POOL = {"window": (3, 2), "strides": (2, 2), "padding": ((1, 1), (0, 1))}

KINKED: dict[str, dict[str, Any]] = {
    "relu": {},
    "relu6": {},
    "leaky_relu": {"negative_slope": 0.2},
    "max_pool": POOL,
    **{op: {} for op in ("floor", "ceil", "round", *COMPARISONS)},
    "argmax": {"axis": -1, "keepdims": False},
    "top_k": {"k": 2},
}


def single_node(op: str, attributes: dict[str, Any], *arrays: np.ndarray) -> Graph:
    """A network of one op, whose outputs are called 0, 1, …"""
    result = NUMPY[op](*arrays, **attributes) if op in NUMPY else arrays[0]  # in their shape
    outputs = result if isinstance(result, tuple) else (result,)
    inputs = {name: TensorSpec((None, *x.shape[1:])) for name, x in zip("xy", arrays, strict=False)}
    specs = tuple(TensorSpec((None, *y.shape[1:]), dtype_of(y)) for y in outputs)
    node = Node("n", op, tuple(f"%{name}" for name in inputs), attributes, specs)
    return Graph("g", inputs, {str(i): ref for i, ref in enumerate(node.references)}, (node,))


def dtype_of(array: np.ndarray) -> str:
    return {"f": "float32", "b": "bool", "i": "int32"}[array.dtype.kind]


def test_every_op_that_can_be_held_is_tried() -> None:
    assert set(KINKED) == set(BRANCHING)


@pytest.mark.parametrize("op", KINKED)
def test_a_held_op_gives_what_the_op_gives(op: str) -> None:
    arrays = {"x": 6 * IMAGE, **({"y": 6 * IMAGE[..., ::-1]} if op in COMPARISONS else {})}
    graph = single_node(op, KINKED[op], *arrays.values())
    chosen, near = branches(graph, {}, arrays)
    held = followed(graph, chosen)
    assert set(held.inputs) == {*arrays, *chosen}
    answers, _ = evaluate(held, {}, {**arrays, **chosen})
    for name, value in evaluate(graph, {}, arrays)[0].items():
        assert np.array_equal(answers[name], value)
    assert near == 0


@pytest.mark.parametrize("op", ["argmax", "top_k", "greater", "floor"])
def test_a_held_decision_stays_where_rounding_would_turn_it(op: str) -> None:
    """Two numbers that float32 cannot tell apart, or tells apart the other way."""
    x = np.array([[2.0, 3.0 - 1e-9, 3.0]])
    arrays = {"x": x, **({"y": np.array([[2.0 - 1e-9, 3.0, 3.0]])} if op == "greater" else {})}
    graph = single_node(op, KINKED[op], *arrays.values())
    chosen, near = branches(graph, {}, arrays)
    assert near
    moved = {name: array.astype("float32") for name, array in arrays.items()}
    true = evaluate(graph, {}, arrays)[0]
    free = evaluate(graph, {}, moved)[0]
    assert any(not np.array_equal(free[name], value) for name, value in true.items())
    bound = evaluate(followed(graph, chosen), {}, {**moved, **chosen})[0]
    for name, value in true.items():
        assert np.allclose(bound[name], value, atol=1e-6)


def test_numbers_that_are_equal_are_not_near_another_end() -> None:
    zeros = {"x": np.zeros((2, 5)), "y": np.zeros((2, 5))}
    assert branches(single_node("greater", {}, *zeros.values()), {}, zeros)[1] == 0


def test_what_guards_a_division_is_left_to_the_engine() -> None:
    """An area of 1e-9 is 0 in float32: held to "there is one", the division would be by 0."""
    flat, one = TensorSpec((None,)), TensorSpec(())
    nodes = (
        Node("zero", "constant", (), {"value": 0.0, "dtype": "float32"}, (one,)),
        Node("one", "constant", (), {"value": 1.0, "dtype": "float32"}, (one,)),
        Node("there", "greater", ("%x", "%zero"), {}, (TensorSpec((None,), "bool"),)),
        Node("area", "where", ("%there", "%x", "%one"), {}, (flat,)),
        Node("share", "divide", ("%x", "%area"), {}, (flat,)),
        Node("large", "greater", ("%share", "%one"), {}, (TensorSpec((None,), "bool"),)),
    )
    graph = Graph("g", {"x": flat}, {"share": "%share", "large": "%large"}, nodes)
    chosen, _ = branches(graph, {}, {"x": np.array([1e-9, 3.0])})
    assert list(chosen) == ["branch/large/0"]
    answer = evaluate(followed(graph, chosen), {}, {"x": np.zeros(2), **chosen})[0]["share"]
    assert np.array_equal(answer, [0, 0])


def test_units_near_a_kink_are_counted() -> None:
    x = RANDOM.normal(size=(2, 50))
    x[0, 3], x[1, 7] = 1e-7, -1e-7
    assert branches(single_node("relu", {}, x), {}, {"x": x})[1] == 2


def test_the_held_case_has_the_gradients_and_steps_of_the_free_one(prover: Callable[..., Prover]) -> None:
    pictures = prover("pictures", Fault())
    witness = pictures.witness(INSTALLED[0])
    walked = witness.hear(pictures.case, "trajectory", ["float64"])["float64"]
    names = list(pictures.case.network.weights)
    weights = [
        {**pictures.case.weights, **{n: walked[f"step/{t}/weight/{n}"] for n in names}} for t in range(10)
    ]
    case, near = with_branches(pictures.case, weights)
    assert near == 0
    assert any(name.startswith("branch/relu1/relu/") for name in case.network.inputs)
    bound = witness.hear(case, "trajectory", ["float64"])["float64"]
    for key in (k for k in walked if k.startswith(("step/", "trained/"))):
        assert np.allclose(bound[key], walked[key], rtol=1e-10, atol=1e-12), key


def with_a_moved_gradient(real: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """Float32 gradients half a percent off, but not those of a case with held branches."""

    def launch(job: dict[str, Any], **options: Any) -> Outcome:
        outcome = real(job, **options)
        free = job["task"] == "evidence" and "branch/" not in (Path(job["case"]) / "network.json").read_text()
        if free and "float32" in job["precisions"]:
            path = Path(job["out"]) / "float32.npz"
            evidence = read_arrays(path)
            write_arrays(
                path, {k: v * 1.005 if k.startswith("gradient/") else v for k, v in evidence.items()}
            )
        return outcome

    return launch


def test_a_gradient_moved_by_kinks_is_proved_with_held_branches(
    prover: Callable[..., Prover], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_module, "NEAR", 0.1)
    pictures = prover("pictures", Fault())
    pictures.launch = with_a_moved_gradient(pictures.launch)
    (certificate,) = pictures.certificates(INSTALLED[0], ["float32"])
    assert certificate.status == "proved"
    (note,) = [n for n in certificate.notes if "kink" in n]
    assert re.search(r"\(free: outputs \S+, gradients 0\.005, weights after steps ", note)


def test_without_a_unit_near_its_kink_there_is_no_excuse(prover: Callable[..., Prover]) -> None:
    pictures = prover("pictures", Fault())
    pictures.launch = with_a_moved_gradient(pictures.launch)
    (certificate,) = pictures.certificates(INSTALLED[0], ["float32"])
    assert certificate.status == "departs"
    assert certificate.gradients == pytest.approx(0.005, rel=1e-3)


# -- differences on frozen branches -----------------------------------------------------------------------
ARGUMENTS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "relu": ([IMAGE], {}),
    "abs": ([IMAGE], {}),
    "where": ([IMAGE > 0, IMAGE, 2 * IMAGE], {}),
    "maximum": ([IMAGE, IMAGE[..., ::-1]], {}),
    "minimum": ([IMAGE, IMAGE[..., ::-1]], {}),
    "max": ([IMAGE], {"axis": (1, 2), "keepdims": True}),
    "min": ([IMAGE], {"axis": None}),
    "max_pool": ([IMAGE], POOL),
    "sort": ([IMAGE], {"axis": 1}),
    "top_k": ([IMAGE], {"k": 2}),
}


@pytest.mark.parametrize("op", SELECTING)
def test_a_frozen_op_is_the_op_at_its_base_and_linear_beside_it(op: str) -> None:
    arguments, attributes = ARGUMENTS[op]
    frozen = FrozenNode(
        Node("n", op, ("%a", "%b", "%c")[: len(arguments)], attributes, (TensorSpec(()),)), arguments
    )
    right = NUMPY[op](*arguments, **attributes)
    right = right[0] if isinstance(right, tuple) else right
    assert np.allclose(frozen(arguments)["%n"], right)
    moved = [a if a.dtype == bool else a + 5 * np.sign(IMAGE[..., ::-1]) for a in arguments]
    middle = [a if a.dtype == bool else (a + b) / 2 for a, b in zip(arguments, moved, strict=True)]
    ends = frozen(arguments)["%n"] + frozen(moved)["%n"]
    assert np.allclose(frozen(middle)["%n"], ends / 2)


@pytest.mark.parametrize("op", ["stop_gradient", "sign", "floor", "greater"])
def test_a_constant_op_keeps_its_base_value(op: str) -> None:
    assert op in CONSTANT
    arguments = [IMAGE, np.zeros_like(IMAGE)] if op == "greater" else [IMAGE]
    frozen = FrozenNode(Node("n", op, ("%a", "%b")[: len(arguments)], {}, (TensorSpec(()),)), arguments)
    assert np.array_equal(frozen([-3 * a for a in arguments])["%n"], NUMPY[op](*arguments))


@pytest.mark.parametrize("dtype", ["int32", "int64", "bool", "float32"])
def test_a_cast_to_whole_numbers_keeps_its_base_value(dtype: str) -> None:
    whole = np.array([3.0, 0.0, -2.0])
    node = Node("n", "cast", ("%a",), {"dtype": dtype}, (TensorSpec((3,), dtype),))
    beside = FrozenNode(node, [whole])([whole - 1e-6])["%n"]
    if dtype == "float32":
        assert np.allclose(beside - whole, -1e-6)
    else:
        assert np.array_equal(beside, whole.astype(dtype))


def test_differences_agree_with_an_engine_s_gradients(prover: Callable[..., Prover]) -> None:
    pictures = prover("pictures", Fault())
    evidence = pictures.witness(INSTALLED[0]).hear(pictures.case, "values", ["float64"])["float64"]
    gradients = {k.removeprefix("gradient/"): v for k, v in evidence.items() if k.startswith("gradient/")}
    assert max(s.error for s in slopes(pictures.case, gradients)) < 1e-7
    name = next(n for n in gradients if n.endswith("dense1/kernel"))
    wrong = {**gradients, name: gradients[name] * 1.01}
    assert max(s.error for s in slopes(pictures.case, wrong)) > 1e-4


def test_two_truths_tell_what_rounding_does_to_a_gradient(
    prover: Callable[..., Prover], monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = prover("pictures", Fault())
    truth = pictures._truth("torch")
    names = list(group(truth.values, "gradient"))
    apart = {key: v * (1 + 1e-12) if key.startswith("gradient/") else v for key, v in truth.values.items()}
    other = replace(truth, values=apart, provenance={"gradients and steps": "Keras on another framework"})
    monkeypatch.setattr(pictures, "_truth_of", lambda case, engine: other)
    expected = pictures._between_truths("torch", truth, dict.fromkeys(names, 0.0) | {names[0]: 1.0})
    assert expected[names[0]] == 1.0  # what the engine itself showed, where that is more
    others = [expected[name] for name in names[1:]]  # one of them, before a normalisation, is 0
    assert np.median(others) == pytest.approx(COARSER * 1e-12, rel=1e-3)
