"""Loss graphs against Keras's own losses, the choice of a loss that fits, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers as kl

from crosstrain.errors import CrosstrainError
from crosstrain.graph.define import load_object
from crosstrain.graph.graph import Graph
from crosstrain.graph.keras_import import import_loss, import_model
from crosstrain.graph.reference import run_numpy
from crosstrain.training.recipe import Loss
from tests.graph.loss_cases import BATCH, CASES, CLASSES, LABELS, REAL, RNG, SCORES, UNNORMALISED


def network(shape: tuple[int, ...] = (CLASSES,), activation: str | None = None) -> Graph:
    """A network whose only output is called ``y`` and has ``shape``."""
    inputs = keras.Input(shape)
    outputs = kl.Activation(activation or "linear", name="y")(inputs)
    return import_model(keras.Model(inputs, outputs))[0]


def value(loss: Loss, output: np.ndarray, target: np.ndarray, load: Any = None) -> float:
    spec = {"shape": target.shape[1:], "dtype": target.dtype.name, "classes": None}
    graph, constants, _, _ = import_loss({"": loss}, network(output.shape[1:]), {"": spec}, load)
    outputs, _ = run_numpy(graph, constants, {"output/y": output, "target/y": target})
    assert outputs["loss"].shape == ()
    return float(outputs["loss"])


@pytest.mark.parametrize(
    ("name", "settings", "output", "target"), CASES, ids=lambda v: str(v) if isinstance(v, str | dict) else ""
)
def test_is_keras_to_the_letter(
    name: str, settings: dict[str, Any], output: np.ndarray, target: np.ndarray
) -> None:
    """On Keras's NumPy backend, which reduces in float32; test_agreement has TensorFlow in float64."""
    wanted = getattr(keras.losses, name)(**settings, dtype="float64")(target, output)
    assert value(Loss(name, settings), output, target) == pytest.approx(float(wanted), rel=2e-6)


@pytest.mark.parametrize(
    "name", ["mse", "mean_squared_error", "huber", "log_cosh", "kl_divergence", "poisson", "hinge", "mae"]
)
def test_names_of_functions(name: str) -> None:
    function = keras.losses.get(name)
    wanted = np.mean(np.asarray(function(np.abs(REAL), UNNORMALISED)))
    assert value(Loss(name), UNNORMALISED, np.abs(REAL)) == pytest.approx(float(wanted), rel=2e-6)


@pytest.mark.parametrize("name", ["ctc", "CTC"])
def test_ctc(name: str) -> None:
    output = RNG.normal(size=(3, 9, 6))
    target = np.array([[1, 2, 2, 3], [5, 0, 0, 0], [4, 4, 4, 0]])
    wanted = np.mean(np.asarray(keras.losses.ctc(target, output)))
    assert value(Loss(name), output, target) == pytest.approx(float(wanted), rel=1e-6)


def test_ctc_sums_over_all_paths() -> None:
    """Against the definition: every path through the scores that spells the target."""
    from itertools import groupby, product

    output = RNG.normal(size=(2, 5, 3))
    target = np.array([[1, 1], [2, 1]])
    log_p = output - np.log(np.exp(output).sum(-1, keepdims=True))
    total = 0.0
    for example, label in enumerate(target):
        paths = [p for p in product(range(3), repeat=5) if [k for k, _ in groupby(p) if k] == list(label)]
        total -= np.log(sum(np.exp(sum(log_p[example, t, k] for t, k in enumerate(p))) for p in paths))
    assert value(Loss("ctc"), output, target) == pytest.approx(total / 2, rel=1e-9)


def forward_variables(log_p: np.ndarray, label: list[int]) -> float:
    """-log p(label) by the recursion as it is published (Graves et al. 2006, equations 5 to 8), one number
    after the other."""
    extended = [0] + [each for symbol in label for each in (symbol, 0)]
    p = np.exp(log_p)
    alpha = [p[0, 0], p[0, extended[1]], *([0.0] * (len(extended) - 2))]
    for row in p[1:]:
        alpha = [
            row[symbol]
            * (
                alpha[s]
                + (alpha[s - 1] if s else 0)
                + (alpha[s - 2] if s > 1 and symbol not in (0, extended[s - 2]) else 0)
            )
            for s, symbol in enumerate(extended)
        ]
    return float(-np.log(alpha[-1] + alpha[-2]))


def test_ctc_is_the_published_recursion() -> None:
    """On texts of different lengths, with repeated labels, and with one that just fits."""
    output = RNG.normal(size=(4, 12, 7)) * 2
    texts = [[1, 1, 2, 2, 3, 3, 1, 4, 2], [6], [5, 5, 5, 5, 5, 5], [1, 2, 3, 4, 5, 6]]
    target = np.array([text + [0] * (9 - len(text)) for text in texts])
    log_p = output - np.log(np.exp(output).sum(-1, keepdims=True))
    wanted = [forward_variables(*each) for each in zip(log_p, texts, strict=True)]
    assert value(Loss("ctc"), output, target) == pytest.approx(np.mean(wanted), rel=1e-9)


def test_a_loss_of_ones_own(tmp_path: Path) -> None:
    source = tmp_path / "mine.py"
    source.write_text(
        "from keras import ops\n"
        "def weighted(y_true, y_pred, power=2):\n"
        "    return ops.mean(ops.exp(-y_true) * ops.abs(y_true - y_pred) ** power, axis=-1)\n"
    )
    actual = value(Loss(f"{source}:weighted", {"power": 3}), SCORES, REAL, load_object)
    assert actual == pytest.approx(np.mean(np.exp(-REAL) * np.abs(REAL - SCORES) ** 3), rel=1e-12)


def test_weighted_sum_over_outputs() -> None:
    inputs = keras.Input((3,))
    model = keras.Model(inputs, {"a": kl.Dense(CLASSES)(inputs), "b": kl.Dense(1)(inputs)})
    graph, _ = import_model(model)
    targets = {
        "a": {"shape": (), "dtype": "int64", "classes": CLASSES},
        "b": {"shape": (1,), "dtype": "float32", "classes": None},
    }
    losses = {
        "a": Loss("sparse_categorical_crossentropy", {"from_logits": True}, 0.5),
        "b": Loss("mse", {}, 2.0),
    }
    loss, constants, _, _ = import_loss(losses, graph, targets)
    b = RNG.normal(size=(BATCH, 1))
    outputs, _ = run_numpy(
        loss, constants, {"output/a": SCORES, "target/a": LABELS, "output/b": b, "target/b": b + 3}
    )
    first = np.mean(np.log(np.exp(SCORES).sum(-1)) - SCORES[np.arange(BATCH), LABELS])
    assert float(outputs["loss"]) == pytest.approx(0.5 * first + 2 * 9, rel=1e-12)


CHOICES = [
    ((CLASSES,), "softmax", (), "int64", CLASSES, "sparse_categorical_crossentropy", False),
    ((CLASSES,), None, (), "int64", CLASSES, "sparse_categorical_crossentropy", True),
    ((7, CLASSES), None, (7,), "int64", CLASSES, "sparse_categorical_crossentropy", True),
    ((1,), "sigmoid", (), "int64", 2, "binary_crossentropy", False),
    ((1,), None, (), "int64", 2, "binary_crossentropy", True),
    ((3,), None, (3,), "float32", None, "mean_squared_error", None),
    ((1,), None, (), "float32", None, "mean_squared_error", None),
    ((CLASSES,), "softmax", (CLASSES,), "float32", None, "categorical_crossentropy", False),
    # One-hot rows are classes; other rows of numbers, and those of a sigmoid, are not.
    ((CLASSES,), None, (CLASSES,), "float32", CLASSES, "categorical_crossentropy", True),
    ((CLASSES,), "softmax", (CLASSES,), "float32", CLASSES, "categorical_crossentropy", False),
    ((CLASSES,), None, (CLASSES,), "float32", None, "mean_squared_error", None),
    ((CLASSES,), "sigmoid", (CLASSES,), "float32", CLASSES, "mean_squared_error", None),
]


@pytest.mark.parametrize(("shape", "activation", "target", "dtype", "classes", "name", "logits"), CHOICES)
def test_choice(
    shape: tuple[int, ...],
    activation: str | None,
    target: tuple[int, ...],
    dtype: str,
    classes: int | None,
    name: str,
    logits: bool | None,
) -> None:
    spec = {"shape": target, "dtype": dtype, "classes": classes}
    _, _, chosen, _ = import_loss(None, network(shape, activation), {"": spec})
    assert chosen["y"].name == name
    assert chosen["y"].settings.get("from_logits") == logits


REFUSED = [
    (Loss("no_such_loss"), (CLASSES,), (CLASSES,), "float32", None, "no loss 'no_such_loss'"),
    (Loss("huber", {"epsilon": 1}), (CLASSES,), (CLASSES,), "float32", None, "settings"),
    (Loss("mse"), (CLASSES,), (), "float32", None, "the same shape"),
    (
        Loss("categorical_crossentropy"),
        (CLASSES,),
        (),
        "int64",
        CLASSES,
        "use sparse_categorical_crossentropy",
    ),
    (Loss("sparse_categorical_crossentropy"), (CLASSES,), (CLASSES,), "float32", None, "class numbers"),
    (Loss("sparse_categorical_crossentropy"), (CLASSES,), (), "int64", 9, "9 classes"),
    (
        Loss("sparse_categorical_crossentropy"),
        (CLASSES,),
        (3,),
        "int64",
        CLASSES,
        "one class number for each row",
    ),
    (Loss("ctc"), (CLASSES,), (3,), "int64", None, "ctc takes scores"),
    (Loss("ctc"), (8, CLASSES), (3,), "int64", 9, "scores a step, but the data has 9 labels"),
    (Loss("mse", {"reduction": "none"}), (CLASSES,), (CLASSES,), "float32", None, "reduction"),
    (None, (CLASSES,), (2, 3), "float32", None, "no loss fits"),
]


def test_a_vocabulary_may_have_words_that_do_not_occur() -> None:
    spec = {"shape": (6,), "dtype": "int64", "classes": CLASSES - 1}
    graph, *_ = import_loss(None, network((6, CLASSES)), {"": spec})
    scores, words = np.random.default_rng(0).normal(size=(2, 6, CLASSES)), np.arange(12).reshape(2, 6) % 3
    (mean,) = run_numpy(graph, {}, {"output/y": scores, "target/y": words})[0].values()
    chosen = np.take_along_axis(scores, words[..., None], axis=-1)[..., 0]
    assert mean == pytest.approx(np.mean(np.log(np.exp(scores).sum(axis=-1)) - chosen))


@pytest.mark.parametrize(("loss", "shape", "target", "dtype", "classes", "says"), REFUSED)
def test_refused(
    loss: Loss | None,
    shape: tuple[int, ...],
    target: tuple[int, ...],
    dtype: str,
    classes: int | None,
    says: str,
) -> None:
    spec = {"shape": target, "dtype": dtype, "classes": classes}
    with pytest.raises(CrosstrainError, match=says):
        import_loss(loss and {"": loss}, network(shape), {"": spec})


# -- label smoothing, weights of classes ---------------------------------------------------------------
WEIGHTS = {"0": 0.25, "2": 3.0}
"""Classes that are missing count 1."""


def balanced_case(kind: str) -> tuple[Loss, np.ndarray, np.ndarray]:
    """A loss, outputs and targets."""
    if kind == "binary":
        yes = (LABELS % 2).reshape(-1, 1)
        return Loss("binary_crossentropy", {"from_logits": True}), SCORES[:, :1], yes
    sparse = Loss("sparse_categorical_crossentropy", {"from_logits": True})
    if kind == "sparse":
        return sparse, SCORES, LABELS
    if kind == "column":
        return sparse, SCORES, LABELS.reshape(-1, 1)
    rows = np.eye(CLASSES, dtype="float32")[LABELS]
    return Loss("categorical_crossentropy", {"from_logits": True}), SCORES, rows


def imported(loss: Loss, output: np.ndarray, target: np.ndarray, **more: Any) -> dict[str, Any]:
    classes = 2 if output.shape[-1] == 1 else CLASSES
    spec = {"shape": target.shape[1:], "dtype": target.dtype.name, "classes": classes}
    graph, constants, _, _ = import_loss({"": loss}, network(output.shape[1:]), {"": spec}, **more)
    return run_numpy(graph, constants, {"output/y": output, "target/y": target})[0]


@pytest.mark.parametrize("kind", ["sparse", "column", "one-hot", "binary"])
def test_weights_of_classes_are_keras(kind: str) -> None:
    """Against Keras's loss with the sample weights that its trainer makes of ``class_weight``."""
    from keras.src.trainers.data_adapters.data_adapter_utils import class_weight_to_sample_weights

    loss, output, target = balanced_case(kind)
    weights = {key: each for key, each in WEIGHTS.items() if kind != "binary" or key == "0"}
    keras_loss = {
        "sparse_categorical_crossentropy": keras.losses.SparseCategoricalCrossentropy,
        "categorical_crossentropy": keras.losses.CategoricalCrossentropy,
        "binary_crossentropy": keras.losses.BinaryCrossentropy,
    }[loss.name](from_logits=True, dtype="float64")
    sample_weight = class_weight_to_sample_weights(target, {int(k): w for k, w in weights.items()})
    assert len(set(sample_weight)) > 1
    wanted = float(keras_loss(target, output, sample_weight))
    outputs = imported(loss, output, target, class_weight=weights)
    assert float(outputs["loss"]) == pytest.approx(wanted, rel=2e-6)
    assert float(outputs["unweighted"]) == pytest.approx(float(keras_loss(target, output)), rel=2e-6)
    assert wanted != pytest.approx(float(outputs["unweighted"]), rel=1e-3)


@pytest.mark.parametrize("kind", ["sparse", "column", "one-hot", "binary"])
def test_label_smoothing_is_keras(kind: str) -> None:
    loss, output, target = balanced_case(kind)
    rows = np.eye(CLASSES)[LABELS]
    wanted = (
        keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1, dtype="float64")(
            target, output
        )
        if kind == "binary"
        else keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1, dtype="float64")(
            rows, output
        )
    )
    asked = imported(loss, output, target, label_smoothing=0.1)
    spelled = imported(Loss(loss.name, {**loss.settings, "label_smoothing": 0.1}), output, target)
    assert float(asked["loss"]) == float(spelled["loss"]) == pytest.approx(float(wanted), rel=2e-6)
    assert "unweighted" not in asked


@pytest.mark.parametrize(
    ("loss", "more", "words"),
    [
        (Loss("mean_squared_error"), {"label_smoothing": 0.1}, "has no label smoothing"),
        (Loss("sparse_categorical_crossentropy"), {"class_weight": {"40": 2.0}}, "weight for class 40"),
    ],
)
def test_what_a_loss_does_not_have(loss: Loss, more: dict[str, Any], words: str) -> None:
    target = SCORES if "mean" in loss.name else LABELS
    with pytest.raises(CrosstrainError, match=words):
        imported(loss, SCORES, target, **more)
