"""Draws a finished comparison as the SVG that the README shows, just as the terminal prints it.

python docs/picture.py crosstrain-runs/demo docs/demo.svg
"""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from crosstrain.reporting.terminal.tables import print_comparison
from crosstrain.results.schema import ComparisonResult


def picture(folder: Path, title: str) -> str:
    """The comparison in ``folder`` as SVG text. It names no font file: nothing is fetched to show it."""
    result = ComparisonResult.model_validate(json.loads((folder / "result.json").read_text()))
    console = Console(record=True, width=100, file=io.StringIO(), force_terminal=True, highlight=False)
    print_comparison(result, console)
    without_fonts = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    return console.export_svg(title=title, code_format=without_fonts)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source, target = map(Path, sys.argv[1:])
    target.write_text(picture(source, f"crosstrain compare · {source.name}"))
