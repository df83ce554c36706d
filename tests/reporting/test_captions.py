"""What the page shows of captions: test pictures, what a network said of them, and what people said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crosstrain.data import Prepared, prepare
from crosstrain.data.prepared import owners_name
from crosstrain.data.sets.sequences.tokens import Tokenizer
from crosstrain.reporting.page.tasks.captions import SHOWN, described
from crosstrain.reporting.page.view import View
from crosstrain.reporting.page.writing import render
from crosstrain.results.schema import Measure
from crosstrain.runs.tasks.captioning import first_rows
from crosstrain.runs.tasks.predictions import predictions_file
from crosstrain.system.files import write_arrays
from tests.reporting.samples import EVIL, cell, result

SAID = "a red circle above a blue square"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepared:
    monkeypatch.setenv("CROSSTRAIN_CACHE", str(tmp_path / "cache"))
    return prepare("drawn-shapes:count=120")


def view(folder: Path, data: Prepared, said: np.ndarray, rows: np.ndarray) -> View:
    """A comparison whose only cell said ``said`` of the test pictures in ``rows``."""
    measure = Measure(name="bleu", title="BLEU", value=0.4, low=0.3, high=0.5)
    metrics = {"bleu": 0.4, "bleu_limits": [0.3, 0.5], "perplexity": 2.5, "accuracy": 0.7, "loss": 0.9}
    one = cell(
        "captioner", None, "torch", 1.0, data_hash=data.hash, measure=measure, test_accuracy=0.7,
        test_metrics=metrics,
    )  # fmt: skip
    (folder / "cells").mkdir(parents=True, exist_ok=True)
    write_arrays(predictions_file(folder / "cells", one.id), {"said": said, "rows": rows})
    return View(result([one]), folder)


def test_pictures_stand_with_what_was_said_and_what_people_say(data: Prepared, tmp_path: Path) -> None:
    facts = data.manifest["facts"]["captions"]
    tokenizer = Tokenizer.from_json(facts["tokenizer"])
    rows = first_rows(data.kept(owners_name("test")))
    said = np.tile(tokenizer.encode_all([SAID], facts["length"]), (len(rows), 1))
    said[1] = 0
    of = view(tmp_path / "run", data, said, rows)
    html = str(described(of).inner)  # type: ignore[union-attr]
    assert html.count("<img") == SHOWN < len(rows)
    assert html.count(f"<span>{SAID}</span>") == SHOWN - 1
    assert "(nothing)" in html
    targets = data.arrays("test")[1][""]
    for row in rows[:SHOWN]:
        for each in (row, row + 1):  # two captions of one picture
            words = [number for number in targets[each].tolist() if number != facts["end"]]
            assert tokenizer.decode(words) in html
    page = render(of.result, of.folder)
    assert "How well it describes" in page
    assert "What it says of pictures" in page
    assert "BLEU" in page


def test_without_the_data_or_the_answers_there_are_no_pictures(data: Prepared, tmp_path: Path) -> None:
    rows = first_rows(data.kept(owners_name("test")))
    of = view(tmp_path / "run", data, np.zeros((len(rows), 12), np.int64), rows)
    predictions_file(of.folder / "cells", of.result.cells[0].id).write_bytes(b"torn")
    assert described(of) is None
    beyond = view(tmp_path / "other", data, np.zeros((1, 12), np.int64), np.array([10_000]))
    assert described(beyond) is None
    gone = of.result.cells[0].model_copy(update={"data_hash": "0" * 64})
    assert described(View(result([gone]), of.folder)) is None
    other = result([cell("lenet5", 28, "torch", 1.0)])
    assert described(View(other, of.folder)) is None


def test_captions_are_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever people write: it is escaped."""
    from tests.data.making import picture, write_picture

    lines = ["picture,caption"]
    for number in range(12):
        write_picture(tmp_path / "d" / f"{number}.png", picture(number))
        lines.append(f'{number}.png,"{EVIL.replace(chr(34), "")}"')
    (tmp_path / "d" / "captions.csv").write_text("\n".join(lines))
    monkeypatch.setenv("CROSSTRAIN_CACHE", str(tmp_path / "cache"))
    data = prepare(f"captions:{tmp_path / 'd'}", size=16)
    rows = first_rows(data.kept(owners_name("test")))
    html = str(described(view(tmp_path / "run", data, np.zeros((len(rows), 20), np.int64), rows)).inner)  # type: ignore[union-attr]
    assert "&lt;" in html
    assert "<script" not in html
