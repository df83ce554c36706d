"""What else decides between engines: repeatability, latency, sizes, energy, effort, share of the peak."""

from crosstrain.criteria.run import Criteria

__all__ = ["Criteria"]
