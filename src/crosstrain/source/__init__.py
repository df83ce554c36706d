"""Source out: a graph and its training as readable source of one framework, proved equal to the graph."""
