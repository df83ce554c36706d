"""MindSpore: one compiled graph for a training step, on oneDNN's kernels; PyNative as an option."""

from crosstrain.engines.mindspore.engine import ENGINE

__all__ = ["ENGINE"]
