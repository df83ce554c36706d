"""What ``crosstrain.compare`` returns: the result with its views."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from crosstrain.errors import CrosstrainError
from crosstrain.results.rows import rows
from crosstrain.results.schema import CellResult, CertificateResult, ComparisonResult, Recommendation

if TYPE_CHECKING:
    import pandas as pd

BAD = ("failed", "crashed", "timeout", "memory", "interrupted", "cannot", "missing")


class Comparison:
    """The results of a comparison: cells, certificates, a table and a recommendation.

    In a notebook it shows itself as a table; ``print`` gives the terminal's.
    """

    def __init__(self, result: ComparisonResult) -> None:
        self.result = result

    @classmethod
    def load(cls, folder: str | Path) -> Comparison:
        """The comparison in a folder; ``CrosstrainError`` where there is none, or a damaged one."""
        path = Path(folder) / "result.json"
        try:
            return cls(ComparisonResult.model_validate_json(path.read_bytes()))
        except FileNotFoundError as error:
            raise CrosstrainError(f"{folder} holds no comparison (no result.json)") from error
        except ValidationError as error:
            raise CrosstrainError(f"{path} is damaged; run the comparison again to write it anew") from error

    @property
    def cells(self) -> list[CellResult]:
        """All measurements, in the order in which they were run."""
        return self.result.cells

    @property
    def certificates(self) -> list[CertificateResult]:
        return self.result.certificates

    @property
    def recommendation(self) -> Recommendation:
        return self.result.recommendation

    @property
    def folder(self) -> Path:
        return Path(self.result.folder)

    @property
    def ok(self) -> bool:
        """Whether every cell ended well and no certificate departs."""
        cells_well = all(c.status not in BAD and not c.diverged for c in self.cells)
        classical_well = all(c.status not in BAD for c in self.result.classical)
        return (
            cells_well
            and classical_well
            and all(c.certificate not in ("departs", "cannot") for c in self.cells)
        )

    @property
    def dataframe(self) -> pd.DataFrame:
        """A row for each network, input size and engine: medians with their limits, seconds and bytes."""
        import pandas as pd

        return pd.DataFrame([_flat(row.to_json()) for row in rows(self.cells)])

    def report(self) -> Path:
        """Write the report's page anew, ``report.html`` in the folder; its path."""
        from crosstrain.reporting.page import write_page

        return write_page(self.folder)

    def to_json(self) -> dict[str, Any]:
        """The JSON that ``crosstrain compare --json`` writes (docs/results.md)."""
        data: dict[str, Any] = json.loads(self.result.model_dump_json())
        return data

    def __str__(self) -> str:
        from crosstrain.reporting.terminal.grid import console
        from crosstrain.reporting.terminal.tables import print_comparison

        out = io.StringIO()
        print_comparison(self.result, console(out))
        return out.getvalue()

    def __repr__(self) -> str:
        return f"<Comparison of {len(self.cells)} cells in {self.folder}>"

    def _repr_html_(self) -> str:
        from crosstrain.reporting.notebook import html

        return html(self.result)


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Intervals as three columns: the value under its own name, ``…_low`` and ``…_high``."""
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if key in (
            "seconds_per_epoch",
            "test_accuracy",
            "test_accuracy_over_seeds",
            "test_score",
            "test_score_over_seeds",
        ):
            flat[key] = value and value["value"]
            flat[f"{key}_low"] = value and value["low"]
            flat[f"{key}_high"] = value and value["high"]
        else:
            flat[key] = str(value) if key == "input_size" and isinstance(value, list) else value
    return flat
