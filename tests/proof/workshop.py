"""Workers that stay: each takes one job after the other, where ``run_job`` starts a process for every job.

Of a small network's proof most is the start of frameworks. ``Workshop.launch`` stands in for ``run_job`` and
keeps one process for each task, engine and backend of Keras (``set_precision`` holds for a whole process).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crosstrain.runs import worker
from crosstrain.runs.process import Outcome, environment

STATUS = {"cannot": "cannot", "refused": "cannot", "memory": "memory"}


class Workshop:
    """To be used in a ``with``, which ends the workers."""

    def __init__(self) -> None:
        self._workers: dict[tuple[str, ...], subprocess.Popen[str]] = {}

    def __enter__(self) -> Workshop:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._workers.values():
            process.kill()
            process.communicate()

    def launch(self, job: Mapping[str, Any], *, folder: Path, python: str | None = None, **_: Any) -> Outcome:
        """The job's outcome. A worker that died is not started again: its log says what happened."""
        python = python or sys.executable
        key = (str(job["task"]), str(job.get("engine")), str(job.get("keras_backend")), python)
        folder.mkdir(parents=True, exist_ok=True)
        log = folder / f"{'-'.join(key[:3])}.log"
        if key not in self._workers:
            with log.open("ab") as log_file:
                self._workers[key] = subprocess.Popen(
                    [python, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log_file,
                    env=environment(job, python), text=True,
                )  # fmt: skip
        process = self._workers[key]
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(job, default=os.fspath) + "\n")
        process.stdin.flush()
        # The protocol begins each event on a new line, so that some are empty.
        while (line := process.stdout.readline()) == "\n":
            pass
        if not line:
            return Outcome("crashed", None, f"exit code {process.wait()}", log, 0.0, None)
        last = json.loads(line)
        if last["event"] == "result":
            return Outcome("done", last["result"], None, log, 0.0, None)
        return Outcome(
            STATUS.get(last["kind"], "failed"), None, last["message"], log, 0.0, None, last["kind"]
        )  # type: ignore[arg-type]


def main() -> None:
    """The worker's side: a job on each line in, its result or error on a line out."""
    protocol = worker.Protocol(os.dup(1))
    os.dup2(2, 1)

    def emit(event: dict[str, Any]) -> None:
        if event["event"] in ("result", "error"):
            protocol.emit(event)

    for line in sys.stdin:
        worker.run(json.loads(line), emit)


if __name__ == "__main__":
    main()
