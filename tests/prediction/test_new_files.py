"""Texts, tables and series from elsewhere, read as those of the training were."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosstrain.data import prepare
from crosstrain.data.inputs import Inputs, read_inputs
from crosstrain.data.trained_preparation import TrainedPreparation
from crosstrain.errors import CrosstrainError

TEXTS = [f"a {kind} day, number {i}" for i in range(20) for kind in ("good", "bad")]


def trained(spec: str, folder: Path) -> TrainedPreparation:
    return TrainedPreparation.of(prepare(spec, cache=folder / "cache"), {})


def asked(preparation: TrainedPreparation, *paths: Path) -> tuple[Inputs, np.ndarray]:
    with ExitStack() as stack:
        inputs = read_inputs(list(paths), preparation, stack)
    (column,) = inputs.table.inputs.values()
    return inputs, np.asarray(column.array)  # type: ignore[union-attr]


@pytest.fixture
def texts(tmp_path: Path) -> TrainedPreparation:
    rows = [f'"{text}",{text.split()[1]}' for text in TEXTS]
    (tmp_path / "train.csv").write_text("\n".join(["text,label", *rows]))
    return trained(f"text:{tmp_path / 'train.csv'}:length=8", tmp_path)


def test_texts_of_files_folders_and_tables(tmp_path: Path, texts: TrainedPreparation) -> None:
    (tmp_path / "new").mkdir()
    for number, text in enumerate(TEXTS[:3]):
        (tmp_path / "new" / f"{number}.txt").write_text(text)
    (tmp_path / "new.csv").write_text(
        "\n".join(["id,text", *(f'{n},"{t}"' for n, t in enumerate(TEXTS[:3]))])
    )
    inputs, array = asked(texts, tmp_path / "new", tmp_path / "new" / "1.txt", tmp_path / "new.csv")
    assert inputs.labels[0].endswith("0.txt")
    assert inputs.labels[4:] == [f"{tmp_path / 'new.csv'}, line {n}" for n in (2, 3, 4)]
    assert array.shape == (7, 8)
    assert np.array_equal(array[:3], array[4:])
    assert np.array_equal(array[1], array[3])
    source = prepare(f"text:{tmp_path / 'train.csv'}:length=8", cache=tmp_path / "cache")
    known = {tuple(row) for split in ("train", "validation", "test") for row in source.arrays(split)[0][""]}
    assert {tuple(row) for row in array} <= known, "the training's own numbers"


def test_rows_of_a_table_need_no_target(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    age, town = random.integers(20, 60, 40), random.choice(["Rome", "Oslo"], 40)
    lines = [f"{a},{t},{2.5 * a + 1}" for a, t in zip(age, town, strict=True)]
    (tmp_path / "train.csv").write_text("\n".join(["age,town,pay", *lines]))
    preparation = trained(f"table:{tmp_path / 'train.csv'}:target=pay,task=regression", tmp_path)
    (tmp_path / "new.csv").write_text("town,age\nOslo,30\nParis,40\n")
    inputs, array = asked(preparation, tmp_path / "new.csv")
    facts = preparation.manifest["facts"]["table"]
    column = facts["columns"][0]
    assert array[:, 0] == pytest.approx((np.array([30, 40]) - column["mean"]) / column["deviation"])
    assert array[1, 1:].tolist() == [0, 0], "a town that the training did not have"
    assert inputs.labels == [f"{tmp_path / 'new.csv'}, row {n}" for n in (1, 2)]
    assert inputs.in_units is not None
    scaled = (np.array([[76.0], [101.0]]) - facts["goal"]["mean"]) / facts["goal"]["deviation"]
    assert inputs.in_units(scaled) == pytest.approx(np.array([[76.0], [101.0]]))


@pytest.mark.parametrize("relative", ["yes", "no"])
def test_the_end_of_a_series(tmp_path: Path, relative: str) -> None:
    series = 10 + 3 * np.sin(np.arange(120) / 4)
    (tmp_path / "train.txt").write_text(" ".join(map(str, series)))
    preparation = trained(f"series:{tmp_path / 'train.txt'}:window=6,relative={relative}", tmp_path)
    (tmp_path / "new.txt").write_text(" ".join(map(str, series[:60] + 5)))
    inputs, array = asked(preparation, tmp_path / "new.txt", tmp_path / "train.txt")
    facts = preparation.manifest["facts"]["series"]
    level = series[59] + 5 if relative == "yes" else 0
    wanted = (series[54:60] + 5 - level - facts["mean"][0]) / facts["deviation"][0]
    assert array[0, :, 0] == pytest.approx(wanted, rel=1e-5)
    assert inputs.in_units is not None
    outputs = (np.array([[12.0], [9.0]]) - facts["mean"][0]) / facts["deviation"][0]
    levels = np.array([[level], [series[-1] if relative == "yes" else 0]])
    assert inputs.in_units(outputs) == pytest.approx(np.array([[12.0], [9.0]]) + levels)


def refused(preparation: TrainedPreparation, *paths: Any, match: str) -> None:
    with pytest.raises(CrosstrainError, match=match):
        asked(preparation, *paths)


def test_what_does_not_fit(tmp_path: Path, texts: TrainedPreparation) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    refused(texts, tmp_path / "a.png", match=r"a.png has no texts; they are .txt")
    (tmp_path / "b.csv").write_text("one,two\n1,2\n")
    refused(texts, tmp_path / "b.csv", match="has no column 'text'; it has one, two")
    (tmp_path / "empty.csv").write_text("text\n")
    refused(texts, tmp_path / "empty.csv", match="there is nothing to answer")
    refused(texts, tmp_path / "none.txt", match="there is no file or folder")
    np.save(tmp_path / "x.npy", np.zeros((1, 8), int))
    refused(texts, tmp_path / "x.npy", tmp_path / "train.csv", match="files and arrays cannot be mixed")
    (tmp_path / "s.txt").write_text(" ".join(map(str, range(100))))
    series = trained(f"series:{tmp_path / 's.txt'}:window=6", tmp_path)
    (tmp_path / "short.txt").write_text("1 2 3")
    refused(series, tmp_path / "short.txt", match="has 3 steps; the network sees 6")
    (tmp_path / "two.csv").write_text("a,b\n" + "1,2\n" * 10)
    refused(series, tmp_path / "two.csv", match="has the variables a, b; the network was trained on value")
    (tmp_path / "lm.txt").write_text("words of a text " * 100)
    model = trained(f"text:{tmp_path / 'lm.txt'}:length=8", tmp_path)
    refused(model, tmp_path / "lm.txt", match="crosstrain sample lets it go on")
