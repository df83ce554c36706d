"""Pictures with sentences: rows for each caption, the words of the training part, beams, bad files."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crosstrain.data.prepared import owners_name
from crosstrain.data.sets.sequences.captions import BEGIN, END
from crosstrain.data.sets.sequences.shapes import drawn, scenes
from crosstrain.data.sets.sequences.tokens import Tokenizer
from crosstrain.errors import CrosstrainError
from crosstrain.runs.tasks.captioning import captions, first_rows, judged
from tests.data.making import picture, write_picture

SENTENCES = ("A dog runs.", "the brown dog is running on the beach")


def folder(path: Path, pictures: int = 12) -> Path:
    lines = []
    for number in range(pictures):
        write_picture(path / "images" / f"{number}.png", picture(number))
        lines += [f"{number}.png#{n}\t{text} {number % 3}" for n, text in enumerate(SENTENCES)]
    (path / "captions.txt").write_text("\n".join(lines) + "\n")
    return path


def test_a_row_for_each_caption(tmp_path: Path, prepared: Callable) -> None:
    data = prepared(f"captions:{folder(tmp_path / 'd')}:length=8", size=16)
    manifest = data.manifest
    assert manifest["task"] == "captioning"
    tokenizer = Tokenizer.from_json(manifest["facts"]["captions"]["tokenizer"])
    assert manifest["inputs"] == {
        "picture": {"shape": [16, 16, 3], "dtype": "float32"},
        "words": {"shape": [9], "dtype": "int64", "vocabulary": tokenizer.size},
    }
    assert sum(manifest["splits"].values()) == 24
    pictures = set()
    for split in ("train", "validation", "test"):
        inputs, targets = data.arrays(split)
        owners = data.kept(owners_name(split))
        assert not pictures & set(owners.tolist()), "a picture's captions lie in one part"
        pictures |= set(owners.tolist())
        for words, wanted in zip(inputs["words"], targets[""], strict=True):
            count = np.count_nonzero(words)
            assert words[0] == BEGIN
            assert words[1:count].tolist() == wanted[: count - 1].tolist(), "the next word, at every step"
            assert wanted[count - 1] == END
            assert not wanted[count:].any()
    text = tokenizer.decode(data.arrays("train")[0]["words"][0][1:])
    assert text.startswith(("a dog runs .", "the brown dog"))


def test_a_caption_for_a_picture_that_is_not_there(tmp_path: Path, prepared: Callable) -> None:
    place = folder(tmp_path / "d")
    (place / "images" / "3.png").unlink()
    with pytest.raises(CrosstrainError, match=r"captions.txt, line 7: there is no picture '3.png'"):
        prepared(f"captions:{place}")


def test_rows_of_a_damaged_picture_are_left_out_with_their_owners(tmp_path: Path, prepared: Callable) -> None:
    place = folder(tmp_path / "d", pictures=40)
    sound = prepared(f"captions:{place}", size=8)
    broken = int(sound.kept(owners_name("test"))[0])
    (place / "images" / f"{broken}.png").write_bytes(b"no picture")
    data = prepared(f"captions:{place}", size=8)
    assert any("damaged" in warning for warning in data.warnings)
    owners = data.kept(owners_name("test"))
    assert owners.tolist() == [n for n in sound.kept(owners_name("test")).tolist() if n != broken]
    assert len(owners) == data.examples("test")


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["0.png\ta dog"], "has 1 pictures, too few for training, validation and test"),
        (["0.png a dog"], "captions.txt, line 1 has no tab between the picture and its text"),
        (
            ["0.png\ta dog", "", "../0.png\ta cat"],
            "line 3: the picture '../0.png' is not inside",
        ),
        (["captions.txt\ta dog"], "captions.txt, line 1: no picture is called 'captions.txt'"),
        (["0.png\t"], "captions.txt has no line with a picture and a text"),
    ],
)
def test_what_is_wrong_with_a_file_of_captions(
    tmp_path: Path, prepared: Callable, lines: list[str], sentence: str
) -> None:
    write_picture(tmp_path / "d" / "images" / "0.png", picture(0))
    (tmp_path / "d" / "captions.txt").write_text("\n".join(lines))
    with pytest.raises(CrosstrainError, match=re.escape(sentence)):
        prepared(f"captions:{tmp_path / 'd'}")


def test_drawn_shapes_say_so_and_their_captions_describe_them(prepared: Callable) -> None:
    data = prepared("drawn-shapes:count=40")
    assert any("made by a program" in warning for warning in data.warnings)
    assert sum(data.manifest["splits"].values()) == 80
    scene = scenes(200, 0)[7]
    one, other = scene.captions
    assert {*one.split()} - {*other.split()} <= {"above", "below", "left", "right", "of"}
    assert drawn(scene, 0, 7).shape == (48, 48, 3)
    assert np.array_equal(drawn(scene, 0, 7), drawn(scene, 0, 7))


TABLE = np.log(np.array([
    # what follows what: 4 is likelier than 5 at first, but nothing sure comes after it
    [0, 0, 0, 0.0, 0.6, 0.4, 0, 0],
    [0, 0, 0, 0.1, 0, 0, 0.45, 0.45],
    [0, 0, 0, 1.0, 0, 0, 0, 0],
    [0, 0, 0, 1.0, 0, 0, 0, 0],
]) + 1e-12)  # fmt: skip
ROW = {2: 0, 4: 1, 5: 2, 6: 3, 7: 3}


def ask(pictures: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Scores of the word after each, whatever the picture."""
    return np.stack([[TABLE[ROW.get(int(word), 3)] for word in row] for row in words])


@pytest.mark.parametrize(("beam", "wanted"), [(1, [4, 6, 0]), (2, [5, 0, 0]), (5, [5, 0, 0])])
def test_a_beam_finds_what_greed_does_not(beam: int, wanted: list[int]) -> None:
    job = {"beam": beam, "length": 3, "begin": 2, "end": 3, "reserved": [0, 1, 2]}
    said = captions(ask, np.zeros((70, 4, 4, 3)), job)
    assert said.shape == (70, 3)
    assert (said == wanted).all()


def test_a_caption_ends_where_there_is_no_more_room() -> None:
    endless = np.full((8,), -5.0)
    endless[6] = 5.0
    job = {"beam": 2, "length": 3, "begin": 2, "end": 3, "reserved": [0, 1, 2]}
    said = captions(lambda p, w: np.tile(endless, (*w.shape, 1)), np.zeros((2, 4, 4, 3)), job)
    assert said.tolist() == [[6, 6, 6], [6, 6, 6]]


def test_what_was_said_is_judged_by_all_captions_of_its_picture() -> None:
    """Rows of one picture need not follow each other; references are those of its own."""
    owners = np.array([7, 3, 7, 3])
    targets = np.array([[4, 5, 6, 7, 3], [8, 9, 10, 11, 3], [5, 6, 7, 8, 3], [4, 4, 4, 4, 3]])
    assert first_rows(owners).tolist() == [0, 1]
    said = np.array([[5, 6, 7, 8, 0], [8, 9, 10, 11, 0]])
    found = judged(said, targets, owners, END)
    assert found["bleu"] == 1
    assert judged(said[::-1], targets, owners, END)["bleu"] == 0
