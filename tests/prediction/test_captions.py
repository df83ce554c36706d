"""A network that describes pictures, asked: captions word by word and by a beam, and BLEU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import crosstrain
from crosstrain.data.sets.sequences.shapes import COLOURS, FORMS, PLACES, drawn, scenes
from crosstrain.errors import CrosstrainError
from tests.data.making import write_picture

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
    metrics = trained.result.test_metrics
    assert 1 < metrics["perplexity"] < 30, "padding is not counted"
    assert trained.result.title == "BLEU"
    assert trained.result.score == metrics["bleu"]
    low, high = metrics["bleu_limits"]
    assert 0 <= low <= high <= 1
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
    assert not said.notes, "the words that are not said yet are no unlikely input"
    drawn_answers = crosstrain.predict(captioner, tmp_path, pictures=tmp_path / "out", **ASKED)
    assert drawn_answers.pictures == len(list((tmp_path / "out").glob("*.png"))) == 2


def test_bleu_of_the_test_part(captioner: Path) -> None:
    evaluated = crosstrain.evaluate(captioner, beam=2, **ASKED)
    assert 0 <= evaluated.metrics["bleu"] <= 1
    assert evaluated.examples == 18
    limits = evaluated.intervals["bleu"]
    assert (limits.value, limits.samples) == (evaluated.metrics["bleu"], 9)
    trained = json.loads((captioner / "result.json").read_text())["test_metrics"]
    greedy = crosstrain.evaluate(captioner, weights="last", **ASKED).metrics
    for name in ("bleu", "accuracy", "perplexity", "loss"):
        assert greedy[name] == pytest.approx(trained[name], rel=1e-6)
    with pytest.raises(CrosstrainError, match="has the inputs picture, words"):
        crosstrain.train("captioner", "digits", engine="torch", size=8, out=captioner.parent / "no", **ASKED)
