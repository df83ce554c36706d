"""The judgement on results: which network, engine and input size to take, and why."""
