"""The contract, and certificates, on every engine that the Python of the tests does not have: each in the
environment that crosstrain makes for it (``tests/foreign.py``). Keras's engines are tried here too: each
wants a process of its own. ``make test`` takes them and one framework whose environment is soon made.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import crosstrain
from crosstrain.engines.registry import BUILT_IN, EngineRow
from crosstrain.environments.environments import isolated
from crosstrain.proof.prove import prove
from crosstrain.runs.definition import source
from crosstrain.runs.descriptions import describe
from tests.engines.conftest import HERE, ONLY
from tests.foreign import environment, needed, users_cache

ROOT = Path(__file__).parents[2]
FOREIGN = [row for row in BUILT_IN if row.trains and row.name not in HERE and not ONLY]
CONTRACT = ["tests/engines/test_contract.py", "tests/engines/test_ops.py"]
NETWORKS = {
    "mlp": ("mlp", (8, 8, 1)),
    "lenet5": ("lenet5", (16, 16, 1)),
    "lstm": (f"{ROOT / 'tests' / 'proof' / 'networks.py'}:lstm", None),
}
PATIENCE = 1500.0
VARIABLES = {
    # Fewer rewritings make fewer different loops to be compiled; the certificates run it as users do.
    "theano": {"THEANO_FLAGS": "optimizer=fast_compile"},
}
"""By engine, what its common tests run with besides the row's own variables."""
PROMPT = {"mxnet"}
"""Engines whose own environment is soon made: some 100 MB, all of it wheels."""
COMPILES = {"theano", "tinygrad"}
"""Engines that compile for minutes before they train."""
LONG_CONTRACTS = {"keras-jax", "keras-tensorflow"}
"""Their contracts take three to four minutes; that of keras-torch, in every run, takes the same code."""


def _rare(row: EngineRow) -> str:
    """Why an engine is not tried by ``make test``; empty if it is."""
    if row.native and row.name not in PROMPT:
        return f"the environment of {row.name} is hundreds of megabytes, or takes minutes to make"
    return ""


def _case(row: EngineRow, *more: str, slow: str = "") -> Any:
    """A case of ``row``, slow for the reason given."""
    reason = slow or _rare(row)
    marks = [pytest.mark.slow(reason)] if reason else []
    return pytest.param(row, *more, id="-".join([row.name, *more]), marks=marks)


def _certificate(row: EngineRow, network: str) -> Any:
    if row.name in COMPILES and network != "mlp":
        return _case(row, network, slow=f"{row.name} compiles {network} for minutes")
    if row.name in LONG_CONTRACTS and network == "mlp":
        return _case(row, network, slow=f"{row.name} is certified on lenet5 and lstm in every run")
    return _case(row, network)


PARTS_OF_PYTEST = ("pytest", "_pytest", "iniconfig", "pluggy", "packaging", "pygments", "py")


@dataclass(frozen=True)
class Report:
    """What pytest said: the number of tests by outcome, and those that failed with their messages."""

    counts: Counter[str]
    failed: dict[str, str]
    skipped: Counter[str]
    printed: str
    seconds: float = 0.0


@pytest.fixture(scope="module", autouse=True)
def real_cache() -> Iterator[None]:
    """Environments are kept from one run of the tests to the next."""
    with users_cache():
        yield


@pytest.fixture(scope="module")
def pytest_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with links to the packages of pytest (all are Python alone) and to nothing else."""
    folder = tmp_path_factory.mktemp("pytest-alone")
    for name in PARTS_OF_PYTEST:
        spec = importlib.util.find_spec(name)
        assert spec is not None, name
        assert spec.origin is not None, name
        home = Path(spec.origin)
        home = home.parent if home.name == "__init__.py" else home
        (folder / home.name).symlink_to(home)
    return folder


@pytest.fixture(scope="module")
def contract(
    request: pytest.FixtureRequest, pytest_alone: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[EngineRow], Report]]:
    """The report of an engine. All that are asked for run at once, two at a time: one core each."""
    folder = tmp_path_factory.mktemp("contract")
    wanted = [
        row
        for row in FOREIGN
        if any(f"test_the_contract[{row.name}]" in i.name for i in request.session.items)
    ]
    started: dict[str, Future[Report]] = {}
    with ThreadPoolExecutor(2) as pool:

        def report(row: EngineRow) -> Report:
            parallel = os.environ.get("PYTEST_XDIST_WORKER")  # then each of pytest's workers takes its own
            for each in [row] if parallel else wanted:
                if each.name not in started:
                    started[each.name] = pool.submit(_contract, each, pytest_alone, folder)
            return started[row.name].result()

        yield report


def _files(row: EngineRow) -> list[str]:
    """The tests that all engines share, and the engine's own, which only its Python can run."""
    own = f"tests/engines/test_{row.name}.py"
    return [*CONTRACT, *([own] if (ROOT / own).exists() else [])]


def _contract(row: EngineRow, tools: Path, folder: Path) -> Report:
    """pytest on the contract in the engine's Python, as a process of its own."""
    here = environment(row.name)
    if isinstance(here, str):
        return Report(Counter(), {}, Counter(), here)
    results = folder / f"{row.name}.xml"
    paths = [str(isolated(Path(crosstrain.__file__).parent)), str(ROOT), str(tools)]
    variables = {
        **os.environ, **row.variables, **VARIABLES.get(row.name, {}),
        "CROSSTRAIN_TEST_ENGINE": row.name, "PYTHONNOUSERSITE": "1",
        "PYTHONPATH": os.pathsep.join(paths), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONSAFEPATH": "1",
        "OMP_NUM_THREADS": "1", "GOMP_SPINCOUNT": "3000", "CUDA_VISIBLE_DEVICES": "-1",
    }  # fmt: skip
    # Warnings of an old framework about a new Python are not ours to mend.
    options = ["-q", "-p", "no:cacheprovider", "-W", "default", "--tb=short", f"--junit-xml={results}"]
    with (folder / f"{row.name}.log").open("w+") as log:
        process = subprocess.Popen(
            [here.python, "-m", "pytest", *options, *_files(row)],
            cwd=ROOT, env=variables, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.seek(0)
        printed = f"exit code {process.returncode}\n{log.read()[-6000:]}"
    return _report(results, printed)


def _report(results: Path, printed: str) -> Report:
    counts: Counter[str] = Counter()
    failed: dict[str, str] = {}
    skipped: Counter[str] = Counter()
    cases = list(ET.parse(results).iter("testcase")) if results.exists() else []
    for case in cases:
        wrong = next((part for part in case if part.tag in ("failure", "error")), None)
        skip = case.find("skipped")
        if wrong is not None:
            failed[str(case.get("name"))] = str(wrong.get("message")).splitlines()[0][:200]
        if skip is not None:
            skipped[str(skip.get("message"))] += 1
        counts["failed" if wrong is not None else "skipped" if skip is not None else "passed"] += 1
    seconds = sum(float(case.get("time", 0)) for case in cases)
    return Report(counts, failed, skipped, printed, seconds)


def _contract_case(row: EngineRow) -> Any:
    return _case(row, slow=f"{row.name} takes minutes" if row.name in LONG_CONTRACTS else "")


@pytest.mark.parametrize("row", [_contract_case(row) for row in FOREIGN])
def test_the_contract(
    row: EngineRow, contract: Callable[[EngineRow], Report], capsys: pytest.CaptureFixture[str]
) -> None:
    report = contract(row)
    needed(row.name)
    with capsys.disabled():
        summary = ", ".join(f"{number} {outcome}" for outcome, number in sorted(report.counts.items()))
        print(f"\n  {row.name}: {summary or 'nothing ran'} in {report.seconds:.0f} s")
        for reason, number in report.skipped.items():
            print(f"    {number} skipped: {reason}")
    assert not report.failed, "\n".join(f"{name}: {why}" for name, why in report.failed.items())
    assert report.counts["passed"] > 100, report.printed
    assert report.printed.startswith("exit code 0\n"), report.printed


@pytest.fixture(scope="module")
def proofs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Definitions and truths, shared by all engines."""
    return tmp_path_factory.mktemp("proofs")


@pytest.mark.parametrize(
    ("row", "network"), [_certificate(row, network) for network in NETWORKS for row in FOREIGN]
)
def test_a_certificate(row: EngineRow, network: str, proofs: Path) -> None:
    description = describe(row, needed(row.name))
    assert description["status"] == "ready", description["error"]
    name, shape = NETWORKS[network]
    precisions = [precision for precision in ("float64", "float32") if precision in description["precisions"]]
    proof = prove(
        source(name), [row.name], precisions, input_shape=shape, steps=5, threads=1, timeout=300.0,
        work=proofs / network,
    )  # fmt: skip
    assert [(c.precision, c.status, c.reason) for c in proof] == [(p, "proved", "") for p in precisions], [
        c.first_departure for c in proof
    ]


def test_nothing_is_in_an_environment_that_is_not_pinned() -> None:
    """What pip had to find by itself would be another version tomorrow."""
    from importlib.metadata import distributions

    from crosstrain.environments.environments import own_environment, pins_of
    from crosstrain.environments.installing import packages_in

    def plain(name: str) -> str:
        return name.replace("_", "-").replace(".", "-").lower()

    # One that was made by hand and linked there does not tell its requirements.
    environments = {
        row.name: (row, here.folder)
        for row in BUILT_IN
        if (here := own_environment(row)) and here.folder and "requirements" in here.manifest
    }
    if not environments:
        pytest.skip("no environment has been made")
    for name, (row, folder) in environments.items():
        pinned = {plain(pin.partition("==")[0]) for pin in pins_of(row)} | {"pip", "setuptools"}
        installed = {plain(each.name) for each in distributions(path=[str(p) for p in packages_in(folder)])}
        assert installed <= pinned, name
