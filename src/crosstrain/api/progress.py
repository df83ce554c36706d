"""What shows the progress of a public function."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Annotated

from crosstrain.comparison.declaring import Parameter
from crosstrain.comparison.progress.watch import Silent, Watch

Progress = Annotated[
    bool | Watch,
    Parameter("Show progress; or a Watch of your own that receives it.", True, python_only=True),
]


@contextlib.contextmanager
def watching(progress: bool | Watch) -> Iterator[Watch]:
    """The watch that receives progress: True stands for the terminal (plain lines where there is none)."""
    if progress is True:
        from crosstrain.reporting.terminal.grid import console
        from crosstrain.reporting.terminal.progress import Show

        with Show(console(stderr=True)) as show:
            yield show
    else:
        yield progress or Silent()
