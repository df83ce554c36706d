"""``crosstrain ops``: what is right passes; what is wrong is told with its smallest input; what crashes costs
itself alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import crosstrain
from crosstrain.conformance.cases import OP_CASES, OpCase
from crosstrain.conformance.faults import FAULTS, Fault, faults
from crosstrain.conformance.findings import Conformance, OpResult, in_words
from crosstrain.conformance.holding.judging import Departure, gradient_error, value_error
from crosstrain.conformance.holding.shrinking import smallest
from crosstrain.conformance.holding.task import listed
from crosstrain.engines.registry import engines
from tests.cli.test_commands import crosstrain as run
from tests.cli.test_commands import own_folder, refused
from tests.conformance.planted import NAME, plant

__all__ = ["own_folder"]

pytest.importorskip("torch")


def test_what_an_engine_does_right_passes(tmp_path: Path) -> None:
    done = run("ops", "--engine", "torch", "--op", "softmax,add", "--json", "ops.json", "--html", "ops.html")
    assert done.exit_code == 0, done.output
    assert all(len(line) <= 100 for line in done.stdout.splitlines())
    (engine,) = json.loads(Path("ops.json").read_text())["engines"]
    assert (engine["engine"], engine["precision"], engine["error"]) == ("torch", "float64", "")
    assert [(op["op"], op["status"]) for op in engine["ops"]] == [("softmax", "passed"), ("add", "passed")]
    assert all(0 <= op["value_error"] < 1e-9 and 0 < op["gradient_error"] < 1e-6 for op in engine["ops"])
    page = Path("ops.html").read_text()
    assert 'name="viewport"' in page
    assert "Keras on PyTorch" not in page  # known faults are those of the engines asked for


# -- a planted engine -----------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Conformance:
    """What is found of an engine with an op of each kind of fault."""
    folder = tmp_path_factory.mktemp("planted")
    plant(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
        patch.syspath_prepend(folder)
        return crosstrain.ops(
            engines=NAME, ops="exp,log_softmax,ceil,sin,softplus,floor,erf,tanh", timeout=6, progress=False
        )


def of(found: Conformance, op: str) -> OpResult:
    return next(each for each in found.engines[0].ops if each.op == op)


def test_each_op_ends_as_it_was_planted(planted: Conformance) -> None:
    assert {each.op: each.status for each in planted.engines[0].ops} == {
        "exp": "passed", "log_softmax": "departs", "ceil": "crashed", "sin": "departs",
        "softplus": "crashed", "floor": "failed", "erf": "unsupported", "tanh": "passed",
    }  # fmt: skip
    assert not planted.well
    assert "SIGABRT" in of(planted, "softplus").reason
    assert of(planted, "ceil").reason == "stopped after 6 s, the time an operation is given"
    assert "no kernel for this" in of(planted, "floor").reason
    assert of(planted, "erf").reason == "it was left out"


def test_a_wrong_value_comes_with_its_smallest_input(planted: Conformance) -> None:
    example = of(planted, "log_softmax").example
    assert example is not None
    assert example.what == "output 0"
    (x,) = example.inputs
    values = np.asarray(x)
    assert values.shape == (1, 1, 2)  # two numbers more than 64 apart are needed, and no more
    assert np.ptp(values) > 64
    assert np.asarray(example.got).min() == -64
    assert np.asarray(example.expected).min() == pytest.approx(-np.ptp(values))


def test_a_wrong_gradient_comes_with_its_smallest_input(planted: Conformance) -> None:
    example = of(planted, "sin").example
    assert example is not None
    assert (example.what, np.shape(example.inputs[0])) == ("the gradient of input 0", (1, 1))
    assert np.asarray(example.inputs[0]).item() > 1
    assert np.asarray(example.got).item() == pytest.approx(
        1.5 * np.asarray(example.expected).item(), rel=1e-6
    )


def test_what_is_wrong_is_shown(planted: Conformance) -> None:
    from crosstrain.reporting.conformance.page import page
    from crosstrain.reporting.conformance.terminal import print_conformance
    from crosstrain.reporting.terminal.grid import console

    screen = console()
    with screen.capture() as capture:
        print_conformance(planted, screen)
    shown = capture.get()
    assert all(len(line) <= 100 for line in shown.splitlines())
    assert "log_softmax([[[" in shown
    assert "planted cannot run erf: it was left out" in shown
    html = page(planted, ())
    assert "log_softmax([[[" in html
    assert "no kernel for this" in html
    assert json.loads(json.dumps(planted.to_json(), allow_nan=False))["well"] is False


# -- how far off, how small ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (np.zeros(2), np.zeros(3)),
        (np.zeros(2, "int64"), np.zeros(2)),
        (np.array([np.nan]), np.array([1.0])),
        (np.array([np.inf]), np.array([-np.inf])),
        (np.array([1.0]), np.array([np.nan])),
    ],
)
def test_what_cannot_be_equal_is_infinitely_off(got: np.ndarray, expected: np.ndarray) -> None:
    assert value_error(got, expected) == np.inf


def test_errors_are_relative() -> None:
    assert value_error(np.array([110.0, np.inf]), np.array([100.0, np.inf])) == pytest.approx(0.1)
    assert gradient_error(np.array([0.5, 110.0]), np.array([0.5, 100.0])) == pytest.approx(0.1)
    assert gradient_error(np.array([0.1]), np.array([0.0])) == pytest.approx(0.1)


def test_a_product_is_made_smaller_with_both_its_factors() -> None:
    case = OP_CASES["dense"]

    def departs(case: OpCase) -> Departure | None:
        x, kernel, bias = case.inputs
        try:
            value = x @ kernel + bias  # type: ignore[operator]
        except ValueError:
            return None
        return Departure("output 0", 1.0, value, value) if value.max() > 0.5 else None

    first = departs(case)
    assert first is not None
    least, _ = smallest(case, first, departs)
    assert [np.shape(array) for array in least.inputs] == [(1, 1), (1, 1), (1,)]
    assert {float(np.asarray(array).item()) for array in least.inputs} <= {0.0, 1.0}


def test_large_inputs_are_shown_by_their_shape() -> None:
    assert in_words(listed(np.zeros((5, 6)))) == "<5×6 numbers>"
    assert in_words(listed(np.array([[0.1, np.inf]]))) == "[[0.1, inf]]"


# -- known faults ---------------------------------------------------------------------------------------
def test_faults_are_listed() -> None:
    done = run("ops", "--faults", "--engine", "paddle", "--json", "faults.json", "--html", "faults.html")
    assert done.exit_code == 0, done.output
    assert all(len(line) <= 100 for line in done.stdout.splitlines())
    listed = json.loads(Path("faults.json").read_text())["faults"]
    assert {each["engine"] for each in listed} == {"paddle"}
    assert "log_softmax ends at -64" in Path("faults.html").read_text()


def test_every_fault_names_an_engine_and_a_module() -> None:
    root = Path(crosstrain.__file__).parent
    assert {fault.engine for fault in FAULTS} <= set(engines())
    assert [fault.where for fault in FAULTS if not (root / fault.where).is_file()] == []
    assert all(bool(fault.code) == bool(fault.right) == bool(fault.got) for fault in FAULTS)
    assert faults(["torch"]) == tuple(fault for fault in FAULTS if fault.engine == "torch")


def still_there(known: Fault) -> None:
    code = known.code
    row = engines()[known.engine]
    if not row.importable:
        pytest.skip(f"{known.engine} is not installed")
    if (row.version or "").partition("+")[0] != known.version:
        pytest.skip(f"{known.framework} is {row.version}")
    environment = {**os.environ, **row.variables, "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )
    assert done.stdout.strip() == known.got, done.stderr
    assert known.got != known.right


CODED = [fault for fault in FAULTS if fault.code]


@pytest.mark.slow("a fault changes with its framework's version alone; each starts a framework")
@pytest.mark.parametrize("known", CODED, ids=lambda fault: f"{fault.engine}-{fault.op}")
def test_a_known_fault_is_still_there(known: Fault) -> None:
    """Where a version mends one, its row and what stands in its place can go."""
    still_there(known)


def test_the_quickest_of_them_is_still_there() -> None:
    still_there(next(fault for fault in CODED if fault.engine == "torch"))


# -- wrong use ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--engine", "toch"], "there is no engine 'toch'; there are torch, "),
        (["--engine", "onnxruntime"], "onnxruntime runs files alone; name an engine that trains"),
        (["--op", "log_softmx"], "there is no operation 'log_softmx' to try; did you mean log_softmax"),
        (["--precision", "float16"], "precision is float64 or float32, not 'float16'"),
        (["--engine", "torch", "--html", "nowhere/ops.html"], "cannot write nowhere/ops.html"),
    ],
)
def test_wrong_use_is_one_sentence(arguments: list[str], sentence: str) -> None:
    assert refused(run("ops", *arguments)).startswith(sentence)


def test_a_missing_engine_and_a_missing_device_are_said() -> None:
    found = crosstrain.ops(engines="torch", ops="add", device="cuda:7", progress=False)
    assert "has no device 'cuda:7' here" in found.engines[0].ops[0].reason
    assert not found.well
