"""Theano: one compiled function for a training step, which updates shared variables.

Theano 1.0.5, the last release, on the CPU. Convolutions are GEMM-based (CorrMM), over SciPy's OpenBLAS;
elementwise chains are fused into C++ loops, which are compiled once and kept on the disk. Theano needs
``g++`` and settings that it reads when it is imported (``start``). Its variables carry no full shapes, so
values keep the shape beside the variable (``values``).

Read ``engine`` first, then ``values`` and ``ops`` for the op vocabulary, and ``start`` for the settings.
Measurements: ``docs/engines/theano.md``.
"""

from crosstrain.engines.theano.engine import ENGINE

__all__ = ["ENGINE"]
