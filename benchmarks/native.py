"""crosstrain's training step against a hand-written loop and against keras.Model.fit, per framework.

Every contender has one warm process of its own, in the Python that has its framework; all take turns, round
after round, so that a machine whose speed drifts treats them alike. Prints images/s (median over rounds) and,
from the rounds' own ratios, crosstrain / expert and crosstrain / Keras with a bootstrap interval.

    python benchmarks/native.py [--networks idsia,resnet20] [--engines torch,jax,mxnet] [--rounds 7]

``unet`` (a quarter of its maps, 96 pixels, a class for each pixel) and ``yolo-tiny`` (a quarter of its maps,
192×256 pixels, boxes) have a loop by hand for PyTorch alone:

    python benchmarks/native.py --networks yolo-tiny --engines torch --rivals crosstrain,expert --batch-size 8
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from crosstrain.environments.environments import python_of
from crosstrain.runs.definition import define

sys.path.insert(0, str(Path(__file__).parent))
from native_loops import TASKS

RIVALS = ("crosstrain", "expert", "keras")

EXPERTS = {
    "torch": "expert_torch",
    "tensorflow": "expert_tensorflow",
    "jax": "expert_jax",
    "mxnet": "expert_mxnet",
    "paddle": "expert_paddle",
}
"""For each engine the module of its hand-written loop."""

KERAS_BACKENDS = ("torch", "tensorflow", "jax")

HERE = Path(__file__).resolve().parent


def contestants(engine: str) -> dict[str, str]:
    """Who can compete on an engine: the rivals' names and their modules."""
    rivals = {"crosstrain": "crosstrain_engine", "expert": EXPERTS[engine]}
    return {**rivals, "keras": "keras_fit"} if engine in KERAS_BACKENDS else rivals


class Contender:
    """The parent's side of one warm process, which runs ``module``. ``definition`` is the folder of the
    defined network."""

    def __init__(
        self,
        network: str,
        engine: str,
        rival: str,
        definition: Path,
        batch_size: int,
        threads: int,
        module: str = "",
    ) -> None:
        environment = {
            **os.environ,
            # An engine's own environment has no crosstrain; nor has any these loops.
            "PYTHONPATH": os.pathsep.join(
                filter(None, [str(HERE), str(HERE.parent / "src"), os.environ.get("PYTHONPATH")])
            ),
            "OMP_NUM_THREADS": str(threads),
            "GOMP_SPINCOUNT": "3000",  # as crosstrain's workers have it; see runs/process.py
            "KERAS_BACKEND": engine,
            "CROSSTRAIN_ENGINE": engine,
            "CROSSTRAIN_DEFINITION": str(definition),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        module = module or contestants(engine)[rival]
        self._process = subprocess.Popen(
            [python_of(engine), "-m", "native_loops", network, module, str(batch_size)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        self.name = f"{engine} {rival}"

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended early (exit code {self._process.wait()})")
        return line.strip()

    def ready(self) -> None:
        if self._answer() != "ready":
            raise SystemExit(f"{self.name} did not get ready")

    def run(self, steps: int) -> float:
        assert self._process.stdin is not None
        print(steps, file=self._process.stdin, flush=True)
        return float(self._answer())

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)


def defined(network: str, folder: Path) -> Path:
    """The network, defined here: Keras need not be where the engine is."""
    task = TASKS[network]
    return define(
        task.network,
        input_shapes={"": task.shape},
        classes=task.classes,
        targets={"": task.declared},
        seed=0,
        folder=folder,
    ).folder


def raced(
    title: str, contenders: Sequence[Contender], rounds: int, seconds: float, batch_size: int
) -> dict[str, list[float]]:
    """Examples/s of each contender in each round, taken by turns; then the processes end."""
    steps = {c.name: max(2, round(seconds * 4 / c.run(4))) for c in contenders}
    rates: dict[str, list[float]] = {c.name: [] for c in contenders}
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(title, total=rounds * len(contenders))
        for turn in range(rounds):
            for contender in contenders if turn % 2 == 0 else reversed(contenders):
                n = steps[contender.name]
                rates[contender.name].append(n * batch_size / contender.run(n))
                progress.advance(bar)
    for contender in contenders:
        contender.stop()
    return rates


def interval(ratios: np.ndarray) -> tuple[float, float]:
    """95 % percentile bootstrap of the median."""
    generator = np.random.default_rng(0)
    medians = np.median(generator.choice(ratios, (2000, len(ratios))), axis=1)
    return float(np.percentile(medians, 2.5)), float(np.percentile(medians, 97.5))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", default="idsia,resnet20")
    parser.add_argument("--engines", default="torch,tensorflow,jax")
    parser.add_argument("--rivals", default=",".join(RIVALS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=4.0, help="about how long each turn takes")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path, help="write the samples here")
    arguments = parser.parse_args()
    console, samples = Console(width=100), {}
    engines, rivals = arguments.engines.split(","), arguments.rivals.split(",")
    unknown = sorted(set(engines) - set(EXPERTS)) + sorted(set(rivals) - set(RIVALS))
    if unknown:
        parser.error(f"{unknown[0]!r} is unknown; engines: {', '.join(EXPERTS)}; rivals: {', '.join(RIVALS)}")
    for network in arguments.networks.split(","):
        contenders = []
        with tempfile.TemporaryDirectory() as folder:
            definition = defined(network, Path(folder))
            for engine in engines:
                for rival in (r for r in rivals if r in contestants(engine)):
                    contender = Contender(
                        network, engine, rival, definition, arguments.batch_size, arguments.threads
                    )
                    contender.ready()  # one after the other: compiling is not disturbed either
                    contenders.append(contender)
        rates = raced(network, contenders, arguments.rounds, arguments.seconds, arguments.batch_size)
        samples[network] = rates
        console.print(table(network, rates, arguments))
    if arguments.json:
        arguments.json.write_text(json.dumps(samples, indent=1))


def table(network: str, rates: dict[str, list[float]], arguments: argparse.Namespace) -> Table:
    shown = Table(
        title=f"{network}@{TASKS[network].shape[0]}, batch {arguments.batch_size}, images/s and ratios"
    )
    for column in ("engine", *RIVALS, "crosstrain / expert", "crosstrain / Keras fit"):
        shown.add_column(column, justify="left" if column == "engine" else "right")
    for engine in arguments.engines.split(","):
        own = np.array(rates.get(f"{engine} crosstrain", []))
        cells = []
        for rival in RIVALS:
            values = rates.get(f"{engine} {rival}")
            cells.append(f"{np.median(values):.1f}" if values else "–")
        for rival in RIVALS[1:]:
            other = np.array(rates.get(f"{engine} {rival}", []))
            if own.size and other.size:
                low, high = interval(own / other)
                cells.append(f"{np.median(own / other):.3f} [{low:.3f}, {high:.3f}]")
            else:
                cells.append("–")
        shown.add_row(engine, *cells)
    return shown


if __name__ == "__main__":
    main()
