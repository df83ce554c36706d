"""Whether fine-tuning beats training from scratch in a few epochs on a small set.

    python benchmarks/transfer.py --data GTSRB.zip [--network idsia:width=0.25] [--size 32] [--engine torch]
        [--pretrain-epochs 10] [--epochs 4] [--per-class 20] [--seeds 3] [--json FILE]

The network learns one half of the classes (every second one). The other half, with ``--per-class`` training
examples of each, is then learnt in ``--epochs`` epochs in three ways: from scratch; with the first half's
weights frozen until ``--freeze-until`` and a new head; and so for half of the epochs, then with all layers
trained at a tenth of the rate. All ways have the same seeds, examples and number of epochs; test accuracies
are those of the epoch that validated best. Differences are paired by seed, with Student's 95 % interval.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import crosstrain
from crosstrain.data import prepare
from crosstrain.statistics.location import student
from crosstrain.system.files import write_arrays

SPLITS = ("train", "validation", "test")


def halves(spec: str, size: int, per_class: int, folder: Path) -> list[Path]:
    """Two files of arrays, the even classes with all their examples and the odd ones with few to train on,
    which are spread over each class."""
    data = prepare(spec, size=size)
    names = np.array(data.manifest["classes"])
    files = []
    for number, few in enumerate((False, True)):
        arrays: dict[str, np.ndarray] = {}
        for split in SPLITS:
            (x,), (y,) = (list(part.values()) for part in data.arrays(split))
            rows = np.flatnonzero(y % 2 == number)
            if few and split == "train":
                rows = np.concatenate(
                    [spread(rows[y[rows] == label], per_class) for label in np.unique(y[rows])]
                )
            arrays |= {f"x_{split}": x[rows], f"y_{split}": names[y[rows]]}
        files.append(folder / f"half-{number}.npz")
        write_arrays(files[-1], arrays)
    return files


def spread(rows: np.ndarray, count: int) -> np.ndarray:
    """``count`` of ``rows``, evenly spaced."""
    chosen: np.ndarray = rows[np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int))]
    return chosen


def ways(first: Path, until: str, epochs: int) -> dict[str, dict[str, Any]]:
    """What each way adds to a training of ``epochs`` epochs."""
    transferred = {"weights": first, "replace_head": True, "freeze_until": until}
    early = max(1, epochs // 2)
    return {
        "from scratch": {"epochs": epochs},
        "frozen": {"epochs": epochs, **transferred},
        "fine-tuned": {"epochs": early, **transferred, "fine_tune": str(max(1, epochs - early))},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", required=True, help="gtsrb:DIR, or the path of GTSRB's zip or .npz")
    parser.add_argument("--network", default="idsia:width=0.25")
    parser.add_argument("--freeze-until", default="flatten", help="a layer of the network")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--engine", default="torch")
    parser.add_argument("--pretrain-epochs", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--per-class", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    spec = options.data if ":" in options.data else f"gtsrb:{options.data}"
    common = {"engine": options.engine, "threads": options.threads, "progress": False}
    with tempfile.TemporaryDirectory(prefix="crosstrain-transfer-") as work:
        whole, few = halves(spec, options.size, options.per_class, Path(work))
        first = crosstrain.train(
            options.network,
            f"arrays:{whole}",
            epochs=options.pretrain_epochs,
            out=Path(work, "first"),
            **common,
        )
        check(first)
        print(f"first half: test accuracy {first.result.test_accuracy:.4f}", flush=True)
        chosen = ways(first.folder, options.freeze_until, options.epochs)
        accuracies: dict[str, list[float]] = {way: [] for way in chosen}
        for seed in range(options.seeds):
            for way, settings in chosen.items():
                out = Path(work, f"{way.replace(' ', '-')}-{seed}")
                done = crosstrain.train(
                    options.network, f"arrays:{few}", seed=seed, out=out, **settings, **common
                )
                check(done)
                evaluated = crosstrain.evaluate(out, engine=options.engine, progress=False)
                accuracies[way].append(float(evaluated.metrics["accuracy"]))
                print(f"seed {seed}, {way}: {accuracies[way][-1]:.4f}", flush=True)
    report(accuracies, options)


def check(trained: crosstrain.Trained) -> None:
    if not trained.ok:
        raise SystemExit(f"{trained.folder.name} did not train: {trained.result.error or 'it diverged'}")


def report(accuracies: dict[str, list[float]], options: argparse.Namespace) -> None:
    scratch = np.array(accuracies["from scratch"])
    print(f"\n{options.network} at {options.size}, {options.epochs} epochs, {options.per_class} a class:")
    for way, values in accuracies.items():
        line = f"  {way:13} test accuracy {np.mean(values):.4f}"
        differences = np.array(values) - scratch
        if way != "from scratch" and len(values) > 1:
            found = student(differences)
            line += f", better by {differences.mean():+.4f} [{found.low:+.4f} to {found.high:+.4f}]"
        print(line)
    if options.json:
        record = {"options": {k: str(v) for k, v in vars(options).items()}, "accuracies": accuracies}
        options.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
