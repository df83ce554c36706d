"""Networks of tutorials come in, are proved, and learn; what cannot come in says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crosstrain.errors import CrosstrainError
from tests.proof.workshop import Workshop
from tests.tutorials.catalogue import REFUSED, TUTORIALS
from tests.tutorials.table import ENGINES, defined, row

QUICK = ("gated_mlp", "captcha", "decision_forest", "wide_and_deep")


@pytest.fixture(scope="module")
def workshop() -> Iterator[Workshop]:
    with Workshop() as workers:
        yield workers


def check(name: str, engines: tuple[str, ...], folder: Path, workshop: Workshop) -> None:
    result = row(TUTORIALS[name], folder, workshop, engines)
    assert [c.engine for c in result.certificates if c.proved] == list(engines), result.proved
    assert result.after < result.before


@pytest.mark.parametrize("name", QUICK)
def test_some_tutorials_on_one_engine(name: str, tmp_path: Path, workshop: Workshop) -> None:
    check(name, ENGINES[:1], tmp_path, workshop)


@pytest.mark.slow("62 networks on three engines; four on one engine are in every run")
@pytest.mark.parametrize("name", TUTORIALS)
def test_every_tutorial_on_every_engine(name: str, tmp_path: Path, workshop: Workshop) -> None:
    check(name, ENGINES, tmp_path, workshop)


@pytest.mark.parametrize(("place", "words"), REFUSED.items())
def test_what_cannot_come_in_says_what_to_do(
    place: str, words: str, tmp_path: Path, workshop: Workshop
) -> None:
    with pytest.raises(CrosstrainError, match=f"^cannot: .*{words}"):
        defined(str(Path(__file__).parent / place), tmp_path, workshop, input_shapes={"": [5]})
