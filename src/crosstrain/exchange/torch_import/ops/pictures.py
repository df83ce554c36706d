"""Pictures in other sizes."""

from __future__ import annotations

import numpy as np
import torch

from crosstrain.exchange.reading.axes import behind
from crosstrain.exchange.reading.shaping import interpolated
from crosstrain.exchange.reading.values import Value
from crosstrain.exchange.torch_import.values import AtenNode, TorchReader, operand, reads

KINDS = {
    "upsample_nearest1d": "nearest", "upsample_nearest2d": "nearest", "upsample_nearest3d": "nearest",
    "_upsample_nearest_exact1d": "nearest-exact", "_upsample_nearest_exact2d": "nearest-exact",
    "_upsample_nearest_exact3d": "nearest-exact", "upsample_linear1d": "bilinear",
    "upsample_bilinear2d": "bilinear", "upsample_trilinear3d": "bilinear", "upsample_bicubic2d": "bicubic",
}  # fmt: skip


@reads(*KINDS)
def upsample(r: TorchReader, n: AtenNode) -> Value:
    """Along each axis a product with a matrix: what PyTorch makes of the unit vectors."""
    x = operand(n, "input")
    scales = n.get("scale_factors") or [None] * (x.rank - 2)
    last = x.last_only
    ref = x.last if last else x.first
    for i, length in enumerate(x.shape[2:]):
        if length is None:
            raise r.refusal("resizes an axis whose length only the data knows")
        goal = n.lengths[i + 2]
        if goal == length and scales[i] in (None, 1.0):
            continue
        matrix = _matrix(KINDS[n.op], length, goal, scales[i], bool(n.get("align_corners", False)))
        ref = interpolated(r, ref, matrix, behind(i + 2, x.rank) if last else i + 2)
    return r.as_value(ref, last=last)


def _matrix(kind: str, length: int, goal: int, scale: float | None, corners: bool) -> np.ndarray:
    """(goal, length): how each new cell is made of the old ones."""
    unit = torch.eye(length, dtype=torch.float64).reshape(length, 1, length, 1)
    size = {"size": (goal, 1)} if scale is None else {"scale_factor": (float(scale), 1.0)}
    more = {"align_corners": corners} if kind in ("bilinear", "bicubic") else {}
    rows = torch.nn.functional.interpolate(unit, mode=kind, **size, **more)  # type: ignore[arg-type]
    return np.asarray(rows.reshape(length, goal).T)
