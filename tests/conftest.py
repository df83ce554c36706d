"""What all tests share: where real data lies, and which Keras backend the test process itself uses."""

from __future__ import annotations

import os
import signal
from pathlib import Path

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
