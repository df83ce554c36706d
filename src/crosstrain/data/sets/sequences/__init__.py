"""Data sets whose examples have an order: series of numbers, and text."""
