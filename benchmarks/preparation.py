"""Images a second that preparation makes, against plain OpenCV code that goes through them one by one.

    python benchmarks/preparation.py --data GTSRB.zip [--size 48] [--rounds 5] [--json FILE]

Both crop, resize, equalise (CLAHE) and write float32 arrays to the disk; rounds of all are interleaved. The
plain loop reads the pictures through ``zipfile`` in one thread, as a script would.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import statistics
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from crosstrain.data import prepare


def plain(archive: Path, size: int, out: Path) -> int:
    """The loop that people write; returns the number of images."""
    made = []
    with zipfile.ZipFile(archive) as files:
        present = {name.rpartition(".")[0][-17:]: name for name in files.namelist()}
        tables = [name for name in files.namelist() if name.endswith(".csv")]
        clahe = cv2.createCLAHE(2.0, (8, 8))
        for table in tables:
            for row in csv.DictReader(io.TextIOWrapper(files.open(table)), delimiter=";"):
                stem = Path(row["Filename"]).stem
                name = present.get(f"{int(row['ClassId']):05d}/{stem}")
                if name is None:
                    continue
                data = np.frombuffer(files.read(name), np.uint8)
                picture = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
                x1, y1, x2, y2 = (int(row[f"Roi.{edge}"]) for edge in ("X1", "Y1", "X2", "Y2"))
                picture = picture[y1:y2, x1:x2]
                how = cv2.INTER_AREA if max(picture.shape[:2]) > size else cv2.INTER_CUBIC
                lab = cv2.cvtColor(cv2.resize(picture, (size, size), interpolation=how), cv2.COLOR_BGR2LAB)
                lab[..., 0] = clahe.apply(lab[..., 0])
                made.append(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB).astype(np.float32) / 255)
    if not made:
        raise SystemExit(f"{archive} holds no picture that its tables name")
    np.save(out, np.stack(made))
    return len(made)


def ours(archive: Path, size: int, cache: Path) -> int:
    return sum(prepare(f"gtsrb:{archive}", size=size, steps="clahe", cache=cache).manifest["splits"].values())


def timed(work: Callable[[Path, int, Path], int], archive: Path, size: int) -> float:
    """Images a second, written to a folder of their own: reading and hashing the source are part of it."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        images = work(archive, size, Path(folder) / "out")
        return images / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, metavar="ZIP", help="GTSRB's tree as a zip")
    parser.add_argument("--size", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rates: dict[str, list[float]] = {"crosstrain": [], "plain OpenCV": []}
    for _ in range(given.rounds):
        rates["crosstrain"].append(timed(ours, given.data, given.size))
        rates["plain OpenCV"].append(timed(plain, given.data, given.size))
    for name, found in rates.items():
        print(f"{name:>13}: {statistics.median(found):7.0f} images/s  ({min(found):.0f}–{max(found):.0f})")
    ratios = [a / b for a, b in zip(*rates.values(), strict=True)]
    print(f"        ratio: {statistics.median(ratios):7.2f}           ({min(ratios):.2f}–{max(ratios):.2f})")
    if given.json:
        given.json.write_text(json.dumps({"images_per_second": rates, "ratios": ratios}, indent=1))


if __name__ == "__main__":
    main()
