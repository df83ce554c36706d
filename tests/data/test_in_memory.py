"""Arrays in memory and frameworks' data sets: the same bytes, whatever held them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crosstrain.data.in_memory import data_spec
from crosstrain.errors import CrosstrainError

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 4)).astype(np.float32)
Y = np.arange(60) % 3


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSTRAIN_CACHE", str(tmp_path / "cache"))


def of_tensorflow(batched: int) -> Any:
    tensorflow = pytest.importorskip("tensorflow")
    data = tensorflow.data.Dataset.from_tensor_slices((X, Y))
    return data.batch(batched) if batched else data


def of_torch(*, loader: bool) -> Any:
    torch = pytest.importorskip("torch")
    data = torch.utils.data.TensorDataset(torch.from_numpy(X).requires_grad_(), torch.from_numpy(Y))
    return torch.utils.data.DataLoader(data, batch_size=7, shuffle=True) if loader else data


class HuggingFace:
    """The part of ``datasets.Dataset`` that is used: it is not installed here."""

    column_names = ("features", "label")

    def with_format(self, kind: str) -> HuggingFace:
        assert kind == "numpy"
        return self

    def __getitem__(self, rows: slice) -> dict[str, np.ndarray]:
        return {"features": X[rows], "label": Y[rows]}


FORMS: dict[str, Callable[[], Any]] = {
    "float64": lambda: (X.astype(np.float64), Y.astype(np.int16)),
    "lists": lambda: (X.tolist(), Y.tolist()),
    "frame": lambda: (pd.DataFrame(X), pd.Series(Y)),
    "frame and column": lambda: (pd.DataFrame(X, columns=list("abcd")).assign(kind=Y), "kind"),
    "tf.data": lambda: of_tensorflow(0),
    "tf.data in batches": lambda: of_tensorflow(7),
    "PyTorch Dataset": lambda: of_torch(loader=False),
    "DataLoader": lambda: of_torch(loader=True),
    "Hugging Face": HuggingFace,
    "by name": lambda: {"x": X, "y": Y},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_bytes(form: str) -> None:
    expected, got = data_spec((X, Y)), data_spec(FORMS[form]())
    assert got == expected
    path = Path(got.partition(":")[2])
    with np.load(path) as arrays:
        assert arrays["x"].tobytes() == X.tobytes()
        assert arrays["y"].tolist() == Y.tolist()
    assert [each.name for each in path.parent.iterdir()] == [path.name], "written once"


def names(spec: str) -> Iterator[tuple[str, int]]:
    with np.load(Path(spec.partition(":")[2])) as arrays:
        yield from ((name, len(array)) for name, array in arrays.items())


def test_given_parts_are_kept() -> None:
    four = {"x_train": 40, "y_train": 40, "x_test": 20, "y_test": 20}
    assert dict(names(data_spec((X[:40], Y[:40], X[40:], Y[40:])))) == four
    assert dict(names(data_spec(((X[:40], Y[:40]), (X[40:], Y[40:]))))) == four
    six = data_spec((X[:30], Y[:30], X[30:40], Y[30:40], X[40:], Y[40:]))
    assert dict(names(six)) == {**four, "x_train": 30, "y_train": 30, "x_validation": 10, "y_validation": 10}
    assert dict(names(data_spec({"train": (X[:40], Y[:40]), "test": (X[40:], Y[40:])}))) == four


def test_keras_s_words_for_validation() -> None:
    data = dict(names(data_spec((X, Y), validation_data=(X[:9], Y[:9]))))
    assert data == {"x_train": 60, "y_train": 60, "x_validation": 9, "y_validation": 9}
    spec = data_spec((X, Y), validation_split=0.25)
    with np.load(Path(spec.partition(":")[2])) as arrays:
        assert arrays["x_validation"].tobytes() == X[45:].tobytes(), "the last ones, as Keras takes them"
        assert arrays["x_train"].tobytes() == X[:45].tobytes()


def test_several_inputs_and_targets() -> None:
    data = ({"a": X, "b": X[:, :1]}, {"kind": Y, "size": X[:, 0]})
    assert {name for name, _ in names(data_spec(data))} == {"x/a", "x/b", "y/kind", "y/size"}


def test_bytes_of_pictures_stay_bytes(prepared: Callable) -> None:
    pictures = RANDOM.integers(0, 256, (60, 8, 8), np.uint8)
    one = prepared(data_spec((pictures, Y)))
    assert one.manifest["inputs"][""]["shape"] == [8, 8, 1]
    assert np.asarray(one.arrays("train")[0][""]).max() <= 1


@pytest.mark.parametrize(
    ("data", "more", "sentence"),
    [
        (7, {}, r"data is a text as 'arrays:FILE.npz', or \(x, y\).*; not int"),
        ((pd.DataFrame({"a": [1.0]}), "b"), {}, r"the frame has no column 'b'; it has a"),
        ((pd.DataFrame({"a": ["x"], "b": [1]}), "b"), {}, r"the frame's columns a are no numbers"),
        ((X, Y), {"validation_split": 1.5}, r"a share between 0 and 1, not 1.5"),
        ((X, Y), {"validation_split": 0.1, "validation_data": (X, Y)}, r"exclude each other"),
        ("digits", {"validation_split": 0.1}, r"belong to arrays in memory"),
        ([X, X, X], {}, r"an example of the data is ndarray; it has to be a pair"),
    ],
)
def test_what_is_no_data(data: Any, more: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CrosstrainError, match=sentence):
        data_spec(data, **more)


def test_a_model_is_trained_on_arrays_with_keras_s_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    import crosstrain

    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    trained = crosstrain.train(
        model, (X, Y), engine="torch", validation_split=0.2, class_weight={0: 1.0, 1: 2.0, 2: 1.0}, epochs=1,
        batch_size=16, device="cpu", threads=1, progress=False,
    )  # fmt: skip
    assert trained.ok
    assert trained.result.batch_size == 16
    assert (trained.result.model_extra or {})["examples"]["validation"] == 12
