"""Text: tokens, vocabularies of the training part alone, labels, and passages of a language model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crosstrain.data.sets.sequences.tokens import KINDS, Tokenizer, words
from crosstrain.errors import CrosstrainError

GOOD = [f"a good day number {i}" for i in range(30)]
BAD = [f"a bad, bad night {i}!" for i in range(30)]


def table(path: Path, names: str = "text,label") -> Path:
    rows = [f'"{text}",{label}' for texts, label in ((GOOD, "good"), (BAD, "bad")) for text in texts]
    path.write_text("\n".join([names, *rows]) + "\n")
    return path


def test_words_are_lower_case_and_keep_their_apostrophes() -> None:
    assert words("Don't panic, it's 42.") == ["don't", "panic", ",", "it's", "42", "."]


@given(st.text(), st.sampled_from(["characters", "bytes"]))
def test_characters_and_bytes_give_the_text_back(text: str, kind: str) -> None:
    tokenizer = Tokenizer.fitted(kind, [text], 100_000)
    numbers = tokenizer.encode(text)
    assert tokenizer.decode(numbers) == text
    assert numbers.size == len(KINDS[kind](text))
    assert (
        Tokenizer.from_json(json.loads(json.dumps(tokenizer.to_json()))).encode(text).tolist()
        == numbers.tolist()
    )


def test_the_most_frequent_tokens_are_known_and_others_are_not() -> None:
    tokenizer = Tokenizer.fitted("words", ["b b b a a c", "a d"], 4)
    assert tokenizer.vocabulary == ("a", "b")
    assert tokenizer.encode_all(["a b c", "b"], 4).tolist() == [[2, 3, 1, 0], [3, 0, 0, 0]]


def test_a_table_of_texts(tmp_path: Path, prepared: Callable) -> None:
    data = prepared(f"text:{table(tmp_path / 'a.csv')}:length=8")
    assert data.manifest["classes"] == ["bad", "good"]
    assert data.manifest["splits"] == {"train": 42, "validation": 9, "test": 9}
    facts = data.manifest["facts"]["text"]
    tokenizer = Tokenizer.from_json(facts["tokenizer"])
    assert data.manifest["inputs"][""] == {"shape": [8], "dtype": "int64", "vocabulary": tokenizer.size}
    inputs, targets = data.arrays("train")
    texts = {tokenizer.decode(row) for row in inputs[""]}
    assert any("good day" in text for text in texts)
    for row, label in zip(inputs[""], targets[""], strict=True):
        assert ("good" in tokenizer.decode(row)) == (label == 1)
    seen = {number for row in inputs[""] for number in row if number > 1}
    assert seen <= set(range(tokenizer.size))
    assert {tokenizer.token(n) for n in seen} == set(tokenizer.vocabulary), (
        "fitted on the training part alone"
    )


def test_folders_are_labels(tmp_path: Path, prepared: Callable) -> None:
    for name, texts in (("good", GOOD), ("bad", BAD)):
        (tmp_path / "d" / name).mkdir(parents=True)
        for index, text in enumerate(texts):
            (tmp_path / "d" / name / f"{index}.txt").write_text(text)
    (tmp_path / "d" / "good" / "empty.txt").write_text(" ")
    data = prepared(f"text:{tmp_path / 'd'}:length=6,tokens=characters")
    assert data.manifest["classes"] == ["bad", "good"]
    assert sum(data.manifest["splits"].values()) == 60
    assert data.warnings == ["1 without a text or a label were left out: good/empty.txt"]


def test_a_language_model_s_target_is_the_next_token(tmp_path: Path, prepared: Callable) -> None:
    text = "the quick brown fox jumps over the lazy dog. " * 20
    (tmp_path / "a.txt").write_text(text)
    data = prepared(f"text:{tmp_path / 'a.txt'}:tokens=characters,length=16,stride=5")
    tokenizer = Tokenizer.from_json(data.manifest["facts"]["text"]["tokenizer"])
    assert data.manifest["targets"][""] == {"shape": [16], "dtype": "int64", "classes": tokenizer.size}
    parts = {}
    for split in ("train", "validation", "test"):
        inputs, targets = data.arrays(split)
        assert np.array_equal(np.asarray(inputs[""])[:, 1:], np.asarray(targets[""])[:, :-1])
        parts[split] = "".join(tokenizer.decode(row[:5]) for row in inputs[""])
    assert text.startswith(parts["train"])
    assert parts["test"] in text[round(0.85 * len(text)) :]


def test_in_time_order_the_last_texts_are_tested(tmp_path: Path, prepared: Callable) -> None:
    data = prepared(f"text:{table(tmp_path / 'a.csv')}:length=6", split="time")
    assert set(np.asarray(data.arrays("test")[1][""])) == {0}
    assert len(set(np.asarray(data.arrays("train")[1][""]))) == 2


@pytest.mark.parametrize(
    ("content", "options", "sentence"),
    [
        ("text,kind\na,b\n", "", r"has the columns text, kind; say which is the label, as label=NAME"),
        ("text,label\na,b,c\n", "", r"line 2 has 3 cells; the first line has 2"),
        ("text,label\na,b\n", "", r"has 1 texts, too few"),
        ("text,label\na,b\n", ":text=words", r"has no column 'words'; it has text, label"),
        (
            "text,label\na,b\n",
            ":tokens=syllables",
            r"tokens is words or characters or bytes, not 'syllables'",
        ),
    ],
)
def test_what_is_no_table_of_texts(
    tmp_path: Path, prepared: Callable, content: str, options: str, sentence: str
) -> None:
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(CrosstrainError, match=sentence):
        prepared(f"text:{tmp_path / 'a.csv'}{options}")


def test_a_text_that_is_too_short(tmp_path: Path, prepared: Callable) -> None:
    (tmp_path / "a.txt").write_text("short " * 20)
    with pytest.raises(CrosstrainError, match=r"its part for train has 14 tokens, and length=200 needs 201"):
        prepared(f"text:{tmp_path / 'a.txt'}")
