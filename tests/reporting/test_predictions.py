"""The table of predictions on a terminal."""

from __future__ import annotations

import io

import numpy as np
import pytest

from crosstrain.prediction.predict import Answer, Choice, Prediction
from crosstrain.reporting.terminal.grid import WIDTH, console
from crosstrain.reporting.terminal.using import print_prediction

LONG = "end of no overtaking by trucks"


def printed(folder: str, labels: list[str], inputs: int = 3) -> list[str]:
    choices = tuple(Choice(label, n, (1.0, 0.25, 0.125)[n]) for n, label in enumerate(labels))
    answers = tuple(Answer(f"{folder}/{n:04d}.png", "output", choices) for n in range(inputs))
    text = io.StringIO()
    print_prediction(
        Prediction("idsia", "torch", "2.13", "cpu", "best", answers, rows=np.arange(inputs)), console(text)
    )
    return text.getvalue().splitlines()


@pytest.mark.parametrize(
    ("folder", "labels", "shown"),
    [
        ("pictures", ["stop", "give way", "bend"], 3),
        ("pictures", [LONG, LONG, LONG], 2),
        ("a/folder/within", [LONG, LONG, LONG], 2),
    ],
)
def test_a_line_has_the_input_and_whole_probabilities(folder: str, labels: list[str], shown: int) -> None:
    """Further answers and the ends of long names give way."""
    lines = printed(folder, labels)
    (first,) = [line for line in lines if "0001.png" in line]
    assert f"{folder}/0001.png" in first
    assert [f"{p} %" in first for p in ("100.00", "25.00", "12.50")] == [n < shown for n in range(3)]
    assert max(map(len, lines)) <= WIDTH


def test_a_very_long_name_of_an_input_leaves_one_answer_and_is_whole() -> None:
    folder = "/".join(["a-long-name"] * 9)
    lines = printed(folder, [LONG])
    assert any("100.00 %" in line for line in lines)
    column = "".join(line[: line.find("  ")] for line in lines if "a-long" in line or ".png" in line)
    assert "0002.png" in column
    assert max(map(len, lines)) <= WIDTH


def test_inputs_are_counted() -> None:
    assert printed("pictures", ["stop"], 1)[-1].endswith(": 1 input.")
    assert printed("pictures", ["stop"], 1200)[-1].endswith(": 1,200 inputs.")
