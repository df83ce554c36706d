"""Lines of text as pictures: sizes, grounds, alphabets, and files that are not in order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crosstrain.data.sets.sequences.tokens import Tokenizer
from crosstrain.data.sets.sequences.words import drawn, words
from crosstrain.errors import CrosstrainError
from tests.data.making import write_picture

TEXTS = ["ab a", "ba", "b c", "abba", "cab", "aa", "bb", "cc", "aab", "abc", "bca", "cb"]


def folder(path: Path, texts: list[str] = TEXTS, file: str = "labels.csv", place: str = "images") -> Path:
    """A line for each text, 16 pixels high and 10 wide for each character: ink on grey."""
    lines = ["picture,text"] if file.endswith(".csv") else []
    for number, text in enumerate(texts):
        pixels = np.full((16, 10 * len(text), 3), 200, np.uint8)
        pixels[4:12, 2:-2] = 20
        write_picture(path / place / f"{number}.png", pixels)
        lines.append(f"{number}.png{',' if file.endswith('.csv') else chr(9)}{text}")
    (path / file).write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(("file", "place"), [("labels.csv", "images"), ("labels.txt", ".")])
def test_lines_and_what_they_say(tmp_path: Path, prepared: Callable, file: str, place: str) -> None:
    data = prepared(f"labelled-sequences:{folder(tmp_path / 'd', file=file, place=place)}:height=32")
    manifest = data.manifest
    assert manifest["task"] == "transcription"
    assert manifest["inputs"][""] == {"shape": [32, 80, 1], "dtype": "float32"}
    tokenizer = Tokenizer.from_json(manifest["facts"]["lines"]["tokenizer"])
    assert manifest["classes"][:2] == ["[blank]", "[unknown]"]
    spec = manifest["targets"][""]
    assert (spec["shape"], spec["classes"], spec["blank"]) == ([4], tokenizer.size, 0)
    assert spec["steps"] == 5, "abba needs a blank between its equals"
    seen = set()
    for split in ("train", "validation", "test"):
        inputs, targets = data.arrays(split)
        for picture, target in zip(inputs[""], targets[""], strict=True):
            text = tokenizer.decode(target)
            seen.add(text)
            own = 20 * np.count_nonzero(target)
            assert picture[16, 6 : own - 6, 0].max() < 0.2
            assert picture[:, own:, 0] == pytest.approx(200 / 255, abs=0.01), "the rest is its own ground"
    assert len(seen) == 12


def test_equal_texts_lie_in_one_part(tmp_path: Path, prepared: Callable) -> None:
    data = prepared(f"labelled-sequences:{folder(tmp_path / 'd', TEXTS * 3)}")
    of_parts = [
        {tuple(row) for row in data.arrays(split)[1][""]} for split in ("train", "test", "validation")
    ]
    assert sum(map(len, of_parts)) == len(set().union(*of_parts))
    assert sum(data.manifest["splits"].values()) == 36


def test_a_width_of_ones_own(tmp_path: Path, prepared: Callable) -> None:
    """Lines that are too long for it are squeezed, never cut."""
    data = prepared(f"labelled-sequences:{folder(tmp_path / 'd')}", size=(16, 20))
    pictures = data.arrays("train")[0][""]
    assert pictures.shape[1:] == (16, 20, 1)
    assert (pictures[:, 8, 10, 0] < 0.3).all()


def named(picture: Callable[[Path], str]) -> Callable[[Path], int]:
    """Has the first line name its picture so."""
    return lambda d: (d / "labels.csv").write_text(f"picture,text\n{picture(d)},a\n")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: (d / "labels.csv").unlink(), "has no file of texts; it may be called labels.csv"),
        (lambda d: (d / "images/3.png").unlink(), r"labels.csv, line 5: there is no picture '3.png'"),
        (lambda d: (d / "labels.csv").write_text("picture,text\n0.png,a,b\n"), "line 2 has 3 cells"),
        (named(lambda d: str(d / "images/0.png")), "line 2: the picture '/.*' is not inside"),
        (
            named(lambda d: "../images/0.png"),
            "line 2: the picture '../images/0.png' is not inside",
        ),
        (lambda d: (d / "labels.csv").write_text("picture,text\n"), "has no line with a picture and a text"),
        (lambda d: (d / "labels.csv").write_text("picture,text\n0.png,a\n1.png,b\n"), "has 2 lines, too few"),
        (lambda d: (d / "labels.csv").write_text("picture\n0.png\n"), "has one column"),
        (lambda d: (d / "labels.csv").rename(d / "labels.txt"), "labels.txt, line 1 has no tab"),
    ],
)
def test_what_is_wrong(tmp_path: Path, prepared: Callable, spoil: Callable, message: str) -> None:
    place = folder(tmp_path / "d")
    spoil(place)
    with pytest.raises(CrosstrainError, match=message):
        prepared(f"labelled-sequences:{place}")


def test_lines_without_a_text_are_told(tmp_path: Path, prepared: Callable) -> None:
    data = prepared(f"labelled-sequences:{folder(tmp_path / 'd', [*TEXTS, '  '])}")
    assert data.warnings == ["1 line without a text was left out: line 14"]


def test_made_up_words_say_so_and_are_the_same_again(prepared: Callable) -> None:
    data = prepared("rendered-words:count=40,letters=4")
    assert any("made up and drawn by a program" in warning for warning in data.warnings)
    assert data.manifest["inputs"][""]["shape"] == [32, 80, 1]
    assert sum(data.manifest["splits"].values()) == 40
    assert len(set(words(40, 4, 0))) == 40
    assert np.array_equal(drawn("abc", 0, 3), drawn("abc", 0, 3))
    assert not np.array_equal(drawn("abc", 0, 3), drawn("abc", 0, 4)), "no two look the same"
    with pytest.raises(CrosstrainError, match="rendered-words is built in and takes no path"):
        prepared("rendered-words:here")
    with pytest.raises(CrosstrainError, match="there are 17,576 words of at most 3 letters, not 17,577"):
        prepared("rendered-words:count=17577,letters=3")
