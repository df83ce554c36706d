"""Batch, layer and RMS normalisation, over several ranks and axes."""

from __future__ import annotations

from typing import Any

from crosstrain.conformance.cases.case import OpCase
from crosstrain.conformance.cases.drawing import normal, within


def cases() -> list[OpCase]:
    def norm(label: str, x: Any, axis: int, parts: str = "gb") -> list[OpCase]:
        n = x.shape[axis]
        gamma, beta = (normal(n) if part in parts else None for part in "gb")
        mean, variance = normal(n), within(0.5, 2, n)
        return [
            OpCase(
                "batch_norm",
                (x, gamma, beta, mean, variance),
                {"axis": axis, "momentum": 0.8, "epsilon": 1e-3},
                label,
                (3, 4),
            ),
            OpCase("normalize", (x, gamma, beta, mean, variance), {"axis": axis, "epsilon": 1e-3}, label),
        ]

    return [
        *norm("", normal(3, 4, 5, 2), -1),
        *norm("dense", normal(6, 3), -1, "b"),
        *norm("series", normal(3, 4, 2), 2, "g"),
        *norm("volume", normal(2, 2, 3, 2, 2), -1),
        *norm("channels_first", normal(3, 2, 4, 5), 1),
        *norm("middle", normal(3, 4, 2, 5), 2, ""),
        OpCase("layer_norm", (normal(3, 4), normal(4), normal(4)), {"axes": (-1,), "epsilon": 1e-3}),
        OpCase(
            "layer_norm",
            (normal(3, 4, 5), normal(4, 5), normal(4, 5)),
            {"axes": (1, 2), "epsilon": 1e-3},
            "two_axes",
        ),
        OpCase(
            "layer_norm", (normal(3, 4, 5), normal(4, 1), None), {"axes": (1,), "epsilon": 1e-3}, "middle"
        ),
        OpCase("layer_norm", (normal(3, 4),), {"axes": (-1,), "epsilon": 1e-3}, "bare"),
        OpCase("rms_norm", (normal(3, 4), normal(4)), {"axes": (-1,), "epsilon": 1e-6}),
        OpCase("rms_norm", (normal(3, 4, 2), normal(4, 1)), {"axes": (1,), "epsilon": 1e-6}, "middle"),
    ]
