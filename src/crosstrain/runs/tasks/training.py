"""The training loop: epochs, the learning rate, validation, the best epoch, an early end, checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from crosstrain.engines.contract import Network, State
from crosstrain.runs.tasks import checkpoint
from crosstrain.runs.tasks.checkpoint import Progress
from crosstrain.runs.tasks.evaluation import score
from crosstrain.runs.tasks.material import Material
from crosstrain.system.clocks import Clocks
from crosstrain.system.files import write_arrays
from crosstrain.training.optimizers import AVERAGE
from crosstrain.training.schedules import Plateau

PROGRESS_SECONDS = 0.25
LOOK_BACK = 8
"""A loss is shown so many steps late: asking for the newest would make the device wait for the host."""


@dataclass
class Training:
    """A network in training. ``best_path`` takes the best epoch's weights, ``checkpoint_path`` what a
    resume needs (None: not kept); ``identity`` names the training in its checkpoint. ``announce`` is told of
    each epoch before it begins: its number, its first step and the schedule's rate."""

    network: Network
    material: Material
    clocks: Clocks
    emit: Callable[[dict[str, Any]], None]
    show_loss: bool
    validate: bool
    identity: dict[str, Any]
    best_path: Path | None = None
    checkpoint_path: Path | None = None
    announce: Callable[[int, int, float], None] | None = None

    def __post_init__(self) -> None:
        self.step = 0
        self.progress = Progress()
        self.diverged: str | None = None
        schedule = self.material.schedule
        self.rate = float(self.material.recipe.optimizer.learning_rate or 0.0)
        self.plateau = Plateau(self.rate, **schedule.settings) if schedule.name == "plateau" else None

    def resume(self) -> None:
        """Take up the checkpoint: weights, slots, step, schedule, history."""
        assert self.checkpoint_path
        state, self.progress = checkpoint.load(self.checkpoint_path, self.identity)
        self.network.load(state)
        self.step = state.step
        if self.progress.plateau:
            self.plateau = Plateau(**self.progress.plateau)
            self.rate = self.plateau.rate

    def run(self) -> None:
        """All epochs that are not done yet. Stops after one whose loss is no number, and where the validation
        has not improved for as long as the recipe waits. Ends with the weights that are tested and kept: with
        ``ema``, the averages."""
        for epoch in range(len(self.progress.history), self.material.recipe.epochs):
            if self.stopped:
                break
            if self.announce:
                self.announce(epoch, self.step, self.rate)
            with self.clocks.phase("train"):
                record = self._epoch(epoch)
            with self._averaged() as trained:
                if self.validate and self.material.splits["validation"].examples:
                    with self.clocks.phase("evaluate"):
                        record.update(self._validation())
                self._settle(epoch, record, trained)
            self.emit({"event": "epoch", "epoch": epoch + 1, "unit": self.material.unit, **record})
            if self.diverged:
                break
        self._take_averages()

    @property
    def stopped(self) -> str | None:
        """A sentence where the validation has not improved for as long as the recipe waits, with the counting
        of ``keras.callbacks.EarlyStopping``."""
        patience, best = self.material.recipe.early_stopping, self.progress.best_epoch
        done = len(self.progress.history)
        if patience is None or best is None or done - best < patience:
            return None
        waited = "the epoch" if patience == 1 else f"the {patience} epochs"
        return f"stopped after epoch {done}: {waited} since epoch {best} brought no better validation"

    # -- averages of weights --------------------------------------------------------------------
    @contextmanager
    def _averaged(self) -> Iterator[State | None]:
        """Within, the network has the moving averages of its weights, where the recipe keeps them. Yields
        what it has without (None: the same)."""
        before = self._take_averages()
        yield before
        if before is not None:
            self.network.load(before)

    def _take_averages(self) -> State | None:
        """Let the network have the averages; the state before, None where there are none."""
        if self.material.recipe.optimizer.ema is None or not self.step:
            return None
        state = self.network.read()
        averages = {name: slots[AVERAGE] for name, slots in (state.slots or {}).items()}
        self.network.load(replace(state, weights={**state.weights, **averages}))
        return state

    # -- one epoch ------------------------------------------------------------------------------
    def _epoch(self, epoch: int) -> dict[str, Any]:
        """Train on every example once; the record of it."""
        network, schedule, steps = self.network, self.material.schedule, self.material.steps
        losses, counts = [], []
        reported = started = time.perf_counter()
        for count, batch in self.material.epoch(epoch, self.step):
            losses.append(network.train(batch, schedule.rate(self.rate, self.step)))
            counts.append(count)
            self.step += 1
            now = time.perf_counter()
            if now - reported >= PROGRESS_SECONDS:
                reported = now
                self._report_progress(epoch, steps, counts, losses, now - started)
        network.wait()
        used = time.perf_counter() - started
        values = [float(loss) for loss in losses]
        mean = sum(v * n for v, n in zip(values, counts, strict=True)) / sum(counts)
        if not math.isfinite(mean):
            bad = next(i for i, value in enumerate(values) if not math.isfinite(value))
            self.diverged = (
                f"the loss was {values[bad]} from step {bad + 1} of epoch {epoch + 1} on; training stopped: "
                "try a smaller learning rate, or clip the gradients"
            )
        return {
            "train_seconds": used,
            "images_per_second": sum(counts) / used,
            "train_loss": mean if math.isfinite(mean) else None,
            "learning_rate": schedule.rate(self.rate, self.step - 1),
        }

    def _report_progress(
        self, epoch: int, steps: int, counts: list[int], losses: list[Any], seconds: float
    ) -> None:
        late = len(losses) - 1 - LOOK_BACK
        self.emit(
            {
                "event": "progress",
                "epoch": epoch + 1,
                "epochs": self.material.recipe.epochs,
                "step": len(counts),
                "steps": steps,
                "images_per_second": sum(counts) / seconds,
                "unit": self.material.unit,
                "loss": float(losses[late]) if self.show_loss and late >= 0 else None,
            }
        )

    def _validation(self) -> dict[str, Any]:
        split = self.material.splits["validation"]
        metrics = self.material.evaluation.run(self.network, split.inputs, split.targets, resident=split.kept)
        return {f"validation_{k}": v for k, v in metrics.items() if not k.endswith("confusion")}

    # -- between epochs -------------------------------------------------------------------------
    def _settle(self, epoch: int, record: dict[str, Any], trained: State | None) -> None:
        """Note the epoch, choose the next rate, keep the best weights and a checkpoint, of the state
        ``trained`` where that is not the network's."""
        progress = self.progress
        progress.history.append(record)
        if self.diverged:
            return
        validated = {
            k.removeprefix("validation_"): v for k, v in record.items() if k.startswith("validation_")
        }
        reached = score(validated or {"loss": record["train_loss"]})
        if self.plateau and reached is not None:
            self.rate = self.plateau.after_epoch(reached)
            progress.plateau = vars(self.plateau)
        better = reached is not None and (progress.best is None or reached > progress.best)
        if better:
            progress.best, progress.best_epoch = reached, epoch + 1
        if not (self.checkpoint_path or (better and self.best_path)):
            return
        with self.clocks.phase("save"):
            shown = self.network.read()
            if better and self.best_path:
                write_arrays(self.best_path, self.material.own_weights(shown.weights))
            if self.checkpoint_path:
                checkpoint.save(self.checkpoint_path, trained or shown, progress, self.identity)
