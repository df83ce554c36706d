"""What all tests share: where real data lies, and which Keras backend the test process itself uses."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Before anything imports Keras. NumPy's backend needs no framework's start-up; tests that want Keras to
# train do so in worker processes of their own.
os.environ.setdefault("KERAS_BACKEND", "numpy")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest

try:
    import hypothesis
except ImportError:  # an engine's own environment, where only the contract is tried
    hypothesis = None  # type: ignore[assignment]
else:
    # Tests share their machine with others; how long an example takes says nothing of the code.
    hypothesis.settings.register_profile("crosstrain", deadline=None)
    hypothesis.settings.load_profile("crosstrain")

SHARED = Path(os.environ.get("CROSSTRAIN_DATA", Path(__file__).parents[2] / "shared" / "data"))

# A shell that runs the suite in its background has told it to ignore Ctrl-C, and what it starts would too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets; tests that need it skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"no real data at {SHARED} (CROSSTRAIN_DATA can name another folder)")
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Prepared data goes to a temporary folder, not to the user's cache."""
    os.environ["CROSSTRAIN_CACHE"] = str(tmp_path_factory.mktemp("cache"))


# -- what is left out, and why ---------------------------------------------------------------------
LEFT_OUT = pytest.StashKey[Counter[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LEFT_OUT] = Counter()
    config.pluginmanager.register(_FromWorkers(), "left-out-from-workers")


def pytest_itemcollected(item: pytest.Item) -> None:
    """``slow`` takes a test out of ``make test``, and so must say why."""
    for mark in item.iter_markers("slow"):
        if not mark.args or not str(mark.args[0]).strip():
            raise pytest.UsageError(f"{item.nodeid}: the marker slow needs a reason, slow('…')")


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    for item in items:
        if mark := item.get_closest_marker("slow"):
            item.config.stash[LEFT_OUT][str(mark.args[0])] += 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where pytest-xdist runs several processes, they collect; the first of them reports."""
    worker: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if worker is not None:
        worker["left_out"] = dict(session.config.stash[LEFT_OUT])


class _FromWorkers:
    """Hooks of pytest-xdist, which may not be there."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        # Each of them has collected everything: no sum.
        node.config.stash[LEFT_OUT] |= Counter(getattr(node, "workeroutput", {}).get("left_out", {}))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if left_out := config.stash[LEFT_OUT]:
        terminalreporter.section("left out as slow (make test-all runs them)")
        for reason, number in sorted(left_out.items()):
            terminalreporter.write_line(f"{number} × {reason}")
