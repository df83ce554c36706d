"""A supervisor as small as can be: runs the cells of a plan that are not finished, and keeps them.

``python -m tests.runs.supervisor FOLDER`` prints the name of each cell when it starts and when it is kept.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from crosstrain.runs.process import run_job
from crosstrain.runs.store import Store

CELLS = ("a", "b", "c", "d")


def once(job: dict[str, Any], emit: Any) -> dict[str, Any]:
    """A cell's work: leave a mark for every time it is begun; hang where the job says so."""
    with Path(job["marks"]).open("a") as stream:
        stream.write(job["id"] + "\n")
    if job["hang"]:
        import time

        time.sleep(600)
    return {"id": job["id"]}


def main(folder: Path, hanging: str) -> None:
    with Store(folder) as store:
        finished = store.finished(CELLS)
        for name in CELLS:
            if name in finished:
                continue
            print("start", name, flush=True)
            outcome = run_job(
                {
                    "task": "tests.runs.supervisor:once", "id": name, "hang": name == hanging,
                    "marks": str(folder / "marks"),
                },
                folder=store.logs,
            )  # fmt: skip
            store.write_cell(name, {"status": outcome.status, **(outcome.result or {})})
            print("kept", name, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
