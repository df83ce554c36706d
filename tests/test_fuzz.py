"""A few damaged files for every reader; ``tests/fuzz_readers.py`` reads thousands."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from tests import fuzzing
from tests.fuzz_readers import READERS, fuzz
from tests.fuzzing import Reading, watched


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_refused_in_a_sentence(name: str) -> None:
    results = list(fuzz(name, range(30)))
    assert not [result for result in results if result.wrong]
    assert [result.number for result in results] == list(range(30))
    if name not in ("pictures", "voc"):  # of these, single ones that are damaged are left out with a warning
        assert any(result.answer == "refused" for result in results)


def troublesome(name: str, numbers: range) -> Iterator[Reading]:
    """Stands in for a reader that file 1 brings down and file 3 stops for good."""
    for number in numbers:
        if number == 1:
            os._exit(7)
        if number == 3:
            time.sleep(60)
        yield Reading(number, "read", 0.0)


def test_a_file_that_ends_or_stops_its_reader_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzzing, "SILENCE", 3.0)
    answers = {result.number: result.answer for result in watched(troublesome, "none", range(5))}
    assert answers == {0: "read", 1: "died", 2: "read", 3: "hang", 4: "read"}
