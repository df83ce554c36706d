"""A network as framework-neutral data: ops with their NumPy meaning, importers and exporters of Keras."""
