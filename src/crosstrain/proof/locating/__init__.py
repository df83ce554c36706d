"""Where an engine departs: the first node in the forward pass or in training, and the likely cause."""
