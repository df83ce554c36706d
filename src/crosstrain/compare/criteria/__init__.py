"""What else decides between engines: repeatability, latency, sizes, energy, effort, share of the peak."""

from crosstrain.compare.criteria.run import Criteria

__all__ = ["Criteria"]
