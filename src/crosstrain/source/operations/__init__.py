"""The vocabulary's operations as expressions of each target, for whatever the target has no layer for."""
