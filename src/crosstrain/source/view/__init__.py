"""The layer view of a graph: what the frameworks have as layers, and the operations between them."""
