"""What a running comparison shows: two live bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from crosstrain.comparison.plan import Cell
from crosstrain.comparison.progress.remaining import Course
from crosstrain.reporting.terminal import text
from crosstrain.results.rows import counted
from crosstrain.results.schema import CellResult
from crosstrain.training.tasks import task_of, value_of


class Show:
    """A ``Watch`` that prints. Context manager: within it the terminal shows the bars."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self.console = console
        self._clock = clock
        self._bars = _Bars(console) if console.is_terminal else None
        self._course = Course()
        self._quality: str | None = None

    def __enter__(self) -> Show:
        if self._bars:
            self._bars.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars:
            self._bars.progress.stop()

    # -- what the comparison calls --------------------------------------------------------------
    def stage(self, words: str) -> None:
        if self._bars:
            self._bars.stage(words)
        else:
            self.console.print(words, soft_wrap=True)

    def begin(self, cells: Sequence[Cell], finished: Sequence[CellResult], epochs: int) -> None:
        course = self._course
        course.begin(cells, finished, epochs)
        if course.ended:
            self.note(f"{course.ended} of {course.cells} cells are finished already.")
        if self._bars:
            self._bars.overall(course.ended, course.cells, None)

    def start(self, cell: Cell) -> None:
        self._quality = None
        self._course.start(cell, self._clock())
        if self._bars:
            self._bars.cell(str(cell), 0.0, "starting")
        else:
            self.console.print(f"[{self._course.ended + 1}/{self._course.cells}] {cell}", soft_wrap=True)

    def event(self, cell: Cell, event: Mapping[str, Any]) -> None:
        self._course.event(event)
        handler = {"phase": self._phase, "progress": self._progress, "epoch": self._epoch}.get(event["event"])
        if handler:
            handler(cell, event)

    def finish(self, cell: Cell, result: CellResult) -> None:
        self._course.finish(cell, result)
        self.console.print(
            _summary(cell, result), style="" if result.status == "done" else "red", soft_wrap=True
        )
        if self._bars:
            self._bars.overall(
                self._course.ended, self._course.cells, self._course.seconds_left(self._clock())
            )

    def note(self, words: str) -> None:
        self.console.print(words, style="yellow", soft_wrap=True)

    # -- what workers say -----------------------------------------------------------------------
    def _phase(self, cell: Cell, event: Mapping[str, Any]) -> None:
        if self._bars:
            self._bars.cell(str(cell), None, str(event.get("name", "")))

    def _progress(self, cell: Cell, event: Mapping[str, Any]) -> None:
        course, share = self._course, self._course.share or 0.0
        if self._bars:
            words = [f"epoch {event['epoch']}/{course.epochs}"]
            words.append(_rate(event))
            if self._quality is not None:
                words.append(self._quality)
            now = self._clock()
            self._bars.cell(str(cell), share, ", ".join(words), course.cell_seconds_left(now))
            self._bars.overall(course.ended + min(share, 1.0), course.cells, course.seconds_left(now))

    def _epoch(self, cell: Cell, event: Mapping[str, Any]) -> None:
        self._quality = _validated(event)
        if self._bars:
            return
        words = [f"  epoch {event['epoch']}/{self._course.epochs}: {text.seconds(event['train_seconds'])}"]
        words.append(_rate(event))
        words.append(f"loss {text.rate(event.get('train_loss'))}")
        if self._quality is not None:
            words.append(self._quality)
        remaining = self._course.seconds_left(self._clock())
        if remaining is not None:
            words.append(f"{text.clock(remaining)} left")
        self.console.print(", ".join(words), soft_wrap=True)


def _validated(event: Mapping[str, Any]) -> str | None:
    """The main metric of the validation part in words; None where there is none."""
    results = {k.removeprefix("validation_"): v for k, v in event.items() if k.startswith("validation_")}
    task = task_of(results)
    return f"{task.title} {text.share(value_of(results, task.metric))}" if task else None


def _summary(cell: Cell, result: CellResult) -> str:
    """A cell in a line, once it has ended."""
    if result.status != "done":
        return f"  {cell}: {result.status}{f', {result.error}' if result.error else ''}"
    words = [f"  {cell}: {counted(len(result.epochs), 'epoch')}"]
    if result.epochs:
        words.append(f"{text.seconds(sum(result.epoch_seconds) / len(result.epochs))} each")
    if result.score is not None:
        words.append(f"test {result.title} {text.share(result.score)}")
    words.append(text.memory(result.peak_memory_bytes))
    if result.diverged:
        words.append(result.diverged)
    return ", ".join(words)


class _Remaining(ProgressColumn):
    """Time left, as the comparison estimates it."""

    def render(self, task: Task) -> Text:
        remaining = task.fields.get("remaining")
        return Text("" if remaining is None else f"{text.clock(remaining)} left")


def _rate(event: Mapping[str, Any]) -> str:
    return f"{text.rate(event.get('images_per_second'))} {event.get('unit', 'images')}/s"


class _Bars:
    """The present cell's bar and that of all cells."""

    def __init__(self, console: Console) -> None:
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            TextColumn("{task.fields[words]}"),
            _Remaining(),
            console=console,
            transient=True,
            refresh_per_second=4,
        )
        self._cell: TaskID | None = None
        self._all: TaskID | None = None

    def stage(self, words: str) -> None:
        self.cell(words, None, "")

    def cell(self, name: str, share: float | None, words: str, remaining: float | None = None) -> None:
        if self._cell is None:
            self._cell = self.progress.add_task("", total=1.0, words="", remaining=None)
        # A share that is not known leaves the bar where it is.
        completed = {} if share is None else {"completed": share}
        self.progress.update(self._cell, description=name, words=words, remaining=remaining, **completed)  # type: ignore[arg-type]

    def overall(self, done: float, of: int, remaining: float | None) -> None:
        if self._all is None:
            self._all = self.progress.add_task("all cells", total=of, words="", remaining=None)
        self.progress.update(
            self._all, total=of, completed=done, words=f"{int(done)}/{of}", remaining=remaining
        )
