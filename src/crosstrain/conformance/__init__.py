"""Whether an engine's operations do what the vocabulary says they mean, one by one.

``cases`` has inputs for every op; ``holding`` is the worker's side: it runs them on an engine, holds values
against NumPy's and gradients against finite differences, and makes the input of what departs small; ``run``
asks engine after engine; ``faults`` lists what frameworks are known to do otherwise.
"""
