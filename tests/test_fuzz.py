"""A few damaged files for every reader; ``tests/fuzz_readers.py`` reads thousands."""

from __future__ import annotations

import pytest

from tests.fuzz_readers import READERS, fuzz


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_refused_in_a_sentence(name: str) -> None:
    answers, faults = fuzz(name, 30)
    assert not faults
    assert answers.total() == 30
    if name != "pictures":  # of these, single ones that are damaged are left out with a warning
        assert answers["refused"]
