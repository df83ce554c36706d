"""What an export wrote, on the terminal."""

from __future__ import annotations

from rich.console import Console

from crosstrain.exchange.export import Exported


def print_export(exported: Exported, screen: Console) -> None:
    """Where it is, how large, and how it was verified."""
    screen.print(
        f"{exported.path}  ({_size(exported.bytes)}, {exported.network}, {exported.weights} weights)"
    )
    kind = "test images" if exported.real_data else "random inputs"
    engine = f"{exported.verified_by} {exported.verified_by_version or ''}".strip()
    screen.print(
        f"Verified in {engine} on {exported.examples} {kind}: outputs within {exported.output_error:.1e} of "
        f"NumPy in float64 (largest difference {exported.largest_difference:.1e})."
    )
    if exported.test_accuracy is not None:
        own = f", {exported.test_accuracy_here:.4f} in {exported.here}" if exported.here else ""
        screen.print(
            f"Test accuracy: {exported.test_accuracy:.4f} in {exported.verified_by}{own} "
            f"({exported.test_examples:,} examples)."
        )


def _size(count: int) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count} bytes"
