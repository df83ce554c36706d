"""The mathematics of measurements: intervals, ratios, ties, growth. Knows nothing of networks."""
