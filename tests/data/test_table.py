"""Tables: scales and categories of the training part, missing values, classes and numbers to predict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crosstrain.data.sets import table
from crosstrain.data.source import Request
from crosstrain.errors import CrosstrainError

RANDOM = np.random.default_rng(0)


def frame(rows: int = 100) -> pd.DataFrame:
    age = RANDOM.uniform(1, 80, rows)
    port = RANDOM.choice(["Cork", "Ghent", "Lille"], rows)
    return pd.DataFrame(
        {"age": age, "port": port, "ticket": [f"T{i}" for i in range(rows)],
         "survived": (age > 40).astype(int), "fare": 2.5 * age + 1.0}
    )  # fmt: skip


def saved(path: Path, data: pd.DataFrame) -> Path:
    data.to_csv(path, index=False)
    return path


def test_numbers_are_scaled_and_texts_become_columns(tmp_path: Path, prepared: Callable) -> None:
    data = frame()
    path = saved(tmp_path / "a.csv", data)
    one = prepared(f"table:{path}:target=survived,columns=age+port", split="time")
    assert one.manifest["task"] == "classification"
    assert one.manifest["classes"] == ["0", "1"]
    inputs = np.asarray(one.arrays("train")[0][""])
    age = data["age"].to_numpy()[:70]
    assert inputs[:, 0] == pytest.approx((age - age.mean()) / age.std(), abs=1e-5)
    values = one.manifest["facts"]["table"]["columns"][1]["values"]
    assert sorted(values) == ["Cork", "Ghent", "Lille"]
    assert [values[i] for i in inputs[:, 1:].argmax(axis=1)] == data["port"].tolist()[:70]
    assert (inputs[:, 1:].sum(axis=1) == 1).all()


def test_missing_values_become_the_median_and_are_marked(tmp_path: Path, prepared: Callable) -> None:
    data = frame()
    data.loc[3, "age"] = np.nan
    data.loc[5, "port"] = None
    data.loc[7, "survived"] = np.nan
    data["survived"] = data["survived"].astype("Int64")
    path = saved(tmp_path / "a.csv", data)
    one = prepared(f"table:{path}:target=survived,columns=age+port,task=classification", split="time")
    inputs = np.asarray(one.arrays("train")[0][""])
    scale = one.manifest["facts"]["table"]["columns"][0]
    assert inputs[3, 0] == pytest.approx((scale["median"] - scale["mean"]) / scale["deviation"], abs=1e-6)
    assert inputs[:, 1].tolist() == [float(row == 3) for row in range(len(inputs))]
    assert not inputs[5, 2:].any()
    assert one.warnings == ["1 rows without 'survived' were left out"]
    assert sum(one.manifest["splits"].values()) == 99


def test_numbers_to_predict_are_scaled_and_columns_of_names_left_out(
    tmp_path: Path, prepared: Callable
) -> None:
    one = prepared(f"table:{saved(tmp_path / 'a.csv', frame())}:target=fare")
    assert (one.manifest["task"], one.manifest["targets"][""]["shape"]) == ("regression", [1])
    assert np.asarray(one.arrays("train")[1][""]).std() == pytest.approx(1, abs=1e-5)
    assert one.warnings == ["columns of texts that are different in most rows were left out: 'ticket'"]


def test_other_data_is_read_by_what_the_training_found(tmp_path: Path, prepared: Callable) -> None:
    path = saved(tmp_path / "a.csv", frame())
    one = prepared(f"table:{path}:target=survived,columns=age+port")
    other = frame()
    other["age"] += 100
    other.loc[0, "port"] = "Oslo"
    request = Request(fitted=one.manifest["facts"], split="time")
    source = table.read(saved(tmp_path / "b.csv", other), request)
    scale = one.manifest["facts"]["table"]["columns"][0]
    values = source.splits["train"].inputs[""]
    found = values.array[values.rows]  # type: ignore[union-attr]
    assert found[:, 0] == pytest.approx((other["age"].to_numpy()[:70] - scale["mean"]) / scale["deviation"])
    assert not found[0, 1:].any(), "a category that the training did not have"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            "",
            r"say which column to predict, as table:.*:target=NAME; it has age, port, ticket, survived, fare",
        ),
        (":target=price", r"has no column 'price'; it has age"),
        (":target=fare,columns=fare", r"nothing is left to predict 'fare' from"),
        (":target=fare,task=guess", r"task is .*classification or regression, not 'guess'"),
    ],
)
def test_what_cannot_be_predicted(tmp_path: Path, prepared: Callable, options: str, sentence: str) -> None:
    path = saved(tmp_path / "a.csv", frame())
    with pytest.raises(CrosstrainError, match=sentence):
        prepared(f"table:{path}{options}")


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", ""), ("a.csv", "a,b\n"), ("a.csv", 'a,b\n1,"2\n'), ("a.parquet", "not one")],
)
def test_what_is_no_table(tmp_path: Path, prepared: Callable, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(
        CrosstrainError, match=r"cannot be read as a table|without rows|reads Parquet with pyarrow"
    ):
        prepared(f"table:{tmp_path / name}:target=b")
