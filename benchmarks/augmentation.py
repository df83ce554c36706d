"""Throughput of augmentation against Keras's layers and a plain OpenCV loop; and what it costs a training.

    python benchmarks/augmentation.py [--size 32] [--rounds 5] [--batches 20] [--json FILE]
    python benchmarks/augmentation.py --data GTSRB.zip --train resnet20 [--engine torch] [--rounds 5]

The first form augments batches of random pictures by all ways in turn, round after round: flips, shifts,
turns, zooms, brightness, contrast and saturation, which all have; by crosstrain also with all else on.
Rates are images a second of wall time, and of processor time, which other load on the machine changes less.

The second trains a network with and without augmentation, epoch by epoch in turn, each as
``crosstrain train`` does it, and prints the ratios of seconds an epoch. All is on but the crop, which would
make the network's work less. Epochs of some seconds show the start of the processes, not what they cost.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from crosstrain.data.augmentation.augmenter import Augmenter
from crosstrain.data.augmentation.normalizing import fitted
from crosstrain.training import spelling

COMMON = "flip,shift=4,rotate=15,zoom=0.1,jitter=0.2"
EVERYTHING = f"{COMMON},pca-colour,cutout=8,mixup=0.2,standardize-sample"
BATCH = 64

Way = Callable[[int, np.ndarray], Any]
"""Augments the examples at these positions in an epoch."""


# -- throughput -----------------------------------------------------------------------------------
def ours(pictures: np.ndarray, augment: str) -> Way:
    settings = spelling.augmentation(augment)
    statistics_ = fitted(settings, lambda: [pictures], pictures[0].size)
    augmenter = Augmenter(settings, statistics_, seed=0)
    targets = np.eye(10, dtype=np.float32)[np.arange(len(pictures)) % 10]

    def way(epoch: int, index: np.ndarray) -> Any:
        return augmenter.batch({"": pictures}, {"": targets} if "mixup" in settings else {}, epoch, index)

    return way


def plain_opencv(pictures: np.ndarray) -> Way:
    """The loop that people write, one picture and one step after the other."""
    random = np.random.default_rng(0)
    height, width = pictures.shape[1:3]

    def one(picture: np.ndarray) -> np.ndarray:
        if random.random() < 0.5:
            picture = cv2.flip(picture, 1)
        matrix = cv2.getRotationMatrix2D(
            ((width - 1) / 2, (height - 1) / 2), random.uniform(-15, 15), random.uniform(0.9, 1.1)
        )
        matrix[:, 2] += random.integers(-4, 5, 2)
        picture = cv2.warpAffine(picture, matrix, (width, height))
        picture = np.clip(picture * np.float32(random.uniform(0.8, 1.2)), 0, 1)
        scale = np.float32(random.uniform(0.8, 1.2))
        picture = np.clip((picture - picture.mean()) * scale + picture.mean(), 0, 1)
        grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        factor = float(random.uniform(0.8, 1.2))
        return np.asarray(np.clip(cv2.addWeighted(picture, factor, grey, 1 - factor, 0), 0, 1))

    return lambda epoch, index: np.stack([one(pictures[i]) for i in index])


def keras_layers(pictures: np.ndarray) -> Way:
    """Keras's layers on the backend of KERAS_BACKEND, as a pipeline calls them: batch by batch."""
    import keras

    share = 4 / pictures.shape[1]
    layers = [
        keras.layers.RandomFlip("horizontal"),
        keras.layers.RandomTranslation(share, share, fill_mode="constant"),
        keras.layers.RandomRotation(15 / 360, fill_mode="constant"),
        keras.layers.RandomZoom(0.1, fill_mode="constant"),
        keras.layers.RandomBrightness(0.2, value_range=(0, 1)),
        keras.layers.RandomContrast(0.2, value_range=(0, 1)),
        keras.layers.RandomSaturation(0.4, value_range=(0, 1)),
    ]

    def way(epoch: int, index: np.ndarray) -> Any:
        batch: Any = pictures[index]
        for layer in layers:
            batch = layer(batch, training=True)
        return np.asarray(keras.ops.convert_to_numpy(batch))

    return way


def throughput(given: argparse.Namespace) -> dict[str, Any]:
    random = np.random.default_rng(0)
    pictures = random.random((BATCH * given.batches, given.size, given.size, 3), np.float32)
    ways = {
        "crosstrain": ours(pictures, COMMON),
        "plain OpenCV": plain_opencv(pictures),
        f"Keras's layers ({os.environ.get('KERAS_BACKEND', 'tensorflow')})": keras_layers(pictures),
        "crosstrain, everything on": ours(pictures, EVERYTHING),
    }
    cv2.setNumThreads(1)
    order = random.permutation(len(pictures)).reshape(-1, BATCH)
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for way in ways.values():
        way(0, order[0])  # what is compiled or imported late
    for epoch in range(given.rounds):
        for name, way in ways.items():
            wall, processor = time.perf_counter(), time.process_time()
            for index in order:
                way(epoch, index)
            used = time.perf_counter() - wall, time.process_time() - processor
            rates[name].append((order.size / used[0], order.size / used[1]))
    print(f"{order.size} pictures of {given.size}×{given.size}×3 a round, {given.rounds} rounds; images/s")
    for name, pairs in rates.items():
        wall_rates, processor_rates = zip(*pairs, strict=True)
        ratios = [a[1] / b[1] for a, b in zip(rates["crosstrain"], pairs, strict=True)]
        print(
            f"{name:>32}: {_range(wall_rates)} of wall, {_range(processor_rates)} of processor time;"
            f" crosstrain {statistics.median(ratios):.2f} times as fast ({min(ratios):.2f}–{max(ratios):.2f})"
        )
    return {"images_per_second": rates}


# -- what it costs a training ---------------------------------------------------------------------
def training(given: argparse.Namespace) -> dict[str, Any]:
    import crosstrain

    seconds: dict[str, list[float]] = {"without": [], "with": []}
    with tempfile.TemporaryDirectory() as folder:
        for epoch in range(1, given.rounds + 2):
            for name, augment in (("without", None), ("with", EVERYTHING)):
                trained = crosstrain.train(
                    given.train, given.data, engine=given.engine, size=given.size, epochs=epoch,
                    augment=augment, out=Path(folder) / name, progress=False, threads=given.threads,
                )  # fmt: skip
                if not trained.ok:
                    raise SystemExit(trained.result.error or trained.result.diverged)
                if epoch > 1:  # the first settles caches
                    seconds[name].append(trained.result.epochs[-1].train_seconds)
    ratios = [b / a for a, b in zip(*seconds.values(), strict=True)]
    print(f"{given.train} on {given.engine} at {given.size}, {EVERYTHING}; seconds an epoch")
    for name, values in seconds.items():
        print(f"{name:>8}: {_range(values)}")
    print(f"   ratio: {statistics.median(ratios):.3f} ({min(ratios):.3f}–{max(ratios):.3f})")
    return {"seconds": seconds, "ratios": ratios}


def _range(values: Any) -> str:
    return f"{statistics.median(values):,.4g} ({min(values):,.4g}–{max(values):,.4g})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=20, help="of 64 pictures, in a round")
    parser.add_argument("--train", metavar="NETWORK", help="what it costs the training of this network")
    parser.add_argument("--data", metavar="DATA", help="with --train, as gtsrb:GTSRB.zip")
    parser.add_argument("--engine", default="torch", help="with --train")
    parser.add_argument("--threads", type=int, help="with --train")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if bool(given.train) != bool(given.data):
        parser.error("--train and --data belong together")
    result = training(given) if given.train else throughput(given)
    if given.json:
        given.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
