"""Networks with a memory of their last step: :class:`.Elman`, :class:`.Jordan`."""

from crosstrain.classic.recurrent.networks import Elman, Jordan

__all__ = ["Elman", "Jordan"]
