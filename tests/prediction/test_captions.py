"""A network that describes pictures, asked: captions word by word and by a beam, and BLEU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.data.making import write_picture

import crosstrain
from crosstrain.data.sets.sequences.shapes import COLOURS, FORMS, PLACES, drawn, scenes
from crosstrain.errors import CrosstrainError

ASKED: dict[str, Any] = {"threads": 1, "device": "cpu", "progress": False}
WORDS = {*COLOURS, *FORMS, *(word for place in PLACES for word in place.split()), "a", "there", "is", "of"}


@pytest.fixture(scope="module")
def captioner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch")
    out = tmp_path_factory.mktemp("captions") / "run"
    trained = crosstrain.train(
        "captioner:width=0.1:units=16", "drawn-shapes:count=60", engine="torch", epochs=2, batch_size=16,
        optimizer="adam", learning_rate=0.01, out=out, **ASKED,
    )  # fmt: skip
    assert trained.ok, trained.result.error
    assert 1 < trained.result.test_metrics["perplexity"] < 30, "padding is not counted"
    return out


def test_pictures_are_described(captioner: Path, tmp_path: Path) -> None:
    for number, scene in enumerate(scenes(2, 9)):
        write_picture(tmp_path / f"{number}.png", drawn(scene, 9, number))
    for beam in (0, 3):
        said = crosstrain.predict(captioner, tmp_path, beam=beam, **ASKED)
        assert len(said.answers) == 2
        for answer in said.answers:
            ((text, _),) = answer.texts
            assert set(text.split()) <= WORDS
    assert said.to_csv().startswith("input,text_1,probability_1\n")


def test_bleu_of_the_test_part(captioner: Path) -> None:
    evaluated = crosstrain.evaluate(captioner, beam=2, **ASKED)
    assert 0 <= evaluated.metrics["bleu"] <= 1
    assert evaluated.examples == 18
    with pytest.raises(CrosstrainError, match="the data has 8×8×1|has the inputs picture, words"):
        crosstrain.train("captioner", "digits", engine="torch", size=8, out=captioner.parent / "no", **ASKED)
