"""The worker's side: an engine's operations held against NumPy."""
