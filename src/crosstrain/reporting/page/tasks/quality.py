"""How well networks classify (means over classes, each class, calibration), forecast, and give every pixel
its class (IoU by class, and pictures beside the truth)."""

from __future__ import annotations

import numpy as np

from crosstrain.data.cache import Cache
from crosstrain.data.prepared import Prepared
from crosstrain.detection.detections import Detections
from crosstrain.forecasting.measures import NAMES
from crosstrain.reporting.boxes import boxes_beside_truth
from crosstrain.reporting.label_maps import beside_truth
from crosstrain.reporting.montage import png
from crosstrain.reporting.page.grids import Grid, folded, items
from crosstrain.reporting.page.insides import figure
from crosstrain.reporting.page.markup import Html, Section, section, tag
from crosstrain.reporting.page.view import View, at_size
from crosstrain.reporting.pictures import as_pictures
from crosstrain.reporting.terminal import text
from crosstrain.reporting.terminal.forecasts import measure
from crosstrain.results.quality import quality, test_metric
from crosstrain.results.rows import Row, counted, rows
from crosstrain.results.schema import CellResult
from crosstrain.runs.tasks.predictions import read_predictions
from crosstrain.training.metrics import Reading
from crosstrain.training.scores.boxes import map_of_picture
from crosstrain.training.scores.pixels import mean_iou, picture_counts

COLUMNS = (
    "top 5", "precision", "recall", "F1", "AUC", "perplexity", "character error rate", "word error rate",
    "texts right", "words right", "BLEU", "calibration error", "pixel accuracy", "class accuracy",
    "mean IoU", "boundary F1", "mAP@0.5", "mAP@0.5:0.95",
)  # fmt: skip

LEGENDS = {
    "character error rate": (
        "error rates are insertions, deletions and substitutions over the length of the true texts, those of "
        "the best path"
    ),
    "BLEU": (
        "BLEU is that of captions said word by word, all of a picture's own as references; words are right, "
        "and perplexity is counted, where the true words before are known"
    ),
    "precision": "precision, recall, F1 and AUC (one class against all) are means over classes",
    "calibration error": "the calibration error is how far probabilities are from accuracies, in 15 bins",
    "class accuracy": "class accuracy and mean IoU are means over the classes that occur",
    "mAP@0.5": (
        "mAP@0.5 is the mean over classes of average precision, a box being right that overlaps a true one "
        "by half or more; mAP@0.5:0.95 is the mean over overlaps up to 0.95, as COCO has it"
    ),
    "boundary F1": (
        "boundary F1 is that of boundary pixels with one of the other side within 0.75 % of the diagonal"
    ),
}
"""What is said of a column where there is one."""
TITLES = {"character error rate": "How well it reads", "BLEU": "How well it describes"}
"""Of the section, by a column that it has."""


def classified(view: View) -> Section | None:
    """A row for the first cell of each row of the comparison, and each class of the first."""
    first = [(row, row.done[0]) for row in rows(view.result.cells) if row.done and quality(row.done[0])]
    if not first:
        return None
    known = [name for name in COLUMNS if any(name in quality(cell) for _, cell in first)]
    lines = [
        [at_size(row.network, row.input_size), row.engine, *(_number(cell, name) for name in known)]
        for row, cell in first
    ]
    titles = ["network", "engine", *known]
    title = next((title for name, title in TITLES.items() if name in known), "How well it classifies")
    grid = Grid(title, titles, lines, frozenset(range(2, len(titles))))
    legend = "; ".join(words for name, words in LEGENDS.items() if name in known)
    note = f"Of the first seed's test examples. {legend[:1].upper()}{legend[1:]}{'.' * bool(legend)}".strip()
    return section(
        "quality", title, grid.html(caption=False), tag("p", note, class_="small"),
        _each_class(view, *first[0]),
    )  # fmt: skip


def forecast(view: View) -> Section | None:
    """Each network's forecasts beside the baselines', on the test part."""
    summary = view.result.forecasts
    if not summary:
        return None
    lines = [
        [entry["name"], entry["engine"] or "baseline", *(measure(name, entry[name]) for name in NAMES)]
        for entry in summary["entries"]
    ]
    numbers = frozenset(range(2, 2 + len(NAMES)))
    grid = Grid("Forecasts beside baselines", ["forecast", "by", *NAMES], lines, numbers)
    season = summary["season"]
    note = (
        f"Of {summary['variable']}, {counted(summary['horizon'], 'step')} ahead from each of "
        f"{summary['origins']} "
        "origins "
        "in the test part, in its own units. MASE is the error over that of "
        f"{'the value one season before' if season > 1 else 'the last value'} on the training part, "
        "direction the "
        "share of changes foretold with the right sign, NRMSE the root mean square error over the standard "
        "deviation."
    )
    return section(
        "forecasts", "How well it forecasts", items([f"{sentence}." for sentence in summary["sentences"]]),
        grid.html(caption=False, identity="forecast-table"), tag("p", note, class_="small"),
    )  # fmt: skip


def _number(cell: CellResult, name: str) -> str:
    value = quality(cell).get(name)
    if value is None:
        return text.NOTHING
    if name == "perplexity":
        return f"{value:.4g}"
    return f"{value:.4f}" if name in ("AUC", "calibration error") else text.share(value)


def _each_class(view: View, row: Row, cell: CellResult) -> Html | None:
    entry = test_metric(cell.test_metrics, "per_class")
    if not entry:
        return None
    names = [str(name) for name in view.result.data.get("classes") or ()]
    count = len(entry["examples"])
    names = names if len(names) == count else [str(index) for index in range(count)]
    lines = [
        [
            name,
            *(text.share(entry[key][index]) for key in ("precision", "recall", "f1")),
            entry["examples"][index],
        ]
        for index, name in enumerate(names)
    ]
    title = f"Each class: {at_size(row.network, row.input_size)} on {row.engine}"
    grid = Grid(title, ["class", "precision", "recall", "F1", "examples"], lines, frozenset(range(1, 5)))
    return folded(title, grid.html(caption=False))


# -- pixels ---------------------------------------------------------------------------------------
SHOWN = 2
"""Pictures of each: the worst, the middle and the best."""


def segmented(view: View) -> Section | None:
    """IoU by class of the first cell of each row, and pictures of the recommended row's, or of the best's."""
    first = _first_cells(view, "class_iou")
    if not first:
        return None
    return section(
        "segments",
        "Class by class, pixel by pixel",
        _grid(view, first, "class_iou", "mean_iou", "IoU by class").html(caption=False),
        tag(
            "p",
            "Intersection over union of each class in the first seed's test set; the mean is over the "
            "classes that occur.",
            class_="small",
        ),
        None if view.live else _pictures(view, _chosen(view, first)),
    )


def _first_cells(view: View, metric: str) -> list[tuple[Row, CellResult]]:
    """The first cell of each row that has this test metric."""
    first = [(row, row.done[0]) for row in rows(view.result.cells) if row.done]
    return [(row, cell) for row, cell in first if test_metric(cell.test_metrics, metric)]


def _grid(
    view: View, first: list[tuple[Row, CellResult]], of_classes: str, of_all: str, caption: str
) -> Grid:
    values = [test_metric(cell.test_metrics, of_classes) for _, cell in first]
    names = _names(view, len(values[0]))
    titles = ["class", *(f"{at_size(row.network, row.input_size)}, {row.engine}" for row, _ in first)]
    lines = [[name, *(text.share(each[number]) for each in values)] for number, name in enumerate(names)]
    lines.append(["mean", *(text.share(test_metric(cell.test_metrics, of_all)) for _, cell in first)])
    return Grid(caption, titles, lines, frozenset(range(1, len(titles))))


def _names(view: View, count: int) -> list[str]:
    names = [str(name) for name in view.result.data.get("classes") or ()]
    return names if len(names) == count else [str(number) for number in range(count)]


def _chosen(view: View, first: list[tuple[Row, CellResult]]) -> CellResult:
    wanted = view.result.recommendation
    named = [cell for row, cell in first if (row.network, row.engine) == (wanted.network, wanted.engine)]
    return named[0] if named else max(first, key=lambda each: each[1].score or 0.0)[1]


def _pictures(view: View, cell: CellResult) -> Html | None:
    """The worst, the middle and the best test pictures of a cell; None where they are not kept."""
    answers = read_predictions(view.folder / "cells", cell.id).get("label_maps")
    data = Cache().find(cell.data_hash) if cell.data_hash else None
    if answers is None or answers.ndim != 3 or not len(answers) or data is None or not data.label_maps():
        return None
    truths = np.asarray(data.arrays("test")[1][next(iter(data.label_maps()))][: len(answers)])
    if truths.shape != answers.shape:
        return None
    scores = _scores(data, truths, answers)
    positions = _worst_to_best(scores)
    pictures = as_pictures(data, positions)
    if isinstance(pictures, str):
        return None
    labels = [f"test example {n}, mean IoU {scores[n]:.3f}" for n in positions.tolist()]
    sheet = beside_truth(
        pictures, list(truths[positions]), list(answers[positions].astype(np.int64)),
        [str(name) for name in data.manifest["classes"]], labels,
    )  # fmt: skip
    caption = f"Test pictures of cell {cell.id}: the worst, the middle and the best."
    return figure("Label maps beside the truth", caption, png(sheet), "h3")


def _worst_to_best(scores: np.ndarray) -> np.ndarray:
    """Positions of a few examples, the worst, the middle and the best, in this order."""
    order = np.argsort(np.nan_to_num(scores, nan=-1.0), kind="stable")
    middle = max(0, (len(order) - SHOWN) // 2)
    positions = np.unique(np.concatenate([order[:SHOWN], order[middle : middle + SHOWN], order[-SHOWN:]]))
    return np.asarray(positions[np.argsort(scores[positions], kind="stable")])


def _scores(data: Prepared, truths: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """The mean IoU of each picture."""
    void = next(spec["void"] for spec in data.manifest["targets"].values() if spec.get("void") is not None)
    reading = Reading(len(data.manifest["classes"]), void=void, maps=True)
    means = [mean_iou(picture_counts(reading, a, t)) for a, t in zip(answers, truths, strict=True)]
    return np.array([np.nan if mean is None else mean for mean in means])


# -- boxes ----------------------------------------------------------------------------------------
def detected(view: View) -> Section | None:
    """Average precision by class of the first cell of each row, and test pictures of the recommended row's,
    or of the best's."""
    first = _first_cells(view, "class_ap_50")
    if not first:
        return None
    return section(
        "boxes",
        "Class by class, box by box",
        _grid(view, first, "class_ap_50", "map_50", "AP@0.5 by class").html(caption=False),
        tag(
            "p",
            "Average precision of each class in the first seed's test set, a box being right that overlaps a "
            "true one by half or more (COCO's); the mean is over the classes that occur.",
            class_="small",
        ),
        None if view.live else _boxes(view, _chosen(view, first)),
    )


def _boxes(view: View, cell: CellResult) -> Html | None:
    """The worst, the middle and the best test pictures of a cell; None where they are not kept."""
    kept = read_predictions(view.folder / "cells", cell.id)
    data = Cache().find(cell.data_hash) if cell.data_hash else None
    if "boxes" not in kept or data is None or not data.boxes():
        return None
    truths = np.asarray(data.arrays("test")[1][next(iter(data.boxes()))])
    classes = [str(name) for name in data.manifest["classes"]]
    detections = [
        Detections(kept["boxes"][own], kept["scores"][own], kept["classes"][own])
        for own in (np.flatnonzero(kept["pictures"] == number) for number in range(len(truths)))
    ]
    values = [map_of_picture(own, rows, len(classes)) for own, rows in zip(detections, truths, strict=True)]
    scores = np.array([np.nan if value is None else value for value in values])
    positions = _worst_to_best(scores)
    pictures = as_pictures(data, positions)
    if isinstance(pictures, str):
        return None
    sheet = boxes_beside_truth(
        pictures, [Detections.of_truths(truths[n]) for n in positions], [detections[n] for n in positions],
        classes, [f"test example {n}, mAP@0.5 {scores[n]:.3f}" for n in positions.tolist()],
    )  # fmt: skip
    caption = f"Test pictures of cell {cell.id}: the worst, the middle and the best."
    return figure("Boxes beside the truth", caption, png(sheet), "h3")
