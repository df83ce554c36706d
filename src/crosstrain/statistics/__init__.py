"""The mathematics of measurements: location, intervals, ratios, ties, how many repeats. On plain numbers."""
