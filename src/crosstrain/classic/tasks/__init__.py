"""What the networks are for: one worked example in each module, a function that returns its result."""
