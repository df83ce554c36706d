"""A network that CTC trained, asked: texts of best paths and of beams, error rates, and what does not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import crosstrain
from crosstrain.data.sets.sequences.words import drawn
from crosstrain.errors import CrosstrainError
from crosstrain.training.scores.ctc import beam_search, greedy
from tests.data.making import write_picture

SPEC = "rendered-words:count=60,letters=3"
ASKED: dict[str, Any] = {"threads": 1, "device": "cpu", "progress": False}


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch")
    out = tmp_path_factory.mktemp("lines") / "run"
    trained = crosstrain.train(
        "crnn-ctc:width=0.03:units=8", SPEC, engine="torch", epochs=1, batch_size=16, optimizer="adam",
        out=out, **ASKED,
    )  # fmt: skip
    assert trained.ok, trained.result.error
    result = trained.result
    assert 0 <= result.test_metrics["character_accuracy"] <= 1
    assert result.test_metrics["character_error_rate"] >= 0
    assert result.title == "characters right"
    return out


def test_pictures_are_read(reader: Path, tmp_path: Path) -> None:
    for number, text in enumerate(("cat", "zebra")):
        write_picture(tmp_path / f"{number}.png", drawn(text, 5, number))
    best = crosstrain.predict(reader, tmp_path, **ASKED)
    assert best.outputs["logits"].shape[:2] == (2, 15)
    names = best.classes
    for answer, scores in zip(best.answers, best.outputs["logits"], strict=True):
        assert answer.texts == (("".join(names[label] for label in greedy(scores)), None),)
    wide = crosstrain.predict(reader, tmp_path, beam=5, top=2, pictures=tmp_path / "out", **ASKED)
    scores = wide.outputs["logits"][0].astype(np.float64)
    log_p = scores - np.log(np.exp(scores).sum(-1, keepdims=True))
    wanted = [("".join(names[k] for k in labels), np.exp(p)) for labels, p in beam_search(log_p, 5)[:2]]
    assert [text for text, _ in wide.answers[0].texts] == [text for text, _ in wanted]
    assert [p for _, p in wide.answers[0].texts] == pytest.approx([p for _, p in wanted], rel=1e-4)
    assert wide.to_csv().splitlines()[0] == "input,text_1,probability_1,text_2,probability_2"
    assert wide.pictures == 2
    assert json.loads(json.dumps(wide.to_json()))["answers"][0]["texts"]


def test_error_rates_of_the_test_part_are_those_of_training(reader: Path) -> None:
    evaluated = crosstrain.evaluate(reader, weights="last", **ASKED)
    result = json.loads((reader / "result.json").read_text())
    metrics = result["test_metrics"]
    for name in ("character_error_rate", "word_error_rate", "accuracy", "character_accuracy"):
        assert evaluated.metrics[name] == pytest.approx(metrics[name])
    assert {"loss", "accuracy", "character_accuracy"} <= set(evaluated.intervals)
    searched = crosstrain.evaluate(reader, weights="last", beam=3, **ASKED)
    assert searched.metrics["loss"] == pytest.approx(evaluated.metrics["loss"])


def test_other_lines_are_read_by_the_training_s_alphabet(reader: Path, tmp_path: Path) -> None:
    texts = [f"{a}{b}" for a in "abé" for b in "xyz"]
    lines = ["picture,text"]
    for number, text in enumerate(texts):
        write_picture(tmp_path / "d" / f"{number}.png", drawn(text, 5, number))
        lines.append(f"{number}.png,{text}")
    (tmp_path / "d" / "labels.csv").write_text("\n".join(lines), encoding="utf-8")
    evaluated = crosstrain.evaluate(reader, f"labelled-sequences:{tmp_path / 'd'}", **ASKED)
    assert evaluated.examples == 9
    (tmp_path / "d" / "labels.csv").write_text("\n".join([*lines, "0.png,longer"]), encoding="utf-8")
    with pytest.raises(CrosstrainError, match="a text of 6 characters; the longest that the network"):
        crosstrain.evaluate(reader, f"labelled-sequences:{tmp_path / 'd'}", **ASKED)


def test_what_does_not_fit(reader: Path, tmp_path: Path) -> None:
    with pytest.raises(CrosstrainError, match="a beam keeps at least 1 text"):
        crosstrain.predict(reader, tmp_path, beam=-1, **ASKED)
    with pytest.raises(CrosstrainError, match="has 3 steps, and the longest text of the data needs"):
        crosstrain.train(
            "crnn-ctc:width=0.03:units=8", SPEC, engine="torch", size="16x16", out=tmp_path / "run", **ASKED
        )
    with pytest.raises(CrosstrainError, match="at least 16 pixels high"):
        crosstrain.train("crnn-ctc", "digits", engine="torch", size=8, out=tmp_path / "run", **ASKED)
