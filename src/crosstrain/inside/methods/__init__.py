"""The mathematics of looking inside, on NumPy; an engine gives values and gradients (``machine.Machine``)."""
