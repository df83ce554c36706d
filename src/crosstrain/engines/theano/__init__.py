"""Theano: one compiled function for a training step, its weights shared variables that the function updates.

Theano 1.0.5, the last release, on the CPU. Convolutions are GEMM-based (CorrMM), over SciPy's OpenBLAS;
elementwise chains are fused into C++ loops, which are compiled once and kept on the disk.
"""

from crosstrain.engines.theano.engine import ENGINE

__all__ = ["ENGINE"]
