"""A network for the eye: its layers as a table, its graph as a drawing, its sources in columns."""
