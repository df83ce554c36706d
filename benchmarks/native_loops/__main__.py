"""A contender's process: answers each line "STEPS" with the seconds that they took.

python -m native_loops NETWORK MODULE BATCH_SIZE
"""

from __future__ import annotations

import importlib
import os
import sys

from native_loops import task_of


def serve(network: str, module: str, batch_size: int) -> None:
    """Build the contender, say "ready", then answer."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the framework prints does not disturb the answers
    run = importlib.import_module(f"native_loops.{module}").contender(task_of(network), batch_size)
    run(3)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        print(run(int(line)), file=answers, flush=True)


serve(sys.argv[1], sys.argv[2], int(sys.argv[3]))
