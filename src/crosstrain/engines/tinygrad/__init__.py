"""tinygrad: one captured list of kernels for a training step, which writes weights and slots in place."""

from crosstrain.engines.tinygrad.engine import ENGINE

__all__ = ["ENGINE"]
