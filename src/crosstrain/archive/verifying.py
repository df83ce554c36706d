"""``crosstrain verify``: whether a bundle is what was packed, whether its tables follow from its cells, and
whether a sample of it, proved and trained again here, says the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from crosstrain.advice.changed import Finding, compared
from crosstrain.archive.opening import Bundle, open_bundle
from crosstrain.archive.packing import RUN
from crosstrain.archive.sample import Asked, Sample, agree_on_data, sample, unpack
from crosstrain.comparison.progress.watch import Silent, Watch
from crosstrain.comparison.settings import RUNS
from crosstrain.errors import CrosstrainError
from crosstrain.reporting.answer.text import Answer, Listing
from crosstrain.results.rows import Row, counted, rows
from crosstrain.results.schema import CellResult, ComparisonResult
from crosstrain.results.units import at_size, share, times
from crosstrain.statistics import ratios as statistics
from crosstrain.studies import comparison as comparing
from crosstrain.system.files import slug
from crosstrain.system.machine import own_version

Verdict = Literal["held", "did not hold", "not told"]

_VERDICTS: dict[str, Verdict] = {"unchanged": "held", "changed": "did not hold", "not told": "not told"}


@dataclass(frozen=True)
class Claim:
    """Something that a bundle says, with the verdict on it and a sentence."""

    verdict: Verdict
    text: str


@dataclass(frozen=True)
class Verification:
    """What ``verify`` found. ``sha256`` is the file's own, ``files`` how many it has, all of them as they
    were packed; ``times`` compare this machine with the bundle's, which proves nothing; ``facts`` are
    versions and machines that differ; ``folder`` is that of the training here (None: there was none)."""

    path: Path
    sha256: str
    files: int
    claims: tuple[Claim, ...]
    times: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    folder: Path | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing was found that does not hold."""
        return not self.of("did not hold")

    def of(self, verdict: Verdict) -> list[Claim]:
        return [claim for claim in self.claims if claim.verdict == verdict]

    def to_json(self) -> dict[str, Any]:
        return {
            "file": str(self.path), "sha256": self.sha256, "files": self.files, "ok": self.ok,
            "claims": [asdict(claim) for claim in self.claims], "times": list(self.times),
            "facts": list(self.facts), "folder": self.folder and str(self.folder),
        }  # fmt: skip

    def answer(self) -> Answer:
        """The same as text."""
        failed, untold, held = len(self.of("did not hold")), len(self.of("not told")), len(self.of("held"))
        rest = f"; {untold} could not be told" if untold else ""
        total = counted(failed + held, "claim")
        headline = f"{failed} of {total} did not hold{rest}." if failed else f"{total} held{rest}."
        listings = (
            Listing("What did not hold", tuple(claim.text for claim in self.of("did not hold"))),
            Listing("What could not be told", tuple(claim.text for claim in self.of("not told"))),
            Listing("What held", tuple(claim.text for claim in self.of("held"))),
            Listing("Times on this machine", self.times),
        )
        whole = f"All {self.files} files are what was packed; SHA-256 {self.sha256}."
        return Answer(headline, (whole, *self.facts), tuple(x for x in listings if x.lines), (), ())


def verify(
    path: Path,
    asked: Asked | None = None,
    *,
    sha256: str | None = None,
    retrain: bool = True,
    out: Path | None = None,
    watch: Watch | None = None,
) -> Verification:
    """Check a bundle; unless ``retrain`` is false, also prove and train a sample of it again, in the folder
    ``out`` (default: one named after the bundle), where a second call goes on.

    Raises ``CrosstrainError`` for a file that is no bundle or was altered (which file in it), for a sample
    that it does not have, and where the data here is other data.
    """
    bundle = open_bundle(path, sha256)
    bundle.check()
    result = _result(bundle)
    claims = _derived(bundle, result)
    if not retrain:
        return Verification(path, bundle.sha256, len(bundle.sums), tuple(claims))
    watch = watch or Silent()
    part = sample(bundle, result, asked or Asked())
    folder = out or RUNS / f"verify-{slug(path.stem)}-{bundle.sha256[:8]}"
    if not (folder / "plan.json").exists():
        unpack(bundle, part, folder)
    agree_on_data(part, folder, watch.stage)
    here = comparing.run(part.settings, folder, watch)
    findings = compared(part.before, here, ("the bundle", "here"))
    claims += _repeated(part, findings.findings, here)
    claims += _orders(part, here)
    return Verification(
        path, bundle.sha256, len(bundle.sums), tuple(claims),
        tuple(f.text for f in findings.findings if f.quantity == "time"), findings.facts, folder,
    )  # fmt: skip


def _result(bundle: Bundle) -> ComparisonResult:
    try:
        return ComparisonResult.model_validate(bundle.read_json(f"{RUN}/result.json"))
    except ValidationError as error:
        raise CrosstrainError(
            f"{bundle.path} has a result that this version of crosstrain cannot read"
        ) from error


# -- what the bundle says of itself -----------------------------------------------------------------
def _derived(bundle: Bundle, result: ComparisonResult) -> list[Claim]:
    """Whether the result has the cells as they were stored, and its rows follow from these."""
    stored = {c.id: bundle.read_json(f"{RUN}/cells/{c.id}.json") for c in result.cells if c.epochs}
    other = [c.id for c in result.cells if c.epochs and not _alike(c, stored[c.id])]
    claims = [
        Claim("did not hold", f"result.json has {name} otherwise than cells/{name}.json.") for name in other
    ]
    if not other:
        claims.append(
            Claim("held", f"The result has all {counted(len(stored), 'cell')} as they were stored.")
        )
    if result.crosstrain != own_version():
        version = result.crosstrain
        return [
            *claims,
            Claim("not told", f"Its rows were computed by crosstrain {version}, not computed again."),
        ]
    derived = [row.to_json() for row in rows(result.cells)]
    follow = _plain(derived) == _plain(result.rows)
    text = (
        "The rows of the tables follow from the cells."
        if follow
        else "The rows do not follow from the cells."
    )
    return [*claims, Claim("held" if follow else "did not hold", text)]


def _alike(cell: CellResult, record: Any) -> bool:
    """Whether the stored record of a cell is this one; its certificate is settled later."""
    try:
        stored = CellResult.model_validate(record)
    except ValidationError:
        return False
    return stored.model_copy(update={"certificate": cell.certificate}) == cell


def _plain(value: Any) -> Any:
    """Numbers as they are after a way through JSON."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return float(f"{value:.12g}") if isinstance(value, float) else value


# -- what it says of rows, and of engines ----------------------------------------------------------
def _repeated(part: Sample, findings: Sequence[Finding], here: ComparisonResult) -> list[Claim]:
    """Accuracies and certificates. A row that failed here, or cannot be proved here, says nothing."""
    then = {_key(row): row for row in rows(part.before.cells)}
    now = {_key(row): row for row in rows(here.cells)}
    claims = [
        Claim("not told", f"{at_size(row.network, row.input_size)} on {row.engine}: {row.error}.")
        for row in now.values()
        if not row.done
    ]
    for finding in findings:
        key = finding.network, str(finding.input_size), finding.engine
        row = now.get(key)
        if finding.quantity not in ("accuracy", "certificate") or row is None or not row.done:
            continue
        name = f"{at_size(row.network, row.input_size)} on {row.engine}"
        if finding.quantity == "certificate" and not part.settings.proof and then[key].certificate != "none":
            claims.append(Claim("not told", f"{name}: not proved again, which would run its author's code."))
            continue
        if finding.quantity == "accuracy" and row.score == then[key].score:
            # However few the test examples, nothing is the same as the same.
            claims.append(Claim("held", f"{name}: the very same {row.title}, {share(row.score)}."))
            continue
        unknown = finding.quantity == "certificate" and row.certificate in ("none", "cannot")
        claims.append(Claim("not told" if unknown else _VERDICTS[finding.verdict], finding.text))
    return claims


def _orders(part: Sample, here: ComparisonResult) -> list[Claim]:
    """Which of two engines is faster, where the bundle told them apart: that may hold on any machine."""
    now = {_key(row): row for row in rows(here.cells)}
    claims = []
    for one, other in combinations(part.rows, 2):
        if _key(one)[:2] != _key(other)[:2] or not {_key(one), _key(other)} <= {*now}:
            continue
        then = statistics.ratio(one.runs, other.runs)
        if then is None or then.includes(1.0):
            continue
        fast, slow = (one, other) if then.value < 1 else (other, one)
        claims.append(_order(fast, slow, now[_key(fast)], now[_key(slow)]))
    return [claim for claim in claims if claim]


def _order(fast: Row, slow: Row, fast_here: Row, slow_here: Row) -> Claim | None:
    then = statistics.ratio(slow.runs, fast.runs)
    now = statistics.ratio(slow_here.runs, fast_here.runs)
    if then is None or now is None:
        return None
    verdict: Verdict = "held" if now.low > 1 else "did not hold" if now.high < 1 else "not told"
    name = at_size(fast.network, fast.input_size)
    return Claim(
        verdict,
        f"{name}: {slow.engine} took {times(then)} the time of {fast.engine}, here {times(now)}.",
    )


def _key(row: Row) -> tuple[str, str, str]:
    return row.network, str(row.input_size), row.engine
