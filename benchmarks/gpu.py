"""What crosstrain is worth on a GPU, in one run of a few minutes: certificates, then speed.

First a certificate of every network on PyTorch and JAX in float64 and float32, several networks at once. Then
the rates of hand-written PyTorch (eager, and captured in one CUDA graph), of crosstrain and of Keras, all in
IEEE float32: contenders have a warm process each and take turns, round after round. Prints Markdown; ends
within --minutes and prints what there is by then. Needs PyTorch, JAX and Keras; docs/gpu.md shows how to
carry it to a machine without internet.

    python benchmarks/gpu.py [--minutes 5] [--out FOLDER] [--networks resnet20,lstm] [--roles "hand eager,…"]
    python benchmarks/gpu.py --dry-run        # small, on the CPU
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
for _folder in (HERE, HERE.parent / "src"):
    sys.path.insert(0, str(_folder))

from crosstrain.proof.prove import prove  # noqa: E402
from crosstrain.runs.defined import Definition  # noqa: E402
from crosstrain.runs.definition import define  # noqa: E402
from native_loops.gpu_server import ENGINES, ROLES  # noqa: E402
from native_loops.gpu_tasks import TASKS, GpuTask  # noqa: E402

PROVED_ON = ("torch", "jax")
BEGIN = time.monotonic()
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # several processes share the card


def say(*words: object) -> None:
    print(f"[{time.monotonic() - BEGIN:6.1f} s]", *words, flush=True)


@dataclass
class Results:
    """What there is so far; printed and written whatever happens."""

    machine: dict[str, Any] = field(default_factory=dict)
    certificates: list[dict[str, Any]] = field(default_factory=list)
    ready: dict[str, dict[str, float]] = field(default_factory=dict)
    rates: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    errors: dict[str, dict[str, str]] = field(default_factory=dict)

    def markdown(self, roles: list[str]) -> str:
        lines = ["", *(f"- {key}: {value}" for key, value in self.machine.items())]
        if self.certificates:
            lines += ["", "| network | engine | precision | status | worst error | seconds |"]
            lines += ["| --- | --- | --- | --- | --- | --- |"]
            lines += [
                f"| {c['network']} | {c['engine']} | {c['precision']} | {c['status']} | {c['worst']} "
                f"| {c['seconds']:.0f} |"
                for c in self.certificates
            ]
        if self.rates or self.errors:
            lines += ["", "Examples/s, median of the rounds (seconds until ready to train)", ""]
            lines += [f"| network (batch) | {' | '.join(roles)} |", "| --- " * (len(roles) + 1) + "|"]
            for name in dict.fromkeys([*self.rates, *self.errors]):
                cells = [self._cell(name, role) for role in roles]
                lines.append(f"| {TASKS[name].title} ({TASKS[name].batch}) | {' | '.join(cells)} |")
        return "\n".join(lines)

    def _cell(self, name: str, role: str) -> str:
        rates = self.rates.get(name, {}).get(role)
        if rates:
            return f"{median(rates):,.0f} ({self.ready[name][role]:.0f} s)"
        return self.errors.get(name, {}).get(role, "–").replace("|", "/")[:80]


# -- certificates -----------------------------------------------------------------------------------
def definitions(
    tasks: list[GpuTask], folder: Path, ready: Path | None, workers: int
) -> dict[str, Definition]:
    """The networks, defined here, or taken from where they were defined before (``--definitions``)."""

    def one(task: GpuTask) -> tuple[str, Definition]:
        if ready and (ready / task.name / "definition.json").is_file():
            made = Definition.load(ready / task.name)
            # The truth builds the network anew: from the file as it lies here, not where it was defined.
            file = task.source.rpartition(":")[0]
            moved = {"source": task.source, "file": file} if file else {}
            return task.name, Definition(made.folder, {**made.data, **moved})
        zoo = ":" not in task.source
        defined = define(
            task.source,
            folder=folder / task.name,
            input_shapes={"": task.shape} if zoo else None,
            classes=task.classes if zoo else None,
            trust=True,
            timeout=120,
        )
        return task.name, defined

    with ThreadPoolExecutor(workers) as pool:
        return dict(pool.map(one, tasks))


def certify(
    tasks: list[GpuTask], defined: Mapping[str, Definition], folder: Path, device: str, steps: int,
    workers: int, seconds: float, results: Results,
) -> None:  # fmt: skip
    """Certificates, one process tree a network; those that are not there in time are left out."""
    deadline = time.monotonic() + seconds

    def one(task: GpuTask, engine: str) -> None:
        left = deadline - time.monotonic()
        if left < 5:
            say(f"no time left for the proof of {task.name} on {engine}")
            return
        try:
            proof = prove(
                defined[task.name], [engine], work=folder / task.name / engine, steps=steps, batch_size=4,
                device=device, threads=2, timeout=left,
            )  # fmt: skip
        except Exception as error:
            say(f"{task.name} on {engine}: {type(error).__name__}: {error}")
            return
        for c in proof.certificates:
            errors = [e for e in (c.outputs, c.loss, c.gradients, c.weights_after_steps) if e is not None]
            row: dict[str, Any] = {
                "network": task.title, "engine": c.engine, "precision": c.precision, "status": c.status,
                "worst": f"{max(errors):.1e}" if errors else "–", "seconds": c.seconds,
                "reason": str(c.first_departure or c.reason or ""), "notes": list(c.notes),
            }  # fmt: skip
            results.certificates.append(row)
            say(f"{task.title}: {c.engine} {c.precision} {c.status}", row["worst"], row["reason"][:300])

    # The large ones begin first: the slowest decides.
    order = sorted(tasks, key=lambda t: t.name not in ("mobilenetv2", "lstm", "transformer"))
    with ThreadPoolExecutor(workers) as pool:
        wait([pool.submit(one, task, engine) for task in order for engine in PROVED_ON])


# -- speed ------------------------------------------------------------------------------------------
class Contender:
    """The parent's side of one warm process."""

    def __init__(self, role: str, device: str) -> None:
        self.role, self._device = role, device
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str] = queue.Queue()

    def _start(self) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(
                filter(None, [str(HERE), str(HERE.parent / "src"), os.environ.get("PYTHONPATH")])
            ),
            "KERAS_BACKEND": ENGINES[self.role][0].removeprefix("keras-")
            if self.role in ENGINES
            else "torch",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        self._lines = queue.Queue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "native_loops.gpu_server", self.role, self._device],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=environment,
        )  # fmt: skip
        threading.Thread(target=self._listen, args=(self._process, self._lines), daemon=True).start()

    @staticmethod
    def _listen(process: subprocess.Popen[str], lines: queue.Queue[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put("")

    def ask(self, command: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """Its answer; an error where there is none in time. A process that failed is started anew."""
        if self._process is None:
            self._start()
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            print(json.dumps(command), file=self._process.stdin, flush=True)
            line = self._lines.get(timeout=max(seconds, 0.1))
        except queue.Empty:
            self.stop()
            return {"error": f"not done after {seconds:.0f} s"}
        except OSError:
            line = ""
        if not line:
            code = self._process.wait()
            self.stop()
            return {"error": f"ended with code {code}"}
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            self.stop()
        return answer

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def wake(contenders: list[Contender], workers: int) -> None:
    """Let all import their frameworks; who cannot says so again when it gets its first network."""
    if contenders:
        with ThreadPoolExecutor(min(workers, len(contenders))) as pool:
            list(pool.map(lambda c: c.ask({"wake": True}, 75), contenders))


def race(
    task: GpuTask, definition: Definition, contenders: list[Contender], batch: int, rounds: int,
    turn: float, deadline: float, workers: int, results: Results,
) -> None:  # fmt: skip
    """One network's row: all get ready at once, then take turns."""
    order = {"prepare": task.name, "definition": str(definition.folder), "batch": batch}
    patience = min(60.0, deadline - time.monotonic() - rounds * len(contenders) * turn)
    ready, errors = results.ready.setdefault(task.name, {}), results.errors.setdefault(task.name, {})
    rates = results.rates.setdefault(task.name, {})

    def prepare(contender: Contender) -> None:
        answer = contender.ask(order, patience)
        if "error" in answer:
            errors[contender.role] = answer["error"]
            say(f"{task.title}: {contender.role}: {answer['error']}")
        else:
            ready[contender.role] = answer["ready"]

    def run(contender: Contender, steps: int) -> float | None:
        answer = contender.ask({"run": steps}, min(60.0, deadline + 10 - time.monotonic()))
        if "error" in answer:
            errors[contender.role] = answer["error"]
            say(f"{task.title}: {contender.role}: {answer['error']}")
        return answer.get("seconds")

    with ThreadPoolExecutor(min(workers, len(contenders))) as pool:
        list(pool.map(prepare, contenders))
    say(f"{task.title}: ready", {role: round(s, 1) for role, s in ready.items()})
    steps = {}
    for contender in [c for c in contenders if c.role in ready]:
        probe = run(contender, 4)
        again = run(contender, 4) if probe else None
        if again:
            steps[contender.role] = max(4, min(5000, round(4 * turn / again)))
    for number in range(rounds):
        running = [c for c in contenders if c.role in steps and c.role not in errors]
        if not running or time.monotonic() + len(running) * turn > deadline:
            break
        for contender in running if number % 2 == 0 else reversed(running):
            seconds = run(contender, steps[contender.role])
            if seconds:
                rates.setdefault(contender.role, []).append(steps[contender.role] * batch / seconds)
    say(f"{task.title}:", {role: round(median(r)) for role, r in rates.items()})


# -- the machine --------------------------------------------------------------------------------------
def machine() -> dict[str, str]:
    """Card, driver and versions, as far as they can be read without starting a framework."""
    made = {"Python": platform.python_version(), "cores": str(os.cpu_count())}
    try:
        made["card and driver"] = subprocess.run(
            ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"],
            capture_output=True, text=True, timeout=30, check=True,
        ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        made["card and driver"] = f"unknown ({type(error).__name__})"
    for package in ("torch", "jax", "keras", "numpy"):
        try:
            made[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            made[package] = "not installed"
    return made


@contextmanager
def contending(roles: list[str], device: str) -> Iterator[list[Contender]]:
    contenders = [Contender(role, device) for role in roles]
    try:
        yield contenders
    finally:
        for contender in contenders:
            contender.stop()


def in_time(part: Callable[[], None], seconds: float, name: str) -> None:
    """Run a part, but no longer: what hangs is left behind, and what it has left stands in the results."""
    thread = threading.Thread(target=part, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        say(f"{name}: left after {seconds:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--out", type=Path, help="folder for gpu.json and gpu.md (default: $OUT, else none)")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--networks", default=",".join(TASKS))
    parser.add_argument("--prove", help="networks to prove (default: all that are run and can be)")
    parser.add_argument("--roles", default=",".join(ROLES))
    parser.add_argument("--parts", default="proofs,table")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--turn", type=float, default=0.7, help="about how many seconds each turn takes")
    parser.add_argument("--steps", type=int, default=5, help="optimizer steps of a proof")
    parser.add_argument("--definitions", type=Path, help="networks that were defined before, by name")
    parser.add_argument("--define", type=Path, help="only define the networks, into this folder")
    parser.add_argument("--dry-run", action="store_true", help="all of it small, on the CPU")
    a = parser.parse_args()
    a.definitions = a.definitions and a.definitions.resolve()
    if a.dry_run:
        a.device, a.rounds, a.turn, a.steps = "cpu", 1, 0.05, min(a.steps, 2)
    roles = [role.strip() for role in a.roles.split(",")]
    for kind, names, known in (("role", roles, ROLES), ("network", a.networks.split(","), TASKS)):
        if unknown := [name for name in names if name not in known]:
            parser.error(f"there is no {kind} {unknown[0]!r}; there are {', '.join(known)}")
    tasks = [TASKS[name] for name in a.networks.split(",")]
    workers = max(2, (os.cpu_count() or 2) // 2)
    if a.define:
        definitions(tasks, a.define, None, workers)
        return

    out = a.out or (Path(os.environ["OUT"]) if os.environ.get("OUT") else None)
    results = Results(machine())
    deadline = BEGIN + 60 * a.minutes - 12  # to end and to print
    left = lambda: deadline - time.monotonic()

    def parts(folder: Path) -> None:
        say("defining", ", ".join(task.name for task in tasks))
        defined = definitions(tasks, folder / "definitions", a.definitions, workers)
        say("defined")
        with contending(roles if "table" in a.parts else [], a.device) as contenders:
            waking = threading.Thread(target=wake, args=(contenders, workers), daemon=True)
            waking.start()
            if "proofs" in a.parts:
                share = left() * (0.4 if "table" in a.parts else 1)
                chosen = a.prove.split(",") if a.prove else [task.name for task in tasks if task.proved]
                proved = [task for task in tasks if task.name in chosen]
                in_time(
                    lambda: certify(
                        proved, defined, folder / "proofs", a.device, a.steps, workers, share, results
                    ),
                    share, "proofs",
                )  # fmt: skip
                say("proofs are done")
                keep(out, results, roles)
            waking.join()
            for task in tasks if "table" in a.parts else []:
                if not task.batch:
                    continue
                if left() < 20:
                    say(f"no time left for {task.title}")
                    continue
                batch = 4 if a.dry_run else task.batch
                race(
                    task, defined[task.name], contenders, batch, a.rounds, a.turn, deadline, workers, results
                )
                keep(out, results, roles)

    with tempfile.TemporaryDirectory(prefix="crosstrain-gpu-", ignore_cleanup_errors=True) as folder:
        in_time(lambda: parts(Path(folder)), left(), "all")
        print(results.markdown(roles), flush=True)
        keep(out, results, roles)
    sys.stdout.flush()
    os._exit(0)  # what was left behind does not hold up the end


def keep(out: Path | None, results: Results, roles: list[str]) -> None:
    """Write what there is so far."""
    if out:
        out.mkdir(parents=True, exist_ok=True)
        (out / "gpu.json").write_text(json.dumps(vars(results), indent=1))
        (out / "gpu.md").write_text(results.markdown(roles) + "\n")


if __name__ == "__main__":
    main()
