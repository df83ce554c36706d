"""NeuroLab's own calls, on today's NumPy and in whole matrices: ``import crosstrain.classic.neurolab as nl``.

A script written for NeuroLab 0.3.5 (Zuev, 2015) runs after changing its import: the same names, the same
order of random draws from ``numpy.random``, the same numbers. Where they differ, and why:

- ``train_bfgs``, ``train_cg`` and ``train_ncg`` call SciPy as NeuroLab does, so their figures are those of
  the installed SciPy; each of its releases searches its lines a little differently.
- With MSE, MAE and CEE, NeuroLab's gradient is that of the error times the number of samples. Descent keeps
  that (the learning rate means what it meant); SciPy's rules, whose searches compare gradient and error, get
  the gradient of the error.
- ``rr`` (regularisation): ``train_gdx`` ignores it in NeuroLab, ``adapt=True`` fails with it, and SciPy's
  rules get a gradient that is not that of their error. Here it does what its documentation says.
- ``SatLinPrm.deriv`` is ``k`` inside the range, not 1. ``newlvq`` works with today's NumPy and with shares
  whose sum is 1 only up to rounding. A batch step of ``train_lvq`` (``adapt=False``) moves away from a wrong
  class, and a winner by all its samples.
- ``save`` writes JSON, not a pickle: a file that somebody sent cannot run code when it is loaded.
- Wrong input raises ``ValueError`` with a sentence in place of ``AssertionError``.
"""

from crosstrain.classic.neurolab import core, error, init, layer, net, tool, train, trans
from crosstrain.classic.neurolab.tool import load

__all__ = ["core", "error", "init", "layer", "load", "net", "tool", "train", "trans"]
