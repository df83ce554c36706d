"""A small definition and data set, written by hand: runs need neither Keras nor real data to be tested."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.graph.graph import SEED, Graph, Node, TensorSpec, WeightSpec

FEATURES, HIDDEN, CLASSES = 8, 16, 3
EXAMPLES = {"train": 150, "validation": 40, "test": 70}
BATCH = 32


def network(noisy: bool = False) -> Graph:
    """Features → dense, ReLU [→ dropout] → dense: logits."""
    hidden, out = TensorSpec((None, HIDDEN)), TensorSpec((None, CLASSES))
    nodes = [
        Node("product", "matmul", ("%features", "@one/kernel"), {}, (hidden,)),
        Node("sum", "add", ("%product", "@one/bias"), {}, (hidden,)),
        Node("relu", "relu", ("%sum",), {}, (hidden,)),
    ]
    last = "%relu"
    if noisy:
        settings = {"rate": 0.5, "salt": 1, "noise_shape": None}
        nodes.append(Node("dropout", "dropout", (last, f"%{SEED}"), settings, (hidden,)))
        last = "%dropout"
    nodes += [
        Node("product_2", "matmul", (last, "@two/kernel"), {}, (out,)),
        Node("logits", "add", ("%product_2", "@two/bias"), {}, (out,)),
    ]
    shapes = {
        "one/kernel": (FEATURES, HIDDEN), "one/bias": (HIDDEN,),
        "two/kernel": (HIDDEN, CLASSES), "two/bias": (CLASSES,),
    }  # fmt: skip
    return Graph(
        name="small",
        inputs={
            "features": TensorSpec((None, FEATURES)),
            **({SEED: TensorSpec((), "int32")} if noisy else {}),
        },
        outputs={"scores": "%logits"},
        nodes=tuple(nodes),
        weights={name: WeightSpec(shape) for name, shape in shapes.items()},
    ).check()


def loss() -> Graph:
    """Mean cross-entropy of logits."""
    each = Node(
        "each", "sparse_categorical_crossentropy", ("%target/scores", "%output/scores"),
        {"from_logits": True}, (TensorSpec((None,)),),
    )  # fmt: skip
    mean = Node("mean", "mean", ("%each",), {"axis": None, "keepdims": False}, (TensorSpec(()),))
    inputs = {"output/scores": TensorSpec((None, CLASSES)), "target/scores": TensorSpec((None,), "int64")}
    return Graph("loss", inputs, {"loss": "%mean"}, (each, mean)).check()


def initial(seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        name: (0.3 * random.normal(size=spec.shape)).astype(np.float32)
        for name, spec in network().weights.items()
    }


def write_definition(folder: Path, noisy: bool = False) -> Path:
    folder.mkdir(parents=True)
    network(noisy).save(folder / "network.json", initial())
    loss().save(folder / "loss.json")
    chosen = {"scores": {"name": "sparse_categorical_crossentropy", "settings": {"from_logits": True}}}
    (folder / "definition.json").write_text(json.dumps({"losses": chosen}))
    return folder


def examples(split: str, features: int = FEATURES) -> tuple[np.ndarray, np.ndarray]:
    """Classes that a straight line nearly parts."""
    random = np.random.default_rng(sum(map(ord, split)))
    x = random.normal(size=(EXAMPLES[split], features)).astype(np.float32)
    return x, np.argmax(x[:, :CLASSES] + 0.3 * random.normal(size=(len(x), CLASSES)), axis=1)


def write_data(folder: Path, features: int = FEATURES) -> Path:
    folder.mkdir(parents=True)
    for split in EXAMPLES:
        x, y = examples(split, features)
        np.save(folder / f"{split}.input.npy", x)
        np.save(folder / f"{split}.target.npy", y)
    manifest: dict[str, Any] = {
        "format": 1, "spec": "sample", "hash": "0" * 64, "task": "classification", "classes": ["a", "b", "c"],
        "inputs": {"": {"shape": [features], "dtype": "float32"}},
        "targets": {"": {"shape": [], "dtype": "int64", "classes": CLASSES}},
        "splits": EXAMPLES, "prepare_seconds": 0.0, "warnings": [],
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def as_pictures(network_folder: Path, data_folder: Path, shape: tuple[int, int, int]) -> None:
    """Let the written examples be pictures of this shape, for engines that do not compute."""
    path = network_folder / "network.json"
    graph = json.loads(path.read_text())
    graph["inputs"]["features"]["shape"] = [None, *shape]
    path.write_text(json.dumps(graph))
    for split in EXAMPLES:
        file = data_folder / f"{split}.input.npy"
        np.save(file, np.load(file).reshape(-1, *shape))
    manifest = json.loads((data_folder / "manifest.json").read_text())
    manifest["inputs"][""]["shape"] = list(shape)
    (data_folder / "manifest.json").write_text(json.dumps(manifest))
