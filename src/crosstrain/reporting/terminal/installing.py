"""What installing and examining engines shows: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from crosstrain.reporting.terminal import text
from crosstrain.reporting.terminal.grid import console

_LASTING = ("waiting", "making", "removing", "examining", "proving", "fetching")
_STATUS_WORDS = {"made": "installed", "there": "was there already"}


class Installing:
    """Counts engines. Context manager: within it the terminal shows the bar; ``shown`` off is silent."""

    def __init__(self, engines: int, *, shown: bool = True, out: Console | None = None) -> None:
        self.engines = engines
        self._done = 0
        self._name = ""
        self._out = (out or console(stderr=True)) if shown else None
        self._bar = None
        if self._out and self._out.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"), BarColumn(bar_width=16),
                TextColumn("{task.completed}/{task.total}"), TimeElapsedColumn(),
                console=self._out, transient=True, refresh_per_second=4,
            )  # fmt: skip
            self._task = self._bar.add_task("", total=engines)

    def __enter__(self) -> Installing:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def begin(self, name: str) -> None:
        """Start on the next engine."""
        self._name = name
        if self._out and not self._bar:
            self._out.print(f"[{self._done + 1}/{self.engines}] {name}", soft_wrap=True)

    def tell(self, words: str) -> None:
        """Show the current step. Without a live bar, print only long steps that are not pip's."""
        if self._bar and words.startswith("fetching"):  # what is told before it starts has to stay
            self._bar.console.print(f"{self._name}: {words}", soft_wrap=True)
        elif self._bar:
            front = f"{self._name}: {words}" if self._name else words
            self._bar.update(self._task, description=front if len(front) <= 60 else f"{front[:59]}…")
        elif self._out and words.startswith(_LASTING):
            self._out.print(f"  {words}" if self._name else words, soft_wrap=True)

    def end(self, outcome: Mapping[str, Any]) -> None:
        """Report the outcome of an installation: an entry of ``install_engines``."""
        self.advance()
        if not self._out:
            return
        if outcome["status"] == "failed":
            self._out.print(outcome["error"], style="red", soft_wrap=True)
            return
        words = [
            f"  {outcome['engine']} {outcome['version']} {_STATUS_WORDS[outcome['status']]}",
            text.memory(outcome["bytes"]),
        ]
        if outcome["status"] == "made":
            words.append(text.seconds(outcome["seconds"]))
        self._out.print(", ".join(words), soft_wrap=True)

    def advance(self) -> None:
        """Count one more engine as finished."""
        self._done += 1
        if self._bar:
            self._bar.update(self._task, completed=self._done)
