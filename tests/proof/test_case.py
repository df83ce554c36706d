"""The case: data that fits, weights behind which nothing hides, and the same thing after a round trip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crosstrain.errors import CrosstrainError
from crosstrain.graph.graph import Graph, Node, TensorSpec, WeightSpec
from crosstrain.proof.arrays import read_arrays, write_arrays
from crosstrain.proof.batch import features, generic_weights, index_range, targets
from crosstrain.proof.case import Case, rounded, single
from crosstrain.proof.holding.noise import without_noise
from crosstrain.runs.definition import Definition
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.recipe import Recipe


def case_of(definition: Definition, **changes: object) -> Case:
    settings = {"steps": 10, "batch_size": 8, "seed": 0, **changes}
    return Case.make(
        definition.graph, definition.loss, definition.weights(), Recipe(),
        {name: loss["name"] for name, loss in definition.data["losses"].items()}, **settings,
    )  # fmt: skip


def test_augmentation_is_no_part_of_a_proof(defined: Callable[[str], Definition]) -> None:
    """It changes pictures before an engine sees them, and so no certificate."""
    definition = defined("pictures")
    losses = {name: loss["name"] for name, loss in definition.data["losses"].items()}
    hashes = {
        Case.make(
            definition.graph, definition.loss, definition.weights(), recipe, losses,
            steps=1, batch_size=4, seed=0,
        ).hash
        for recipe in (Recipe(), Recipe(augmentation={"flip": True, "rotate": 20}))
    }  # fmt: skip
    assert len(hashes) == 1


def embedding(table: int) -> Graph:
    """Words as floats, cast to integers, looked up in a table."""
    return Graph(
        "words",
        {"words": TensorSpec((None, 5))},
        {"out": "%look"},
        (
            Node("whole", "cast", ("%words",), {"dtype": "int32"}, (TensorSpec((None, 5), "int32"),)),
            Node("look", "take", ("@table", "%whole"), {"axis": 0}, (TensorSpec((None, 5, 2)),)),
        ),
        {"table": WeightSpec((table, 2))},
    )


def test_indices_stay_in_their_table() -> None:
    graph = embedding(table=7)
    assert index_range(graph, "%words") == 7
    words = features(graph, 200, seed=0)["words"]
    assert set(np.unique(words)) == set(range(7))


def test_floats_are_gaussian_without_ties() -> None:
    graph = Graph("pass", {"x": TensorSpec((None, 50))}, {"out": "%x"}, ())
    x = features(graph, 100, seed=0)["x"]
    assert abs(x.mean()) < 0.1
    assert abs(x.std() - 1) < 0.1
    assert len(np.unique(x)) == x.size


@pytest.mark.parametrize(
    ("loss", "dtype", "shape", "fits"),
    [
        ("sparse_categorical_crossentropy", "int64", (None,), lambda y: set(np.unique(y)) == set(range(6))),
        (
            "categorical_crossentropy",
            "float32",
            (None, 6),
            lambda y: np.allclose(y.sum(-1), 1) and (y > 0).all(),
        ),
        ("binary_crossentropy", "int64", (None, 6), lambda y: set(np.unique(y)) == {0, 1}),
        ("hinge", "float32", (None, 6), lambda y: set(np.unique(y)) == {-1, 1}),
        ("poisson", "float32", (None, 6), lambda y: (y >= 0).all() and (y == np.round(y)).all()),
        ("mean_squared_error", "float32", (None, 6), lambda y: len(np.unique(y)) == y.size),
    ],
)
def test_targets_fit_their_loss(
    loss: str, dtype: str, shape: tuple[int | None, ...], fits: Callable[[np.ndarray], bool]
) -> None:
    network = Graph("n", {"x": TensorSpec((None, 6))}, {"out": "%x"}, ())
    graph = Graph(
        "loss", {"target/out": TensorSpec(shape, dtype), "output/out": TensorSpec((None, 6))}, {}, ()
    )
    y = targets(network, graph, {"out": loss}, 100, seed=0)["target/out"]
    assert y.shape == tuple(100 if s is None else s for s in shape)
    assert fits(y)


def test_transcripts_leave_room_for_blanks() -> None:
    network = Graph("n", {"x": TensorSpec((None, 9, 5))}, {"out": "%x"}, ())
    graph = Graph("loss", {"target/out": TensorSpec((None, 6), "int64")}, {}, ())
    y = targets(network, graph, {"out": "ctc"}, 200, seed=0)["target/out"]
    lengths = (y > 0).sum(-1)
    assert lengths.min() >= 1
    assert lengths.max() <= 9 // 2
    assert y.max() == 4
    assert all((row[:n] > 0).all() and (row[n:] == 0).all() for row, n in zip(y, lengths, strict=True))


def test_no_weight_is_constant_but_the_definition_s_own_constants(
    defined: Callable[[str], Definition],
) -> None:
    definition = defined("pictures")
    graph, weights = definition.graph, definition.weights()
    extra = replace(graph, weights={**graph.weights, "constant/0": WeightSpec((3,), trainable=False)})
    moved = generic_weights(extra, {**weights, "constant/0": np.ones(3, "float32")}, seed=0)
    for name in (*graph.trainable, *graph.updates):
        assert moved[name].size == 1 or len(np.unique(moved[name])) > 1, name
        assert np.abs(moved[name] - weights[name]).max() <= 0.1 * max(1, np.abs(weights[name]).max())
    variance = next(n for n in graph.updates if "variance" in n)
    assert (moved[variance] > 0).all()
    assert (moved["constant/0"] == 1).all()


def test_noise_is_off_and_named(defined: Callable[[str], Definition]) -> None:
    case = case_of(defined("pictures"))
    assert case.quiet == ("dropout1/dropout",)
    assert case.network.node("dropout1/dropout").attributes["rate"] == 0


def test_a_layer_that_draws_numbers_itself_is_refused_by_name() -> None:
    draw = Node("mine/0", "random_normal", ("%x", "%seed"), {"salt": 1}, (TensorSpec((None, 3)),), "mine")
    inputs = {"x": TensorSpec((None, 3)), "seed": TensorSpec((), "int32")}
    with pytest.raises(CrosstrainError, match="'mine'"):
        without_noise(Graph("g", inputs, {"out": "%mine/0"}, (draw,)))


def test_a_case_is_the_same_after_a_round_trip(defined: Callable[[str], Definition], tmp_path: Path) -> None:
    case = case_of(defined("pictures"))
    case.save(tmp_path)
    again = Case.load(tmp_path)
    assert again.hash == case.hash
    assert again.rates() == case.rates()
    for one, other in zip(case.batches(), again.batches(), strict=True):
        assert all(np.array_equal(one[k], other[k]) for k in one)


def test_another_seed_is_another_case(defined: Callable[[str], Definition]) -> None:
    assert case_of(defined("pictures")).hash != case_of(defined("pictures"), seed=1).hash


def test_the_rate_changes_half_way(defined: Callable[[str], Definition]) -> None:
    rates = case_of(defined("pictures")).rates()
    assert rates[:5] == [single(0.01)] * 5
    assert rates[5:] == pytest.approx([0.001] * 5)


def test_the_optimizer_s_numbers_lose_nothing_in_float32() -> None:
    optimizer = rounded(Optimizer("adam", learning_rate=0.1, weight_decay=0.3))
    numbers = [v for v in optimizer.to_json().values() if isinstance(v, float)]
    assert len(numbers) >= 5
    assert all(float(np.float32(v)) == v for v in numbers)


def test_arrays_of_any_name(tmp_path: Path) -> None:
    arrays = {"file": np.arange(3), "a/b:1": np.ones((2, 2)), "loss": np.float64(2.5)}
    write_arrays(tmp_path / "x.npz", arrays)
    again = read_arrays(tmp_path / "x.npz")
    assert set(again) == set(arrays)
    assert all(np.array_equal(again[k], v) for k, v in arrays.items())
