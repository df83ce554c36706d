"""MXNet: graphs as symbols in hybridized functions (``CachedOp``), channels-first with oneDNN on a CPU."""

from crosstrain.engines.mxnet.engine import ENGINE

__all__ = ["ENGINE"]
