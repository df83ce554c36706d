"""Data for the tutorials: scikit-learn's digits, tables and photograph, the texts that describe its data
sets, and arrays from a seed where it has nothing of the kind. Keys are those of ``arrays:FILE.npz``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import cv2
import numpy as np
from sklearn import datasets

Arrays = Mapping[str, np.ndarray]
EXAMPLES = 640

# Sizes of the networks, whose files import Keras.
LENGTH, WORDS = 24, 64
CODES = (4, 5, 6)
STEPS = 32
NODES = 10


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


@cache
def digits(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures in 0 to 1, (N, size, size, 1) float32, and their classes."""
    bunch: Any = datasets.load_digits()
    pictures = [cv2.resize(picture / 16, (size, size)) for picture in bunch.images[:EXAMPLES]]
    return np.asarray(pictures, "float32")[..., None], bunch.target[:EXAMPLES]


def numbers(size: int = 16) -> Arrays:
    x, y = digits(size)
    return {"x": x, "y": y}


def small_numbers() -> Arrays:
    return numbers(8)


def themselves(size: int = 16) -> Arrays:
    x, _ = digits(size)
    return {"x": x, "y": x}


def small_themselves() -> Arrays:
    return themselves(8)


def ink() -> Arrays:
    """Of each pixel, whether it is dark."""
    x, _ = digits(16)
    return {"x": x, "y": (x[..., 0] > 0.5).astype("int64")}


@cache
def photograph() -> np.ndarray:
    """A photograph that scikit-learn carries, 320×213, RGB in 0 to 1."""
    raw = np.frombuffer(files("sklearn.datasets.images").joinpath("china.jpg").read_bytes(), "uint8")
    picture: np.ndarray = cv2.cvtColor(cv2.imdecode(raw, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    return cv2.resize(picture, (320, 213), interpolation=cv2.INTER_AREA).astype("float32") / 255


def enlarged() -> Arrays:
    """Patches of the photograph, at half their size and whole."""
    grey = photograph().mean(axis=-1)
    whole = np.stack([grey[i : i + 16, j : j + 16] for i in range(0, 190, 8) for j in range(0, 300, 8)])
    halved = whole.reshape(-1, 8, 2, 8, 2).mean(axis=(2, 4))
    return {"x": halved[..., None], "y": whole[..., None]}


def colours() -> Arrays:
    """Places in the photograph, -1 to 1, and their colours."""
    picture = photograph()[::8, ::8]
    rows, columns = np.meshgrid(*(np.linspace(-1, 1, n) for n in picture.shape[:2]), indexing="ij")
    places = np.stack([rows, columns], axis=-1).reshape(-1, 2)
    return {"x": places.astype("float32"), "y": picture.reshape(-1, 3)}


def pairs() -> Arrays:
    """Two digits, and whether they differ."""
    x, y = digits(8)
    draw = generator()
    first, other = draw.integers(0, len(x), (2, EXAMPLES))
    same = draw.random(EXAMPLES) < 0.5
    other = np.where(same, [draw.choice(np.flatnonzero(y == y[i])) for i in first], other)
    return {"x/left": x[first], "x/right": x[other], "y": (y[first] != y[other]).astype("float32")[:, None]}


def strips() -> Arrays:
    """Three digits side by side, (8, 24, 1), and the class of each."""
    x, y = digits(8)
    chosen = generator().integers(0, len(x), (EXAMPLES, 3))
    return {"x": np.concatenate([x[c] for c in chosen.T], axis=2), "y": y[chosen]}


def bags() -> Arrays:
    """Four digits, and whether a 7 is among them."""
    x, y = digits(8)
    chosen = generator().integers(0, len(x), (EXAMPLES, 4))
    chosen[::2, 0] = generator().choice(np.flatnonzero(y == 7), len(chosen[::2]))
    return {"x": x[chosen], "y": (y[chosen] == 7).any(axis=1).astype("float32")[:, None]}


# -- texts ------------------------------------------------------------------------------------------
@cache
def passages() -> tuple[np.ndarray, np.ndarray]:
    """Windows of LENGTH + 1 characters out of the descriptions of four data sets, as numbers from 1 on, and
    which of the descriptions each is from."""
    rows, kinds = [], []
    for kind, load in enumerate(
        (datasets.load_digits, datasets.load_wine, datasets.load_breast_cancer, datasets.load_diabetes)
    ):
        bunch: Any = load()
        codes = np.array([1 + ord(c) % (WORDS - 1) for c in " ".join(bunch.DESCR.lower().split())])
        windows = np.lib.stride_tricks.sliding_window_view(codes, LENGTH + 1)
        rows.append(windows[np.linspace(0, len(windows) - 1, EXAMPLES // 4).astype(int)])
        kinds.append(np.full(len(rows[-1]), kind))
    return np.concatenate(rows).astype("int32"), np.concatenate(kinds)


def topics() -> Arrays:
    """Passages of several lengths, padded with 0."""
    rows, kinds = passages()
    rows = rows[:, :LENGTH].copy()
    rows[np.arange(LENGTH) >= generator().integers(LENGTH // 2, LENGTH + 1, (len(rows), 1))] = 0
    return {"x": rows, "y": kinds}


def characters() -> Arrays:
    """The next character at each place."""
    rows, _ = passages()
    return {"x": rows[:, :-1], "y": rows[:, 1:].astype("int64")}


def tags() -> Arrays:
    """Of each character, whether it is a letter, a blank or something else."""
    rows, _ = passages()
    letters, blank = [1 + ord(c) % (WORDS - 1) for c in "etaoinshrdlu"], 1 + ord(" ") % (WORDS - 1)
    y = np.where(np.isin(rows, letters), 0, np.where(rows == blank, 1, 2))
    return {"x": rows[:, :-1], "y": y[:, :-1]}


def one_hot(codes: np.ndarray, classes: int) -> np.ndarray:
    return np.eye(classes, dtype="float32")[codes]


def sums() -> Arrays:
    """``12+34`` and ``46 ``, one-hot: digits, plus and blank."""
    a, b = generator().integers(0, 50, (2, EXAMPLES))
    asked = np.stack([a // 10, a % 10, np.full_like(a, 10), b // 10, b % 10], axis=1)
    answer = np.stack([(a + b) // 10, (a + b) % 10, np.full_like(a, 11)], axis=1)
    return {"x": one_hot(asked, 12), "y": answer}


def reversals() -> Arrays:
    """Characters, and the first six of them backwards: one-hot, with those before as the decoder's input."""
    source = generator().integers(1, 12, (EXAMPLES, 8))
    target = source[:, 5::-1]
    before = np.pad(target, ((0, 0), (1, 0)))[:, :-1]
    return {"x/source": one_hot(source, 12), "x/target": one_hot(before, 12), "y": target}


def translations() -> Arrays:
    """A passage, and every third of its characters; the padding is 0."""
    rows = topics()["x"]
    target = rows[:, ::3]
    before = np.pad(target, ((0, 0), (1, 0)), constant_values=1)[:, :-1]
    return {"x/source": rows, "x/target": before, "y": target.astype("int64")}


def questions() -> Arrays:
    """A passage and six of its characters; the answer is where it is from."""
    data = topics()
    return {"x/story": data["x"], "x/question": data["x"][:, :6], "y": data["y"]}


# -- tables -----------------------------------------------------------------------------------------
def standardised(x: np.ndarray) -> np.ndarray:
    return ((x - x.mean(axis=0)) / x.std(axis=0)).astype("float32")


def tumours() -> Arrays:
    bunch: Any = datasets.load_breast_cancer()
    return {"x": standardised(bunch.data), "y": bunch.target.astype("float32")[:, None]}


def wide_and_deep() -> Arrays:
    data = tumours()
    return {"x/wide": data["x"][:, :10], "x/deep": data["x"][:, 10:], "y": data["y"]}


def diabetes() -> Arrays:
    bunch: Any = datasets.load_diabetes()
    return {"x": standardised(bunch.data), "y": standardised(bunch.target)[:, None]}


def wine() -> Arrays:
    bunch: Any = datasets.load_wine()
    return {"x": standardised(bunch.data), "y": bunch.target}


def wine_twice() -> Arrays:
    data = wine()
    return {"x": data["x"], "y/kind": data["y"], "y/strength": data["x"][:, :1]}


def mixed() -> Arrays:
    """Numbers of the tumours, some of them as categories."""
    data = tumours()
    kinds = {
        f"x/kind{i}": np.clip(np.digitize(data["x"][:, i], np.linspace(-1, 1, size - 1)), 0, size - 1).astype(
            "int32"
        )
        for i, size in enumerate(CODES)
    }
    return {**kinds, "x/numbers": data["x"][:, 3:7], "y": data["y"]}


def ratings() -> Arrays:
    draw = generator()
    users, items = draw.integers(0, 20, EXAMPLES), draw.integers(0, 30, EXAMPLES)
    tastes, kinds = draw.normal(size=(20, 3)), draw.normal(size=(30, 3))
    liking = 1 / (1 + np.exp(-np.sum(tastes[users] * kinds[items], axis=1)))
    return {
        "x/user": users[:, None].astype("int32"),
        "x/item": items[:, None].astype("int32"),
        "y": liking.astype("float32")[:, None],
    }


# -- series, films, graphs, points ----------------------------------------------------------------
def waves() -> np.ndarray:
    draw = generator()
    phase, speed = draw.uniform(0, 6, (EXAMPLES, 1)), draw.uniform(0.2, 0.6, (EXAMPLES, 1))
    noise = 0.1 * draw.normal(size=(EXAMPLES, STEPS + 1))
    return (np.sin(phase + speed * np.arange(STEPS + 1)) + noise).astype("float32")[..., None]


def shapes_of_waves() -> Arrays:
    """Sines, every second one of them squared off."""
    x = waves()[:, :STEPS]
    y = np.arange(EXAMPLES) % 2
    return {"x": np.where(y[:, None, None] == 1, np.sign(x), x), "y": y}


def same_waves() -> Arrays:
    x = waves()[:, :STEPS]
    return {"x": x, "y": x}


def next_values() -> Arrays:
    x = waves()
    return {"x": x[:, :-1], "y": x[:, 1:]}


def last_value() -> Arrays:
    x = waves()
    return {"x": x[:, :-1], "y": x[:, -1]}


def moving() -> tuple[np.ndarray, np.ndarray]:
    """Films of a digit that moves, (N, 5, 8, 8, 1), and in which of four directions."""
    x, _ = digits(8)
    ways = generator().integers(0, 4, 256)
    steps = np.array([(0, 1), (0, -1), (1, 0), (-1, 0)])[ways]
    frames = [[np.roll(p, i * s, axis=(0, 1)) for i in range(5)] for p, s in zip(x, steps, strict=False)]
    return np.asarray(frames, "float32"), ways


def next_frames() -> Arrays:
    films, _ = moving()
    return {"x": films[:, :-1], "y": films[:, 1:]}


def directions() -> Arrays:
    films, ways = moving()
    return {"x": films[:, :-1], "y": ways}


def volumes() -> Arrays:
    """Digits stacked to a volume, the same one or eight different ones."""
    x, _ = digits(8)
    chosen = generator().integers(0, len(x), (256, 8))
    chosen[::2] = chosen[::2, :1]
    same = np.arange(256) % 2 == 0
    return {"x": x[chosen], "y": same.astype("float32")[:, None]}


def graphs() -> Arrays:
    """Two groups of nodes with more edges within than between them: which group is a node's?"""
    draw = generator()
    group = draw.integers(0, 2, (256, NODES))
    likely = np.where(group[:, :, None] == group[:, None], 0.8, 0.1)
    edges = np.triu(draw.random(likely.shape) < likely, 1)
    adjacency = (edges | edges.swapaxes(1, 2) | np.eye(NODES, dtype=bool)).astype("float32")
    nodes = draw.normal(size=(256, NODES, 4)) + group[..., None]
    return {"x/nodes": nodes.astype("float32"), "x/adjacency": adjacency, "y": group}


def clouds() -> Arrays:
    """Points on a sphere, or in a cube."""
    draw = generator()
    points = draw.uniform(-1, 1, (256, 24, 3))
    y = np.arange(256) % 2
    sphere = points / np.linalg.norm(points, axis=-1, keepdims=True)
    return {"x": np.where(y[:, None, None] == 1, sphere, points).astype("float32"), "y": y}
