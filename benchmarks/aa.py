"""Does crosstrain keep quiet about nothing, and speak up about something?

The same engine is compared with itself under two names (A/A): it must be a tie. Then a slowdown is planted,
an engine that is PyTorch but for waiting 5 % longer in each step: a pilot of a few repeats foretells how many
find it, and with so many, measured afresh, it must be found. Takes some 4 minutes on 2 quiet cores.

    python benchmarks/aa.py [--repeats 20] [--pilot 6] [--slower 1.05] [--most 40] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import slower_engine
from crosstrain.reporting.comparison import Comparison
from crosstrain.results.rows import Row, rows
from crosstrain.statistics import ratios as statistics
from crosstrain.statistics import repeats as planning


def main() -> int:
    arguments = _arguments()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _register(folder / "entry", arguments.slower)
        aa = _aa(folder / "aa", arguments)
        print(_sentence("A/A", aa), flush=True)
        planted = _planted(folder, arguments)
        print(_sentence(f"planted {arguments.slower:g}", planted), flush=True)
    good = aa["tie"] and planted["found"]
    told = {"aa": aa, "planted": planted, "seconds": round(time.monotonic() - started, 1), "good": good}
    print(f"{'As it should be' if good else 'NOT as it should be'}, after {told['seconds']:.0f} s.")
    if arguments.json:
        arguments.json.write_text(json.dumps(told, indent=1) + "\n")
    return 0 if good else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", default="lenet5")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="one, so that a core is left for the rest")
    parser.add_argument("--repeats", type=int, default=20, help="of the A/A comparison")
    parser.add_argument("--pilot", type=int, default=6, help="repeats from which the plan is made")
    parser.add_argument("--slower", type=float, default=1.05, help="the factor that is planted")
    parser.add_argument("--most", type=int, default=40, help="never more repeats than this")
    parser.add_argument("--json", type=Path, help="write figures and verdicts there")
    return parser.parse_args()


def _register(folder: Path, factor: float) -> None:
    """Make ``slower_engine`` known here and in workers, as an installed package would be."""
    info = folder / "slower_engine-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: slower-engine\nVersion: 1.0\n")
    name = slower_engine.NAME
    (info / "entry_points.txt").write_text(f"[crosstrain.engines]\n{name} = slower_engine:ROW\n")
    here = [str(folder), str(Path(__file__).parent)]
    sys.path[:0] = here
    os.environ["PYTHONPATH"] = os.pathsep.join([*here, *filter(None, [os.environ.get("PYTHONPATH")])])
    os.environ[slower_engine.VARIABLE] = str(factor)


def _compared(folder: Path, engines: list[str], repeats: int, arguments: argparse.Namespace) -> list[Row]:
    """The rows of two engines, in that order."""
    import crosstrain

    found: Comparison = crosstrain.compare(
        arguments.network, arguments.data, engines=engines, sizes=[arguments.size], epochs=arguments.epochs,
        repeats=repeats, threads=arguments.threads, proof=False, out=folder,
    )  # fmt: skip
    for finding in found.result.stability:
        print(f"  {finding['text']}")
    return rows(found.cells)


def _aa(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    return _verdict(*_compared(folder, ["torch", "torch@again"], arguments.repeats, arguments))


def _planted(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    engines = [slower_engine.NAME, "torch"]
    pilot = _compared(folder / "pilot", engines, arguments.pilot, arguments)
    foretold = planning.needed_for_difference(pilot[0].runs, pilot[1].runs, arguments.slower - 1)
    if foretold is None:
        raise SystemExit("a plan takes a pilot of three repeats or more")
    repeats = min(foretold, arguments.most)
    print(f"The pilot of {arguments.pilot} foretells {foretold} repeats; {repeats} are measured.", flush=True)
    verdict = _verdict(*_compared(folder / "planted", engines, repeats, arguments))
    found = not verdict["tie"] and verdict["ratio"]["value"] > 1
    return {"pilot": arguments.pilot, "foretold": foretold, **verdict, "found": found}


def _verdict(first: Row, second: Row) -> dict[str, Any]:
    ratio = statistics.ratio(first.runs, second.runs)
    if ratio is None:
        raise SystemExit(f"nothing was measured: {first.error or second.error}")
    return {
        "engines": [first.engine, second.engine], "repeats": [len(first.runs), len(second.runs)],
        "seconds_per_epoch": [row.seconds.to_json() for row in (first, second) if row.seconds],
        "ratio": ratio.to_json(), "p": statistics.probability(first.runs, second.runs),
        "tie": ratio.includes(1.0), "detectable": planning.detectable(first.runs, second.runs),
    }  # fmt: skip


def _sentence(what: str, verdict: dict[str, Any]) -> str:
    ratio, (one, other) = verdict["ratio"], verdict["engines"]
    return (
        f"{what}: {one} over {other} {ratio['value']:.3f} [{ratio['low']:.3f}–{ratio['high']:.3f}], "
        f"{'a tie' if verdict['tie'] else 'told apart'}, {min(verdict['repeats'])} repeats each "
        f"(these find {verdict['detectable']:.3f} nine times of ten)"
    )


if __name__ == "__main__":
    raise SystemExit(main())
