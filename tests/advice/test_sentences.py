"""What a recommendation says can be read aloud: short sentences, and no number without its unit."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from crosstrain.advice.caveats import MARKS
from crosstrain.advice.recommendation import recommend
from crosstrain.results.rows import rows
from crosstrain.results.schema import CellResult, Recommendation
from tests.advice.test_recommend import learning, processes, sized
from tests.comparison.fakes import cell

MOST_WORDS = 25

UNITS = (
    "%", "times", "s", "ms", "min", "MiB", "GiB", "pixels", "points", "engines", "rows", "row", "processes",
    "process", "test examples", "frames/s", "more repeats", "more repeat", "further repeats", "other",
    "others",
)  # fmt: skip
NUMBER = re.compile(
    r"[−+]?\d[\d.,×]*(?: ± \d[\d.]*)?(?: \[\d[\d.]*–\d[\d.]*\])?"
    rf"(?P<unit> (?:{'|'.join(UNITS)})\b| %)?"
)
DIMENSIONLESS = re.compile(r"(?:test loss(?: is)?|weight|examples than) $")
"""What may stand before a number that has no unit behind it."""


def sentences(advice: Recommendation) -> list[str]:
    """Everything that is said, sentence by sentence."""
    said = [advice.headline, *advice.why, *advice.changes, *advice.caveats, *advice.sentences]
    return [part for text in said for part in re.split(r"(?<=[.!?]) (?=[A-Z])", text)]


def words(sentence: str) -> int:
    return sum(any(c.isalnum() for c in word) for word in sentence.split())


def without_unit(sentence: str, names: set[str]) -> list[str]:
    """The numbers of a sentence, other than those of names, that have no unit."""
    for name in sorted(names, key=len, reverse=True):
        sentence = re.sub(rf"\b{re.escape(name)}\b", "NAME", sentence, flags=re.IGNORECASE)
    sentence = sentence.translate({ord(mark): None for mark in MARKS})
    return [
        found[0]
        for found in NUMBER.finditer(sentence)
        if not found["unit"] and not DIMENSIONLESS.search(sentence[: found.start()])
    ]


def crowd(pace: Callable[[int], float], **fields: Any) -> list[CellResult]:
    """Six networks of one family at three sizes on three engines."""
    return [
        each
        for network in range(2)
        for size in (32, 48, 64)
        for place, engine in enumerate(("tensorflow", "torch@tuned", "jax"))
        for each in processes(
            engine, pace(place) * size / 32, network=f"resnet{20 + 12 * network}", input_size=size, **fields
        )
    ]


def noisy(engine: str, seconds: float, **fields: Any) -> list[CellResult]:
    """Three processes that differ by 10 %."""
    return [cell(engine, [seconds * f] * 3, repeat=r, **fields) for r, f in enumerate((0.9, 1.0, 1.1))]


LATENCIES = [
    {"network": "net", "input_size": 32, "engine": engine, "latency_p50": seconds}
    for engine, seconds in (("torch", 0.004), ("jax", 0.002))
]
FEW = {"test_examples": 270}
LEAN = {"peak_memory_bytes": 300 * 2**20}
WORSE = {**LEAN, "test_accuracy": 0.6, "network": "lenet5", "input_size": 48}
CASES: dict[str, tuple[list[CellResult], str]] = {
    "one engine": (processes("torch", 1.0), ""),
    "one engine, one process": ([cell("torch")], ""),
    "two engines": ([*processes("torch", 1.0), *processes("jax", 2.0)], ""),
    "a tie": ([*processes("torch", 1.0), *processes("jax", 1.005)], ""),
    "a tie broken by memory": ([*processes("torch", 1.0), *processes("jax", 1.005, **LEAN)], ""),
    "a tie that repeats would break": ([*noisy("torch", 1.0), *noisy("jax", 1.1)], ""),
    "one process each": ([cell("torch"), cell("jax", [1.05] * 3), cell("tensorflow", [1.01] * 3)], ""),
    "too early to tell": ([*learning(32, 1.0, 0.7), *learning(64, 3.9, 0.7)], ""),
    "unsteady": ([*processes("torch", 1.0, test_accuracy=0.85), *processes("jax", 2.0)], ""),
    "both caveats": ([cell("torch", test_accuracy=0.85), cell("jax", [1.03] * 3)], ""),
    "sizes": ([*sized(32, 1.0, 0.9), *sized(48, 2.2, 0.95), *sized(64, 3.9, 0.95)], ""),
    "few examples": ([*sized(32, 1.0, 0.95, **FEW), *sized(64, 3.9, 0.96, **FEW)], ""),
    "many ties": (crowd(lambda place: 1 + place / 1000), ""),
    "many networks": (crowd(lambda place: 1 + place), ""),
    "noise in everything": (
        [c for e, s in (("torch", 1.0), ("jax", 1.05)) for n in ("resnet20", "resnet32") for z in (32, 48)
         for c in noisy(e, s, network=n, input_size=z, test_examples=200)], "",
    ),
    "a wish for memory": ([*processes("torch", 1.0), *processes("jax", 1.4, **LEAN)], "memory"),
    "a wish for latency": ([*processes("torch", 1.0), *processes("jax", 1.4, **WORSE)], "latency"),
    "weights": ([*processes("torch", 1.0), *processes("jax", 1.5, **WORSE)], "time=2,memory=1,accuracy=3"),
    "weights that tie": ([*processes("torch", 1.0), *processes("jax", 1.002)], "time=2,accuracy=3"),
    "weights among many": (crowd(lambda place: 1 + place / 1000, **LEAN), "time=2,memory=1,accuracy=5"),
    "losses": (
        [*processes("torch", 1.0, test_accuracy=None, test_metrics={"loss": 2.0}, network="a"),
         *processes("jax", 1.0, test_accuracy=None, test_metrics={"loss": 1.0}, network="b")], "",
    ),
    "no metric": (processes("torch", 1.0, test_accuracy=None), ""),
    "a minute": ([*processes("torch", 71.5), *processes("jax", 700.0)], ""),
    "milliseconds": ([*processes("torch", 0.0123), *processes("jax", 0.02)], ""),
    "nothing proved": (processes("torch", 1.0, certificate="departs"), ""),
    "nothing done": ([cell("torch", [], status="failed")], ""),
    "a requirement": ([*processes("torch", 1.0), *processes("jax", 2.0)], ""),
    "a requirement that all meet": ([*processes("torch", 1.0), *processes("jax", 2.0)], ""),
    "a requirement among many": (crowd(lambda place: 1 + place, **LEAN), ""),
    "a requirement that names rows": (
        [*sized(32, 1.0, 0.95), *sized(48, 2.2, 0.9), *sized(64, 3.9, 0.95)], "",
    ),
    "every requirement": ([*processes("torch", 1.0), *processes("jax", 2.0)], "time=2,memory=1"),
    "a requirement that none meets": (crowd(lambda place: 1 + place), ""),
    "requirements that none meets at once": ([*processes("torch", 1.0), *processes("jax", 2.0)], ""),
    "a requirement that was not measured": (processes("torch", 1.0), ""),
}  # fmt: skip
REQUIRED = {
    "a requirement": "fps >= 300",
    "a requirement that all meet": "fps>=10",
    "a requirement among many": "time<=1.5",
    "a requirement that names rows": "time<=2",
    "every requirement": "fps>=10,latency<=1,memory<=2G,time<=1.5,accuracy>=0.5",
    "a requirement that none meets": "time<=0.1",
    "requirements that none meets at once": "fps>=300,time<=1.5",
    "a requirement that was not measured": "fps>=25",
}
"""What is required in a case."""
UNMEASURED = "a requirement that was not measured"


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Recommendation, set[str]]:
    return advised(request.param)


@cache
def advised(name: str) -> tuple[Recommendation, set[str]]:
    """The recommendation of a case, and the names in it that have numbers."""
    cells, preference = CASES[name]
    measured = preference == "latency" or name in set(REQUIRED) - {UNMEASURED}
    advice = recommend(rows(cells), LATENCIES if measured else (), preference, REQUIRED.get(name, ""))
    return advice, {*advice.required, *(each for c in cells for each in (c.network, c.engine))}


def test_no_sentence_is_long(case: tuple[Recommendation, set[str]]) -> None:
    for sentence in sentences(case[0]):
        assert words(sentence) <= MOST_WORDS, sentence


def test_no_number_lacks_its_unit(case: tuple[Recommendation, set[str]]) -> None:
    advice, names = case
    for sentence in sentences(advice):
        assert not without_unit(sentence, names), sentence


def test_there_is_a_headline_and_few_sentences(
    case: tuple[Recommendation, set[str]],
) -> None:
    advice, _ = case
    assert advice.headline.endswith(".")
    assert 1 <= len(advice.why) <= (4 if advice.required else 3)
    assert all(len(re.findall(r"\. [A-Z]", sentence)) == 0 for sentence in advice.why)


def test_every_caveat_is_said_once_and_marked_where_it_counts(case: tuple[Recommendation, set[str]]) -> None:
    advice, _ = case
    assert [caveat[0] for caveat in advice.caveats] == list(MARKS[: len(advice.caveats)])
    text = " ".join([advice.headline, *advice.why])
    for mark in MARKS:
        assert (mark in text) == (mark in "".join(caveat[0] for caveat in advice.caveats))
        # A mark stands behind a number (and its unit), or behind another mark.
        assert all(
            re.search(rf"(?:[\d%sn]|times|[{MARKS}])$", text[: m.start()]) for m in re.finditer(mark, text)
        )


def test_the_reader_of_the_text_is_itself_strict() -> None:
    assert without_unit("It costs 3 s and 2.5 [2–3] times 5 % at 32 pixels.", set()) == []
    assert without_unit("It costs 3.9 for 64 instead of resnet20.", {"resnet20"}) == ["3.9", "64"]
    assert words("a ± 3 [1–2] b.") == 4
