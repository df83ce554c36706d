"""The same numbers as NeuroLab, to 1e-9; where an error runs away to 5e11, to eleven digits."""

from __future__ import annotations

import contextlib
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest

import crosstrain.classic.neurolab as nl
from tests.classic.neurolab import calls

FIGURES = json.loads((Path(__file__).parent / "figures.json").read_text())


@pytest.mark.parametrize("name", FIGURES)
def test_a_call_gives_neurolab_s_numbers(name: str) -> None:
    np.testing.assert_allclose(calls.numbers(nl, name), FIGURES[name], rtol=1e-11, atol=1e-9)


def test_the_lecture_s_script_runs_after_changing_its_import(real_data: Path) -> None:
    """Prints what NeuroLab prints, but for SciPy's rules, whose steps depend on its release."""
    script = real_data.parent / "reference" / "neurolab_reference.py"
    if not script.is_file():
        pytest.skip(f"no script for NeuroLab at {script}")
    text = script.read_text()
    changed = text.replace(
        "import numpy as np, neurolab as nl", "import numpy as np, crosstrain.classic.neurolab as nl"
    )
    assert changed != text
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(changed, str(script), "exec"), {})
    lines = printed.getvalue().splitlines()
    expected = script.with_suffix(".expected.txt").read_text().splitlines()
    assert len(lines) == len(expected)
    for ours, theirs in zip(lines, expected, strict=True):
        rule = theirs.split()[1]
        if rule not in ("bfgs", "cg"):
            assert ours == theirs
            continue
        (start, error), (their_start, their_error) = (
            re.fullmatch(r"(.*) epochs.*last (\S+)", line).groups() for line in (ours, theirs)
        )
        assert start == their_start
        assert float(error) == pytest.approx(float(their_error), rel=0.25)
