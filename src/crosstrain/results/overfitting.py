"""Whether a training over-fits: it goes on learning its own examples and gets worse on others.

Where it is judged by a metric of its own (mAP, mean IoU), it over-fits only if that became worse too. A loss
alone says little there: that of a two-stage detector grows while its proposals come nearer to objects, since
more of them count.
"""

from __future__ import annotations

from collections.abc import Sequence

from crosstrain.results.schema import CellResult, Epoch

RISE = 0.1
"""By what share of its lowest value the validation loss must have risen."""


def over_fits(cell: CellResult) -> str | None:
    """A sentence where a finished training over-fits; None where it does not, or nothing tells."""
    turn = _turn(cell.epochs)
    if cell.status != "done" or cell.diverged or turn is None:
        return None
    low, last = cell.epochs[turn], cell.epochs[-1]
    if cell.measure is not None and _better(last, low, f"validation_{cell.measure.name}"):
        return None
    shares = ""
    if cell.train_accuracy is not None and last.validation_accuracy is not None:
        shares = (
            f"; {cell.train_accuracy:.1%} of the training part are right, "
            f"{last.validation_accuracy:.1%} of the validation part"
        )
    return (
        f"over-fits since epoch {turn + 1}: the validation loss rose from {low.validation_loss:.3g} to "
        f"{last.validation_loss:.3g}, while the training loss fell from {low.train_loss:.3g} to "
        f"{last.train_loss:.3g}{shares}. Stop earlier (--early-stopping), augment (--augment), or decay "
        "weights (--weight-decay)"
    )


def _better(epoch: Epoch, than: Epoch, metric: str) -> bool:
    one, other = epoch.metric(metric), than.metric(metric)
    return isinstance(one, int | float) and isinstance(other, int | float) and one >= other


def _turn(epochs: Sequence[Epoch]) -> int | None:
    """The epoch (from 0) with the lowest validation loss, where that rose since and the training's fell."""
    validation = [epoch.validation_loss for epoch in epochs]
    training = [epoch.train_loss for epoch in epochs]
    known_validation = [loss for loss in validation if loss is not None]
    known_training = [loss for loss in training if loss is not None]
    if not epochs or len(known_validation) < len(epochs) or len(known_training) < len(epochs):
        return None
    turn = min(range(len(epochs)), key=known_validation.__getitem__)
    rose = known_validation[-1] > (1 + RISE) * known_validation[turn]
    return turn if rose and known_training[-1] < known_training[turn] else None
