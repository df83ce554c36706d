"""An engine of another package: PyTorch's, with ops that are wrong, crash, fail, hang or are missing."""

from __future__ import annotations

from pathlib import Path

NAME = "planted"
ENGINE = '''
import os, time
from dataclasses import replace
import torch
from crosstrain.engines.torch import ops
from crosstrain.engines.torch.engine import ENGINE as REAL

def log_softmax(x, *, axis=-1):
    return torch.clamp(x - torch.logsumexp(x, axis, keepdim=True), min=-64.0)

class Slope(torch.autograd.Function):
    """The sine, whose gradient is wrong from 1 on."""
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.sin(x)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * torch.cos(x) * torch.where(x > 1, 1.5, 1.0)

def fail(x):
    raise RuntimeError("no kernel for this")

ops.TABLE.update(
    log_softmax=log_softmax, sin=Slope.apply, floor=fail, softplus=lambda x: os.abort(),
    ceil=lambda x: time.sleep(600),
)

class Planted:
    name = "planted"

    def describe(self):
        return replace(REAL.describe(), unsupported={"erf": "it was left out"})

    def build(self, program, weights, setting):
        return REAL.build(program, weights, setting)

ENGINE = Planted()
'''
ROW = """
from crosstrain.engines.registry import EngineRow
ROW = EngineRow("planted", "planted_engine", ("torch",), "torch")
"""


def plant(folder: Path) -> None:
    """Write the package as it lies where it is installed."""
    info = folder / "planted-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[crosstrain.engines]\nplanted = planted_row:ROW\n")
    (folder / "planted_engine.py").write_text(ENGINE)
    (folder / "planted_row.py").write_text(ROW)
