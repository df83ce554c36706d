"""Networks of the catalogue against the PyTorch that ``crosstrain code`` writes for them: are they the same?

    python benchmarks/equal_pairs.py [NAME …]

Each tiny variant is written as PyTorch source, read back through ``torch.export``, and set beside the Keras
original by ``diff``. Prints a line for each pair: the same, different (with the causes), or refused (with the
reason); then how many are the same.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

from crosstrain import zoo
from crosstrain.difference.comparing import Comparison, Settings
from crosstrain.difference.findings import Difference
from crosstrain.difference.gradients import of_side
from crosstrain.difference.recipes import training
from crosstrain.difference.sides import Side
from crosstrain.engines.registry import engine_row
from crosstrain.exchange.torch_import import define as torch_define
from crosstrain.graph import define
from crosstrain.graph.graph import Graph
from crosstrain.proof.arrays import Arrays
from crosstrain.runs.defined import Definition
from crosstrain.source.generate import source_of
from crosstrain.training.recipe import Loss, Recipe

BUILD = """

def build():
    return {name}(), ({inputs},)
"""
"""What makes the written module a definition: an instance and an example of its inputs."""
EXAMPLES = 2


def pair(name: str, folder: Path) -> Difference:
    """What ``diff`` finds between a tiny variant and the PyTorch that is written for it."""
    job = {"source": f"{name}:tiny", "folder": str(folder / "a"), "seed": 0}
    a = Definition(folder / "a", define.run(job, lambda _: None))
    graph, _ = Graph.load(a.network)
    file = folder / "written.py"
    file.write_text(written(name, graph, a))
    job = {"source": f"{file}:build", "folder": str(folder / "b"), "seed": 0}
    b = Definition(folder / "b", torch_define.run(job, lambda _: None))
    sides = [Side(letter, name, each, training(None, None)) for letter, each in (("A", a), ("B", b))]
    return Comparison(sides[0], sides[1], Settings()).run(by_torch)


def by_torch(comparison: Comparison) -> tuple[Arrays, dict[str, str]]:
    """Gradients and steps of both sides, by the engine of PyTorch."""
    engine = engine_row("torch").load()
    arrays = {
        f"{side.letter}/{key}": value
        for side, case in zip(comparison.sides, comparison.cases, strict=True)
        for key, value in of_side(engine, case, side.training).items()
    }
    return arrays, {}


def written(name: str, graph: Graph, definition: Definition) -> str:
    """The source of a network, with a function that makes it."""
    losses = {k: Loss(**v) for k, v in definition.data["losses"].items()}
    source = source_of(graph, losses, Recipe(), "torch", f"{name}:tiny").text
    module = next(
        line.split("class ")[1].split("(")[0]
        for line in reversed(source.splitlines())
        if line.startswith("class ") and "(nn.Module)" in line
    )
    inputs = ", ".join(
        f"torch.zeros({(EXAMPLES, *spec.shape[1:])}, dtype=torch.{spec.dtype})"
        for key, spec in graph.inputs.items()
        if key != "seed"
    )
    return source + BUILD.format(name=module, inputs=inputs)


def variants() -> list[str]:
    """A name of each tiny variant of the catalogue."""
    rows = {
        json.dumps([row.function, {**row.arguments, **row.tiny}], default=str): row.name
        for row in reversed(zoo.networks().values())
    }
    return list(reversed(rows.values()))


def main(names: list[str]) -> None:
    counts: Counter[str] = Counter()
    for name in names or variants():
        with tempfile.TemporaryDirectory() as folder:
            try:
                found = pair(name, Path(folder))
            except Exception as error:
                outcome, why = "refused", f"{type(error).__name__}: {error}".splitlines()[0]
            else:
                outcome = "the same" if found.same else "different"
                why = ", ".join(dict.fromkeys(each.cause or each.what for each in found.findings))
        counts[outcome] += 1
        print(f"{name:28} {outcome:10} {why[:160]}", flush=True)
    print(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))


if __name__ == "__main__":
    main(sys.argv[1:])
