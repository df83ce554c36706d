"""The losses of detectors in the graph: against slow obvious ones, and their gradients against
differences."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from crosstrain.errors import CrosstrainError
from crosstrain.graph.evaluate import Ops, compiled
from crosstrain.graph.graph import Graph
from crosstrain.graph.keras_import import import_loss, import_with_masks
from crosstrain.graph.ops import NUMPY
from crosstrain.proof.batch import targets
from crosstrain.training.recipe import Loss

SIZE, GRID, CLASSES = (32, 48), (4, 6), 3
BOXES = {"shape": [7, 5], "dtype": "float32", "classes": CLASSES, "boxes": True}


def network(name: str = "yolo", numbers: int = 13) -> Graph:
    inputs = keras.Input((*SIZE, 3))
    return import_with_masks(keras.Model(inputs, layers.Conv2D(numbers, 8, 8, name=name)(inputs)), None)[0]


def value(loss: Graph, constants: dict[str, np.ndarray], outputs: np.ndarray, truths: np.ndarray) -> float:
    run = compiled(loss.phase(training=False), Ops(NUMPY, "numpy"), "float64")
    result, _ = run(
        {name: np.asarray(each, np.float64) for name, each in constants.items()},
        {"output/yolo": outputs, "target/yolo": truths},
    )
    return float(result["loss"])


def by_hand(truths: np.ndarray, outputs: np.ndarray) -> float:
    """Redmon et al. 2016, equation 3, cell by cell."""
    (height, width), (rows, columns), totals = SIZE, GRID, []
    for boxes, grid in zip(truths, outputs, strict=True):
        own: dict[tuple[int, int], np.ndarray] = {}
        for box in boxes[boxes[:, 4] >= 0]:
            y, x = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
            own.setdefault((int(y * rows / height), int(x * columns / width)), box)
        total = 0.0
        for i in range(rows):
            for j in range(columns):
                cell, box, chosen, overlaps, distances = grid[i, j], own.get((i, j)), None, [], []
                if box is not None:
                    for k in range(2):
                        a = cell[5 * k : 5 * k + 5]
                        y, x = (a[1] + i) * height / rows, (a[0] + j) * width / columns
                        h, w = a[3] ** 2 * height, a[2] ** 2 * width
                        corners = (y - h / 2, x - w / 2, y + h / 2, x + w / 2)
                        down = max(0.0, min(corners[2], box[2]) - max(corners[0], box[0]))
                        both = down * max(0.0, min(corners[3], box[3]) - max(corners[1], box[1]))
                        area = (box[2] - box[0]) * (box[3] - box[1])
                        overlaps.append(both / (h * w + area - both))
                        distances.append(sum((p - q) ** 2 for p, q in zip(corners, box[:4], strict=True)))
                    chosen = int(np.argmax(overlaps)) if max(overlaps) > 0 else int(np.argmin(distances))
                    total += ((cell[10:] - np.eye(CLASSES)[int(box[4])]) ** 2).sum()
                for k in range(2):
                    a = cell[5 * k : 5 * k + 5]
                    if k != chosen or box is None:
                        total += 0.5 * a[4] ** 2
                        continue
                    y, x = (box[0] + box[2]) / 2 * rows / height, (box[1] + box[3]) / 2 * columns / width
                    total += 5 * ((a[0] - (x - j)) ** 2 + (a[1] - (y - i)) ** 2)
                    total += 5 * (a[2] - np.sqrt((box[3] - box[1]) / width)) ** 2
                    total += 5 * (a[3] - np.sqrt((box[2] - box[0]) / height)) ** 2
                    total += (a[4] - overlaps[k]) ** 2
        totals.append(total)
    return float(np.mean(totals))


@pytest.mark.parametrize("scale", [0.3, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_yolo_s_loss_is_that_of_the_paper(seed: int, scale: float) -> None:
    loss, constants, chosen, _ = import_loss(None, network(), {"": BOXES})
    assert chosen["yolo"].settings == {"height": 32, "width": 48, "classes": CLASSES}
    truths = targets(network(), loss, {"yolo": "yolo"}, 4, seed)["target/yolo"]
    outputs = scale * np.random.default_rng(seed).normal(size=(4, *GRID, 13))
    assert value(loss, constants, outputs, truths) == pytest.approx(by_hand(truths, outputs), rel=1e-9)


def test_a_cell_answers_for_the_first_of_its_objects() -> None:
    loss, constants, *_ = import_loss(None, network(), {"": BOXES})
    outputs = np.random.default_rng(0).normal(size=(1, *GRID, 13))
    truths = np.zeros((1, 7, 5))
    truths[..., 4] = -1
    truths[0, :2] = [[1, 1, 5, 6, 0], [2, 2, 5, 7, 2]]
    alone = truths.copy()
    alone[0, 1] = [0, 0, 0, 0, -1]
    assert value(loss, constants, outputs, truths) == value(loss, constants, outputs, alone)
    assert value(loss, constants, outputs, truths[:, ::-1]) != value(loss, constants, outputs, alone)


def test_proofs_draw_boxes_that_the_loss_can_learn_from() -> None:
    loss, *_ = import_loss(None, network(), None)
    truths = targets(network(), loss, {"yolo": "yolo"}, 20, seed=0)["target/yolo"]
    real = truths[truths[..., 4] >= 0]
    assert set(real[:, 4]) == {0, 1, 2}
    assert (real[:, 2:4] > real[:, :2]).all()
    assert (real[:, :4] >= 0).all()
    assert (real[:, [2, 3]] <= SIZE).all()
    assert not truths[truths[..., 4] < 0][:, :4].any()
    assert (truths[..., 4] < 0).any()


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(CrosstrainError, match="is of 3 classes to the loss 'yolo', but the data has 5"):
        import_loss(None, network(), {"": {**BOXES, "classes": 5}})
    with pytest.raises(CrosstrainError, match=r"nothing says how the output 'dense' .* give a loss of boxes"):
        import_loss(None, network("dense"), {"": BOXES})
    with pytest.raises(CrosstrainError, match="of the output 'yolo' knows nothing of boxes"):
        import_loss({"": Loss("mean_squared_error")}, network(), {"": BOXES})
    with pytest.raises(CrosstrainError, match=r"takes boxes \(most, 5\).*the target has the shape"):
        import_loss({"": Loss("yolo")}, network(), {"": {"shape": [], "dtype": "int64", "classes": 3}})
    with pytest.raises(CrosstrainError, match="one number for all"):
        import_loss(None, network(), {"": BOXES}, class_weight={"0": 2.0})
    named = import_loss({"": Loss("yolo")}, network("dense"), {"": BOXES})
    assert named[2]["dense"].settings["classes"] == CLASSES


def test_predictors_are_a_setting() -> None:
    loss = {"": Loss("yolo", {"predictors": 1})}
    *_, wanted = import_loss(loss, network(numbers=8), None)
    assert wanted["yolo"]["classes"] == 3
    # Where the data has classes, they follow from the output.
    *_, chosen, _ = import_loss(None, network(numbers=8), {"": BOXES})
    assert chosen["yolo"].settings["predictors"] == 1
