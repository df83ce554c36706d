"""MXNet: graphs as symbols, run by a ``CachedOp`` with static memory, as a hybridized Gluon block is.

Values have the vocabulary's channels-last shape and remember the order of axes in which they were computed
(``values``): image ops work channels-first on oneDNN, and other ops work in the order of their input, so a
batch is transposed once at entry. All trained weights are views of one vector, and their gradients of another
(``weights``), so that SGD is one kernel for all layers. MXNet is asynchronous: ``train`` returns before the
step is done. MXNet 1.9.1 needs Python 3.11 and NumPy 1.23.

Read ``engine`` first, then ``values`` and ``trace``; ``ops``, ``images``, ``products`` and ``recurrent`` hold
the op vocabulary. Measurements: ``docs/engines/mxnet.md``.
"""

from crosstrain.engines.mxnet.engine import ENGINE

__all__ = ["ENGINE"]
