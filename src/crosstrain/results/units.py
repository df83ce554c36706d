"""Numbers with their units, as every report writes them."""

from __future__ import annotations

from collections.abc import Sequence

from crosstrain.results.rows import size_text
from crosstrain.results.schema import Size
from crosstrain.statistics.ratios import Interval

NOTHING = "–"


def seconds(value: float | None) -> str:
    """Three digits, in ms below a tenth of a second, in minutes above ten of them."""
    if value is None:
        return NOTHING
    if value < 0.1:
        return f"{value * 1000:.3g} ms"
    if value >= 600:
        return f"{value / 60:.1f} min"
    return f"{value:.3g} s" if value < 100 else f"{value:.0f} s"


def share(value: float | None) -> str:
    return NOTHING if value is None else f"{100 * value:.2f} %"


def memory(value: int | None) -> str:
    """In binary units."""
    if value is None:
        return NOTHING
    return f"{value / 2**30:.2f} GiB" if value >= 2**30 else f"{value / 2**20:.0f} MiB"


def times(ratio: Interval) -> str:
    """A ratio with its limits: ``2.00 [1.97–2.03] times``."""
    return quotient(ratio.value, ratio.low, ratio.high)


def quotient(value: float, low: float, high: float) -> str:
    """As ``times``, of three numbers."""
    digits = 2 if value < 100 else 0
    return f"{value:.{digits}f} [{low:.{digits}f}–{high:.{digits}f}] times"


def pixels(size: Size) -> str:
    """An input size: ``32 pixels``, ``32×48 pixels``; empty where there is none."""
    return "" if size is None else f"{size_text(size)} pixels"


def at_size(name: str, size: Size) -> str:
    """``resnet20 at 32 pixels``."""
    return name if size is None else f"{name} at {pixels(size)}"


def joined(names: Sequence[str]) -> str:
    """The first name, and how many others there are: ``a``, ``a and 1 other``, ``a and 2 others``."""
    rest = len(names) - 1
    return names[0] + (f" and {rest} other{'' if rest == 1 else 's'}" if rest else "")
