"""The export format ``jax``: StableHLO by ``jax.export``, its parameters, and the lines that load both."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.exchange.formats import Arrays, Opened, Source
from crosstrain.graph.graph import Graph, TensorSpec

NETWORK, PARAMETERS, LOAD = "network.stablehlo", "parameters.npz", "load.py"
PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
"""What one file runs on."""

TEXT = '''"""{title}

Made by crosstrain; needs jax (with flatbuffers, for jax.export) and numpy. As a program, it says what goes in
and what comes out.
"""

from pathlib import Path

import jax
import numpy as np
from jax import export

FOLDER = Path(__file__).parent


def load(folder=FOLDER):
    """(predict, parameters): predict(parameters, inputs) takes and gives dictionaries of arrays by name.

    Inputs:
{inputs}
    Outputs:
{outputs}
    """
    network = export.deserialize((folder / "{network}").read_bytes())
    with np.load(folder / "{parameters}") as stored:
        parameters = {{name: jax.numpy.asarray(stored[name]) for name in stored.files}}
    return jax.jit(network.call), parameters


if __name__ == "__main__":
    print(load.__doc__)
'''


def write(source: Source, path: Path) -> None:
    """A folder with ``network.stablehlo``, ``parameters.npz`` and ``load.py``: the inference phase, float32,
    for batches of any length, on any platform. Raises ``UnsupportedOp`` for an op that has no form on JAX."""
    import jax
    from jax import export

    from crosstrain.engines.jax.ops import canonical, operations
    from crosstrain.graph.evaluate import compiled

    graph = source.graph.phase(training=False)
    run = compiled(graph, operations(cpu_forms=False), "float32")

    def predict(parameters: Any, inputs: Any) -> Any:
        # In full on every device: a GPU's own choice would round products to ten bits.
        with jax.default_matmul_precision("highest"):
            return run(parameters, inputs)[0]

    read = {i for node in graph.nodes for i in node.inputs} | set(graph.outputs.values())
    used = [name for name in graph.weights if f"@{name}" in read]
    parameters = {name: np.asarray(source.weights[name]) for name in used}
    parameters = {
        name: array.astype(canonical(graph.weights[name].dtype)) for name, array in parameters.items()
    }
    scope = export.SymbolicScope()
    shapes = {
        name: jax.ShapeDtypeStruct(
            export.symbolic_shape(_dimensions(name, spec), scope=scope), canonical(spec.dtype)
        )
        for name, spec in graph.inputs.items()
    }
    kinds = {name: jax.ShapeDtypeStruct(array.shape, array.dtype) for name, array in parameters.items()}
    exported = export.export(jax.jit(predict), platforms=PLATFORMS)(kinds, shapes)
    path.mkdir()
    (path / NETWORK).write_bytes(exported.serialize())
    stored: dict[str, Any] = dict(parameters)
    np.savez(path / PARAMETERS, **stored)
    text = TEXT.format(
        title=f"{source.definition['name']} as StableHLO, with its trained weights.", network=NETWORK,
        parameters=PARAMETERS, inputs=_described(graph, graph.inputs),
        outputs=_described(graph, {name: graph.spec(ref) for name, ref in graph.outputs.items()}),
    )  # fmt: skip
    (path / LOAD).write_text(text)


def _dimensions(name: str, spec: TensorSpec) -> str:
    """The shape in the language of ``jax.export``: the batch is one symbol, other open lengths have their
    own."""
    counted = itertools.count()
    letters = "".join(c if c.isascii() and c.isalnum() else "_" for c in name)
    sizes = (
        str(size) if size is not None else "batch" if axis == 0 else f"length_{letters}_{next(counted)}"
        for axis, size in enumerate(spec.shape)
    )
    return ", ".join(sizes)


def _described(graph: Graph, specs: Any) -> str:
    return "\n".join(
        f"        {name!r}: {spec.dtype} ({', '.join('N' if n is None else str(n) for n in spec.shape)})"
        for name, spec in specs.items()
    )


def opened(path: Path, source: Source) -> Opened:
    """Deserialized by ``jax.export`` with the parameters beside it; nothing of crosstrain's."""
    import jax
    from jax import export

    network = export.deserialize(bytearray((path / NETWORK).read_bytes()))
    with np.load(path / PARAMETERS, allow_pickle=False) as stored:
        parameters = {name: jax.numpy.asarray(stored[name]) for name in stored.files}
    call = jax.jit(network.call)
    phase = source.graph.phase(training=False)
    dtypes = dict(zip(phase.inputs, (spec.dtype for spec in phase.inputs.values()), strict=True))

    def predict(inputs: Arrays) -> Arrays:
        outputs = call(parameters, {n: np.asarray(inputs[n], dtypes[n]) for n in phase.inputs})
        return {name: np.asarray(value) for name, value in outputs.items()}

    return predict
