"""Projections and attention that Keras writes as einsum, in one piece: when, and the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from crosstrain.engines.contract import Setting
from tests.engines.networks import Case, Net, distance, squared_error

torch = pytest.importorskip("torch")

from crosstrain.engines.torch.engine import ENGINE  # noqa: E402
from crosstrain.engines.torch.fusion import fused  # noqa: E402

TIMES, WIDTH, HEADS, SIZE = 5, 8, 2, 3


def projected(net: Net, name: str, x: str, bias: bool = True) -> str:
    y = net.op("einsum", x, net.drawn(f"{name}/kernel", WIDTH, HEADS, SIZE), equation="abc,cde->abde")
    return net.op("add", y, net.drawn(f"{name}/bias", HEADS, SIZE)) if bias else y


def attended(
    extra_outputs: tuple[str, ...] = (),
    scores: str = "btnh,bsnh->bnts",
    weighted: str = "bnts,bsnh->btnh",
    bias: bool = True,
) -> Case:
    """Attention as Keras's layer writes it. The values in ``extra_outputs`` are outputs too."""
    net = Net("attention")
    refs = {"x": net.feature("x", TIMES, WIDTH)}
    q, k, v = (projected(net, name, refs["x"], bias) for name in ("query", "key", "value"))
    refs["scores"] = net.op("einsum", q, k, equation=scores)
    scaled = net.op("multiply", refs["scores"], net.op("constant", value=SIZE**-0.5, dtype="float32"))
    refs["weights"] = net.op("softmax", scaled, axis=-1)
    y = net.op("einsum", refs["weights"], v, equation=weighted)
    out = net.op("einsum", y, net.drawn("out/kernel", HEADS, SIZE, WIDTH), equation="abcd,cde->abe")
    refs["y"] = net.op("add", out, net.drawn("out/bias", WIDTH))
    outputs = {name: refs[name] for name in ("y", *extra_outputs)}
    x = net.random.standard_normal((4, TIMES, WIDTH))
    target = {f"target/{name}": np.zeros((4, *net.specs[ref].shape[1:])) for name, ref in outputs.items()}
    return net.case(outputs, squared_error, {"x": x, **target})


def ops(case: Case, attend: bool = True) -> list[str]:
    return [node.op for node in fused(case.program.network.phase(training=True), attend).nodes]


CASES: dict[str, tuple[Callable[[], Case], list[str]]] = {
    "as Keras writes it": (attended, ["projections", "constant", "attention", "projection"]),
    "other letters": (
        lambda: attended(scores="qxyz,qwyz->qyxw", weighted="qyxw,qwyz->qxyz"),
        ["projections", "constant", "attention", "projection"],
    ),
    "no biases": (
        lambda: attended(bias=False), ["projections", "constant", "attention", "projection"],
    ),
    "somebody reads the weights": (
        lambda: attended(("weights",)),
        ["projections", "einsum", "constant", "multiply", "softmax", "einsum", "projection"],
    ),
    "queries are summed over": (
        lambda: attended(scores="bsnh,btnh->bnts"),
        ["projections", "einsum", "constant", "multiply", "softmax", "einsum", "projection"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_joined(name: str) -> None:
    build, expected = CASES[name]
    assert ops(build()) == expected


def test_attention_stays_apart_where_it_must_repeat_itself() -> None:
    assert "attention" not in ops(attended(), attend=False)


@pytest.mark.parametrize("options", [{}, {"deterministic": True}], ids=["attention", "apart"])
@pytest.mark.parametrize("name", CASES)
def test_the_numbers_are_those_of_the_meaning(name: str, options: dict[str, Any]) -> None:
    case = CASES[name][0]()
    network = ENGINE.build(case.program, case.weights, Setting("cpu", "float64", options=options))
    expected = case.reference(case.program.inference)[0]
    for output, value in network.predict({"x": case.batch["x"]}).items():
        assert distance(value, expected[output]) < 1e-12
    _, gradients = network.gradients(case.batch)
    for weight, slope in gradients.items():
        probe = case.weights[weight].astype("float64")
        direction = np.random.default_rng(0).standard_normal(probe.shape)
        ahead, behind = (
            case.loss({**case.weights, weight: probe + sign * 1e-5 * direction}) for sign in (1, -1)
        )
        assert float((slope * direction).sum()) == pytest.approx((ahead - behind) / 2e-5, rel=1e-5, abs=1e-8)
    ENGINE.build(case.program, case.weights, Setting())


def test_a_projection_by_what_is_no_weight_stays_an_einsum() -> None:
    net = Net("bilinear")
    x = net.feature("x", TIMES, WIDTH)
    y = net.op("einsum", x, net.op("transpose", x, axes=(0, 2, 1)), equation="abc,acd->abd")
    case = net.case({"y": y}, squared_error, {"x": np.ones((2, TIMES, WIDTH))})
    assert ops(case) == ["transpose", "einsum"]


def test_a_bias_of_another_shape_stays_a_sum() -> None:
    net = Net("shifted")
    x = net.feature("x", TIMES, WIDTH)
    y = net.op("einsum", x, net.drawn("kernel", WIDTH, SIZE), equation="abc,cd->abd")
    y = net.op("add", y, net.drawn("bias", TIMES, SIZE))
    case = net.case({"y": y}, squared_error, {"x": np.ones((2, TIMES, WIDTH))})
    assert ops(case) == ["projection", "add"]
